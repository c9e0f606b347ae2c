// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// LinkState is where a link between a card and a mail account is.
type LinkState string

// A suspended link signs nobody in to mail; the password still does. A replacement card is linked afresh.
const (
	LinkActive    LinkState = "active"
	LinkSuspended LinkState = "suspended"
	LinkEnded     LinkState = "ended"
)

// Link joins one card to one mail account.
type Link struct {
	ID      string
	Card    string
	Profile string
	Address string
	State   LinkState
	At      time.Time
}

// LinkRequest asks to link the card of the actor's own session.
type LinkRequest struct {
	Address     string
	Workstation Workstation
}

// LinkPreflight lists every condition that is missing for linking the actor's card to a mail account, all at once and
// always in this order: mail.address, mail.inactive (or mail.disabled), mail.locked, mail.aup, careid.inactive,
// link.circular (signed in by a mail account) or card.none (by another authenticator than a card), link.taken, device.credmgmt, system.unknown (or system.unsupported, or browser.unsupported), browser.private,
// device.clock. None is nil. That the address is the person's own is not proven here: the caller has signed them in to
// the mail account.
func (s *Service) LinkPreflight(ctx context.Context, a Actor, r LinkRequest) (wardkey.Refusals, error) {
	return s.preflight(ctx, a, r, "")
}

// preflight is LinkPreflight as if the link to the account instead had ended; "" is none.
func (s *Service) preflight(ctx context.Context, a Actor, r LinkRequest, instead string) (wardkey.Refusals, error) {
	if a.session == nil {
		return nil, s.no("session.none")
	}
	r.Address = mailAddress(r.Address)
	missing, err := s.mailMissing(ctx, r.Address)
	if err != nil {
		return nil, err
	}
	err = s.read(ctx, func(ctx context.Context, tx *Tx) error {
		own, err := s.linkMissing(ctx, tx, a, r.Address, instead)
		missing = append(missing, own...)
		return err
	})
	if err != nil {
		return nil, err
	}
	missing = append(missing, s.deviceMissing(r.Workstation, s.now())...)
	for i, no := range missing {
		missing[i] = s.desks.Resolve(s.book, no, s.organisationOf(ctx, a.profile), r.Workstation, s.now())
	}
	return missing, nil
}

// mailAddress is the one form in which an account is linked, however it is written: small letters. What can't be an
// nhs.net address stays as it is.
func mailAddress(text string) string {
	if local, domain, ok := strings.Cut(text, "@"); ok && isAtoms(local, emailAtom) && isAtoms(domain, domainAtom) {
		return strings.ToLower(text)
	}
	return text
}

// mailMissing asks the mail directory, outside any transaction.
func (s *Service) mailMissing(ctx context.Context, address string) (wardkey.Refusals, error) {
	local, domain, _ := strings.Cut(address, "@")
	if domain != "nhs.net" || !isAtoms(local, emailAtom) {
		return wardkey.Refusals{s.no("mail.address")}, nil
	}
	if s.mail == nil {
		return wardkey.Refusals{s.no("mail.unavailable")}, nil
	}
	active, locked, accepted, err := s.mail.LinkState(ctx, address)
	var no *wardkey.Refusal
	switch {
	case errors.As(err, &no) && no.Status == http.StatusNotFound:
		return wardkey.Refusals{s.no("mail.inactive").Because(err)}, nil // an account that is not there is not active
	case errors.As(err, &no) && strings.HasPrefix(no.Rule, "mail."):
		return wardkey.Refusals{no}, nil
	case err != nil:
		return nil, err
	}
	var missing wardkey.Refusals
	if !active {
		missing = append(missing, s.no("mail.inactive"))
	}
	if locked {
		missing = append(missing, s.no("mail.locked").RetryAfter(s.now().Add(tryAgain)))
	}
	if !accepted {
		missing = append(missing, s.no("mail.aup"))
	}
	return missing, nil
}

// tryAgain is "a few minutes", which the published page advises to wait first.
const tryAgain = 5 * time.Minute

// linkMissing looks at the card, the person and the links there are, but for the one to the account instead.
func (s *Service) linkMissing(ctx context.Context, tx *Tx, a Actor, address, instead string) (wardkey.Refusals, error) {
	var missing wardkey.Refusals
	if row, err := s.live(ctx, tx, a.session); err != nil {
		if !isRefusal(err) {
			return nil, err
		}
		missing = append(missing, s.no("careid.inactive").Because(err))
	} else if row.Card == "" {
		missing = append(missing, s.linkWithoutCard(row, tx.Now))
	}
	links, err := tx.Links.LinksOf(ctx, a.profile)
	if err != nil {
		return nil, err
	}
	for _, l := range links {
		if l.Card == a.card && l.State == LinkActive && (instead == "" || l.Address != instead) {
			return append(missing, s.no("link.taken", "what", "this card")), nil
		}
	}
	l, err := tx.Links.LinkOfAddress(ctx, address)
	if errors.Is(err, ErrNotFound) {
		return missing, nil
	}
	if err == nil && (l.State == LinkActive || l.Profile != a.profile) {
		missing = append(missing, s.no("link.taken", "what", "this mail account"))
	}
	return missing, err
}

// linkWithoutCard is the refusal of a session that has no card to link: a mail account can't prove its own link, and
// whatever else signed in is no card.
func (s *Service) linkWithoutCard(row SessionRow, t time.Time) *wardkey.Refusal {
	var others []AuthenticatorKind
	for _, one := range row.Used {
		if err := ProvesLink(s.book, one.Kind, t); err != nil {
			return asRefusal(s.book, err)
		}
		others = append(others, one.Kind)
	}
	return WithoutCard(s.book, others, t)
}

// deviceMissing reads the declared workstation. The prerequisites name the browser and not the system: where the
// system is not declared, a recommended browser will do.
func (s *Service) deviceMissing(w Workstation, t time.Time) wardkey.Refusals {
	d := doctor{s.book, w, t}
	compat := Compat
	if w.System == "" {
		compat = browserCompat
	}
	var missing wardkey.Refusals
	for _, check := range []func() (Ground, error){
		d.credentialManagement,
		func() (Ground, error) { return compat(s.book, w, t) },
		d.private, d.clock,
	} {
		if _, err := check(); err != nil {
			missing = append(missing, asRefusal(s.book, err))
		}
	}
	return missing
}

// Link joins the card of the actor's session to a mail account, when nothing is missing; else the error is the
// Refusals of LinkPreflight. A suspended link of a lost card to the same account ends by it.
func (s *Service) Link(ctx context.Context, a Actor, r LinkRequest) (*Link, error) {
	return s.link(ctx, a, "link mail account", r, "")
}

// Relink moves the card of the actor's session from one mail account to another, in one act: at every moment, and after
// a crash at any moment, the card has the old link or the new one. What is missing for the new one is told as by Link,
// and then the old one stands. Refusal for the old one: link.none.
func (s *Service) Relink(ctx context.Context, a Actor, from string, r LinkRequest) (*Link, error) {
	return s.link(ctx, a, "relink mail account", r, mailAddress(from))
}

// link makes a link, and ends the one to the account instead, if that is not "".
func (s *Service) link(ctx context.Context, a Actor, name string, r LinkRequest, instead string) (*Link, error) {
	r.Address = mailAddress(r.Address)
	missing, err := s.preflight(ctx, a, r, instead)
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		s.refuse(ctx, a.name(), name, r.Address, missing)
		return nil, missing
	}
	link := Link{ID: newID(), Card: a.card, Profile: a.profile, Address: r.Address, State: LinkActive}
	err = s.change(ctx, a.name(), name, r.Address, func(ctx context.Context, tx *Tx, rec *record) error {
		if _, err := s.authorize(ctx, tx, a, ActionLink, AnyTerm, Profile{ID: a.profile}); err != nil {
			return err
		}
		if instead != "" {
			if err := s.endLink(ctx, tx, a, instead); err != nil {
				return err
			}
		}
		missing, err := s.linkMissing(ctx, tx, a, r.Address, "") // again, now that nobody can be faster
		if err != nil {
			return err
		}
		if len(missing) > 0 {
			return missing
		}
		old, err := tx.Links.LinkOfAddress(ctx, r.Address)
		if err == nil {
			old.State, old.At = LinkEnded, tx.Now
			_, err = tx.Links.SetLink(ctx, old, LinkSuspended)
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		link.At = tx.Now
		rec.Detail = "card " + a.card
		if instead != "" {
			rec.Detail += ", instead of " + auditText(instead)
		}
		return tx.Links.AddLink(ctx, link)
	})
	if err != nil {
		return nil, err
	}
	return &link, nil
}

// endLink ends the link of the actor's own card to an account.
func (s *Service) endLink(ctx context.Context, tx *Tx, a Actor, address string) error {
	l, err := tx.Links.LinkOfAddress(ctx, address)
	if errors.Is(err, ErrNotFound) || err == nil && (l.Profile != a.profile || l.Card != a.card) {
		return s.no("link.none")
	}
	if err != nil {
		return err
	}
	from := l.State
	l.State, l.At = LinkEnded, tx.Now
	if done, err := tx.Links.SetLink(ctx, l, from); err != nil || !done {
		return orConflict(err)
	}
	return nil
}

// Unlink frees the card and the account. Refusal: link.none.
func (s *Service) Unlink(ctx context.Context, a Actor, address string) error {
	address = mailAddress(address)
	return s.change(ctx, a.name(), "unlink mail account", address, func(ctx context.Context, tx *Tx, rec *record) error {
		if _, err := s.authorize(ctx, tx, a, ActionLink, AnyTerm, Profile{ID: a.profile}); err != nil {
			return err
		}
		l, err := tx.Links.LinkOfAddress(ctx, address)
		if errors.Is(err, ErrNotFound) || err == nil && l.Profile != a.profile {
			return s.no("link.none")
		}
		if err != nil {
			return err
		}
		rec.Detail = "card " + l.Card
		from := l.State
		l.State, l.At = LinkEnded, tx.Now
		_, err = tx.Links.SetLink(ctx, l, from)
		return err
	})
}

// Links lists a person's links, ended ones too, oldest first.
func (s *Service) Links(ctx context.Context, a Actor, profile string) ([]Link, error) {
	var links []Link
	err := s.view(ctx, a, profile, func(ctx context.Context, tx *Tx) (err error) {
		links, err = tx.Links.LinksOf(ctx, profile)
		return err
	})
	return links, err
}

// SuspendLink keeps a card from opening a mail account: what the help desk does for a card that is lost, or somebody
// of the Registration Authority. Its holder links again when the doubt is over. Refusal: link.none.
func (s *Service) SuspendLink(ctx context.Context, a Actor, profile, address string) error {
	address = mailAddress(address)
	return s.change(ctx, a.name(), "suspend mail link", profile, func(ctx context.Context, tx *Tx, rec *record) error {
		p, err := s.person(ctx, tx, a, profile)
		if err != nil {
			return err
		}
		if _, err := s.authorize(ctx, tx, a, ActionLost, AnyTerm, p); err != nil {
			return err
		}
		l, err := tx.Links.LinkOfAddress(ctx, address)
		if errors.Is(err, ErrNotFound) || err == nil && (l.Profile != p.ID || l.State != LinkActive) {
			return s.no("link.none")
		}
		if err != nil {
			return err
		}
		rec.Detail = "card " + l.Card + ", " + auditText(address)
		l.State, l.At = LinkSuspended, tx.Now
		_, err = tx.Links.SetLink(ctx, l, LinkActive)
		return err
	})
}

// MailAccount is the address of the mail account that a session's card opens. It says nothing of other ways into that
// account: its password works as before. Refusals: those of Session; link.none; link.suspended.
func (s *Service) MailAccount(ctx context.Context, token string) (string, error) {
	session, err := s.Session(ctx, token)
	if err != nil {
		return "", err
	}
	var links []Link
	err = s.read(ctx, func(ctx context.Context, tx *Tx) error {
		links, err = tx.Links.LinksOf(ctx, session.Profile)
		return err
	})
	if err != nil {
		return "", err
	}
	no := s.no("link.none")
	for _, l := range links {
		switch {
		case l.Card == session.Card && l.State == LinkActive:
			return l.Address, nil
		case l.Card == session.Card && l.State == LinkSuspended:
			no = s.no("link.suspended")
		}
	}
	return "", no
}
