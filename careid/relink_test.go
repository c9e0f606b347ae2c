// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

var errStopped = errors.New("stopped")

// stopping is a store whose process stops at the n-th thing that it does with links or the audit.
type stopping struct {
	careid.Store
	left int
}

func (s *stopping) Write(ctx context.Context, fn func(context.Context, *careid.Tx) error) error {
	return s.Store.Write(ctx, func(ctx context.Context, tx *careid.Tx) error {
		stops := *tx
		stops.Links, stops.Audit = stoppingLinks{tx.Links, s}, stoppingAudit{tx.Audit, s}
		return fn(ctx, &stops)
	})
}

func (s *stopping) step() error {
	if s.left--; s.left < 0 {
		return errStopped
	}
	return nil
}

type stoppingLinks struct {
	careid.Links
	s *stopping
}

func (l stoppingLinks) AddLink(ctx context.Context, v careid.Link) error {
	return errors.Join(l.Links.AddLink(ctx, v), l.s.step())
}

func (l stoppingLinks) SetLink(ctx context.Context, v careid.Link, from careid.LinkState) (bool, error) {
	done, err := l.Links.SetLink(ctx, v, from)
	return done, errors.Join(err, l.s.step())
}

type stoppingAudit struct {
	careid.AuditLog
	s *stopping
}

func (a stoppingAudit) Append(ctx context.Context, e careid.AuditEntry) error {
	return errors.Join(a.AuditLog.Append(ctx, e), a.s.step())
}

func TestRelink(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	const first, next = "asha.patel@nhs.net", "asha.shah@nhs.net"
	good := careid.Workstation{Browser: "edge", CredentialManagement: careid.Yes}
	for _, address := range []string{first, next} {
		h.Mail.Set(address, careidtest.Mailbox{Active: true, PolicyAccepted: true})
	}
	in := signIn(t, h, h.Nurse.Card)
	nurse, err := h.Service.Actor(ctx, in.Token, careid.Holder, "")
	require.NoError(t, err)
	_, err = h.Service.MailAccount(ctx, in.Token)
	refused(t, err, "link.none")
	_, err = h.Service.Link(ctx, nurse, careid.LinkRequest{Address: first, Workstation: good})
	require.NoError(t, err)
	active := func() []string {
		links, err := h.Service.Links(ctx, careid.Operator("test"), h.Nurse.Profile.ID)
		require.NoError(t, err)
		var addresses []string
		for _, l := range links {
			if l.State == careid.LinkActive {
				addresses = append(addresses, l.Address)
			}
		}
		return addresses
	}

	t.Run("row083", func(t *testing.T) {
		done := false
		for at := 0; !done; at++ {
			c := h.Config
			c.Store = &stopping{Store: h.Store, left: at}
			service, err := careid.New(c)
			require.NoError(t, err)
			_, err = service.Relink(ctx, nurse, first, careid.LinkRequest{Address: next, Workstation: good})
			if done = err == nil; done {
				require.Equal(t, 3, at, "one link ends, one begins, one row tells")
				require.Equal(t, []string{next}, active())
				continue
			}
			require.ErrorIs(t, err, errStopped)
			require.Equal(t, []string{first}, active(), "stopped at %d", at)
		}
		rows := audit(t, h)
		require.Equal(t, "relink mail account", rows[len(rows)-1].Action)
		require.Contains(t, rows[len(rows)-1].Detail, "instead of "+first)
		address, err := h.Service.MailAccount(ctx, in.Token)
		require.NoError(t, err)
		require.Equal(t, next, address)
	})
	t.Run("what is missing leaves the old link", func(t *testing.T) {
		_, err := h.Service.Relink(ctx, nurse, first, careid.LinkRequest{Address: "third@nhs.net", Workstation: good})
		refused(t, err, "mail.inactive")
		h.Mail.Set("third@nhs.net", careidtest.Mailbox{Active: true, PolicyAccepted: true})
		_, err = h.Service.Relink(ctx, nurse, "not.mine@nhs.net", careid.LinkRequest{Address: "third@nhs.net", Workstation: good})
		refused(t, err, "link.taken")
		_, err = h.Service.Relink(ctx, nurse, next, careid.LinkRequest{Address: next, Workstation: good})
		refused(t, err, "link.taken")
		stranger := actor(t, h, h.Sponsor, careid.Holder)
		_, err = h.Service.Relink(ctx, stranger, next, careid.LinkRequest{Address: "third@nhs.net", Workstation: good})
		refused(t, err, "link.none")
		require.Equal(t, []string{next}, active())
	})
	t.Run("row087", func(t *testing.T) {
		h.Mail.Set("new@nhs.net", careidtest.Mailbox{Active: true})
		missing, err := h.Service.LinkPreflight(ctx, actor(t, h, h.Sponsor, careid.Holder), careid.LinkRequest{Address: "new@nhs.net", Workstation: good})
		require.NoError(t, err)
		require.Equal(t, []string{"mail.aup"}, rules(missing))
		require.Equal(t, "holder", missing[0].Fixer)
		url, err := careid.ServiceURL(builtIn(t), careid.MailService, h.Clock.Now())
		require.NoError(t, err)
		require.Contains(t, missing[0].Next[0], url)
	})
	t.Run("suspended", func(t *testing.T) {
		agent := actor(t, h, h.RAAgent, careid.RAAgent)
		refused(t, h.Service.SuspendLink(ctx, agent, h.Nurse.Profile.ID, first), "link.none")
		refused(t, h.Service.SuspendLink(ctx, agent, h.Sponsor.Profile.ID, next), "link.none")
		refused(t, h.Service.SuspendLink(ctx, agent, "000000000000", next), "org.scope")
		refused(t, h.Service.SuspendLink(ctx, actor(t, h, h.Sponsor, careid.Holder), h.Nurse.Profile.ID, next), "org.scope")
		require.NoError(t, h.Service.SuspendLink(ctx, agent, h.Nurse.Profile.ID, next))
		refused(t, h.Service.SuspendLink(ctx, agent, h.Nurse.Profile.ID, next), "link.none")
		_, err := h.Service.MailAccount(ctx, in.Token)
		require.Contains(t, refused(t, err, "link.suspended").Next[0], "password")
		_, err = h.Service.Link(ctx, nurse, careid.LinkRequest{Address: next, Workstation: good})
		require.NoError(t, err)
		address, err := h.Service.MailAccount(ctx, in.Token)
		require.NoError(t, err)
		require.Equal(t, next, address)
	})
}
