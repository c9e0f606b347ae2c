// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"errors"
	"time"
)

// OpenAct opens a piece of work on a card, before the card is touched: it checks the actor, the card's state and term
// and which evidence of presence is offered, stores the act, and returns it with its Handle, the agent's credential.
// Where the evidence is ByCard, the card's own proof comes after this call and before the agent may go on.
//
// One card has one open act. The same kind of act asked for again by somebody who may open it is the same act, with a
// further handle; another kind is refused with act.open.
//
// An Unlock goes on with TakeUnlock; a Passcode and a Bind are confirmed by the presence proof itself.
//
// Refusals, besides those of the actor: act.kind (none of these, or Bind without Config.Outside); name.card (Repair after a change of name), cert.expired (Unlock), card.exists,
// card.taken, card.serial (Issue, Bind), card.ours (Bind); card.outside (what only the issuer of an outside card can do);
// renewal.early with RetryAt, renewal.late for the holder, role.action for a sponsor past the end; card.… by state;
// evidence.missing; act.open.
func (s *Service) OpenAct(ctx context.Context, a Actor, r ActRequest) (*Act, error) {
	var act Act
	err := s.change(ctx, a.name(), "open act "+string(r.Kind), r.Card, func(ctx context.Context, tx *Tx, rec *record) error {
		var err error
		switch r.Kind {
		case Issue:
			act, err = s.openIssue(ctx, tx, a, r)
		case Renew:
			act, err = s.openRenew(ctx, tx, a, r)
		case Repair, Clear:
			act, err = s.openService(ctx, tx, rec, a, r)
		case Unlock, Passcode:
			act, err = s.openAssist(ctx, tx, a, r)
		case Bind:
			act, err = s.openBind(ctx, tx, a, r)
		default:
			err = s.no("act.kind")
		}
		if err != nil {
			return err
		}
		act.Kind, act.Card = r.Kind, r.Card
		act.Actor, act.Role, act.Organisation, act.Session = a.profile, a.role, a.organisation, a.session
		act, err = s.addAct(ctx, tx, act)
		rec.Detail = "act " + act.ID + ", evidence " + string(act.Evidence.Kind)
		if act.Evidence.Document != "" {
			rec.Detail += " " + auditText(act.Evidence.Document)
		}
		rec.events = append(rec.events, Event{Name: EventActOpened, Card: act.Card})
		return err
	})
	if err == nil && r.Kind == Clear {
		err = s.settle(ctx, r.Card)
	}
	if err != nil {
		return nil, err
	}
	return &act, nil
}

func (s *Service) openIssue(ctx context.Context, tx *Tx, a Actor, r ActRequest) (Act, error) {
	p, err := s.person(ctx, tx, a, r.Profile)
	if err != nil {
		return Act{}, err
	}
	row, err := s.authorize(ctx, tx, a, ActionIssue, AnyTerm, p)
	if err != nil {
		return Act{}, err
	}
	if p.State != ProfileOpen {
		return Act{}, s.no("profile.closed")
	}
	if err := s.evidence(row, r.Evidence); err != nil {
		return Act{}, err
	}
	cards, err := tx.Cards.CardsOf(ctx, p.ID)
	if err != nil {
		return Act{}, err
	}
	replaces := r.Replaces == ""
	for _, c := range cards {
		live := c.State == CardActive || c.State == CardLocked
		if live && c.Serial != r.Replaces && c.Serial != r.Card {
			return Act{}, s.no("card.exists", "card", c.Serial)
		}
		replaces = replaces || c.Serial == r.Replaces
	}
	if !replaces {
		return Act{}, s.no("org.scope") // not a card of this person
	}
	return Act{Profile: p.ID, Replaces: r.Replaces, Locked: r.Locked, Evidence: r.Evidence}, s.readyForIssue(ctx, tx, r.Card, p.ID)
}

// readyForIssue makes the card known as ordered for this person: a new serial, a cleared card, or one whose issue was
// begun before.
func (s *Service) readyForIssue(ctx context.Context, tx *Tx, serial, profile string) error {
	c, err := s.orOrdered(ctx, tx, serial, profile)
	if err != nil || c.State == CardOrdered && c.Profile == profile {
		return err
	}
	if c.State != CardCleared {
		return s.no("card.taken")
	}
	return reorder(ctx, tx, serial, profile)
}

// orOrdered reads a card, which is ordered for this person if nobody knows its serial.
func (s *Service) orOrdered(ctx context.Context, tx *Tx, serial, profile string) (Card, error) {
	if err := s.checkSerial(serial); err != nil {
		return Card{}, err
	}
	c, err := tx.Cards.Card(ctx, serial)
	if errors.Is(err, ErrNotFound) {
		c = Card{Serial: serial, Profile: profile, State: CardOrdered}
		return c, tx.Cards.AddCard(ctx, c)
	}
	return c, err
}

// reorder orders a cleared card for a person.
func reorder(ctx context.Context, tx *Tx, serial, profile string) error {
	done, err := tx.Cards.UpdateCard(ctx, Card{Serial: serial, Profile: profile, State: CardOrdered}, CardCleared)
	if err != nil || !done {
		return orConflict(err)
	}
	return nil
}

// term says how a card's certificates stand at t.
func term(p Policy, notAfter, t time.Time) Term {
	switch {
	case t.After(notAfter):
		return Ended
	case t.Before(notAfter.Add(-p.RenewalWindow)):
		return Early
	}
	return InTime
}

func (s *Service) openRenew(ctx context.Context, tx *Tx, a Actor, r ActRequest) (Act, error) {
	c, p, err := s.cardOf(ctx, tx, a, r.Card)
	if err != nil {
		return Act{}, err
	}
	policy, err := s.policy(tx.Now)
	if err != nil {
		return Act{}, err
	}
	at := term(policy, c.NotAfter, tx.Now)
	asked := at
	if at == Early || a.role == Holder {
		asked = InTime // the date refuses below, with its own rule
	}
	row, err := s.authorize(ctx, tx, a, ActionRenew, asked, p)
	if err != nil {
		return Act{}, err
	}
	switch {
	case c.Issuer != "":
		return Act{}, s.theirs(c)
	case c.State != CardActive:
		return Act{}, s.cardState(c)
	case p.State != ProfileOpen:
		return Act{}, s.no("profile.closed")
	case at == Early:
		opens := c.NotAfter.Add(-policy.RenewalWindow)
		return Act{}, s.no("renewal.early", "opens", opens.Format(time.DateOnly)).RetryAfter(opens)
	case at == Ended && a.role == Holder:
		return Act{}, s.no("renewal.late")
	case a.role == Holder:
		r.Evidence = Evidence{Kind: ByCard} // the holder's own proof, purpose renew
	}
	if err := s.evidence(row, r.Evidence); err != nil {
		return Act{}, err
	}
	certs, err := tx.Cards.CertificatesOf(ctx, r.Card)
	if err != nil {
		return Act{}, err
	}
	for _, cert := range certs {
		if cert.State == CertificateCurrent {
			return Act{Profile: p.ID, Evidence: r.Evidence, Renews: cert.Act, Expired: at == Ended}, nil
		}
	}
	return Act{}, s.no("cert.unknown")
}

// openService opens a repair of a card in use, or the clearing of any card: clearing takes one in use out of it first.
func (s *Service) openService(ctx context.Context, tx *Tx, rec *record, a Actor, r ActRequest) (Act, error) {
	c, p, err := s.cardOf(ctx, tx, a, r.Card)
	if err != nil {
		return Act{}, err
	}
	row, err := s.authorize(ctx, tx, a, actionOf(r.Kind), AnyTerm, p)
	if err != nil {
		return Act{}, err
	}
	if err := s.theirs(c); err != nil {
		return Act{}, err
	}
	if err := s.evidence(row, r.Evidence); err != nil {
		return Act{}, err
	}
	if r.Kind == Repair {
		if err := s.inOwnName(ctx, tx, c, p); err != nil {
			return Act{}, err
		}
	}
	live := c.State == CardActive || c.State == CardLocked
	switch {
	case r.Kind == Repair && c.State != CardActive:
		return Act{}, s.cardState(c)
	case r.Kind == Repair && p.State != ProfileOpen:
		return Act{}, s.no("profile.closed")
	case r.Kind == Repair && tx.Now.After(c.NotAfter):
		return Act{}, s.no("cert.expired") // renewing asks for more evidence than repairing
	case r.Kind == Clear && (c.State == CardOrdered || c.State == CardCleared):
		return Act{}, s.no("card.notlive", "state", string(c.State))
	case r.Kind == Clear && live:
		if err := s.takeOut(ctx, tx, rec, c, CardCancelled, cessationOfOperation); err != nil {
			return Act{}, err
		}
	}
	return Act{Profile: p.ID, Evidence: r.Evidence}, nil
}

// cardState is the refusal that a card's state is, or nil for one in use.
func (s *Service) cardState(c Card) error {
	switch c.State {
	case CardActive:
		return nil
	case CardLocked:
		return s.no("unlock.unfinished")
	case CardOrdered, CardCancelled, CardLost, CardReturned, CardReplaced, CardCleared:
		return s.no("card." + string(c.State))
	}
	return s.no("card.notlive", "state", string(c.State))
}

// addAct stores an open act with its first handle, or takes up the one of the same kind that is open on the card:
// then who asks now is its actor, and evidence is asked for anew. A renewal that was asked for in time and has no
// certificates past the end can't be taken up, for the CA renews no more: it is given up and another one opened.
func (s *Service) addAct(ctx context.Context, tx *Tx, act Act) (Act, error) {
	open, err := tx.Acts.OpenActOf(ctx, act.Card)
	switch {
	case err == nil && (open.Kind != act.Kind || open.Profile != act.Profile):
		return Act{}, s.no("act.open", "kind", string(open.Kind))
	case err == nil && act.Expired && !open.Expired && open.State == ActOpen:
		if err := s.giveUp(ctx, tx, open); err != nil {
			return Act{}, err
		}
		if act, err = newAct(ctx, tx, act); err != nil {
			return Act{}, err
		}
	case err == nil:
		act.ID, act.State, act.OpenedAt = open.ID, open.State, open.OpenedAt
		act.Requests, act.Renews, act.Expired = open.Requests, open.Renews, open.Expired
		if done, err := tx.Acts.UpdateAct(ctx, act, open.State); err != nil || !done {
			return Act{}, orConflict(err)
		}
	case errors.Is(err, ErrNotFound):
		if act, err = newAct(ctx, tx, act); err != nil {
			return Act{}, err
		}
	default:
		return Act{}, err
	}
	act.Handle, err = s.addHandle(ctx, tx, act.ID, act.Session)
	return act, err
}

func newAct(ctx context.Context, tx *Tx, act Act) (Act, error) {
	act.ID, act.State, act.OpenedAt = newID(), ActOpen, tx.Now
	return act, tx.Acts.AddAct(ctx, act)
}

// addHandle makes a handle for an act that ends with a session, or with nil for one that a card's proof asked for.
func (s *Service) addHandle(ctx context.Context, tx *Tx, act string, session []byte) (string, error) {
	handle := newSecret()
	return handle, tx.Acts.AddHandle(ctx, Handle{Hash: digest(handle), Act: act, Bind: session, At: tx.Now})
}

// AbandonAct gives an act up: by who opened it, or by an actor who could open it. Its unconfirmed certificates are
// revoked and the old pair counts as the newest again; an ordered card is as if blank.
func (s *Service) AbandonAct(ctx context.Context, a Actor, id string) error {
	var act Act
	err := s.change(ctx, a.name(), "abandon act", "", func(ctx context.Context, tx *Tx, rec *record) error {
		var err error
		act, err = tx.Acts.Act(ctx, id)
		if errors.Is(err, ErrNotFound) {
			return s.absent(ctx, tx, a)
		}
		if err != nil {
			return err
		}
		rec.Subject, rec.Detail = act.Card, "act "+act.ID
		p, err := s.person(ctx, tx, a, act.Profile)
		if err != nil {
			return err
		}
		action, when := actionOf(act.Kind), InTime
		if act.Expired {
			when = Ended
		}
		if _, err := s.authorize(ctx, tx, a, action, when, p); err != nil {
			return err
		}
		if act.State != ActOpen && act.State != ActIssued {
			return s.no("act.state", "state", string(act.State))
		}
		return s.giveUp(ctx, tx, act)
	})
	if err != nil {
		return err
	}
	return s.settle(ctx, act.Card)
}

// actionOf is what opening an act of a kind asks of the role table.
func actionOf(kind Purpose) Action {
	return map[Purpose]Action{
		Issue: ActionIssue, Renew: ActionRenew, Repair: ActionRepair, Clear: ActionClear, Unlock: ActionUnlock, Passcode: ActionPasscode,
		Bind: ActionBind,
	}[kind]
}

// giveUp decides that an open act ends without effect; settle tells the CA.
func (s *Service) giveUp(ctx context.Context, tx *Tx, act Act) error {
	if act.Kind == Issue || act.Kind == Bind { // a card that is bound already stays so: it is not ordered
		if _, err := tx.Cards.UpdateCard(ctx, Card{Serial: act.Card, Profile: act.Profile, State: CardCleared}, CardOrdered); err != nil {
			return err
		}
	}
	from := act.State
	act.State = ActAbandoning
	if done, err := tx.Acts.UpdateAct(ctx, act, from); err != nil || !done {
		return orConflict(err)
	}
	return s.markRevoked(ctx, tx, act.Card, act.ID, cessationOfOperation)
}
