// SPDX-License-Identifier: Apache-2.0

package linking_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/careid/openid"
	openidstore "github.com/wardkey-sdk/wardkey/careid/openid/sqlstore"
	"github.com/wardkey-sdk/wardkey/careid/relyingparty"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages/pagestest"
	"github.com/wardkey-sdk/wardkey/examples/linkportal/linking"
	"github.com/wardkey-sdk/wardkey/examples/signin/entry"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// records are the hospital's, once it is there.
type records struct{ site *pagestest.Site }

func (r *records) Read(ctx context.Context, fn func(context.Context, *careid.Tx) error) error {
	return r.site.Store.Read(ctx, fn)
}

// openWithProvider is a hospital whose link portal signs in at its OpenID Provider.
func openWithProvider(t *testing.T) *pagestest.Site {
	t.Helper()
	known := &records{}
	known.site = pagestest.Open(t, pagestest.Config{Mount: func(site *pages.Site, mux *http.ServeMux) error {
		secret := []byte("a secret between two tests, of some length")
		clients := []openid.Client{{
			ID: "links", Name: "Link portal", Method: openid.SecretPost, Secret: secret, RedirectURIs: []string{site.Base + "/links/auth/callback"},
		}}
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return err
		}
		db, err := sqlkit.OpenSQLite(filepath.Join(t.TempDir(), "openid.db"))
		if err != nil {
			return err
		}
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		store, err := openidstore.Open(t.Context(), openidstore.Config{DB: db, Now: site.Now})
		if err != nil {
			return err
		}
		t.Cleanup(func() { require.NoError(t, store.Close()) })
		provider, err := openid.New(openid.Config{
			Issuer: site.Base + "/openid", Service: site.Care, Records: known, Store: store, Keys: []openid.Key{{Algorithm: "RS256", Signer: key}},
			Clients: clients, SignIn: entry.Path, SessionToken: site.Cards.Token, Now: site.Now,
		})
		if err != nil {
			return err
		}
		mux.Handle("/openid/", provider.Handler())
		login, err := relyingparty.New(relyingparty.Config{
			Issuer: site.Base + "/openid", ClientID: "links", Secret: secret, RedirectURL: site.Base + "/links/auth/callback",
			Scopes: []string{"openid"}, ACRValues: []string{"AAL3_ANY"}, Now: site.Now,
		})
		if err != nil {
			return err
		}
		l, err := linking.New(linking.Config{Site: site, Login: login, MailAccount: func(*http.Request) (string, error) {
			return "", mailpolicy.Rules().Refuse("mail.session")
		}})
		if err != nil {
			return err
		}
		l.Routes(mux)
		return nil
	}})
	return known.site
}

// TestLogin is the portal behind an OpenID Provider: a stranger is sent there, the
// person of its session comes in by it alone, and somebody else's session in the
// same browser is no way to that person's links.
func TestLogin(t *testing.T) {
	s := openWithProvider(t)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	at, err := url.Parse(s.URL)
	require.NoError(t, err)
	session := func(p careidtest.Person) {
		in, err := s.SignIn(t.Context(), p.Card)
		require.NoError(t, err)
		jar.SetCookies(at, []*http.Cookie{{Name: "wardkey-session", Value: in.Token, Path: "/"}})
	}
	ask := func(client *http.Client, method, path, accept string) (int, *url.URL, string) {
		r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, nil)
		require.NoError(t, err)
		r.Header.Set("Accept", accept)
		got, err := client.Do(r)
		require.NoError(t, err)
		defer func() { _ = got.Body.Close() }() // read to its end below
		body, err := io.ReadAll(got.Body)
		require.NoError(t, err)
		return got.StatusCode, got.Request.URL, string(body)
	}
	stop := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, one := range [][2]string{{"GET", "/links"}, {"GET", "/links/preflight"}, {"POST", "/links/preflight"}, {"POST", "/links"}, {"POST", "/links/relink"}, {"POST", "/links/unlink"}} {
		status, _, body := ask(stop, one[0], one[1], "application/json")
		require.Equal(t, http.StatusUnauthorized, status, one)
		require.Contains(t, body, `"rule":"rp.session"`, one)
	}

	session(s.Nurse)
	nurse := &http.Client{Jar: jar}
	status, ended, body := ask(nurse, "GET", "/links", "text/html")
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, "/links", ended.Path)
	require.Contains(t, body, "It opens no mail account.")

	session(s.Sponsor)
	for _, one := range [][2]string{{"GET", "/links"}, {"GET", "/links/preflight?address=a@nhs.net"}, {"POST", "/links"}, {"POST", "/links/relink"}, {"POST", "/links/unlink"}} {
		status, _, body = ask(nurse, one[0], one[1], "application/json")
		require.Equal(t, http.StatusConflict, status, one)
		require.Contains(t, body, `"rule":"link.person"`, one)
	}
	status, _, _ = ask(nurse, "POST", "/links/auth/signout", "application/json")
	require.Equal(t, http.StatusNoContent, status)
	status, _, body = ask(nurse, "GET", "/links", "text/html")
	require.Equal(t, http.StatusOK, status, "the provider knows who is there now: %s", body)
	require.Contains(t, body, s.Sponsor.Profile.Name())
}
