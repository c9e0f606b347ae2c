// SPDX-License-Identifier: Apache-2.0

// Command rpcheck plays one good sign-in and some forty bad ones against a web
// application of yours, in any language, and prints which it wrongly accepts:
//
//	go run ./examples/rpcheck -login http://localhost:3000/ward
//	RPCHECK_SECRET=… go run ./examples/rpcheck -login https://localhost:3000/ward -backchannel https://localhost:3000/backchannel-logout
//	go run ./examples/rpcheck -login http://localhost:3000/login -protected http://localhost:3000/me -jwks http://localhost:3000/jwks -no-backchannel
//
// It is a small OpenID Provider and the browser at once; package rptest tells how
// it works and what it can't see. When it starts it prints what the application
// is to be configured with, and waits until its login address leads here.
//
// The client's secret comes from the environment, RPCHECK_SECRET: arguments can be
// seen by all users. Make one up for the check: the application sends it here by plain
// HTTP, and it goes nowhere else. -ca names the certificate of an application on https that the
// system doesn't trust. Instead of a secret, -jwks is where the application publishes
// its keys, for private_key_jwt. With neither, the way in which the application
// authenticates itself is not checked.
//
// The exit status is 0 only if everything good was accepted and everything bad was
// refused, 1 if something went wrong there, and 2 if the check could not be made.
// What the application's own request makes pointless is not played, and counts as
// neither; logout does count, unless -no-backchannel says that there is none.
//
// The person who signs in is made up. An application that knows its people by name
// needs -sub to be one of them; one that asks for a role needs -role, -activity and
// -org. Never run it against an application that others are using.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/wardkey-sdk/wardkey/careid/relyingparty/rptest"
)

var errFailed = errors.New("the application does not do what it should")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// command is main with the exit status as its result.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a, err := asked(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err == nil {
		err = a.check(ctx, stdout, stderr)
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errFailed):
		return 1
	}
	fmt.Fprintln(stderr, "rpcheck:", err)
	return 2
}

// question is what is asked of the command.
type question struct {
	config rptest.Config
	app    rptest.Application
	wait   time.Duration
	// silent: nothing was said of back-channel logout, so all can't have passed.
	silent bool
}

// asked reads it from arguments and environment.
func asked(args []string, stderr io.Writer) (question, error) {
	var q question
	var activities, ca string
	flags := flag.NewFlagSet("rpcheck", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&q.app.Login, "login", "", "`address` of the application that begins a sign-in")
	flags.StringVar(&q.app.Protected, "protected", "", "`address` of a page for signed-in people (default -login)")
	flags.StringVar(&q.app.Expect, "expect", "", "`text` that this page has only for a signed-in person")
	flags.StringVar(&q.app.BackChannel, "backchannel", "", "`address` for logout tokens")
	flags.BoolVar(&q.app.NoBackChannel, "no-backchannel", false, "the application has no back-channel logout")
	flags.IntVar(&q.app.MinIdentity, "min-identity", 0, "the identity `level` that the application asks for, 1 to 3")
	flags.StringVar(&q.config.Listen, "listen", "127.0.0.1:9470", "`address` to listen on")
	flags.StringVar(&q.config.Issuer, "issuer", "", "`URL` of the provider, where a proxy stands before it (default http://LISTEN)")
	flags.StringVar(&q.config.ClientID, "client-id", "rpcheck-client", "the application's client `id`")
	flags.StringVar(&q.config.JWKS, "jwks", "", "`address` of the application's keys, for private_key_jwt")
	flags.BoolVar(&q.config.IntLevels, "int-levels", false, "assurance levels as numbers; they are texts by default")
	flags.StringVar(&q.config.Person.Subject, "sub", "", "twelve `digits` of the person who signs in")
	flags.StringVar(&q.config.Person.Email, "email", "", "the person's `address`")
	flags.StringVar(&q.config.Person.Role, "role", "", "the person's role `code`, such as S8000:G8000:R8001")
	flags.StringVar(&activities, "activity", "", "the role's activity `codes`, with commas between")
	flags.StringVar(&q.config.Person.Organisation, "org", "", "the role's ODS `code`")
	flags.StringVar(&ca, "ca", "", "`file` of certificates (PEM) to trust besides the system's, for an application with one of its own")
	flags.DurationVar(&q.wait, "wait", 2*time.Minute, "how long to wait for the application")
	if err := flags.Parse(args); err != nil {
		return q, err
	}
	switch {
	case flags.NArg() > 0:
		return q, fmt.Errorf("%q is no flag; the secret comes from RPCHECK_SECRET", flags.Arg(0))
	case q.app.Login == "":
		return q, errors.New("-login is missing")
	}
	q.silent = q.app.BackChannel == "" && !q.app.NoBackChannel
	q.app.NoBackChannel = q.app.BackChannel == ""
	q.config.Secret = []byte(os.Getenv("RPCHECK_SECRET"))
	if activities != "" {
		q.config.Person.Activities = strings.Split(activities, ",")
	}
	var err error
	if ca != "" {
		q.config.Transport, err = trusting(ca)
	}
	return q, err
}

// trusting reaches applications whose certificates are signed by those of a file.
func trusting(file string) (http.RoundTripper, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool() // a system without any
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: roots}}, nil
}

// check shows what to configure, waits, plays, and prints.
func (q question) check(ctx context.Context, stdout, stderr io.Writer) error {
	checker, err := rptest.Open(q.config)
	if err != nil {
		return err
	}
	defer func() { _ = checker.Close() }() // it only listened
	fmt.Fprint(stderr, q.instructions(checker.Issuer()))
	if err := q.ready(ctx, checker); err != nil {
		return err
	}
	report, err := checker.Play(ctx, q.app)
	if printed := report.Print(stdout); err == nil {
		err = printed
	}
	switch {
	case err != nil:
		return err
	case q.silent:
		fmt.Fprintln(stdout, "rpcheck: logout was not played: give -backchannel, or say -no-backchannel")
		return errFailed
	case !report.Passed():
		return errFailed
	}
	return nil
}

// ready waits until the application answers at all.
func (q question) ready(ctx context.Context, checker *rptest.Checker) error {
	waiting, cancel := context.WithTimeout(ctx, q.wait)
	defer cancel()
	for {
		err := checker.Reach(waiting, q.app)
		if err == nil {
			return nil
		}
		select {
		case <-waiting.Done():
			return err
		case <-time.After(time.Second):
		}
	}
}

func (q question) instructions(issuer string) string {
	authenticates := "any way; it is not checked (see RPCHECK_SECRET and -jwks)"
	switch {
	case q.config.JWKS != "":
		authenticates = "private_key_jwt (RS256, RS384 or RS512), by the keys at " + q.config.JWKS
	case len(q.config.Secret) > 0:
		authenticates = "client_secret_post or client_secret_basic, with RPCHECK_SECRET"
	}
	return fmt.Sprintf(`Configure the application with

  issuer          %[1]s
  discovery       %[1]s/.well-known/openid-configuration
  authorization   %[1]s/authorize
  token           %[1]s/access_token
  userinfo        %[1]s/userinfo
  keys            %[1]s/connect/jwk_uri
  client_id       %[2]s
  authentication  %[3]s
  ID token        RS256

and start it. Any redirect_uri is taken. Waiting for %[4]s

`, strings.TrimSuffix(issuer, "/"), q.config.ClientID, authenticates, q.app.Login)
}
