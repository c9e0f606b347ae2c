// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

func (s *Site) holderRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /my", s.serve(s.my))
	mux.HandleFunc("GET /my/session", s.serve(s.mySession))
	mux.HandleFunc("POST /my/acts", s.serve(s.openOwnAct))
	mux.HandleFunc("POST /my/lost", s.serve(s.lostOwn))
	mux.HandleFunc("POST /my/contacts", s.serve(s.ownContacts))
	mux.HandleFunc("GET /my/link", s.serve(s.preflight))
	mux.HandleFunc("POST /my/link", s.serve(s.link))
	mux.HandleFunc("DELETE /my/link", s.serve(s.unlink))
	mux.HandleFunc("POST /my/unlink", s.serve(s.unlink))
}

type alertView struct {
	Kind     string    `json:"kind"`
	DaysLeft int       `json:"daysLeft"`
	NotAfter time.Time `json:"notAfter"`
}

type sessionView struct {
	UserID  string      `json:"userID"`
	Name    string      `json:"name"`
	Card    string      `json:"card"`
	Expires time.Time   `json:"expires"`
	Alerts  []alertView `json:"alerts"`
	AMR     []string    `json:"amr"`
	ACR     string      `json:"acr"`
	Roles   []string    `json:"roles"`
}

// alerts are those of the sign-in, as far as they are still true: a card that
// was renewed since has nothing to be alerted of.
func (s *Site) alerts(session *careid.Session, cards []careid.Card) []alertView {
	alerts := []alertView{}
	for _, a := range s.rooms.Alerts.Of(session.ID) {
		for _, c := range cards {
			if c.Serial == a.Card && c.NotAfter.Equal(a.NotAfter) {
				alerts = append(alerts, alertView{a.Rule, a.DaysLeft, a.NotAfter})
			}
		}
	}
	return alerts
}

func (s *Site) mySession(_ http.ResponseWriter, r *http.Request) (answer, error) {
	session, err := s.session(r)
	if err != nil {
		return answer{}, err
	}
	me, err := s.holder(r)
	if err != nil {
		return answer{}, err
	}
	cards, err := s.rooms.Care.Cards(r.Context(), me, session.Profile)
	if err != nil {
		return answer{}, err
	}
	grants, err := s.rooms.Care.Grants(r.Context(), s.rooms.Cards.Token(r))
	if err != nil {
		return answer{}, err
	}
	v := sessionView{
		UserID: session.Profile, Name: session.Name, Card: session.Card, Expires: session.ExpiresAt,
		Alerts: s.alerts(session, cards), AMR: session.AMR, ACR: session.ACR, Roles: []string{},
	}
	for _, g := range grants {
		v.Roles = append(v.Roles, string(g.Role))
	}
	return answer{body: v, next: "/my"}, nil
}

// myPage is the holder's own page.
type myPage struct {
	base
	Person  *careid.Profile
	Cards   []careid.Card
	Links   []careid.Link
	Alerts  []alertView
	Roles   []string
	Signed  *careid.Session
	Missing wardkey.Refusals // what linking still wants, where it was asked
	Address string
}

func (*myPage) template() string { return "my.html" }

func (s *Site) my(_ http.ResponseWriter, r *http.Request) (answer, error) {
	page, err := s.myPage(r)
	return answer{view: page, body: map[string]any{}}, err
}

func (s *Site) myPage(r *http.Request) (*myPage, error) {
	session, err := s.session(r)
	if err != nil {
		return nil, err
	}
	me, err := s.holder(r)
	if err != nil {
		return nil, err
	}
	p := &myPage{base: base{Title: "My card"}, Signed: session}
	ctx, care := r.Context(), s.rooms.Care
	if p.Person, err = care.Profile(ctx, me, session.Profile); err != nil {
		return nil, err
	}
	if p.Cards, err = care.Cards(ctx, me, session.Profile); err != nil {
		return nil, err
	}
	if p.Links, err = care.Links(ctx, me, session.Profile); err != nil {
		return nil, err
	}
	grants, err := care.Grants(ctx, s.rooms.Cards.Token(r))
	if err != nil {
		return nil, err
	}
	for _, g := range grants {
		p.Roles = append(p.Roles, roleName(string(g.Role))+" at "+g.Organisation)
	}
	p.Alerts = s.alerts(session, p.Cards)
	return p, nil
}

// openOwnAct lets a holder renew the card that they are signed in with.
func (s *Site) openOwnAct(w http.ResponseWriter, r *http.Request) (answer, error) {
	var in struct{ Kind careid.Purpose }
	if err := s.read(w, r, &in); err != nil {
		return answer{}, err
	}
	session, err := s.session(r)
	if err != nil {
		return answer{}, err
	}
	me, err := s.holder(r)
	if err != nil {
		return answer{}, err
	}
	act, err := s.rooms.Care.OpenAct(r.Context(), me, careid.ActRequest{
		Kind: in.Kind, Card: session.Card, Profile: session.Profile, Evidence: careid.Evidence{Kind: careid.ByCard},
	})
	if err != nil {
		return answer{}, err
	}
	t := s.rooms.Cards.ActTicket(r, act)
	if !browser(r) {
		return answer{status: http.StatusCreated, body: named(t)}, nil
	}
	page, err := s.cardPage(r, cardPage{
		Heading: "Renew your card", Button: "Renew",
		Lead: "The card makes two new key pairs and gets two new certificates for three years. The old ones work until the new ones are in place.",
		Then: "/my?told=renewed",
	}, t, session.Card)
	return answer{view: page}, err
}

func (s *Site) lostOwn(w http.ResponseWriter, r *http.Request) (answer, error) {
	var in struct{ Card string }
	if err := s.read(w, r, &in); err != nil {
		return answer{}, err
	}
	me, err := s.holder(r)
	if err != nil {
		return answer{}, err
	}
	_, err = s.rooms.Care.ReportLost(r.Context(), me, in.Card)
	return answer{next: "/?told=done"}, err
}

func (s *Site) ownContacts(w http.ResponseWriter, r *http.Request) (answer, error) {
	me, err := s.holder(r)
	if err != nil {
		return answer{}, err
	}
	var in contacts
	if err := s.read(w, r, &in); err != nil {
		return answer{}, err
	}
	return answer{next: "/my?told=done"}, s.setContacts(r, me, me.Profile(), in)
}

// linkRequest is the address with what the page declares of the workstation.
type linkRequest struct {
	Address, Browser              string
	CredentialManagement, Private careid.Known
	ClockSkew                     string // minutes that the machine's clock is ahead; "" unknown
}

// maxSkew is more than any clock is wrong by, in minutes, and little enough for
// a time.Duration.
const maxSkew = 365 * 24 * 60

func (s *Site) linkRequest(l linkRequest) (careid.LinkRequest, error) {
	w := careid.Workstation{
		Client: "browser", Browser: l.Browser, CredentialManagement: l.CredentialManagement, Private: l.Private,
	}
	if l.ClockSkew != "" {
		minutes, err := strconv.Atoi(l.ClockSkew)
		if err != nil || minutes < -maxSkew || minutes > maxSkew {
			return careid.LinkRequest{}, s.rules.Refuse("link.clock").Because(err)
		}
		skew := time.Duration(minutes) * time.Minute
		w.ClockSkew = &skew
	}
	return careid.LinkRequest{Address: l.Address, Workstation: w}, nil
}

// preflight tells every condition that is missing at once.
func (s *Site) preflight(_ http.ResponseWriter, r *http.Request) (answer, error) {
	me, err := s.holder(r)
	if err != nil {
		return answer{}, err
	}
	q := r.URL.Query()
	in := linkRequest{
		Address: q.Get("address"), Browser: q.Get("browser"), ClockSkew: q.Get("clockSkew"),
		CredentialManagement: careid.Known(q.Get("credentialManagement")), Private: careid.Known(q.Get("private")),
	}
	asked, err := s.linkRequest(in)
	if err != nil {
		return answer{}, err
	}
	missing, err := s.rooms.Care.LinkPreflight(r.Context(), me, asked)
	if err != nil {
		return answer{}, err
	}
	if !browser(r) {
		if missing == nil {
			missing = wardkey.Refusals{}
		}
		return answer{body: map[string]any{"missing": missing}}, nil
	}
	page, err := s.myPage(r)
	if err != nil {
		return answer{}, err
	}
	page.Missing, page.Address = missing, in.Address
	if len(missing) == 0 {
		page.Told = "Nothing is missing: " + in.Address + " can be linked."
	}
	return answer{view: page}, nil
}

func (s *Site) link(w http.ResponseWriter, r *http.Request) (answer, error) {
	var in linkRequest
	if err := s.read(w, r, &in); err != nil {
		return answer{}, err
	}
	me, err := s.holder(r)
	if err != nil {
		return answer{}, err
	}
	// That the address is the person's own is for us to know: this browser is
	// signed in to that very account.
	account, err := s.rooms.Mail.Session(r.Context(), mailToken(r))
	if err != nil {
		return answer{}, err
	}
	if !strings.EqualFold(account.Address, in.Address) {
		return answer{}, mailpolicy.Rules().Refuse("mail.session")
	}
	asked, err := s.linkRequest(in)
	if err != nil {
		return answer{}, err
	}
	_, err = s.rooms.Care.Link(r.Context(), me, asked)
	return answer{next: "/my?told=linked"}, err
}

// unlink ends the link with the address given, or the only one there is.
func (s *Site) unlink(w http.ResponseWriter, r *http.Request) (answer, error) {
	var in struct{ Address string }
	if err := s.read(w, r, &in); err != nil {
		return answer{}, err
	}
	if in.Address == "" {
		in.Address = r.URL.Query().Get("address")
	}
	me, err := s.holder(r)
	if err != nil {
		return answer{}, err
	}
	if in.Address == "" {
		links, err := s.rooms.Care.Links(r.Context(), me, me.Profile())
		if err != nil {
			return answer{}, err
		}
		for _, l := range links {
			if l.State == careid.LinkActive {
				in.Address = l.Address
			}
		}
	}
	return answer{next: "/my?told=unlinked"}, s.rooms.Care.Unlink(r.Context(), me, in.Address)
}
