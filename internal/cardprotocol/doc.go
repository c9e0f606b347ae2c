// SPDX-License-Identifier: Apache-2.0

// Package cardprotocol is the text of the card protocol and the vectors that
// both of its sides are tested against. It holds no code that either side
// runs: careid (the server) and card/agent (the workstation) each keep their
// own small structs, and neither imports the other.
//
// Version 1. The typ of a proof, the path prefix and the HPKE info string
// carry the version; a change that an old peer would misread gets a new one.
//
// # Who speaks
//
// Three parties: the server, the agent beside the card, and a page of the
// server in a browser on the same machine. The page carries a ticket from the
// server to the agent and a result from the agent to the server; it never
// carries a passcode, a code, a key or a proof. The agent posts proofs straight
// to the server, to a base URL that its own configuration names.
//
// All bodies are JSON (application/json), UTF-8. A server refuses a body over
// 64 KiB or with a member that it doesn't know; an agent passes over such a
// member of an answer. Binary members are standard base64 with
// padding (RFC 4648 §4) of DER or raw bytes, except inside a JWS, where JOSE's
// rules hold. An error is application/problem+json with a wardkey Refusal.
//
// # The proof
//
// A compact JWS (RFC 7515) signed by the card's authentication key.
//
//	header  {"alg":"ES256","typ":"wardkey-card+jwt","x5c":["MII…"]}
//	claims  {"aud":"https://care.example","origin":"https://app.example",
//	         "nonce":"…","purpose":"signin","act":"","bind":"…","iat":1763773200}
//
// alg is ES256 with P-256, ES384 with P-384, RS256 or PS256 with RSA of 2048
// to 8192 bits; ES signatures are r||s of fixed length (RFC 7518 §3.4). Any
// other alg, any other header member, crit, or a typ that differs is refused. x5c
// has one element: the authentication certificate, standard base64 of DER. It
// needs key usage digitalSignature and the extended key usage clientAuth, so a
// proof by a certificate made for signing documents is refused, and typ, which
// the signature covers, keeps a proof from being read as any other token.
//
// Every claim is present, in any order, none twice, none null and none besides;
// so are the members of the header. A name is what it is once its escapes are
// read, and capitals are another name. Nothing follows the object:
//
//   - aud: the server's base URL, as it stands in the server's configuration:
//     scheme, host, port where it isn't the scheme's own; no path, no slash.
//   - origin: the Origin header that the agent received from the page; the
//     server compares it byte for byte with the origins it serves pages at.
//   - nonce: from POST nonce, 128 bits in base64url without padding (the agent
//     signs no other), asked for after the card took the passcode; good once, for 60 s, for this purpose, on any of the
//     server's machines.
//   - purpose: signin, stepup, presence or renew.
//   - act: the id of the act that this proof is for; empty for signin.
//   - bind: base64url, unpadded, of the SHA-256 of the value of the cookie that
//     the asking browser holds: the pre-session cookie for signin, the session
//     cookie for the rest (for presence, the session of the person at the desk).
//     The server prints it into the page. In the confirmation of an act it is
//     empty, for the handle stands in its place.
//   - iat: whole seconds since 1970 on the workstation's clock. It is recorded,
//     and refused when more than 5 minutes off: freshness comes from the nonce.
//
// A relay fails twice: the origin that asked is in what the card signed, and the
// result can be redeemed only with the cookie whose hash is there too.
//
// # Agent to server, under /card/v1
//
//	POST nonce           {purpose}                             → 200 {nonce}
//	POST answer          {jws}                                 → 200 {result?,presence?,leaseEvery?,leaseFor?,act?}
//	POST lease           Bearer presence                       → 204
//	POST removed         Bearer presence                       → 204
//	POST act             Bearer handle {agentKey?}             → 200 {act,kind,card,keys,holder?,locked?,soPins?,certificates?}
//	POST act/requests    Bearer handle {csrs}                  → 200 {certificates}
//	POST act/confirm     Bearer handle {jws}                   → 204
//	POST act/unlock      Bearer handle {agentKey}              → 200 {reset,candidates}
//	POST unlock/start    Bearer handle {card,channel}          → 202 {request,message}
//	POST unlock/redeem   {request,card,code,agentKey}          → 200 {reset,candidates}
//	POST reset/opened    Bearer reset {generation}             → 200 {generation,sealed}
//	POST reset/confirm   Bearer reset                          → 204
//
// nonce: purpose is one of the four above.
//
// answer: result is a one-time secret that the page redeems, with its cookie,
// for a session (signin) or a raised one (stepup). A presence or renew proof is
// recorded with the act that it names and earns no result. presence, leaseEvery and leaseFor (whole seconds) come with
// signin, and with stepup since its session is a new one, where the session is bound to the card: the agent posts lease every
// leaseEvery, and the session ends when none arrived for leaseFor; it posts
// removed the moment the card leaves the reader. Any refusal of a lease means
// that the session is over. act is a handle of an act of this card that was
// left unfinished; the agent that sees the card goes on with it.
//
// act: opens the handle that the page carried. kind is issue, renew, repair,
// clear or unlock. card is the serial of the card that alone may be used. keys is a
// list of {use,id,algorithm?}: use authentication, then signing; id the CKA_ID;
// algorithm P-256 (the default), P-384, RSA-2048 or RSA-3072; for clear it is
// empty. An agent refuses ids that are equal, empty or longer than 32 bytes, and
// an id whose key bears a certificate that isn't the act's. soPins is
// [{generation,sealed}], oldest first, at most two, sealed to agentKey, and
// given for kinds that need the card's security officer PIN; a card that the act
// empties ends with the last of them as its SO PIN. holder is for the agent's own page. locked
// asks that nobody knows the passcode of the issued card. certificates are there
// when they were issued already; they name one holder, and none but whom their
// issuer named on this card before. The same agent key may ask again and gets the
// same answer.
//
// act/requests: csrs are two PKCS#10 requests (RFC 2986), authentication then
// signing, by the keys under the act's ids, with an empty subject and no
// attributes: what a certificate says is the server's to decide. Requests by the
// same two keys get the same certificates again, whatever else differs in them; by
// others they are refused. certificates stand in the same order.
//
// act/confirm: jws is a proof by the new authentication key, purpose renew, this
// act. Only then is an older pair replaced. For clear the body's jws is empty:
// after it the card holds no key.
//
// act/unlock: for an act of kind unlock, opened at a desk for a holder who is there;
// its answer is that of unlock/redeem, and the reset act goes on alike. Only the
// holder types the new passcode.
//
// For kind renew, opened in the holder's own session, the old authentication
// key answers first (POST answer, purpose renew, this act, bind of the session
// cookie). A server refuses act/requests before that, so a stolen handle alone
// makes no certificate.
//
// unlock/start: channel is email or text. The status and the body are the same
// whatever the server did, but for request, which is random; message says what
// to do if nothing arrives. Too many requests from one source are refused with
// 429 before any of them is looked at.
//
// unlock/redeem: code is a string of digits. The holder's new passcode is never
// sent. candidates is [{generation,sealed}], at most two.
//
// # The reset act
//
// The security officer (SO) PINs of a card are derived by the server from its
// master secret, the serial and a generation; every act gets a generation that
// was never used. A sealed PIN is HPKE (RFC 9180) in base mode, one message:
// DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, info
// "wardkey/so-pin/v1", empty aad, to agentKey, the 32 bytes of an X25519 public
// key that the agent made for this act; sealed is enc || ciphertext.
//
//  1. The agent checks the new passcode's form, then redeems the code.
//  2. SO login with one candidate, then the other: one wrong try at most.
//  3. reset/opened names the generation that opened. The server durably drops
//     the other, and only then releases the new generation.
//  4. C_SetPIN from the opened SO PIN to the new one.
//  5. C_InitPIN with the new passcode; logout.
//  6. reset/confirm. The server keeps the new generation alone.
//
// Steps 3 and 6 may be repeated with the same answer. The reset token lives for
// ten minutes by Wall and works for the process that holds the agent key. A
// crash after 3 leaves the card with the opened SO PIN, after 4 with the new
// one: the server's two candidates of the next act. Until 5 the card is locked;
// from 5 on it has its new passcode.
//
// # Page to server
//
//	POST   session  pre-session cookie, {result}               → 200 {until,alerts}, a session cookie of a new value
//	POST   stepup   session cookie                             → 200 a ticket of kind stepup
//	POST   session  session cookie, {result,purpose:"stepup"}  → as for a sign-in
//	DELETE session  session cookie                             → 204
//
// session: alerts is [{rule,daysLeft,notAfter,issuer?}], empty where nothing ends
// soon: daysLeft counts begun days, notAfter (RFC 3339) is the last second, and
// issuer names who renews a card that another authority made; without it, this
// service does. until is when the session ends at the latest.
//
// stepup: for a script whose request was refused by session.stale or
// session.locked. It has no body and asks only whether there is a session cookie;
// whether there is a session shows when the card's proof comes. The answer is a
// ticket for the agent, whose result goes to session.
//
// Both refuse other sites' pages, by Sec-Fetch-Site and Origin.
//
// The ticket that a page gives to the agent is {server,kind,handle,bind,act},
// empty members left out.
package cardprotocol
