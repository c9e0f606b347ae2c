// SPDX-License-Identifier: Apache-2.0

// Package cardhttp is the server's side of the card protocol over HTTP, and the
// sessions of the pages behind it. What is said on the wire is in
// internal/cardprotocol; what it means is decided by careid.
//
//	cards, err := cardhttp.New(cardhttp.Config{
//		Service:    service, // *careid.Service
//		Server:     "https://care.example",
//		SignInPage: "/signin",
//	})
//	mux.Handle(cardhttp.Path, cards)
//	mux.Handle("/ward/", cards.RequireSession(ward)) // an app behind a card
//
// # A sign-in page
//
// SignInTicket sets the pre-session cookie and returns the ticket; the page
// prints Ticket.JSON into a data attribute, its script hands that to the agent
// of the workstation (agent.js), and posts the result that comes back:
//
//	POST /card/v1/session {"result":"…"} → 200 {"until":"…","alerts":[…]} and the session cookie
//
// The session's id is always new, and a session that the browser still had ends
// first. DELETE /card/v1/session signs out. Handlers behind RequireSession ask
// SessionOf for the person; the service is asked at each request, so that a
// pulled card or a revoked certificate is out at the next one.
//
// # Pages for acts
//
// The page's server code opens the act (careid.Service.OpenAct) and prints
// ActTicket; where the holder of another card has to be there, it prints
// PresenceTicket first and ActTicket once that task is done. UnlockTicket is for
// the self-service unlock and needs no session.
//
// # Showing again who one is
//
// A call of the service may refuse by session.stale (what is asked for wants a
// fresh proof) or session.locked (the session was left idle). Both are ended by the
// card of the session proving itself again, a step-up, after which the browser has
// the session under a new id. A script that got such a problem asks for a ticket,
// hands it to the agent, posts the result and tries again:
//
//	POST /card/v1/stepup → 200 and the ticket
//	POST /card/v1/session {"result":"…","purpose":"stepup"} → 200, as for a sign-in
//
// A browser that asks for a whole page with a locked session is sent to
// Config.StepUpPage, which prints StepUpTicket and goes on to Next. A session that
// stands on other authenticators is stepped up by their own protocol
// (careid.Service.StepUpWith).
//
// # Who may send what
//
// Agents are programs: their endpoints refuse everything that a browser marks as
// a page's (Origin, Sec-Fetch-Site). Page endpoints refuse other sites'
// (http.CrossOriginProtection) and live on two cookies, both HttpOnly and for
// the whole host:
//
//	wardkey-presession   Strict, 30 minutes: a sign-in or unlock page
//	wardkey-session      Lax, until the browser ends: the session (SessionCookie)
//
// With https they are Secure and their names begin with __Host-. Over http, which
// only a loopback host may be, cookies are shared by all ports of that host.
//
// Bodies are JSON of at most 64 KiB without unknown members. Requests are limited
// by source, but for lease and removed, of which a whole hospital behind one
// address sends many and none may be lost; the rates are rules of Rulebook. How
// long a client may take to send a request is for your http.Server to say
// (ReadTimeout). The limits of a card,
// a code and a person are careid's, and hold over all servers; these here are a
// server's own.
//
// The start of an unlock answers 202 with one body whatever is true of the card,
// after Config.UnlockAnswer or, on a busy server, a multiple of it; only the request's id differs, and it is
// random. What can be learnt from outside is whether this network asked too often
// (429), before anything was looked up, and whether the request was well formed.
package cardhttp
