// SPDX-License-Identifier: Apache-2.0

// Package rptest plays sign-ins against a web application, good ones and bad
// ones, and tells which bad ones it wrongly accepts. It is for the application of
// whoever imports it, in any framework, as well as for package relyingparty.
//
//	checker := rptest.New(t, rptest.Config{ClientID: "ward-app", Secret: secret})
//	app := httptest.NewServer(wardApp(checker.Issuer(), "ward-app", secret)) // your application
//	checker.Check(t, rptest.Application{
//		Login:       app.URL + "/ward",
//		BackChannel: app.URL + "/auth/backchannel-logout",
//	})
//
// Command examples/rpcheck does the same from a shell, for applications that are
// not Go.
//
// # How it works
//
// The checker is a small OpenID Provider, whose issuer the application is to be
// configured with, and at the same time the browser. It opens the application's
// login address, follows it until it is sent to the provider, and answers for the
// provider at once: no page, no person. Then it asks for a page that only a
// signed-in person gets. A good sign-in has to end there, and a bad one must not.
// Each bad sign-in is wrong in one thing alone, which its Result names with the
// clause of the standard that forbids it; all the rest of it is right.
//
// The good answers have the shape of the national service's, down to its
// addresses (/authorize, /access_token, /userinfo, /connect/jwk_uri), with a
// made-up person. Nothing here asks that service, and passing proves nothing
// about it.
//
// It listens on 127.0.0.1, unless Config.Listen says otherwise. The secret is only
// compared with what the application sends; make one up for the check, for it comes
// over plain HTTP. The browser goes where the application sends it: one that is still
// configured with another provider sends it there, with its authorization request.
//
// # What it needs
//
// An address that begins a sign-in by GET, through redirects alone; and a page
// (Protected, by default the same address) that answers 2xx to a signed-in person
// and something else, such as a redirect to the provider, to anybody else. Where
// it answers 2xx to all, Expect is a text that only the signed-in person's has.
// The person (Config.Person) must be one whom the application lets in.
//
// # What it doesn't see
//
// Whatever happens after the sign-in: what the application lets whom do.
// Redirects by script. The SameSite attribute of cookies, which this browser does
// not apply. How an application that takes two providers keeps them apart: it is
// shown one, and a wrong iss in its answer.
//
// A check that the application's own request makes pointless is not played, and
// the Result says why: a stale auth_time where neither max_age nor prompt=login
// was sent, a foreign selected_roleid where no role was asked for. Where an
// application has no back-channel logout, Application.NoBackChannel says so;
// otherwise its address must be given.
//
// # Stores
//
// TestStore holds a relyingparty.Store to its contract.
package rptest
