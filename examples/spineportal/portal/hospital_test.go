// SPDX-License-Identifier: Apache-2.0

package portal_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/agent"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/cardhttp"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/careid/openid"
	"github.com/wardkey-sdk/wardkey/careid/openid/sqlstore"
	"github.com/wardkey-sdk/wardkey/careid/relyingparty"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/examples/signin/entry"
	"github.com/wardkey-sdk/wardkey/examples/spineportal/portal"
	"github.com/wardkey-sdk/wardkey/examples/unlock/kiosk"
)

// clientSecret is the portal's at the provider; a new slice each time, since its owner may clear it.
func clientSecret() []byte { return []byte("a secret between two tests, of some length") }

// late is a server whose handler is set when its address is known.
type late struct {
	*httptest.Server
	handler atomic.Pointer[http.Handler]
}

func newLate(t *testing.T) *late {
	t.Helper()
	l := &late{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*l.handler.Load()).ServeHTTP(w, r) }))
	t.Cleanup(l.Close)
	return l
}

func (l *late) serve(h http.Handler) { l.handler.Store(&h) }

// hospital is a provider with its sign-in and unlock pages, a workstation with a
// card service, and the portal.
type hospital struct {
	*careidtest.Hospital
	tray     *cardtest.Tray
	provider atomic.Pointer[openid.Provider]

	site, station, portal *late
	sessions              *relyingparty.MemoryStore // of the portal
}

// openHospital serves all of it on virtual cards. Reader 0 is the workstation's.
func openHospital(t *testing.T, people ...careidtest.Persona) *hospital {
	t.Helper()
	h := &hospital{tray: cardtest.New(t, cardtest.Config{Readers: 2}), site: newLate(t), station: newLate(t), portal: newLate(t), sessions: relyingparty.NewMemoryStore()}
	h.Hospital = careidtest.New(t, careidtest.Config{People: people, Tray: h.tray, Observe: func(ctx context.Context, e careid.Event) {
		if p := h.provider.Load(); p != nil {
			p.OnEvent(ctx, e)
		}
	}})
	now := time.Now() // as the browser has it
	h.Clock.Set(now)
	h.Wall.Set(now)
	config := h.Config
	config.Servers, config.Origins = append(config.Servers, h.site.URL), append(config.Origins, h.site.URL)
	care, err := careid.New(config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, care.Drain(context.Background())) })
	h.Service = care
	h.serveSite(t)
	h.servePortal(t)
	h.serveAgent(t)
	h.keepDue(t)
	return h
}

// keepDue has the clocks go and does what they ask for, as every server of a provider does.
func (h *hospital) keepDue(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-tick.C:
				h.Clock.Set(now)
				h.Wall.Set(now)
				if _, err := h.provider.Load().Due(ctx); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		}
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
}

// serveSite is the provider and what its people need.
func (h *hospital) serveSite(t *testing.T) {
	t.Helper()
	cards, err := cardhttp.New(cardhttp.Config{Service: h.Service, Server: h.site.URL, SignInPage: "/signin", UnlockAnswer: time.Millisecond, Now: h.Clock.Now, Wall: h.Wall.Now})
	require.NoError(t, err)
	book, err := careid.Rules()
	require.NoError(t, err)
	site, err := pages.New(pages.Config{
		Name: "Care Identity", Care: h.Service, Cards: cards, Book: book, Base: h.site.URL, Agents: []string{h.station.URL}, Now: h.Clock.Now,
	})
	require.NoError(t, err)
	list, err := json.Marshal([]map[string]any{{
		"client_id": "portal", "client_name": "Clinical portal", "client_secret": string(clientSecret()), "token_endpoint_auth_method": "client_secret_post",
		"redirect_uris": []string{h.portal.URL + "/auth/callback"}, "backchannel_logout_uri": h.portal.URL + "/auth/backchannel-logout",
	}})
	require.NoError(t, err)
	clients, err := openid.ParseClients(list)
	require.NoError(t, err)
	store, err := sqlstore.Open(t.Context(), sqlstore.Config{DB: h.DB, Now: h.Clock.Now, Wall: h.Wall.Now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	provider, err := openid.New(openid.Config{
		Issuer: h.site.URL + "/realm", Service: h.Service, Records: h.Store, Store: store, Keys: []openid.Key{{Algorithm: "RS256", Signer: key}},
		Clients: clients, SignIn: entry.Path, SessionToken: cards.Token, Now: h.Clock.Now, Wall: h.Wall.Now,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, provider.Drain(context.Background())) })
	h.provider.Store(provider)

	mux := http.NewServeMux()
	require.NoError(t, site.Routes(mux))
	signIn, err := entry.New(entry.Config{Site: site, Provider: provider, Clients: clients})
	require.NoError(t, err)
	signIn.Routes(mux)
	unlock, err := kiosk.New(site)
	require.NoError(t, err)
	unlock.Routes(mux)
	own := site.Handler(mux)
	all := http.NewServeMux()
	all.Handle("/realm/", provider.Handler())
	all.Handle("/", own)
	h.site.serve(all)
}

func (h *hospital) servePortal(t *testing.T) {
	t.Helper()
	h.portal.serve(h.newPortal(t).Handler())
}

// newPortal is one that has the sessions of all.
func (h *hospital) newPortal(t *testing.T) *portal.Portal {
	t.Helper()
	p, err := portal.New(portal.Config{
		Base: h.portal.URL, Agent: h.station.URL, Pages: relyingparty.Pages{Unlock: h.site.URL + "/unlock", Renew: h.site.URL + "/my"}, Now: h.Clock.Now,
		Login: relyingparty.Config{Issuer: h.site.URL + "/realm", ClientID: "portal", Secret: clientSecret(), Store: h.sessions, Wall: h.Wall.Now},
	})
	require.NoError(t, err)
	return p
}

func (h *hospital) serveAgent(t *testing.T) {
	t.Helper()
	module, err := card.Open(card.Config{Module: h.tray.Module(), Poll: 100 * time.Millisecond})
	require.NoError(t, err)
	a, err := agent.New(agent.Config{
		Module: module, Servers: []string{h.site.URL}, Origins: []string{h.site.URL, h.portal.URL}, Now: h.Clock.Now, Wall: h.Wall.Now,
	})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = a.Run(ctx) // it ends with ctx alone
	}()
	t.Cleanup(func() {
		h.station.CloseClientConnections() // a browser listens for ever
		stop()
		<-ended
		require.NoError(t, module.Close())
	})
	h.station.serve(a.Handler())
}

// holds gives somebody positions, from each of which comes a role.
func (h *hospital) holds(t *testing.T, p careidtest.Person, names ...string) {
	t.Helper()
	manager, err := h.Actor(t.Context(), h.RAManager, careid.RAManager)
	require.NoError(t, err)
	for _, name := range names {
		made, err := h.Service.CreatePosition(t.Context(), manager, careid.Position{Name: name, Role: careid.Coded{Code: "S8000:G8000:R8001", Name: name}})
		require.NoError(t, err)
		_, err = h.Service.AssignPosition(t.Context(), manager, careid.Assign{Profile: p.Profile.ID, Position: made.ID})
		require.NoError(t, err)
	}
}
