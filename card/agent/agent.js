// SPDX-License-Identifier: Apache-2.0
//
// The card service of this workstation, from a page. No dependencies.
//
//   import { Agent } from "./agent.js";
//   const agent = new Agent("http://127.0.0.1:9443");
//   const task = await agent.run(ticket);      // opens the agent's page, waits
//   if (task.state === "done") …               // task.result goes to POST session
//
// Every method rejects with a Refusal, the agent's or the server's own words.

export class Refusal extends Error {
  constructor(problem) {
    super(problem.title ?? "The card service did not answer.");
    this.name = "Refusal";
    this.rule = problem.rule ?? "agent.absent";
    this.status = problem.status ?? 0;
    this.next = problem.next ?? [];
    this.fixer = problem.fixer ?? "local-administrator";
    this.inPerson = problem.inPerson ?? false;
    this.problem = problem;
  }
}

export class Agent {
  constructor(base) {
    this.base = base.replace(/\/+$/, "");
  }

  async #call(method, path, body) {
    const request = { method, mode: "cors", credentials: "omit", cache: "no-store", targetAddressSpace: "loopback" };
    if (body !== undefined) {
      request.headers = { "Content-Type": "application/json" };
      request.body = JSON.stringify(body);
    }
    let response;
    try {
      response = await fetch(this.base + path, request);
    } catch {
      throw new Refusal({});
    }
    if (response.status === 204) return null;
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new Refusal(answer);
    return answer;
  }

  // The readers and the cards in them.
  status() {
    return this.#call("GET", "/v1/status");
  }

  // Starts a task; its person is waited for at the page of the answer.
  start(ticket) {
    return this.#call("POST", "/v1/tasks", ticket);
  }

  task(id) {
    return this.#call("GET", "/v1/tasks/" + id);
  }

  cancel(id) {
    return this.#call("DELETE", "/v1/tasks/" + id);
  }

  // Calls back for inserted, removed and task; returns a function that stops.
  listen(callback) {
    const source = new EventSource(this.base + "/v1/events");
    for (const name of ["inserted", "removed", "task"]) {
      source.addEventListener(name, (event) => callback(name, JSON.parse(event.data)));
    }
    return () => source.close();
  }

  // Opens the agent's page in a window of its own and waits for the end: a task
  // that is done or refused. Call it from a click, so that the window may open.
  // Closing the window stops the task.
  async run(ticket) {
    const page = window.open("", "_blank", "popup,width=560,height=720");
    if (!page) {
      throw new Refusal({
        rule: "window.blocked", fixer: "holder", title: "The browser did not open the window of the card service.",
        next: ["Allow this site to open windows and try again."],
      });
    }
    try {
      const { task: id, page: address } = await this.start(ticket);
      page.location = address;
      for (;;) {
        await new Promise((done) => setTimeout(done, 400));
        const task = await this.task(id);
        if (task.state === "done" || task.state === "refused") return task;
        // Where the form was sent just before, the answer is awaited after all.
        if (page.closed && task.state === "waiting") await this.cancel(id).catch(() => null);
      }
    } finally {
      page.close();
    }
  }
}
