// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"encoding/json"
	"net/url"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// Tab is a page that opens after sign-in.
type Tab struct{ Name, URL string }

// OpenTabs are the pages that an organisation has opened after a sign-in by card. The zero value opens none.
type OpenTabs struct {
	Terms       string // https address of the organisation's terms; "" opens none
	SpinePortal bool
}

// After lists the tabs to open, in the published order: the terms, until the person has accepted them (unknown is not
// accepted), then the Spine portal. Refusals: tab.refused (no https address, or an overlay has taken the page out),
// service.unknown.
func (o OpenTabs) After(book *wardkey.Rulebook, accepted Known, t time.Time) ([]Tab, error) {
	var tabs []Tab
	if o.Terms != "" {
		u, err := url.Parse(o.Terms)
		if _, ok := lists(book, "signin.tabs", "terms", t); !ok || err != nil || u.Scheme != "https" || u.Host == "" {
			return nil, book.Refuse("tab.refused", "tab", "terms").Because(err)
		}
		if accepted != Yes {
			tabs = append(tabs, Tab{"Terms and conditions", o.Terms})
		}
	}
	if o.SpinePortal {
		if _, ok := lists(book, "signin.tabs", string(SpinePortal), t); !ok {
			return nil, book.Refuse("tab.refused", "tab", string(SpinePortal))
		}
		name, err := ServiceName(book, SpinePortal, t)
		if err != nil {
			return nil, err
		}
		address, err := ServiceURL(book, SpinePortal, t)
		if err != nil {
			return nil, err
		}
		tabs = append(tabs, Tab{name, address})
	}
	return tabs, nil
}

// Leaving is a kind of leaving; what happens to the card depends on it.
type Leaving string

// One moves to another organisation, or leaves healthcare.
const (
	LeavingOrganisation Leaving = "organisation"
	LeavingCare         Leaving = "care"
)

// CardOnLeaving is what the leaver does with the card. Refusal: leaving.unknown.
func CardOnLeaving(book *wardkey.Rulebook, kind Leaving, t time.Time) (string, Ground, error) {
	id := "leaving." + string(kind) + ".card"
	what, err := book.Text(id, t)
	if err != nil {
		return "", Ground{}, book.Refuse("leaving.unknown")
	}
	g, _ := ground(book, id, t)
	return what, g, nil
}

// MayChangePasscode says whether a holder who knows the passcode of an unlocked card may change it alone, or needs the
// Registration Authority for want of an e-mail address. The card itself checks the passcode. Refusal: passcode.contact.
func MayChangePasscode(book *wardkey.Rulebook, p Profile, t time.Time) error {
	needs, err := book.Bool("passcode.change.email", t)
	if (err != nil || needs) && p.Email == "" {
		return book.Refuse("passcode.contact")
	}
	return nil
}

// CostFigure is one number about what locked cards cost, with where it is from.
type CostFigure struct {
	What   string
	Hours  int    // a month
	Dated  string // of the publication, "" where it has no date
	Source wardkey.Source
}

// LockCost reports what locked cards cost a month: each figure ever published, those that nothing dated puts in force
// too, then what the published unlocks and their length come to, and last, unless it is zero, what the caller's own
// number of unlocks at the desk comes to. The figures are of different sources and do not agree. Hours are rounded down.
// Refusal: report.count. An error that is none is a rule that is not in force at t.
func LockCost(book *wardkey.Rulebook, unlocks int, t time.Time) ([]CostFigure, error) {
	if unlocks < 0 {
		return nil, book.Refuse("report.count")
	}
	var figures []CostFigure
	for _, rule := range book.History("lock.hours") {
		var hours int
		if err := json.Unmarshal(rule.Value, &hours); err != nil {
			return nil, err
		}
		source := book.Source(rule.Source)
		figures = append(figures, CostFigure{"published", hours, source.Date, source})
	}
	each, err := book.Duration("lock.unlock.time", t)
	if err != nil {
		return nil, err
	}
	g, _ := ground(book, "lock.unlock.time", t)
	came := func(what string, count int) {
		figures = append(figures, CostFigure{what, int(time.Duration(count) * each / time.Hour), g.Source.Date, g.Source})
	}
	for _, bound := range []string{"least", "most"} {
		count, err := book.Int("lock.unlocks."+bound, t)
		if err != nil {
			return nil, err
		}
		came("unlocks in person, at "+bound, count)
	}
	if unlocks > 0 {
		came("our own unlocks in person", unlocks)
	}
	return figures, nil
}
