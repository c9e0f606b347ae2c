// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/estate/internal/clock"
	"github.com/wardkey-sdk/wardkey/examples/estate/internal/rooms"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
)

func (s *Site) controlRoutes(mux *http.ServeMux) {
	s.Handle(mux, "GET /{$}", s.home)
	s.Handle(mux, "GET /api/state", s.state)
	s.Handle(mux, "POST /clock", s.moveClock)
	s.Handle(mux, "POST /api/cards", s.takeBlank)
	s.Handle(mux, "GET /api/cards/{serial}/certificates", s.certificates)
	s.Handle(mux, "POST /api/readers/{n}", s.insert)
	s.Handle(mux, "DELETE /api/readers/{n}", s.pull)
	s.Handle(mux, "POST /api/readers/{n}/out", s.pull)
	s.Handle(mux, "POST /api/restart-agent", s.restartAgent)
	s.Handle(mux, "POST /api/bootstrap", s.bootstrap)
	s.Handle(mux, "GET /api/inbox", s.inbox)
	s.Handle(mux, "GET /inbox", s.inboxPage)
	s.Handle(mux, "GET /inbox/{id}", s.message)
	mux.HandleFunc("GET /inbox/{id}/raw", s.messageFile)
}

// moveClock takes {"add":"2160h"} or {"to":"2029-01-02T15:04:05Z"}; what fell
// due by the new time is done before it answers.
func (s *Site) moveClock(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in struct{ Add, To string }
	if err := s.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	by, err := time.ParseDuration(in.Add)
	if in.To != "" {
		var to time.Time
		to, err = time.Parse(time.RFC3339, in.To)
		by = to.Sub(s.rooms.Clock.Now())
	}
	if err != nil || (in.Add == "") == (in.To == "") {
		return pages.Answer{}, s.Refuse("request.invalid").Because(err)
	}
	now, err := s.rooms.Clock.Add(by)
	switch {
	case errors.Is(err, clock.ErrBackward):
		return pages.Answer{}, s.rules.Refuse("clock.forward").Because(err)
	case errors.Is(err, clock.ErrTooFar):
		return pages.Answer{}, s.rules.Refuse("clock.far").Because(err)
	case err != nil:
		return pages.Answer{}, err
	}
	if err := s.rooms.Due(context.WithoutCancel(r.Context())); err != nil {
		return pages.Answer{}, err
	}
	return pages.Answer{Body: map[string]time.Time{"now": now.UTC()}}, nil
}

func (s *Site) takeBlank(http.ResponseWriter, *http.Request) (pages.Answer, error) {
	serial, err := s.rooms.Desk.Blank()
	return pages.Answer{Status: http.StatusCreated, Body: map[string]string{"serial": serial}}, err
}

// reader is the number in the path.
func (s *Site) reader(r *http.Request) (int, error) {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 1 || n > rooms.Readers {
		return 0, s.rules.Refuse("reader.unknown")
	}
	return n, nil
}

func (s *Site) insert(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	n, err := s.reader(r)
	if err != nil {
		return pages.Answer{}, err
	}
	var in struct{ Card string }
	if err := s.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	return pages.Answer{}, s.moved(s.rooms.Desk.Insert(n, in.Card))
}

func (s *Site) pull(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	n, err := s.reader(r)
	if err != nil {
		return pages.Answer{}, err
	}
	if err := s.moved(s.rooms.Desk.Remove(n)); err != nil {
		return pages.Answer{}, err
	}
	if pages.Browser(r) {
		s.awaitEnd(r)
	}
	return pages.Answer{}, nil
}

// awaitEnd gives the agent a moment to end the session of a card that was just
// pulled, so that the next page already says so.
func (s *Site) awaitEnd(r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := s.Session(r); err != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// moved turns what a desk says of a card into a refusal.
func (s *Site) moved(err error) error {
	for cause, rule := range map[error]string{
		rooms.ErrNoCard: "drawer.unknown", rooms.ErrElsewhere: "drawer.elsewhere",
		rooms.ErrTaken: "reader.taken", rooms.ErrEmpty: "reader.empty",
	} {
		if errors.Is(err, cause) {
			return s.rules.Refuse(rule).Because(err)
		}
	}
	return err
}

func (s *Site) restartAgent(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	return pages.Answer{}, s.rooms.Desk.Restart(context.WithoutCancel(r.Context()))
}

// bootstrap makes the first RA manager: the one command that needs nobody's
// leave, and works once.
func (s *Site) bootstrap(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in struct{ GivenName, FamilyName, Organisation, Email, Mobile, Card string }
	if err := s.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	founded, err := s.rooms.Care.Bootstrap(r.Context(), careid.Founder{
		Given: in.GivenName, Family: in.FamilyName, Organisation: in.Organisation,
		Email: in.Email, Mobile: in.Mobile, Card: in.Card,
	})
	if err != nil {
		return pages.Answer{}, err
	}
	t := s.rooms.Cards.ActTicket(r, &founded.Act)
	return pages.Answer{Status: http.StatusCreated, Body: map[string]any{"userID": founded.Profile.ID, "ticket": pages.Named(t)}}, nil
}

// certificates are the newest confirmed pair of a card.
func (s *Site) certificates(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	all, err := s.rooms.Care.Certificates(r.Context(), s.rooms.Operator(), r.PathValue("serial"))
	if err != nil {
		return pages.Answer{}, err
	}
	type certificate struct {
		Use   string `json:"use"`
		State string `json:"state"`
		PEM   string `json:"pem"`
	}
	var pair []certificate
	for _, use := range []careid.KeyUse{careid.Authentication, careid.Signing} {
		if c, ok := newest(all, use); ok {
			pair = append(pair, certificate{
				Use: string(c.Use), State: string(c.State),
				PEM: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.DER})),
			})
		}
	}
	if len(pair) != 2 {
		return pages.Answer{}, s.rules.Refuse("certificate.none")
	}
	return pages.Answer{Body: map[string]any{"certificates": pair}}, nil
}

// newest is the certificate of a use that stands longest, passing over those
// that the card never confirmed.
func newest(all []careid.Certificate, use careid.KeyUse) (careid.Certificate, bool) {
	var best careid.Certificate
	for _, c := range all {
		if c.Use == use && c.State != careid.CertificatePending && (best.DER == nil || c.NotAfter.After(best.NotAfter)) {
			best = c
		}
	}
	return best, best.DER != nil
}

// elapsed says a stretch of time in the two words that matter.
func elapsed(d time.Duration) string {
	days := int(d / (24 * time.Hour))
	parts := []struct {
		n    int
		word string
	}{{days / 365, "year"}, {days % 365, "day"}, {int(d/time.Hour) % 24, "hour"}, {int(d/time.Minute) % 60, "minute"}}
	var words []string
	for _, p := range parts {
		if p.n > 0 && len(words) < 2 {
			words = append(words, plural(p.n, p.word))
		}
	}
	return strings.Join(words, " ")
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
