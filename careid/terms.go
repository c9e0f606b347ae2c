// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// TermsMode is how terms are accepted.
type TermsMode string

// By using a card its holder accepts the terms; where an organisation asks, the holder says yes once a version.
const (
	TermsImplied  TermsMode = "implied"
	TermsExplicit TermsMode = "explicit"
)

// Terms are what an organisation has its people accept. The zero value is the published terms, accepted by use.
type Terms struct {
	Version  string // "": the published one, by the rule terms.version
	URL      string // https address, for a page; see OpenTabs
	Explicit bool   // ask for a yes, once a version
}

// TermsState is what a sign-in says about terms. Ask is whether the person is to be asked now; nothing waits for the
// answer.
type TermsState struct {
	Version string
	URL     string
	Ask     bool
}

// Acceptance is that a person accepted one version of the terms, for the first time in that mode.
type Acceptance struct {
	Profile string
	Version string
	Mode    TermsMode
	At      time.Time
}

// termsAt are the version in force and whether a yes is asked for: also where a rulebook lets nobody accept by use.
func (s *Service) termsAt(t time.Time) (version string, explicit bool, err error) {
	policy, err := s.policy(t)
	if err != nil {
		return "", false, err
	}
	explicit = s.terms.Explicit || !slices.Contains(policy.TermsModes, string(TermsImplied))
	return cmp.Or(s.terms.Version, policy.TermsVersion), explicit, nil
}

// useTerms records that a person has begun to use their card, or says that they are to be asked.
func (s *Service) useTerms(ctx context.Context, tx *Tx, rec *record, profile string) (TermsState, error) {
	version, explicit, err := s.termsAt(tx.Now)
	if err != nil {
		return TermsState{}, err
	}
	state := TermsState{Version: version, URL: s.terms.URL}
	if !explicit {
		first, err := tx.Acceptances.AddAcceptance(ctx, Acceptance{Profile: profile, Version: version, Mode: TermsImplied, At: tx.Now})
		if first {
			rec.Detail += ", terms " + auditText(version) + " accepted by use"
		}
		return state, err
	}
	accepted, err := tx.Acceptances.AcceptancesOf(ctx, profile)
	state.Ask = !slices.ContainsFunc(accepted, func(v Acceptance) bool { return v.Version == version && v.Mode == TermsExplicit })
	return state, err
}

// AcceptTerms records the holder's yes to the version that they were shown. A second yes changes nothing.
// Refusals: those of Session; terms.version, when another one is in force.
func (s *Service) AcceptTerms(ctx context.Context, token, version string) error {
	session, err := s.Session(ctx, token)
	if err != nil {
		return err
	}
	return s.change(ctx, session.Profile, "accept terms", session.Profile, func(ctx context.Context, tx *Tx, rec *record) error {
		now, _, err := s.termsAt(tx.Now)
		if err != nil {
			return err
		}
		if version != now {
			return s.no("terms.version", "version", now)
		}
		if _, err := s.live(ctx, tx, digest(token)); err != nil {
			return err
		}
		first, err := tx.Acceptances.AddAcceptance(ctx, Acceptance{Profile: session.Profile, Version: version, Mode: TermsExplicit, At: tx.Now})
		rec.Detail, rec.quiet = "version "+auditText(version), !first
		return err
	})
}

// Acceptances lists the terms that a person has accepted, oldest first.
func (s *Service) Acceptances(ctx context.Context, a Actor, profile string) ([]Acceptance, error) {
	var all []Acceptance
	err := s.view(ctx, a, profile, func(ctx context.Context, tx *Tx) (err error) {
		all, err = tx.Acceptances.AcceptancesOf(ctx, profile)
		return err
	})
	return all, err
}
