// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
)

// OwnEvent is one thing that happened to a person, as they may read it.
type OwnEvent struct {
	Seq     int64 // of the audit's row
	At      time.Time
	Text    string // what happened, and by whom if not by the person
	Refused string // the rule that refused it, or ""
}

// ownEvents is what each action of the audit is called towards the person it concerns. Where a row has no sentence here,
// its action stands for it: nothing is left out.
func ownEvents() map[string]string {
	return map[string]string{
		"accept terms":           "The terms of use accepted",
		"act given up":           "Work on your card given up",
		"answer presence":        "Your card's word that you were at the desk",
		"answer renew":           "Your card's word to renew it",
		"answer signin":          "Your card's word to sign in",
		"answer stepup":          "Your card's word that it is you",
		"assign position":        "A position given to you",
		"bootstrap":              "Your profile made, the first of this service",
		"cancel card":            "Your card cancelled",
		"card opened":            "Your card opened, for a new passcode",
		"card removed":           "Your card taken out of its reader",
		"certificate requests":   "New certificates for your card asked for",
		"certificates issued":    "New certificates for your card made",
		"change contact":         "Contact details on your profile changed",
		"change name":            "The name on your profile changed",
		"close profile":          "Your profile closed",
		"confirm act":            "Work on your card finished",
		"confirm authenticator":  "A way to sign in on your profile confirmed",
		"end position":           "A position of yours ended",
		"end role":               "A role taken from you",
		"end session":            "A session of yours ended",
		"grant role":             "A role given to you",
		"handle loss":            "The loss of your card handled",
		"link mail account":      "Your card linked to a mail account",
		"import so pin":          "Your card made ready to be unlocked here",
		"open act bind":          "Binding of a card of yours from elsewhere begun",
		"open act clear":         "Clearing of your card begun",
		"open act issue":         "Issue of a card to you begun",
		"open act passcode":      "Change of your card's passcode begun",
		"open act renew":         "Renewal of your card begun",
		"open act repair":        "Repair of your card begun",
		"open act unlock":        "Unlock of your card at the desk begun",
		"redeem code":            "A security code for your card typed in",
		"register authenticator": "A way to sign in added to your profile",
		"release person":         "Your move to another organisation agreed to",
		"relink mail account":    "Your card linked to another mail account instead",
		"remove authenticator":   "A way to sign in taken off your profile",
		"rename authenticator":   "A way to sign in on your profile renamed",
		"reopen profile":         "Your profile opened again",
		"report lost":            "Your card reported lost",
		"revoked":                "A certificate of your card revoked",
		"sign in":                "Sign-in with your card",
		"start unlock":           "A security code for your card asked for",
		"step up":                "Confirmation that it is you",
		"suspend mail link":      "Link between your card and your mail account suspended",
		"take card back":         "Your card taken back",
		"take person over":       "Your move to another organisation",
		"take up act":            "Work on your card taken up by a workstation",
		"unlink mail account":    "Your card unlinked from a mail account",
		"unlock at the desk":     "Your card opened at the desk",
		"unlock confirmed":       "Your card unlocked",
	}
}

// OwnEvents lists what happened to the actor, newest first: to their profile, to each card of theirs since it was
// issued to them and until it was taken out of use, to what they sign in with beside cards, and to the mail accounts
// that they linked. before is the Seq of the last one of the page before, or 0;
// limit is 1 to 200. A sentence holds no name, number, address or code, and nothing of other people's; another
// member of staff is not named. Refusals: session.none, and those of the session and the role.
func (s *Service) OwnEvents(ctx context.Context, a Actor, before int64, limit int) ([]OwnEvent, error) {
	if a.session == nil {
		return nil, s.no("session.none")
	}
	limit = min(max(limit, 1), 200)
	var rows []AuditEntry
	var beside []Authenticator
	err := s.read(ctx, func(ctx context.Context, tx *Tx) error {
		if err := s.stands(ctx, tx, a); err != nil {
			return err
		}
		own, err := ownSubjects(ctx, tx, a.profile)
		if err != nil {
			return err
		}
		if beside, err = tx.Authenticators.AuthenticatorsOf(ctx, a.profile); err != nil {
			return err
		}
		for _, one := range beside { // each is one person's for ever
			own = append(own, AuditQuery{Subject: one.ID})
		}
		rows = nil
		for _, about := range own {
			about.Before, about.Limit = before, limit
			found, err := tx.Audit.About(ctx, about)
			if err != nil {
				return err
			}
			rows = append(rows, found...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(rows, func(a, b AuditEntry) int { return cmp.Compare(b.Seq, a.Seq) })
	var events []OwnEvent
	for _, row := range rows[:min(limit, len(rows))] {
		withCard := !slices.ContainsFunc(beside, func(one Authenticator) bool { return one.ID == row.Subject })
		events = append(events, ownEvent(row, a.profile, withCard))
	}
	return events, nil
}

// ownSubjects are what the audit's rows about a person have as their subject.
func ownSubjects(ctx context.Context, tx *Tx, profile string) ([]AuditQuery, error) {
	own := []AuditQuery{{Subject: profile}}
	cards, err := tx.Cards.CardsOf(ctx, profile)
	if err != nil {
		return nil, err
	}
	for _, c := range cards {
		own = append(own, ofCard(c, profile)...)
	}
	links, err := tx.Links.LinksOf(ctx, profile)
	if err != nil {
		return nil, err
	}
	var addresses []string
	for _, l := range links {
		addresses = append(addresses, l.Address)
	}
	slices.Sort(addresses)
	for _, address := range slices.Compact(addresses) { // once it may have been somebody else's, or be so again
		own = append(own, AuditQuery{Subject: address, Actor: profile})
	}
	return own, nil
}

// ofCard are the rows about a card that its holder may read: those since it was issued to them, for before it may have been
// somebody else's, and until it was taken out of use; then what they did themselves, and what the service still did to take
// their certificates off it. What others do with a card that was handed back is no longer theirs to know.
func ofCard(c Card, profile string) []AuditQuery {
	if c.IssuedAt.IsZero() {
		return nil
	}
	while := AuditQuery{Subject: c.Serial, Since: c.IssuedAt}
	if c.State == CardActive || c.State == CardLocked {
		return []AuditQuery{while}
	}
	after := AuditQuery{Subject: c.Serial, Since: c.IssuedAt, Actor: profile}
	if c.RetiredAt.IsZero() { // taken out before this was kept
		return []AuditQuery{after}
	}
	while.Until, after.Since = c.RetiredAt, c.RetiredAt.Add(time.Second)
	queries := []AuditQuery{while, after}
	if c.State != CardCleared {
		after.Actor = "system"
		queries = append(queries, after)
	}
	return queries
}

// ownEvent puts a row into words.
func ownEvent(row AuditEntry, profile string, withCard bool) OwnEvent {
	e := OwnEvent{Seq: row.Seq, At: row.At, Text: cmp.Or(ownEvents()[row.Action], "In your record: "+row.Action)}
	if row.Action == "sign in" && !withCard {
		e.Text = "Sign-in without your card"
	}
	if why, refused := strings.CutPrefix(row.Detail, "refused "); refused {
		e.Refused, _, _ = strings.Cut(why, ":")
		e.Text += ": refused"
	}
	e.Text += "."
	by, _, _ := strings.Cut(row.Actor, " ") // a role and where it is held may follow
	switch {
	case by == "anonymous":
		e.Text += " Whoever asked had not signed in."
	case by != profile && isUserID(by):
		e.Text += " Another member of staff did it."
	}
	return e
}
