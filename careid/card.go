// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"crypto/x509"
	"errors"
	"time"
)

// CardState is where a card is in its life.
type CardState string

// The states of a card. Expired is never stored: it is an active or locked card whose newest certificates have ended.
const (
	CardOrdered   CardState = "ordered"   // an issue act is open, nothing on it counts yet
	CardActive    CardState = "active"    // signs in
	CardLocked    CardState = "locked"    // issued locked, or an unlock of it has begun and is not confirmed
	CardExpired   CardState = "expired"   // its certificates have ended
	CardCancelled CardState = "cancelled" // for good
	CardLost      CardState = "lost"
	CardReturned  CardState = "returned"
	CardReplaced  CardState = "replaced" // another card took its place
	CardCleared   CardState = "cleared"  // emptied: may be issued again, to anybody
)

// Card is one smartcard, known by the serial that its token reports.
type Card struct {
	Serial   string
	Profile  string // user id of the holder
	State    CardState
	IssuedAt time.Time
	NotAfter time.Time // inclusive end of its newest confirmed certificates; zero before the first
	OpenAct  string    // id of the act that is open on it, or ""
	Issuer   string    // the OutsideIssuer whose card it is, or "" for this service's own
	// UnlockedAt is its last confirmed unlock, at a desk too, and RetiredAt when it was taken out of use; zero before.
	UnlockedAt, RetiredAt time.Time
}

// CertificateState is what careid makes of a certificate. Revocation itself is the CA's word; Revoking and Revoked
// say how far careid's own request has come.
type CertificateState string

// A pair is pending until the card proves the new key, then current, then replaced by the next confirmed pair.
const (
	CertificatePending  CertificateState = "pending"
	CertificateCurrent  CertificateState = "current"
	CertificateReplaced CertificateState = "replaced"
	CertificateRevoking CertificateState = "revoking" // decided here, not yet told to the CA
	CertificateRevoked  CertificateState = "revoked"
	CertificateUnbound  CertificateState = "unbound" // an outside card's that was taken out of use: its issuer alone revokes
)

// KeyUse is what a key of the pair is for.
type KeyUse string

// A card carries a pair. Only the authentication key signs in.
const (
	Authentication KeyUse = "authentication"
	Signing        KeyUse = "signing"
)

// Certificate is one certificate as careid keeps it.
type Certificate struct {
	Fingerprint [32]byte // SHA-256 of DER
	Card        string
	Act         string
	Use         KeyUse
	State       CertificateState
	Reason      int       // RFC 5280 §5.3.1 code, when Revoking or Revoked
	RevokeAt    time.Time // the time given to the CA, when Revoking or Revoked
	NotAfter    time.Time
	DER         []byte
}

// dead says that it was decided here that the certificate ends, whether the CA has heard of it or not.
func (c Certificate) dead() bool {
	return c.State == CertificateRevoking || c.State == CertificateRevoked || c.State == CertificateUnbound
}

// Parse reads the DER.
func (c Certificate) Parse() (*x509.Certificate, error) { return x509.ParseCertificate(c.DER) }

// Order asks the Registration Authority for a card.
type Order struct {
	ID       string
	Profile  string
	Replaces string // serial of the lost card, or ""
	At       time.Time
	Card     string // serial that filled it, or "" while open
}

// RFC 5280 §5.3.1 reasons that careid gives to the CA.
const (
	keyCompromise        = 1
	superseded           = 4
	cessationOfOperation = 5
)

// Card reads one card: a holder's own, or one of a person in the care of the actor's organisation.
func (s *Service) Card(ctx context.Context, a Actor, serial string) (*Card, error) {
	var c Card
	err := s.read(ctx, func(ctx context.Context, tx *Tx) error {
		var p Profile
		var err error
		if c, p, err = s.cardOf(ctx, tx, a, serial); err != nil {
			return err
		}
		if _, err = s.authorize(ctx, tx, a, ActionView, AnyTerm, p); err != nil {
			return err
		}
		c = seen(c, tx.Now)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &c, nil
}

// Cards lists a person's cards, oldest first.
func (s *Service) Cards(ctx context.Context, a Actor, profile string) ([]Card, error) {
	var cards []Card
	err := s.view(ctx, a, profile, func(ctx context.Context, tx *Tx) (err error) {
		cards, err = tx.Cards.CardsOf(ctx, profile)
		if err != nil {
			return err
		}
		for i := range cards {
			cards[i] = seen(cards[i], tx.Now)
		}
		return nil
	})
	return cards, err
}

// seen fills in what is not stored with a card: that it has expired.
func seen(c Card, t time.Time) Card {
	if (c.State == CardActive || c.State == CardLocked) && t.After(c.NotAfter) {
		c.State = CardExpired
	}
	return c
}

// Certificates lists what a card carries and carried for its holder, oldest first, authentication before signing; for
// the operator, what it carried for former holders too.
func (s *Service) Certificates(ctx context.Context, a Actor, serial string) ([]Certificate, error) {
	var certs []Certificate
	err := s.read(ctx, func(ctx context.Context, tx *Tx) error {
		_, p, err := s.cardOf(ctx, tx, a, serial)
		if err != nil {
			return err
		}
		if _, err := s.authorize(ctx, tx, a, ActionView, AnyTerm, p); err != nil {
			return err
		}
		all, err := tx.Cards.CertificatesOf(ctx, serial)
		for _, c := range all {
			act, err := tx.Acts.Act(ctx, c.Act)
			if err != nil {
				return err
			}
			if a.operator != "" || act.Profile == p.ID {
				certs = append(certs, c)
			}
		}
		return err
	})
	return certs, err
}

// Orders lists the open orders for people with an open profile in the care of the actor's organisation; for the operator,
// all of those.
func (s *Service) Orders(ctx context.Context, a Actor) ([]Order, error) {
	var mine []Order
	err := s.read(ctx, func(ctx context.Context, tx *Tx) error {
		if _, err := s.authorize(ctx, tx, a, ActionView, AnyTerm, a.self()); err != nil {
			return err
		}
		orders, err := tx.Cards.OpenOrders(ctx)
		if err != nil {
			return err
		}
		for _, o := range orders {
			p, err := tx.People.Profile(ctx, o.Profile)
			if err != nil {
				return err
			}
			if p.State == ProfileOpen && (a.operator != "" || p.ID == a.profile || a.role != Holder && p.Organisation == a.organisation) {
				mine = append(mine, o)
			}
		}
		return nil
	})
	return mine, err
}

// CancelCard takes a card out of use for good, with reason cessationOfOperation.
func (s *Service) CancelCard(ctx context.Context, a Actor, serial string) error {
	return s.retire(ctx, a, "cancel card", ActionCancel, serial, CardCancelled)
}

// ReturnCard records that a card was handed back: it is out of use, with reason cessationOfOperation.
func (s *Service) ReturnCard(ctx context.Context, a Actor, serial string) error {
	return s.retire(ctx, a, "take card back", ActionReturn, serial, CardReturned)
}

func (s *Service) retire(ctx context.Context, a Actor, name string, action Action, serial string, to CardState) error {
	err := s.change(ctx, a.name(), name, serial, func(ctx context.Context, tx *Tx, rec *record) error {
		c, p, err := s.cardOf(ctx, tx, a, serial)
		if err != nil {
			return err
		}
		if _, err := s.authorize(ctx, tx, a, action, AnyTerm, p); err != nil {
			return err
		}
		return s.takeOut(ctx, tx, rec, c, to, cessationOfOperation)
	})
	if err != nil {
		return err
	}
	return s.settle(ctx, serial)
}

// takeOut moves a card out of use with everything that hangs on it. The CA is told afterwards, by settle.
func (s *Service) takeOut(ctx context.Context, tx *Tx, rec *record, c Card, to CardState, why int) error {
	from := c.State
	if from != CardOrdered && from != CardActive && from != CardLocked {
		return s.no("card.notlive", "state", string(from))
	}
	c.State, c.RetiredAt = to, tx.Now
	if done, err := tx.Cards.UpdateCard(ctx, c, from); err != nil || !done {
		return orConflict(err)
	}
	var err error
	if c.Issuer == "" {
		err = s.markRevoked(ctx, tx, c.Serial, "", why)
	} else {
		err = s.unbind(ctx, tx, c.Serial)
	}
	if err != nil {
		return err
	}
	act, err := tx.Acts.OpenActOf(ctx, c.Serial)
	if err == nil {
		state := act.State
		act.State = ActAbandoning
		_, err = tx.Acts.UpdateAct(ctx, act, state)
	}
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	links, err := tx.Links.LinksOf(ctx, c.Profile)
	if err != nil {
		return err
	}
	for _, l := range links {
		if l.Card == c.Serial && l.State == LinkActive {
			l.State, l.At = LinkSuspended, tx.Now
			if _, err := tx.Links.SetLink(ctx, l, LinkActive); err != nil {
				return err
			}
		}
	}
	rec.events = append(rec.events, Event{Name: EventCardChanged, Card: c.Serial})
	return s.endSessions(ctx, tx, rec, SessionFilter{Card: c.Serial}, "card "+string(to))
}

// markRevoked decides on the revocation of a card's certificates: all that are not revoked yet, or those of one act.
func (s *Service) markRevoked(ctx context.Context, tx *Tx, card, act string, why int) error {
	certs, err := tx.Cards.CertificatesOf(ctx, card)
	if err != nil {
		return err
	}
	for _, cert := range certs {
		if act != "" && cert.Act != act || cert.State == CertificateRevoking || cert.State == CertificateRevoked {
			continue
		}
		from := cert.State
		cert.State, cert.Reason, cert.RevokeAt = CertificateRevoking, why, tx.Now
		if _, err := tx.Cards.SetCertificate(ctx, cert, from); err != nil {
			return err
		}
	}
	return nil
}

// orConflict names what a conditional update that found another state means inside a transaction.
func orConflict(err error) error {
	if err != nil {
		return err
	}
	return ErrConflict
}
