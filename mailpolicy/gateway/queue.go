// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"sync"
	"time"
)

const (
	// pollEvery is how soon mail is seen that another gateway took, or that is
	// to be tried again.
	pollEvery = time.Second
	// leaseFor is how long a copy whose gateway died waits for another, and
	// renewEvery how often one that is still at work says so.
	leaseFor   = time.Minute
	renewEvery = leaseFor / 3
	// firstRetry doubles with each try up to lastRetry. RFC 5321 §4.5.4.1 asks for
	// half an hour between tries at a stranger's server; NextHop is one's own.
	firstRetry = time.Minute
	lastRetry  = time.Hour
	// MaxPause is the longest that a copy waits for its next try. What waits longer
	// was put off by a clock that has been put back since, and is due.
	MaxPause = lastRetry
	// brokenAfter is far longer than a message may take to come in. One that was
	// taken for broken too early is answered with 451.
	brokenAfter = time.Hour
)

// retryAfter is how long to wait after so many tries.
func retryAfter(tries int) time.Duration {
	return min(lastRetry, firstRetry<<min(max(tries-1, 0), 10))
}

// wakeUp says that there is something to deliver.
func (g *Gateway) wakeUp() {
	select {
	case g.wake <- struct{}{}:
	default: // it was said already
	}
}

// dispatch delivers what is due until claiming ends, and returns when the last
// delivery has ended.
func (g *Gateway) dispatch() {
	defer close(g.idle)
	var deliveries sync.WaitGroup
	defer deliveries.Wait()
	deliveries.Go(g.watch)
	slots := make(chan struct{}, g.config.MaxDeliveries)
	for {
		select {
		case slots <- struct{}{}: // one is free, and only this loop takes any
		case <-g.claiming.Done():
			return
		}
		<-slots
		claimed, err := g.claim(cap(slots) - len(slots))
		if err != nil {
			g.config.Log.Warn("mail: nothing can be delivered now", "cause", err)
		}
		for _, c := range claimed {
			slots <- struct{}{}
			deliveries.Go(func() {
				defer func() { <-slots }()
				g.deliver(g.working, c)
			})
		}
		if len(claimed) == 0 && !g.rest() {
			return
		}
	}
}

// rest waits for something to do, and is false when claiming has ended.
func (g *Gateway) rest() bool {
	timer := time.NewTimer(pollEvery)
	defer timer.Stop()
	select {
	case <-g.wake:
	case <-timer.C:
	case <-g.claiming.Done():
		return false
	}
	return true
}

// claim takes copies that are due, so that nobody else does for leaseFor.
func (g *Gateway) claim(limit int) (claimed []Copy, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), g.config.Timeout)
	defer cancel()
	var due []Copy
	err = g.config.Store.Read(ctx, func(ctx context.Context, tx StoreTx) (err error) {
		due, err = tx.DueCopies(ctx, 1)
		return err
	})
	if err != nil || len(due) == 0 || g.claiming.Err() != nil {
		return nil, err
	}
	err = g.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) (err error) {
		if err := tx.DeleteBroken(ctx, tx.Wall().Add(-brokenAfter)); err != nil {
			return err
		}
		if claimed, err = tx.DueCopies(ctx, limit); err != nil {
			return err
		}
		for i := range claimed {
			claimed[i].Tries++
			claimed[i].Try = tx.Wall().Add(leaseFor)
			if err := tx.UpdateCopy(ctx, claimed[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

// deliver tries one copy and keeps what came of it.
func (g *Gateway) deliver(ctx context.Context, c Copy) {
	e, err := g.openEnvelope(c)
	if err != nil {
		g.damaged(c)
		return
	}
	stop := g.renew(c.ID)
	o := g.attempt(ctx, c, e)
	stop()
	if o.damaged {
		g.config.Log.Error("mail: a message was altered in the store, and is given up", "copy", c.ID)
		g.config.Observe(ctx, Event{Name: EventDamaged, Recipients: len(e.To)})
	}
	if err := g.settle(c.ID, o); err != nil {
		g.config.Log.Warn("mail: what came of a delivery is not kept; it is tried again", "cause", err)
	}
}

// damaged keeps a copy that doesn't say any more to whom it goes: an operator
// may put the store right again.
func (g *Gateway) damaged(c Copy) {
	g.config.Log.Error("mail: the envelope of a message was altered in the store; the message is kept", "copy", c.ID)
	g.config.Observe(context.Background(), Event{Name: EventDamaged})
	if err := g.postpone(c.ID, lastRetry); err != nil {
		g.config.Log.Warn("mail: a message is tried again earlier than meant", "cause", err)
	}
}

// renew says that a copy is still being delivered, until it is told to stop.
func (g *Gateway) renew(id string) (stop func()) {
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		ticker := time.NewTicker(renewEvery)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				if err := g.postpone(id, leaseFor); err != nil {
					g.config.Log.Warn("mail: a delivery under way may be begun twice", "cause", err)
				}
			}
		}
	})
	return func() {
		close(done)
		running.Wait()
	}
}

// postpone moves a copy's next try on, by the machine's clock.
func (g *Gateway) postpone(id string, by time.Duration) error {
	_, err := g.change(id, func(ctx context.Context, tx StoreTx, c Copy) error {
		c.Try = tx.Wall().Add(by)
		return tx.UpdateCopy(ctx, c)
	})
	return err
}
