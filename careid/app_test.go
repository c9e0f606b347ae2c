// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"bytes"
	"database/sql"
	"encoding/base32"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

func TestAuthenticatorApp(t *testing.T) {
	ctx := t.Context()
	h := careidtest.New(t, careidtest.Config{})
	mail := register(t, h, h.Nurse, careid.KindMailAccount, "asha.patel@nhs.net")
	app := registerApp(t, h, h.Nurse)
	give := func(code []byte) error {
		_, err := h.Service.SignInWith(ctx, careid.Use{Authenticator: mail}, careid.Use{Authenticator: app.ID, Code: code})
		return err
	}
	code := func(off time.Duration) []byte { return []byte(careid.TOTP(app.Secret, h.Clock.Now().Add(off))) }
	tries := func() (n int) {
		require.NoError(t, h.DB.QueryRow("SELECT tries FROM careid_authenticator WHERE id = ?", app.ID).Scan(&n))
		return n
	}
	t.Run("row114", func(t *testing.T) {
		for range 20 { // each thirty seconds it is found by the code before, its own and the code after
			h.Clock.Add(90 * time.Second)
			for _, off := range []time.Duration{-30 * time.Second, 0, 30 * time.Second} {
				once := code(off)
				require.NoError(t, give(once), off)
				refused(t, give(once), "totp.code")
			}
		}
		h.Clock.Add(time.Hour)
		for _, off := range []time.Duration{-60 * time.Second, 60 * time.Second} {
			refused(t, give(code(off)), "totp.code")
		}
		require.NoError(t, give(code(30*time.Second)))
		refused(t, give(code(0)), "totp.code") // older than one that was taken
		for _, junk := range []string{"", "0", "0000000", "١٢٣٤٥٦"} {
			refused(t, give([]byte(junk)), "totp.code")
		}
	})
	t.Run("alone it is not even looked at", func(t *testing.T) {
		h.Clock.Add(time.Hour)
		require.NoError(t, give(code(0)))
		h.Clock.Add(time.Minute)
		rows := audited(t, h, func() {
			_, err := h.Service.SignInWith(ctx, app.Use())
			no := refused(t, err, "signin.weak")
			require.Equal(t, "Authenticator guidance for developers, CIS2 Authentication, NHS England", no.Source.Document)
		})
		require.Len(t, rows, 1)
		require.Zero(t, tries())
		require.NoError(t, give(code(0)), "and it is not spent")
		key := register(t, h, h.Nurse, careid.KindSecurityKey, "key")
		h.Clock.Add(time.Minute)
		_, err := h.Service.SignInWith(ctx, careid.Use{Authenticator: key}, app.Use())
		refused(t, err, "signin.weak") // a key that asked for nothing, and a phone: two devices, one factor
	})
	t.Run("threat001", func(t *testing.T) {
		h.Clock.Add(time.Hour)
		wrong := code(10 * time.Minute)
		for range 5 {
			refused(t, give(wrong), "totp.code")
		}
		no := refused(t, give(code(0)), "totp.tries")
		require.Equal(t, h.Clock.Now().Add(15*time.Minute), no.RetryAt)
		again, err := careid.New(h.Config) // threat002: a restart gives no tries back
		require.NoError(t, err)
		_, err = again.SignInWith(ctx, careid.Use{Authenticator: mail}, app.Use())
		refused(t, err, "totp.tries")
		for n := 5; n < 100; n++ {
			if n%5 == 0 {
				h.Clock.Add(15 * time.Minute)
			}
			refused(t, give(wrong), "totp.code")
		}
		h.Clock.Add(24 * time.Hour)
		require.Equal(t, "ra-agent", refused(t, give(code(0)), "totp.cap").Fixer)
		require.Equal(t, 100, tries())
	})
	t.Run("a good code begins the counting anew", func(t *testing.T) {
		require.NoError(t, h.Service.RemoveAuthenticator(ctx, actor(t, h, h.RAAgent, careid.RAAgent), app.ID))
		app = registerApp(t, h, h.Nurse)
		for range 4 {
			refused(t, give(code(time.Hour)), "totp.code")
		}
		require.NoError(t, give(code(0)))
		require.Zero(t, tries())
	})
	t.Run("of a hundred at once one succeeds", func(t *testing.T) {
		h.Clock.Add(time.Hour)
		once := code(0)
		rules := map[string]int{}
		var mu sync.Mutex
		var wait sync.WaitGroup
		for range 100 {
			wait.Go(func() {
				err := give(once)
				mu.Lock()
				defer mu.Unlock()
				rules[wardkey.RuleOf(err)]++
			})
		}
		wait.Wait()
		require.Equal(t, map[string]int{"": 1, "totp.code": 5, "totp.tries": 94}, rules, "one, five more that were looked at, and the rest unseen")
	})
}

func TestEnrolment(t *testing.T) {
	ctx := t.Context()
	h := careidtest.New(t, careidtest.Config{})
	nurse := func() careid.Actor { return actor(t, h, h.Nurse, careid.Holder) }
	ask := func(a careid.Actor) *careid.Registered {
		r, err := h.Service.RegisterAuthenticator(ctx, a, careid.NewAuthenticator{Profile: h.Nurse.Profile.ID, Kind: careid.KindAuthenticatorApp, Name: "my phone"})
		require.NoError(t, err)
		return r
	}
	t.Run("the secret is told once and kept sealed", func(t *testing.T) {
		var log bytes.Buffer
		c := h.Config
		c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		own, err := careid.New(c)
		require.NoError(t, err)
		var r *careid.Registered
		rows := audited(t, h, func() {
			r, err = own.RegisterAuthenticator(ctx, nurse(), careid.NewAuthenticator{Profile: h.Nurse.Profile.ID, Kind: careid.KindAuthenticatorApp})
			require.NoError(t, err)
		})
		uri, err := url.Parse(string(r.URI))
		require.NoError(t, err)
		require.Equal(t, "otpauth://totp/Wardkey:"+h.Nurse.Profile.ID, uri.Scheme+"://"+uri.Host+uri.Path)
		text := uri.Query().Get("secret")
		secret, err := base32.StdEncoding.DecodeString(text)
		require.NoError(t, err)
		require.Len(t, secret, 20)
		noSecret(t, rows, text)
		for _, shown := range []string{r.String(), fmt.Sprint(r), fmt.Sprintf("%+v", *r), fmt.Sprintf("%#v", r), log.String()} {
			require.NotContains(t, shown, text)
		}
		var sealed []byte
		require.NoError(t, h.DB.QueryRow("SELECT sealed FROM careid_authenticator WHERE id = ?", r.Authenticator.ID).Scan(&sealed))
		require.False(t, bytes.Contains(sealed, secret) || bytes.Contains(sealed, []byte(text)))
		require.Len(t, sealed, 12+20+16)
	})
	t.Run("it counts from its first code", func(t *testing.T) {
		mail := register(t, h, h.Nurse, careid.KindMailAccount, "asha.patel@nhs.net")
		app, err := h.Scan(ask(nurse()))
		require.NoError(t, err)
		_, err = h.Service.SignInWith(ctx, careid.Use{Authenticator: mail}, app.Use())
		refused(t, err, "authenticator.none")
		refused(t, h.Service.ConfirmAuthenticator(ctx, nurse(), app.ID, []byte("000000")), "totp.code")
		refused(t, h.Service.ConfirmAuthenticator(ctx, actor(t, h, h.Sponsor, careid.Holder), app.ID, app.Code()), "org.scope")
		refused(t, h.Service.ConfirmAuthenticator(ctx, actor(t, h, h.RAAgent, careid.RAAgent), app.ID, app.Code()), "authenticator.none")
		h.Clock.Add(10 * time.Minute)
		refused(t, h.Service.ConfirmAuthenticator(ctx, nurse(), app.ID, app.Code()), "authenticator.none")

		late := app.ID
		app, err = h.Scan(ask(nurse()))
		require.NoError(t, err)
		refused(t, h.Service.ConfirmAuthenticator(ctx, nurse(), late, app.Code()), "authenticator.none") // the second took its place
		require.NoError(t, h.Service.ConfirmAuthenticator(ctx, nurse(), app.ID, app.Code()))
		refused(t, h.Service.ConfirmAuthenticator(ctx, nurse(), app.ID, app.Code()), "authenticator.none")
		_, err = h.Service.SignInWith(ctx, careid.Use{Authenticator: mail}, app.Use())
		refused(t, err, "totp.code") // the code that confirmed it is spent
		h.Clock.Add(30 * time.Second)
		_, err = h.Service.SignInWith(ctx, careid.Use{Authenticator: mail}, app.Use())
		require.NoError(t, err)
		_, err = h.Service.RegisterAuthenticator(ctx, nurse(), careid.NewAuthenticator{Profile: h.Nurse.Profile.ID, Kind: careid.KindAuthenticatorApp})
		refused(t, err, "authenticator.taken")
	})
	t.Run("a sealed secret opens for its own authenticator and key only", func(t *testing.T) {
		theirs := register(t, h, h.Sponsor, careid.KindMailAccount, "maya@nhs.net")
		sponsors := registerApp(t, h, h.Sponsor)
		var own []byte
		require.NoError(t, h.DB.QueryRow("SELECT sealed FROM careid_authenticator WHERE id = ?", sponsors.ID).Scan(&own))
		failed := func(s *careid.Service) {
			t.Helper()
			_, err := s.SignInWith(ctx, careid.Use{Authenticator: theirs}, sponsors.Use())
			require.ErrorContains(t, err, "does not open")
			require.Empty(t, wardkey.RuleOf(err), "a failure of ours, and nobody's wrong code")
		}
		c := h.Config
		c.AuthenticatorKey = []byte("another key of 32 bytes for this")
		other, err := careid.New(c)
		require.NoError(t, err)
		failed(other)
		put := func(query string, args ...any) {
			t.Helper()
			result, err := h.DB.Exec(query, args...)
			require.NoError(t, err)
			n, err := result.RowsAffected()
			require.NoError(t, err)
			require.Equal(t, int64(1), n)
		}
		put("UPDATE careid_authenticator SET sealed = (SELECT sealed FROM careid_authenticator WHERE kind = 'authenticator-app' AND state = 'active' AND profile = ?) WHERE id = ?", h.Nurse.Profile.ID, sponsors.ID)
		failed(h.Service)
		put("UPDATE careid_authenticator SET sealed = ? WHERE id = ?", sql.RawBytes(own), sponsors.ID)
		_, err = h.Service.SignInWith(ctx, careid.Use{Authenticator: theirs}, sponsors.Use())
		require.NoError(t, err)
	})
}

// Under a new key the earlier one's secrets open, and are sealed again as they are used.
func TestAppUnderChangedKey(t *testing.T) {
	ctx := t.Context()
	h := careidtest.New(t, careidtest.Config{})
	mail := register(t, h, h.Nurse, careid.KindMailAccount, "asha.patel@nhs.net")
	app := registerApp(t, h, h.Nurse)
	next := h.Config
	next.AuthenticatorKey, next.EarlierAuthenticatorKeys = []byte("the key that comes after, 32 b.."), [][]byte{h.Config.AuthenticatorKey}
	alone := next
	alone.EarlierAuthenticatorKeys = nil
	both, err := careid.New(next)
	require.NoError(t, err)
	later, err := careid.New(alone)
	require.NoError(t, err)
	as := func(s *careid.Service) error {
		h.Clock.Add(30 * time.Second)
		_, err := s.SignInWith(ctx, careid.Use{Authenticator: mail}, app.Use())
		return err
	}
	require.ErrorContains(t, as(later), "does not open")
	require.NoError(t, as(both), "sealed under the earlier one")
	require.NoError(t, as(later), "and sealed again by that")
	require.ErrorContains(t, as(h.Service), "does not open", "the key before opens it no more")
	back := h.Config
	back.EarlierAuthenticatorKeys = [][]byte{next.AuthenticatorKey}
	restored, err := careid.New(back)
	require.NoError(t, err)
	require.NoError(t, as(restored))
	for name, c := range map[string]func(*careid.Config){
		"need an AuthenticatorKey": func(c *careid.Config) { c.AuthenticatorKey = nil },
		"32 bytes":                 func(c *careid.Config) { c.EarlierAuthenticatorKeys = [][]byte{nil} },
	} {
		bad := next
		c(&bad)
		_, err := careid.New(bad)
		require.ErrorContains(t, err, name)
	}
}
