// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/browser"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
)

const aunt = "aunt.may@home.example"

// startPickup is a relay with a pick-up page.
func startPickup(t *testing.T, change func(*gateway.Config)) *relay {
	t.Helper()
	var r *relay
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { r.gateway.PickupHandler().ServeHTTP(w, req) }))
	t.Cleanup(server.Close)
	r = startRelay(t, func(c *gateway.Config) {
		c.PickupURL = server.URL + "/pickup/"
		if change != nil {
			change(c)
		}
	})
	return r
}

var linkIn = regexp.MustCompile(`http://127\.0\.0\.1:\d+/pickup/[\w-]{64}`)

// arrived waits until n mails came, and returns the last.
func (r *relay) arrived(n int) mailtest.Mail {
	r.t.Helper()
	require.Eventually(r.t, func() bool { return len(r.inbox.Mails()) >= n }, 30*time.Second, 5*time.Millisecond)
	require.Len(r.t, r.inbox.Mails(), n)
	return r.inbox.Mails()[n-1]
}

// parked sends a message to the aunt, and returns the link that she got.
func (r *relay) parked(message string) string {
	r.t.Helper()
	before := len(r.inbox.Mails())
	require.Regexp(r.t, "^250", r.send("home@nhs.net", []string{aunt}, message))
	notice := r.arrived(before + 1)
	require.Equal(r.t, []string{aunt}, notice.To)
	link := linkIn.FindString(string(notice.Data))
	require.NotEmpty(r.t, link)
	return link
}

// person is somebody with a browser.
type person struct {
	t *testing.T
	http.Client
}

func newPerson(t *testing.T) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &person{t, http.Client{Jar: jar}}
}

func (p *person) get(url string) (int, string, http.Header) {
	p.t.Helper()
	answer, err := p.Client.Get(url)
	require.NoError(p.t, err)
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	require.NoError(p.t, err)
	return answer.StatusCode, string(body), answer.Header
}

func (p *person) post(to string, values url.Values) (int, string) {
	p.t.Helper()
	answer, err := p.PostForm(to, values)
	require.NoError(p.t, err)
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	require.NoError(p.t, err)
	return answer.StatusCode, string(body)
}

func (p *person) try(link, passcode string) (int, string) {
	p.t.Helper()
	return p.post(link+"/open", url.Values{"passcode": {passcode}})
}

// ask asks for a passcode and reads it in the mailbox.
func (r *relay) ask(p *person, link string) string {
	r.t.Helper()
	before := len(r.inbox.Mails())
	status, body := p.post(link+"/passcode", nil)
	require.Equal(r.t, 200, status, body)
	m := r.arrived(before + 1)
	require.Equal(r.t, []string{aunt}, m.To)
	require.Empty(r.t, m.From)
	passcode := regexp.MustCompile(`\r\n  (\d{8})\r\n`).FindStringSubmatch(string(m.Data))
	require.NotNil(r.t, passcode)
	require.NotContains(r.t, string(m.Data), "http")
	return passcode[1]
}

// wrongOf is another passcode.
func wrongOf(passcode string) string {
	return string('0'+(passcode[0]-'0'+1)%10) + passcode[1:]
}

const letterWithFile = "Subject: =?utf-8?Q?[secure]_Mrs_Jones_=E2=80=93_<script>x</script>?=\r\nFrom: Home <home@nhs.net>\r\nTo: " + aunt + "\r\nBcc: hidden@x.example\r\n" +
	"Message-ID: <1@nhs.net>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n" +
	"--c\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nMrs Jones is well. =A35 <script>alert(1)</script>\r\n" +
	"--c\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Mrs Jones is <b>well</b><script>parent.hacked=1</script></p>\r\n--c--\r\n" +
	"--b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"../../chart \u202egpj.pdf\"\r\n\r\nSm9uZXM=\r\n--b--\r\n"

func TestPickup(t *testing.T) {
	r := startPickup(t, nil)
	link := r.parked(letterWithFile)
	p := newPerson(t)

	// Looking does nothing: scanners of mail look at links too.
	for range 2 {
		status, body, header := p.get(link)
		require.Equal(t, 200, status)
		require.Contains(t, body, "a…y@home.example")
		require.NotContains(t, body, "Jones")
		require.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'")
		require.Equal(t, "no-referrer", header.Get("Referrer-Policy"))
		require.Equal(t, "no-store", header.Get("Cache-Control"))
	}
	require.Len(t, r.inbox.Mails(), 1)
	status, body, _ := p.get(link + "/message")
	require.Equal(t, 403, status)
	require.NotContains(t, body, "Jones")

	passcode := r.ask(p, link)
	status, body = p.try(link, wrongOf(passcode))
	require.Equal(t, 403, status)
	require.Contains(t, body, "4 more times")
	status, body = p.try(link, passcode[:4]+" "+passcode[4:])
	require.Equal(t, 200, status)
	require.Contains(t, body, "Mrs Jones is well. £5 &lt;script&gt;")
	require.Contains(t, body, "Mrs Jones – &lt;script&gt;")
	require.Contains(t, body, "chart _gpj.pdf")
	require.NotContains(t, body, "hidden@x.example")

	status, body, header := p.get(link + "/part/2")
	require.Equal(t, 200, status)
	require.Contains(t, body, "<b>well</b>")
	require.Regexp(t, "^sandbox; default-src 'none'", header.Get("Content-Security-Policy"))
	status, body, header = p.get(link + "/part/3")
	require.Equal(t, 200, status)
	require.Equal(t, "Jones", body)
	require.Equal(t, "application/octet-stream", header.Get("Content-Type"))
	require.Equal(t, `attachment; filename="chart _gpj.pdf"`, header.Get("Content-Disposition"))
	_, body, _ = p.get(link + "/message.eml")
	require.True(t, strings.HasPrefix(body, "Received: from desk.example"))
	require.True(t, strings.HasSuffix(body, strings.Replace(letterWithFile, "Bcc: hidden@x.example\r\n", "", 1)))
	status, _, _ = p.get(link + "/part/4")
	require.Equal(t, 404, status)

	// The passcode is used, and only this browser reads.
	other := newPerson(t)
	status, _ = other.try(link, passcode)
	require.Equal(t, 403, status)
	status, _, _ = other.get(link + "/part/3")
	require.Equal(t, 403, status)
	r.turn(15 * time.Minute)
	status, body, _ = p.get(link + "/message")
	require.Equal(t, 403, status)
	require.NotContains(t, body, "Jones")
	require.NotContains(t, r.log.String(), "@")
	require.NotContains(t, r.log.String(), link[len(link)-40:])
}

// The mail with the link says who has written, and nothing of what.
func TestNotice(t *testing.T) {
	r := startPickup(t, nil)
	r.parked(letterWithFile)
	notice := r.inbox.Mails()[0]
	require.Equal(t, "home@nhs.net", notice.From, "who is told where it can't be brought")
	require.Contains(t, string(notice.Data), "home@nhs.net has sent you a message")
	for _, word := range []string{"Jones", "chart", "[secure]", "1@nhs.net", "hidden"} {
		require.NotContains(t, string(notice.Data), word)
	}
}

// Everyone gets the message the way that is safe for them, or all are held.
func TestMixedWithPickup(t *testing.T) {
	t.Run("threat046", func(t *testing.T) {
		var certs gateway.Certificates
		r := startPickup(t, func(c *gateway.Config) { c.Directory = &certs })
		expired := r.issue(mailtest.Spec{Email: dean, NotAfter: time.Now().Add(-time.Hour)})
		certs = gateway.Certificates{r.issue(mailtest.Spec{Email: gp}).Certificate, expired.Certificate}
		require.Regexp(t, "^550 .*mail.recipient.cert", r.send("home@nhs.net", []string{aunt, dean}, mailTo("[secure] x", aunt)), "a bad certificate is no missing one")
		require.Empty(t, r.inbox.Mails())
		require.Regexp(t, "^250", r.send("home@nhs.net", []string{aunt, gp, "a@nhs.net"}, mailTo("[secure] x", gp)))
		r.arrived(3)
		for _, m := range r.inbox.Mails() {
			require.NotContains(t, string(m.Data), "hidden")
			if m.To[0] != aunt {
				require.NotContains(t, string(m.Data), "aunt.may", "she is a hidden one")
			}
			if m.To[0] != "a@nhs.net" {
				require.NotContains(t, string(m.Data), secret)
			}
		}
	})
}

// Without the link nobody reads a parked message: not with the database, not
// with the gateway's key beside it.
func TestParkedAtRest(t *testing.T) {
	var clock relay
	with, dir, db := database(t, &clock, "")
	r := startPickup(t, with)
	link := r.parked(mailTo("[secure] x", aunt))
	r.ask(newPerson(t), link)
	requireNothingInClear(t, dir)
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		require.NotContains(t, string(data), link[len(link)-30:])
		require.NotContains(t, string(data), "home.example")
		return err
	}))
	var whole int
	require.NoError(t, db.QueryRow("SELECT count(*) FROM mailgate_copy WHERE NOT parked").Scan(&whole))
	require.Zero(t, whole, "the mail with the link is gone as soon as it is delivered")
	// What the key opens says to whom it is, and not what: made a copy for
	// delivery, it can't be delivered.
	_, err := db.Exec("UPDATE mailgate_copy SET parked = FALSE")
	require.NoError(t, err)
	r.await(gateway.EventDamaged, 1)
	for _, m := range r.inbox.Mails() {
		require.NotContains(t, string(m.Data), secret)
	}
}

// What is not fetched in time is deleted, and its sender told, once.
func TestPickupExpires(t *testing.T) {
	r := startPickup(t, nil)
	p := newPerson(t)
	read := r.parked(mailTo("[secure] x", aunt))
	status, _ := p.try(read, r.ask(p, read))
	require.Equal(t, 200, status)
	r.turn(time.Hour)
	unread := r.parked(mailTo("[secure] x", aunt))
	before := len(r.inbox.Mails())
	next, err := r.gateway.Due(t.Context())
	require.NoError(t, err)
	require.WithinDuration(t, r.now().Add(14*24*time.Hour-time.Hour), next, time.Minute)

	r.turn(14*24*time.Hour + time.Second)
	for _, link := range []string{read, unread} {
		status, body, _ := p.get(link)
		require.Equal(t, 404, status, "though nobody has called Due")
		require.Contains(t, body, "its time has ended")
	}
	for range 2 {
		next, err = r.gateway.Due(t.Context())
		require.NoError(t, err)
		require.Zero(t, next)
	}
	require.Len(t, r.mails(), before+1)
	said := readReport(t, r.inbox.Mails()[before])
	require.Equal(t, "rfc822; "+aunt, said.recipients[0].Get("Final-Recipient"))
	require.Equal(t, "5.4.7", said.recipients[0].Get("Status"))
	require.Equal(t, 2, r.count(gateway.EventExpired))
}

// A link that could not be brought opens nothing any more: nobody has it.
func TestLinkThatCannotBeBrought(t *testing.T) {
	r := startPickup(t, nil)
	r.refuse(map[string]int{aunt: 550}, false)
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{aunt}, mailTo("[secure] x", aunt)))
	got := r.mails()
	require.Len(t, got, 1)
	require.Equal(t, "rfc822; "+aunt, readReport(t, got[0]).recipients[0].Get("Final-Recipient"))
}

// All that is not a link gets one answer.
func TestNoSuchLink(t *testing.T) {
	r := startPickup(t, nil)
	link := r.parked(mailTo("[secure] x", aunt))
	p := newPerson(t)
	base, token := link[:len(link)-64], link[len(link)-64:]
	flip := func(i int) string {
		c := byte('A')
		if token[i] == c {
			c = 'B'
		}
		return base + token[:i] + string(c) + token[i+1:]
	}
	for _, odd := range []string{"/no/such/page", "//message"} {
		_, _, header := p.get(link + odd)
		require.Equal(t, "no-store", header.Get("Cache-Control"), odd)
		require.Equal(t, "no-referrer", header.Get("Referrer-Policy"), odd)
	}
	_, want, _ := p.get(base + strings.Repeat("A", 64))
	for name, other := range map[string]string{"another id": flip(3), "another secret": flip(40), "short": link[:len(link)-1], "long": link + "A", "odd": base + "x", "a lie": base + "%2e%2e"} {
		status, body, _ := p.get(other)
		require.Equal(t, 404, status, name)
		require.Equal(t, want, body, name)
		status, _ = p.post(other+"/passcode", nil)
		require.Equal(t, 404, status, name)
		status, _ = p.try(other, "00000000")
		require.Equal(t, 404, status, name)
	}
	require.Len(t, r.inbox.Mails(), 1)
}

// Another site's page can't ask for passcodes or type them.
func TestAnotherSitesForm(t *testing.T) {
	r := startPickup(t, nil)
	link := r.parked(mailTo("[secure] x", aunt))
	for _, path := range []string{"/passcode", "/open"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, link+path, strings.NewReader("passcode=1"))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Sec-Fetch-Site", "cross-site")
		answer, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		_ = answer.Body.Close()
		require.Equal(t, 403, answer.StatusCode)
	}
	status, _ := newPerson(t).post(link+"/open", url.Values{"passcode": {strings.Repeat("1", 5000)}})
	require.Equal(t, 403, status)
	require.Len(t, r.inbox.Mails(), 1)
}

func TestPickupPages(t *testing.T) {
	r := startPickup(t, nil)
	link := r.parked(letterWithFile)
	tab := browser.New(t)
	require.NoError(t, chromedp.Do(tab, chromedp.Navigate(link)))
	browser.Accessible(t, tab)
	require.NoError(t, chromedp.Do(tab, chromedp.Click("button"), chromedp.WaitVisible("#passcode")))
	browser.Accessible(t, tab)
	passcode := regexp.MustCompile(`\r\n  (\d{8})\r\n`).FindSubmatch(r.arrived(2).Data)
	require.NoError(t, chromedp.Do(tab, chromedp.SendKeys("#passcode", string(bytes.TrimSpace(passcode[1]))+"\r"), chromedp.WaitVisible("pre")))
	browser.Accessible(t, tab)
	require.NoError(t, chromedp.Do(tab, chromedp.Navigate(link[:len(link)-1])))
	browser.Accessible(t, tab)
}
