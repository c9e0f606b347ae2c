// SPDX-License-Identifier: Apache-2.0

package holder_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages/pagestest"
	"github.com/wardkey-sdk/wardkey/examples/myidentity/holder"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

func mount(site *pages.Site, mux *http.ServeMux) error {
	h, err := holder.New(holder.Config{Site: site})
	if err == nil {
		h.Routes(mux)
	}
	return err
}

// found is what a pattern's group is on a page.
func found(t *testing.T, page pagestest.Page, pattern string) string {
	t.Helper()
	match := regexp.MustCompile(pattern).FindStringSubmatch(page.Body)
	require.NotNil(t, match, "%s is not on %s, which is %d:\n%s", pattern, page.Path, page.Status, page.Body)
	return html.UnescapeString(match[1])
}

func TestMy(t *testing.T) {
	s := pagestest.Open(t, pagestest.Config{Mount: mount, People: []careidtest.Persona{careidtest.RenewalDue(), careidtest.LockedNoEmail()}})
	require.Equal(t, http.StatusUnauthorized, s.Stranger().Get("/my").Status)
	nurse := s.SignedIn(s.Nurse)
	t.Run("shows the person and nothing of the mail where there is none", func(t *testing.T) {
		shown := nurse.Get("/my")
		require.Contains(t, shown.Body, "<h1>"+s.Nurse.Profile.Name()+"</h1>")
		require.Contains(t, shown.Body, s.Nurse.Card.Serial)
		require.NotContains(t, shown.Body, "Your certificates end in")
		require.NotContains(t, shown.Body, "/my/unlink")
	})
	t.Run("contacts change while the card was shown lately", func(t *testing.T) {
		require.Equal(t, "/my?told=done", nurse.Submit("/my", "/my/contacts", url.Values{"mobile": {"07700 900456"}}).Path)
		p, err := s.Care.Profile(t.Context(), careid.Operator("test"), s.Nurse.Profile.ID)
		require.NoError(t, err)
		require.Equal(t, "+447700900456", p.Mobile)
		s.Clock.Add(time.Hour)
		shown := nurse.Submit("/my", "/my/contacts", url.Values{"email": {"asha.new@nhs.net"}})
		require.Contains(t, shown.Body, `action="/my/contacts" hidden`)
		require.Contains(t, shown.Body, `name="email" value="asha.new@nhs.net"`)
	})
	t.Run("certificates that end soon are alerted, and renewed here", func(t *testing.T) {
		due := s.SignedIn(s.People[0])
		shown := due.Get("/my")
		require.Contains(t, shown.Body, "Your certificates end in 30 days")
		shown = due.Submit("/my", "/my/acts", url.Values{"kind": {"renew"}})
		require.Contains(t, shown.Body, "<h1>Renew your card</h1>")
		require.Contains(t, shown.Body, "&#34;kind&#34;:&#34;renew&#34;")
		require.Equal(t, "renewal.early", s.SignedIn(s.Nurse).Refused(http.MethodPost, "/my/acts", strings.NewReader(`{"kind":"renew"}`)))
	})
	t.Run("the passcode is between card and holder, who must be reachable", func(t *testing.T) {
		require.Contains(t, nurse.Get("/passcode").Body, "No server learns either of them.")
		require.Contains(t, s.Stranger().Get("/passcode").Body, "&#34;kind&#34;:&#34;passcode&#34;")
		fresh := s.SignedIn(s.Nurse)
		require.Equal(t, "/my?told=done", fresh.Submit("/my", "/my/contacts", url.Values{"email": {""}}).Path)
		require.Equal(t, "passcode.contact", fresh.Refused(http.MethodGet, "/passcode", nil))
	})
	t.Run("the terms are accepted by use, and by a yes", func(t *testing.T) {
		fresh := s.SignedIn(s.Nurse)
		require.Contains(t, fresh.Get("/my").Body, "by using the card")
		shown := fresh.Submit("/my", "/my/terms", nil)
		require.Contains(t, shown.Body, "by your yes")
		require.NotContains(t, shown.Body, "I accept them")
		require.Equal(t, "terms.version", fresh.Refused(http.MethodPost, "/my/terms", strings.NewReader(`{"version":"1066"}`)))
	})
	t.Run("a card is reported lost in two steps", func(t *testing.T) {
		fresh := s.SignedIn(s.Sponsor)
		before, _, _ := strings.Cut(fresh.Get("/my").Body, `action="/my/lost"`)
		step := before[strings.LastIndex(before, "<details"):]
		require.True(t, strings.HasPrefix(step, "<details><summary>Report lost</summary>"), "closed, and without a button")
		fresh.Submit("/my", "/my/lost", url.Values{"card": {s.Sponsor.Card.Serial}})
		require.Equal(t, "session.ended", fresh.Refused(http.MethodGet, "/my", nil))
	})
}

// TestAuthenticators enrols an app from the page alone: what it scans is drawn and
// written there, once.
func TestAuthenticators(t *testing.T) {
	s := pagestest.Open(t, pagestest.Config{Mount: mount})
	nurse := s.SignedIn(s.Nurse)
	const page = "/my/authenticators"
	shown := nurse.Submit(page, page, url.Values{"name": {"my phone"}})
	require.Equal(t, http.StatusOK, shown.Status, shown.Body)
	secret := strings.ReplaceAll(found(t, shown, `type this key into it: <code>([A-Z2-7 ]+)</code>`), " ", "")
	t.Run("the code is drawn as the address says it", func(t *testing.T) {
		require.Regexp(t, `<svg class="qr" viewBox="0 0 \d+ \d+"`, shown.Body)
		path := found(t, shown, `<path d="([^"]+)" fill="#000"`)
		require.True(t, strings.HasPrefix(path, "M4 4h7v1h-7z"), "the corner's mark, inside the quiet zone")
		require.NotContains(t, nurse.Get(page).Body, secret, "it is shown once")
		require.Equal(t, "no-store", shown.Header.Get("Cache-Control"), "and no browser keeps it")
	})
	confirm := found(t, shown, `action="(/my/authenticators/[0-9a-f]+/confirm)"`)
	app, err := s.Scan(&careid.Registered{URI: fmt.Appendf(nil, "otpauth://totp/x?secret=%s", secret)})
	require.NoError(t, err)
	t.Run("a wrong code is told at the form", func(t *testing.T) {
		shown := nurse.Submit(page, confirm, url.Values{"code": {"000000"}})
		require.Contains(t, shown.Body, "<code>totp.code</code>")
		require.Contains(t, shown.Body, "my phone waits for its first code")
	})
	t.Run("the right one makes it good, with a blank in it too", func(t *testing.T) {
		code := app.Code()
		shown := nurse.Submit(page, confirm, url.Values{"code": {string(code[:3]) + " " + string(code[3:])}})
		require.Equal(t, page+"?told=registered", shown.Path, shown.Body)
		require.NotContains(t, shown.Body, "waits for its first code")
		require.Contains(t, shown.Body, "Remove my phone")
	})
	t.Run("and it is removed", func(t *testing.T) {
		remove := found(t, nurse.Get(page), `action="(/my/authenticators/[0-9a-f]+/remove)"`)
		require.Contains(t, nurse.Submit(page, remove, nil).Body, "Your card alone.")
	})
	t.Run("after a while the card is shown again first", func(t *testing.T) {
		s.Clock.Add(time.Hour)
		shown := nurse.Submit(page, page, url.Values{"name": {"my tablet"}})
		require.Contains(t, shown.Body, `data-purpose="stepup"`)
		require.Contains(t, shown.Body, `name="name" value="my tablet"`)
	})
}

func TestEvents(t *testing.T) {
	s := pagestest.Open(t, pagestest.Config{Mount: mount})
	nurse := s.SignedIn(s.Nurse)
	for range 30 { // each sign-in is two events or more
		nurse = s.SignedIn(s.Nurse)
	}
	nurse.Submit("/my", "/my/contacts", url.Values{"mobile": {"07700 900456"}})
	nurse.Refused(http.MethodPost, "/my/acts", strings.NewReader(`{"kind":"renew"}`))
	shown := nurse.Get("/my/events")
	require.Contains(t, shown.Body, "Sign-in with your card")
	require.Contains(t, shown.Body, "Contact details on your profile changed")
	require.Contains(t, shown.Body, `<code class="small">renewal.early</code>`)
	require.NotContains(t, shown.Body, "07700900456")
	earlier := found(t, shown, `href="(/my/events\?before=\d+)"`)
	require.NotContains(t, nurse.Get(earlier).Body, "renewal.early")
	require.Equal(t, "request.invalid", nurse.Refused(http.MethodGet, "/my/events?before=now", nil))
}

func TestSwitchOff(t *testing.T) {
	s := pagestest.Open(t, pagestest.Config{Mount: mount})
	shown := s.Stranger().Get("/my/switch-off") // it speaks of nobody
	require.Equal(t, http.StatusOK, shown.Status)
	book, err := careid.Rules()
	require.NoError(t, err)
	days := careid.SwitchDays(book)
	require.NotEmpty(t, days)
	last := 0
	for _, day := range days {
		at := strings.Index(shown.Body, `datetime="`+day+`"`)
		require.Greater(t, at, last, "%s stands in its order", day)
		last = at
	}
	require.Contains(t, shown.Body, "switched off")
	for _, line := range careid.CapabilitiesAt(book, s.Clock.Now()) {
		require.Contains(t, shown.Body, `<th scope="row">`+strings.ToUpper(string(line.Action[:1]))+string(line.Action[1:])+`</th>`)
	}
	t.Run("on another day the table is another", func(t *testing.T) {
		before := found(t, shown, `(?s)<tbody>(.*)</tbody>`)
		s.Clock.Add(-2 * 365 * 24 * time.Hour)
		require.NotEqual(t, before, found(t, s.Stranger().Get("/my/switch-off"), `(?s)<tbody>(.*)</tbody>`))
	})
}

// A mail account is registered where the browser is signed in to it, by its password, and takes a name like all else.
// A link that is there is shown, and ended here; making one is the link portal's.
func TestLinks(t *testing.T) {
	s := pagestest.Open(t, pagestest.Config{Mount: mount})
	nurse := s.SignedIn(s.Nurse)
	const address = "asha.patel@nhs.net"
	s.Hospital.Mail.Set(address, careidtest.Mailbox{Active: true, PolicyAccepted: true})
	me, err := s.Actor(t.Context(), s.Nurse, careid.Holder)
	require.NoError(t, err)
	_, err = s.Care.Link(t.Context(), me, careid.LinkRequest{Address: address, Workstation: careid.Workstation{
		Client: careid.ClientBrowser, System: careid.Windows11, Browser: careid.Edge, Network: careid.NetworkHSCN, Private: careid.No, CredentialManagement: careid.Yes,
	}})
	require.NoError(t, err)
	require.Contains(t, nurse.Get("/my").Body, address)
	require.Equal(t, "/my?told=unlinked", nurse.Submit("/my", "/my/unlink", url.Values{}).Path)
	require.NotContains(t, nurse.Get("/my").Body, "/my/unlink")
	require.Equal(t, "link.none", nurse.Refused(http.MethodPost, "/my/unlink", strings.NewReader(`{"address":"`+address+`"}`)))
}

func TestMailAccount(t *testing.T) {
	var address string // that the browser is signed in to
	s := pagestest.Open(t, pagestest.Config{Mail: true, Mount: func(site *pages.Site, mux *http.ServeMux) error {
		h, err := holder.New(holder.Config{Site: site, MailAccount: func(*http.Request) (string, error) {
			if address == "" {
				return "", mailpolicy.Rules().Refuse("mail.session")
			}
			return address, nil
		}})
		if err == nil {
			h.Routes(mux)
		}
		return err
	}})
	const page, password = "/my/authenticators", "Two-herons-7-by-the-long-pond"
	nurse := s.SignedIn(s.Nurse)
	require.Contains(t, nurse.Get(page).Body, `First <a href="/mail">sign in to it</a>`)
	require.Equal(t, "mail.session", nurse.Refused(http.MethodPost, page+"/mail", strings.NewReader(`{"password":"`+password+`"}`)))
	require.NotContains(t, nurse.Get(page).Body, "/assets/register.js", "no models are approved here")

	s.MailAccount("asha.patel@nhs.net", password)
	address = "asha.patel@nhs.net"
	t.Run("threat060", func(t *testing.T) { // one that somebody has left open at a kiosk does not become the next person's
		agent := s.SignedIn(s.RAAgent)
		require.Equal(t, "mail.password.wrong", agent.Refused(http.MethodPost, page+"/mail", strings.NewReader(`{"password":""}`)))
		again := agent.Submit(page, page+"/mail", url.Values{"password": {"a-guess-of-hers"}})
		require.Contains(t, again.Body, "<code>mail.password.wrong</code>")
		require.NotContains(t, again.Body, "a-guess-of-hers")
		owned, err := s.Care.CredentialsOf(t.Context(), s.RAAgent.Profile.ID)
		require.NoError(t, err)
		require.Empty(t, owned)
	})
	t.Run("a sign-in of some time ago comes first, and the password is in no page", func(t *testing.T) {
		stale := s.SignedIn(s.Nurse)
		s.Clock.Add(time.Hour)
		again := stale.Submit(page, page+"/mail", url.Values{"password": {password}})
		require.Contains(t, again.Body, "Show your card again")
		require.NotContains(t, again.Body, password)
	})
	nurse = s.SignedIn(s.Nurse)
	shown := nurse.Submit(page, page+"/mail", url.Values{"password": {password}})
	require.Equal(t, page+"?told=account", shown.Path, shown.Body)
	require.Contains(t, shown.Body, "Remove asha.patel@nhs.net")
	require.NotContains(t, shown.Body, `id="addmail"`, "one is enough")
	t.Run("it can't vouch for itself", func(t *testing.T) {
		app, err := s.RegisterApp(t.Context(), s.Nurse)
		require.NoError(t, err)
		s.Clock.Add(time.Minute)
		account, err := s.Care.Credential(t.Context(), []byte(address))
		require.NoError(t, err)
		b := s.SignedInWith(careid.Use{Authenticator: account.ID}, app.Use())
		require.Contains(t, []string{"link.circular", "signin.weaker"}, b.Refused(http.MethodPost, page+"/mail", strings.NewReader(`{"password":"`+password+`"}`)))
	})
	t.Run("a name", func(t *testing.T) {
		nurse := s.SignedIn(s.Nurse)
		rename := found(t, nurse.Get(page), `action="(/my/authenticators/[0-9a-f]+/name)"`)
		shown := nurse.Submit(page, rename, url.Values{"name": {" no"}})
		require.Contains(t, shown.Body, "<code>authenticator.name</code>")
		require.Contains(t, shown.Body, `value=" no"`, "what was typed is there")
		require.Contains(t, nurse.Submit(page, rename, url.Values{"name": {"my mail"}}).Body, "Remove my mail")
	})
	t.Run("another person's is no business of hers", func(t *testing.T) {
		owned, err := s.Care.CredentialsOf(t.Context(), s.Nurse.Profile.ID)
		require.NoError(t, err)
		agent := s.SignedIn(s.RAAgent)
		for _, what := range []string{"/name", "/remove"} {
			require.NotEmpty(t, agent.Refused(http.MethodPost, page+"/"+owned[0].ID+what, strings.NewReader(`{}`)), what)
		}
	})
}
