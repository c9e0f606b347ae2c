// SPDX-License-Identifier: Apache-2.0

package webauthn_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/cardhttp"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

func TestRegistration(t *testing.T) {
	p := newPlace(t)
	red := p.keys.device()
	t.Run("row110", func(t *testing.T) {
		b := p.with(t, p.Nurse)
		got, no := b.registers(red, "Red key")
		require.Nil(t, no, "%v", no)
		require.Equal(t, http.StatusCreated, b.status)
		require.JSONEq(t, `{"kind":"security-key","name":"Red key","model":"Ward key 5","state":"active","aal":3,"alone":true,"registeredAt":"2026-01-05T09:00:00Z"}`,
			string(without(t, got, "id")))
		_, no = p.visitor(t).send(http.MethodPost, "register/options", members{})
		ruled(t, no, "session.none")
		profile, err := p.Enrol(t.Context(), "No", "Card")
		require.NoError(t, err)
		ra := p.with(t, p.RAAgent)
		for _, whose := range []members{{"profile": profile.ID, "role": "holder"}, {"profile": profile.ID, "role": "ra-manager", "organisation": careidtest.Organisation}} {
			_, no = ra.send(http.MethodPost, "register/options", whose)
			require.NotNil(t, no)
		}
		first := p.hello.device()
		whose := members{"profile": profile.ID, "role": careid.RAAgent, "organisation": careidtest.Organisation}
		options := ra.must(http.MethodPost, "register/options", whose)
		whose["user"], whose["credential"] = userOf(options), first.create(options)
		ra.must(http.MethodPost, "register", whose)
		own := p.visitor(t)
		require.Nil(t, own.signsIn(first), "the first one ever, from the Registration Authority")
		require.Equal(t, profile.ID, own.session().Profile)
	})
	t.Run("the options", func(t *testing.T) {
		b := p.with(t, p.Nurse)
		options := b.must(http.MethodPost, "register/options", members{"kind": "security-key"})
		require.JSONEq(t, fmt.Sprintf(`{"publicKey":{
			"rp":{"id":"care.example","name":"care.example"},
			"user":{"id":"%s","name":"%s","displayName":"Asha Patel"},
			"pubKeyCredParams":[{"type":"public-key","alg":-7},{"type":"public-key","alg":-8},{"type":"public-key","alg":-257}],
			"timeout":300000,
			"excludeCredentials":[{"type":"public-key","id":"%s"}],
			"authenticatorSelection":{"authenticatorAttachment":"cross-platform","residentKey":"required","requireResidentKey":true,"userVerification":"required"},
			"attestation":"direct"}}`, b64(red.auth.Options.UserHandle), p.Nurse.Profile.ID, b64(red.cred.ID)),
			string(without(t, options, "publicKey", "challenge")))
		require.NotContains(t, string(red.auth.Options.UserHandle), p.Nurse.Profile.ID)
		_, no := b.send(http.MethodPost, "register/options", members{"kind": "card"})
		ruled(t, no, "http.malformed")
	})
	t.Run("a person has one user handle", func(t *testing.T) {
		second := p.registered(t, p.Nurse, p.hello)
		require.Equal(t, red.auth.Options.UserHandle, second.auth.Options.UserHandle)
		other := p.registered(t, p.Sponsor, p.keys)
		require.NotEqual(t, red.auth.Options.UserHandle, other.auth.Options.UserHandle)
	})
	t.Run("a stale session", func(t *testing.T) {
		b := p.with(t, p.Nurse)
		options := b.must(http.MethodPost, "register/options", members{})
		p.Clock.Add(5*time.Minute + time.Second)
		_, no := b.send(http.MethodPost, "register", members{"user": userOf(options), "credential": p.keys.device().create(options)})
		ruled(t, no, "session.stale")
		_, no = b.send(http.MethodPost, "register/options", members{})
		ruled(t, no, "session.stale")
	})
	t.Run("a name that can't be", func(t *testing.T) {
		_, no := p.with(t, p.Nurse).registers(p.keys.device(), "a\x00b")
		ruled(t, no, "authenticator.name")
	})
	t.Run("an RSA key", func(t *testing.T) {
		d := p.keys.device()
		d.cred = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeRSA)
		_, no := p.with(t, p.Nurse).registers(d, "RSA")
		require.Nil(t, no, "%v", no)
		require.Nil(t, p.visitor(t).signsIn(d))
	})
	t.Run("threat061", func(t *testing.T) { // somebody with a password and a code registers no key of their own
		_, err := p.Register(t.Context(), p.Sponsor, careid.KindMailAccount, "someone@nhs.net")
		require.NoError(t, err)
		app, err := p.RegisterApp(t.Context(), p.Sponsor)
		require.NoError(t, err)
		p.Clock.Add(30 * time.Second)
		of, err := p.Service.CredentialsOf(t.Context(), p.Sponsor.Profile.ID)
		require.NoError(t, err)
		var mail string
		for _, one := range of {
			if one.Kind == careid.KindMailAccount {
				mail = one.ID
			}
		}
		in, err := p.Service.SignInWith(t.Context(), careid.Use{Authenticator: mail}, app.Use())
		require.NoError(t, err)
		b := p.holding(t, in.Token)
		_, no := b.registers(p.keys.device(), "")
		ruled(t, no, "signin.weaker")
		_, no = b.send(http.MethodDelete, "authenticators/"+of[0].ID, nil)
		ruled(t, no, "signin.weaker")
	})
}

// without leaves a member of an object out.
func without(t *testing.T, text []byte, at ...string) []byte {
	t.Helper()
	var object map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(text, &object))
	if len(at) == 1 {
		require.NotEmpty(t, object[at[0]])
		delete(object, at[0])
	} else {
		object[at[0]] = without(t, object[at[0]], at[1:]...)
	}
	return must(json.Marshal(object))
}

func TestSignIn(t *testing.T) {
	p := newPlace(t)
	key := p.registered(t, p.Nurse, p.keys)
	hello := p.registered(t, p.Nurse, p.hello)
	t.Run("row112", func(t *testing.T) {
		b := p.visitor(t)
		require.Nil(t, b.signsIn(hello))
		s := b.session()
		require.Equal(t, p.Nurse.Profile.ID, s.Profile)
		require.Equal(t, "AAL3_ANY", s.ACR)
		require.Equal(t, []string{"FIDO2"}, s.AMR)
		require.Equal(t, careid.KindWindowsHello, s.Used[0].Kind)
		require.Equal(t, careid.Yes, s.Used[0].Verified)
		require.Empty(t, s.Card)

		for name, c := range map[string]struct {
			do   func(*device)
			rule string
		}{
			"self-attested": {func(d *device) { d.attest = nil }, "webauthn.attestation"},
			"not approved":  {func(d *device) { d.auth.Aaguid[3] = 1 }, "webauthn.model"},
			"synced":        {func(d *device) { d.auth.Options.BackupEligible = true }, "webauthn.synced"},
			"no PIN":        {func(d *device) { d.auth.Options.UserNotVerified = true }, "webauthn.verification"},
		} {
			d := p.hello.device()
			c.do(d)
			_, no := p.with(t, p.Nurse).registers(d, "")
			require.NotNil(t, no, name)
			require.Equal(t, c.rule, no.Rule, name)
		}
	})
	t.Run("row113", func(t *testing.T) {
		clone := *key
		b := p.visitor(t)
		require.Nil(t, b.signsIn(key))
		require.Equal(t, []string{"FIDO2"}, b.session().AMR)
		other := p.visitor(t)
		rows := p.audited(t, func() { ruled(t, other.signsIn(&clone), "authenticator.copied") })
		require.Len(t, rows, 1)
		require.Contains(t, rows[0].Detail, "authenticator.copied")
	})
	t.Run("row117", func(t *testing.T) {
		b := p.visitor(t)
		require.Nil(t, b.signsIn(key))
		level, factors, err := careid.Assurance(must(careid.Rules()), b.session().Used, p.Clock.Now())
		require.NoError(t, err)
		require.Equal(t, careid.AAL(3), level)
		require.Equal(t, []careid.Factor{careid.FactorHas, careid.FactorKnowsOrIs}, factors)
		unverified := *key
		unverified.auth.Options.UserNotVerified = true
		ruled(t, p.visitor(t).signsIn(&unverified), "webauthn.verification")
		key.cred.Counter = unverified.cred.Counter
	})
	t.Run("row118", func(t *testing.T) {
		b := p.visitor(t)
		options := b.must(http.MethodPost, "signin/options", members{})
		require.JSONEq(t, `{"until":"2026-01-05T17:00:00Z","alerts":[]}`,
			string(b.must(http.MethodPost, "signin", members{"credential": key.get(options)})))
	})
	t.Run("by user id", func(t *testing.T) {
		b := p.visitor(t)
		options := b.must(http.MethodPost, "signin/options", members{"user": p.Nurse.Profile.ID})
		b.must(http.MethodPost, "signin", members{"user": p.Nurse.Profile.ID, "credential": key.get(options)})
		require.Equal(t, p.Nurse.Profile.ID, b.session().Profile)
		other := p.registered(t, p.Sponsor, p.keys)
		b = p.visitor(t)
		options = b.must(http.MethodPost, "signin/options", members{"user": p.Nurse.Profile.ID})
		_, no := b.send(http.MethodPost, "signin", members{"user": p.Nurse.Profile.ID, "credential": other.get(options)})
		ruled(t, no, "webauthn.none")
	})
	t.Run("who exists is not told", func(t *testing.T) {
		var bodies, refusals []string
		stranger := p.keys.device()
		for _, user := range []string{"", p.Nurse.Profile.ID, p.Sponsor.Profile.ID, p.RAAgent.Profile.ID, "000000000000"} {
			b := p.visitor(t)
			options := b.must(http.MethodPost, "signin/options", members{"user": user})
			bodies = append(bodies, string(without(t, options, "publicKey", "challenge")))
			_, no := b.send(http.MethodPost, "signin", members{"user": user, "credential": stranger.get(options)})
			refusals = append(refusals, string(must(json.Marshal(no))))
		}
		gone := *key
		gone.cred.ID = make([]byte, 32)
		for _, d := range []*device{&gone, stranger} {
			b := p.visitor(t)
			refusals = append(refusals, string(must(json.Marshal(b.signsIn(d)))))
		}
		for _, all := range [][]string{bodies, refusals} {
			for _, one := range all {
				require.Equal(t, all[0], one)
			}
		}
		_, no := p.visitor(t).send(http.MethodPost, "signin/options", members{"user": "asha"})
		ruled(t, no, "http.malformed")
	})
	t.Run("threat059", func(t *testing.T) { // a planted cookie becomes nothing, and somebody else's session ends
		b := p.with(t, p.Sponsor)
		planted := b.token()
		require.Nil(t, b.signsIn(key))
		require.NotEqual(t, planted, b.token())
		_, err := p.Service.Session(t.Context(), planted)
		require.Error(t, err)
		require.Equal(t, p.Nurse.Profile.ID, b.session().Profile)
		for _, c := range b.set {
			require.True(t, c.Secure && c.HttpOnly && strings.HasPrefix(c.Name, "__Host-"), c.Name)
		}
		require.Len(t, b.cookies, 1, "the cookie of the sign-in is gone")
	})
	t.Run("a closed profile", func(t *testing.T) {
		leaver, err := p.Admit(t.Context(), "Lea", "Ver")
		require.NoError(t, err)
		d := p.registered(t, leaver, p.keys)
		manager, err := p.Actor(t.Context(), p.RAManager, careid.RAManager)
		require.NoError(t, err)
		require.NoError(t, p.Service.CloseProfile(t.Context(), manager, leaver.Profile.ID))
		ruled(t, p.visitor(t).signsIn(d), "webauthn.none")
	})
	t.Run("nothing secret in log and audit", func(t *testing.T) {
		require.NotContains(t, p.log.String(), b64(key.cred.ID))
		require.NotContains(t, p.log.String(), p.with(t, p.Nurse).token())
	})
}

func TestAModelIsWithdrawn(t *testing.T) {
	p := newPlace(t)
	key := p.registered(t, p.Nurse, p.keys)
	end := p.Clock.Now().Add(time.Hour)
	p.config.Models[0].Until = end
	p.servers = nil
	p.serve(t, p.config)
	b := p.visitor(t)
	p.Clock.Set(end.Add(-time.Second))
	require.Nil(t, b.signsIn(key))
	p.Clock.Set(end)
	ruled(t, p.visitor(t).signsIn(key), "webauthn.model")
	_, no := p.with(t, p.Nurse).registers(p.keys.device(), "")
	ruled(t, no, "webauthn.model")
	b.session() // what it opened goes on
	require.NotContains(t, string(b.must(http.MethodGet, "authenticators", nil)), "Ward key 5")
}

func TestStepUp(t *testing.T) {
	p := newPlace(t)
	key := p.registered(t, p.Nurse, p.keys)
	other := p.registered(t, p.Sponsor, p.keys)
	b := p.visitor(t)
	require.Nil(t, b.signsIn(key))
	t.Run("by the same key", func(t *testing.T) {
		before, began := b.token(), b.session()
		p.Clock.Add(time.Hour)
		_, no := b.send(http.MethodPost, "register/options", members{})
		ruled(t, no, "session.stale")
		require.Nil(t, b.stepsUp(key))
		require.NotEqual(t, before, b.token())
		_, err := p.Service.Session(t.Context(), before)
		require.Error(t, err)
		require.Equal(t, p.Clock.Now(), b.session().AuthTime)
		require.Equal(t, began.ExpiresAt, b.session().ExpiresAt)
		_, no = b.registers(p.hello.device(), "")
		require.Nil(t, no, "%v", no)
	})
	t.Run("which keys", func(t *testing.T) {
		options := b.must(http.MethodPost, "stepup/options", members{})
		require.Contains(t, string(options), b64(key.cred.ID))
		_, no := p.visitor(t).send(http.MethodPost, "stepup/options", members{})
		ruled(t, no, "session.none")
	})
	t.Run("without a user handle", func(t *testing.T) { // a key that was asked for by its id need not tell it
		bare := *key
		bare.auth.Options.UserHandle = nil
		require.Nil(t, b.stepsUp(&bare))
		key.cred.Counter = bare.cred.Counter
	})
	t.Run("another person's key", func(t *testing.T) {
		ruled(t, b.stepsUp(other), "proof.purpose")
		b.session()
	})
	t.Run("another session's challenge", func(t *testing.T) {
		second := p.visitor(t)
		require.Nil(t, second.signsIn(key))
		options := second.must(http.MethodPost, "stepup/options", members{})
		_, no := b.send(http.MethodPost, "stepup", members{"credential": key.get(options)})
		ruled(t, no, "challenge.none")
	})
	t.Run("a challenge of a sign-in", func(t *testing.T) {
		options := b.must(http.MethodPost, "signin/options", members{})
		_, no := b.send(http.MethodPost, "stepup", members{"credential": key.get(options)})
		ruled(t, no, "challenge.none")
	})
	t.Run("too late", func(t *testing.T) {
		options := b.must(http.MethodPost, "stepup/options", members{})
		p.Wall.Add(5 * time.Minute)
		_, no := b.send(http.MethodPost, "stepup", members{"credential": key.get(options)})
		ruled(t, no, "challenge.none")
	})
	t.Run("a session by card", func(t *testing.T) {
		_, no := p.with(t, p.Nurse).send(http.MethodPost, "stepup/options", members{})
		ruled(t, no, "webauthn.card")
	})
	t.Run("to a card", func(t *testing.T) { // the session by a key goes on as one by card
		require.Empty(t, b.session().Card)
		_, err := p.Answer(t.Context(), p.Sponsor.Card, careidtest.Claims{Purpose: careid.StepUp, Bind: b.token()})
		require.Equal(t, "proof.purpose", wardkey.RuleOf(err), "another person's card")
		answer, err := p.Answer(t.Context(), p.Nurse.Card, careidtest.Claims{Purpose: careid.StepUp, Bind: b.token()})
		require.NoError(t, err)
		body := fmt.Sprintf(`{"result":%q,"purpose":"stepup"}`, answer.Result)
		until := b.session().ExpiresAt
		_, no := b.send(http.MethodPost, cardhttp.Path+"session", body)
		require.Nil(t, no, "%v", no)
		require.Equal(t, p.Nurse.Card.Serial, b.session().Card)
		require.Equal(t, []string{"N3_SMARTCARD"}, b.session().AMR)
		require.Equal(t, until, b.session().ExpiresAt)
	})
}

// A session that was left idle tells nothing, and goes on by its own person's key.
func TestAnIdleSession(t *testing.T) {
	p := newPlace(t)
	key := p.registered(t, p.Nurse, p.keys)
	other := p.registered(t, p.Sponsor, p.keys)
	p.idle(t, 15)
	b := p.visitor(t)
	require.Nil(t, b.signsIn(key))
	p.Clock.Add(16 * time.Minute)
	_, no := b.send(http.MethodGet, "authenticators", nil)
	ruled(t, no, "session.locked")
	require.Contains(t, string(b.must(http.MethodPost, "stepup/options", members{})), `"allowCredentials":[]`)
	ruled(t, b.stepsUp(other), "proof.purpose")
	require.Nil(t, b.stepsUp(key))
	b.must(http.MethodGet, "authenticators", nil)
}

func TestOwnProfile(t *testing.T) {
	p := newPlace(t)
	b := p.with(t, p.Nurse)
	red := p.keys.device()
	_, no := b.registers(red, "Red key")
	require.Nil(t, no)
	p.Clock.Add(time.Second)
	_, err := p.RegisterApp(t.Context(), p.Nurse)
	require.NoError(t, err)
	p.Clock.Add(time.Minute)
	require.Nil(t, p.visitor(t).signsIn(red))
	type shown struct {
		ID, Name, Model string
		Kind            careid.AuthenticatorKind
		AAL             int
		Alone           bool
		LastUsed        *time.Time
	}
	var list struct{ Authenticators []shown }
	require.NoError(t, json.Unmarshal(b.must(http.MethodGet, "authenticators", nil), &list))
	require.Len(t, list.Authenticators, 2)
	key, app := list.Authenticators[0], list.Authenticators[1]
	require.Equal(t, "Red key", key.Name)
	require.Equal(t, p.Clock.Now(), *key.LastUsed)
	require.True(t, key.Alone)
	require.Equal(t, careid.KindAuthenticatorApp, app.Kind)
	require.Equal(t, 1, app.AAL)
	require.False(t, app.Alone, "a code alone signs nobody in")
	t.Run("of another person", func(t *testing.T) {
		_, no := p.with(t, p.Sponsor).send(http.MethodDelete, "authenticators/"+key.ID, nil)
		require.NotNil(t, no)
		_, missing := p.with(t, p.Sponsor).send(http.MethodDelete, "authenticators/ffff", nil)
		require.Equal(t, must(json.Marshal(missing)), must(json.Marshal(no)), "it is not told that there is one")
	})
	t.Run("renamed", func(t *testing.T) {
		b.must(http.MethodPatch, "authenticators/"+key.ID, members{"name": "Key of ward 5"})
		b.must(http.MethodPatch, "authenticators/"+app.ID, members{"name": "My phone"})
		require.NoError(t, json.Unmarshal(b.must(http.MethodGet, "authenticators", nil), &list))
		require.Equal(t, []string{"Key of ward 5", "My phone"}, []string{list.Authenticators[0].Name, list.Authenticators[1].Name})
		_, no := b.send(http.MethodPatch, "authenticators/"+key.ID, members{"name": "two\nlines"})
		ruled(t, no, "authenticator.name")
		_, no = p.with(t, p.Sponsor).send(http.MethodPatch, "authenticators/"+key.ID, members{"name": "Mine"})
		ruled(t, no, "org.scope")
		_, no = p.visitor(t).send(http.MethodPatch, "authenticators/"+key.ID, members{"name": "Mine"})
		ruled(t, no, "session.none")
	})
	t.Run("stale", func(t *testing.T) {
		p.Clock.Add(10 * time.Minute)
		_, no := b.send(http.MethodPatch, "authenticators/"+key.ID, members{"name": "Later"})
		ruled(t, no, "session.stale")
		_, no = b.send(http.MethodDelete, "authenticators/"+key.ID, nil)
		ruled(t, no, "session.stale")
	})
	t.Run("removed", func(t *testing.T) {
		b := p.with(t, p.Nurse)
		b.must(http.MethodDelete, "authenticators/"+key.ID, nil)
		require.NotContains(t, string(b.must(http.MethodGet, "authenticators", nil)), key.ID)
		_, no := b.send(http.MethodDelete, "authenticators/"+key.ID, nil)
		ruled(t, no, "authenticator.none")
		_, no = b.registers(red, "Red again")
		require.Nil(t, no, "what was removed may be registered anew")
	})
}
