// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// change runs fn on a copy, where it is still there.
func (g *Gateway) change(id string, fn func(context.Context, StoreTx, Copy) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), g.config.Timeout)
	defer cancel()
	return g.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		c, err := tx.Copy(ctx, id)
		if errors.Is(err, mailpolicy.ErrNotFound) {
			return nil // delivered by another
		}
		if err != nil {
			return err
		}
		return fn(ctx, tx, c)
	})
}

// settle takes those off a copy who have it or never will, in one transaction
// with the report to its sender, and deletes a copy that nobody waits for.
func (g *Gateway) settle(id string, o outcome) error {
	var delivered, deferred int
	var given []failure
	var from string
	err := g.change(id, func(ctx context.Context, tx StoreTx, c Copy) error {
		e, err := g.openEnvelope(c)
		if err != nil {
			return err
		}
		before := len(e.To)
		e.To, given = o.remaining(e.To, !tx.Wall().Before(c.Begun.Add(g.config.GiveUp)))
		deferred, delivered, from = len(e.To), before-len(e.To)-len(given), e.From
		if len(given) > 0 && from != "" {
			if err := g.insertReport(ctx, tx, e, given); err != nil {
				return err
			}
		}
		if len(given) > 0 && e.Parcel != "" {
			if err := tx.DeleteCopy(ctx, e.Parcel); err != nil {
				return err
			}
		}
		if len(e.To) == 0 {
			return tx.DeleteCopy(ctx, c.ID)
		}
		if c.Envelope, err = g.sealEnvelope(c.ID, e); err != nil {
			return err
		}
		c.Try = tx.Wall().Add(o.pause(c.Tries))
		return tx.UpdateCopy(ctx, c)
	})
	if err != nil {
		return err
	}
	g.tell(EventDelivered, delivered)
	g.tell(EventDeferred, deferred)
	if from == "" {
		g.tell(EventUndeliverable, len(given))
		return nil
	}
	g.tell(EventBounced, len(given))
	if len(given) > 0 {
		g.wakeUp()
	}
	return nil
}

// remaining parts those who wait for a copy into those who go on waiting and
// those who wait in vain.
func (o outcome) remaining(to []string, tooLate bool) (wait []string, given []failure) {
	for _, one := range to {
		later, waits := o.later[one]
		final, failed := o.failed[one]
		switch {
		case failed:
			given = append(given, failure{one, final})
		case waits && tooLate && !o.interrupted:
			given = append(given, failure{one, later.tooLate()})
		case !slices.Contains(o.done, one):
			wait = append(wait, one)
		}
	}
	return wait, given
}

// pause is how long a copy rests after an attempt.
func (o outcome) pause(tries int) time.Duration {
	if o.interrupted {
		return 0
	}
	return retryAfter(tries)
}

func (g *Gateway) tell(name EventName, recipients int) {
	if recipients == 0 {
		return
	}
	g.config.Log.Info("mail", "event", string(name), "recipients", recipients)
	g.config.Observe(context.Background(), Event{Name: name, Recipients: recipients})
}
