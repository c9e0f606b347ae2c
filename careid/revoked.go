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

// lookFor is how long Due waits for such a round, which goes on behind it, so that an authority that hangs holds up no
// other work of Due's. lookPatience is how long one answer may take: longer than a *pki.Fetcher waits for one list.
const (
	lookFor      = 5 * time.Second
	lookPatience = 15 * time.Second
)

// lookout is this process's rounds. Another process asks by itself; who finds an end first, ends.
type lookout struct {
	turn  chan struct{} // holds one while a round is under way
	began time.Time     // Wall, of the last round; zero before
}

var errAsking = errors.New("careid: whether the certificates of live sessions were revoked is being asked still")

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

// endRevoked begins a round through the live sessions when one is due, and ends those whose certificate is not good any
// more. A certificate about which nobody can tell ends nothing.
func (s *Service) endRevoked(ctx context.Context) error {
	select {
	case s.look.turn <- struct{}{}:
	default:
		return nil // one is under way
	}
	wall := s.wall()
	if since := wall.Sub(s.look.began); !s.look.began.IsZero() && since >= 0 && since < lookEvery {
		<-s.look.turn
		return nil
	}
	s.look.began = wall
	done := make(chan error, 1)
	go func() {
		err := s.lookRound(ctx)
		<-s.look.turn
		done <- err
	}()
	limit := time.NewTimer(lookFor)
	defer limit.Stop()
	select {
	case err := <-done:
		return err
	case <-limit.C:
		return errAsking
	}
}

// looked is a live session and the certificate that it began by, empty where the store has lost that.
type looked struct {
	hash   []byte
	cert   Certificate
	issuer string
}

// lookRound asks about all live sessions, each authority beside the others: one that hangs is left alone until the next
// round and keeps the others waiting once. The error is the first: they are mostly one and the same.
func (s *Service) lookRound(ctx context.Context) error {
	var failed error
	var mu sync.Mutex // of failed and silent
	silent := map[string]bool{}
	for after := []byte(nil); ; {
		live, err := s.lookedAfter(ctx, after)
		if err != nil {
			return errors.Join(failed, err)
		}
		of := map[string][]looked{}
		for _, one := range live {
			if !silent[one.issuer] && len(one.cert.DER) > 0 {
				of[one.issuer] = append(of[one.issuer], one)
			}
		}
		var all sync.WaitGroup
		for issuer, theirs := range of {
			all.Go(func() {
				answers, err := s.endOver(ctx, theirs)
				mu.Lock()
				defer mu.Unlock()
				silent[issuer], failed = !answers, cmp.Or(failed, err)
			})
		}
		all.Wait()
		if len(live) < sweep {
			return failed
		}
		after = live[sweep-1].hash
	}
}

// lookedAfter reads the next sessions, up to sweep of them.
func (s *Service) lookedAfter(ctx context.Context, after []byte) ([]looked, error) {
	var live []looked
	err := s.read(ctx, func(ctx context.Context, tx *Tx) error {
		live = nil
		rows, err := tx.Sessions.WithCard(ctx, after, sweep)
		for _, row := range rows {
			cert, card, _, err := tx.Cards.CardOf(ctx, row.Certificate)
			if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			live = append(live, looked{row.Hash, cert, card.Issuer})
		}
		return err
	})
	return live, err
}

// endOver asks one authority about sessions of its certificates, one after the other, until it lets lookPatience pass: then
// it does not answer.
func (s *Service) endOver(ctx context.Context, theirs []looked) (answers bool, failed error) {
	for _, one := range theirs {
		patient, cancel := context.WithTimeout(ctx, lookPatience)
		over, _, err := s.over(patient, one.cert, one.issuer)
		answers = patient.Err() == nil
		cancel()
		if err == nil && over {
			err = s.end(ctx, "system", SessionFilter{Hash: one.hash}, "revoked")
		}
		if failed = cmp.Or(failed, err); !answers {
			return false, failed
		}
	}
	return true, failed
}
