// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/card"
)

// Status is what an allowed page learns without a passcode. It names no holder.
type Status struct {
	Version int `json:"version"` // of this interface: 1
	// System is the workstation's, such as windows-11 or linux, and Build what it
	// calls its build; Agent is this agent's own release. Each is empty where it
	// isn't known.
	System string `json:"system,omitempty"`
	Build  string `json:"build,omitempty"`
	Agent  string `json:"agent,omitempty"`
	// Readers are empty where Refusal says why they can't be asked.
	Readers []ReaderStatus   `json:"readers"`
	Refusal *wardkey.Refusal `json:"refusal,omitempty"`
}

// CardState is what a card in a reader can do.
type CardState string

// The states of a card in the status.
const (
	CardAbsent   CardState = "absent"
	CardPresent  CardState = "present"
	CardFinalTry CardState = "finalTry" // one passcode try is left
	CardLocked   CardState = "locked"
	CardBlank    CardState = "blank"   // not issued
	CardUnknown  CardState = "unknown" // the card, or the reader, can't be read
)

// mendByRA is the role that mends what the holder can't.
const mendByRA = "ra-agent"

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
	// that can: ra-agent. MendPage is the page for it, one of Config.Pages.
	Mend     string `json:"mend,omitempty"`
	MendPage string `json:"mendPage,omitempty"`
	// Refusal is why more can't be told of a card that is there.
	Refusal *wardkey.Refusal `json:"refusal,omitempty"`
}

func (a *Agent) getStatus(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), statusLimit)
	defer cancel()
	s, err := a.status(ctx)
	if err != nil {
		wardkey.WriteProblem(w, a.refusal(err))
		return
	}
	writeJSON(w, http.StatusOK, s)
}

// status looks at the readers for no longer than ctx. A module that hangs is told
// in it; one that fails is the error.
func (a *Agent) status(ctx context.Context) (Status, error) {
	s := Status{Version: 1, System: a.system, Build: a.build, Agent: version(), Readers: []ReaderStatus{}}
	slots, err := a.readers(ctx)
	if errors.Is(err, card.ErrHung) {
		s.Refusal = a.refusal(err)
		return s, nil
	}
	if err != nil {
		return s, err
	}
	signedIn := a.signedIn()
	for i, slot := range slots {
		reader := ReaderStatus{Reader: i, Name: slot.Description, State: CardAbsent}
		switch {
		case slot.Token != nil && slot.Token.Serial != "":
			reader.SignedIn = slot.Token.Serial == signedIn
			a.tellCard(ctx, &reader, slot.Token)
			reader.MendPage = a.config.Pages.at(reader.Mend)
		case slot.Err != nil:
			reader.State, reader.Refusal = CardUnknown, a.refusal(slot.Err)
		}
		s.Readers = append(s.Readers, reader)
	}
	return s, nil
}

func (a *Agent) tellCard(ctx context.Context, reader *ReaderStatus, token *card.TokenInfo) {
	reader.State = cardState(token)
	switch reader.State {
	case CardBlank:
		reader.Serial, reader.Mend = token.Serial, mendByRA
		return
	case CardLocked:
		reader.Mend = string(Unlock)
	}
	newest, err := a.newest(ctx, token.Serial)
	switch {
	case errors.Is(err, card.ErrRemoved), errors.Is(err, card.ErrNoCard):
		return // it has just been pulled
	case errors.Is(err, card.ErrHung) && a.atWork(token.Serial):
		return // a task is at work with it, and nothing hangs as far as is known
	case wardkey.RuleOf(err) == "cert.none":
		reader.Mend, reader.Refusal = mendByRA, a.refusal(err)
		return
	case err != nil:
		reader.Refusal = a.refusal(err)
		return
	}
	now, end := a.config.Now(), newest.NotAfter
	days := daysUntil(now, end)
	reader.NotAfter, reader.DaysLeft = &end, &days
	opens := end.Add(-a.window(now))
	reader.RenewalOpen = !now.Before(opens) && !now.After(end)
	switch {
	case now.After(end):
		reader.Mend = mendByRA
	case reader.Mend == "" && reader.RenewalOpen:
		reader.Mend = string(Renew)
	}
}

// newest is the certificate that a card would sign in with first.
func (a *Agent) newest(ctx context.Context, serial string) (*x509.Certificate, error) {
	if a.hangs(serial) {
		return nil, card.ErrHung
	}
	return within(ctx, func() (*x509.Certificate, error) {
		c, err := a.config.Module.Card(ctx, card.Selector{Serial: serial})
		if err != nil {
			return nil, err
		}
		candidates, err := a.candidates(ctx, c)
		if err != nil {
			return nil, err
		}
		return candidates[0], nil
	})
}

// atWork says that a task has the card and was not given up.
func (a *Agent) atWork(serial string) bool {
	a.mu.Lock()
	by := a.busy[serial]
	a.mu.Unlock()
	return by != nil && !by.givenUp()
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
