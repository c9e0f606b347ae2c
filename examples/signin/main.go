// SPDX-License-Identifier: Apache-2.0

// Command signin is Care Identity Authentication in one program: the OpenID
// Provider of package openid with its pages, for a hospital in a folder or, with
// -test, for the tests of an application in any language.
//
//	go run ./examples/signin -test -clients clients.json -control 127.0.0.1:8485
//
// It prints "ready" and its issuer when it listens, before that "control" and the
// address of the control port, and ends by SIGTERM.
//
// # In CI, without Docker
//
// It is one file, needs no cgo, no reader and no network, and keeps everything in
// memory. It is ready in about a second:
//
//	CGO_ENABLED=0 go install github.com/wardkey-sdk/wardkey/examples/signin@latest
//	signin -test -listen 127.0.0.1:8484 -clients clients.json -control 127.0.0.1:8485 > signin.out &
//	until grep -q ^ready signin.out; do sleep 0.1; done
//
// An address with port 0 takes a free one; the lines tell which. -issuer is what
// clients compare, byte for byte, where it is not http://LISTEN: behind a proxy
// with TLS, say, or with the path of the national service. Its host must be a
// loopback one unless it is https.
//
// # A sign-in with curl
//
//	I=http://127.0.0.1:8484; C=http://127.0.0.1:8485; APP=http://127.0.0.1:3000/callback
//	curl -s --json '{"sub":"900000000101"}' $C/persona
//	BACK=$(curl -sL -o /dev/null -w '%{url_effective}' "$I/authorize?client_id=ward&response_type=code&scope=openid+profile&state=s&redirect_uri=$APP")
//	CODE=$(echo "$BACK" | sed 's/.*[?&]code=\([^&]*\).*/\1/')
//	TOKEN=$(curl -s -d grant_type=authorization_code -d "code=$CODE" -d "redirect_uri=$APP" -d client_id=ward -d client_secret=ward-secret $I/access_token | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
//	curl -s -H "Authorization: Bearer $TOKEN" $I/userinfo
//
// # The files
//
// -clients is a JSON array in the members of OpenID Connect Dynamic Client
// Registration, as openid.ParseClients reads it:
//
//	[{"client_id": "ward", "client_secret": "ward-secret", "token_endpoint_auth_method": "client_secret_post",
//	  "redirect_uris": ["http://127.0.0.1:3000/callback"], "backchannel_logout_uri": "http://127.0.0.1:3000/logout",
//	  "wardkey_pkce": false, "wardkey_levels": "integer"}]
//
// -personas is a JSON array of people in the members of userinfo: sub of 12
// digits, given_name and family_name are needed. Without it there are six: a nurse
// (900000000101), a doctor with two roles (…102), a pharmacist (…103), a
// receptionist (…104), somebody without a role (…105), and somebody whose
// identity level is 1 (…106). A member that either file doesn't know is an error.
//
// # The control port
//
// With -test alone and on a loopback address, for programs: what comes from a page
// in a browser, or under another host name, is refused. Bodies are one JSON
// object, sent as application/json (curl --json); a "no" is
// application/problem+json and says what to do.
//
//	POST /persona {"sub":"900000000102","role":"900000000903"}
//	                          the next authorization signs this person in with a virtual card, without a page; role
//	                          is for clients that ask for one, by default the person's first
//	POST /card {"do":"pull"}  or insert, lock, lose: the card of the person who was named or signed in last, or of "sub"
//	POST /clock {"add":"8h"}  moves the calendar on: sessions and certificates end by it
//	POST /fault {"name":"…"}  one fault in place of another, "" for none; GET /faults lists them and what they do
//	GET  /logouts             each try to deliver a logout token: accepted, failed (tried again), given up
//	GET  /audit               what happened to people and cards (careid), and between provider and clients (openid)
//	POST /reset               everything as it began, but for the keys of the tokens
//
// When /clock or /card answers, the sessions have ended and their logout tokens
// were tried once. Only the calendar moves: times inside tokens are by the
// machine's clock, which clients compare them with, and auth_time is as long ago
// as the calendar says. A person who can't sign in, with a lost card or in no
// role, say, goes back to the client with access_denied.
//
// Without POST /persona the pages are shown: whose card, which role, what ends
// soon. Anybody who reaches -listen can be anybody, which is why every ID token,
// logout token and userinfo has "wardkey_test": true. Refuse those in production.
//
// # For a hospital
//
//	go run ./examples/signin -clients clients.json -dir hospital
//
// Started with the -dir of examples/radesk it signs that hospital's people in, with
// the cards in the readers of the card service (package card/agent) at -agent.
// Relying parties are told within seconds that a card has left its reader, or that
// its holder has signed out here; of an end that another program of the folder
// brings about, within a minute. With -db the hospital is in a PostgreSQL server.
//
// With -models FILE, a list as careid/webauthn.ParseModels reads it, people also
// sign in with security keys and Windows Hello; the pages and the issuer are at
// http://localhost:PORT then, since browsers bind keys to a name. Without it, a
// mail account and an authenticator app still do. Both are registered at
// examples/myidentity. An authorization request that a browser posts from another
// site is refused; by GET it is taken.
//
// A demonstration, not affiliated with or approved by the NHS, and never for live
// cards, middleware or services.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C doesn't wait
	status := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// command is main with the exit status as its result.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := asked(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "signin:", err)
		return 2
	}
	if !o.test {
		return o.run(ctx, stdout, stderr)
	}
	if err := o.mock(ctx, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "signin:", err)
		return 1
	}
	return 0
}
