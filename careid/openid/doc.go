// SPDX-License-Identifier: Apache-2.0

// Package openid is Care Identity Authentication: an OpenID Provider that speaks what clients of the national service
// expect, on the sessions of package careid.
//
//	provider, err := openid.New(openid.Config{
//		Issuer:  "https://am.example:443/openam/oauth2/realms/root/realms/NHSIdentity/realms/Healthcare",
//		Service: service, Records: store, // *careid.Service and the careid.Store behind it
//		Store:   grants, // sqlstore.Open
//		Keys:    []openid.Key{{Algorithm: "RS256", Signer: key}},
//		Clients: clients, // openid.ParseClients
//		SignIn:  "/signin", SessionToken: cards.Token, // *cardhttp.Handler
//	})
//	mux.Handle("/openam/", provider.Handler())
//
// # What it does
//
// The authorization code flow (OpenID Connect Core) with PKCE by S256, which a client needs unless it is registered
// without; client_secret_basic, client_secret_post and private_key_jwt; tokens by RS256, or by another algorithm that a
// client is registered for and a key is there for; discovery, userinfo, refresh tokens for clients that are registered
// for them, prompt, max_age, acr_values, id_token_hint; the issuer in each answer (RFC 9207); back-channel logout. There
// is no other flow, no consent page, no registration by clients and no encryption.
//
// # Sign-in pages
//
// The session is careid's, and its cookie the application's. A request that the browser's session can't answer at once
// is kept, and the browser goes to Config.SignIn with the parameter request and a cookie, wardkey-authorize (Lax, HttpOnly;
// with an https issuer Secure and __Host-), so that page stands on the issuer's host. It asks [Provider.Began] whether this
// browser began the request, and [Provider.Waiting] what is missing: a sign-in, a fresh or another one (careid's sign-in and
// step-up, which the application does), a role. Without the first question, somebody who kept a request that they began
// elsewhere could have prompt=login met by a sign-in that was for something else. Then
// [Provider.Finish] with the session and the role, or [Provider.Refuse], gives the address that the browser goes to. Who has
// a session and is to sign in again steps up: a plain sign-in ends the session, and its relying parties with it. A
// person with one role is not asked for it, and one who chose a role in this session, or before the step-up that a request
// asked for, is asked again only by changedrole and prompt=login.
//
// # What is said of a person
//
// acr and amr come from what the person used, as the session tells it, and never from configuration: acr is the first of
// acr_values that the session meets, in the session's own word where it only names a level. Names and roles are a
// [Person]'s; the default [Directory] reads them from careid's store, with positions in force as nhsid_nrbac_roles.
// Levels are strings or, for clients registered so, numbers.
//
// # What ends with a session
//
// Access and refresh tokens are random and good as long as their session is, by careid's own word each time they are
// used; asking counts as use of the session. The store keeps their SHA-256 and, encrypted under each of them until it is
// used up, the session's token. A code or refresh token is good once; shown again, or by the wrong client, its grant is revoked with
// all tokens of it. When careid ends a session ([Provider.OnEvent], or [Provider.Due] within a minute when the event was
// lost with its process), each relying party with a logout address is told by a signed logout token, again and again
// for twelve hours; a client's 400 is its last word. A session that was stepped up during a sign-in takes its relying
// parties along, while the old tokens end.
//
// # Clocks
//
// Sessions live on Config.Now. Codes, tokens' own lifetimes, assertions, retries and all times inside messages are by
// Config.Wall, which other people's clocks are compared with.
//
// # Not here
//
// Logout that a relying party begins, revocation by clients, signed userinfo, client_secret_jwt. No answer is for scripts of other origins (CORS): clients have credentials, which no page can keep. How many requests may come from one network is for the server in front to say: a request that waits is a row of
// some 8 KiB, for half an hour. A revocation that the CA alone knows of is found by careid's Due
// within half a minute, or when a token is used; its relying parties are told then.
//
// # Clients' addresses
//
// Redirect addresses are compared byte for byte. Logout and key addresses are called without redirects or proxies, and
// only at network addresses that Config.Reach allows, looked at when they are dialled.
package openid
