// SPDX-License-Identifier: Apache-2.0

package entry

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/openid"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
)

// virtualPage offers the cards of a test server.
type virtualPage struct {
	request
	Again   bool // somebody is signed in, and it will not do
	Wanted  []string
	Virtual []VirtualCard
}

func (*virtualPage) Template() string { return "virtual.html" }

// signIn asks for a card, at the agent or one of the virtual ones, or for what else will do.
func (e *Entry) signIn(w http.ResponseWriter, r *http.Request, id string, waiting *openid.Waiting) (pages.Answer, error) {
	if e.virtual != nil {
		cards, err := e.virtual.Cards(r.Context())
		page := &virtualPage{
			request: request{pages.Base{Title: "Sign in"}, id, waiting.Client},
			Again:   waiting.Session != nil, Wanted: waiting.Wanted, Virtual: cards,
		}
		return pages.Answer{View: page, Body: map[string]any{"client": waiting.Client, "wanted": waiting.Wanted, "cards": cards}}, err
	}
	means, again := e.means(r, waiting)
	if means.none() {
		return pages.Answer{Next: Path + "/other?request=" + url.QueryEscape(id)}, nil
	}
	t := e.ticket(w, r, again)
	if !pages.Browser(r) {
		return pages.Answer{Body: pages.Named(t)}, nil
	}
	page := pages.CardPage{
		Heading: "Sign in to " + waiting.Client, Button: "Sign in", Then: at(id, "&in=1"), Help: Path + "/other?request=" + url.QueryEscape(id),
		Lead: "Your card signs you in for at most eight hours, or until it leaves its reader. By signing in you accept the terms of use.",
		Ways: means.beside, NoCard: !means.card,
	}
	if !means.card {
		page.Lead = waiting.Client + " asks for another way than a card. You are signed in for at most eight hours. By signing in you accept the terms of use."
	}
	serial := ""
	switch {
	case again && waiting.Session.Card != "":
		page.Heading, page.Button, serial = "Show your card again", "Go on", waiting.Session.Card
		page.Lead = waiting.Client + " asks for your card once more. Your session goes on."
	case again:
		page.Heading, page.Button = "Show again who you are", "Go on"
		page.Lead = waiting.Client + " asks once more, or for more than you signed in with. Your session goes on."
	}
	view, err := e.ForCard(r, page, t, serial)
	return pages.Answer{View: view}, err
}

// means are what will do for a request.
type means struct {
	card   bool
	beside pages.Ways
}

func (m means) none() bool { return !m.card && m.beside == pages.Ways{} }

// means are those that this site has and that the application asks for. again says that they have the session go on;
// where no way does that, and where somebody else is to sign in, another session begins.
func (e *Entry) means(r *http.Request, waiting *openid.Waiting) (m means, again bool) {
	if s := waiting.Session; s != nil && !r.URL.Query().Has("anew") {
		if m = (means{card: true, beside: e.WaysOn(s)}).meeting(waiting.Wanted); !m.none() {
			return m, true
		}
	}
	return means{card: true, beside: e.WaysTo(careid.SignIn)}.meeting(waiting.Wanted), false
}

// meeting are those of the means that meet one of the acr values wanted, all of them where none is.
func (m means) meeting(wanted []string) means {
	if len(wanted) == 0 {
		return m
	}
	meet := func(values ...string) bool {
		return slices.ContainsFunc(wanted, func(one string) bool { return slices.Contains(values, one) })
	}
	m.card = m.card && meet("AAL3_ANY", "AAL2_OR_AAL3_ANY", "AAL2_ANY", "AAL3_SMARTCARD", "AAL3_N3_SMARTCARD", "AAL3_CIS2_SMARTCARD")
	if !meet("AAL3_ANY", "AAL2_OR_AAL3_ANY", "AAL2_ANY", "AAL3_FIDO2") {
		m.beside.Keys = ""
	}
	if !meet("AAL2_OR_AAL3_ANY", "AAL2_ANY", "AAL2_TOTP", "AAL2_NHSMAIL") {
		m.beside.App = ""
	}
	return m
}

// otherPage is for who can't or won't sign in with the card that was asked for.
type otherPage struct {
	request
	Session *careid.Session
	Wanted  []string
	Anew    string
}

func (*otherPage) Template() string { return "other.html" }

func (e *Entry) other(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	id := r.URL.Query().Get("request")
	if err := e.provider.Began(r, id); err != nil {
		return pages.Answer{}, err
	}
	waiting, err := e.provider.Waiting(r.Context(), id, e.Cards.Token(r))
	if err != nil {
		return pages.Answer{}, err
	}
	e.lead(w)
	page := &otherPage{
		request: request{pages.Base{Title: "If you can’t sign in"}, id, waiting.Client},
		Session: waiting.Session, Wanted: waiting.Wanted, Anew: at(id, "&anew=1"),
	}
	return pages.Answer{View: page, Body: map[string]any{"client": waiting.Client, "wanted": waiting.Wanted}}, nil
}

// signInVirtual signs a test's person in. A session that this browser still has ends, as with a card.
func (e *Entry) signInVirtual(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in struct{ Request, UserID string }
	if err := e.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	got, err := e.virtual.SignIn(r.Context(), in.UserID)
	if err != nil {
		return pages.Answer{}, err
	}
	if err := e.Leave(r); err != nil {
		return pages.Answer{}, err
	}
	http.SetCookie(w, e.Cards.SessionCookie(got.Token))
	return pages.Answer{Next: at(in.Request, "&in=1"), Body: map[string]string{"next": at(in.Request, "")}}, nil
}
