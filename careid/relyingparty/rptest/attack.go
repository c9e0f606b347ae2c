// SPDX-License-Identifier: Apache-2.0

package rptest

import (
	"net/url"
	"strconv"
	"strings"
	"time"
)

// attack is one bad sign-in: what changes of a right one. At most one of its
// changes is set.
type attack struct {
	name, wrong, clause string
	// pointless says why an application with this request can't be held to it.
	pointless func(app Application, request url.Values) string

	token      func(*Checker, *draft)
	answer     func(url.Values)
	userinfo   func(object)
	refuseCode bool
	// both changes what stands in the ID token and in userinfo alike.
	both func(Application, object)
}

// setting changes one claim.
func setting(name string, value func(*Checker) any) func(*Checker, *draft) {
	return func(c *Checker, t *draft) { t.claims[name] = value(c) }
}

func dropping(name string) func(*Checker, *draft) {
	return func(_ *Checker, t *draft) { delete(t.claims, name) }
}

func fixed(v any) func(*Checker) any { return func(*Checker) any { return v } }

// foreign is an issuer that differs in its path alone.
func foreign(issuer string) string { return strings.TrimSuffix(issuer, "/") + "/other" }

// idTokenAttacks are answers with a bad ID token.
func idTokenAttacks() []attack {
	later := func(c *Checker) any { return c.config.Wall().Add(time.Hour).Unix() }
	return []attack{
		{name: "iss-wrong", wrong: "the ID token is another issuer's", clause: "OIDC Core §3.1.3.7, 2", token: setting("iss", func(c *Checker) any { return foreign(c.issuer) })},
		{name: "aud-wrong", wrong: "the ID token is for another client", clause: "OIDC Core §3.1.3.7, 3", token: setting("aud", fixed("another-client"))},
		{name: "azp-wrong", wrong: "the ID token was made for another client (azp), with this one among its audiences", clause: "OIDC Core §3.1.3.7, 3 to 5", token: func(c *Checker, t *draft) {
			t.claims["aud"], t.claims["azp"] = []string{c.config.ClientID, "another-client"}, "another-client"
		}},
		{name: "nonce-wrong", wrong: "the ID token's nonce is another request's", clause: "OIDC Core §3.1.3.7, 11", token: setting("nonce", func(*Checker) any { return random() })},
		{name: "nonce-missing", wrong: "the ID token has no nonce", clause: "OIDC Core §3.1.3.7, 11", token: dropping("nonce")},
		{name: "expired", wrong: "the ID token ended an hour ago", clause: "OIDC Core §3.1.3.7, 9", token: setting("exp", func(c *Checker) any { return past(c, time.Hour) })},
		{name: "exp-missing", wrong: "the ID token never ends", clause: "OIDC Core §2", token: dropping("exp")},
		{name: "iat-future", wrong: "the ID token was issued an hour from now", clause: "RFC 7519 §4.1.6, OIDC Core §3.1.3.7, 10", token: func(c *Checker, t *draft) {
			t.claims["iat"], t.claims["exp"] = later(c), c.config.Wall().Add(2*time.Hour).Unix()
		}},
		{name: "alg-none", wrong: "the ID token is not signed", clause: "RFC 8725 §3.1, §3.2", token: unsigned},
		{name: "alg-hs256", wrong: "the ID token is HMACed with the provider's public key", clause: "RFC 8725 §2.1", token: keyedWithPublic},
		{name: "kid-unknown", wrong: "the ID token names a key that the provider doesn't publish, and is signed by it", clause: "OIDC Core §10.1", token: byUnknownKey},
		{name: "key-foreign", wrong: "the ID token names the provider's key, and is signed by another", clause: "OIDC Core §3.1.3.7, 6", token: underKnownName},
		{name: "key-embedded", wrong: "the ID token brings its own key in its header", clause: "RFC 8725 §3.10", token: withOwnKey},
		{name: "signature-broken", wrong: "the ID token was changed after it was signed", clause: "OIDC Core §3.1.3.7, 6", token: alteredAfter},
		{name: "auth-time-stale", wrong: "the person signed in longer ago than was asked for", clause: "OIDC Core §3.1.3.7, 13", pointless: unlessFresh, token: func(c *Checker, t *draft) {
			t.claims["auth_time"] = past(c, 12*time.Hour)
		}},
		{name: "acr-too-low", wrong: "the person signed in by name and password alone (AAL1_USERPASS, level 1)", clause: "OIDC Core §3.1.3.7, 12", token: func(_ *Checker, t *draft) {
			t.claims["acr"], t.claims["authentication_assurance_level"], t.claims["amr"] = "AAL1_USERPASS", sameKind(t.claims["authentication_assurance_level"], 1), []string{"USERPASS"}
		}},
		{name: "identity-too-low", wrong: "the person's identity was proven less well than the application asks for", clause: "CIS2 identity assurance", pointless: func(app Application, _ url.Values) string {
			if app.MinIdentity > 0 {
				return ""
			}
			return "no least identity level was told (MinIdentity)"
		}, both: func(app Application, claims object) {
			for _, name := range []string{"id_assurance_level", "idassurancelevel"} {
				claims[name] = sameKind(claims[name], app.MinIdentity-1)
			}
		}},
	}
}

// sameKind is a level as a text where the one before was a text.
func sameKind(before any, level int) any {
	if _, text := before.(string); text {
		return strconv.Itoa(level)
	}
	return level
}

// answerAttacks are those with a right ID token, at the latest where it is asked
// for, and something else that is wrong.
func answerAttacks() []attack {
	return []attack{
		{name: "state-wrong", wrong: "the response's state is another", clause: "RFC 9700 §4.7.1", answer: func(q url.Values) { q.Set("state", random()) }},
		{name: "state-missing", wrong: "the response has no state", clause: "RFC 9700 §4.7.1", answer: func(q url.Values) { q.Del("state") }},
		{name: "response-iss-wrong", wrong: "the response is another provider's (mix-up)", clause: "RFC 9207 §2.4", answer: func(q url.Values) { q.Set("iss", foreign(q.Get("iss"))) }},
		{name: "response-iss-missing", wrong: "the response names no provider, which says that it always does", clause: "RFC 9207 §2.4", answer: func(q url.Values) { q.Del("iss") }},
		{name: "code-refused", wrong: "the code was given to another client, and the provider says so", clause: "RFC 6749 §5.2", refuseCode: true},
		{name: "userinfo-sub-other", wrong: "userinfo is another person's", clause: "OIDC Core §5.3.2", userinfo: func(u object) {
			u["sub"], u["uid"], u["nhsid_useruid"] = "555000000991", "555000000991", "555000000991"
		}},
		{name: "role-foreign", wrong: "the selected role is none of the person's", clause: "CIS2 role selection", token: setting("selected_roleid", fixed(noRolesID)), pointless: func(_ Application, request url.Values) string {
			if asks(request, "selectedrole") {
				return ""
			}
			return "the request has no scope selectedrole"
		}},
	}
}

func unlessFresh(_ Application, request url.Values) string {
	if request.Get("max_age") == "" && !strings.Contains(request.Get("prompt"), "login") {
		return "the request has neither max_age nor prompt=login"
	}
	return ""
}
