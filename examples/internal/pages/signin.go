// SPDX-License-Identifier: Apache-2.0

package pages

import (
	"net/http"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
)

func (m *Module) signInRoutes(mux *http.ServeMux) {
	m.Handle(mux, "GET /signin", m.signIn)
	m.Handle(mux, "POST /signout", m.signOut)
	m.Handle(mux, "GET /signed-out", m.signedOut)
	m.Handle(mux, "GET /session", m.session)
}

func (m *Module) signIn(w http.ResponseWriter, r *http.Request) (Answer, error) {
	t := m.Cards.SignInTicket(w, r)
	if !Browser(r) {
		return Answer{Body: Named(t)}, nil
	}
	page, err := m.ForCard(r, CardPage{
		Heading: "Sign in with your card", Button: "Sign in",
		Lead: "Your card signs you in for at most eight hours, or until it leaves its reader.",
		Then: m.After, Ways: m.WaysTo(careid.SignIn),
	}, t, "")
	return Answer{View: page}, err
}

func (m *Module) signOut(_ http.ResponseWriter, r *http.Request) (Answer, error) {
	return Answer{Next: "/signed-out"}, m.Leave(r)
}

// Leave ends the session of a browser; one that is over already is fine.
func (s *Site) Leave(r *http.Request) error {
	token := s.Cards.Token(r)
	if token == "" {
		return nil
	}
	err := s.Care.SignOut(r.Context(), token)
	switch wardkey.RuleOf(err) {
	case "session.none", "session.ended", "presence.ended":
		return nil
	}
	return err
}

// signedOutPage tells what to do when the work is done.
type signedOutPage struct {
	Base
	Steps  []string
	Source wardkey.Source
}

func (*signedOutPage) Template() string { return "signedout.html" }

func (m *Module) signedOut(_ http.ResponseWriter, _ *http.Request) (Answer, error) {
	p := &signedOutPage{Base: Base{Title: "You are signed out"}}
	var ground careid.Ground
	var err error
	p.Steps, ground, err = careid.Route(m.Book, careid.SigningOut, m.Now())
	p.Source = ground.Source
	return Answer{View: p, Body: map[string]any{"next": p.Steps}}, err
}

// session answers a page that asks whether its session is still there.
func (m *Module) session(_ http.ResponseWriter, r *http.Request) (Answer, error) {
	s, err := m.Session(r)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Body: map[string]any{"expires": s.ExpiresAt}, Next: m.After}, nil
}

// Session is who is signed in with this browser.
func (s *Site) Session(r *http.Request) (*careid.Session, error) {
	return s.Care.Session(r.Context(), s.Cards.Token(r))
}

// Holder is the person of the session, acting for themselves.
func (s *Site) Holder(r *http.Request) (careid.Actor, error) {
	return s.Care.Actor(r.Context(), s.Cards.Token(r), careid.Holder, "")
}

// Strongest is the person of the session in the strongest role that they hold;
// who holds none acts for themselves, and is told who could do more.
func (s *Site) Strongest(r *http.Request) (careid.Actor, error) {
	token := s.Cards.Token(r)
	grants, err := s.Care.Grants(r.Context(), token)
	if err != nil {
		return careid.Actor{}, err
	}
	for _, role := range careid.Roles() { // strongest first
		for _, g := range grants {
			if g.Role == role {
				return s.Care.Actor(r.Context(), token, g.Role, g.Organisation)
			}
		}
	}
	return s.Holder(r)
}
