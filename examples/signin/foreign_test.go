// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/wardkey-sdk/wardkey/internal/need"
)

// Client libraries that we did not write sign in, refresh and are told of the sign-out, at the program as a user builds
// it, with nothing of them changed.
func TestForeignClients(t *testing.T) {
	t.Run("coreos/go-oidc", func(t *testing.T) {
		f := newForeign(t)
		f.goOIDC(t)
		t.Logf("claim 1: coreos/go-oidc %s: signed in, refreshed, signed out", version(t, "github.com/coreos/go-oidc/v3"))
	})
	t.Run("openid-client", func(t *testing.T) {
		modules := need.Tool(t, "node")
		f := newForeign(t)
		at := t.TempDir() // modules are looked for beside a script
		require.NoError(t, os.Symlink(modules, filepath.Join(at, "node_modules")))
		script, err := os.ReadFile(filepath.Join("testdata", "openid-client.mjs"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(at, "client.mjs"), script, 0o600))
		f.plays(t, filepath.Join(modules, ".bin", "node"), filepath.Join(at, "client.mjs"))
		text, err := os.ReadFile(filepath.Join(modules, "openid-client", "package.json"))
		require.NoError(t, err)
		var about struct{ Version string }
		require.NoError(t, json.Unmarshal(text, &about))
		t.Logf("claim 1: openid-client %s: signed in, refreshed, signed out", about.Version)
	})
	t.Run("Authlib", func(t *testing.T) {
		python := need.Tool(t, "python3-authlib")
		f := newForeign(t)
		f.plays(t, python, filepath.Join("testdata", "authlib_client.py"))
		about, err := exec.Command(python, "-c", "import authlib; print(authlib.__version__)").Output()
		require.NoError(t, err)
		t.Logf("claim 1: Authlib %s: signed in, refreshed, signed out", bytes.TrimSpace(about))
	})
}

// foreign is a test server with two clients, and the application that plays both.
type foreign struct {
	provider
	party *party
	key   string // file of the private key of the client "assertion"
}

func newForeign(t *testing.T) foreign {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	f := foreign{party: newParty(t), key: filepath.Join(t.TempDir(), "key.pem")}
	require.NoError(t, os.WriteFile(f.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	keys := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "ward-key", Algorithm: "RS512", Use: "sig"}}}
	client := func(id string, more map[string]any) map[string]any {
		more["client_id"], more["redirect_uris"] = id, []string{f.party.URL + "/callback"}
		more["grant_types"], more["backchannel_logout_uri"] = []string{"authorization_code", "refresh_token"}, f.party.URL+"/logout"
		return more
	}
	clients, err := json.Marshal([]any{
		client("post", map[string]any{"client_secret": secret, "token_endpoint_auth_method": "client_secret_post"}),
		client("assertion", map[string]any{"jwks": keys, "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "RS512"}),
	})
	require.NoError(t, err)
	f.provider = start(t, "-test", "-listen", "127.0.0.1:0", "-control", "127.0.0.1:0", "-clients", file(t, string(clients)))
	return f
}

// plays runs a script to its end.
func (f foreign) plays(t *testing.T, program, script string) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Minute)
	defer stop()
	run := exec.CommandContext(ctx, program, script)
	run.Env = append(os.Environ(), "ISSUER="+f.issuer, "CONTROL="+f.control, "PARTY="+f.party.URL, "SECRET="+secret, "KEY="+f.key, "SUB="+nurse)
	out, err := run.CombinedOutput()
	require.NoError(t, err, string(out))
}

// goOIDC plays coreos/go-oidc with golang.org/x/oauth2.
func (f foreign) goOIDC(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	found, err := oidc.NewProvider(ctx, f.issuer)
	require.NoError(t, err)
	endpoint := found.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInParams
	config := oauth2.Config{
		ClientID: "post", ClientSecret: secret, Endpoint: endpoint, RedirectURL: f.party.URL + "/callback",
		Scopes: []string{oidc.ScopeOpenID, "profile", "nationalrbacaccess"},
	}
	pkce := oauth2.GenerateVerifier()
	f.says(t, "/persona", `{"sub":"`+nurse+`"}`)
	b := visitor(t)
	back := goes(t, b, config.AuthCodeURL("st", oidc.Nonce("no"), oauth2.S256ChallengeOption(pkce)))
	token, err := config.Exchange(ctx, back.Query().Get("code"), oauth2.VerifierOption(pkce))
	require.NoError(t, err)
	verify := found.Verifier(&oidc.Config{ClientID: "post"})
	id, err := verify.Verify(ctx, token.Extra("id_token").(string))
	require.NoError(t, err)
	require.Equal(t, "no", id.Nonce)
	require.NoError(t, id.VerifyAccessToken(token.AccessToken))
	info, err := found.UserInfo(ctx, oauth2.StaticTokenSource(token))
	require.NoError(t, err)
	require.Equal(t, nurse, info.Subject)
	again, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	require.NoError(t, err)

	out, err := b.PostForm(f.issuer+"/signout", url.Values{})
	require.NoError(t, err)
	require.NoError(t, out.Body.Close())
	require.Eventually(t, func() bool { return len(f.party.tokens()) == 1 }, time.Minute, 50*time.Millisecond)
	told, err := verify.VerifyLogout(ctx, f.party.tokens()[0])
	require.NoError(t, err)
	require.Equal(t, nurse, told.Subject)
	_, err = found.UserInfo(ctx, oauth2.StaticTokenSource(again))
	require.ErrorContains(t, err, http.StatusText(http.StatusUnauthorized))
}

// version is a module's, by go.mod.
func version(t *testing.T, module string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	require.NoError(t, err)
	_, after, found := strings.Cut(string(text), module+" ")
	require.True(t, found)
	version, _, _ := strings.Cut(after, "\n")
	return version
}
