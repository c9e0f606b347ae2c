// SPDX-License-Identifier: Apache-2.0

package rooms

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"net/http"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/openid"
	openidstore "github.com/wardkey-sdk/wardkey/careid/openid/sqlstore"
	"github.com/wardkey-sdk/wardkey/careid/relyingparty"
	"github.com/wardkey-sdk/wardkey/examples/internal/kept"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/examples/signin/entry"
)

// The applications that sign their people in at the provider, by their names
// there.
const (
	ClinicalPortal = "clinical-portal"
	LinkPortal     = "link-portal"
)

// LinkLogin is the folder of the link portal's addresses for the provider. The
// portal is beside it, at the identity service's own address: what it changes is
// that service's.
const LinkLogin = "/links/auth/"

// IssuerPath is where the provider's endpoints are under the web's address.
const IssuerPath = "/openid/"

// Issuer is the provider's name, as its tokens have it.
func (r *Rooms) Issuer() string { return r.Addresses.Web + "/openid" }

// openProvider opens the OpenID Provider on the care identities' sessions.
func (r *Rooms) openProvider(ctx context.Context) error {
	store, err := openidstore.Open(ctx, openidstore.Config{DB: r.db, Now: r.Clock.Now, Wall: r.wall})
	if err != nil {
		return err
	}
	r.closes(store.Close)
	key, err := kept.Signer(r.path("secrets/provider.pem"), func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) })
	if err != nil {
		return err
	}
	if r.Clients, err = r.clients(); err != nil {
		return err
	}
	r.Provider, err = openid.New(openid.Config{
		Issuer: r.Issuer(), Service: r.Care, Records: r.care, Store: store, Keys: []openid.Key{{Algorithm: "RS256", Signer: key}},
		Clients: r.Clients, SignIn: entry.Path, SessionToken: r.Cards.Token, Refused: r.refused, Now: r.Clock.Now, Wall: r.wall, Log: r.log,
	})
	if err != nil {
		return err
	}
	r.told.Store(r.Provider)
	r.close = append(r.close, r.Provider.Drain)
	return nil
}

// refused has a person shown what the web has for it; a program gets a line.
func (r *Rooms) refused(w http.ResponseWriter, request *http.Request, e *openid.Error) {
	if r.Refused == nil || !pages.Browser(request) {
		http.Error(w, e.Error(), e.Status())
		return
	}
	r.Refused(w, request, e)
}

// tell passes on what happened to people and cards, once there is a provider to
// hear of the ends of sessions. It finds by itself those that ended before.
func (r *Rooms) tell(ctx context.Context, e careid.Event) {
	if p := r.told.Load(); p != nil {
		p.OnEvent(ctx, e)
	}
}

// clients are the applications as the provider knows them.
func (r *Rooms) clients() ([]openid.Client, error) {
	clients := []openid.Client{
		{ID: ClinicalPortal, Name: "Clinical portal", Alerts: true},
		{ID: LinkPortal, Name: "Link portal"},
	}
	for i, folder := range []string{r.Addresses.Portal + "/auth/", r.Addresses.Web + LinkLogin} {
		c := &clients[i]
		c.Method, c.RedirectURIs, c.LogoutURI = openid.SecretPost, []string{folder + "callback"}, folder+relyingparty.BackChannelName
		var err error
		if c.Secret, err = r.ClientSecret(c.ID); err != nil {
			return nil, err
		}
	}
	return clients, nil
}

// ClientSecret is what an application shows to the provider. It is the caller's
// to keep or to clear.
func (r *Rooms) ClientSecret(client string) ([]byte, error) {
	return secretText(r.path("secrets"), "client-"+client, 32)
}
