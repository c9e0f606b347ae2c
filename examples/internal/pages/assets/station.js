// SPDX-License-Identifier: Apache-2.0
//
// Declares the workstation for its person, as far as the card service of it says
// something: that it answers, and what it tells of the machine. The rest is
// asked. Nothing is guessed from what the browser calls itself.

const form = document.getElementById("link");

// fill sets a field, unless the person has.
function fill(name, value) {
  const field = form.elements[name];
  if (!value || field.dataset.touched || ![...field.options].some((option) => option.value === value)) return;
  field.value = value;
}

for (const field of form.querySelectorAll("select")) {
  field.addEventListener("change", () => { field.dataset.touched = "yes"; });
}
const address = (document.body.dataset.agents ?? "").split(" ")[0];
try {
  const { Agent } = await import(address + "/v1/agent.js");
  const { system } = await new Agent(address).status();
  fill("credentialManagement", "yes");
  fill("system", system);
} catch {
  fill("credentialManagement", "no");
}
