// SPDX-License-Identifier: Apache-2.0
//
// Offers the serials of the blank cards that are in this workstation's readers.
// Without an answer they are typed.

const address = (document.body.dataset.agents ?? "").split(" ")[0];
const { Agent } = await import(address + "/v1/agent.js");
const { readers } = await new Agent(address).status();
const blanks = readers.filter((at) => at.state === "blank" && at.serial);
document.getElementById("blanks").replaceChildren(
  ...blanks.map((at) => Object.assign(document.createElement("option"), { value: at.serial, label: at.name ?? "" })),
);
const field = document.getElementById("blank");
if (blanks.length === 1 && field.value === "") field.value = blanks[0].serial;
