// SPDX-License-Identifier: Apache-2.0

// Package webauthn registers security keys and Windows Hello on people's profiles
// and signs them in with these, by Web Authentication. What a session is and who
// may register is decided by careid; the protocol is verified by a library, of
// which nothing shows here.
//
//	keys, err := webauthn.New(webauthn.Config{
//		Service:  service, // *careid.Service
//		Sessions: cards,   // *cardhttp.Handler: one session cookie for all
//		RPID:     "care.example",
//		Origins:  []string{"https://care.example"},
//		Models:   models, // what the organisation approved: ParseModels
//	})
//	mux.Handle(webauthn.Path, keys)
//
// # From a page
//
// The ES module at Path + "webauthn.js" does all that a page needs, without any
// other script: register, signIn, stepUp, list, rename, remove. It throws a Refusal with
// the rule, the sentence and the next steps, the server's or, where the browser
// itself said no, one of five that stand in the module and in Rulebook alike.
//
//	import { signIn } from "/webauthn/v1/webauthn.js";
//	try { await signIn(); location = "/ward"; } catch (no) { show(no.title, no.next); }
//
// On the wire these are JSON of at most 64 KiB without unknown members, answered
// by application/problem+json where refused (wardkey.ParseRefusal):
//
//	POST   register/options {kind, profile, role, organisation} → {publicKey}
//	POST   register         {name, user, credential, profile, …} → 201, the authenticator
//	POST   signin/options   {user} → {publicKey}
//	POST   signin           {user, credential} → {until, alerts} and the session's cookie
//	POST   stepup/options   {} → {publicKey}
//	POST   stepup           {credential} → {until, alerts} and a new cookie
//	GET    authenticators   → {authenticators: [{id, kind, name, model, state, aal, alone, registeredAt, lastUsed}]}
//	PATCH  authenticators/{id} {name} → 204
//	DELETE authenticators/{id} → 204
//
// publicKey and credential are the JSON forms of Web Authentication Level 3 §5.1;
// user of register is publicKey.user.id. Requests of other sites' pages are refused
// (http.CrossOriginProtection). Those of a sign-in are limited by source, on each
// server by itself.
//
// # Registering
//
// One's own profile takes a sign-in of the last minutes (session.fresh), as strong
// as the new authenticator and as the strongest on the profile. So nobody registers
// their first authenticator, and nobody registers a key with a password and a code.
// With profile, role and organisation the Registration Authority registers one on
// the profile of a person in its care: that may be the first. A name is given at the
// registration, and may be changed by whoever may remove it. Each person has one
// random user handle for good, the same on each authenticator, which says nothing of
// who they are.
//
// An authenticator is registered only if all of this holds: it verified its user; its
// key stays in it (a key that may be synced is refused, since AAL3 asks for one that
// can't be exported); its algorithm is one of webauthn.algorithms; its model is
// approved on that day; and it proved by an attestation of webauthn.formats, chained
// to the roots of that model, that it is of it. Nothing is approved by default, and
// New fails with an empty list. Its model says which kind it is of, whatever the page
// asked for. The certificates of an attestation have to be in force by Now and, for
// the library, by the machine's clock. Whether a maker withdrew a batch is not asked
// anywhere: end a model by its Until. FIDO's metadata service is not read; a list for
// Config.Models may be made from it.
//
// # Signing in
//
// All credentials are discoverable: the authenticator knows whose they are, and the
// browser lets the person choose. A user id, where the page asks for one, only has
// to be that of the person who answers. Nothing is looked up before the answer, so
// the options are the same for everybody, and an authenticator that is unknown, was
// removed, belongs to somebody else or signed wrongly gets one refusal,
// webauthn.none; the log has the cause. A closed profile has no authenticators.
//
// Origin and relying party id are compared byte for byte; frames of other sites and
// related origins are refused. The user has to be verified each time, and the model
// to be approved still. A signature counter that does not go up is
// authenticator.copied, refused and audited; of many answers at once one counts.
// amr and acr come from careid.Assurance by the kind and what was shown: FIDO2 and
// AAL3_ANY.
//
// A step-up has the person of a session by such an authenticator show it again: new
// id, new time, the same end. A session that was left idle goes on by it too. A
// session by card is stepped up by the card alone (webauthn.card), and a session by
// an authenticator is stepped up to the same person's card by cardhttp's StepUpTicket.
//
// # Challenges
//
// A challenge is 256 random bits, good for five minutes (challenge.life, by the
// Service's Wall), kept in the Service's store so that any server can finish, and
// taken once, before the answer is looked at. It is made for one use, for the person
// and the user handle of a registration or the user id of a sign-in, and for one
// cookie: the session's, or, for a sign-in, one of this package's own:
//
//	wardkey-authenticator   Strict, HttpOnly, until the browser or the sign-in ends
//
// With https in all Origins it is Secure and its name begins with __Host-.
//
// # What it does not do
//
// An iPad (careid.KindIPad), an authenticator app and a mail account are registered
// through careid; here they are only listed, renamed and removed.
// A browser that can't hide a credential (signalUnknownCredential) leaves the key of a
// refused registration on the authenticator, where it does nothing. Tests run against
// virtual authenticators, Chromium's among them, and against the attestation of a
// TPM that tests write themselves; no key of any maker was ever tried.
package webauthn
