// SPDX-License-Identifier: Apache-2.0

package relyingparty_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/wardkey-sdk/wardkey/careid/relyingparty"
	"github.com/wardkey-sdk/wardkey/careid/relyingparty/rptest"
)

// An application lets in whoever signs in at the provider at level 3, within the
// last five minutes, and with a role that may view medication. The checker then
// plays some forty bad sign-ins against it.
func Example() {
	provider, err := rptest.Open(rptest.Config{ // where Wardkey's or the national service would be
		ClientID: "ward-app", Secret: []byte("a secret of this example"), Person: rptest.Person{Activities: []string{"B0401"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = provider.Close() }()

	mux := http.NewServeMux()
	app := httptest.NewServer(mux)
	defer app.Close()
	login, err := relyingparty.New(relyingparty.Config{
		Issuer: provider.Issuer(), ClientID: "ward-app", Secret: []byte("a secret of this example"),
		RedirectURL: app.URL + "/auth/callback",
		ACRValues:   []string{"AAL3_ANY"}, MaxAge: 5 * time.Minute,
		Role: relyingparty.RoleNeeded{Activities: []string{"B0401"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	mux.Handle(login.Path(), login) // the callback, and the provider's logout
	mux.Handle("/", login.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := relyingparty.ClaimsOf(r.Context())
		fmt.Fprintln(w, "Good morning,", claims.GivenName)
	})))

	report, err := provider.Play(context.Background(), rptest.Application{
		Login: app.URL + "/", Expect: "Good morning, Amina", BackChannel: app.URL + "/auth/backchannel-logout", MinIdentity: 3,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("right:", report.Passed())
	fmt.Println("wrongly accepted:", len(report.Accepted()))
	// Output:
	// right: true
	// wrongly accepted: 0
}

// The page of an application asks the workstation's agent for its status and posts
// it here; what the person should do is put into the page, or given as JSON.
func ExamplePrompts() {
	today := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	pages := relyingparty.Pages{Renew: "/card/renew", Unlock: "/card/unlock"}

	// GET /v1/status of the agent, as the page sent it on.
	var status relyingparty.AgentStatus
	err := json.Unmarshal([]byte(`{"version":1,"readers":[{"state":"locked","notAfter":"2026-12-31T11:59:59Z","renewalOpen":true}]}`), &status)
	if err != nil {
		log.Fatal(err)
	}
	list := relyingparty.Prompts(relyingparty.Situation{Agent: &status, Now: today}, pages)
	for _, p := range list {
		fmt.Println(p.Kind, p.URL, p.DaysLeft)
	}
	fragment, err := list.HTML() // for the application's own page
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(fragment)

	// The alerts of a sign-in's answer say when the certificates have ended.
	ended := relyingparty.Alert{Rule: "cert.alert", NotAfter: today.AddDate(0, 0, -1)}
	text, err := json.Marshal(relyingparty.Prompts(relyingparty.Situation{Alerts: []relyingparty.Alert{ended}, Now: today}, pages))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(text))
	// Output:
	// unlock /card/unlock 0
	// renew /card/renew 40
	// <section class="wardkey-prompts" aria-label="About your smartcard"><ul>
	// <li class="wardkey-unlock">Your smartcard is locked. You can unlock it yourself with a code, or have it unlocked by your Registration Authority. <a href="/card/unlock">Unlock it here</a></li>
	// <li class="wardkey-renew">Renew your smartcard: its certificates end on 31 December 2026, in 40 days. <a href="/card/renew">Renew it here</a></li>
	// </ul></section>
	// [{"kind":"expired","text":"The certificates on your smartcard ended on 21 November 2026. Only your Registration Authority can renew them, and you must be there in person.","notAfter":"2026-11-21T09:00:00Z","inPerson":true}]
}
