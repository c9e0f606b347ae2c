// SPDX-License-Identifier: Apache-2.0

package openid

import (
	"net/http"
	"slices"
)

// metadata is the discovery document. OpenID Connect Discovery §3, RFC 8414 §2, RFC 9207 §3, OpenID Connect Back-Channel
// Logout §2.1.
type metadata struct {
	Issuer        string   `json:"issuer"`
	Authorize     string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	UserInfo      string   `json:"userinfo_endpoint"`
	Keys          string   `json:"jwks_uri"`
	Scopes        []string `json:"scopes_supported"`
	ResponseTypes []string `json:"response_types_supported"`
	ResponseModes []string `json:"response_modes_supported"`
	GrantTypes    []string `json:"grant_types_supported"`
	ACR           []string `json:"acr_values_supported"`
	Subjects      []string `json:"subject_types_supported"`
	IDTokenAlgs   []string `json:"id_token_signing_alg_values_supported"`
	TokenAuth     []string `json:"token_endpoint_auth_methods_supported"`
	TokenAuthAlgs []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	Claims        []string `json:"claims_supported"`
	Prompts       []string `json:"prompt_values_supported"`
	PKCE          []string `json:"code_challenge_methods_supported"`
	Iss           bool     `json:"authorization_response_iss_parameter_supported"`
	Logout        bool     `json:"backchannel_logout_supported"`
	LogoutSession bool     `json:"backchannel_logout_session_supported"`
	ClaimsParam   bool     `json:"claims_parameter_supported"`
	RequestParam  bool     `json:"request_parameter_supported"`
	RequestURI    bool     `json:"request_uri_parameter_supported"`
	Test          bool     `json:"wardkey_test,omitempty"`
}

func (p *Provider) metadata() metadata {
	claims := []string{
		"iss", "sub", "aud", "azp", "exp", "iat", "jti", "auth_time", "nonce", "acr", "amr", "sid", "at_hash",
		"selected_roleid", "authentication_assurance_level", "id_assurance_level",
	}
	for _, scope := range allScopes() {
		for _, name := range disclosed(scope) {
			if !slices.Contains(claims, name) {
				claims = append(claims, name)
			}
		}
	}
	return metadata{
		Issuer: p.at.issuer, Authorize: p.at.authorize, Token: p.at.token, UserInfo: p.at.userinfo, Keys: p.at.keys,
		Scopes: allScopes(), ResponseTypes: []string{"code"}, ResponseModes: []string{"query"},
		GrantTypes: []string{"authorization_code", "refresh_token"}, ACR: supportedACR(), Subjects: []string{"public"},
		IDTokenAlgs: p.keys.Load().algorithms(p.config.Wall()),
		TokenAuth:   []string{string(SecretPost), string(SecretBasic), string(PrivateKeyJWT)}, TokenAuthAlgs: assertionAlgorithms(),
		Claims: claims, Prompts: prompts(), PKCE: []string{"S256"}, Iss: true, Logout: true, LogoutSession: true,
		Test: p.config.Test != nil,
	}
}

func (p *Provider) serveDiscovery(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "max-age=3600") // as long as the national service says is reasonable
	writeJSON(w, http.StatusOK, p.metadata())
}
