// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/careid/sqlstore"
	"github.com/wardkey-sdk/wardkey/internal/sqlkit"
)

func TestBootstrap(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	second := careid.Founder{Given: "Eve", Family: "Late", Organisation: "RBA", Email: "eve@nhs.net", Card: h.Blank().Serial}
	rows := audited(t, h, func() {
		_, err := h.Service.Bootstrap(ctx, second)
		no := refused(t, err, "bootstrap.done")
		require.Equal(t, "ra-manager", no.Fixer)
	})
	require.Len(t, rows, 1)
	require.Equal(t, "bootstrap", rows[0].Actor)
	require.Equal(t, "bootstrap", audit(t, h)[0].Actor, "the first row of all is the founding")
}

func TestBootstrapAgain(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	db, err := sqlkit.OpenSQLite(t.TempDir() + "/care.db")
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	store, err := sqlstore.Open(ctx, sqlstore.Config{DB: db, Now: h.Clock.Now, Wall: h.Wall.Now})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	c := h.Config
	c.Store = store
	h.Service, err = careid.New(c)
	require.NoError(t, err)

	card := h.Blank()
	founder := careid.Founder{Given: "Ada", Family: "First", Organisation: "RXX", Email: "ada@nhs.net", Card: card.Serial}
	first, err := h.Service.Bootstrap(ctx, founder)
	require.NoError(t, err)
	h.Clock.Add(2 * time.Hour) // the handle was never used, and no longer works
	refused(t, h.Personalise(ctx, card, first.Act.Handle), "act.unknown")
	again, err := h.Service.Bootstrap(ctx, founder)
	require.NoError(t, err)
	require.Equal(t, first.Act.ID, again.Act.ID)
	require.Equal(t, first.Profile.ID, again.Profile.ID)
	other := founder
	other.Family = "Second"
	refused(t, second(h.Service.Bootstrap(ctx, other)), "bootstrap.done")
	require.NoError(t, h.Personalise(ctx, card, again.Act.Handle))
	refused(t, second(h.Service.Bootstrap(ctx, founder)), "bootstrap.done")
	signIn(t, h, card)
}

func TestApply(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	sponsor := actor(t, h, h.Sponsor, careid.Sponsor)
	agent := actor(t, h, h.RAAgent, careid.RAAgent)
	manager := actor(t, h, h.RAManager, careid.RAManager)

	t.Run("row020", func(t *testing.T) {
		before, err := h.Service.Profiles(ctx, manager)
		require.NoError(t, err)
		for _, a := range []careid.Actor{sponsor, agent, manager} {
			_, err := h.Service.OpenProfile(ctx, a, careid.NewProfile{Given: "Tom", Family: "Short", Organisation: "RBA"})
			no := refused(t, err, "profile.apply")
			require.Contains(t, no.Next[0], "https://apply-for-care-identity")
			require.Equal(t, "ra-manager", no.Fixer)
		}
		after, err := h.Service.Profiles(ctx, manager)
		require.NoError(t, err)
		require.Equal(t, before, after)
	})

	var app *careid.Application
	var token string
	t.Run("row023", func(t *testing.T) {
		var err error
		app, err = h.Service.Invite(ctx, sponsor, careid.Invitation{Given: "Femi", Family: "Adeyemi", Mobile: "07700 900456"})
		require.NoError(t, err)
		message, err := h.Inbox.Last(ctx, h.Service, "+447700900456")
		require.NoError(t, err)
		require.Equal(t, "text", message.Channel)
		token = message.Token()
		noSecret(t, audit(t, h), token)
		app, err = h.Service.Submit(ctx, token, careid.Submission{})
		require.NoError(t, err)
		require.Equal(t, careid.ApplicationSubmitted, app.State)
		_, err = h.Service.Submit(ctx, token, careid.Submission{})
		refused(t, err, "application.token")
		_, err = h.Service.Submit(ctx, token+"x", careid.Submission{})
		refused(t, err, "application.token")
	})
	t.Run("row021", func(t *testing.T) {
		_, err := h.Service.Approve(ctx, manager, app.ID)
		refused(t, err, "identity.unverified")
		_, err = h.Service.OpenAct(ctx, manager, careid.ActRequest{Kind: careid.Issue, Card: "9", Profile: app.ID, Evidence: careid.Evidence{Kind: careid.Attested, Document: "passport"}})
		refused(t, err, "org.scope")
	})
	t.Run("row022", func(t *testing.T) {
		_, err := h.Service.RecordCheck(ctx, agent, app.ID, careid.Check{Method: careid.FaceToFace, Documents: []careid.Document{{Kind: "passport"}}})
		no := refused(t, err, "identity.documents")
		require.Equal(t, "one with an address, 1 more of either, the number of one", no.Facts["missing"])
		_, err = h.Service.RecordCheck(ctx, sponsor, app.ID, careid.Check{Method: careid.FaceToFace, Documents: careidtest.Documents()})
		refused(t, err, "role.action")
		_, err = h.Service.RecordCheck(ctx, agent, app.ID, careid.Check{Documents: careidtest.Documents()})
		refused(t, err, "identity.method")
	})
	t.Run("threat015", func(t *testing.T) {
		_, err := h.Service.RecordCheck(ctx, manager, app.ID, careid.Check{Method: careid.ByApplication, Documents: careidtest.Documents()})
		require.NoError(t, err)
		_, err = h.Service.Approve(ctx, manager, app.ID)
		refused(t, err, "approval.alone")
		_, err = h.Service.Approve(ctx, sponsor, app.ID)
		refused(t, err, "role.action")

		// Own record, own rights, own card.
		self := h.RAManager.Profile.ID
		refused(t, h.Service.GrantRole(ctx, manager, self, careid.Sponsor), "own.record")
		refused(t, h.Service.GrantRole(ctx, agent, h.Nurse.Profile.ID, careid.RAManager), "role.action")
		refused(t, h.Service.CancelCard(ctx, manager, h.RAManager.Card.Serial), "own.record")
		_, err = h.Service.OpenAct(ctx, manager, careid.ActRequest{Kind: careid.Issue, Card: "9", Profile: self, Evidence: careid.Evidence{Kind: careid.Attested, Document: "passport"}})
		refused(t, err, "own.record")
		_, err = h.Service.OpenAct(ctx, manager, careid.ActRequest{Kind: careid.Repair, Card: h.Nurse.Card.Serial})
		require.True(t, refused(t, err, "evidence.missing").InPerson)
		_, err = h.Service.OpenAct(ctx, manager, careid.ActRequest{Kind: careid.Repair, Card: h.Nurse.Card.Serial, Evidence: careid.Evidence{Kind: careid.Attested}})
		refused(t, err, "evidence.missing") // which document?
	})
	t.Run("approved by another", func(t *testing.T) {
		checked, err := h.Service.Invite(ctx, sponsor, careid.Invitation{Given: "Lena", Family: "Berg", Email: "lena.berg@nhs.net"})
		require.NoError(t, err)
		message, err := h.Inbox.Last(ctx, h.Service, "lena.berg@nhs.net")
		require.NoError(t, err)
		_, err = h.Service.Submit(ctx, message.Token(), careid.Submission{Given: "Lena Maria", Family: "Berg"})
		require.NoError(t, err)
		_, err = h.Service.RecordCheck(ctx, agent, checked.ID, careid.Check{Method: careid.FaceToFace, Documents: careidtest.Documents()})
		require.NoError(t, err)
		profile, err := h.Service.Approve(ctx, manager, checked.ID)
		require.NoError(t, err)
		require.Regexp(t, `^[0-9]{12}$`, profile.ID)
		require.Equal(t, "Lena Maria Berg", profile.Name())
		_, err = h.Service.Approve(ctx, manager, checked.ID)
		refused(t, err, "application.state")
	})
	t.Run("an invitation has its time", func(t *testing.T) {
		_, err := h.Service.Invite(ctx, sponsor, careid.Invitation{Given: "Slow", Family: "Walker", Email: "slow.walker@nhs.net"})
		require.NoError(t, err)
		message, err := h.Inbox.Last(ctx, h.Service, "slow.walker@nhs.net")
		require.NoError(t, err)
		h.Clock.Add(28 * 24 * time.Hour)
		_, err = h.Service.Submit(ctx, message.Token(), careid.Submission{})
		refused(t, err, "application.token")
	})
}

func TestRoles(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	t.Run("row026", func(t *testing.T) {
		require.Len(t, careid.Roles(), 7)
		for _, role := range careid.Roles() {
			parsed, err := careid.ParseRole(string(role))
			require.NoError(t, err)
			require.Equal(t, role, parsed)
		}
		_, err := careid.ParseRole("administrator")
		require.Error(t, err)
		refused(t, h.Service.GrantRole(ctx, actor(t, h, h.RAManager, careid.RAManager), h.Nurse.Profile.ID, "administrator"), "role.unknown")
	})
	t.Run("row030", func(t *testing.T) {
		in := signIn(t, h, h.RAAgent.Card)
		_, err := h.Service.Actor(ctx, in.Token, careid.RAAgent, "RXX")
		refused(t, err, "role.missing")
		_, err = h.Service.Actor(ctx, in.Token, careid.RAManager, careidtest.Organisation)
		refused(t, err, "role.missing")
	})
	t.Run("threat063", func(t *testing.T) {
		// Every call on a person and a card as each lesser role: refused alike, and nothing changes.
		nurse, serial := h.Nurse.Profile.ID, h.Nurse.Card.Serial
		sponsor := actor(t, h, h.Sponsor, careid.Sponsor)
		stranger := actor(t, h, h.Sponsor, careid.Holder)
		calls := map[string]func(careid.Actor) error{
			"grant":   func(a careid.Actor) error { return h.Service.GrantRole(ctx, a, nurse, careid.Sponsor) },
			"end":     func(a careid.Actor) error { return h.Service.EndRole(ctx, a, nurse, careid.Sponsor) },
			"contact": func(a careid.Actor) error { return h.Service.SetContact(ctx, a, nurse, careid.Contact{}) },
			"close":   func(a careid.Actor) error { return h.Service.CloseProfile(ctx, a, nurse) },
			"cancel":  func(a careid.Actor) error { return h.Service.CancelCard(ctx, a, serial) },
			"lost":    func(a careid.Actor) error { _, err := h.Service.ReportLost(ctx, a, serial); return err },
			"issue": func(a careid.Actor) error {
				_, err := h.Service.OpenAct(ctx, a, careid.ActRequest{Kind: careid.Issue, Card: "7", Profile: nurse, Replaces: serial, Evidence: careid.Evidence{Kind: careid.Attested, Document: "passport"}})
				return err
			},
			"repair": func(a careid.Actor) error {
				_, err := h.Service.OpenAct(ctx, a, careid.ActRequest{Kind: careid.Repair, Card: serial, Evidence: careid.Evidence{Kind: careid.Attested, Document: "passport"}})
				return err
			},
			"clear": func(a careid.Actor) error {
				_, err := h.Service.OpenAct(ctx, a, careid.ActRequest{Kind: careid.Clear, Card: serial})
				return err
			},
		}
		for name, call := range calls {
			for _, a := range []careid.Actor{sponsor, stranger, {}, careid.Operator("page")} {
				rows := audited(t, h, func() { require.Error(t, call(a), name) })
				require.Len(t, rows, 1, name)
				require.Contains(t, rows[0].Detail, "refused ", name)
			}
		}
		_, err := h.Service.Profile(ctx, stranger, nurse)
		refused(t, err, "org.scope")
		_, err = h.Service.Profile(ctx, stranger, "000000000000")
		refused(t, err, "org.scope") // not there looks the same
		_, err = h.Service.Card(ctx, stranger, serial)
		refused(t, err, "org.scope")
		_, err = h.SignIn(ctx, h.Nurse.Card)
		require.NoError(t, err)
	})
	t.Run("an ended role is not believed", func(t *testing.T) {
		agent := actor(t, h, h.RAAgent, careid.RAAgent)
		require.NoError(t, h.Service.EndRole(ctx, actor(t, h, h.RAManager, careid.RAManager), h.RAAgent.Profile.ID, careid.RAAgent))
		_, err := h.Service.Cards(ctx, agent, h.Nurse.Profile.ID)
		refused(t, err, "role.missing")
	})
}
