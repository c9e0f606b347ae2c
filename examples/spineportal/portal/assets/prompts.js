// SPDX-License-Identifier: Apache-2.0
//
// What the card of this workstation needs: the card service is asked, the portal
// makes sentences of its answer.

import { Agent } from "./agent.js";

const { agent: address, ask } = document.body.dataset;

// agent is the card service of this workstation, or null where the portal knows of none.
export const agent = address ? new Agent(address) : null;

// prompt shows what to do now. A page that the card service does not answer shows
// what it has.
export async function prompt(status) {
  const response = await fetch(ask, {
    method: "POST", headers: { "Content-Type": "application/json", Accept: "text/html" }, body: JSON.stringify(status ?? (await agent.status())),
  });
  if (response.ok) document.getElementById("prompts").innerHTML = await response.text();
}

// follow calls back when a card comes or goes, and has the prompts follow.
export function follow(moved = () => {}) {
  if (!agent) return;
  const look = () => prompt().catch(() => {});
  agent.listen((name) => {
    if (name === "task") return;
    moved(name);
    look();
  });
  look();
}
