// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"time"
)

// message is on its way to a person. It lives in memory only: a code or an invitation that a crash loses is asked for
// again.
type message struct {
	channel       Channel
	to            string
	subject, body string
}

// sendWithin bounds one delivery.
const sendWithin = 30 * time.Second

// send hands a message to the Sender outside the request that caused it. When as many as Config.Queue are under way,
// the message is lost, and said to be.
func (s *Service) send(m message) {
	ctx := context.Background() // the request may be over before the message is out
	select {
	case s.slots <- struct{}{}:
	default:
		s.log.Error("careid: message lost: too many under way", "channel", string(m.channel))
		s.observe(ctx, Event{Name: EventMessageLost})
		return
	}
	go func() {
		defer func() { <-s.slots }()
		ctx, cancel := context.WithTimeout(ctx, sendWithin)
		defer cancel()
		if err := s.sender.Send(ctx, string(m.channel), m.to, m.subject, m.body); err != nil {
			s.log.Error("careid: message lost", "channel", string(m.channel), "error", err)
			s.observe(ctx, Event{Name: EventMessageLost})
			return
		}
		s.observe(ctx, Event{Name: EventMessageSent})
	}()
}

// Drain waits until no message is under way, and nothing that Due left being asked, or until ctx ends. Call it at
// shutdown, when no more requests come in.
func (s *Service) Drain(ctx context.Context) error {
	select {
	case s.look.turn <- struct{}{}:
		<-s.look.turn
	case <-ctx.Done():
		return ctx.Err()
	}
	for i := range cap(s.slots) {
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
			for range i {
				<-s.slots
			}
			return ctx.Err()
		}
	}
	for range cap(s.slots) {
		<-s.slots
	}
	return nil
}

// ukTime writes a time of the day as the people of this service read it off a wall.
func ukTime(t time.Time, layout string) string {
	zone, err := time.LoadLocation("Europe/London")
	if err != nil {
		return t.UTC().Format(layout) + " UTC"
	}
	return t.In(zone).Format(layout) + " UK time"
}

// contact chooses where a message goes: e-mail first.
func (p Profile) contact() (Channel, string) {
	if p.Email != "" {
		return ByEmail, p.Email
	}
	return ByText, p.Mobile
}

// tell queues a message to an address, if there is one.
func (r *record) tell(channel Channel, to, subject, body string) {
	if to != "" {
		r.messages = append(r.messages, message{channel: channel, to: to, subject: subject, body: body})
	}
}
