// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"net/http"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/card"
)

// Status is what an allowed page learns without a passcode. It names no holder.
type Status struct {
	Version int            `json:"version"` // of this interface: 1
	Readers []ReaderStatus `json:"readers"`
}

// CardState is what a card in a reader can do.
type CardState string

// The states of a card in the status.
const (
	CardAbsent   CardState = "absent"
	CardPresent  CardState = "present"
	CardFinalTry CardState = "finalTry" // one passcode try is left
	CardLocked   CardState = "locked"
	CardBlank    CardState = "blank" // not issued
)

// ReaderStatus is one reader and the card in it.
type ReaderStatus struct {
	Reader int       `json:"reader"`
	Name   string    `json:"name"`
	State  CardState `json:"state"`
	// Serial is told of a blank card alone, which is nobody's yet.
	Serial string `json:"serial,omitempty"`
	// SignedIn: the card holds a session on this workstation.
	SignedIn bool `json:"signedIn,omitempty"`
	// NotAfter is the last second of the certificate to sign in with, and
	// DaysLeft the whole days until then, negative after it.
	NotAfter    *time.Time `json:"notAfter,omitempty"`
	DaysLeft    *int       `json:"daysLeft,omitempty"`
	RenewalOpen bool       `json:"renewalOpen,omitempty"`
	// Mend is the kind of task that would help: unlock, or renew; or the role
	// that can: ra-agent.
	Mend string `json:"mend,omitempty"`
}

// statusLimit bounds a look at a card that another task is working with.
const statusLimit = 3 * time.Second

func (a *Agent) getStatus(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), statusLimit)
	defer cancel()
	slots, err := a.readers(ctx)
	if err != nil {
		wardkey.WriteProblem(w, a.refusal(err))
		return
	}
	s := Status{Version: 1, Readers: []ReaderStatus{}}
	signedIn := a.signedIn()
	for i, slot := range slots {
		reader := ReaderStatus{Reader: i, Name: slot.Description, State: CardAbsent}
		if slot.Token != nil && slot.Token.Serial != "" {
			reader.SignedIn = slot.Token.Serial == signedIn
			a.tellCard(ctx, &reader, slot.Token)
		}
		s.Readers = append(s.Readers, reader)
	}
	writeJSON(w, http.StatusOK, s)
}

func (a *Agent) tellCard(ctx context.Context, reader *ReaderStatus, token *card.TokenInfo) {
	reader.State = cardState(token)
	switch reader.State {
	case CardBlank:
		reader.Serial, reader.Mend = token.Serial, "ra-agent"
		return
	case CardLocked:
		reader.Mend = string(Unlock)
	}
	c, err := a.config.Module.Card(ctx, card.Selector{Serial: token.Serial})
	if err != nil {
		return // it has just been pulled
	}
	candidates, err := a.candidates(ctx, c)
	if err != nil {
		return
	}
	now, end := a.config.Now(), candidates[0].NotAfter
	days := daysUntil(now, end)
	reader.NotAfter, reader.DaysLeft = &end, &days
	opens := end.Add(-a.window(now))
	reader.RenewalOpen = !now.Before(opens) && !now.After(end)
	switch {
	case now.After(end):
		reader.Mend = "ra-agent"
	case reader.Mend == "" && reader.RenewalOpen:
		reader.Mend = string(Renew)
	}
}

// daysUntil counts whole days, rounding down also below zero.
func daysUntil(now, end time.Time) int {
	left := end.Sub(now)
	days := int(left / (24 * time.Hour))
	if left < 0 && left%(24*time.Hour) != 0 {
		days--
	}
	return days
}

func cardState(token *card.TokenInfo) CardState {
	switch {
	case !token.Initialised:
		return CardBlank
	case token.PIN == card.PINLocked, token.PIN == card.PINNotSet:
		return CardLocked
	case token.PIN == card.PINFinalTry:
		return CardFinalTry
	}
	return CardPresent
}
