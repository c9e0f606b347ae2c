// SPDX-License-Identifier: Apache-2.0

package holder

import (
	"net/http"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/cardhttp"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
)

func (h *Holder) cardRoutes(mux *http.ServeMux) {
	h.Handle(mux, "POST /my/acts", h.openAct)
	h.Handle(mux, "POST /my/lost", h.lost)
	h.Handle(mux, "GET /passcode", h.passcode)
}

// openAct lets a holder renew the card that they are signed in with.
func (h *Holder) openAct(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in struct{ Kind careid.Purpose }
	if err := h.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	session, err := h.Session(r)
	if err != nil {
		return pages.Answer{}, err
	}
	me, err := h.Holder(r)
	if err != nil {
		return pages.Answer{}, err
	}
	act, err := h.Care.OpenAct(r.Context(), me, careid.ActRequest{
		Kind: in.Kind, Card: session.Card, Profile: session.Profile, Evidence: careid.Evidence{Kind: careid.ByCard},
	})
	if err != nil {
		return pages.Answer{}, err
	}
	t := h.Cards.ActTicket(r, act)
	if !pages.Browser(r) {
		return pages.Answer{Status: http.StatusCreated, Body: pages.Named(t)}, nil
	}
	page, err := h.ForCard(r, pages.CardPage{
		Heading: "Renew your card", Button: "Renew",
		Lead: "The card makes two new key pairs and gets two new certificates for three years. The old ones work until the new ones are in place.",
		Then: "/my?told=renewed",
	}, t, session.Card)
	return pages.Answer{View: page}, err
}

func (h *Holder) lost(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in struct{ Card string }
	if err := h.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	me, err := h.Holder(r)
	if err != nil {
		return pages.Answer{}, err
	}
	_, err = h.Care.ReportLost(r.Context(), me, in.Card)
	return pages.Answer{Next: "/?told=done"}, err
}

// passcode needs no server: the agent and the card do it between them. Who is
// signed in and may not do it alone is told so here.
func (h *Holder) passcode(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	me, err := h.Holder(r)
	switch wardkey.RuleOf(err) {
	case "": // signed in, unless the service failed
		if err != nil {
			return pages.Answer{}, err
		}
		person, err := h.Care.Profile(r.Context(), me, me.Profile())
		if err == nil {
			err = careid.MayChangePasscode(h.Book, *person, h.Now())
		}
		if err != nil {
			return pages.Answer{}, err
		}
	case "session.none", "session.ended", "presence.ended": // a card on its own, without a session
	default:
		return pages.Answer{}, err
	}
	t := cardhttp.Ticket{Kind: careid.Passcode}
	if !pages.Browser(r) {
		return pages.Answer{Body: pages.Named(t)}, nil
	}
	page, err := h.ForCard(r, pages.CardPage{
		Heading: "Change the passcode", Button: "Change it",
		Lead: "You need the passcode that the card has now. No server learns either of them.",
		Then: "/?told=passcode",
	}, t, "")
	return pages.Answer{View: page}, err
}
