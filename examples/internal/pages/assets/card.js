// SPDX-License-Identifier: Apache-2.0
//
// Hands the page's ticket to the card service of the workstation that the
// chosen reader belongs to, waits for its end, and goes on.

import { goOn, post, refuse, say } from "./told.js";

const form = document.getElementById("task");
const button = document.getElementById("go");
const refusal = document.getElementById("no");

// run has one ticket done at the agent and returns what it earned.
async function run(agent, ticket, reader) {
  const task = await agent.run({ ...ticket, reader });
  if (task.state === "refused") throw task.refusal;
  return task.result;
}

// redeem makes the result of a sign-in the session of this browser, or of a
// step-up the session that goes on.
function redeem(result) {
  return post("/card/v1/session", form.dataset.purpose === "stepup" ? { result, purpose: "stepup" } : { result });
}

async function begin(event) {
  event.preventDefault();
  const chosen = form.querySelector("input[name=reader]:checked");
  const { Agent } = await agents.get(chosen.dataset.agent);
  const agent = new Agent(chosen.dataset.agent);
  const reader = Number(chosen.dataset.index);
  refusal.hidden = true;
  button.disabled = true;
  try {
    if (form.dataset.presence) {
      say("The holder shows the card at the window of the card service.");
      await run(agent, JSON.parse(form.dataset.presence), reader);
      delete form.dataset.presence;
      // A window opens from a click only, so the second one needs another.
      say("The holder is here. Now go on within a minute.");
      button.textContent = "Go on";
      return;
    }
    say("The card service has opened its own window. Go on there.");
    const result = await run(agent, JSON.parse(form.dataset.ticket), reader);
    if (result) await redeem(result);
    goOn();
  } catch (no) {
    refuse(no);
  } finally {
    button.disabled = false;
  }
}

// The modules are fetched before the click, so that the click itself may open
// the window.
const agents = new Map();

function reach(address) {
  if (!agents.has(address)) {
    const module = import(address + "/v1/agent.js");
    module.catch(() => refuse({
      title: "The card service of the workstation does not answer.", rule: "agent.absent", fixer: "local-administrator",
      next: ["Start the card service of this workstation, then load this page again."],
    }));
    agents.set(address, module);
  }
  return agents.get(address);
}

const states = {
  absent: "empty", blank: "a blank card", present: "a card", finalTry: "a card with one try left", locked: "a locked card",
};

// choice is one reader of an agent, to be chosen.
function choice(address, at, i) {
  const input = Object.assign(document.createElement("input"), { type: "radio", id: `r${i + 1}`, name: "reader", value: String(i + 1), required: true });
  input.dataset.agent = address;
  input.dataset.index = String(at.reader);
  const label = Object.assign(document.createElement("label"), {
    htmlFor: input.id, textContent: `${at.name || `Reader ${at.reader + 1}`}: ${states[at.state] ?? at.state}${at.signedIn ? ", signed in" : ""}`,
  });
  const line = Object.assign(document.createElement("div"), { className: "choice" });
  line.append(input, label);
  return line;
}

// ask fills in the readers of this workstation. With one card there, that is it.
async function ask(address) {
  const { Agent } = await reach(address);
  const { readers } = await new Agent(address).status();
  const set = document.getElementById("readers");
  document.getElementById("asking").remove();
  set.append(...readers.map((at, i) => choice(address, at, i)));
  const cards = readers.flatMap((at, i) => (at.state === "absent" ? [] : [i]));
  if (cards.length === 1) set.querySelectorAll("input")[cards[0]].checked = true;
}

for (const { dataset } of form.querySelectorAll("input[name=reader]")) reach(dataset.agent);
if (form.dataset.ask) ask(form.dataset.ask.split(" ")[0]).catch(refuse);
form.addEventListener("submit", begin);
