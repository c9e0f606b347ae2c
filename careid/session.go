// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"
)

// Binding says what pulling the card does to the session that it opened.
type Binding string

// Close ends the session and has the agent close the browser, End ends the session, Keep leaves it.
const (
	BindingClose Binding = "close"
	BindingEnd   Binding = "end"
	BindingKeep  Binding = "keep"
)

// Answered is the server's answer to a good proof. Presence is the agent's token for Lease and Removed. Result is
// redeemed once, by the browser whose cookie the proof is bound to, within 60 seconds by Wall. A proof for an act
// (Presence, Renew) has neither: it is recorded with its act. Result of a StepUp is redeemed like a sign-in's.
type Answered struct {
	Presence   string
	Result     string
	LeaseEvery time.Duration
	LeaseFor   time.Duration
	OpenAct    string // a handle of the act left unfinished on this card, or "": any agent that sees the card goes on with it
}

// Session is a person at work, for at most 8 hours of the calendar.
type Session struct {
	ID        string // public; not the token
	Profile   string
	Name      string
	Card      string // "" of a session by other authenticators
	AuthTime  time.Time
	ExpiresAt time.Time // exclusive: at this second it is gone
	Binding   Binding
	Used      []Shown // what the person really used
	AAL       AAL     // what that comes to
	AMR       []string
	ACR       string
	OpenAct   string  // id of the act that is open on the card, or ""
	Alerts    []Alert // what the card's certificates have to be alerted for as of now
}

// SignedIn is a fresh session. Token is the session cookie's value; the store keeps its SHA-256.
type SignedIn struct {
	Token   string
	Session Session
	Alerts  []Alert
	// SecondFactor says why no further factor was asked for, and whether registering one is advised.
	SecondFactor SecondFactor
	Terms        TermsState
}

// Alert tells at a sign-in that the card's certificates end soon. DaysLeft counts begun days: 90 from the first
// second of the window, 1 on the last day, 0 at the very end.
type Alert struct {
	Rule     string // cert.alert
	Card     string
	DaysLeft int
	NotAfter time.Time // inclusive
	Issuer   string    // the outside issuer that renews it, or "" for this service
}

// live reads a session that may act: one that stands and was not left idle for longer than the organisation's limit.
func (s *Service) live(ctx context.Context, tx *Tx, hash []byte) (SessionRow, error) {
	row, err := s.standing(ctx, tx, hash)
	if err != nil {
		return SessionRow{}, err
	}
	locked, err := s.idle(row, tx.Now)
	if err != nil {
		return SessionRow{}, err
	}
	if locked {
		return SessionRow{}, s.no("session.locked")
	}
	return row, nil
}

// standing reads a session that is not over, locked or not: not ended, within its time, its card in the reader as far
// as its binding asks, the card in use and the person's profile open. It does not ask the CA; Session does.
func (s *Service) standing(ctx context.Context, tx *Tx, hash []byte) (SessionRow, error) {
	row, err := tx.Sessions.Session(ctx, hash)
	if errors.Is(err, ErrNotFound) {
		return SessionRow{}, s.no("session.none")
	}
	if err != nil {
		return SessionRow{}, err
	}
	if row.Ended != "" || !tx.Now.Before(row.ExpiresAt) {
		return SessionRow{}, s.no("session.ended")
	}
	if row.Binding != BindingKeep && !tx.Wall.Before(row.Lease) {
		return SessionRow{}, s.no("presence.ended")
	}
	p, err := tx.People.Profile(ctx, row.Profile)
	if err != nil {
		return SessionRow{}, err
	}
	if p.State != ProfileOpen {
		return SessionRow{}, s.no("session.ended")
	}
	if row.Card == "" {
		return row, s.usedStill(ctx, tx, row)
	}
	card, err := tx.Cards.Card(ctx, row.Card)
	if err != nil {
		return SessionRow{}, err
	}
	if card.State != CardActive || card.Profile != p.ID {
		return SessionRow{}, s.no("session.ended")
	}
	return row, nil
}

// usedStill asks that the authenticators of a session are still the person's, and still enough.
func (s *Service) usedStill(ctx context.Context, tx *Tx, row SessionRow) error {
	for _, one := range row.Used {
		kept, err := tx.Authenticators.Authenticator(ctx, one.Authenticator)
		if err != nil {
			return err
		}
		if kept.State != AuthenticatorActive || kept.Profile != row.Profile {
			return s.no("session.ended")
		}
	}
	policy, err := s.policy(tx.Now)
	if err != nil {
		return err
	}
	level, err := s.level(row, tx.Now)
	if err == nil && level < policy.SignInAAL {
		return s.no("session.ended")
	}
	return err
}

// Redeem turns a result into a session under a new id. cookie is the value of the cookie whose SHA-256 the proof is
// bound to: pre-session for a sign-in, the session itself for a step-up, which keeps its end and gets a new id and a
// new AuthTime. Once, and within 60 seconds by Wall. The alerts are those of this sign-in.
// Refusals: proof.result, proof.purpose (a sign-in bound to a session), presence.ended, card.…, profile.closed, session.…
func (s *Service) Redeem(ctx context.Context, result string, cookie []byte) (*SignedIn, error) {
	var in SignedIn
	bind := sha256.Sum256(cookie)
	err := s.change(ctx, "anonymous", "sign in", "", func(ctx context.Context, tx *Tx, rec *record) error {
		r, err := tx.Proofs.TakeResult(ctx, digest(result), bind[:], tx.Wall)
		if errors.Is(err, ErrNotFound) {
			return s.no("proof.result")
		}
		if err != nil {
			return err
		}
		rec.Actor, rec.Subject, rec.keep = r.Profile, r.Card, true
		if r.Purpose == SignIn && r.OfSession { // only a step-up speaks for a session, and it ends that one
			return s.no("proof.purpose")
		}
		row, card, p, err := s.sessionFrom(ctx, tx, r)
		if err != nil {
			return err
		}
		if r.Purpose == StepUp {
			old, err := s.standing(ctx, tx, bind[:]) // a locked one too: this is how it goes on
			if err != nil {
				return err
			}
			row.ExpiresAt = old.ExpiresAt
			rec.Action = "step up"
			if err := s.endSessions(ctx, tx, rec, SessionFilter{Hash: old.Hash}, "stepped up"); err != nil {
				return err
			}
		}
		in = SignedIn{Token: newSecret()}
		row.Hash = digest(in.Token)
		if err := tx.Sessions.AddSession(ctx, row); err != nil {
			return err
		}
		if in.Session, err = s.shown(row, p, tx.Now); err != nil {
			return err
		}
		in.Session.OpenAct = card.OpenAct
		policy, err := s.policy(tx.Now)
		if err != nil {
			return err
		}
		in.SecondFactor = policy.AfterCard
		rec.Detail = "session " + in.Session.ID + ", no second factor by " + in.SecondFactor.Ground.Rule
		if in.Terms, err = s.useTerms(ctx, tx, rec, p.ID); err != nil {
			return err
		}
		rec.events = append(rec.events, Event{Name: EventSignedIn, Card: row.Card})
		in.Alerts = alerts(policy.AlertWindow, card, tx.Now)
		in.Session.Alerts = in.Alerts
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &in, nil
}

// sessionFrom makes the row, if card and person are still what they were a minute ago.
func (s *Service) sessionFrom(ctx context.Context, tx *Tx, r Result) (SessionRow, Card, Profile, error) {
	fail := func(err error) (SessionRow, Card, Profile, error) { return SessionRow{}, Card{}, Profile{}, err }
	policy, err := s.policy(tx.Now)
	if err != nil {
		return fail(err)
	}
	card, p, err := tx.Cards.CardHolder(ctx, r.Card)
	if err != nil {
		return fail(err)
	}
	if err := s.cardState(card); err != nil {
		return fail(err)
	}
	switch {
	case p.ID != r.Profile: // the card is another's now
		return fail(s.no("proof.result"))
	case p.State != ProfileOpen:
		return fail(s.no("profile.closed"))
	case !tx.Wall.Before(r.Lease):
		return fail(s.no("presence.ended"))
	}
	binding, own := s.bindings[p.Organisation]
	if !own {
		binding = policy.Binding
	}
	return SessionRow{
		Profile: p.ID, Card: card.Serial, Certificate: r.Certificate, Presence: r.Presence, Binding: binding,
		AuthTime: tx.Now, Seen: tx.Now, ExpiresAt: tx.Now.Add(policy.SessionMax), Lease: r.Lease,
	}, card, p, nil
}

// fresh refuses what a workstation left open must not do: its person has shown a while ago who they are. A step-up helps.
func (s *Service) fresh(ctx context.Context, tx *Tx, p Policy, a Actor) error {
	row, err := s.live(ctx, tx, a.session)
	if err == nil && tx.Now.Sub(row.AuthTime) > p.SessionFresh {
		return s.no("session.stale")
	}
	return err
}

// shown is what a session looks like from outside.
func (s *Service) shown(row SessionRow, p Profile, t time.Time) (Session, error) {
	level, err := s.level(row, t)
	if err != nil {
		return Session{}, err
	}
	used, err := s.used(row, t)
	return Session{
		ID: sessionID(row.Hash), Profile: p.ID, Name: p.Name(), Card: row.Card,
		AuthTime: row.AuthTime, ExpiresAt: row.ExpiresAt, Binding: row.Binding,
		Used: row.shown(), AAL: level, AMR: used, ACR: level.ACR(),
	}, err
}

func sessionID(hash []byte) string { return hex.EncodeToString(hash[:16]) }

// alerts tells of a card's certificates that end soon.
func alerts(window time.Duration, c Card, t time.Time) []Alert {
	due := expiryAlerts(window, c.Serial, c.NotAfter, t)
	for i := range due {
		due[i].Issuer = c.Issuer
	}
	return due
}

// Session reads a live session by its token, and asks the CA, or the outside issuer, whether its certificate was revoked:
// then the session ends here and now, and also where that was decided here and the CA has not heard of it yet. Where an outside issuer's answer can't be had it is refused and does not end. That the
// certificate reached its end meanwhile does not end it, but for one of an outside issuer, which need not say any more
// whether it was revoked. Each call counts as use of the session: a page that polls keeps it from being idle.
// Refusals: session.none, session.ended, session.locked (a step-up goes on with it), presence.ended, cert.status.
func (s *Service) Session(ctx context.Context, token string) (*Session, error) {
	var row SessionRow
	var p Profile
	var session Session
	var stored Certificate
	open, issuer := "", ""
	err := s.read(ctx, func(ctx context.Context, tx *Tx) error {
		var err error
		if row, err = s.live(ctx, tx, digest(token)); err != nil {
			return err
		}
		if p, err = tx.People.Profile(ctx, row.Profile); err != nil {
			return err
		}
		if session, err = s.shown(row, p, tx.Now); err != nil || row.Card == "" {
			return err
		}
		cert, card, _, err := tx.Cards.CardOf(ctx, row.Certificate)
		if err != nil {
			return err
		}
		stored, issuer, open = cert, card.Issuer, card.OpenAct
		policy, err := s.policy(tx.Now)
		session.Alerts = alerts(policy.AlertWindow, card, tx.Now)
		return err
	})
	if err != nil {
		return nil, err
	}
	if row.Card == "" { // no certificate of it can be revoked
		return &session, s.see(ctx, row)
	}
	over, no, err := s.over(ctx, stored, issuer)
	switch {
	case err != nil:
		return nil, err
	case over:
		if err := s.end(ctx, "system", SessionFilter{Hash: row.Hash}, "revoked"); err != nil {
			return nil, err
		}
		return nil, s.no("session.ended").Because(no)
	case no != nil: // nobody tells: neither is it believed, nor does it end what may be good
		return nil, s.fromCA(no)
	}
	session.OpenAct = open
	return &session, s.see(ctx, row)
}

// SignOut ends a session. An unknown or ended one is no error.
func (s *Service) SignOut(ctx context.Context, token string) error {
	return s.end(ctx, "holder", SessionFilter{Hash: digest(token)}, "signed out")
}

// Lease keeps the sessions of a presence alive for another 30 seconds of Wall. Once the card left, the time ran out
// or the session ended, it is refused: presence.ended.
func (s *Service) Lease(ctx context.Context, presence string) error {
	return s.store.Write(ctx, func(ctx context.Context, tx *Tx) error {
		policy, err := s.policy(tx.Now)
		if err != nil {
			return err
		}
		held, err := tx.Proofs.ExtendPresence(ctx, digest(presence), tx.Wall, tx.Wall.Add(policy.LeaseFor))
		if err == nil && !held {
			return s.no("presence.ended")
		}
		return err
	})
}

// Removed tells that the card left its reader: the sessions bound to it end now. With binding keep they go on.
// An unknown presence is refused: presence.ended.
func (s *Service) Removed(ctx context.Context, presence string) error {
	return s.change(ctx, "agent", "card removed", "", func(ctx context.Context, tx *Tx, rec *record) error {
		lease, err := tx.Proofs.EndPresence(ctx, digest(presence))
		if errors.Is(err, ErrNotFound) {
			return s.no("presence.ended")
		}
		if err != nil {
			return err
		}
		rec.Subject = lease.Card
		return s.endSessions(ctx, tx, rec, SessionFilter{Presence: lease.Hash, Bound: true}, "card removed")
	})
}

// end ends sessions in a change of its own, if there are any to end.
func (s *Service) end(ctx context.Context, actor string, f SessionFilter, why string) error {
	return s.change(ctx, actor, "end session", "", func(ctx context.Context, tx *Tx, rec *record) error {
		rec.Detail = why
		err := s.endSessions(ctx, tx, rec, f, why)
		rec.quiet = len(rec.events) == 0
		return err
	})
}

// endSessions ends what the filter finds, with their presences, so that the agents' next leases are refused.
func (s *Service) endSessions(ctx context.Context, tx *Tx, rec *record, f SessionFilter, why string) error {
	rows, err := tx.Sessions.EndSessions(ctx, f, why)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if _, err := tx.Proofs.EndPresence(ctx, row.Presence); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if rec.Subject == "" {
			rec.Subject = cmp.Or(row.Card, row.Profile)
		}
		rec.events = append(rec.events, Event{Name: EventSessionEnded, Card: row.Card, Session: sessionID(row.Hash), Reason: why})
	}
	return nil
}
