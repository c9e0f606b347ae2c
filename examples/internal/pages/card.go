// SPDX-License-Identifier: Apache-2.0

package pages

import (
	"context"
	"net/http"
	"strconv"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/cardhttp"
)

// Ticket is what a page hands to an agent; purpose says the kind once more, as
// the proof does.
type Ticket struct {
	cardhttp.Ticket
	Purpose careid.Purpose `json:"purpose"`
}

// Named is a ticket for a program that plays the page.
func Named(t cardhttp.Ticket) Ticket { return Ticket{t, t.Kind} }

// Reader is a reader as a server knows it that has its cards beside it. Number is
// what people call it, Index its number as the agent at Agent counts, from 0.
type Reader struct {
	Number      int
	Agent       string
	Index       int
	Workstation string
	Card        string
	Holder      string
	UserID      string
	Chosen      bool
}

// Readers tells which card is in which reader.
type Readers func(context.Context) ([]Reader, error)

// CardPage sends a person to the card service with a ticket, and on to Then.
// Heading, Lead, Button and Then are the caller's.
type CardPage struct {
	Base
	Heading, Lead, Button string
	Then                  string
	Help                  string // a page for when it doesn't work, or ""
	Ways                  Ways   // what will do beside the card
	NoCard                bool   // the card will not do
	Again                 *Again
	Presence              string // JSON of the ticket by which the holder's card shows first that the holder is here, or ""
	Ticket                string // JSON for the agent
	Purpose               careid.Purpose
	Readers               []Reader
	Ask                   bool // the readers are the agent's to tell
}

// Template names the page.
func (*CardPage) Template() string { return "card.html" }

// ForCard fills in the ticket and the readers, with the one asked for chosen, or
// else that with the card that this is about.
func (s *Site) ForCard(r *http.Request, p CardPage, t cardhttp.Ticket, serial string) (*CardPage, error) {
	p.Title, p.Ticket, p.Purpose, p.Ask = p.Heading, t.JSON(), t.Kind, s.Config.Readers == nil
	if p.Ask {
		return &p, nil
	}
	readers, err := s.Config.Readers(r.Context())
	if err != nil {
		return nil, err
	}
	wanted := r.URL.Query().Get("reader")
	for i := range readers {
		readers[i].Chosen = readers[i].Card != "" && (strconv.Itoa(readers[i].Number) == wanted || readers[i].Card == serial)
	}
	p.Readers = readers
	return &p, nil
}
