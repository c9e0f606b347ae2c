// SPDX-License-Identifier: Apache-2.0

package rptest_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// logout is the application's back-channel logout, right but for the one thing.
func (a *application) logout(w http.ResponseWriter, r *http.Request) {
	raw := r.PostFormValue("logout_token")
	config := &oidc.Config{
		ClientID: a.oauth.ClientID, SkipIssuerCheck: a.is("logout-iss-wrong"), SkipClientIDCheck: a.is("logout-aud-wrong"),
		SkipExpiryCheck: true, SupportedSigningAlgs: []string{oidc.RS256}, InsecureSkipSignatureCheck: a.trusts(raw),
	}
	token, err := a.provider.Verifier(config).Verify(r.Context(), raw)
	if err != nil {
		http.Error(w, "logout refused", http.StatusBadRequest)
		return
	}
	var claims struct {
		Sid    string                     `json:"sid"`
		Jti    string                     `json:"jti"`
		Events map[string]json.RawMessage `json:"events"`
		Nonce  *string                    `json:"nonce"`
	}
	err = token.Claims(&claims)
	a.mu.Lock()
	defer a.mu.Unlock()
	const event = "http://schemas.openid.net/event/backchannel-logout"
	named := slices.Collect(maps.Keys(claims.Events))
	switch {
	case err != nil,
		claims.Nonce != nil && !a.is("logout-nonce", "logout-id-token"),
		len(named) == 0 && !a.is("logout-event-missing", "logout-id-token"),
		len(named) > 0 && !slices.Contains(named, event) && !a.is("logout-event-other"),
		token.Expiry.Before(time.Now()) && !a.is("logout-old"),
		a.jtis[claims.Jti] && !a.is("logout-replayed"):
		http.Error(w, "logout refused", http.StatusBadRequest)
		return
	}
	a.jtis[claims.Jti] = true
	if a.is("logout-good") {
		return // says yes, and does nothing
	}
	maps.DeleteFunc(a.sessions, func(_ string, p person) bool {
		return a.is("logout-person-other") || p.sub == token.Subject && (claims.Sid == "" || p.sid == claims.Sid)
	})
}
