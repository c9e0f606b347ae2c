// SPDX-License-Identifier: Apache-2.0

package relyingparty_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/relyingparty"
)

// claimsOf signs in and gives what the application finds in its request.
func claimsOf(t *testing.T, f *fake, c relyingparty.Config) relyingparty.Claims {
	t.Helper()
	c.Issuer, c.ClientID, c.Secret, c.RedirectURL = f.URL, clientID, secret(), "http://127.0.0.1:1/auth/callback"
	rp, err := relyingparty.New(c)
	require.NoError(t, err)
	var claims relyingparty.Claims
	protected := rp.Protect(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var ok bool
		claims, ok = relyingparty.ClaimsOf(r.Context())
		require.True(t, ok)
	}))
	begun := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/ward", nil)
	r.Header.Set("Accept", "text/html")
	protected.ServeHTTP(begun, r)
	to, err := begun.Result().Location()
	require.NoError(t, err)
	q := url.Values{"state": {to.Query().Get("state")}, "code": {to.Query().Get("nonce")}}
	done := httptest.NewRecorder()
	r = httptest.NewRequest(http.MethodGet, "/auth/callback?"+q.Encode(), nil)
	r.AddCookie(begun.Result().Cookies()[0])
	rp.ServeHTTP(done, r)
	require.Equal(t, http.StatusSeeOther, done.Code, done.Body.String())
	r = httptest.NewRequest(http.MethodGet, "/ward", nil)
	r.AddCookie(done.Result().Cookies()[0])
	protected.ServeHTTP(httptest.NewRecorder(), r)
	return claims
}

// The claims in the request are the ID token's and userinfo's, typed.
func TestClaims(t *testing.T) {
	f := newFake(t)
	c := claimsOf(t, f, relyingparty.Config{})
	require.Equal(t, f.URL, c.Issuer)
	require.Equal(t, "555000000017", c.Subject)
	require.Equal(t, "a session", c.SessionID)
	require.WithinDuration(t, time.Now(), c.AuthTime, time.Minute)
	require.Equal(t, "AAL3_ANY", c.ACR)
	require.Equal(t, []string{"N3_SMARTCARD"}, c.AMR)
	require.Equal(t, 3, c.IdentityLevel)
	require.Equal(t, 3, c.AuthenticationLevel)
	require.Equal(t, "OSEI Amina Mrs", c.Name)
	require.Equal(t, map[string]string{"gmc_id": "C1234567"}, c.Professional)
	require.Equal(t, []relyingparty.Organisation{{Name: "A trust", Code: "RBA"}}, c.Organisations)
	require.Len(t, c.Roles, 2)
	require.Equal(t, "055254240101", c.Roles[1].RoleID, "a leading zero stays")
	role, ok := c.Role()
	require.True(t, ok)
	require.Equal(t, "S8000:G8000:R8001", role.Code)
	require.Equal(t, []string{"B0401"}, role.ActivityCodes)
	_, ok = relyingparty.ClaimsOf(t.Context())
	require.False(t, ok)
}

// Wardkey's own claims are read where that is asked for, and not otherwise.
func TestOwnClaimsAreOffByDefault(t *testing.T) {
	f := newFake(t)
	end := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	f.id = func(c object) {
		c["wardkey_alerts"] = []object{{"rule": "cert.alert", "daysLeft": 9, "notAfter": end}}
	}
	require.Empty(t, claimsOf(t, f, relyingparty.Config{}).Alerts)
	require.Equal(t, []relyingparty.Alert{{Rule: "cert.alert", DaysLeft: 9, NotAfter: end}}, claimsOf(t, f, relyingparty.Config{WardkeyClaims: true}).Alerts)
	f.id, f.info = nil, f.id
	require.Empty(t, claimsOf(t, f, relyingparty.Config{}).Alerts)
	require.Len(t, claimsOf(t, f, relyingparty.Config{WardkeyClaims: true}).Alerts, 1)
}

// Levels as providers have them: numbers or texts, one name or the other, in the
// ID token or in userinfo, told twice or not at all; and what is asked for.
func TestLevels(t *testing.T) {
	both := []string{"id_assurance_level", "idassurancelevel"}
	without := func(names ...string) func(object) {
		return func(o object) {
			for _, n := range names {
				delete(o, n)
			}
		}
	}
	with := func(name string, v any) func(object) { return func(o object) { o[name] = v } }
	type change = func(object)
	for name, c := range map[string]struct {
		id, info  change
		configure func(*relyingparty.Config)
		rule      string // "" signs in
	}{
		"as texts":                       {nil, nil, nil, ""},
		"as numbers":                     {func(o object) { o["id_assurance_level"], o["authentication_assurance_level"] = 3, 3 }, with("idassurancelevel", 3), nil, ""},
		"in userinfo alone":              {without(both...), nil, nil, ""},
		"in the ID token, by userinfo's": {func(o object) { delete(o, both[0]); o[both[1]] = "3" }, without(both...), nil, ""},
		"the lower of two":               {nil, with("idassurancelevel", "2"), nil, "rp.identity"},
		"never told":                     {without(both...), without(both...), nil, "rp.identity"},
		"never told, nor asked for":      {without(both...), without(both...), func(c *relyingparty.Config) { c.MinIdentity = relyingparty.Any }, ""},
		"2 where 2 is enough":            {with(both[0], "2"), nil, func(c *relyingparty.Config) { c.MinIdentity = 2 }, ""},

		"AAL2 by default":              {func(o object) { o["acr"], o["authentication_assurance_level"] = "AAL2_TOTP", "2" }, nil, nil, ""},
		"AAL2 where AAL3 was asked":    {func(o object) { o["acr"], o["authentication_assurance_level"] = "AAL2_TOTP", "2" }, nil, func(c *relyingparty.Config) { c.ACRValues = []string{"AAL3_ANY"} }, "rp.authentication"},
		"AAL2 where either was":        {func(o object) { o["acr"], o["authentication_assurance_level"] = "AAL2_TOTP", "2" }, nil, func(c *relyingparty.Config) { c.ACRValues = []string{"AAL2_OR_AAL3_ANY"} }, ""},
		"acr says less than the level": {with("acr", "AAL1_USERPASS"), nil, nil, "rp.authentication"},
		"the level says less than acr": {with("authentication_assurance_level", 1), nil, nil, "rp.authentication"},
		"an acr that says nothing":     {with("acr", "urn:other:strong"), nil, nil, "rp.authentication"},
		"acr without the level":        {without("authentication_assurance_level"), nil, nil, ""},
		"no acr":                       {without("acr"), nil, nil, "rp.acr.missing"},
		"no acr, which is allowed":     {without("acr"), nil, func(c *relyingparty.Config) { c.AllowMissingACR = true }, ""},
		"no acr, a level too low":      {func(o object) { delete(o, "acr"); o["authentication_assurance_level"] = "1" }, nil, func(c *relyingparty.Config) { c.AllowMissingACR = true }, "rp.authentication"},
		"neither, where allowed":       {without("acr", "authentication_assurance_level"), nil, func(c *relyingparty.Config) { c.AllowMissingACR = true }, "rp.authentication"},
	} {
		t.Run(name, func(t *testing.T) {
			f, app := open(t, c.configure)
			f.id, f.info = c.id, c.info
			p := newPerson(t, app)
			require.Equal(t, c.rule, p.signIn().rule())
			require.Equal(t, c.rule == "", p.in())
		})
	}
}

// A weaker factor than was asked for is not let in by asking for less on the way:
// the request passes through the browser, whoever sits at it.
func TestTheRequestIsHeldTo(t *testing.T) {
	t.Run("threat061", func(t *testing.T) {
		f, app := open(t, func(c *relyingparty.Config) {
			c.ACRValues, c.Prompt, c.MaxAge = []string{"AAL3_ANY"}, "login", 5*time.Minute
		})
		for name, c := range map[string]struct {
			id   func(object)
			rule string
		}{
			"acr_values taken out":             {func(o object) { o["acr"], o["authentication_assurance_level"] = "AAL2_TOTP", "2" }, "rp.authentication"},
			"prompt taken out":                 {func(o object) { o["auth_time"] = time.Now().Add(-2 * time.Minute).Unix() }, "rp.stale"},
			"max_age taken out":                {func(o object) { o["auth_time"] = time.Now().Add(-time.Hour).Unix() }, "rp.stale"},
			"and auth_time, too":               {func(o object) { delete(o, "auth_time") }, "rp.stale"},
			"an auth_time that is yet to come": {func(o object) { o["auth_time"] = time.Now().Add(time.Hour).Unix() }, "rp.stale"},
		} {
			f.set(func(f *fake) { f.id = c.id })
			p := newPerson(t, app)
			require.Equal(t, c.rule, p.signIn().rule(), name)
			require.False(t, p.in(), name)
		}
		f.set(func(f *fake) { f.id = nil })
		p := newPerson(t, app)
		require.Equal(t, http.StatusSeeOther, p.signIn().status)
	})
}

// Roles: the selected one counts, where one was selected.
func TestRoles(t *testing.T) {
	withoutScope := func(c *relyingparty.Config) { c.Scopes = []string{"openid", "nationalrbacaccess"} }
	needing := func(n relyingparty.RoleNeeded) func(*relyingparty.Config) {
		return func(c *relyingparty.Config) { c.Role = n }
	}
	unselected := func(o object) { delete(o, "selected_roleid") }
	for name, c := range map[string]struct {
		id, info  func(object)
		configure func(*relyingparty.Config)
		rule      string
	}{
		"selected":                       {nil, nil, nil, ""},
		"none of the person's":           {func(o object) { o["selected_roleid"] = "555999999103" }, nil, nil, "rp.role.selected"},
		"none of the person's, unasked":  {func(o object) { o["selected_roleid"] = "555999999103" }, nil, withoutScope, "rp.role.selected"},
		"none was selected":              {unselected, nil, nil, "rp.role.selected"},
		"none was asked for":             {unselected, nil, withoutScope, ""},
		"a person without roles":         {unselected, func(u object) { u["nhsid_nrbac_roles"] = []object{} }, nil, "rp.role.none"},
		"roles of null, none asked for":  {unselected, func(u object) { u["nhsid_nrbac_roles"] = nil }, withoutScope, ""},
		"by the role's last part":        {nil, nil, needing(relyingparty.RoleNeeded{Roles: []string{"R8001"}}), ""},
		"by the whole role":              {nil, nil, needing(relyingparty.RoleNeeded{Roles: []string{"S8000:G8000:R8001"}}), ""},
		"a part of the last part":        {nil, nil, needing(relyingparty.RoleNeeded{Roles: []string{"8001", ""}}), "rp.role.needed"},
		"another role of the person's":   {nil, nil, needing(relyingparty.RoleNeeded{Roles: []string{"R8008"}}), "rp.role.needed"},
		"by activity":                    {nil, nil, needing(relyingparty.RoleNeeded{Activities: []string{"B0420", "B0401"}}), ""},
		"another activity":               {nil, nil, needing(relyingparty.RoleNeeded{Activities: []string{"B0420"}}), "rp.role.needed"},
		"there":                          {nil, nil, needing(relyingparty.RoleNeeded{Organisations: []string{"RBA"}}), ""},
		"elsewhere":                      {nil, nil, needing(relyingparty.RoleNeeded{Organisations: []string{"RBB"}}), "rp.role.needed"},
		"one role has all or none":       {nil, nil, needing(relyingparty.RoleNeeded{Roles: []string{"R8001"}, Organisations: []string{"RBB"}}), "rp.role.needed"},
		"any role, where none is chosen": {unselected, nil, func(c *relyingparty.Config) { withoutScope(c); c.Role.Roles = []string{"R8008"} }, ""},
		"no role, where none is chosen":  {unselected, nil, func(c *relyingparty.Config) { withoutScope(c); c.Role.Roles = []string{"R0260"} }, "rp.role.needed"},
	} {
		t.Run(name, func(t *testing.T) {
			f, app := open(t, c.configure)
			f.id, f.info = c.id, c.info
			p := newPerson(t, app)
			require.Equal(t, c.rule, p.signIn().rule())
			require.Equal(t, c.rule == "", p.in())
		})
	}
}

// Claims survive the store, whatever they hold.
func TestClaimsAreJSON(t *testing.T) {
	f := newFake(t)
	c := claimsOf(t, f, relyingparty.Config{})
	text, err := json.Marshal(c)
	require.NoError(t, err)
	var again relyingparty.Claims
	require.NoError(t, json.Unmarshal(text, &again))
	require.Equal(t, c, again)
}
