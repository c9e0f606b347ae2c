// SPDX-License-Identifier: Apache-2.0
//
// Signs in with a security key, and goes on with the request that waits.

import { signIn } from "/webauthn/v1/webauthn.js";

const form = document.getElementById("key");
const no = document.getElementById("no");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  no.hidden = true;
  try {
    await signIn();
    location.assign(form.dataset.then);
  } catch (refusal) {
    no.querySelector("h3").textContent = refusal.message;
    no.querySelector("ol").replaceChildren(
      ...(refusal.next ?? []).map((step) => Object.assign(document.createElement("li"), { textContent: step })),
    );
    no.hidden = false;
    no.focus();
  }
});
