// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// lookEvery is how often each live session's certificate is asked about though nobody uses the session, so that an end
// that the CA alone decided reaches the relying parties too within the minute that they may be signed in still.
const lookEvery = 20 * time.Second

// lookout is how far this process has come with asking. Another process asks by itself; who finds an end first, ends.
type lookout struct {
	mu    sync.Mutex
	began time.Time // Wall, of the last round; zero before
	after []byte    // the last session that was asked about in a round under way; nil between rounds
}

// over says whether a certificate ends its sessions, and why; where it does not and no is not nil, nobody tells at the
// moment how it stands. issuer is the card's. That it reached its end does not end them, but for one of an outside issuer,
// which need not say any more whether it was revoked.
func (s *Service) over(ctx context.Context, stored Certificate, issuer string) (over bool, no, err error) {
	cert, err := stored.Parse()
	if err != nil {
		return false, nil, err
	}
	v, err := s.judge(ctx, cert)
	if err != nil {
		return false, nil, err
	}
	if stored.dead() { // decided here, though the CA may not have heard of it yet
		v = verdict{issuer: issuer, no: s.no("cert.revoked")}
	}
	switch rule := wardkey.RuleOf(v.no); {
	case rule == "cert.status":
		return false, v.no, nil
	case v.issuer != issuer || v.no != nil && (rule != "cert.expired" || issuer != ""):
		return true, v.no, nil
	}
	return false, nil, nil
}

// endRevoked goes on with a round through the live sessions, up to sweep of them, and ends those whose certificate is not
// good any more. A certificate about which nobody can tell ends nothing.
func (s *Service) endRevoked(ctx context.Context) error {
	l := &s.look
	if !l.mu.TryLock() {
		return nil // another call of Due is at it
	}
	defer l.mu.Unlock()
	if wall := s.wall(); l.after == nil {
		if since := wall.Sub(l.began); !l.began.IsZero() && since >= 0 && since < lookEvery {
			return nil
		}
		l.began = wall
	}
	type seen struct {
		row    SessionRow
		cert   Certificate
		issuer string
	}
	var live []seen
	err := s.read(ctx, func(ctx context.Context, tx *Tx) error {
		live = nil
		rows, err := tx.Sessions.WithCard(ctx, l.after, sweep)
		for _, row := range rows {
			cert, card, _, err := tx.Cards.CardOf(ctx, row.Certificate)
			if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			live = append(live, seen{row, cert, card.Issuer})
		}
		return err
	})
	if err != nil {
		return err
	}
	var failed error // the first: they are mostly one and the same
	for _, one := range live {
		if len(one.cert.DER) == 0 {
			continue
		}
		over, _, err := s.over(ctx, one.cert, one.issuer)
		if err == nil && over {
			err = s.end(ctx, "system", SessionFilter{Hash: one.row.Hash}, "revoked")
		}
		failed = cmp.Or(failed, err)
	}
	if l.after = nil; len(live) == sweep {
		l.after = live[sweep-1].row.Hash
	}
	return failed
}
