// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// change runs fn on a copy, where it is still there, and reports whether it was.
func (g *Gateway) change(id string, fn func(context.Context, StoreTx, Copy) error) (was bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), g.config.Timeout)
	defer cancel()
	err = g.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		was = false
		c, err := tx.Copy(ctx, id)
		if errors.Is(err, mailpolicy.ErrNotFound) {
			return nil // delivered by another
		}
		if err != nil {
			return err
		}
		was = true
		return fn(ctx, tx, c)
	})
	return was, err
}

// settle takes those off a copy who have it or never will, in one transaction
// with the report to its sender, and deletes a copy that nobody waits for.
func (g *Gateway) settle(id string, o outcome) error {
	var delivered, deferred, told int
	var given []failure
	var from string
	was, err := g.change(id, func(ctx context.Context, tx StoreTx, c Copy) error {
		e, err := g.openEnvelope(c)
		if err != nil {
			return err
		}
		before := len(e.To)
		e.To, given = o.remaining(e.To, !tx.Wall().Before(c.Begun.Add(g.config.GiveUp)))
		deferred, delivered, from = len(e.To), before-len(e.To)-len(given), e.From
		if told, err = g.tellDelay(ctx, tx, c, &e, o); err != nil {
			return err
		}
		if err := g.putBack(ctx, tx, c, e, o); err != nil || len(given) == 0 {
			return err
		}
		return g.giveUp(ctx, tx, e, given)
	})
	if err != nil || !was {
		return err
	}
	g.tell(EventDelivered, delivered)
	g.tell(EventDeferred, deferred)
	g.tell(EventDelayed, told)
	if told > 0 {
		g.wakeUp()
	}
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

// putBack keeps a copy for those who still wait for it.
func (g *Gateway) putBack(ctx context.Context, tx StoreTx, c Copy, e envelope, o outcome) (err error) {
	if len(e.To) == 0 {
		return tx.DeleteCopy(ctx, c.ID)
	}
	if c.Envelope, err = g.sealEnvelope(c.ID, e); err != nil {
		return err
	}
	c.Try = tx.Wall().Add(o.pause(c.Tries))
	return tx.UpdateCopy(ctx, c)
}

// giveUp reports those who never get a copy. A parcel whose link can't be brought
// goes with it.
func (g *Gateway) giveUp(ctx context.Context, tx StoreTx, e envelope, given []failure) error {
	if e.Parcel != "" {
		_, err := tx.Copy(ctx, e.Parcel)
		if errors.Is(err, mailpolicy.ErrNotFound) {
			return nil // it has expired, which was reported
		}
		if err != nil {
			return err
		}
	}
	if e.From != "" {
		if err := g.insertReport(ctx, tx, e, givenUp(given)); err != nil {
			return err
		}
	}
	if e.Parcel == "" {
		return nil
	}
	if err := tx.DeleteCopy(ctx, e.Parcel); err != nil {
		return err
	}
	return tx.Audit(ctx, byGateway, actUndelivered, e.Parcel, "")
}

// tellDelay reports those who go on waiting after Config.DelayedAfter, once. While
// the next hop can't be reached, a report would not come any sooner than they.
func (g *Gateway) tellDelay(ctx context.Context, tx StoreTx, c Copy, e *envelope, o outcome) (told int, err error) {
	waited := tx.Wall().Sub(c.Begun)
	if e.Delayed || e.From == "" || len(e.To) == 0 || o.interrupted || o.unreached || waited < g.config.DelayedAfter {
		return 0, nil
	}
	var waiting []failure
	for _, one := range e.To {
		waiting = append(waiting, failure{one, o.later[one]})
	}
	e.Delayed = true
	return len(waiting), g.insertReport(ctx, tx, *e, delayed(waiting, g.config.Now().Add(g.config.GiveUp-waited)))
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
