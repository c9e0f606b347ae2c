// SPDX-License-Identifier: Apache-2.0
//
// How a page with a proof on it tells what happens, and where it leads then.

const progress = document.getElementById("progress");
const refusal = document.getElementById("no");

// say tells where things are, or nothing.
export function say(text) {
  progress.textContent = text;
  progress.hidden = text === "";
}

// refuse shows a "no" with its next steps.
export function refuse(no) {
  say("");
  refusal.querySelector("h2").textContent = no.title ?? no.message ?? "That did not work.";
  refusal.querySelector("ol").replaceChildren(
    ...(no.next ?? []).map((step) => Object.assign(document.createElement("li"), { textContent: step })),
  );
  refusal.querySelector("code").textContent = no.rule ?? "unknown";
  const fixer = document.querySelector(`#fixers [data-role="${CSS.escape(no.fixer ?? "")}"]`);
  document.getElementById("fixer").textContent = fixer?.textContent ?? "";
  const source = no.source ?? no.problem?.source ?? {};
  document.getElementById("source").textContent = [source.document, source.date, source.clause].filter(Boolean).join(", ");
  refusal.hidden = false;
  refusal.focus();
}

// post sends JSON to this site and throws its refusal.
export async function post(path, body) {
  const response = await fetch(path, {
    method: "POST", headers: { "Content-Type": "application/json", Accept: "application/json" }, body: JSON.stringify(body),
  });
  if (!response.ok) throw await response.json();
}

// goOn leads to where the person was: a form that waited is sent as it was.
export function goOn() {
  const again = document.getElementById("again");
  if (again) again.submit();
  else location.assign(document.getElementById("ways").dataset.then);
}
