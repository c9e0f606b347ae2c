// SPDX-License-Identifier: Apache-2.0

package webmail_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/examples/mailportal/webmail"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// From the application to an account that does everything.
func TestFirstLogin(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	s.registered(home, asha, ben, "eve.hart@nhs.net")
	t.Run("row142", func(t *testing.T) {
		seen := map[string]bool{}
		for _, address := range []string{asha, ben, "eve.hart@nhs.net"} {
			seen[s.texted("to activate "+address, 0)] = true
		}
		require.Len(t, seen, 3)
		require.Len(t, s.phone.Texts(), 3)
	})
	t.Run("row147", func(t *testing.T) {
		v := s.visitor()
		require.Contains(t, v.get("/").body, `href="/signin"`) // 1: the portal, 2: log in
		page := v.get("/signin").body
		require.Contains(t, page, `name="address"`) // 3
		require.Contains(t, page, `name="password"`)
		require.Equal(t, "/first", v.signIn(asha, s.texted("to activate "+asha, 0)).path) // 4
	})
	steps := map[string]url.Values{
		"/first/password": {"new": {secret}}, "/first/questions": {"question": questions, "answer": answers()}, "/first/policy": {"version": {"1"}},
	}
	for i, order := range [][]string{
		{"/first/policy", "/first/questions", "/first/password"},
		{"/first/questions", "/first/password", "/first/policy"},
		{"/first/password", "/first/policy", "/first/questions"},
	} {
		address := fmt.Sprintf("holder.%c@nhs.net", 'a'+i)
		s.registeredMore(address)
		v := s.arrived(address)
		t.Run("row149/"+order[0], func(t *testing.T) {
			v.rule("mail.aup.pending", v.get("/compose"))
			require.Contains(t, v.get("/account").body, "<span class=\"state\">activated</span>")
		})
		t.Run("row148/"+order[0], func(t *testing.T) {
			for n, step := range order {
				require.Contains(t, v.get("/account").body, "Still to do")
				got := v.submit("/first", step, steps[step])
				if n < 2 {
					require.Equal(t, "/first?told=step", got.path, got.body)
					require.NotContains(t, got.body, `action="`+step+`"`)
				} else {
					require.Equal(t, "/account?told=ready", got.path, got.body)
				}
			}
			require.Contains(t, v.get("/first").body, "Nothing is left to do")
			require.Equal(t, http.StatusOK, v.get("/compose").status)
		})
	}
	t.Run("the next login leads to the steps that are left", func(t *testing.T) {
		v := s.arrived(ben)
		v.submit("/first", "/first/password", url.Values{"new": {secret}})
		require.Contains(t, v.post("/signout", nil).body, "You are signed out in this browser.")
		require.Equal(t, "/signin?told=session", v.get("/first").path)
		require.Equal(t, "/first", v.signIn(ben, secret).path)
	})
}

// registeredMore applies for one more account at the first home.
func (s *town) registeredMore(address string) {
	s.t.Helper()
	got := s.visitor().submit("/apply", "/apply", url.Values{
		"site": {home}, "applicant": {"Mo Reed"}, "name": {"Some Holder"}, "address": {address}, "mobile": {mobile}, "purpose": {"care"},
	})
	require.Contains(s.t, got.path, "told=applied", got.body)
}

// What is refused comes back with the reason and all that was typed.
func TestRegistrationRefused(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	v := s.visitor()
	site := func(change ...string) url.Values {
		f := url.Values{"applicant": {"Mo Reed"}, "name": {"Mill House"}, "ods": {home}, "location": {"1-123"}, "postcode": {"LS1 4AP"}}
		for i := 0; i < len(change); i += 2 {
			f.Set(change[i], change[i+1])
		}
		return f
	}
	for rule, fields := range map[string]url.Values{
		"mail.role": site("applicant", " "), "mail.site.ods": site("ods", "no!"), "mail.site.nocode": site("ods", "", "location", ""),
		"mail.site.form": site("postcode", "nowhere"),
	} {
		got := v.rule(rule, v.submit("/register", "/register", fields))
		require.Contains(t, got.body, `value="Mill House"`)
		require.Contains(t, got.body, "Not done: ")
	}
	require.Contains(t, v.submit("/register", "/register", site()).path, "told=site")
	v.rule("mail.site.exists", v.submit("/register", "/register", site("pharmacy", "yes")))

	t.Run("codes by postcode", func(t *testing.T) {
		require.Contains(t, v.get("/register?postcode=ls14ap").body, "<code>VLX12</code> Mill House")
		require.Contains(t, v.get("/register?postcode=AB1+2CD").body, "mail.site.nopostcode")
		v.submit("/register", "/register", site("ods", other, "name", "The other one"))
		several := v.get("/register?postcode=LS1+4AP").body
		require.Contains(t, several, "mail.site.ambiguous")
		require.Contains(t, several, "<code>VLX34</code>")
		require.Contains(t, several, "0300 303 4034")
	})
	t.Run("row138", func(t *testing.T) {
		for i := range 10 {
			s.registeredMore(fmt.Sprintf("holder.%c@nhs.net", 'a'+i))
		}
		got := v.rule("mail.quota.accounts", v.submit("/apply", "/apply", url.Values{
			"site": {home}, "applicant": {"Mo Reed"}, "name": {"One More"}, "address": {"one.more@nhs.net"}, "mobile": {mobile}, "purpose": {"care"},
		}))
		require.Contains(t, got.body, "digitalsocialcare")
		require.Contains(t, got.body, `value="one.more@nhs.net"`)
	})
	for rule, fields := range map[string]url.Values{
		"mail.site.unknown": {"site": {"ZZZ99"}}, "mail.account.form": {"mobile": {"+1 555 0100"}}, "mail.recipient.address": {"address": {"nobody"}},
	} {
		form := url.Values{
			"site": {other}, "applicant": {"Mo Reed"}, "name": {"One More"}, "address": {"one.more@nhs.net"}, "mobile": {mobile}, "purpose": {"care"},
		}
		for name, value := range fields {
			form[name] = value
		}
		v.rule(rule, v.submit("/apply", "/apply", form))
	}
}

// An account's own page.
func TestOwnAccount(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	s.registered(home, asha, ben)
	v, colleague := s.settled(asha), s.settled(ben)

	t.Run("row157", func(t *testing.T) {
		require.Contains(t, colleague.get("/site").body, "&#43;447700900123</td>")
		require.Equal(t, "/account?told=hidden", v.submit("/account", "/account/mobile/hide", url.Values{"hidden": {"yes"}}).path)
		directory := colleague.get("/site").body
		require.Contains(t, directory, "not shown")
		page := v.post("/recover", url.Values{"address": {asha}}).body
		page = v.post("/recover/answers", url.Values{"address": {asha}, "answer": asked(page), "digits": {"0123"}}).body
		require.Contains(t, page, "The code from the text", "hidden, it still works for recovery")

		got := v.submit("/account", "/account/mobile/delete", nil)
		v.rule("mail.mobile.delete", got)
		require.Contains(t, got.body, "Delete it all the same")
		require.Contains(t, got.body, `id="dpass" name="current"`)
		require.Contains(t, got.body, "&#43;447700900123", "nothing is gone yet")
		require.Equal(t, "/account?told=gone", v.post("/account/mobile/delete", url.Values{"warned": {"yes"}, "current": {secret}}).path)
		page = s.visitor().post("/recover", url.Values{"address": {asha}}).body
		require.Empty(t, asked(page), "the questions are not hers any more")
		require.Equal(t, "/account?told=mobile", v.submit("/account", "/account/mobile", url.Values{"mobile": {"07700 900456"}, "current": {secret}}).path)
		require.Contains(t, v.get("/account").body, "&#43;447700900456")
	})
	t.Run("a refused number is still there", func(t *testing.T) {
		got := v.rule("mail.account.form", v.submit("/account", "/account/mobile", url.Values{"mobile": {"070 0000 0000"}, "current": {secret}}))
		require.Contains(t, got.body, `value="070 0000 0000"`)
		require.NotContains(t, got.body, secret)
	})
	t.Run("row122", func(t *testing.T) {
		require.Contains(t, v.get("/account").body, "Attachments open only on a private computer")
		require.Equal(t, "/account?told=computer", v.submit("/account", "/account/computer", url.Values{"private": {"yes"}}).path)
		require.Contains(t, v.get("/account").body, "They open in this session")
		got := v.submit("/account", "/account/password", url.Values{"current": {secret}, "new": {newSecret}})
		require.Contains(t, got.body, "They open in this session", "the session is another, the computer is not")
		v.submit("/signin", "/signin", url.Values{"address": {asha}, "password": {newSecret}, "private": {"yes"}})
		require.Contains(t, v.get("/account").body, "They open in this session")
	})
	t.Run("row123", func(t *testing.T) {
		const ticked = `value="yes" checked`
		require.Contains(t, s.visitor().get("/signin").body, ticked)
		shared := open(t, func(c *webmail.Config) { c.Device = mailpolicy.SharedDevice })
		require.NotContains(t, shared.visitor().get("/signin").body, ticked)
	})
	t.Run("row176", func(t *testing.T) {
		require.Contains(t, v.get("/account").body, "<dt>Outlook, recommended</dt><dd>password</dd>")
	})
	t.Run("row177", func(t *testing.T) {
		require.Contains(t, v.get("/account").body, "<dt>Mobile</dt><dd>password</dd>")
	})
	t.Run("the calendar is told and kept", func(t *testing.T) {
		require.Contains(t, v.get("/account").body, "<dt>Inactive</dt>")
		s.later(31 * 24 * time.Hour)
		require.Equal(t, "/signin?told=session", v.get("/account").path)
		require.Equal(t, "/account", v.signIn(asha, newSecret).path)
		require.Contains(t, v.get("/account").body, `<span class="state">active</span>`)
	})
	t.Run("a password that is about to expire", func(t *testing.T) {
		for s.clock().Before(time.Date(2027, 11, 3, 0, 0, 0, 0, time.UTC)) {
			s.later(20 * 24 * time.Hour)
			v.signIn(asha, newSecret)
		}
		s.later(time.Date(2027, 11, 4, 8, 59, 59, 0, time.UTC).Sub(s.clock()))
		v.signIn(asha, newSecret)
		require.NotContains(t, v.get("/account").body, "Your password expires")
		s.later(time.Second)
		require.Contains(t, v.get("/account").body, "Your password expires on 22 Nov 2027, 09:00")
	})
}

// A locked account is opened by its holder alone.
func TestRecovery(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	s.registered(home, asha, ben)
	s.settled(asha)
	settledBen := s.settled(ben)

	t.Run("row153", func(t *testing.T) {
		require.NotContains(t, s.visitor().signIn(asha, "not the password").body, "Unlock Account", "not locked, with a number")
		s.locked(asha)
		got := s.visitor().rule("mail.account.locked", s.visitor().signIn(asha, secret))
		require.Contains(t, got.body, "Unlock Account")
		require.Equal(t, "/account?told=gone", settledBen.post("/account/mobile/delete", url.Values{"warned": {"yes"}, "current": {secret}}).path)
		require.NotContains(t, s.visitor().signIn(ben, "not the password").body, "Unlock Account", "not locked, without")
		s.locked(ben)
		require.NotContains(t, s.visitor().rule("mail.account.locked", s.visitor().signIn(ben, secret)).body, "Unlock Account", "locked, without")
	})
	t.Run("row152", func(t *testing.T) {
		v := s.visitor()
		page := v.submit("/recover", "/recover", url.Values{"address": {asha}}).body
		again := v.rule("mail.recovery.answers", v.post("/recover/answers", url.Values{"address": {asha}, "answer": {"x", "y"}, "digits": {"0123"}}))
		require.Equal(t, asked(page), asked(again.body), "the same questions once more")
		page = v.post("/recover/answers", url.Values{"address": {asha}, "answer": asked(again.body), "digits": {"0123"}}).body
		require.Contains(t, page, "Unlock it and keep the password")
		require.Contains(t, page, "set a new password")
		got := v.rule("mail.recovery.code", v.post("/recover/finish", url.Values{"address": {asha}, "offer": {"unlock"}, "outcome": {"unlock"}, "code": {"00000000"}}))
		require.Contains(t, got.body, "Unlock it and keep the password")
		code := s.texted("one-time code to open "+asha, 0)
		require.Equal(t, "/signin?told=unlocked", v.post("/recover/finish", url.Values{"outcome": {"unlock"}, "code": {code}}).path)
		require.Equal(t, "/account", v.signIn(asha, secret).path)
		require.NotContains(t, v.cookies("/recover"), "mailportal-recovery")
		v.rule("mail.recovery.ended", v.post("/recover/finish", url.Values{"outcome": {"unlock"}, "code": {code}}))
	})
	t.Run("a forgotten password", func(t *testing.T) {
		v := s.visitor()
		page := v.submit("/recover", "/recover", url.Values{"address": {asha}}).body
		page = v.post("/recover/answers", url.Values{"address": {asha}, "answer": asked(page), "digits": {"0123"}}).body
		require.NotContains(t, page, "keep the password")
		code := s.texted("one-time code to open "+asha, 1)
		finish := url.Values{"address": {asha}, "offer": {"unlock-and-reset"}, "outcome": {"unlock-and-reset"}, "code": {code}, "new": {"short"}}
		v.rule("mail.password.form", v.post("/recover/finish", finish))
		finish.Set("new", newSecret)
		require.Equal(t, "/signin?told=reset", v.post("/recover/finish", finish).path)
		v.rule("mail.password.wrong", v.signIn(asha, secret))
		require.Equal(t, "/account", v.signIn(asha, newSecret).path)
	})
	t.Run("threat057", func(t *testing.T) {
		v := s.visitor()
		page := v.submit("/recover", "/recover", url.Values{"address": {asha}}).body
		v.post("/recover/answers", url.Values{"address": {asha}, "answer": asked(page), "digits": {"0123"}})
		require.Equal(t, "/signin?told=session", v.get("/account").path, "answers open nothing")
		for range 3 {
			v.rule("mail.recovery.code", v.post("/recover/finish", url.Values{"outcome": {"unlock-and-reset"}, "code": {"12345678"}, "new": {"sea-gull-pipe-3"}}))
		}
		v.rule("mail.recovery.blocked", v.post("/recover/finish", url.Values{"outcome": {"unlock-and-reset"}, "code": {"12345678"}, "new": {"sea-gull-pipe-3"}}))
	})
}

// A shared mailbox, and somebody who moves from one home to another.
func TestSite(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	s.registered(home, asha, ben)
	s.registered(other, cara)
	owner, colleague, next := s.settled(asha), s.settled(ben), s.settled(cara)
	const box = "care.VLX12@nhs.net"

	t.Run("row163", func(t *testing.T) {
		require.Contains(t, owner.submit("/site", "/site/shared", nil).body, "You are its owner")
		require.Contains(t, colleague.get("/site").body, "It is not open to you")
		require.NotContains(t, colleague.get("/compose").body, box)
		got := owner.submit("/site", "/site/members", url.Values{"shared": {box}, "address": {ben}, "as": {"member"}})
		require.Equal(t, "/site?told=members", got.path, got.body)
		require.Contains(t, colleague.get("/site").body, "You are its member")
		require.Contains(t, colleague.get("/compose").body, box)
		owner.rule("mail.shared.lastowner", owner.post("/site/members/remove", url.Values{"shared": {box}, "address": {asha}}))
		owner.submit("/site", "/site/members", url.Values{"shared": {box}, "address": {ben}, "as": {"owner"}})
		require.Equal(t, "/site?told=members", owner.post("/site/members/remove", url.Values{"shared": {box}, "address": {asha}}).path)
		require.Contains(t, owner.get("/site").body, "It is not open to you")
		colleague.submit("/site", "/site/members", url.Values{"shared": {box}, "address": {asha}, "as": {"owner"}})
	})
	t.Run("row162", func(t *testing.T) {
		s.visitor().rule("mail.shared.password", s.visitor().signIn(box, secret))
	})
	t.Run("row133", func(t *testing.T) {
		require.Equal(t, "/site?told=leaver", owner.submit("/site", "/site/leaver", url.Values{"address": {ben}}).path)
		require.Contains(t, colleague.get("/account").body, `<span class="state">leaver</span>`)
		colleague.rule("mail.leaver.owner", colleague.post("/site/leaver", url.Values{"address": {asha}}))
	})
	t.Run("row135", func(t *testing.T) {
		desk := s.visitor()
		desk.rule("mail.leaver.not", desk.submit("/desk?address="+asha, "/desk/join", url.Values{"address": {asha}, "site": {other}}))
		require.Contains(t, desk.submit("/desk?address="+ben, "/desk/join", url.Values{"address": {ben}, "site": {other}}).path, "told=desk")
		require.Equal(t, "/account", colleague.signIn(ben, secret).path, "the same address and password")
		page := colleague.get("/site").body
		require.Contains(t, page, "Your site, VLX34")
		require.NotContains(t, page, box)
		next.submit("/site", "/site/shared", nil)
		require.Contains(t, next.submit("/site", "/site/members", url.Values{"shared": {"care.VLX34@nhs.net"}, "address": {ben}, "as": {"member"}}).path, "told=members")
	})
}

// The administration service, which a demonstration lets anybody be.
func TestDesk(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	s.registered(home, asha, ben)
	desk := s.visitor()
	do := func(name string, fields url.Values) shown {
		t.Helper()
		return desk.submit("/desk?address="+url.QueryEscape(fields.Get("address")), "/desk/"+name, fields)
	}
	done := func(got shown) { t.Helper(); require.Contains(t, got.path, "told=desk", got.body) }

	done(do("correct", url.Values{"address": {ben}, "mobile": {"07700 900456"}}))
	done(do("resend", url.Values{"address": {ben}}))
	s.texted("to activate "+ben, 1)
	require.Equal(t, "+447700900456", s.phone.Texts()[0].To)

	v := s.settled(asha)
	v.submit("/site", "/site/shared", nil)
	desk.rule("mail.account.activated", do("resend", url.Values{"address": {asha}}))
	question, err := s.HelpdeskQuestion(t.Context(), mailpolicy.Actor{ID: "desk", Role: mailpolicy.AdministrationService}, asha)
	require.NoError(t, err)
	answer := answers()[slices.Index(questions, question.Question)]
	characters := ""
	for _, at := range question.Places {
		characters += answer[at-1 : at]
	}
	caller := url.Values{"address": {asha}, "mobile": {mobile}, "characters": {characters}, "to": {"07700 900789"}}
	require.Contains(t, desk.get("/desk?address="+asha).body, question.Question)
	desk.rule("mail.mobile.unconfirmed", do("reset", caller))
	desk.rule("mail.mobile.unconfirmed", do("authorise", url.Values{"address": {asha}, "mobile": {"07700 900789"}, "from": {asha}}))
	done(do("authorise", url.Values{"address": {asha}, "mobile": {"07700 900789"}, "from": {"care.vlx12@nhs.net"}}))
	question, err = s.HelpdeskQuestion(t.Context(), mailpolicy.Actor{ID: "desk", Role: mailpolicy.AdministrationService}, asha)
	require.NoError(t, err)
	answer, characters = answers()[slices.Index(questions, question.Question)], ""
	for _, at := range question.Places {
		characters += answer[at-1 : at]
	}
	caller.Set("characters", characters)
	before := len(s.phone.Texts())
	done(do("reset", caller))
	require.Eventually(t, func() bool { return len(s.phone.Texts()) > before }, time.Minute, 5*time.Millisecond)
	require.Equal(t, "+447700900789", s.phone.Texts()[0].To)

	desk.rule("mail.capability", do("state", url.Values{"address": {asha}, "to": {"anything"}}))
	desk.rule("mail.shared.lastowner", do("state", url.Values{"address": {asha}, "to": {"delete"}}))
	done(do("state", url.Values{"address": {ben}, "to": {"delete"}}))
	require.Contains(t, desk.get("/desk?address="+ben).body, `<span class="state">deleted</span>`)
	done(do("state", url.Values{"address": {ben}, "to": {"restore"}}))
	got := desk.rule("mail.breakglass.missing", do("owner", url.Values{"ods": {home}, "proof": {"landline"}}))
	require.Contains(t, got.body, `value="landline" selected`)
	desk.rule("mail.shared.owned", do("owner", url.Values{
		"ods": {home}, "location": {"1-123"}, "manager": {"CON1-9"}, "proof": {"landline"}, "from": {"0113 496 0000"}, "owner": {ben},
	}))
	got = desk.rule("mail.transfer.ticket", do("ticket", url.Values{"address": {ben}, "reference": {"T-1"}, "raised": {"careadmin@nhs.net"}}))
	require.Contains(t, got.body, "feedback@nhs.net")
	require.Contains(t, desk.get("/desk?address=nobody@nhs.net").body, "mail.account.unknown")
}

// More than the usual number, by application to the administration service.
func TestMoreByApplication(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	s.registered(home, asha)
	owner, desk := s.settled(asha), s.visitor()
	grant := func(of, more, reason string) shown {
		t.Helper()
		return desk.submit("/desk?site="+home, "/desk/grant", url.Values{"site": {home}, "of": {of}, "more": {more}, "reason": {reason}})
	}
	t.Run("row138", func(t *testing.T) {
		require.Contains(t, owner.submit("/site", "/site/shared", nil).body, "You are its owner")
		require.NotContains(t, owner.get("/site").body, `action="/site/shared"`)
		got := desk.rule("mail.grant.form", grant("shared", "many", "asked on 3 November"))
		require.Contains(t, got.body, `value="asked on 3 November"`)
		require.Contains(t, got.body, `value="shared" selected`)
		desk.rule("mail.grant.form", grant("shared", "1", " "))
		require.Contains(t, grant("shared", "1", "asked on 3 November").body, "0 accounts and 1 shared mailboxes")
		require.Contains(t, owner.submit("/site", "/site/shared", nil).body, "care.VLX12.2@nhs.net")
		page := owner.get("/site").body
		require.NotContains(t, page, `action="/site/shared"`)
		require.Contains(t, owner.get("/compose").body, "care.VLX12.2@nhs.net", "it can be written from")
		for _, id := range []string{"box", "user", "as", "box1", "user1", "as1"} {
			require.Equal(t, 1, strings.Count(page, `id="`+id+`"`), id)
		}
		owner.rule("mail.quota.shared", owner.post("/site/shared", nil))

		require.Contains(t, page, "It can have 10, and more by application.")
		require.Contains(t, grant("accounts", "3", "asked on 4 November").body, "3 accounts and 1 shared mailboxes")
		require.Contains(t, owner.get("/site").body, "It can have 13, and more by application.")
	})
	t.Run("row141", func(t *testing.T) {
		fields := url.Values{"site": {home}, "name": {"Mill House"}, "location": {"1-123"}, "postcode": {"LS1 4AP"}, "manager": {"CON1-10"}, "email": {"new manager"}, "landline": {""}}
		got := desk.rule("mail.recipient.address", desk.submit("/desk?site="+home, "/desk/site", fields))
		require.Contains(t, got.body, `value="new manager"`)
		require.NotContains(t, got.body, `value="0113`)
		fields.Set("email", "New@home.example")
		got = desk.submit("/desk?site="+home, "/desk/site", fields)
		require.Contains(t, got.path, "told=desk")
		require.Contains(t, got.body, `value="new@home.example"`)
	})
	require.Contains(t, desk.get("/desk?site=NONE9").body, "No site with this ODS code is registered")
}

func TestHelp(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	v := s.visitor()
	page := v.get("/help").body
	t.Run("row154", func(t *testing.T) {
		menu := page[strings.Index(page, "Calling the help desk"):]
		require.Contains(t, menu, "0333 200 1133")
		require.Equal(t, 2, strings.Count(menu, "Press <strong>1</strong>"))
		require.Less(t, strings.LastIndex(menu, "Press <strong>"), strings.Index(menu, "A person answers."))
	})
	t.Run("row158", func(t *testing.T) {
		require.Less(t, strings.Index(page, "careadmin@nhs.net"), strings.Index(page, "feedback@nhs.net"))
	})
	t.Run("row159", func(t *testing.T) {
		require.Contains(t, v.get("/help?ticket=&called=").body, "mail.escalation")
		for _, query := range []string{"ticket=T-1&called=", "ticket=&called=2026-11-20T10:15"} {
			require.Contains(t, v.get("/help?"+query).body, "Write to <strong>Escalations</strong>, feedback@nhs.net", query)
		}
	})
	for _, needed := range []string{"ODS code", "Location ID", "Manager ID"} {
		require.Contains(t, page, "<li>"+needed+"</li>")
	}
}

// A program speaks with the same addresses.
func TestPrograms(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	v := s.visitor()
	var opened struct{ ODS, Address string }
	v.program(http.MethodPost, "/register", url.Values{"applicant": {"Mo"}, "name": {"Home"}, "ods": {home}}, &opened)
	require.Equal(t, home, opened.ODS)
	v.program(http.MethodPost, "/apply", url.Values{"site": {home}, "applicant": {"Mo"}, "name": {"Asha Patel"}, "address": {asha}, "mobile": {mobile}, "purpose": {"care"}}, &opened)
	require.Equal(t, asha, opened.Address)
	password := s.texted("to activate "+asha, 0)
	var texts []webmail.Text
	v.program(http.MethodGet, "/phone", nil, &texts)
	require.Len(t, texts, 1)
	var in struct{ Steps []mailpolicy.Step }
	v.program(http.MethodPost, "/signin", url.Values{"address": {asha}, "password": {password}}, &in)
	require.Len(t, in.Steps, 3)
	require.Equal(t, http.StatusNoContent, v.program(http.MethodPost, "/first/policy", url.Values{"version": {"1"}}, nil).status)
	got := v.program(http.MethodPost, "/first/password", url.Values{"new": {"short"}}, nil)
	require.Equal(t, http.StatusUnprocessableEntity, got.status)
	require.Equal(t, "application/problem+json", got.header.Get("Content-Type"))
	var problem struct{ Rule string }
	require.NoError(t, json.Unmarshal([]byte(got.body), &problem))
	require.Equal(t, "mail.password.form", problem.Rule)
}
