// SPDX-License-Identifier: Apache-2.0
//
// The ways beside a card: a security key or Windows Hello, by the browser, and a
// mail account with an authenticator app, by a form whose answer is a refusal or
// the session's cookie. Until this has loaded the buttons do nothing, by themselves
// least of all.

import { goOn, post, refuse, say } from "./told.js";

// attempt shows one way at work, and leads on or says why not.
async function attempt(button, says, way) {
  document.getElementById("no").hidden = true;
  button.disabled = true;
  say(says);
  try {
    await way();
    goOn();
  } catch (no) {
    refuse(no);
  } finally {
    button.disabled = false;
  }
}

const key = document.getElementById("key");
if (key) {
  const { signIn, stepUp } = await import("/webauthn/v1/webauthn.js");
  const show = key.dataset.purpose === "stepup" ? stepUp : signIn;
  key.addEventListener("click", () => attempt(key, "Your browser asks for the key.", show));
  key.disabled = false;
}

const form = document.getElementById("app");
if (form) {
  const button = form.querySelector("button");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const fields = { ...Object.fromEntries(new FormData(form)), purpose: form.dataset.purpose };
    form.elements.code.value = ""; // it works once
    attempt(button, "", () => post("/signin/app", fields));
  });
  button.disabled = false;
}
