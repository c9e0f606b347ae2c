// SPDX-License-Identifier: Apache-2.0
//
// Looks after a signed-in page: when its card leaves the reader, the session is
// over within a second or two, and the page says so by itself. The front page
// also follows cards that come and go.

const { page, signedIn } = document.body.dataset;

// over asks whether the session of this browser has ended.
async function over() {
  const response = await fetch("/my/session", { headers: { Accept: "application/json" }, cache: "no-store" });
  return response.status === 401;
}

async function look() {
  try {
    if (signedIn && (await over())) location.assign("/?told=ended");
  } catch {
    // the estate is stopped or restarts: nothing to say about the session
  }
}

// follow listens at each workstation of the page.
async function follow(address) {
  const { Agent } = await import(address + "/v1/agent.js");
  new Agent(address).listen((name) => {
    if (name === "task") return;
    if (signedIn) setTimeout(look, 700);
    if (page === "home") setTimeout(() => location.reload(), 900);
  });
}

for (const address of (document.body.dataset.agents ?? "").split(" ")) {
  if (address && (signedIn || page === "home")) follow(address).catch(() => {});
}
if (signedIn) setInterval(look, 5000);
