// SPDX-License-Identifier: Apache-2.0
//
// Looks after a signed-in page: when its card leaves the reader, the session is
// over within a second or two, and the page says so by itself. The front page
// also follows cards that come and go, unless somebody is at one of its forms.

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
if (signedIn) setInterval(look, 5000);
