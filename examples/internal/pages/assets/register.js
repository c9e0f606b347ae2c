// SPDX-License-Identifier: Apache-2.0
//
// Registers a security key or Windows Hello on one's own profile. Where that asks
// for a fresher or stronger sign-in, its page comes first, and this one again with
// what was typed.

import { register } from "/webauthn/v1/webauthn.js";
import { refuse, say } from "./told.js";

const form = document.getElementById("newkey");
const button = form.querySelector("button");
const again = ["session.stale", "session.locked", "signin.weaker"];

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { kind, name } = Object.fromEntries(new FormData(form));
  document.getElementById("no").hidden = true;
  button.disabled = true;
  say("Your browser asks for the new key.");
  try {
    await register({ kind, name });
    location.assign("/my/authenticators?told=key");
  } catch (no) {
    const next = location.pathname + "?" + new URLSearchParams({ kind, name });
    if (again.includes(no.rule)) location.assign("/signin/again?" + new URLSearchParams({ rule: no.rule, next }));
    else refuse(no);
  } finally {
    button.disabled = false;
  }
});
button.disabled = false; // before, the form would only load this page again
