// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/base32"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/internal/alone/alonetest"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// journey is a nurse at the browser of a workstation.
type journey struct {
	alonetest.Person
	*about
}

// about is the programs of one hospital, an application, and what the nurse has.
type about struct {
	app      *party
	provider provider
	rest     *alonetest.Running

	nurse, card, passcode string
	phone                 []byte // the secret in the authenticator app
	heard                 int    // logout tokens that the application has had
}

func (j *journey) on(t *testing.T) *journey { return &journey{j.Person.On(t), j.about} }

const (
	ofManager = "271828"
	ofNurse   = "314159"
	ofMail    = "Two-herons-7-by-the-long-pond"
)

func newJourney(t *testing.T) *journey {
	t.Helper()
	need.Tool(t, "browser")
	w := alonetest.NewWorkstation(t)
	j := &journey{alonetest.NewPerson(t, w), &about{app: newParty(t), passcode: ofNurse}}
	dir, models := t.TempDir(), "../internal/virtualkeys/models.json"
	j.rest = alonetest.Start(t, alonetest.Everything(), "-dir", dir, "-agent", w.URL, "-models", models)
	j.provider = run(t, "-listen", "127.0.0.1:0", "-dir", dir, "-agent", w.URL, "-models", models, "-clients", j.app.clients(t))
	require.True(t, strings.HasPrefix(j.provider.issuer, "http://localhost:"), j.provider.issuer)
	w.Serve(t, j.rest.URL, j.provider.issuer)
	return j
}

// asks is a call of the page's own site by the person of its session.
func (j *journey) asks(method, path, body string) map[string]string {
	j.T.Helper()
	arguments, err := json.Marshal([]string{method, path, body})
	require.NoError(j.T, err)
	text := j.Eval(`(async ([method, path, body]) => {
		const answer = await fetch(path, { method, headers: { Accept: "application/json", "Content-Type": "application/json" }, body });
		return (answer.ok ? "" : "refused: ") + await answer.text();
	})(` + string(arguments) + `)`)
	require.False(j.T, strings.HasPrefix(text, "refused: "), "%s %s: %s", method, path, text)
	got := map[string]string{}
	if text != "" {
		require.NoError(j.T, json.Unmarshal([]byte(text), &got), text)
	}
	return got
}

// messages are those that left the rest of the hospital.
func (j *journey) messages() string {
	j.T.Helper()
	got, err := http.Get(j.rest.URL + "/messages")
	require.NoError(j.T, err)
	defer func() { _ = got.Body.Close() }() // read below
	text, err := io.ReadAll(got.Body)
	require.NoError(j.T, err)
	return string(text)
}

// found is an RA manager with the first card, in the first reader, signed in at the desk.
func (j *journey) found() {
	j.T.Helper()
	serial, err := j.At.Tray.Blank()
	require.NoError(j.T, err)
	require.NoError(j.T, j.At.Tray.Insert(0, serial))
	j.Open(j.rest.First)
	j.Type("given", "Margaret", "family", "Okafor", "organisation", "RWK01", "email", "margaret.okafor@nhs.net")
	j.Do(chromedp.SetValue("#blank", serial))
	j.Press("main form button")
	j.AtAgent("newPasscode", ofManager, "newPasscode2", ofManager)
	j.Arrive("/?told=issued")
	j.Open(j.rest.URL + "/signin")
	j.AtAgent("passcode", ofManager)
	j.Arrive("/my")
}

// admit is a nurse with two positions and a card, made by the manager at the desk.
func (j *journey) admit() {
	j.T.Helper()
	application := j.asks("POST", "/desk/invitations", `{"givenName":"Asha","familyName":"Patel","email":"asha.patel@nhs.net","mobile":"07700 900141"}`)["application"]
	var link string
	require.Eventually(j.T, func() bool {
		link = regexp.MustCompile(`/apply/[A-Za-z0-9_-]+`).FindString(j.messages())
		return link != ""
	}, time.Minute, 50*time.Millisecond, "the invitation")
	j.asks("POST", link, `{}`)
	j.asks("POST", "/desk/applications/"+application+"/check",
		`{"method":"face-to-face","documents":[{"kind":"passport","number":"925076473"},{"kind":"utility-bill"},{"kind":"bank-statement"}]}`)
	j.nurse = j.asks("POST", "/desk/applications/"+application+"/approve", `{}`)["userID"]
	for _, name := range []string{"Ward nurse", "Night sister"} {
		position := j.asks("POST", "/desk/positions", `{"name":"`+name+`","role":"S8000:G8000:R8001 Nurse Access Role"}`)["position"]
		j.asks("POST", "/desk/people/"+j.nurse+"/positions", `{"position":"`+position+`"}`)
	}
	var err error
	j.card, err = j.At.Tray.Blank()
	require.NoError(j.T, err)
	require.NoError(j.T, j.At.Tray.Insert(1, j.card))
	j.Open(j.rest.URL + "/desk/people/" + j.nurse)
	j.Do(chromedp.WaitVisible("#attested"), chromedp.SetValue("#blank", j.card))
	j.Type("attested", "passport 925076473")
	j.Press(`form[action="/desk/acts"] input[name="kind"][value="issue"] ~ button`)
	j.AtReader("2", "newPasscode", ofNurse, "newPasscode2", ofNurse)
	j.Arrive("?told=done")
	j.leaves()
	require.NoError(j.T, j.At.Tray.Remove(0))
	require.NoError(j.T, j.At.Tray.Remove(1))
}

// leaves signs out.
func (j *journey) leaves() {
	j.T.Helper()
	j.Press(`form[action="/signout"] button`)
	j.Arrive("/signed-out")
}

// begins goes to the provider as the application sends people there.
func (j *journey) begins(more ...string) {
	j.T.Helper()
	j.Open(j.provider.asking(j.app, append([]string{"scope", "openid profile nationalrbacaccess selectedrole"}, more...)...))
}

// picks chooses the first role, unless the session goes on with the one that was chosen in it.
func (j *journey) picks() {
	j.T.Helper()
	there := func() string {
		return j.Eval(`location.href.startsWith("` + j.app.URL + `") ? "back" : document.getElementById("role0") ? "asked" : ""`)
	}
	require.Eventually(j.T, func() bool { return there() != "" }, time.Minute, 50*time.Millisecond, "a role, or the application")
	if there() == "asked" {
		j.Press("#role0", `form[action="/login/role"] button`)
	}
}

// back is what the application is told at the end.
func (j *journey) back() map[string]any {
	j.T.Helper()
	at, err := url.Parse(j.Reach(j.app.URL + "/callback"))
	require.NoError(j.T, err)
	return claims(j.T, j.provider.redeems(j.T, j.app, at)["id_token"].(string))
}

// told waits until the application was told of one more end of a session, and says of which.
func (j *journey) told() string {
	j.T.Helper()
	before := j.heard
	require.Eventually(j.T, func() bool { return len(j.app.tokens()) > before }, time.Minute, 10*time.Millisecond, "the logout token")
	all := j.app.tokens()
	j.heard = len(all)
	return claims(j.T, all[len(all)-1])["sid"].(string)
}

// TestJourney plays a hospital as its programs are, with cards that are really asked: the nurse signs in by card, key and
// app, each time in a role, and each end of a session reaches the application.
func TestJourney(t *testing.T) {
	j := newJourney(t)
	j.found()
	j.admit()
	require.NoError(t, j.At.Tray.Insert(0, j.card))
	t.Run("a card", func(t *testing.T) { j.on(t).byCard() })
	t.Run("registering", func(t *testing.T) { j.on(t).registers() })
	t.Run("a key", func(t *testing.T) { j.on(t).byKey() })
	t.Run("an account and an app", func(t *testing.T) { j.on(t).byApp() })
	t.Run("a locked card", func(t *testing.T) { j.on(t).locked() })
}

// byCard signs in with the card, which is pulled then.
func (j *journey) byCard() {
	j.begins()
	j.Shows("Sign in to ward")
	j.Do(chromedp.WaitVisible("#r1"))
	j.Picture("70-sign-in")
	j.Accessible("sign in")
	j.AtAgent("passcode", j.passcode)
	j.Shows("In which role?")
	j.Picture("71-role")
	j.Accessible("role")
	j.picks()
	is := j.back()
	require.Equal(j.T, j.nurse, is["sub"])
	require.Equal(j.T, []any{"N3_SMARTCARD"}, is["amr"])
	require.Equal(j.T, "AAL3_ANY", is["acr"])
	require.NotEmpty(j.T, is["selected_roleid"])
	j.T.Run("row046", func(t *testing.T) {
		j := j.on(t)
		require.NoError(t, j.At.Tray.Remove(0))
		pulled := time.Now()
		require.Equal(t, is["sid"], j.told())
		took := time.Since(pulled)
		t.Logf("the application knows %v after the card was pulled", took)
		require.LessOrEqual(t, took, 5*time.Second)
		require.NoError(t, j.At.Tray.Insert(0, j.card))
		j.begins()
		j.Shows("Sign in to ward") // putting the card back revives nothing
	})
	j.heard = len(j.app.tokens())
}

// registers puts a key, a mail account and an app on the nurse's own profile.
func (j *journey) registers() {
	j.NewKey()
	j.Open(j.rest.URL + "/signin")
	j.AtAgent("passcode", j.passcode)
	j.Arrive("/my")
	j.T.Run("row110", func(t *testing.T) {
		j := j.on(t)
		j.Open(j.rest.URL + "/my/authenticators")
		j.Type("kn", "red key")
		j.Press("#newkey button")
		j.Arrive("?told=key")
		j.Shows("red key")
		j.Press("#newkey button")
		j.Shows("This authenticator is on your profile already.")
		j.Picture("72-ways-to-sign-in")
		j.Accessible("ways to sign in, with a refusal")
	})
	j.opensMail()
	j.Open(j.rest.URL + "/my/authenticators")
	j.Type("mp", ofMail)
	j.Press(`form[action="/my/authenticators/mail"] button`)
	j.Arrive("?told=account")
	j.Type("name", "my phone")
	j.Press(`form[action="/my/authenticators"] button`)
	j.Do(chromedp.WaitVisible("svg.qr"))
	key := regexp.MustCompile(`key into it: ([A-Z2-7 ]+)`).FindStringSubmatch(j.Eval("document.body.innerText"))
	require.Len(j.T, key, 2)
	var err error
	j.phone, err = base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(strings.TrimSpace(key[1]), " ", ""))
	require.NoError(j.T, err)
	j.Type("code", careid.TOTP(j.phone, time.Now()))
	j.Press(`form[action$="/confirm"] button`)
	j.Arrive("?told=registered")
	j.Picture("73-registered")
	j.Accessible("ways to sign in")
	j.T.Run("a name is changed, and one that can't be is told at its form", func(t *testing.T) {
		j := j.on(t)
		form := `form[action$="/name"]`
		j.Do(chromedp.Evaluate[chromedp.Void](`for (const d of document.querySelectorAll("details")) d.open = true; undefined`),
			chromedp.SetValue(form+" input", " a blank before"), chromedp.Click(form+" button"), chromedp.WaitVisible("#refused"))
		j.Shows("authenticator.name")
		j.Accessible("a name that was refused")
		j.Do(chromedp.SetValue(`details[open] input[name="name"]`, "blue key"), chromedp.Click(`details[open] form[action$="/name"] button`))
		j.Arrive("?told=done")
		j.Shows("blue key")
	})
	j.leaves()
}

// opensMail opens a mail account and signs this browser in to it.
func (j *journey) opensMail() {
	j.Open(j.rest.URL + "/mail")
	j.Type("name", "Asha Patel", "opens", "asha.patel@nhs.net", "mobile", "07700 900141")
	j.Press(`form[action="/mail/accounts"] button`)
	j.Arrive("?told=done")
	var activation string
	require.Eventually(j.T, func() bool {
		found := regexp.MustCompile(`as it appears\.\\n([^"]+)"`).FindStringSubmatch(j.messages())
		if found != nil {
			activation = found[1]
		}
		return found != nil
	}, time.Minute, 50*time.Millisecond, "the activation password")
	require.NoError(j.T, json.Unmarshal([]byte(`"`+activation+`"`), &activation))
	j.Type("address", "asha.patel@nhs.net", "password", activation)
	j.Press(`form[action="/mail/signin"] button`)
	j.Shows("Signed in to asha.patel@nhs.net")
	j.Open(j.rest.URL + "/mail")
	j.Type("new", ofMail)
	j.Press(`form[action="/mail/password"] button`)
	j.Arrive("?told=done")
}

// byKey signs in with the security key alone; the card stays in the drawer.
func (j *journey) byKey() {
	require.NoError(j.T, j.At.Tray.Remove(0))
	j.begins("acr_values", "AAL3_FIDO2")
	j.Shows("asks for another way than a card")
	require.Equal(j.T, "0", j.Eval(`String(document.querySelectorAll("#task, #app").length)`))
	j.Accessible("a key is asked for")
	j.begins()
	j.Press("#key")
	j.picks()
	is := j.back()
	require.Equal(j.T, j.nurse, is["sub"])
	require.Equal(j.T, []any{"FIDO2"}, is["amr"])
	require.Equal(j.T, "AAL3_ANY", is["acr"])
	j.T.Run("once more where that is asked, in the session that goes on", func(t *testing.T) {
		j := j.on(t)
		j.begins("prompt", "login", "acr_values", "AAL3_FIDO2")
		j.Shows("Show again who you are")
		j.Accessible("show again")
		j.Press("#key")
		j.picks()
		again := j.back()
		require.Equal(t, "AAL3_FIDO2", again["acr"])
		require.NotEqual(t, is["sid"], again["sid"])
		is = again
	})
	j.T.Run("row048", func(t *testing.T) {
		j := j.on(t)
		j.Open(j.provider.issuer + "/")
		j.Accessible("front page")
		j.leaves()
		j.Shows("Before you leave the workstation")
		require.Equal(t, "3", j.Eval(`String(document.querySelectorAll("ol.steps li").length)`))
		j.Picture("74-signed-out")
		j.Accessible("signed out")
		j.told()
	})
	j.heard = len(j.app.tokens())
}

// byApp signs in with the mail account and the app, and then by the card where more is asked.
func (j *journey) byApp() {
	next := careid.TOTP(j.phone, time.Now().Add(30*time.Second)) // the one of now may be spent by the registration
	j.begins()
	j.Type("address", "asha.patel@nhs.net", "password", ofMail, "code", "000000")
	j.Press("#app button")
	j.Shows("This code was not accepted.")
	j.Picture("75-code-refused")
	j.Accessible("a code that was refused")
	j.Type("code", next)
	j.Press("#app button")
	j.picks()
	is := j.back()
	require.ElementsMatch(j.T, []any{"NHSMAIL", "TOTP"}, is["amr"])
	require.Equal(j.T, "AAL2_ANY", is["acr"])
	j.T.Run("stepped up to the card", func(t *testing.T) {
		j := j.on(t)
		require.NoError(t, j.At.Tray.Insert(0, j.card))
		j.begins("acr_values", "AAL3_ANY")
		j.Shows("or for more than you signed in with")
		j.Accessible("more is asked")
		j.AtAgent("passcode", j.passcode)
		j.picks()
		again := j.back()
		require.Equal(t, []any{"N3_SMARTCARD"}, again["amr"])
		require.Equal(t, "AAL3_ANY", again["acr"])
		require.Equal(t, is["sub"], again["sub"])
	})
	j.Open(j.provider.issuer + "/")
	j.leaves()
}

// locked is three wrong passcodes at the sign-in, the card opened with a code at the kiosk, and back to the application.
func (j *journey) locked() {
	j.begins()
	window := j.Window("1")
	for _, told := range []string{"not the passcode", "One try is left", ""} {
		window.Type("passcode", "000000")
		window.Send()
		if told != "" {
			window.Shows(told)
		}
	}
	j.Shows("card.locked")
	j.Picture("76-locked")
	j.Accessible("a locked card")
	j.Open(j.rest.URL + "/unlock")
	window = j.Window("1")
	window.Press("#email")
	window.Send()
	window.Do(chromedp.WaitVisible("#code"))
	j.passcode = "53589793"
	code := regexp.MustCompile(`\b[0-9]{8}\b`).FindString(j.messages())
	window.Type("code", code, "newPasscode", j.passcode, "newPasscode2", j.passcode)
	window.Send()
	j.Arrive("/?told=unlocked")
	j.begins()
	j.AtAgent("passcode", j.passcode)
	j.picks()
	require.Equal(j.T, []any{"N3_SMARTCARD"}, j.back()["amr"])
}
