// SPDX-License-Identifier: Apache-2.0
//
// Security keys and Windows Hello, from a page. No dependencies.
//
//   import { signIn, register } from "/webauthn/v1/webauthn.js";
//   await signIn();                                   // the session's cookie is set
//   await register({ kind: "security-key", name: "Red key" });
//
// Every function rejects with a Refusal: the server's own words, or one of these
// where the browser says no:
//
//   webauthn.unsupported   no authenticator here does what is asked
//   webauthn.cancelled     not used in time, or declined
//   webauthn.registered    register: it is on this profile already
//   webauthn.page          not a page that may ask: no secure context, another domain
//   webauthn.unanswered    the server did not answer

// The browser has no words of its own for its refusals; these stand in the
// rulebook too, as they are here.
const unheard = {
  "webauthn.unsupported": {
    status: 403, fixer: "local-administrator", title: "This browser has no authenticator that can do what is asked here.",
    next: ["Use a current browser, and a security key with a PIN or Windows Hello."],
  },
  "webauthn.cancelled": {
    status: 403, fixer: "holder", title: "The authenticator was not used in time, or the question was declined.",
    next: ["Try again and answer what the browser asks."],
  },
  "webauthn.registered": {
    status: 409, fixer: "holder", title: "This authenticator is on your profile already.",
    next: ["Use it to sign in, or register another one."],
  },
  "webauthn.page": {
    status: 403, fixer: "system", title: "Authenticators can't be used on this page.",
    next: ["Open the page by its https address.", "If it stays, tell the people who run this service."],
  },
  "webauthn.unanswered": {
    status: 503, fixer: "system", title: "The service did not answer.",
    next: ["Try again in a minute; if it stays, tell the people who run this service."],
  },
};

export class Refusal extends Error {
  constructor(problem) {
    const words = { ...unheard[problem.rule ?? "webauthn.unanswered"], ...problem };
    super(words.title ?? "The service refused this.");
    this.name = "Refusal";
    this.rule = words.rule ?? "webauthn.unanswered";
    this.title = this.message;
    this.status = words.status ?? 0;
    this.next = words.next ?? [];
    this.fixer = words.fixer ?? "system";
    this.inPerson = words.inPerson ?? false;
    this.problem = words;
  }
}

// What a browser throws, by the names of Web Authentication Level 2 §5.1.3 and
// §5.1.4.
const thrown = {
  NotAllowedError: "webauthn.cancelled",
  AbortError: "webauthn.cancelled",
  InvalidStateError: "webauthn.registered",
  SecurityError: "webauthn.page",
};

async function call(method, path, body) {
  const request = { method, credentials: "same-origin", cache: "no-store" };
  if (body !== undefined) {
    request.headers = { "Content-Type": "application/json" };
    request.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(new URL(path, import.meta.url), request);
  } catch {
    throw new Refusal({ rule: "webauthn.unanswered" });
  }
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refusal(answer);
  return answer;
}

function bytes(text) {
  return Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
}

function text(buffer) {
  if (!buffer) return undefined;
  const binary = Array.from(new Uint8Array(buffer), (b) => String.fromCharCode(b)).join("");
  return btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

function decoded(list) {
  return list.map((one) => ({ ...one, id: bytes(one.id) }));
}

// ask hands options to the browser and gives its answer in JSON.
async function ask(what, publicKey, signal) {
  if (!globalThis.isSecureContext) throw new Refusal({ rule: "webauthn.page" });
  if (!navigator.credentials?.[what] || !globalThis.PublicKeyCredential) throw new Refusal({ rule: "webauthn.unsupported" });
  let made;
  try {
    made = await navigator.credentials[what]({ publicKey, signal });
  } catch (error) {
    throw new Refusal({ rule: thrown[error.name] ?? "webauthn.unsupported" });
  }
  const from = made.response;
  const response = { clientDataJSON: text(from.clientDataJSON) };
  for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (from[name]) response[name] = text(from[name]);
  }
  if (from.getTransports) response.transports = from.getTransports();
  return { id: made.id, rawId: text(made.rawId), type: made.type, clientExtensionResults: {}, response };
}

// register adds an authenticator to one's own profile, after a fresh sign-in; kind
// is security-key or windows-hello, or left out for either. With profile, role and
// organisation the Registration Authority adds one to a person's in its care.
// Resolves with the authenticator.
export async function register({ kind, name, profile, role, organisation, signal } = {}) {
  const whose = { profile, role, organisation };
  const { publicKey } = await call("POST", "register/options", { ...whose, kind });
  const user = publicKey.user.id;
  const credential = await ask("create", {
    ...publicKey,
    challenge: bytes(publicKey.challenge),
    user: { ...publicKey.user, id: bytes(user) },
    excludeCredentials: decoded(publicKey.excludeCredentials),
  }, signal);
  try {
    return await call("POST", "register", { ...whose, name, user, credential });
  } catch (refusal) {
    // The authenticator has made a key that nobody here knows: where the browser
    // can, it hides it.
    await PublicKeyCredential.signalUnknownCredential?.({ rpId: publicKey.rp.id, credentialId: credential.id }).catch(() => {});
    throw refusal;
  }
}

async function get(publicKey, signal) {
  return ask("get", { ...publicKey, challenge: bytes(publicKey.challenge), allowCredentials: decoded(publicKey.allowCredentials) }, signal);
}

// signIn opens a session: of whoever the authenticator knows, or of the person of a
// user id and nobody else. Resolves with {until, alerts}.
export async function signIn({ user, signal } = {}) {
  const { publicKey } = await call("POST", "signin/options", { user });
  return call("POST", "signin", { user, credential: await get(publicKey, signal) });
}

// stepUp has the signed-in person show again who they are. Resolves like signIn.
export async function stepUp({ signal } = {}) {
  const { publicKey } = await call("POST", "stepup/options", {});
  return call("POST", "stepup", { credential: await get(publicKey, signal) });
}

// list resolves with what is registered on one's own profile, oldest first.
export async function list() {
  return (await call("GET", "authenticators")).authenticators;
}

// rename gives one on one's own profile another name, after a fresh sign-in; "" is
// its kind's own.
export function rename(id, name) {
  return call("PATCH", "authenticators/" + encodeURIComponent(id), { name });
}

// remove takes one off one's own profile, after a fresh sign-in.
export function remove(id) {
  return call("DELETE", "authenticators/" + encodeURIComponent(id));
}
