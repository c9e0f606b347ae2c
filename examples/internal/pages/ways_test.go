// SPDX-License-Identifier: Apache-2.0

package pages_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages/pagestest"
)

const secret = "Two-herons-7-by-the-long-pond"

// shown is what the script of the page sends for an account and an app.
func shown(address, password, code string, purpose careid.Purpose) *strings.Reader {
	text, _ := json.Marshal(map[string]any{"address": address, "password": password, "code": code, "purpose": purpose}) // strings always marshal
	return strings.NewReader(string(text))
}

// byApp is a hospital with mail accounts, and a nurse who has one and an app.
func byApp(t *testing.T) (*pagestest.Site, *careidtest.App) {
	t.Helper()
	s := pagestest.Open(t, pagestest.Config{Mount: mount, Mail: true, People: []careidtest.Persona{{Given: "Noor", Family: "Rahman"}}})
	return s, s.MailAndApp(s.Nurse, "asha.patel@nhs.net", secret)
}

func TestApp(t *testing.T) {
	s, app := byApp(t)
	b := s.Stranger()
	require.Contains(t, b.Get("/signin").Body, `id="app" method="post" action="/signin/app" data-purpose="signin"`)
	t.Run("a password and a code sign in, and say so", func(t *testing.T) {
		code := string(app.Code())
		require.Empty(t, b.Refused(http.MethodPost, "/signin/app", shown("Asha.Patel@nhs.net", secret, code[:3]+" "+code[3:], careid.SignIn)))
		in := b.Session()
		require.Equal(t, s.Nurse.Profile.ID, in.Profile)
		require.Equal(t, "AAL2_ANY", in.ACR)
		require.ElementsMatch(t, []string{"NHSMAIL", "TOTP"}, in.AMR)
	})
	t.Run("a code works once", func(t *testing.T) {
		require.Equal(t, "totp.code", s.Stranger().Refused(http.MethodPost, "/signin/app", shown("asha.patel@nhs.net", secret, string(app.Code()), careid.SignIn)))
	})
	t.Run("another sign-in ends the one before, under a new id", func(t *testing.T) {
		s.Clock.Add(time.Minute)
		before := b.Token()
		require.Empty(t, b.Refused(http.MethodPost, "/signin/app", shown("asha.patel@nhs.net", secret, string(app.Code()), careid.SignIn)))
		require.NotEqual(t, before, b.Token())
		_, err := s.Care.Session(t.Context(), before)
		require.Equal(t, "session.ended", wardkey.RuleOf(err))
	})
	t.Run("the session goes on by the same two, to the end that it had", func(t *testing.T) {
		s.Clock.Add(time.Hour)
		page := b.Get("/signin/again?next=/mine")
		require.Contains(t, page.Body, "Show again who you are")
		require.Contains(t, page.Body, `data-purpose="stepup"`)
		require.Contains(t, page.Body, `data-then="/mine"`)
		was := b.Session()
		require.Empty(t, b.Refused(http.MethodPost, "/signin/app", shown("asha.patel@nhs.net", secret, string(app.Code()), careid.StepUp)))
		is := b.Session()
		require.NotEqual(t, was.ID, is.ID)
		require.Equal(t, was.ExpiresAt, is.ExpiresAt)
		require.Equal(t, s.Clock.Now(), is.AuthTime)
	})
	t.Run("what asks for more shows the card, and then is done", func(t *testing.T) {
		page := b.Post("/sample", "/app", url.Values{"name": {"another phone"}})
		require.Equal(t, http.StatusUnauthorized, page.Status, page.Body)
		require.Contains(t, page.Body, "What you signed in with is not enough for this.")
		require.Contains(t, page.Body, `name="name" value="another phone"`)
		require.Contains(t, page.Body, `id="task"`)
		require.NotContains(t, page.Body, `id="app"`)
	})
}

// What the rules in force leave of this way.
func TestAppByTheRules(t *testing.T) {
	for name, rule := range map[string]string{
		"everybody signs in at AAL3":          `{"id": "signin.aal", "value": 3, "unit": "count", "tighter": "higher",`,
		"a password and a code are one thing": `{"id": "authenticator.combined.aal", "value": 1, "unit": "count", "tighter": "lower",`,
	} {
		t.Run(name, func(t *testing.T) {
			s := pagestest.Open(t, pagestest.Config{Mount: mount, Mail: true, Rules: `{"sources": {"Trust": {"document": "The ward's own", "date": "2026-01-01"}},
				"refusals": [], "rules": [` + rule + ` "from": "2026-01-01", "zone": "Europe/London", "source": "Trust"}]}`})
			require.NotContains(t, s.Stranger().Get("/signin").Body, `id="app"`, "what signs nobody in is not offered")
		})
	}
}

// A password that has expired is no factor. Who knows it is told so, and nobody else.
func TestExpiredPassword(t *testing.T) {
	s, app := byApp(t)
	account, err := s.Mail.Accounts.Account(t.Context(), "asha.patel@nhs.net")
	require.NoError(t, err)
	for s.Clock.Now().Before(account.PasswordExpires) { // an account that is not used would be deleted by then
		require.NoError(t, s.Mail.Used(t.Context(), account.Address))
		s.Clock.Add(20 * 24 * time.Hour)
	}
	b := s.Stranger()
	require.Equal(t, "mail.aup.pending", b.Refused(http.MethodPost, "/signin/app", shown(account.Address, secret, string(app.Code()), careid.SignIn)))
	require.Empty(t, b.Token())
	require.Equal(t, "mail.password.wrong", b.Refused(http.MethodPost, "/signin/app", shown(account.Address, "guess", string(app.Code()), careid.SignIn)))
}

// An account that nobody has activated is as good as none: trying it takes as long.
func TestUnactivatedIsNoAccount(t *testing.T) {
	s := pagestest.Open(t, pagestest.Config{Mount: mount, Mail: true})
	s.Unactivated("tom.birch@nhs.net")
	check := pages.PasswordOf(s.Mail.Accounts)
	took := map[string]time.Duration{}
	for range 7 { // the quickest of several: a busy machine only makes them slower
		for _, address := range []string{"tom.birch@nhs.net", "nobody@nhs.net"} {
			began := time.Now()
			require.Equal(t, "mail.password.wrong", wardkey.RuleOf(check(t.Context(), address, []byte("guess"))))
			if now := time.Since(began); took[address] == 0 || now < took[address] {
				took[address] = now
			}
		}
	}
	require.Greater(t, 4*took["tom.birch@nhs.net"], took["nobody@nhs.net"], "a hash is computed for the one as for the other")
}

// The password that was asked for leaves no session of the mail account.
func TestPasswordLeavesNoSession(t *testing.T) {
	s, app := byApp(t)
	sessions := func() (n int) {
		require.NoError(t, s.DB.QueryRowContext(t.Context(), "SELECT count(*) FROM mail_session WHERE address = ?", "asha.patel@nhs.net").Scan(&n))
		return n
	}
	before := sessions() // of the first login
	require.Empty(t, s.Stranger().Refused(http.MethodPost, "/signin/app", shown("asha.patel@nhs.net", secret, string(app.Code()), careid.SignIn)))
	require.Equal(t, "totp.code", s.Stranger().Refused(http.MethodPost, "/signin/app", shown("asha.patel@nhs.net", secret, "000000", careid.SignIn)))
	require.Equal(t, before, sessions())
}

// The attacks on this way in.
func TestAppAttacked(t *testing.T) {
	s, app := byApp(t)
	now := func() string { return string(app.Code()) }
	tries := func() (n int) {
		require.NoError(t, s.DB.QueryRow("SELECT tries FROM careid_authenticator WHERE id = ?", app.ID).Scan(&n))
		return n
	}
	t.Run("threat001", func(t *testing.T) { // who doesn't know the password learns nothing of the code, and counts nothing
		for _, password := range []string{"", "wrong but long enough"} {
			require.Equal(t, "mail.password.wrong", s.Stranger().Refused(http.MethodPost, "/signin/app", shown("asha.patel@nhs.net", password, now(), careid.SignIn)))
		}
		require.Equal(t, "mail.password.wrong", s.Stranger().Refused(http.MethodPost, "/signin/app", shown("nobody@nhs.net", secret, now(), careid.SignIn)))
		require.Zero(t, tries())
	})
	t.Run("a sign-in that got half of it right leaves nothing behind", func(t *testing.T) {
		s.Clock.Add(time.Hour)
		b := s.Stranger()
		require.Equal(t, "totp.code", b.Refused(http.MethodPost, "/signin/app", shown("asha.patel@nhs.net", secret, "000000", careid.SignIn)))
		require.Equal(t, "mail.password.wrong", b.Refused(http.MethodPost, "/signin/app", shown("asha.patel@nhs.net", "", now(), careid.SignIn)))
		require.Empty(t, b.Token())
		require.Empty(t, b.Refused(http.MethodPost, "/signin/app", shown("asha.patel@nhs.net", secret, now(), careid.SignIn)))
	})
	t.Run("another person's account", func(t *testing.T) {
		s.MailAccount("noor.rahman@nhs.net", secret)
		require.Equal(t, "authenticator.none", s.Stranger().Refused(http.MethodPost, "/signin/app", shown("noor.rahman@nhs.net", secret, now(), careid.SignIn)), "not registered")
		_, err := s.Register(t.Context(), s.People[0], careid.KindMailAccount, "noor.rahman@nhs.net")
		require.NoError(t, err)
		require.Equal(t, "signin.weak", s.Stranger().Refused(http.MethodPost, "/signin/app", shown("noor.rahman@nhs.net", secret, now(), careid.SignIn)), "without an app of her own")
		own, err := s.RegisterApp(t.Context(), s.People[0])
		require.NoError(t, err)
		s.Clock.Add(time.Minute)
		require.Equal(t, "totp.code", s.Stranger().Refused(http.MethodPost, "/signin/app", shown("noor.rahman@nhs.net", secret, now(), careid.SignIn)))

		t.Run("threat059", func(t *testing.T) { // it does not go on with the nurse's session
			nurse := s.Stranger()
			require.Empty(t, nurse.Refused(http.MethodPost, "/signin/app", shown("asha.patel@nhs.net", secret, now(), careid.SignIn)))
			require.Equal(t, "proof.purpose", nurse.Refused(http.MethodPost, "/signin/app", shown("noor.rahman@nhs.net", secret, string(own.Code()), careid.StepUp)))
			require.Equal(t, s.Nurse.Profile.ID, nurse.Session().Profile)
		})
	})
	t.Run("threat061", func(t *testing.T) { // a session by card stands on the card
		card := s.SignedIn(s.Nurse)
		s.Clock.Add(time.Hour)
		require.Equal(t, "proof.purpose", card.Refused(http.MethodPost, "/signin/app", shown("asha.patel@nhs.net", secret, now(), careid.StepUp)))
		require.NotContains(t, card.Get("/signin/again").Body, `id="app"`)
	})
	t.Run("threat059/a cookie that was planted", func(t *testing.T) {
		s.Clock.Add(time.Hour)
		planted := "planted-planted-planted-planted"
		victim := s.With(planted)
		require.Empty(t, victim.Refused(http.MethodPost, "/signin/app", shown("asha.patel@nhs.net", secret, now(), careid.SignIn)))
		require.NotEqual(t, planted, victim.Token())
		_, err := s.Care.Session(t.Context(), planted)
		require.Equal(t, "session.none", wardkey.RuleOf(err))
	})
	t.Run("a page of another site signs nobody in", func(t *testing.T) {
		s.Clock.Add(time.Hour)
		for header, value := range map[string]string{"Origin": "http://evil.test", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Site ": "same-site"} {
			for _, kind := range []string{"application/json", "application/x-www-form-urlencoded", "text/plain"} {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/signin/app", shown("asha.patel@nhs.net", secret, now(), careid.SignIn))
				require.NoError(t, err)
				r.Header.Set("Content-Type", kind)
				r.Header.Set(strings.TrimSpace(header), value)
				got, err := http.DefaultClient.Do(r)
				require.NoError(t, err)
				require.Empty(t, got.Cookies())
				no, err := wardkey.ParseRefusal(got)
				require.NoError(t, err)
				require.NoError(t, got.Body.Close())
				require.Equal(t, "origin.refused", no.Rule)
			}
		}
		require.Zero(t, tries())
	})
	t.Run("an activation password opens nothing, and stays good", func(t *testing.T) {
		s.Unactivated("tom.birch@nhs.net")
		activation := s.Activation("tom.birch@nhs.net")
		require.Equal(t, "mail.password.wrong", s.Stranger().Refused(http.MethodPost, "/signin/app", shown("tom.birch@nhs.net", activation, "000000", careid.SignIn)))
		_, err := s.Mail.SignIn(t.Context(), "tom.birch@nhs.net", []byte(activation))
		require.NoError(t, err)
	})
	t.Run("a purpose that is none counts nothing", func(t *testing.T) {
		s.Clock.Add(time.Hour)
		for _, purpose := range []careid.Purpose{careid.Presence, "stepUp"} {
			require.Equal(t, "request.invalid", s.Stranger().Refused(http.MethodPost, "/signin/app", shown("asha.patel@nhs.net", secret, "000000", purpose)))
		}
		require.Zero(t, tries())
	})
	t.Run("the way back leads nowhere else", func(t *testing.T) {
		b := s.SignedIn(s.Nurse)
		for _, next := range []string{"https://evil.test/", "//evil.test", `/\evil.test`, "javascript:alert(1)"} {
			require.Contains(t, b.Get("/signin/again?next="+url.QueryEscape(next)).Body, `data-then="/"`, next)
		}
	})
}

// from is a sign-in by an account and an app that comes from an address.
func from(t *testing.T, s *pagestest.Site, source string, body io.Reader) *wardkey.Refusal {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/signin/app", body)
	r.Header.Set("Content-Type", "application/json")
	r.RemoteAddr = net.JoinHostPort(source, "1000") // a test has no address but loopback's to ask from
	w := httptest.NewRecorder()
	s.Handler.ServeHTTP(w, r)
	got := w.Result()
	if got.StatusCode < http.StatusBadRequest {
		return nil
	}
	no, err := wardkey.ParseRefusal(got)
	require.NoError(t, err)
	return no
}

// One password on many accounts: no account counts more than one try.
func TestAppSprayed(t *testing.T) {
	s, app := byApp(t)
	rules, err := os.ReadFile("rules.json")
	require.NoError(t, err)
	book, err := wardkey.ParseRulebook(rules)
	require.NoError(t, err)
	burst, err := book.Int("rate.password.burst", s.Clock.Now())
	require.NoError(t, err)
	for i := range burst {
		no := from(t, s, "127.0.0.1", shown(fmt.Sprintf("nobody.%d@nhs.net", i), "Summer-2026-by-the-sea", "000000", careid.SignIn))
		require.Equal(t, "mail.password.wrong", wardkey.RuleOf(no))
	}
	mine := func() *strings.Reader {
		s.Clock.Add(time.Minute) // for another code; the calendar opens nothing here
		return shown("asha.patel@nhs.net", secret, string(app.Code()), careid.SignIn)
	}
	t.Run("threat001", func(t *testing.T) { // the next guess is not even looked at, be it the right one
		no := from(t, s, "127.0.0.1", mine())
		require.Equal(t, "rate.refused", wardkey.RuleOf(no))
		require.Equal(t, http.StatusTooManyRequests, no.Status)
		require.Equal(t, s.Wall.Now().Add(time.Minute), no.RetryAt)
		require.Equal(t, "rate.refused", wardkey.RuleOf(from(t, s, "127.0.0.2", mine())), "another address of the same machine")
	})
	t.Run("the person signs in from elsewhere", func(t *testing.T) {
		require.Nil(t, from(t, s, "192.0.2.7", mine()))
	})
	t.Run("and from there again after a minute", func(t *testing.T) {
		s.Wall.Add(time.Minute)
		require.Nil(t, from(t, s, "127.0.0.1", mine()))
	})
}
