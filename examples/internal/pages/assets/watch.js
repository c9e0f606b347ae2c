// SPDX-License-Identifier: Apache-2.0
//
// Looks after a signed-in page: when its card leaves the reader, the session is
// over within a second or two, and the page says so by itself. The front page
// of an estate also follows cards that come and go, unless somebody is at one of its forms.

const { page, signedIn, idle } = document.body.dataset;

let typed = false;

// say puts a line above the page, once.
function say(text) {
  if (document.getElementById("said")) return;
  const line = Object.assign(document.createElement("div"), { id: "said", className: "told care", role: "status" });
  line.append(Object.assign(document.createElement("p"), { textContent: text }));
  document.getElementById("main").prepend(line);
}

// look asks whether the session of this browser is still there. A locked one is
// shown by the page itself, which then asks for the card.
async function look() {
  try {
    const response = await fetch("/session", { headers: { Accept: "application/json" }, cache: "no-store" });
    if (response.status !== 401) return;
    const no = await response.json();
    if (no.rule !== "session.locked") location.assign("/?told=ended");
    else if (!typed) location.reload();
    else say("This page was left for a while, so your session is locked. What you typed is still here: send it, and you are asked for your card first.");
  } catch {
    // the program is stopped or restarts: nothing to say about the session
  }
}

// refresh shows the front page as it is now.
function refresh() {
  if (document.activeElement === null || document.activeElement === document.body) location.reload();
}

// follow listens at each workstation of the page.
async function follow(address) {
  const { Agent } = await import(address + "/v1/agent.js");
  new Agent(address).listen((name) => {
    if (name === "task") return;
    if (signedIn) setTimeout(look, 700);
    if (page === "home") setTimeout(refresh, 900);
  });
}

for (const address of (document.body.dataset.agents ?? "").split(" ")) {
  if (address && (signedIn || page === "home")) follow(address).catch(() => {});
}

// Asking counts as use of the session. Where one that is left locks, it is asked
// only after somebody did something here, and once when that time is over.
let lastUse = Date.now();
let lastLook = lastUse;
for (const sign of ["pointerdown", "keydown", "scroll"]) {
  addEventListener(sign, () => { lastUse = Date.now(); }, { passive: true });
}
addEventListener("input", () => { typed = true; });
if (signedIn) {
  setInterval(() => {
    const since = (Date.now() - Math.max(lastUse, lastLook)) / 1000;
    if (idle && lastUse <= lastLook && since < Number(idle) + 5) return;
    lastLook = Date.now();
    look();
  }, 5000);
}
