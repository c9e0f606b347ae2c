// SPDX-License-Identifier: Apache-2.0

package webauthn_test

import (
	"bytes"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/internal/postgrestest"
)

// Who registers on whose profile, and what a session that is no more, or not now, can still do.

func TestTheAuthorityRegistersForOthersAlone(t *testing.T) {
	p := newPlace(t)
	profile, err := p.Enrol(t.Context(), "No", "Card")
	require.NoError(t, err)
	agent := func(of string) members {
		return members{"profile": of, "role": careid.RAAgent, "organisation": careidtest.Organisation}
	}
	// begun has the options and the device's answer to them.
	begun := func(b *visitor, whose members) members {
		options := b.must(http.MethodPost, "register/options", whose)
		return members{"user": userOf(options), "credential": p.keys.device().create(options)}
	}
	// ends posts what was begun, for somebody.
	ends := func(b *visitor, whose, begun members) string {
		body := members{"user": begun["user"], "credential": begun["credential"]}
		for name, value := range whose {
			body[name] = value
		}
		_, no := b.send(http.MethodPost, "register", body)
		if no == nil {
			return ""
		}
		return no.Rule
	}
	none := func(t *testing.T, of string) {
		t.Helper()
		owned, err := p.Service.CredentialsOf(t.Context(), of)
		require.NoError(t, err)
		require.Empty(t, owned)
	}
	ra := p.with(t, p.RAAgent)
	t.Run("threat063", func(t *testing.T) {
		for name, c := range map[string]struct {
			by    *visitor
			whose members
			rule  string
		}{
			"on the agent's own profile":      {ra, agent(p.RAAgent.Profile.ID), "own.record"},
			"without a role":                  {ra, members{"profile": profile.ID}, "role.missing"},
			"in a role that is not theirs":    {ra, members{"profile": profile.ID, "role": careid.RAManager, "organisation": careidtest.Organisation}, "role.missing"},
			"in another organisation":         {ra, members{"profile": profile.ID, "role": careid.RAAgent, "organisation": "ZZ999"}, "role.missing"},
			"on somebody's, as their holder":  {ra, members{"profile": profile.ID, "role": careid.Holder}, "org.scope"},
			"of nobody":                       {ra, agent("000000000000"), "org.scope"},
			"by a nurse who says she's an RA": {p.with(t, p.Nurse), agent(profile.ID), "role.missing"},
		} {
			_, no := c.by.send(http.MethodPost, "register/options", c.whose)
			ruled(t, no, c.rule)
			require.Equal(t, c.rule, ends(c.by, c.whose, begun(p.with(t, p.Nurse), members{})), name)
		}
		sponsor := members{"profile": profile.ID, "role": careid.Sponsor, "organisation": careidtest.Organisation}
		looks := p.with(t, p.Sponsor)
		require.Equal(t, "role.action", ends(looks, sponsor, begun(looks, sponsor)), "who may look at a person registers nothing")
		none(t, profile.ID)
		none(t, p.RAAgent.Profile.ID)
	})
	t.Run("threat060", func(t *testing.T) {
		t.Run("begun for one person, ended for another", func(t *testing.T) {
			require.Equal(t, "challenge.none", ends(ra, agent(p.Nurse.Profile.ID), begun(ra, agent(profile.ID))))
		})
		t.Run("begun by the agent, ended by the person", func(t *testing.T) {
			require.Equal(t, "challenge.none", ends(p.with(t, p.Nurse), nil, begun(ra, agent(p.Nurse.Profile.ID))))
		})
		t.Run("the agent's card was pulled meanwhile", func(t *testing.T) {
			in, err := p.SignIn(t.Context(), p.RAAgent.Card)
			require.NoError(t, err)
			b := p.holding(t, in.Token)
			half := begun(b, agent(profile.ID))
			require.NoError(t, p.Service.Removed(t.Context(), in.Presence))
			require.Equal(t, "session.ended", ends(b, agent(profile.ID), half))
		})
		none(t, profile.ID)
		none(t, p.Nurse.Profile.ID)
	})
	t.Run("two first ones, begun side by side, have one user handle", func(t *testing.T) {
		one, other := begun(ra, agent(profile.ID)), begun(ra, agent(profile.ID))
		require.Equal(t, one["user"], other["user"])
		require.Empty(t, ends(ra, agent(profile.ID), one))
		require.Empty(t, ends(ra, agent(profile.ID), other))
	})
}

// Registrations of one person's first authenticators, on several servers at one instant, give them one user handle.
func TestFirstRegistrationsAtOnce(t *testing.T) {
	for name, hospital := range map[string]func(*testing.T) careidtest.Config{
		"SQLite":     func(*testing.T) careidtest.Config { return careidtest.Config{} },
		"PostgreSQL": func(t *testing.T) careidtest.Config { return careidtest.Config{DB: postgrestest.Open(t)} },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlaceIn(t, hospital(t))
			const racers = 8
			browsers, devices, told := make([]*visitor, racers), make([]*device, racers), make([]*wardkey.Refusal, racers)
			for i := range racers {
				browsers[i], devices[i] = p.with(t, p.Nurse), p.keys.device()
				browsers[i].turn = i
			}
			var all sync.WaitGroup
			for i, b := range browsers {
				all.Go(func() {
					options, no := b.send(http.MethodPost, "register/options", members{})
					if no == nil {
						_, no = b.send(http.MethodPost, "register", members{"user": userOf(options), "credential": devices[i].create(options)})
					}
					told[i] = no
				})
			}
			all.Wait()
			for i, no := range told {
				require.Nil(t, no, "%v", no)
				require.Equal(t, devices[0].auth.Options.UserHandle, devices[i].auth.Options.UserHandle)
			}
			require.Len(t, p.owned(t, p.Nurse), racers)
		})
	}
}

// A holder who says so is asked for no less than one who doesn't.
func TestAHolderByNameIsFreshToo(t *testing.T) {
	p := newPlace(t)
	b := p.with(t, p.Nurse)
	p.Clock.Add(5*time.Minute + time.Second)
	_, no := b.send(http.MethodPost, "register/options", members{"profile": p.Nurse.Profile.ID, "role": careid.Holder})
	ruled(t, no, "session.stale")
}

// A session that was left idle registers and removes nothing, and neither does what was begun in it before.
func TestAnIdleSessionChangesNothing(t *testing.T) {
	p := newPlace(t)
	p.idle(t, 4)
	key := p.registered(t, p.Nurse, p.keys)
	own := p.owned(t, p.Nurse)
	b := p.visitor(t)
	require.Nil(t, b.signsIn(key))
	options := b.must(http.MethodPost, "register/options", members{})
	half := members{"user": userOf(options), "credential": p.hello.device().create(options)}
	p.Clock.Add(4 * time.Minute)
	t.Run("threat061", func(t *testing.T) {
		for path, body := range map[string]any{"register/options": members{}, "register": half} {
			_, no := b.send(http.MethodPost, path, body)
			ruled(t, no, "session.locked")
		}
		_, no := b.send(http.MethodDelete, "authenticators/"+own[0].ID, nil)
		ruled(t, no, "session.locked")
		require.Nil(t, b.stepsUp(key), "and goes on by the key")
		_, no = b.send(http.MethodPost, "register", half)
		ruled(t, no, "challenge.none") // it was the old session's
		require.Equal(t, own[0].ID, p.owned(t, p.Nurse)[0].ID)
		require.Len(t, p.owned(t, p.Nurse), 1)
	})
}

// A key that is taken off a profile takes its sessions along, wherever they are, and what they had begun.
func TestRemovalEndsWhatStandsOnAKey(t *testing.T) {
	p := newPlace(t)
	for name, remove := range map[string]func(t *testing.T, id string){
		"by its holder": func(t *testing.T, id string) {
			p.with(t, p.Nurse).must(http.MethodDelete, "authenticators/"+id, nil)
		},
		"by the Registration Authority": func(t *testing.T, id string) {
			agent, err := p.Actor(t.Context(), p.RAAgent, careid.RAAgent)
			require.NoError(t, err)
			require.NoError(t, p.Service.RemoveAuthenticator(t.Context(), agent, id))
		},
	} {
		t.Run(name, func(t *testing.T) {
			lost, kept := p.registered(t, p.Nurse, p.keys), p.registered(t, p.Nurse, p.hello)
			one, two, other, byCard, late := p.visitor(t), p.visitor(t), p.visitor(t), p.with(t, p.Nurse), p.visitor(t)
			for b, d := range map[*visitor]*device{one: lost, two: lost, other: kept} {
				require.Nil(t, b.signsIn(d))
			}
			stepUp, signIn := one.must(http.MethodPost, "stepup/options", members{}), late.must(http.MethodPost, "signin/options", members{})
			begun := two.must(http.MethodPost, "register/options", members{})
			for _, owned := range p.owned(t, p.Nurse) {
				if bytes.Equal(owned.Credential, lost.cred.ID) {
					remove(t, owned.ID)
				}
			}
			for _, b := range []*visitor{one, two} {
				_, no := b.send(http.MethodGet, "authenticators", nil)
				ruled(t, no, "session.ended")
			}
			_, no := one.send(http.MethodPost, "stepup", members{"credential": lost.get(stepUp)})
			ruled(t, no, "webauthn.none")
			_, no = late.send(http.MethodPost, "signin", members{"credential": lost.get(signIn)})
			ruled(t, no, "webauthn.none")
			require.Empty(t, late.token())
			_, no = two.send(http.MethodPost, "register", members{"user": userOf(begun), "credential": p.keys.device().create(begun)})
			ruled(t, no, "session.ended")
			other.session()
			byCard.session()
		})
	}
}

// idle gives the servers a limit after which a session that nobody uses is locked.
func (p *place) idle(t *testing.T, minutes int) {
	t.Helper()
	c := p.Config
	c.Rules = must(must(careid.Rules()).Overlay(fmt.Appendf(nil, `{"sources": {"Trust": {"document": "Trust policy"}}, "rules": [
		{"id": "session.idle", "value": %d, "unit": "minutes", "from": "2026-01-01", "zone": "Europe/London", "source": "Trust", "tighter": "lower"}]}`, minutes)))
	p.config.Rules, p.config.Service = c.Rules, must(careid.New(c))
	p.servers = nil
	p.serve(t, p.config)
}

// owned are a person's authenticators, oldest first.
func (p *place) owned(t *testing.T, person careidtest.Person) []careid.Authenticator {
	t.Helper()
	all, err := p.Service.CredentialsOf(t.Context(), person.Profile.ID)
	require.NoError(t, err)
	return all
}
