// SPDX-License-Identifier: Apache-2.0

package relyingparty_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"time"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/careid/openid"
	"github.com/wardkey-sdk/wardkey/careid/openid/sqlstore"
	"github.com/wardkey-sdk/wardkey/careid/relyingparty"
)

// "Protect my web app with a card, exactly like CIS2": level 3, a card proven within the last five minutes, and a role.
// A nurse opens the page, pulls her card, and is out. The provider here is Wardkey's own; for the national service only
// the Config changes.
func Example_wardkey() {
	mux := http.NewServeMux()
	app := httptest.NewServer(mux)
	defer app.Close()
	hospital, err := openHospital(app.URL)
	if err != nil {
		log.Fatal(err)
	}
	defer hospital.close()

	login, err := relyingparty.New(relyingparty.Config{
		Issuer: hospital.web.URL, ClientID: "ward-app", Secret: secret(), RedirectURL: app.URL + "/auth/callback",
		MinAuthentication: 3, MaxAge: 5 * time.Minute, Role: relyingparty.RoleNeeded{Roles: []string{"R8001"}},
		Now: hospital.Clock.Now, Wall: hospital.Wall.Now, // its clocks stand; elsewhere leave them out
	})
	if err != nil {
		log.Fatal(err)
	}
	mux.Handle(login.Path(), login) // the callback, and the provider's logout
	mux.Handle("/", login.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := relyingparty.ClaimsOf(r.Context())
		fmt.Fprintf(w, "Good morning, %s: %s by %v", claims.GivenName, claims.ACR, claims.AMR)
	})))

	reader, browser, err := hospital.arrive(app.URL)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(visit(browser, app.URL, "text/html"))
	if err := hospital.pull(reader); err != nil {
		log.Fatal(err)
	}
	status, _, _ := visit(browser, app.URL, "application/json") // a program is sent nowhere to sign in
	fmt.Println(status)
	// Output:
	// 200 Good morning, Amina: AAL3_ANY by [N3_SMARTCARD] <nil>
	// 401
}

// ownHospital is where Wardkey's provider runs.
type ownHospital struct {
	*careidtest.Hospital
	provider *openid.Provider
	store    *sqlstore.Store
	web      *httptest.Server
}

func openHospital(app string) (*ownHospital, error) {
	h := &ownHospital{}
	var err error
	h.Hospital, err = careidtest.Open(careidtest.Config{
		People:  []careidtest.Persona{{Given: "Amina", Family: "Osei", Position: "Staff nurse"}},
		Observe: func(ctx context.Context, e careid.Event) { h.provider.OnEvent(ctx, e) }, // the ends of sessions
	})
	if err != nil {
		return nil, err
	}
	if h.store, err = sqlstore.Open(context.Background(), sqlstore.Config{DB: h.DB, Now: h.Clock.Now, Wall: h.Wall.Now}); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	h.web = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.provider.Handler().ServeHTTP(w, r) }))
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err == nil {
		h.provider, err = openid.New(openid.Config{
			Issuer: h.web.URL, Service: h.Service, Records: h.Hospital.Store, Store: h.store,
			Keys: []openid.Key{{Algorithm: "RS256", Signer: key}},
			Clients: []openid.Client{{
				ID: "ward-app", Method: openid.SecretPost, Secret: secret(),
				RedirectURIs: []string{app + "/auth/callback"}, LogoutURI: app + "/auth/backchannel-logout",
			}},
			SignIn: "/signin", SessionToken: func(r *http.Request) string {
				c, err := r.Cookie("session")
				if err != nil {
					return ""
				}
				return c.Value
			},
			Now: h.Clock.Now, Wall: h.Wall.Now,
		})
	}
	if err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

func (h *ownHospital) close() {
	h.web.Close()
	_ = h.store.Close()
	_ = h.Close()
}

// arrive puts the nurse's card into a reader and signs her in at the provider, as its pages would.
func (h *ownHospital) arrive(app string) (*careidtest.Reader, *http.Client, error) {
	reader := h.Reader("ward-3")
	if err := reader.Insert(h.People[0].Card); err != nil {
		return nil, nil, err
	}
	in, err := reader.SignIn(context.Background(), careidtest.Passcode)
	if err != nil {
		return nil, nil, err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, nil, err
	}
	at, err := url.Parse(app)
	if err != nil {
		return nil, nil, err
	}
	jar.SetCookies(at, []*http.Cookie{{Name: "session", Value: in.Token, Path: "/"}}) // of all ports of the host
	return reader, &http.Client{Jar: jar}, nil
}

// pull takes the card out, and waits until the application was told.
func (h *ownHospital) pull(reader *careidtest.Reader) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := reader.Remove(ctx); err != nil {
		return err
	}
	if _, err := h.provider.Due(ctx); err != nil {
		return err
	}
	return h.provider.Drain(ctx)
}

func visit(browser *http.Client, address, accept string) (status int, body string, err error) {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, address, nil)
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Accept", accept)
	answer, err := browser.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}
