// SPDX-License-Identifier: Apache-2.0

package openid_test

import (
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/openid"
)

// What six public applications of the NHS demand of the national service's answers, rebuilt in our words from what their
// sources were seen to check. Each gets tokens of ours, as its own registration and request would have them, and must
// find nothing wrong; and each is shown something wrong, to see that the rebuilt check looks.

// signedIn is all that an application learns at a sign-in.
type signedIn struct {
	header   jose.Header
	claims   map[string]any // of the ID token
	info     map[string]any // userinfo
	tokens   map[string]any
	callback map[string][]string
	now      time.Time // the application's clock
	clientID string
}

// national is one application: how it is registered, what it asks, and what it checks.
type national struct {
	name     string
	register openid.Client
	asks     []string // besides the usual parameters
	fresh    bool     // its request has the person sign in
	check    func(signedIn) error
	logout   func(logoutToken) error // nil where none was seen
	spoil    func(*signedIn)         // something that its check is there for
}

// logoutToken is what an application knows when it gets one.
type logoutToken struct {
	header   jose.Header
	claims   map[string]any
	now      time.Time
	clientID string
	signedIn signedIn
}

const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

func nationals() []national {
	jwks := keySet(map[string]*rsa.PrivateKey{"k1": clientKey()})
	post := openid.Client{Method: openid.SecretPost, Secret: []byte(secret), WithoutPKCE: true}
	signer := openid.Client{Method: openid.PrivateKeyJWT, KeySet: jwks, AssertionAlgorithm: "RS512", WithoutPKCE: true}
	return []national{
		{
			name: "manage vaccinations in schools", register: post, fresh: true,
			asks: []string{"scope", "openid profile email nationalrbacaccess associatedorgs selectedrole", "prompt", "login", "acr_values", "AAL3_ANY"},
			check: checks(issuerAndAudience, identityLevel("id_assurance_level", 3), authenticationLevel(2), authTimeWithin(5*time.Minute), selectedRole,
				organisationOfRole, workgroupNames),
			logout: logoutChecks(rs256, audienceIsString, func(l logoutToken) error {
				at := seconds(l.claims["iat"])
				if l.now.Sub(at) > 300*time.Second || at.After(l.now) || at.Before(seconds(l.signedIn.claims["auth_time"])) {
					return fmt.Errorf("iat %v", at)
				}
				return same("sub", l.claims["sub"], l.signedIn.info["sub"])
			}),
			spoil: func(s *signedIn) { s.claims["selected_roleid"] = "000000000000" },
		},
		{
			name: "manage breast screening", register: signer, fresh: true,
			asks: []string{"scope", "openid profile email nhsperson associatedorgs", "prompt", "login", "acr_values", "AAL3_ANY"},
			check: checks(issuerAndAudience, identityLevel("id_assurance_level", 3), authenticationLevel(0), func(s signedIn) error {
				return same("sub", s.claims["sub"], s.info["sub"])
			}),
			logout: logoutChecks(func(l logoutToken) error {
				for _, name := range []string{"exp", "iat", "aud", "iss", "events", "sub"} {
					if l.claims[name] == nil {
						return fmt.Errorf("no %s", name)
					}
				}
				if l.now.After(seconds(l.claims["exp"]).Add(time.Minute)) || seconds(l.claims["iat"]).After(l.now.Add(time.Minute)) {
					return fmt.Errorf("its time")
				}
				return nil
			}),
			spoil: func(s *signedIn) { s.info["sub"] = "910000000001" },
		},
		{
			name: "EPS prescription tracker", register: signer,
			asks: []string{"scope", "openid profile nhsperson nationalrbacaccess associatedorgs"},
			check: checks(issuerAndAudience, func(s signedIn) error {
				if s.header.KeyID == "" {
					return fmt.Errorf("no kid")
				}
				if acr, has := s.claims["acr"]; has && !strings.HasPrefix(acr.(string), "AAL3_") {
					return fmt.Errorf("acr %v", acr)
				}
				if s.claims["at_hash"] == nil { // its session's id
					return fmt.Errorf("no at_hash")
				}
				if s.now.After(seconds(s.claims["exp"]).Add(5*time.Second)) || seconds(s.claims["iat"]).After(s.now.Add(5*time.Second)) {
					return fmt.Errorf("its time")
				}
				return rolesAreLists(s)
			}),
			spoil: func(s *signedIn) { s.claims["acr"] = "AAL2_ANY" },
		},
		{
			name: "national document repository", register: post,
			asks: []string{"scope", "openid profile nhsperson nationalrbacaccess associatedorgs selectedrole"},
			check: checks(issuerAndAudience, func(s signedIn) error {
				if s.header.Algorithm != "RS256" {
					return fmt.Errorf("alg %s", s.header.Algorithm)
				}
				for _, name := range []string{"sub", "sid", "selected_roleid"} {
					if text, ok := s.claims[name].(string); !ok || text == "" {
						return fmt.Errorf("%s is %v", name, s.claims[name])
					}
				}
				if exp, ok := s.claims["exp"].(float64); !ok || exp != math.Trunc(exp) {
					return fmt.Errorf("exp is %v", s.claims["exp"])
				}
				acr, ok := s.claims["acr"].(string)
				if !ok || !strings.Contains(strings.ToLower(acr), "aal3") {
					return fmt.Errorf("acr is %v", s.claims["acr"])
				}
				return roleCodeSplits(s)
			}, tokenAnswer),
			logout: logoutChecks(rs256, func(l logoutToken) error { return same("sid", l.claims["sid"], l.signedIn.claims["sid"]) }),
			spoil:  func(s *signedIn) { delete(s.claims, "acr") },
		},
		{
			name: "NHS Notify", register: withIntegers(signer), fresh: true,
			asks: []string{"scope", "openid profile email nhsperson associatedorgs", "prompt", "login", "acr_values", "AAL2_OR_AAL3_ANY"},
			check: checks(issuerAndAudience, authTimeWithin(time.Minute), func(s signedIn) error {
				for _, name := range []string{"sub", "display_name", "idassurancelevel", "nhsid_user_orgs", "nhsid_useruid"} { // middle_names may be absent
					if s.info[name] == nil {
						return fmt.Errorf("no %s to map", name)
					}
				}
				for _, name := range []string{"id_assurance_level", "authentication_assurance_level"} {
					if _, ok := s.claims[name].(float64); !ok {
						return fmt.Errorf("%s is no number", name)
					}
				}
				if s.claims["id_assurance_level"].(float64) < 3 || s.claims["authentication_assurance_level"].(float64) < 2 {
					return fmt.Errorf("levels")
				}
				return nil
			}),
			spoil: func(s *signedIn) { s.now = s.now.Add(2 * time.Minute) },
		},
		{
			name: "cohort manager", register: post,
			asks: []string{"scope", "openid profile email nhsperson nationalrbacaccess", "acr_values", "AAL2_OR_AAL3_ANY", "max_age", "240", "nonce", ""},
			check: checks(issuerAndAudience, func(s signedIn) error {
				for _, name := range []string{"idassurancelevel", "authentication_assurance_level"} { // compared as strings
					if level, ok := s.claims[name].(string); !ok || level < "2" {
						return fmt.Errorf("%s is %v", name, s.claims[name])
					}
				}
				if s.callback["state"][0] != "st" {
					return fmt.Errorf("state")
				}
				return same("sid", s.info["sid"], s.claims["sid"])
			}, rolesAreLists),
			spoil: func(s *signedIn) { s.info["nhsid_nrbac_roles"] = "R8001" },
		},
	}
}

func withIntegers(c openid.Client) openid.Client { c.IntegerLevels = true; return c }

func checks(all ...func(signedIn) error) func(signedIn) error {
	return func(s signedIn) error {
		for _, check := range all {
			if err := check(s); err != nil {
				return err
			}
		}
		return nil
	}
}

func logoutChecks(more ...func(logoutToken) error) func(logoutToken) error {
	return func(l logoutToken) error {
		events, _ := l.claims["events"].(map[string]any)
		if events[logoutEvent] == nil || l.claims["nonce"] != nil || l.claims["iss"] != issuer {
			return fmt.Errorf("events, nonce or iss")
		}
		for _, check := range append(more, audienceIsString) {
			if err := check(l); err != nil {
				return err
			}
		}
		return nil
	}
}

func same(name string, a, b any) error {
	if a == nil || a != b {
		return fmt.Errorf("%s is %v and %v", name, a, b)
	}
	return nil
}

func seconds(v any) time.Time { return time.Unix(int64(v.(float64)), 0) }

// number coerces a level as int() does: a string of digits, or a number.
func number(v any) (int, error) {
	if n, ok := v.(float64); ok {
		return int(n), nil
	}
	text, _ := v.(string)
	return strconv.Atoi(text)
}

func issuerAndAudience(s signedIn) error {
	if err := same("iss", s.claims["iss"], issuer); err != nil { // as text, port and all
		return err
	}
	return same("aud", s.claims["aud"], s.clientID) // a string, not a list
}

func identityLevel(name string, least int) func(signedIn) error {
	return func(s signedIn) error {
		if n, err := number(s.claims[name]); err != nil || n < least {
			return fmt.Errorf("%s is %v", name, s.claims[name])
		}
		return nil
	}
}

func authenticationLevel(least int) func(signedIn) error {
	return func(s signedIn) error { return identityLevel("authentication_assurance_level", least)(s) }
}

func authTimeWithin(d time.Duration) func(signedIn) error {
	return func(s signedIn) error {
		at, ok := s.claims["auth_time"].(float64)
		if !ok || s.now.Sub(time.Unix(int64(at), 0)).Abs() > d {
			return fmt.Errorf("auth_time is %v", s.claims["auth_time"])
		}
		return nil
	}
}

func roles(s signedIn) []map[string]any {
	list, _ := s.info["nhsid_nrbac_roles"].([]any)
	var all []map[string]any
	for _, r := range list {
		all = append(all, r.(map[string]any))
	}
	return all
}

func chosenRole(s signedIn) map[string]any {
	for _, r := range roles(s) {
		if r["person_roleid"] == s.claims["selected_roleid"] {
			return r
		}
	}
	return nil
}

func selectedRole(s signedIn) error {
	if chosenRole(s) == nil || s.info["uid"] != s.claims["sub"] {
		return fmt.Errorf("selected_roleid %v is none of the roles", s.claims["selected_roleid"])
	}
	return nil
}

func organisationOfRole(s signedIn) error {
	orgs, _ := s.info["nhsid_user_orgs"].([]any)
	if !slices.ContainsFunc(orgs, func(o any) bool { return o.(map[string]any)["org_code"] == chosenRole(s)["org_code"] }) {
		return fmt.Errorf("the role's organisation is none of the person's")
	}
	return nil
}

func workgroupNames(s signedIn) error {
	if groups, _ := chosenRole(s)["workgroups"].([]any); !slices.Contains(groups, any("Team Ward nurse")) {
		return fmt.Errorf("workgroups are %v", groups)
	}
	return nil
}

func rolesAreLists(s signedIn) error {
	if _, ok := s.info["nhsid_nrbac_roles"].([]any); !ok {
		return fmt.Errorf("nhsid_nrbac_roles is no list")
	}
	for _, r := range roles(s) {
		for _, name := range []string{"activities", "activity_codes", "workgroups", "workgroups_codes", "aow", "aow_codes"} {
			if _, ok := r[name].([]any); !ok {
				return fmt.Errorf("%s is no list", name)
			}
		}
	}
	return nil
}

// roleCodeSplits: staff group, sub-group and role by their letters.
func roleCodeSplits(s signedIn) error {
	parts := strings.Split(fmt.Sprint(chosenRole(s)["role_code"]), ":")
	if len(parts) != 3 || parts[0][0] != 'S' || parts[1][0] != 'G' || parts[2][0] != 'R' {
		return fmt.Errorf("role_code is %v", parts)
	}
	return nil
}

func tokenAnswer(s signedIn) error {
	if s.tokens["token_type"] != "Bearer" || s.tokens["expires_in"] != 3600.0 || s.tokens["access_token"] == "" || s.tokens["scope"] == "" {
		return fmt.Errorf("token answer")
	}
	return nil
}

func rs256(l logoutToken) error { return same("alg", l.header.Algorithm, "RS256") }

func audienceIsString(l logoutToken) error { return same("aud", l.claims["aud"], l.clientID) }

func TestSixPublicApplications(t *testing.T) {
	for _, n := range nationals() {
		t.Run(n.name, func(t *testing.T) {
			app := newParty(t)
			n.register.ID, n.register.RedirectURIs, n.register.LogoutURI = "123456789012.apps.national", []string{redirect}, app.URL
			s := open(t, func(c *openid.Config) { c.Clients = append(c.Clients, n.register) })
			s.positions(s.Nurse, "Ward nurse")
			got := s.signInAt(n)
			require.NoError(t, n.check(got))
			twelve := regexp.MustCompile(`^[0-9]{12}$`)
			require.Regexp(t, twelve, got.claims["sub"])
			for _, r := range roles(got) {
				require.Regexp(t, twelve, r["person_roleid"])
				require.Regexp(t, twelve, r["person_orgid"])
				require.Regexp(t, `^"Clinical":"[^"]+":"[^"]+"$`, r["role_name"])
			}

			require.NoError(t, s.Service.CloseProfile(t.Context(), s.manager(), s.Nurse.Profile.ID))
			s.due()
			require.Len(t, app.tokens(), 1)
			header, claims := s.claims(app.tokens()[0])
			token := logoutToken{header, claims, s.Wall.Now(), got.clientID, got}
			if n.logout != nil {
				require.NoError(t, n.logout(token))
				token.claims["aud"] = []any{got.clientID}
				require.Error(t, n.logout(token))
			}
			n.spoil(&got)
			require.Error(t, n.check(got), "the check looks")
		})
	}
}

// signInAt plays an application's sign-in as its library would, and reads all that it gets.
func (s *site) signInAt(n national) signedIn {
	s.Helper()
	id := n.register.ID
	params := asked(append([]string{"client_id", id, "code_challenge", "", "code_challenge_method", ""}, n.asks...)...)
	session := s.signIn(s.Nurse).Token
	to := s.authorize(session, params)
	if n.fresh {
		require.Equal(s, "/signin", to.Path)
		to = s.finished(to.Query().Get("request"), s.stepUp(s.Nurse, session).Token, "")
	}
	callback := to.Query()
	form := redeeming(callback.Get("code"), "client_id", id, "code_verifier", "")
	if n.register.Method == openid.PrivateKeyJWT {
		text := s.assertion(clientKey(), jose.RS512, "k1", map[string]any{"iss": id, "sub": id})
		form = asserting(callback.Get("code"), text, "code_verifier", "")
	}
	got := s.post(form)
	require.Equal(s, http.StatusOK, got.status, string(got.body))
	tokens := got.members(s.TB)
	header, claims := s.claims(tokens["id_token"].(string))
	info := map[string]any{}
	require.NoError(s, json.Unmarshal(s.userinfo(tokens["access_token"].(string)).body, &info))
	return signedIn{header: header, claims: claims, info: info, tokens: tokens, callback: callback, now: s.Wall.Now(), clientID: id}
}
