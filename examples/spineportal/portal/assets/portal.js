// SPDX-License-Identifier: Apache-2.0
//
// Looks after a page of somebody who is signed in: when the provider ends the
// session, as when the card leaves its reader, the page goes and says so.

import { follow } from "./prompts.js";

const idle = Number(document.body.dataset.idle);

async function look() {
  try {
    const response = await fetch("/session", { headers: { Accept: "application/json" }, cache: "no-store" });
    if (response.status === 401) location.replace("/signed-out");
  } catch {
    // the portal restarts: nothing to say about the session
  }
}

follow();

// The portal tells of the end. What ended before it listened, or while it was not
// reached, is seen by looking. A browser has six connections to a host for all of
// its tabs, so a page listens only while it can be seen.
let endings;

function listen() {
  endings?.close();
  if (document.hidden) return;
  const source = new EventSource("/portal/ended");
  for (const sign of ["open", "ended"]) source.addEventListener(sign, look);
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) look();
  });
  endings = source;
}

document.addEventListener("visibilitychange", listen);
listen();

// Asking counts as use, so it is asked only after somebody did something here,
// and once when a session that was left is over.
let lastUse = Date.now();
let lastLook = lastUse;
for (const sign of ["pointerdown", "keydown", "scroll"]) {
  addEventListener(sign, () => { lastUse = Date.now(); }, { passive: true });
}
setInterval(() => {
  const since = (Date.now() - Math.max(lastUse, lastLook)) / 1000;
  if (lastUse <= lastLook && since < idle + 5) return;
  lastLook = Date.now();
  look();
}, 5000);
