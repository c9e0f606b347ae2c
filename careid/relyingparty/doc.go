// SPDX-License-Identifier: Apache-2.0

// Package relyingparty signs people in to a web application, against Wardkey or
// against the national service, by configuration alone.
//
//	keys, err := relyingparty.NewKeys("RS512", nil)
//	_, err = keys.Add(privateKey, time.Time{})
//	rp, err := relyingparty.New(relyingparty.Config{
//		Issuer:      "https://care.example:443/openam/oauth2/realms/care", // verbatim
//		ClientID:    "ward-app",
//		Keys:        keys,                                  // or Secret
//		RedirectURL: "https://ward.example/auth/callback",
//		ACRValues:   []string{"AAL3_ANY"},
//		MaxAge:      5 * time.Minute,
//		Role:        relyingparty.RoleNeeded{Activities: []string{"B0401"}},
//	})
//	mux.Handle(rp.Path(), rp)             // /auth/: the callback and what is beside it
//	mux.Handle("/ward/", rp.Protect(ward)) // for signed-in people
//
// In a handler behind Protect, ClaimsOf(r.Context()) is the person: number, name,
// roles, the selected role, levels, how and when they signed in.
//
// # What a sign-in has to show
//
// A state that this browser was given, once, within ten minutes. The configured
// issuer in the response (RFC 9207), required where the provider says that it
// always tells it. A code that the provider redeems for this client, with PKCE
// unless told otherwise. An ID token for this client alone, signed by a key that
// its kid names among the provider's, by an algorithm of Config.Algorithms, of this
// issuer, in its time, with this request's nonce; at_hash where there is one. The
// time of signing in, where MaxAge or Prompt login asked for a fresh one: the
// request travels through the browser, where both can be taken out. Userinfo of the
// same sub. The least levels, from whichever of acr, authentication_assurance_level
// and the two names of the identity level are told, as numbers or texts, the lower
// of any two. A selected role that is among the person's roles, and the role that
// the application is for.
//
// The refusals are rp.state, rp.mixup, rp.denied, rp.code, rp.token, rp.stale,
// rp.userinfo, rp.acr.missing, rp.authentication, rp.identity, rp.role.none,
// rp.role.selected, rp.role.needed, rp.provider and rp.busy; of Protect, rp.session
// and rp.crossorigin. A program gets them as application/problem+json, a person as
// a page. What exactly was wrong stands in Config.Log.
//
// # Sessions
//
// They are this application's own, on its server: the browser has a random cookie
// without a lifetime (HttpOnly, SameSite=Lax, Secure and __Host- with https), the
// Store a record that only that cookie opens. A session ends eight hours after it
// began, after fifteen minutes without a request, at sign-out, and when the provider
// says so: by back-channel logout, or by refusing to refresh its tokens where it
// gave a refresh token. A provider that can't be reached, answers 5xx, 408 or 429, or
// refuses the application itself ends nothing: the requests of the session are refused
// with rp.provider until it answers. Both times are by Config.Now and may be made shorter. The idle time may
// seem up to a thirtieth shorter than it is.
//
// # Several servers
//
// MemoryStore, the only Store here, serves one process: when it ends, everybody signs
// in anew, and a logout token that was taken could be taken once more, within its
// five minutes. Several servers of one application need a Store of yours that they
// share, on a database or a cache, and a callback may then arrive at any of them.
// What the Store has to do, each in one step however many servers ask at once: Add,
// which takes a key that nobody has or whose Until is over; Update, of the version
// that was read and no other; Remove, by a key or a group, which gives each record to
// one caller. What Add, Update and Remove have acknowledged must be what the next Load
// at any server reads, so that no copy that lags behind may answer; a store that loses
// records signs people out, and one that brings removed ones back, as from a backup,
// signs people in whom the provider has signed out. It may forget what is past its
// Until, and needn't. rptest.TestStore tests all of this but the copies. The servers
// also need one clock (a minute's difference is borne), the same Config, and of Keys
// the same keys with the same times.
//
// # Back-channel logout
//
// The provider posts a logout token to backchannel-logout beside the callback. It
// ends the sessions of its sid, or of its sub where it has no sid, and answers 200;
// 400 for a token that is not good, one whose jti was seen before, or one that is
// older than five minutes; and 500 where the store failed or the provider's own keys
// could not be read: the same token is then taken again, by any server. The address
// must be reachable for the provider, without a password before it. Config.Ended hears
// of it, for pages that are open.
//
// # Rotating keys
//
// Keys serves jwks beside the callback. Add the next key with a time at least
// an hour ahead; it is published at once and signs from then on, and the old one
// stays published for an hour more.
//
// # Prompts
//
// Prompts makes of a sign-in's alerts and of the workstation agent's status a list
// for the person: renew within so many days, unlock, expired. Its JSON and its HTML
// fragment are for the application's own page. The application's page asks the
// agent, since only the person's browser reaches it.
//
// Nothing that this package reads is a claim that the national service doesn't send,
// unless Config.WardkeyClaims is set: then the claim wardkey_alerts, a list of
// {"rule","daysLeft","notAfter"}, fills Claims.Alerts. Wardkey's own provider sends it
// to a client that is registered with wardkey_alerts; careid/cardhttp's answer to a
// sign-in has the same members.
//
// # Checking an application
//
// Package rptest and its command examples/rpcheck play good and bad sign-ins against
// an application, this package's or any other.
//
// # Moving to the national service
//
// What the registration (Connection Manager) calls a field, and its field here:
//
//	environment                 Issuer: the issuer of its discovery document, with :443
//	client_id                   ClientID
//	redirect_uris               RedirectURL, byte for byte
//	token_endpoint_auth_method  client_secret_post: Secret; private_key_jwt: Keys
//	jwks_uri                    the address of jwks beside RedirectURL
//	jwks_uri_signing_algorithm  NewKeys's alg: RS512, or RS256
//	backchannel_logout_uri      the address of backchannel-logout beside RedirectURL
//	client_name, description    none
//
// And what is decided in the request and in the checks:
//
//	scope       Scopes: the default asks for everything, and for a role to be selected
//	acr_values  ACRValues, such as AAL3_ANY or AAL2_OR_AAL3_ANY
//	prompt      Prompt: login, where the person must sign in for this application
//	max_age     MaxAge: public clients send 240 s and 300 s
//	PKCE        NoPKCE, where it is refused; its documents don't mention it
//	acr         AllowMissingACR, where a token comes without
//	levels      MinIdentity 3 and MinAuthentication 2 are what most public clients ask
//	aud         AssertionAudience, where a client assertion is refused as "JWT is not
//	            valid" and the token endpoint's own address isn't the reason
//
// Never run against it: this package was written from its public documents and from
// the public code of its clients, and run against Wardkey's provider, and against the
// checker, which has its paths and its claims' shapes. Not known from there are
// whether it tells iss in its responses (it need not), whether it takes PKCE, whether
// its discovery spells the issuer with :443 in each environment, the exact aud of
// an assertion, and how long its own sessions last. It is not known to give refresh
// tokens or to have an end-session address; nothing here needs them. Neither this
// package nor an application that passes the checker is approved by the NHS.
package relyingparty
