// SPDX-License-Identifier: Apache-2.0

package web

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/cardhttp"
)

func (s *Site) signInRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /signin", s.serve(s.signIn))
	mux.HandleFunc("GET /unlock", s.serve(s.unlock))
	mux.HandleFunc("GET /passcode", s.serve(s.passcode))
	mux.HandleFunc("POST /signout", s.serve(s.signOut))
}

// ticket is what a page hands to an agent; purpose says the kind once more, as
// the proof does.
type ticket struct {
	cardhttp.Ticket
	Purpose careid.Purpose `json:"purpose"`
}

func named(t cardhttp.Ticket) ticket { return ticket{t, t.Kind} }

// cardPage sends a person to the agent with a ticket, and on to Then.
type cardPage struct {
	base
	Heading, Lead, Button string
	Ticket                string // JSON for the agent
	Presence              string // JSON of what the holder's card shows first, or ""
	Then                  string
	Readers               []readerView
	Refusals              wardkey.Refusals
}

func (*cardPage) template() string { return "card.html" }

// cardPage fills in the readers, with the one asked for chosen, or else that
// with the card that this is about.
func (s *Site) cardPage(r *http.Request, p cardPage, t cardhttp.Ticket, serial string) (*cardPage, error) {
	readers, err := s.readers(r.Context())
	if err != nil {
		return nil, err
	}
	wanted := r.FormValue("reader")
	for i := range readers {
		readers[i].Chosen = readers[i].Card != "" && (strconv.Itoa(readers[i].Reader) == wanted || readers[i].Card == serial)
	}
	text, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	p.Title, p.Readers, p.Ticket = p.Heading, readers, string(text)
	return &p, nil
}

func (s *Site) signIn(w http.ResponseWriter, r *http.Request) (answer, error) {
	t := s.rooms.Cards.SignInTicket(w, r)
	if !browser(r) {
		return answer{body: named(t)}, nil
	}
	page, err := s.cardPage(r, cardPage{
		Heading: "Sign in with your card", Button: "Sign in",
		Lead: "Your card signs you in for at most eight hours, or until it leaves its reader.",
		Then: "/my",
	}, t, "")
	return answer{view: page}, err
}

func (s *Site) unlock(w http.ResponseWriter, r *http.Request) (answer, error) {
	t, err := s.rooms.Cards.UnlockTicket(w, r)
	if err != nil {
		return answer{}, err
	}
	if !browser(r) {
		return answer{body: named(t)}, nil
	}
	page, err := s.cardPage(r, cardPage{
		Heading: "Unlock your card", Button: "Unlock",
		Lead: "A code goes to the e-mail address or mobile number on your profile. Here it arrives in the inbox of the estate; keep this page open beside it.",
		Then: "/?told=unlocked",
	}, t, "")
	return answer{view: page}, err
}

// passcode needs no server: the agent and the card do it between them.
func (s *Site) passcode(_ http.ResponseWriter, r *http.Request) (answer, error) {
	t := cardhttp.Ticket{Kind: "passcode"}
	if !browser(r) {
		return answer{body: named(t)}, nil
	}
	page, err := s.cardPage(r, cardPage{
		Heading: "Change the passcode", Button: "Change it",
		Lead: "You need the passcode that the card has now. No server learns either of them.",
		Then: "/?told=passcode",
	}, t, "")
	return answer{view: page}, err
}

// signOut ends the session of the browser; one that is over already is fine.
func (s *Site) signOut(w http.ResponseWriter, r *http.Request) (answer, error) {
	err := s.rooms.Care.SignOut(r.Context(), s.rooms.Cards.Token(r))
	switch wardkey.RuleOf(err) {
	case "session.none", "session.ended", "presence.ended":
		err = nil
	}
	return answer{next: "/?told=signed-out"}, err
}

// session is who is signed in with this browser.
func (s *Site) session(r *http.Request) (*careid.Session, error) {
	return s.rooms.Care.Session(r.Context(), s.rooms.Cards.Token(r))
}

// holder is the person of the session, acting for themselves.
func (s *Site) holder(r *http.Request) (careid.Actor, error) {
	return s.rooms.Care.Actor(r.Context(), s.rooms.Cards.Token(r), careid.Holder, "")
}

// deskActor is the person of the session in the strongest role that they hold;
// who holds none acts for themselves, and is told who could do more.
func (s *Site) deskActor(r *http.Request) (careid.Actor, error) {
	token := s.rooms.Cards.Token(r)
	grants, err := s.rooms.Care.Grants(r.Context(), token)
	if err != nil {
		return careid.Actor{}, err
	}
	for _, role := range careid.Roles() { // strongest first
		for _, g := range grants {
			if g.Role == role {
				return s.rooms.Care.Actor(r.Context(), token, g.Role, g.Organisation)
			}
		}
	}
	return s.holder(r)
}
