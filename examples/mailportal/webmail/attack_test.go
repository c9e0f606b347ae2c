// SPDX-License-Identifier: Apache-2.0

package webmail_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/examples/mailportal/webmail"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// locked guesses until an account is locked.
func (s *town) locked(address string) {
	s.t.Helper()
	for range 5 {
		s.visitor().signIn(address, "not the password")
	}
	account, err := s.Account(s.t.Context(), address)
	require.NoError(s.t, err)
	require.Equal(s.t, mailpolicy.Locked, account.State)
}

// A page of another site unlocks nothing, though the victim's browser has all that
// is needed and sends it along.
func TestForgedUnlock(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	s.registered(home, asha)
	victim := s.settled(asha)
	s.locked(asha)
	page := victim.submit("/recover", "/recover", url.Values{"address": {asha}}).body
	page = victim.post("/recover/answers", url.Values{"address": {asha}, "answer": asked(page), "digits": {"0123"}}).body
	require.Contains(t, page, "/recover/finish")
	code := s.texted("one-time code to open "+asha, 0)

	forged := map[string]url.Values{
		"/recover/finish":        {"outcome": {"unlock"}, "code": {code}},
		"/desk/state":            {"address": {asha}, "to": {"unlock"}},
		"/signout":               {},
		"/signout/everywhere":    {},
		"/desk/grant":            {"site": {home}, "of": {"shared"}, "more": {"9"}, "reason": {"because"}},
		"/account/mobile/delete": {"warned": {"yes"}},
		"/signin":                {"address": {asha}, "password": {secret}},
	}
	for path, fields := range forged {
		for name, headers := range map[string]map[string]string{
			"another site":              {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
			"another port, or http":     {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"},
			"a browser without the one": {"Origin": "https://evil.example"},
			"a hidden origin":           {"Origin": "null"},
		} {
			t.Run(name+" "+path, func(t *testing.T) {
				r := victim.request(http.MethodPost, path, fields)
				for name, value := range headers {
					r.Header.Set(name, value)
				}
				got := victim.send(r)
				require.Equal(t, http.StatusForbidden, got.status)
				require.Contains(t, got.body, "<code>origin.refused</code>")
				require.Empty(t, got.header.Values("Set-Cookie"))
			})
		}
	}
	account, err := s.Account(t.Context(), asha)
	require.NoError(t, err)
	require.Equal(t, mailpolicy.Locked, account.State)
	require.NotEmpty(t, account.Mobile)

	t.Run("a link changes nothing", func(t *testing.T) {
		for path, fields := range forged {
			if path == "/signin" {
				continue // it has a page
			}
			require.Equal(t, http.StatusNotFound, victim.get(path+"?"+fields.Encode()).status, path)
		}
	})
	t.Run("the page itself does", func(t *testing.T) {
		require.Equal(t, "/signin?told=unlocked", victim.post("/recover/finish", forged["/recover/finish"]).path)
	})
}

func TestFixation(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	s.registered(home, asha, ben)
	attacker := s.settled(ben)

	t.Run("threat059", func(t *testing.T) {
		t.Run("a planted session that is the attacker's own", func(t *testing.T) {
			planted := attacker.token()
			victim := s.visitor()
			victim.plant(planted)
			require.Equal(t, "/first", victim.signIn(asha, s.texted("to activate "+asha, 0)).path)
			require.NotEqual(t, planted, victim.token())
			require.Contains(t, victim.get("/account").body, asha)

			thief := s.visitor()
			thief.plant(planted)
			require.Equal(t, "/signin?told=session", thief.get("/account").path, "whoever was signed in with this browser is not any more")
		})
		t.Run("a planted token of nobody", func(t *testing.T) {
			const planted = "cGxhbnRlZC1wbGFudGVkLXBsYW50ZWQtcGxhbnRlZC0"
			victim := s.visitor()
			victim.plant(planted)
			require.Equal(t, "/account", victim.signIn(ben, secret).path)
			require.NotEqual(t, planted, victim.token())
			_, err := s.Session(t.Context(), planted)
			require.Equal(t, "mail.session", wardkey.RuleOf(err))
		})
		t.Run("another session planted beside the holder's", func(t *testing.T) {
			// A program on another port of this machine sets a cookie for a longer path, which browsers send first.
			victim := s.visitor()
			require.Equal(t, "/account", victim.signIn(ben, secret).path)
			at, err := url.Parse(s.url)
			require.NoError(t, err)
			other := s.visitor()
			require.Equal(t, "/account", other.signIn(ben, secret).path)
			victim.http.Jar.SetCookies(at, []*http.Cookie{{Name: "mailportal-session", Value: other.token(), Path: "/account"}})
			require.Equal(t, "/signin?told=session", victim.get("/account").path, "none of two is taken for the holder's")
			require.NotEqual(t, "/account?told=hidden", victim.post("/account/mobile/hide", url.Values{"hidden": {"yes"}}).path)
		})
		t.Run("the password of one's own ends what was opened with the one before", func(t *testing.T) {
			one, two := s.visitor(), s.visitor()
			one.signIn(ben, secret)
			two.signIn(ben, secret)
			stale := two.token()
			got := two.submit("/account", "/account/password", url.Values{"current": {secret}, "new": {newSecret}})
			require.Equal(t, "/account?told=password", got.path, got.body)
			require.NotEqual(t, stale, two.token())
			require.Equal(t, "/signin?told=session", one.get("/account").path)
		})
	})
	t.Run("the cookie is for this portal's pages alone", func(t *testing.T) {
		r := s.visitor().request(http.MethodPost, "/signin", url.Values{"address": {ben}, "password": {newSecret}})
		r.Header.Set("Origin", s.url)
		got, err := http.DefaultTransport.RoundTrip(r)
		require.NoError(t, err)
		require.NoError(t, got.Body.Close())
		require.Len(t, got.Cookies(), 1)
		c := got.Cookies()[0]
		require.True(t, c.HttpOnly)
		require.Equal(t, http.SameSiteStrictMode, c.SameSite)
	})
}

// Signing out ends what this browser had, and no more unless that is asked for.
func TestSignOut(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	s.registered(home, asha)
	one, two, three := s.settled(asha), s.visitor(), s.visitor()
	for _, v := range []*visitor{two, three} {
		require.Equal(t, "/account", v.signIn(asha, secret).path)
	}
	stale := one.token()
	require.Equal(t, "/signin?told=out", one.post("/signout", nil).path)
	require.Empty(t, one.token())
	one.plant(stale)
	require.Equal(t, "/signin?told=session", one.get("/account").path, "the session is over, and not the cookie alone")
	require.Equal(t, "/account", two.get("/account").path)

	before := two.token()
	require.Equal(t, "/account", two.signIn(asha, secret).path)
	other := s.visitor()
	other.plant(before)
	require.Equal(t, "/signin?told=session", other.get("/account").path, "the session before it is not left behind")
	before = two.token()
	two.submit("/account", "/account/mobile", url.Values{"mobile": {"07700 900456"}, "current": {secret}})
	other.plant(before)
	require.Equal(t, "/signin?told=session", other.get("/account").path, "nor is the one that asked for the password again")

	require.Equal(t, "/signin?told=everywhere", two.submit("/account", "/signout/everywhere", nil).path)
	require.Equal(t, "/signin?told=session", three.get("/account").path)
	require.Equal(t, "/signin?told=out", three.post("/signout", nil).path, "over already")
	require.Equal(t, "/account", two.signIn(asha, secret).path)
	require.Equal(t, "/signin?told=session", three.post("/signout/everywhere", nil).path, "with a session that is over nobody is known")
	require.Equal(t, "/account", two.get("/account").path)
	program := three.request(http.MethodPost, "/signout/everywhere", nil)
	program.Header.Set("Accept", "application/json")
	got := three.send(program)
	require.Equal(t, http.StatusUnauthorized, got.status)
	require.Contains(t, got.body, "mail.session")
}

// The owner of one site's mailbox rules over no other's.
func TestAnotherSitesOwner(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	s.registered(home, asha, ben)
	s.registered(other, cara)
	owner, stranger, colleague := s.settled(asha), s.settled(cara), s.settled(ben)
	require.Contains(t, owner.submit("/site", "/site/shared", nil).body, "care.VLX12@nhs.net")
	require.Contains(t, stranger.submit("/site", "/site/shared", nil).body, "care.VLX34@nhs.net")

	t.Run("threat054", func(t *testing.T) {
		for name, attack := range map[string]struct {
			by         *visitor
			path, rule string
			fields     url.Values
		}{
			"makes themselves owner":      {stranger, "/site/members", "mail.shared.member", url.Values{"shared": {"care.VLX12@nhs.net"}, "address": {cara}, "as": {"owner"}}},
			"lets somebody in":            {stranger, "/site/members", "mail.shared.member", url.Values{"shared": {"care.VLX12@nhs.net"}, "address": {ben}, "as": {"member"}}},
			"takes the owner out":         {stranger, "/site/members/remove", "mail.shared.member", url.Values{"shared": {"care.VLX12@nhs.net"}, "address": {asha}}},
			"lets their own people in":    {stranger, "/site/members", "mail.account.unknown", url.Values{"shared": {"care.VLX34@nhs.net"}, "address": {ben}, "as": {"owner"}}},
			"marks a leaver":              {stranger, "/site/leaver", "mail.account.unknown", url.Values{"address": {asha}}},
			"writes in its name":          {stranger, "/compose/send", "mail.shared.member", url.Values{"from": {"care.VLX12@nhs.net"}, "to": {ben}, "subject": {"hello"}}},
			"a colleague grants":          {colleague, "/site/members", "mail.shared.member", url.Values{"shared": {"care.VLX12@nhs.net"}, "address": {ben}, "as": {"owner"}}},
			"a colleague marks a leaver":  {colleague, "/site/leaver", "mail.leaver.owner", url.Values{"address": {asha}}},
			"nobody who is signed in":     {s.visitor(), "/site/members", "mail.session", url.Values{"shared": {"care.VLX12@nhs.net"}, "address": {ben}, "as": {"owner"}}},
			"the last owner goes":         {owner, "/site/members/remove", "mail.shared.lastowner", url.Values{"shared": {"care.VLX12@nhs.net"}, "address": {asha}}},
			"the last owner steps down":   {owner, "/site/members", "mail.shared.lastowner", url.Values{"shared": {"care.VLX12@nhs.net"}, "address": {asha}, "as": {"member"}}},
			"the last owner leaves":       {owner, "/site/leaver", "mail.shared.lastowner", url.Values{"address": {asha}}},
			"something that is no role":   {owner, "/site/members", "mail.shared.owner", url.Values{"shared": {"care.VLX12@nhs.net"}, "address": {ben}, "as": {"god"}}},
			"a second mailbox":            {owner, "/site/shared", "mail.quota.shared", nil},
			"the mailbox itself signs in": {s.visitor(), "/signin", "mail.shared.password", url.Values{"address": {"care.VLX12@nhs.net"}, "password": {secret}}},
		} {
			t.Run(name, func(t *testing.T) { attack.by.rule(attack.rule, attack.by.post(attack.path, attack.fields)) })
		}
		boxes, err := s.SiteShared(t.Context(), home)
		require.NoError(t, err)
		require.Equal(t, []string{asha}, boxes[0].Owners)
		require.Empty(t, boxes[0].Members)
	})
}

// One source can't try one password on everybody, nor begin everybody's recovery.
func TestSprayed(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	s := open(t, func(c *webmail.Config) {
		c.Wall = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	})
	s.registered(home, asha)
	s.settled(asha) // signs in once
	v := s.visitor()
	t.Run("threat001", func(t *testing.T) {
		for i := range 29 {
			somebody := fmt.Sprintf("nobody%d@nhs.net", i)
			v.rule("mail.password.wrong", v.signIn(somebody, secret))
			require.Equal(t, http.StatusOK, v.submit("/recover", "/recover", url.Values{"address": {somebody}}).status)
		}
		v.rule("mail.password.wrong", v.signIn("last@nhs.net", secret))
		got := v.rule("rate.refused", v.signIn(asha, secret))
		require.Equal(t, http.StatusTooManyRequests, got.status)
		require.Contains(t, got.body, "Wait a minute")
		for _, form := range []string{"/recover", "/recover/answers", "/recover/finish"} {
			v.rule("rate.refused", v.post(form, url.Values{"address": {asha}}))
		}
		require.Equal(t, http.StatusOK, v.get("/signin").status)
	})
	mu.Lock()
	now = now.Add(2 * time.Second)
	mu.Unlock()
	require.Equal(t, "/account", v.signIn(asha, secret).path, "and her account is as it was")
}

// same takes out of a page what is the caller's own or drawn: the address, and the
// security questions.
func same(page string) string {
	page = regexp.MustCompile(`[a-z.]+@nhs\.net`).ReplaceAllString(page, "ADDRESS")
	return regexp.MustCompile(`(<label for="a\d">)[^<]*`).ReplaceAllString(page, "${1}QUESTION")
}

// The form of a recovery tells nobody who has an account: an address that nobody
// has, one whose holder can't recover and one whose holder can are told the same
// at each step, and are blocked alike. A holder's own questions can be told from
// invented ones, which is how the published procedure works; an account without
// any can't be told from none.
func TestEnumeration(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	s.registered(home, asha, ben)
	s.settled(asha)
	addresses := []string{asha, ben, "nobody.here@nhs.net"}

	t.Run("threat008", func(t *testing.T) {
		var first []shown
		for _, address := range addresses {
			got := s.visitor().submit("/recover", "/recover", url.Values{"address": {address}})
			require.Equal(t, http.StatusOK, got.status)
			require.Len(t, regexp.MustCompile(`<label for="a\d">`).FindAllString(got.body, -1), 2)
			first = append(first, got)
		}
		for _, got := range first[1:] {
			require.Equal(t, same(first[0].body), same(got.body))
			require.Equal(t, first[0].header.Get("Content-Type"), got.header.Get("Content-Type"))
			require.Equal(t, len(first[0].header), len(got.header))
		}
		for i, address := range addresses[1:] {
			again := s.visitor().submit("/recover", "/recover", url.Values{"address": {address}})
			require.Equal(t, first[i+1].body, again.body, "the same questions each time, as a holder's own are")
		}
	})
	t.Run("threat008/answers", func(t *testing.T) {
		var pages []string
		for _, address := range addresses {
			v := s.visitor()
			v.post("/recover", url.Values{"address": {address}})
			all := ""
			for range 4 {
				got := v.post("/recover/answers", url.Values{"address": {address}, "answer": {"wrong", "wrong"}, "digits": {"0123"}})
				all += fmt.Sprint(got.status) + same(got.body)
			}
			all = regexp.MustCompile(`<dt>Try again</dt><dd>[^<]*`).ReplaceAllString(all, "")
			pages = append(pages, all)
		}
		require.Contains(t, pages[0], "mail.recovery.answers")
		require.Contains(t, pages[0], "mail.recovery.")
		require.Equal(t, pages[0], pages[1])
		require.Equal(t, pages[0], pages[2])
	})
	t.Run("threat008/the button", func(t *testing.T) {
		require.NotContains(t, s.visitor().get("/signin?address="+asha).body, "Unlock Account")
		wrong := s.visitor().signIn("nobody.here@nhs.net", "not the password")
		known := s.visitor().signIn(ben, "not the password")
		require.Equal(t, wrong.status, known.status)
		require.Equal(t, same(wrong.body), same(known.body))
	})
}

// What is texted is on the phone and nowhere else: no page, no header, no log.
func TestWhereSecretsShow(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	v := s.visitor()
	pages := []shown{
		v.post("/register", url.Values{"applicant": {"Mo"}, "name": {"Home"}, "ods": {home}}),
		v.post("/apply", url.Values{"site": {home}, "applicant": {"Mo"}, "name": {"Asha Patel"}, "address": {asha}, "mobile": {mobile}, "purpose": {"care"}}),
		v.get("/desk?address=" + asha),
	}
	first := s.texted("to activate "+asha, 0)
	pages = append(pages, v.post("/desk/resend", url.Values{"address": {asha}}))
	second := s.texted("to activate "+asha, 1)
	require.NotEqual(t, first, second)
	pages = append(
		pages, v.signIn(asha, first+"x"), v.signIn(asha, first), v.signIn(asha, second), v.signIn(asha, second), // wrong, dead, right, used
		v.post("/first/password", url.Values{"new": {second}}), v.post("/first/password", url.Values{"new": {"short"}}),
		v.post("/first/questions", url.Values{"question": questions, "answer": {"rex the dog", "hill top", "x"}}),
	)
	require.Equal(t, "/first", pages[6].path)
	t.Run("threat055", func(t *testing.T) {
		v.rule("mail.password.wrong", pages[5]) // the old one, after another was sent
		v.rule("mail.activation.used", pages[7])
		v.rule("mail.password.form", pages[8]) // as the lasting one
	})
	v.rule("mail.questions.form", pages[10])
	require.Contains(t, pages[10].body, `value="First school?"`, "what was typed is not lost")
	v.post("/first/password", url.Values{"new": {secret}})
	v.post("/first/questions", url.Values{"question": questions, "answer": answers()})
	v.post("/first/policy", url.Values{"version": {"1"}})
	page := v.post("/recover", url.Values{"address": {asha}})
	page2 := v.post("/recover/answers", url.Values{"address": {asha}, "answer": asked(page.body), "digits": {"0123"}})
	code := s.texted("one-time code", 0)
	pages = append(
		pages, page, page2, v.post("/recover/finish", url.Values{"outcome": {"unlock-and-reset"}, "code": {"00000000x"}, "new": {newSecret}}),
		v.post("/recover/finish", url.Values{"outcome": {"unlock"}, "code": {code}}),
		v.post("/recover/finish", url.Values{"outcome": {"unlock-and-reset"}, "code": {code}, "new": {newSecret}}),
		v.get("/account"), v.get("/"), v.get("/help"), v.get("/desk?address="+asha),
	)
	secrets := append(answers(), first, second, code, secret, newSecret)
	for _, got := range pages {
		for _, secret := range secrets {
			require.NotContains(t, got.body+got.path+fmt.Sprint(got.header), secret, got.path)
		}
	}
	for _, secret := range append(secrets, v.token()) {
		if secret != "" {
			require.NotContains(t, s.log.String(), secret)
		}
	}
	require.Contains(t, s.log.String(), "mail.activation.used", "the log is written, without them")
	phone := v.get("/phone").body
	require.True(t, strings.Contains(phone, first) && strings.Contains(phone, second) && strings.Contains(phone, code))

	t.Run("no phone where texts really go out", func(t *testing.T) {
		real := open(t, func(c *webmail.Config) { c.Phone, c.Desk = nil, mailpolicy.Actor{} })
		for _, path := range []string{"/phone", "/desk"} {
			require.Equal(t, http.StatusNotFound, real.visitor().get(path).status)
		}
		require.Equal(t, http.StatusNotFound, real.visitor().post("/desk/state", url.Values{"address": {asha}, "to": {"unlock"}}).status)
		require.NotContains(t, real.visitor().get("/").body, `href="/phone"`)
	})
}

// Without the steps that come before it nothing can be skipped by its address.
func TestStepsAreNotSkipped(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	s.registered(home, asha)
	v := s.arrived(asha)
	for _, path := range []string{"/compose", "/site"} {
		v.rule("mail.aup.pending", v.get(path))
	}
	v.rule("mail.aup.pending", v.post("/compose/send", url.Values{"to": {ben}, "subject": {"hello"}}))
	v.rule("mail.aup.pending", v.post("/site/shared", nil))
	t.Run("row141", func(t *testing.T) {
		v.rule("mail.account.mobile", v.post("/account/mobile", url.Values{"mobile": {"07700 900999"}}))
		v.rule("mail.account.mobile", v.post("/account/mobile/hide", url.Values{"hidden": {"yes"}}))
		require.Contains(t, v.submit("/desk?address="+asha, "/desk/correct", url.Values{"address": {asha}, "mobile": {"07700 900999"}}).path, "told=desk")
		require.Equal(t, "/signin?told=session", v.get("/first").path, "what was texted to the wrong number is dead")
		require.Contains(t, v.submit("/desk?address="+asha, "/desk/resend", url.Values{"address": {asha}}).path, "told=desk")
		require.Equal(t, "/first", v.signIn(asha, s.texted("to activate "+asha, 1)).path)
	})
	v.rule("mail.aup.version", v.post("/first/policy", url.Values{"version": {"0"}}))

	v.finish()
	t.Run("a password is not changed by the step that is done", func(t *testing.T) {
		v.rule("step.done", v.post("/first/password", url.Values{"new": {newSecret}}))
		v.rule("step.done", v.post("/first/questions", url.Values{"question": questions, "answer": {"another one", "hill top", "mill lane"}}))
	})
	t.Run("nor by whoever finds the session", func(t *testing.T) {
		v.rule("mail.password.wrong", v.post("/account/password", url.Values{"new": {newSecret}}))
		v.rule("mail.password.wrong", v.post("/account/mobile", url.Values{"mobile": {"07700 900123"}}))
		v.rule("mail.password.wrong", v.post("/account/mobile/delete", url.Values{"warned": {"yes"}}))
		account, err := s.Account(t.Context(), asha)
		require.NoError(t, err)
		require.Equal(t, "+447700900999", account.Mobile)
	})
}

// Another name for this machine is not the portal, and its answers keep scripts
// and frames of others out.
func TestGuard(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	r := s.visitor().request(http.MethodGet, "/", nil)
	r.Host = "rebound.example"
	require.Equal(t, http.StatusMisdirectedRequest, s.visitor().send(r).status)
	got := s.visitor().get("/signin")
	policy := got.header.Get("Content-Security-Policy")
	require.Contains(t, policy, "default-src 'none'")
	require.Contains(t, policy, "script-src 'self'")
	require.Contains(t, policy, "frame-ancestors 'none'")
	require.NotContains(t, policy, "unsafe")
	require.Equal(t, "no-store", got.header.Get("Cache-Control"))
	require.Equal(t, "same-origin", got.header.Get("Cross-Origin-Resource-Policy"), "the phone's texts are no other page's to load")
	require.Equal(t, "same-origin", got.header.Get("Cross-Origin-Opener-Policy"))
	require.Equal(t, http.StatusOK, s.visitor().get("/assets/style.css").status)
	require.Equal(t, http.StatusNotFound, s.visitor().get("/assets/").status, "no list of files")
	s.visitor().rule("request.large", s.visitor().post("/signin", url.Values{"password": {strings.Repeat("x", 1<<20)}}))
	require.Equal(t, http.StatusNotFound, s.visitor().get("/nothing").status)
	for name, body := range map[string]string{"application/json": `{"address":"x"}`, "text/plain": "address=x"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/signin", strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Content-Type", name)
		r.Header.Set("Accept", "application/json")
		got := s.visitor().send(r)
		require.Equal(t, http.StatusBadRequest, got.status)
		require.Contains(t, got.body, "request.invalid")
	}
}
