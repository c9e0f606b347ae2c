// SPDX-License-Identifier: Apache-2.0

package entry

import (
	"net/http"
	"slices"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/openid"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
)

// newsPage is what a person is told or asked once, between the sign-in and the application.
type newsPage struct {
	request
	Alerts []careid.Alert
	Terms  string // the version to say yes to, or ""
	On     string
}

func (*newsPage) Template() string { return "news.html" }

// news is an answer with a page only where there is something to tell.
func (e *Entry) news(r *http.Request, id string, waiting *openid.Waiting) (pages.Answer, error) {
	page := &newsPage{request: request{pages.Base{Title: "Before you go on"}, id, waiting.Client}, On: at(id, "")}
	me, err := e.Holder(r)
	if err != nil {
		return pages.Answer{}, err
	}
	if page.Alerts, err = e.alerts(r, me, waiting.Session); err != nil {
		return pages.Answer{}, err
	}
	if page.Terms, err = e.unsaid(r, me); err != nil || len(page.Alerts) == 0 && page.Terms == "" {
		return pages.Answer{}, err
	}
	return pages.Answer{View: page, Body: map[string]any{"next": page.On, "terms": page.Terms}}, nil
}

// alerts tell of the card of the session, while its certificates end soon.
func (e *Entry) alerts(r *http.Request, me careid.Actor, session *careid.Session) ([]careid.Alert, error) {
	if session.Card == "" {
		return nil, nil
	}
	cards, err := e.Care.Cards(r.Context(), me, session.Profile)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(cards, func(c careid.Card) bool { return c.Serial == session.Card })
	if at < 0 {
		return nil, nil
	}
	return careid.ExpiryAlerts(e.Book, careid.KindCard, session.Card, cards[at].NotAfter, e.Now())
}

// unsaid is the version of the terms that the person has to say yes to, or "". Where the rulebook lets them be accepted
// by use, which is the published rule, the sign-in was the yes.
func (e *Entry) unsaid(r *http.Request, me careid.Actor) (string, error) {
	policy, err := careid.PolicyAt(e.Book, e.Now())
	if err != nil || slices.Contains(policy.TermsModes, string(careid.TermsImplied)) {
		return "", err
	}
	said, err := e.Care.Acceptances(r.Context(), me, me.Profile())
	if slices.ContainsFunc(said, func(v careid.Acceptance) bool {
		return v.Version == policy.TermsVersion && v.Mode == careid.TermsExplicit
	}) {
		return "", err
	}
	return policy.TermsVersion, err
}

// terms is an explicit yes to the version that was shown.
func (e *Entry) terms(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in struct{ Request, Version string }
	if err := e.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	err := e.Care.AcceptTerms(r.Context(), e.Cards.Token(r), in.Version)
	return pages.Answer{Next: at(in.Request, ""), Body: map[string]string{"next": at(in.Request, "")}}, err
}
