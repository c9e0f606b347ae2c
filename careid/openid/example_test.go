// SPDX-License-Identifier: Apache-2.0

package openid_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/careid/openid"
	"github.com/wardkey-sdk/wardkey/careid/openid/sqlstore"
)

// A nurse signs in at a ward's application with her card: the browser comes without a session, the sign-in page gets her
// one and finishes the request, and the application learns who she is and how she signed in.
func Example() {
	ctx := context.Background()
	hospital, err := careidtest.Open(careidtest.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = hospital.Close() }()
	provider, closeStore, err := exampleProvider(ctx, hospital)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer closeStore()

	// The application sends the browser here. There is no session, so that it goes to the sign-in page.
	query := url.Values{
		"client_id": {"ward"}, "redirect_uri": {"https://ward.example/callback"}, "response_type": {"code"}, "scope": {"openid profile"},
		"state": {"x"}, "code_challenge": {challengeOf(verifier)}, "code_challenge_method": {"S256"},
	}
	browser := httptest.NewRecorder()
	provider.Handler().ServeHTTP(browser, httptest.NewRequestWithContext(ctx, http.MethodGet, "https://am.example/realm/authorize?"+query.Encode(), nil))
	page, err := url.Parse(browser.Header().Get("Location"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(page.Path)

	// The page: is it this browser's request? Then whatever is missing is done, here a sign-in by card.
	visit := httptest.NewRequestWithContext(ctx, http.MethodGet, page.String(), nil)
	for _, cookie := range browser.Result().Cookies() {
		visit.AddCookie(cookie)
	}
	request := page.Query().Get("request")
	if err := provider.Began(visit, request); err != nil {
		fmt.Println(err)
		return
	}
	waiting, err := provider.Waiting(ctx, request, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(waiting.Client, "asks for a sign-in:", waiting.SignIn)
	in, err := hospital.SignIn(ctx, hospital.Nurse.Card)
	if err != nil {
		fmt.Println(err)
		return
	}
	next, err := provider.Finish(ctx, request, in.Token, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	back, err := url.Parse(next)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(back.Host, back.Query().Has("code"), back.Query().Get("iss"))
	// Output:
	// /signin
	// Ward 7 asks for a sign-in: true
	// ward.example true https://am.example:443/realm
}

func exampleProvider(ctx context.Context, hospital *careidtest.Hospital) (*openid.Provider, func(), error) {
	clients, err := openid.ParseClients([]byte(`[{
		"client_id": "ward", "client_name": "Ward 7", "client_secret": "thirty-two random characters here",
		"token_endpoint_auth_method": "client_secret_post", "redirect_uris": ["https://ward.example/callback"]
	}]`))
	if err != nil {
		return nil, nil, err
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, nil, err
	}
	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: hospital.DB, Now: hospital.Clock.Now, Wall: hospital.Wall.Now})
	if err != nil {
		return nil, nil, err
	}
	provider, err := openid.New(openid.Config{
		Issuer: "https://am.example:443/realm", Service: hospital.Service, Records: hospital.Store, Store: store,
		Keys: []openid.Key{{Algorithm: "RS256", Signer: key}}, Clients: clients,
		SignIn: "/signin", SessionToken: func(*http.Request) string { return "" }, // cards.Token
		Now: hospital.Clock.Now, Wall: hospital.Wall.Now,
	})
	return provider, func() { _ = store.Close() }, err
}
