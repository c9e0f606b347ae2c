// SPDX-License-Identifier: Apache-2.0
//
// While somebody writes, the portal is asked what it would do with the message.
// Without this script the Check button asks the same. The text of the message
// plays no part in it, so it stays here until it is sent.

const form = document.getElementById("draft");
const place = document.getElementById("decision");
const verdict = document.getElementById("verdict");
const pause = 250; // ms after the last key

let timer, asking;

// ask shows the answer to what is typed now. An older answer that comes late is
// dropped, and where none can be had, none is shown: the one before was about
// another text.
async function ask() {
  asking?.abort();
  const mine = (asking = new AbortController());
  const draft = new FormData(form);
  draft.delete("body");
  try {
    const response = await fetch("/compose/decision", {
      method: "POST", headers: { Accept: "text/html" }, body: new URLSearchParams(draft), signal: mine.signal,
    });
    if (!response.ok) throw new Error(response.status);
    const text = await response.text();
    if (mine !== asking) return;
    place.innerHTML = text;
    say(place.querySelector("[data-says]").dataset.says);
  } catch (e) {
    if (mine !== asking || e.name === "AbortError") return;
    place.replaceChildren();
    say({
      401: "You are not signed in any more, so nothing can be decided.",
      422: "This can’t be decided as it is. Press Check to see why.",
    }[e.message] ?? "The portal can’t be asked now. It decides when you press Check or Send.");
  }
}

// say changes what a screen reader reads out, only where it is something new.
function say(text) {
  if (verdict.textContent !== text) verdict.textContent = text;
}

form.addEventListener("input", (event) => {
  if (event.target.name === "body") return;
  clearTimeout(timer);
  timer = setTimeout(ask, pause);
});
