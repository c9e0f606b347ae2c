// SPDX-License-Identifier: Apache-2.0

package linking_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages/pagestest"
	"github.com/wardkey-sdk/wardkey/examples/linkportal/linking"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// ward is a hospital with the pages, and the mail account that the browser is signed in to.
type ward struct {
	*pagestest.Site

	mu      sync.Mutex
	account string
	log     bytes.Buffer
}

const (
	first    = "asha.patel@nhs.net"
	second   = "asha.patel2@nhs.net"
	password = "Two-herons-7-by-the-long-pond" // of both
)

// idle locks a session whose page is left.
const idle = `{"sources": {"Trust": {"document": "The ward's own", "date": "2026-01-01"}}, "refusals": [], "rules": [
	{"id": "session.idle", "value": 15, "unit": "minutes", "from": "2026-01-01", "zone": "Europe/London", "source": "Trust", "tighter": "lower"}]}`

// open has a site that asks for the password of a mail account where it knows them.
func open(t *testing.T, passwords bool) *ward {
	t.Helper()
	w := &ward{}
	w.Site = pagestest.Open(t, pagestest.Config{Mail: passwords, Rules: idle, Log: slog.New(slog.NewTextHandler(w, nil)), Mount: func(site *pages.Site, mux *http.ServeMux) error {
		l, err := linking.New(linking.Config{Site: site, MailAccount: func(*http.Request) (string, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.account == "" {
				return "", mailpolicy.Rules().Refuse("mail.session")
			}
			return w.account, nil
		}})
		if err == nil {
			l.Routes(mux)
		}
		return err
	}})
	for _, address := range []string{first, second} {
		w.Hospital.Mail.Set(address, careidtest.Mailbox{Active: true, PolicyAccepted: true})
		if passwords {
			w.MailAccount(address, password)
		}
	}
	return w
}

// Write takes the log of the pages.
func (w *ward) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(line)
}

func (w *ward) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

// mail is a sign-in to a mail account, "" for none.
func (w *ward) mail(address string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.account = address
}

// fit is a workstation at which a card can be linked.
func fit() url.Values {
	return url.Values{"system": {"windows-11"}, "browser": {"edge"}, "client": {"browser"}, "network": {"hscn"}, "private": {"no"}, "credentialManagement": {"yes"}, "card": {"yes"}}
}

// proven is that workstation, and what shows that the mail account is one's own.
func proven() url.Values {
	fields := fit()
	fields.Set("password", password)
	return fields
}

func preflight(address string, at url.Values) string {
	q := url.Values{"address": {address}}
	for name, values := range at {
		q[name] = values
	}
	return "/links/preflight?" + q.Encode()
}

func TestLinks(t *testing.T) {
	w := open(t, true)
	nurse := w.SignedIn(w.Nurse)
	require.Equal(t, "session.none", w.Stranger().Refused(http.MethodGet, "/links", nil))

	t.Run("every missing thing at once", func(t *testing.T) {
		w.Hospital.Mail.Set(first, careidtest.Mailbox{Locked: true})
		at := url.Values{"system": {"windows-11"}, "browser": {"firefox"}, "private": {"yes"}, "skew": {"1800"}, "credentialManagement": {"no"}}
		var got struct{ Missing []struct{ Rule string } }
		nurse.JSON(http.MethodGet, preflight(first, at), &got)
		var rules []string
		for _, no := range got.Missing {
			rules = append(rules, no.Rule)
		}
		require.Equal(t, []string{"mail.inactive", "mail.locked", "mail.aup", "device.credmgmt", "browser.unsupported", "browser.private", "device.clock"}, rules)
		shown := nurse.Get(preflight(first, at))
		require.Equal(t, http.StatusOK, shown.Status)
		require.Contains(t, shown.Body, "7 things are missing")
		for _, rule := range rules {
			require.Contains(t, shown.Body, "<code>"+rule+"</code>")
		}
		w.Hospital.Mail.Set(first, careidtest.Mailbox{Active: true, PolicyAccepted: true})
		require.Contains(t, nurse.Get(preflight(first, fit())).Body, "Nothing is missing")
	})
	t.Run("row050", func(t *testing.T) {
		at := fit()
		at.Set("private", "yes")
		require.Contains(t, nurse.Get(preflight(first, at)).Body, "A card does not work in a private window.")
	})
	t.Run("row093", func(t *testing.T) {
		at := fit()
		at.Set("browser", "firefox")
		body := nurse.Get(preflight(first, at)).Body
		require.Contains(t, body, "1 thing is missing")
		require.Contains(t, body, "Use Chrome or the Chromium version of Edge")
		require.Contains(t, body, "2022-11-19")
	})
	t.Run("only the account that this browser is signed in to", func(t *testing.T) {
		require.Contains(t, nurse.Get("/links").Body, "not signed in to a mail account")
		fields := fit()
		fields.Set("address", first)
		for _, account := range []string{"", second} {
			w.mail(account)
			require.Contains(t, nurse.Post("/links", "/links", fields).Body, "<code>link.account</code>")
		}
	})
	t.Run("link", func(t *testing.T) {
		w.mail(first)
		shown := nurse.Submit("/links", "/links", proven())
		require.Equal(t, "/links?told=linked", shown.Path, shown.Body)
		require.Contains(t, shown.Body, "It opens <strong>"+first+"</strong>.")
	})
	t.Run("relink, in one act", func(t *testing.T) {
		w.mail(second)
		w.Hospital.Mail.Set(second, careidtest.Mailbox{Active: true})
		refused := nurse.Submit("/links", "/links/relink", proven())
		require.Contains(t, refused.Body, "<code>mail.aup</code>")
		require.NotContains(t, refused.Body, password, "it is typed again")
		require.Contains(t, nurse.Get("/links").Body, "It opens <strong>"+first+"</strong>.", "and the old link stands")
		w.Hospital.Mail.Set(second, careidtest.Mailbox{Active: true, PolicyAccepted: true})
		shown := nurse.Submit("/links", "/links/relink", proven())
		require.Equal(t, "/links?told=linked", shown.Path, shown.Body)
		require.Contains(t, shown.Body, "It opens <strong>"+second+"</strong>.")
		fields := proven()
		fields.Set("address", second)
		fields.Set("from", "somebody.else@nhs.net")
		require.Contains(t, nurse.Post("/links", "/links/relink", fields).Body, "<code>link.")
	})
	t.Run("suspended by the Registration Authority, and linked again", func(t *testing.T) {
		manager, err := w.Actor(t.Context(), w.RAManager, careid.RAManager)
		require.NoError(t, err)
		require.NoError(t, w.Care.SuspendLink(t.Context(), manager, w.Nurse.Profile.ID, second))
		body := nurse.Get("/links").Body
		require.Contains(t, body, "is suspended")
		require.Contains(t, body, "If the card is safe in your hands, link it again.")
		require.NotContains(t, body, "It opens")
		shown := nurse.Submit("/links", "/links", proven())
		require.Contains(t, shown.Body, "It opens <strong>"+second+"</strong>.")
	})
	t.Run("unlink", func(t *testing.T) {
		shown := nurse.Submit("/links", "/links/unlink", nil)
		require.Equal(t, "/links?told=unlinked", shown.Path)
		require.Contains(t, shown.Body, "It opens no mail account.")
		require.Equal(t, "link.none", nurse.Refused(http.MethodPost, "/links/unlink", strings.NewReader(`{"address":"`+second+`"}`)))
	})
	t.Run("somebody else's link", func(t *testing.T) {
		w.mail(first)
		require.Contains(t, nurse.Submit("/links", "/links", proven()).Body, "It opens")
		sponsor := w.SignedIn(w.Sponsor)
		require.Equal(t, "link.none", sponsor.Refused(http.MethodPost, "/links/unlink", strings.NewReader(`{"address":"`+first+`"}`)))
		require.Contains(t, sponsor.Submit("/links", "/links", proven()).Body, "<code>link.taken</code>")
	})
}

// TestPassword shows whose mail account it is: signed in to is not enough.
func TestPassword(t *testing.T) {
	w := open(t, true)
	linked := func(p careidtest.Person) []careid.Link {
		links, err := w.Care.Links(t.Context(), careid.Operator("test"), p.Profile.ID)
		require.NoError(t, err)
		return links
	}
	t.Run("threat060", func(t *testing.T) { // a mail account that its holder has left open at a kiosk is not linked to the next person's card
		w.mail(first)
		agent := w.SignedIn(w.RAAgent)
		for _, path := range []string{"/links", "/links/relink"} {
			for _, more := range []string{
				`"browser":"edge","private":"no","credentialManagement":"yes"`,
				`"browser":"edge","private":"yes","password":""`, // careid would refuse it, and is not asked
			} {
				require.Equal(t, "mail.password.wrong", agent.Refused(http.MethodPost, path, strings.NewReader(`{"address":"`+first+`",`+more+`}`)))
			}
		}
		guess := fit()
		guess.Set("password", "a-guess-of-hers")
		again := agent.Submit("/links", "/links", guess)
		require.Contains(t, again.Body, "<code>mail.password.wrong</code>")
		require.NotContains(t, again.Body, "a-guess-of-hers")
		require.Contains(t, agent.Submit("/links", "/links", proven()).Body, "<code>mail.account.locked</code>", "the tries count")
		require.Empty(t, linked(w.RAAgent))
	})
	w.mail(second)
	t.Run("who left the page shows their card again, and fills in the form once more", func(t *testing.T) {
		left := w.SignedIn(w.Nurse)
		w.Clock.Add(15 * time.Minute)
		fields := proven()
		fields.Set("address", second)
		again := left.Post("/links", "/links", fields)
		require.Contains(t, again.Body, "your session is locked")
		require.Contains(t, again.Body, `data-then="/links"`)
		require.NotContains(t, again.Body, `id="again"`)
		require.NotContains(t, again.Body, password)
	})
	nurse := w.SignedIn(w.Nurse)
	t.Run("what is missing is told without it, and it is in no address", func(t *testing.T) {
		fields := proven()
		fields.Set("browser", "firefox")
		shown := nurse.Submit("/links", "/links/preflight", fields)
		require.True(t, strings.HasPrefix(shown.Path, "/links/preflight?address="+url.QueryEscape(second)+"&"), shown.Path)
		require.Contains(t, shown.Body, "1 thing is missing")
		require.NotContains(t, shown.Path+shown.Body, password)
		require.Contains(t, nurse.Submit(shown.Path, "/links/preflight", fit()).Body, "Nothing is missing")
		again := nurse.Submit(shown.Path, "/links", url.Values{"password": {password}})
		require.Contains(t, again.Body, "<code>browser.unsupported</code>", "what was declared is still there")
	})
	require.Contains(t, nurse.Submit("/links", "/links", proven()).Body, "It opens <strong>"+second)
	require.NotContains(t, nurse.Get("/links").Body, "/links/preflight", "there is nothing to look for before a move")
	require.Len(t, linked(w.Nurse), 1)
	for _, secret := range []string{password, "a-guess-of-hers"} {
		require.NotContains(t, w.logged(), secret)
	}
	require.Contains(t, w.logged(), "mail.password.wrong")

	t.Run("a site that knows no passwords asks for none", func(t *testing.T) {
		w := open(t, false)
		w.mail(first)
		nurse := w.SignedIn(w.Nurse)
		require.NotContains(t, nurse.Get("/links").Body, `type="password"`)
		require.Contains(t, nurse.Submit("/links", "/links", fit()).Body, "It opens <strong>"+first)
	})
}

// TestMailFails has a mail session that can't be looked up: the page is no guess.
func TestMailFails(t *testing.T) {
	s := pagestest.Open(t, pagestest.Config{Mount: func(site *pages.Site, mux *http.ServeMux) error {
		l, err := linking.New(linking.Config{Site: site, MailAccount: func(*http.Request) (string, error) { return "", io.ErrUnexpectedEOF }})
		if err == nil {
			l.Routes(mux)
		}
		return err
	}})
	require.Equal(t, "internal", s.SignedIn(s.Nurse).Refused(http.MethodGet, "/links", nil))
	_, err := linking.New(linking.Config{})
	require.Error(t, err)
}
