// SPDX-License-Identifier: Apache-2.0
//
// Hands the page's ticket to the card service of the workstation that the
// chosen reader belongs to, waits for its end, and goes on.

const form = document.getElementById("task");
const button = document.getElementById("go");
const progress = document.getElementById("progress");
const refusal = document.getElementById("no");

// say tells where things are, or nothing.
function say(text) {
  progress.textContent = text;
  progress.hidden = text === "";
}

// refuse shows a "no" with its next steps.
function refuse(no) {
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
}

// run has one ticket done at the agent and returns what it earned.
async function run(agent, ticket, reader) {
  const task = await agent.run({ ...ticket, reader });
  if (task.state === "refused") throw task.refusal;
  return task.result;
}

// redeem makes a sign-in's result the session of this browser.
async function redeem(result) {
  const response = await fetch("/card/v1/session", {
    method: "POST", headers: { "Content-Type": "application/json", Accept: "application/json" }, body: JSON.stringify({ result }),
  });
  if (!response.ok) throw await response.json();
}

async function begin(event) {
  event.preventDefault();
  const chosen = form.querySelector("input[name=reader]:checked");
  const { Agent } = await agents.get(chosen.dataset.agent);
  const agent = new Agent(chosen.dataset.agent);
  const reader = Number(chosen.dataset.index);
  refusal.hidden = true;
  button.disabled = true;
  try {
    if (form.dataset.presence) {
      say("The holder shows the card at the window of the card service.");
      await run(agent, JSON.parse(form.dataset.presence), reader);
      delete form.dataset.presence;
      // A window opens from a click only, so the second one needs another.
      say("The holder is here. Now go on within a minute.");
      button.textContent = "Go on";
      return;
    }
    say("The card service has opened its own window. Go on there.");
    const result = await run(agent, JSON.parse(form.dataset.ticket), reader);
    if (result) await redeem(result);
    location.assign(form.dataset.then);
  } catch (no) {
    refuse(no);
  } finally {
    button.disabled = false;
  }
}

// The modules are fetched before the click, so that the click itself may open
// the window.
const agents = new Map();
for (const { dataset } of form.querySelectorAll("input[name=reader]")) {
  if (!agents.has(dataset.agent)) {
    const module = import(dataset.agent + "/v1/agent.js");
    module.catch(() => refuse({
      title: "The card service of the workstation does not answer.", rule: "agent.absent",
      next: ["Look whether the estate is still running, then load this page again."],
    }));
    agents.set(dataset.agent, module);
  }
}
form.addEventListener("submit", begin);
