// SPDX-License-Identifier: Apache-2.0

package openid

import (
	"context"
	"errors"
	"net/http"
	"strings"
)

// errToken is RFC 6750 §3.1.
var errToken = no("invalid_token", "The access token is not good, or not any more.").with(http.StatusUnauthorized)

// serveUserInfo is the UserInfo endpoint. OpenID Connect Core §5.3.
func (p *Provider) serveUserInfo(w http.ResponseWriter, r *http.Request) {
	private(w)
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > 512 {
		w.Header().Set("WWW-Authenticate", "Bearer") // no error code where no token was sent: RFC 6750 §3.1
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	claims, err := p.userinfo(r.Context(), token)
	if err == nil {
		writeJSON(w, http.StatusOK, claims)
		return
	}
	e := protocolError(err)
	p.refused(r.Context(), "userinfo", "", e)
	if e.Code == "invalid_token" {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token", error_description="`+e.Description+`"`)
	}
	writeError(w, e)
}

// userinfo is what an access token shows, while its session lives.
func (p *Provider) userinfo(ctx context.Context, token string) (map[string]any, error) {
	kept, g, err := p.kept(ctx, token, AccessToken)
	if isProtocol(err) {
		return nil, errToken.because(err)
	}
	if err != nil {
		return nil, err
	}
	c := p.client(g.Client)
	if g.Revoked != "" || !p.config.Wall().Before(kept.Until) || c == nil {
		return nil, errToken.because(errors.New("revoked or over"))
	}
	session, err := unseal(token, kept.Sealed)
	if err != nil {
		return nil, err
	}
	if _, err := p.config.Service.Session(ctx, session); err != nil {
		if saidNo(err) {
			return nil, errToken.because(err)
		}
		return nil, err
	}
	person, err := p.config.People.Person(ctx, g.Granted.Profile)
	if err != nil {
		return nil, err
	}
	claims, err := p.userInfo(c, person, g.Granted.Scopes)
	if err != nil {
		return nil, err
	}
	claims["sid"] = g.Session
	return p.mark(UserInfo, c.ID, claims), nil
}
