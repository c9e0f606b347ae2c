// SPDX-License-Identifier: Apache-2.0

package hospital

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// State is what the estate's front page shows.
type State struct {
	Now     time.Time `json:"now"`
	SMTP    string    `json:"smtp"`       // host:port of the mail gateway
	Portal  string    `json:"portal"`     // base URL of the clinical portal
	Mail    string    `json:"mailPortal"` // base URL of the mail portal
	Agents  []Agent   `json:"agents"`
	Readers []Reader  `json:"readers"`
	Cards   []Card    `json:"cards"`
	People  []Person  `json:"people"`
	CA      CA        `json:"ca"`
}

// Agent is the card service of one workstation.
type Agent struct {
	Name    string `json:"name"`
	Address string `json:"address"` // base URL
	Readers []int  `json:"readers"` // their numbers in the hospital
}

// Reader is a card reader, numbered from 1 through the hospital.
type Reader struct {
	Reader int    `json:"reader"`
	Card   string `json:"card"` // serial, "" when empty
}

// Card is a smartcard of the estate. DemoPasscode is there for the people of
// the demo alone: no real system knows it.
type Card struct {
	Serial       string `json:"serial"`
	Label        string `json:"label"`
	Holder       string `json:"holder"` // user id
	State        string `json:"state"`
	Reader       int    `json:"reader"`
	DemoPasscode string `json:"demoPasscode"`
}

// Person is somebody with a profile.
type Person struct {
	UserID       string   `json:"userID"`
	Name         string   `json:"name"`
	Roles        []string `json:"roles"`
	Organisation string   `json:"organisation"`
	Email        string   `json:"email"`
	Mobile       string   `json:"mobile"`
}

// CA is the certificate authority as the estate opened it.
type CA struct {
	NotAfter time.Time `json:"notAfter"`
	// IssuingKey says where the issuing key is held: softhsm or software.
	IssuingKey string `json:"issuingKey"`
}

// State reads the estate as it is now.
func (h *Hospital) State(ctx context.Context) (*State, error) {
	s := new(State)
	return s, h.control(ctx, http.MethodGet, "/api/state", nil, s)
}

// Now is the estate's clock.
func (h *Hospital) Now(ctx context.Context) (time.Time, error) {
	s, err := h.State(ctx)
	if err != nil {
		return time.Time{}, err
	}
	return s.Now, nil
}

// Advance moves the clock forward by d, in whole seconds, and returns what it
// shows then. The estate has done by then what fell due. It never moves back.
func (h *Hospital) Advance(ctx context.Context, d time.Duration) (time.Time, error) {
	var out struct {
		Now time.Time `json:"now"`
	}
	err := h.control(ctx, http.MethodPost, "/clock", map[string]string{"add": d.String()}, &out)
	return out.Now, err
}

// AdvanceTo moves the clock to the instant at, or less than a second and the
// time of the call past it, and returns what it shows then. An instant that is
// already behind is an error.
func (h *Hospital) AdvanceTo(ctx context.Context, at time.Time) (time.Time, error) {
	now, err := h.Now(ctx)
	if err != nil {
		return time.Time{}, err
	}
	if now.After(at) {
		return now, fmt.Errorf("hospital: the clock shows %s, past %s", now.Format(time.RFC3339), at.Format(time.RFC3339))
	}
	up := (at.Sub(now) + time.Second - 1).Truncate(time.Second)
	if up == 0 {
		return now, nil
	}
	return h.Advance(ctx, up)
}

// BlankCard takes a new card out of the drawer and returns its serial.
func (h *Hospital) BlankCard(ctx context.Context) (string, error) {
	var out struct {
		Serial string `json:"serial"`
	}
	err := h.control(ctx, http.MethodPost, "/api/cards", struct{}{}, &out)
	return out.Serial, err
}

// Insert puts a card into a reader, out of whichever reader it is in. A
// card that is in the way is pulled out first.
func (h *Hospital) Insert(ctx context.Context, reader int, serial string) error {
	s, err := h.State(ctx)
	if err != nil {
		return err
	}
	for _, r := range s.Readers {
		switch {
		case r.Reader == reader && r.Card == serial:
			return nil
		case r.Card != "" && (r.Reader == reader || r.Card == serial):
			if err := h.Pull(ctx, r.Reader); err != nil {
				return err
			}
		}
	}
	if err := h.control(ctx, http.MethodPost, readerPath(reader), map[string]string{"card": serial}, nil); err != nil {
		return err
	}
	return h.await(ctx, fmt.Sprintf("reader %d to see its card", reader), func(ctx context.Context) (bool, error) {
		slot, err := h.Slot(ctx, reader)
		return slot.Present(), err
	})
}

// Pull takes the card out of a reader, signed in or not.
func (h *Hospital) Pull(ctx context.Context, reader int) error {
	return h.control(ctx, http.MethodDelete, readerPath(reader), nil, nil)
}

func readerPath(reader int) string { return "/api/readers/" + strconv.Itoa(reader) }

// RestartAgent stops the workstation's agent and its readers and starts them
// again.
func (h *Hospital) RestartAgent(ctx context.Context) error {
	return h.control(ctx, http.MethodPost, "/api/restart-agent", struct{}{}, nil)
}

// Certificates reads the newest confirmed pair of a card: authentication, then
// signing.
func (h *Hospital) Certificates(ctx context.Context, serial string) ([]*x509.Certificate, error) {
	var out struct {
		Certificates []struct {
			Use string `json:"use"`
			PEM string `json:"pem"`
		} `json:"certificates"`
	}
	if err := h.control(ctx, http.MethodGet, "/api/cards/"+serial+"/certificates", nil, &out); err != nil {
		return nil, err
	}
	byUse := map[string]*x509.Certificate{}
	for _, c := range out.Certificates {
		block, _ := pem.Decode([]byte(c.PEM))
		if block == nil {
			return nil, fmt.Errorf("hospital: the %s certificate of card %s is no PEM", c.Use, serial)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("hospital: the %s certificate of card %s: %w", c.Use, serial, err)
		}
		byUse[c.Use] = certificate
	}
	if len(out.Certificates) != 2 || byUse["authentication"] == nil || byUse["signing"] == nil {
		return nil, fmt.Errorf("hospital: card %s has %d certificates and not a pair", serial, len(out.Certificates))
	}
	return []*x509.Certificate{byUse["authentication"], byUse["signing"]}, nil
}

// Chain is the number of rows of one room's audit.
type Chain struct {
	Rows int64 `json:"rows"`
}

// VerifyAudits checks the hash chain of every room and counts its rows; a
// broken chain is an error.
func (h *Hospital) VerifyAudits(ctx context.Context) (map[string]Chain, error) {
	var out map[string]Chain
	return out, h.control(ctx, http.MethodGet, "/api/audit", nil, &out)
}

// Tampered is what verifying a changed copy of an audit found.
type Tampered struct {
	Found bool   `json:"found"`
	Room  string `json:"room"`
	Seq   int64  `json:"seq"` // the row that it names
	Why   string `json:"why"`
}

// TamperWithCopy copies the estate's database, changes the detail of one row in
// the copy and verifies the copy. The estate's own database is not touched.
func (h *Hospital) TamperWithCopy(ctx context.Context, room string, seq int64) (*Tampered, error) {
	t := new(Tampered)
	in := map[string]any{"room": room, "seq": seq}
	return t, h.control(ctx, http.MethodPost, "/api/audit/copy", in, t)
}
