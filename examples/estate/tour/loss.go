// SPDX-License-Identifier: Apache-2.0

package tour

import (
	"context"
	"slices"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// loss is step 9.
func loss(ctx context.Context, s *story) error {
	pair, err := s.pair(ctx, s.leaver)
	if err != nil {
		return must("the second nurse's certificates", err)
	}
	for _, c := range pair {
		if err := s.good(ctx, c); err != nil {
			return err
		}
	}
	agent, err := s.atDesk(ctx, raAgent)
	if err != nil {
		return err
	}
	b, _, err := s.signedIn(ctx, s.leaver, ward)
	if err != nil {
		return must("the second nurse is signed in when the card is reported", err)
	}
	if err := must("the RA agent reports the card lost", agent.ReportLost(ctx, s.leaver.card)); err != nil {
		return err
	}
	_, err = b.Session(ctx)
	if err := refused(err, "the session of the lost card", over()...); err != nil {
		return err
	}
	for _, c := range pair {
		if err := s.revoked(ctx, c); err != nil {
			return err
		}
	}
	_, _, err = s.signedIn(ctx, s.leaver, ward)
	return refused(err, "sign-in with the lost card", "card.lost", "cert.revoked")
}

// over are the rules by which a session says that it is: it was ended, or its
// card has gone.
func over() []string { return []string{"session.ended", "presence.ended"} }

// endsWithin is how soon a session is over once its card is pulled.
const endsWithin = 2 * time.Second

// removal is step 10.
func removal(ctx context.Context, s *story) error {
	b, _, err := s.signedIn(ctx, s.nurse, ward)
	if err != nil {
		return must("the nurse signs in", err)
	}
	if _, err := b.Session(ctx); err != nil {
		return must("the session holds while the card is in the reader", err)
	}
	deadline, cancel := context.WithTimeout(ctx, endsWithin)
	defer cancel()
	if err := must("the card is pulled", s.h.Pull(deadline, ward)); err != nil {
		return err
	}
	for {
		_, err := b.Session(deadline)
		if slices.Contains(over(), wardkey.RuleOf(err)) {
			break
		}
		if deadline.Err() != nil {
			return holds(false, "the session is over within 2 seconds of the pull", "it is not")
		}
		if err != nil {
			return must("the session is over", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := s.inWard(ctx, s.nurse); err != nil {
		return err
	}
	_, err = b.Session(ctx)
	return refused(err, "the session after the card is put back", over()...)
}
