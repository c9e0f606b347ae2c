// SPDX-License-Identifier: Apache-2.0
//
// The card service of this workstation, from a page. No dependencies.
//
//   import { Agent } from "./agent.js";
//   const agent = new Agent("http://127.0.0.1:9443");
//   const task = await agent.run(ticket);      // opens the agent's page, waits
//   if (task.state === "done") …               // task.result goes to POST session
//
// Every method rejects with a Refusal: the agent's or the server's own words, or
// one of these where there is no answer:
//
//   agent.absent        nothing answers at that address
//   page.insecure       the page is no secure context, which browsers ask for
//   browser.denied      the browser may not let this page reach this machine
//   browser.unanswered  it asked its person, who did not answer, or not yet
//   window.blocked      run: the browser opened no window

// Without an answer there are no words but these, as they stand in the agent's
// rulebook too.
const policies = "LoopbackNetworkAllowedForUrls, or before version 146 LocalNetworkAccessAllowedForUrls, with this site's address.";
const unheard = {
  "agent.absent": {
    status: 503, fixer: "local-administrator", title: "The card service of this workstation does not answer.",
    next: ["See that it is running on this machine, then try again.", "If it goes on, tell your local administrator."],
  },
  "page.insecure": {
    status: 403, fixer: "system", title: "This page may not use the card service, because it did not come over a secure connection.",
    next: ["Open the page by its https address."],
  },
  "browser.denied": {
    status: 403, fixer: "local-administrator", title: "The browser does not let this page reach the card service of this machine.",
    next: ["Allow it in the browser's settings for this site, where it says apps on this device.", "For everybody: the policy " + policies],
  },
  "browser.unanswered": {
    status: 403, fixer: "holder", title: "The browser asked whether this page may reach the card service of this machine, and got no answer.",
    next: ["Try again and choose Allow when the browser asks.", "So that nobody is asked: the policy " + policies],
  },
  "window.blocked": {
    status: 403, fixer: "holder", title: "The browser did not open the window of the card service.",
    next: ["Allow this site to open windows and try again."],
  },
};

export class Refusal extends Error {
  constructor(problem) {
    const words = { ...unheard[problem.rule ?? "agent.absent"], ...problem };
    super(words.title ?? "The card service refused this.");
    this.name = "Refusal";
    this.rule = words.rule ?? "agent.absent";
    this.title = this.message;
    this.status = words.status ?? 0;
    this.next = words.next ?? [];
    this.fixer = words.fixer ?? "local-administrator";
    this.inPerson = words.inPerson ?? false;
    this.problem = words;
  }
}

// permission is what this browser would say to a page that wants to reach this
// machine: granted, denied, prompt, or undefined where it knows no such question.
// The second name is the older one.
async function permission() {
  for (const name of ["loopback-network", "local-network-access"]) {
    try {
      return await navigator.permissions.query({ name });
    } catch {
      // not known by this name
    }
  }
  return undefined;
}

export class Agent {
  // patience is how long a person may take to answer the browser's question, in
  // milliseconds.
  constructor(base, { patience = 60000 } = {}) {
    this.base = base.replace(/\/+$/, "");
    this.patience = patience;
  }

  async #call(method, path, body) {
    if (!globalThis.isSecureContext) throw new Refusal({ rule: "page.insecure" });
    const asked = await permission();
    if (asked?.state === "denied") throw new Refusal({ rule: "browser.denied" });
    const request = { method, mode: "cors", credentials: "omit", cache: "no-store", targetAddressSpace: "loopback" };
    if (body !== undefined) {
      request.headers = { "Content-Type": "application/json" };
      request.body = JSON.stringify(body);
    }
    // While the browser asks its person, the request waits, for ever if need be.
    const waiting = new AbortController();
    request.signal = waiting.signal;
    const timer = asked?.state === "prompt" && setTimeout(() => asked.state === "prompt" && waiting.abort(), this.patience);
    let response;
    try {
      response = await fetch(this.base + path, request);
    } catch {
      const rule = { denied: "browser.denied", prompt: "browser.unanswered" }[asked?.state];
      throw new Refusal({ rule: rule ?? "agent.absent" });
    } finally {
      clearTimeout(timer);
    }
    if (response.status === 204) return null;
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new Refusal(answer);
    return answer;
  }

  // The workstation, its readers and the cards in them.
  status() {
    return this.#call("GET", "/v1/status");
  }

  // What a support person would look at.
  doctor() {
    return this.#call("GET", "/v1/doctor");
  }

  // Starts a task; its person is waited for at the page of the answer.
  start(ticket) {
    return this.#call("POST", "/v1/tasks", ticket);
  }

  task(id) {
    return this.#call("GET", "/v1/tasks/" + encodeURIComponent(id));
  }

  cancel(id) {
    return this.#call("DELETE", "/v1/tasks/" + encodeURIComponent(id));
  }

  // Calls back for inserted, removed and task; returns a function that stops. A
  // stream that breaks is begun anew by the browser; where it can't be, failed gets
  // a Refusal, once.
  listen(callback, failed = () => {}) {
    const source = new EventSource(this.base + "/v1/events");
    for (const name of ["inserted", "removed", "task"]) {
      source.addEventListener(name, (event) => callback(name, JSON.parse(event.data)));
    }
    source.addEventListener("error", () => {
      if (source.readyState !== EventSource.CLOSED) return;
      // An EventSource doesn't tell why, a request does.
      this.status().then(() => failed(new Refusal({ rule: "task.many", title: "Too many pages listen." })), failed);
    });
    return () => source.close();
  }

  // Asks for the task until it is done or refused.
  async wait(id) {
    for (;;) {
      const task = await this.task(id);
      if (task.state === "done" || task.state === "refused") return task;
      await new Promise((done) => setTimeout(done, 400));
    }
  }

  // Opens the agent's page in a window of its own and waits for the end: a task
  // that is done or refused. Call it from a click, so that the window may open.
  // Closing the window stops the task.
  async run(ticket) {
    const page = window.open("", "_blank", "popup,width=560,height=720");
    if (!page) throw new Refusal({ rule: "window.blocked" });
    try {
      const { task: id, page: address } = await this.start(ticket);
      // The window still is this page's own. Whoever has the agent's port may send it to
      // the agent's addresses, and have it run nothing.
      if (!String(address).startsWith(new URL(this.base).origin + "/v1/tasks/")) throw new Refusal({ rule: "agent.absent" });
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
