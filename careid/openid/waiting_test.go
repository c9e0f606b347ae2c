// SPDX-License-Identifier: Apache-2.0

package openid_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/careid/openid"
)

// waiting asks as a browser with a session or without, and returns the id of the request that waits.
func (s *site) waiting(session string, changes ...string) string {
	s.Helper()
	to := s.authorize(session, asked(changes...))
	require.Equal(s, "/signin", to.Path, to.String())
	return to.Query().Get("request")
}

// finished is where a browser goes after Finish.
func (s *site) finished(id, session, role string) *url.URL {
	s.Helper()
	address, err := s.provider.Finish(s.Context(), id, session, role)
	require.NoError(s, err)
	to, err := url.Parse(address)
	require.NoError(s, err)
	return to
}

// stepUp has a card proven again for a session, which goes on under a new token.
func (s *site) stepUp(p careidtest.Person, session string) *careid.SignedIn {
	s.Helper()
	answer, err := s.Answer(s.Context(), p.Card, careidtest.Claims{Purpose: careid.StepUp, Bind: session})
	require.NoError(s, err)
	in, err := s.Service.Redeem(s.Context(), answer.Result, []byte(session))
	require.NoError(s, err)
	return in
}

func TestARequestWaitsForItsPerson(t *testing.T) {
	s := open(t, nil)
	ctx := t.Context()
	id := s.waiting("")
	w, err := s.provider.Waiting(ctx, id, "")
	require.NoError(t, err)
	require.True(t, w.SignIn)
	require.Nil(t, w.Session)
	require.Equal(t, "The app", w.Client)
	_, err = s.provider.Finish(ctx, id, "", "")
	require.Equal(t, "openid.signin", wardkey.RuleOf(err))

	in := s.signIn(s.Nurse)
	w, err = s.provider.Waiting(ctx, id, in.Token)
	require.NoError(t, err)
	require.False(t, w.SignIn)
	require.Empty(t, w.Roles)
	to := s.finished(id, in.Token, "")
	require.Equal(t, http.StatusOK, s.post(redeeming(to.Query().Get("code"))).status)
	require.Equal(t, "st", to.Query().Get("state"))
	require.Equal(t, issuer, to.Query().Get("iss"))

	_, err = s.provider.Finish(ctx, id, in.Token, "")
	require.Equal(t, "openid.request", wardkey.RuleOf(err), "once")
	_, err = s.provider.Waiting(ctx, "made up", in.Token)
	require.Equal(t, "openid.request", wardkey.RuleOf(err))

	late := s.waiting("")
	byKey := s.without(s.Nurse, true)
	s.Wall.Add(30 * time.Minute)
	_, err = s.provider.Finish(ctx, late, byKey.Token, "")
	require.Equal(t, "openid.request", wardkey.RuleOf(err), "it waited too long")

	unwanted := s.waiting("")
	address, err := s.provider.Refuse(ctx, unwanted)
	require.NoError(t, err)
	require.Contains(t, address, redirect+"?error=access_denied&")
	require.Contains(t, address, "state=st")
	_, err = s.provider.Refuse(ctx, unwanted)
	require.Equal(t, "openid.request", wardkey.RuleOf(err))
}

func TestPromptAndMaxAge(t *testing.T) {
	s := open(t, nil)
	ctx := t.Context()
	require.Equal(t, "login_required", s.authorize("", asked("prompt", "none")).Query().Get("error"))
	in := s.signIn(s.Nurse)
	require.NotEmpty(t, s.authorize(in.Token, asked("prompt", "none")).Query().Get("code"))
	require.NotEmpty(t, s.authorize(in.Token, asked("prompt", "consent")).Query().Get("code"), "people agree by the terms of use")

	for _, ask := range [][]string{{"prompt", "login"}, {"prompt", "select_account"}, {"scope", "openid changedrole"}} {
		id := s.waiting(in.Token, ask...)
		w, err := s.provider.Waiting(ctx, id, in.Token)
		require.NoError(t, err)
		require.True(t, w.SignIn, "%v asks for a sign-in, though the session is a second old", ask)
		_, err = s.provider.Finish(ctx, id, in.Token, "")
		require.Equal(t, "openid.signin", wardkey.RuleOf(err))
	}
	t.Run("threat059", func(t *testing.T) {
		// A session that was begun before the request, in another browser, is not fresh either.
		elsewhere := s.signIn(s.Nurse)
		s.Clock.Add(time.Second)
		id := s.waiting(in.Token, "prompt", "login")
		_, err := s.provider.Finish(ctx, id, elsewhere.Token, "")
		require.Equal(t, "openid.signin", wardkey.RuleOf(err))
		again := s.stepUp(s.Nurse, in.Token)
		require.NotEqual(t, in.Token, again.Token)
		require.NotEmpty(t, s.finished(id, again.Token, "").Query().Get("code"))
		in.Token = again.Token
	})

	s.Clock.Add(240 * time.Second)
	require.NotEmpty(t, s.authorize(in.Token, asked("max_age", "240")).Query().Get("code"), "just young enough")
	s.Clock.Add(time.Second)
	require.Equal(t, "login_required", s.authorize(in.Token, asked("max_age", "240", "prompt", "none")).Query().Get("error"))
	id := s.waiting(in.Token, "max_age", "240")
	again := s.stepUp(s.Nurse, in.Token)
	s.Clock.Add(5 * time.Minute) // the person takes their time over the roles
	got := s.post(redeeming(s.finished(id, again.Token, "").Query().Get("code"))).members(t)
	_, claims := s.claims(got["id_token"].(string))
	require.EqualValues(t, s.Wall.Now().Add(-5*time.Minute).Unix(), claims["auth_time"])
	require.Equal(t, "/signin", s.authorize(again.Token, asked("max_age", "0")).Path)
}

func TestWhomAClientExpects(t *testing.T) {
	s := open(t, nil)
	nurse := s.signIn(s.Nurse)
	hint := s.tokens(nurse.Token)["id_token"].(string)
	s.Clock.Add(2 * time.Hour)
	s.wait(nurse, time.Minute)
	require.NotEmpty(t, s.authorize(nurse.Token, asked("prompt", "none", "id_token_hint", hint)).Query().Get("code"))
	agent := s.signIn(s.RAAgent)
	require.Equal(t, "login_required", s.authorize(agent.Token, asked("prompt", "none", "id_token_hint", hint)).Query().Get("error"))
	id := s.waiting(agent.Token, "id_token_hint", hint)
	_, err := s.provider.Finish(t.Context(), id, agent.Token, "")
	require.Equal(t, "openid.person", wardkey.RuleOf(err))
	require.NotEmpty(t, s.finished(id, nurse.Token, "").Query().Get("code"))
}

// without signs a person in without a card: by the mail account's password and a code, or by a security key.
func (s *site) without(p careidtest.Person, key bool) *careid.SignedIn {
	s.Helper()
	ctx := s.Context()
	if key {
		id, err := s.Register(ctx, p, careid.KindSecurityKey, "key of "+p.Profile.ID)
		require.NoError(s, err)
		in, err := s.Service.SignInWith(ctx, careid.Use{Authenticator: id, Verified: careid.Yes})
		require.NoError(s, err)
		return in
	}
	mail, err := s.Register(ctx, p, careid.KindMailAccount, "asha.patel@nhs.net")
	require.NoError(s, err)
	app, err := s.RegisterApp(ctx, p)
	require.NoError(s, err)
	s.Clock.Add(30 * time.Second)
	in, err := s.Service.SignInWith(ctx, careid.Use{Authenticator: mail}, app.Use())
	require.NoError(s, err)
	return in
}

func TestACRIsWhatWasUsed(t *testing.T) {
	s := open(t, nil)
	in := s.signIn(s.Nurse)
	for asks, says := range map[string]string{
		"":                             "AAL3_ANY",
		"AAL3_ANY":                     "AAL3_ANY",
		"AAL2_OR_AAL3_ANY":             "AAL3_ANY",
		"AAL2_ANY":                     "AAL3_ANY",
		"AAL3_SMARTCARD":               "AAL3_SMARTCARD",
		"AAL3_N3_SMARTCARD":            "AAL3_N3_SMARTCARD",
		"AAL3_FIDO2 AAL3_N3_SMARTCARD": "AAL3_N3_SMARTCARD",
		"urn:other AAL3_ANY":           "AAL3_ANY",
	} {
		_, claims := s.claims(s.tokens(in.Token, "acr_values", asks)["id_token"].(string))
		require.Equal(t, says, claims["acr"], asks)
		require.Equal(t, []any{"N3_SMARTCARD"}, claims["amr"])
		require.Equal(t, "3", claims["authentication_assurance_level"])
	}
	t.Run("threat061", func(t *testing.T) {
		for _, asks := range []string{"AAL3_FIDO2", "AAL3_CIS2_SMARTCARD", "AAL2_TOTP", "AAL1_USERPASS", "AAL4_ANY", "aal3_any", "AAL3_FIDO2 AAL3_IOS"} {
			require.Equal(t, "login_required", s.authorize(in.Token, asked("acr_values", asks, "prompt", "none")).Query().Get("error"), asks)
			id := s.waiting(in.Token, "acr_values", asks)
			_, err := s.provider.Finish(t.Context(), id, in.Token, "")
			require.Equal(t, "openid.level", wardkey.RuleOf(err), asks)
		}
		supported := s.discovery()["acr_values_supported"]
		require.Contains(t, supported, "AAL2_OR_AAL3_ANY")
		require.NotContains(t, supported, "AAL1_USERPASS")
	})
}

func TestACRWithoutACard(t *testing.T) {
	s := open(t, nil)
	weak := s.without(s.Nurse, false)
	_, claims := s.claims(s.tokens(weak.Token)["id_token"].(string))
	require.Equal(t, "AAL2_ANY", claims["acr"])
	require.ElementsMatch(t, []any{"NHSMAIL", "TOTP"}, claims["amr"])
	require.Equal(t, "2", claims["authentication_assurance_level"])
	_, claims = s.claims(s.tokens(weak.Token, "acr_values", "AAL3_ANY AAL2_OR_AAL3_ANY")["id_token"].(string))
	require.Equal(t, "AAL2_ANY", claims["acr"])
	_, claims = s.claims(s.tokens(weak.Token, "acr_values", "AAL2_TOTP")["id_token"].(string))
	require.Equal(t, "AAL2_TOTP", claims["acr"])
	t.Run("threat061", func(t *testing.T) {
		id := s.waiting(weak.Token, "acr_values", "AAL3_ANY")
		_, err := s.provider.Finish(t.Context(), id, weak.Token, "")
		require.Equal(t, "openid.level", wardkey.RuleOf(err))
		strong := s.signIn(s.Nurse)
		require.NotEmpty(t, s.finished(id, strong.Token, "").Query().Get("code"))
	})
	key := s.without(s.RAAgent, true)
	for asks, says := range map[string]string{"": "AAL3_ANY", "AAL3_FIDO2": "AAL3_FIDO2", "AAL3_ANY": "AAL3_ANY"} {
		_, claims = s.claims(s.tokens(key.Token, "acr_values", asks)["id_token"].(string))
		require.Equal(t, says, claims["acr"])
		require.Equal(t, []any{"FIDO2"}, claims["amr"])
	}
	require.Equal(t, "/signin", s.authorize(key.Token, asked("acr_values", "AAL3_SMARTCARD")).Path)
}

// positions gives a person of the hospital so many positions and returns nothing: their role ids are the provider's to tell.
func (s *site) positions(p careidtest.Person, names ...string) {
	s.Helper()
	ctx := s.Context()
	manager, err := s.Actor(ctx, s.RAManager, careid.RAManager)
	require.NoError(s, err)
	group, err := s.Service.CreateWorkgroup(ctx, manager, "Team "+names[0])
	require.NoError(s, err)
	for i, name := range names {
		made, err := s.Service.CreatePosition(ctx, manager, careid.Position{
			Name: name, Role: careid.Coded{Code: fmt.Sprintf("S8000:G8000:R80%02d", i), Name: `"Clinical":"Clinical Provision":"` + name + `"`},
			Activities: []careid.Coded{{Code: "B0058", Name: "Read"}}, AreasOfWork: []careid.Coded{{Code: "P0020:Q0300:T0640", Name: "Ward"}},
			Workgroups: []string{group.ID},
		})
		require.NoError(s, err)
		_, err = s.Service.AssignPosition(ctx, manager, careid.Assign{Profile: p.Profile.ID, Position: made.ID})
		require.NoError(s, err)
	}
}

func TestRolePicker(t *testing.T) {
	s := open(t, nil)
	ctx := t.Context()
	role := []string{"scope", "openid nationalrbacaccess selectedrole"}
	in := s.signIn(s.Nurse)
	require.Equal(t, "access_denied", s.authorize(in.Token, asked(role...)).Query().Get("error"), "nobody without a role gets through")
	id := s.waiting("", role...)
	_, err := s.provider.Finish(ctx, id, in.Token, "")
	require.Equal(t, "openid.role.none", wardkey.RuleOf(err))

	s.positions(s.Nurse, "Ward nurse")
	got := s.tokens(in.Token, role...)
	_, claims := s.claims(got["id_token"].(string))
	roles := s.userinfo(got["access_token"].(string)).members(t)["nhsid_nrbac_roles"].([]any)
	require.Len(t, roles, 1)
	require.Equal(t, roles[0].(map[string]any)["person_roleid"], claims["selected_roleid"], "the only one is not asked for")

	s.positions(s.Nurse, "Bank nurse", "Nurse manager")
	require.NotEmpty(t, s.authorize(in.Token, asked()).Query().Get("code"), "without the scope no role is asked for")
	next := s.signIn(s.Nurse)
	require.Equal(t, "interaction_required", s.authorize(next.Token, asked("scope", "openid selectedrole", "prompt", "none")).Query().Get("error"))
	id = s.waiting(next.Token, role...)
	w, err := s.provider.Waiting(ctx, id, next.Token)
	require.NoError(t, err)
	require.Len(t, w.Roles, 3)
	s.positions(s.RAAgent, "Clerk")
	clerk, err := (&openid.Directory{Records: s.Store}).Person(ctx, s.RAAgent.Profile.ID)
	require.NoError(t, err)
	for _, bad := range []string{"", "000000000000", "x", clerk.Roles[0].ID} {
		_, err = s.provider.Finish(ctx, id, next.Token, bad)
		require.Equal(t, "openid.role", wardkey.RuleOf(err))
	}
	picked := w.Roles[1].ID
	got = s.post(redeeming(s.finished(id, next.Token, picked).Query().Get("code"))).members(t)
	_, claims = s.claims(got["id_token"].(string))
	require.Equal(t, picked, claims["selected_roleid"])

	again := s.tokens(next.Token, role...)
	_, claims = s.claims(again["id_token"].(string))
	require.Equal(t, picked, claims["selected_roleid"], "chosen once a session")
	id = s.waiting(next.Token, "scope", "openid changedrole")
	up := s.stepUp(s.Nurse, next.Token)
	w, err = s.provider.Waiting(ctx, id, up.Token)
	require.NoError(t, err)
	require.False(t, w.SignIn)
	require.Len(t, w.Roles, 3)
	other := w.Roles[2].ID
	got = s.post(redeeming(s.finished(id, up.Token, other).Query().Get("code"))).members(t)
	_, claims = s.claims(got["id_token"].(string))
	require.Equal(t, other, claims["selected_roleid"])

	s.Clock.Add(time.Minute)
	id = s.waiting(up.Token, append(role, "max_age", "30")...)
	up = s.stepUp(s.Nurse, up.Token)
	_, claims = s.claims(s.post(redeeming(s.finished(id, up.Token, "").Query().Get("code"))).members(t)["id_token"].(string))
	require.Equal(t, other, claims["selected_roleid"], "a step-up goes on with the role")
	s.Clock.Add(time.Minute)
	id = s.waiting(up.Token, append(role, "max_age", "30")...)
	w, err = s.provider.Waiting(ctx, id, s.signIn(s.RAAgent).Token)
	require.NoError(t, err)
	require.Empty(t, w.Roles, "somebody else has their own, the only one")
	id = s.waiting(up.Token, append(role, "prompt", "login")...)
	up = s.stepUp(s.Nurse, up.Token)
	w, err = s.provider.Waiting(ctx, id, up.Token)
	require.NoError(t, err)
	require.Len(t, w.Roles, 3, "prompt=login asks for it again")

	got = s.post(redeeming(s.finished(id, up.Token, other).Query().Get("code"))).members(t)
	require.NoError(t, s.Service.EndPosition(ctx, s.manager(), other))
	_, claims = s.claims(s.post(refreshing(got["refresh_token"].(string))).members(t)["id_token"].(string))
	require.NotContains(t, claims, "selected_roleid", "what ended is not told")
}
