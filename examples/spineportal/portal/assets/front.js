// SPDX-License-Identifier: Apache-2.0
//
// Declares the workstation as far as its card service tells, once. What the
// person has said stays, and nothing is guessed from what the browser calls itself.

import { agent, follow } from "./prompts.js";

const form = document.getElementById("workstation");

// set fills a field in where it has that answer.
function set(name, value) {
  const field = form.elements[name];
  if (value && (field.type === "hidden" || [...field.options].some((option) => option.value === value))) field.value = value;
}

// declare shows the page for what is in the form.
function declare() {
  location.replace("/?" + new URLSearchParams(new FormData(form)));
}

// The machine's clock against the portal's, which wrote the page a moment ago.
set("skew", String(Math.round((Date.now() - Date.parse(document.body.dataset.now)) / 1000)));
if (location.search === "") {
  try {
    if (!agent) throw new Error("no card service");
    const { system, build, readers } = await agent.status();
    set("credentialManagement", "yes");
    set("system", system);
    set("build", build);
    set("card", readers.some((at) => at.state !== "absent") ? "yes" : "no");
  } catch {
    set("credentialManagement", "no");
  }
  declare();
} else {
  follow((moved) => {
    set("card", moved === "inserted" ? "yes" : "no");
    declare();
  });
}
