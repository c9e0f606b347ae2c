// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

func TestApplicationDetails(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	agent := actor(t, h, h.RAAgent, careid.RAAgent)
	manager := actor(t, h, h.RAManager, careid.RAManager)
	app, err := h.Service.Invite(ctx, agent, careid.Invitation{Given: "Femi", Family: "Adeyemi", Email: "femi@nhs.net"})
	require.NoError(t, err)
	message, err := h.Inbox.Last(ctx, h.Service, "femi@nhs.net")
	require.NoError(t, err)

	t.Run("an empty field keeps what the invitation said", func(t *testing.T) {
		app, err = h.Service.Submit(ctx, message.Token(), careid.Submission{Given: "Oluwafemi"})
		require.NoError(t, err)
		require.Equal(t, "Oluwafemi Adeyemi", app.Given+" "+app.Family)
	})
	t.Run("one document shown twice is one", func(t *testing.T) {
		passport := careid.Document{Kind: "passport", Number: "500000000"}
		_, err := h.Service.RecordCheck(ctx, agent, app.ID, careid.Check{Method: careid.FaceToFace, Documents: []careid.Document{passport, passport, {Kind: "utility-bill"}}})
		require.Equal(t, "1 more of either", refused(t, err, "identity.documents").Facts["missing"])
	})
	t.Run("a check by the only approver is no dead end", func(t *testing.T) {
		_, err := h.Service.RecordCheck(ctx, manager, app.ID, careid.Check{Method: careid.FaceToFace, Documents: careidtest.Documents()})
		require.NoError(t, err)
		_, err = h.Service.Approve(ctx, manager, app.ID)
		require.Contains(t, refused(t, err, "approval.alone").Next[0], "identity check")
		app, err := h.Service.RecordCheck(ctx, agent, app.ID, careid.Check{Method: careid.ByApplication, Documents: careidtest.Documents()})
		require.NoError(t, err)
		require.Equal(t, h.RAAgent.Profile.ID, app.Check.By)
		_, err = h.Service.Approve(ctx, manager, app.ID)
		require.NoError(t, err)
		_, err = h.Service.RecordCheck(ctx, agent, app.ID, careid.Check{Method: careid.FaceToFace, Documents: careidtest.Documents()})
		refused(t, err, "application.state")
	})
	t.Run("an invitation needs a way to the person", func(t *testing.T) {
		_, err := h.Service.Invite(ctx, agent, careid.Invitation{Given: "No", Family: "Way"})
		refused(t, err, "contact.needed")
	})
	t.Run("threat025", func(t *testing.T) {
		// What the CA would refuse to write is refused when it can still be corrected.
		for _, name := range []string{"Ada\u3164", "Ada\u034f", "A\ufe0fda", "\u2800", "\u0301Ada"} {
			_, err := h.Service.Invite(ctx, agent, careid.Invitation{Given: name, Family: "Test", Email: "ada@nhs.net"})
			refused(t, err, "name.invalid")
		}
	})
}

func TestClose(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	require.NoError(t, h.Service.CloseProfile(ctx, actor(t, h, h.RAAgent, careid.RAAgent), h.RAManager.Profile.ID))
	require.NoError(t, h.Store.Read(ctx, func(ctx context.Context, tx *careid.Tx) error {
		grants, err := tx.People.Grants(ctx, h.RAManager.Profile.ID, tx.Now)
		require.Empty(t, grants, "roles end with the profile")
		return err
	}))
	// Nobody is left who could give the role: the program's own command can, again.
	founder := careid.Founder{Given: "Nora", Family: "Second", Organisation: careidtest.Organisation, Email: "nora@nhs.net", Card: h.Blank().Serial}
	_, err := h.Service.Bootstrap(ctx, founder)
	require.NoError(t, err)
	other := founder
	other.Given = "Eve"
	_, err = h.Service.Bootstrap(ctx, other)
	refused(t, err, "bootstrap.done")
}

// Who comes back has the user id that they had, and nothing else of what they held.
func TestReopen(t *testing.T) {
	ctx := t.Context()
	h := careidtest.New(t, careidtest.Config{})
	agent := actor(t, h, h.RAAgent, careid.RAAgent)
	id := h.Nurse.Profile.ID
	key := register(t, h, h.Nurse, careid.KindSecurityKey, "a key")
	refused(t, h.Service.ReopenProfile(ctx, agent, id), "profile.open")
	require.NoError(t, h.Service.GrantRole(ctx, actor(t, h, h.RAManager, careid.RAManager), id, careid.Sponsor))
	require.NoError(t, h.Service.CloseProfile(ctx, agent, id))
	refused(t, h.Service.ReopenProfile(ctx, actor(t, h, h.Sponsor, careid.Sponsor), id), "role.action")
	rows := audited(t, h, func() { require.NoError(t, h.Service.ReopenProfile(ctx, agent, id)) })
	require.Equal(t, "reopen profile", rows[0].Action)
	require.Equal(t, id, rows[0].Subject)
	message, err := h.Inbox.Last(ctx, h.Service, h.Nurse.Profile.Email)
	require.NoError(t, err)
	require.Contains(t, message.Body, "open again")

	p, err := h.Service.Profile(ctx, agent, id)
	require.NoError(t, err)
	require.Equal(t, careid.ProfileOpen, p.State)
	_, err = h.SignIn(ctx, h.Nurse.Card)
	require.Error(t, err, "the card was cancelled")
	_, err = h.Service.SignInWith(ctx, careid.Use{Authenticator: key, Verified: careid.Yes})
	refused(t, err, "authenticator.none")
	require.NoError(t, h.Store.Read(ctx, func(ctx context.Context, tx *careid.Tx) error {
		grants, err := tx.People.Grants(ctx, id, tx.Now)
		require.Empty(t, grants)
		return err
	}))
	_, err = h.Service.RegisterAuthenticator(ctx, agent, careid.NewAuthenticator{Profile: id, Kind: careid.KindSecurityKey, Credential: []byte("another")})
	require.NoError(t, err, "what is given anew")
}

// Whatever a leaver kept in a pocket opens nothing when the profile is open again.
func TestReopenedToALeaver(t *testing.T) {
	ctx := t.Context()
	h := careidtest.New(t, careidtest.Config{Binding: careid.BindingKeep})
	agent, id, card := actor(t, h, h.RAAgent, careid.RAAgent), h.Nurse.Profile.ID, h.Nurse.Card
	position, err := h.Service.CreatePosition(ctx, agent, nursing("Staff nurse"))
	require.NoError(t, err)
	_, err = h.Service.AssignPosition(ctx, agent, careid.Assign{Profile: id, Position: position.ID, From: h.Clock.Now().Add(time.Hour)})
	require.NoError(t, err)
	require.NoError(t, h.Service.Release(ctx, agent, id, "RXX"))
	in := signIn(t, h, card)
	const address = "asha.patel@nhs.net"
	h.Mail.Set(address, careidtest.Mailbox{Active: true, PolicyAccepted: true})
	nurse := holder(t, h, in.Token)
	_, err = h.Service.Link(ctx, nurse, careid.LinkRequest{Address: address, Workstation: careid.Workstation{Browser: "edge", CredentialManagement: careid.Yes}})
	require.NoError(t, err)
	cookie := "the browser's"
	answered, err := h.Answer(ctx, card, careidtest.Claims{Bind: cookie})
	require.NoError(t, err)
	unlock, err := h.StartUnlock(ctx, h.Nurse)
	require.NoError(t, err)
	act, err := h.Service.OpenAct(ctx, agent, careid.ActRequest{Kind: careid.Repair, Card: card.Serial, Evidence: attested})
	require.NoError(t, err)

	require.NoError(t, h.Service.CloseProfile(ctx, agent, id))
	require.NoError(t, h.Service.ReopenProfile(ctx, agent, id))

	_, err = h.Service.Session(ctx, in.Token)
	refused(t, err, "session.ended")
	refused(t, h.Service.Lease(ctx, in.Presence), "presence.ended")
	_, err = h.Service.Redeem(ctx, answered.Result, []byte(cookie))
	require.Error(t, err)
	_, err = h.Redeem(ctx, h.Nurse, unlock)
	require.Error(t, err)
	_, err = h.Service.OpenHandle(ctx, act.Handle, nil)
	refused(t, err, "act.unknown")
	_, err = h.SignIn(ctx, card)
	require.Error(t, err)
	links, err := h.Service.Links(ctx, agent, id)
	require.NoError(t, err)
	for _, l := range links {
		require.NotEqual(t, careid.LinkActive, l.State)
	}
	h.Clock.Add(2 * time.Hour)
	h.Wall.Add(2 * time.Hour)
	agent = actor(t, h, h.RAAgent, careid.RAAgent)
	held, err := h.Service.Assignments(ctx, agent, id)
	require.NoError(t, err)
	for _, one := range held {
		require.False(t, one.In(h.Clock.Now()), "what was to begin later")
	}
	_, err = h.Service.TakeOver(ctx, managerAt(t, h, "RXX"), id, nil)
	refused(t, err, "org.scope")
}

func TestUnlockDetails(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	serial := h.Nurse.Card.Serial
	agent := actor(t, h, h.RAAgent, careid.RAAgent)

	t.Run("threat011", func(t *testing.T) {
		// Tries of a dead code are none of the card's: who asked for one code can't use up the day.
		u := start(t, h, h.Nurse)
		for range 20 {
			refused(t, redeem(h, serial, u, wrong(u.Code)), "unlock.code")
		}
		signIn(t, h, h.Nurse.Card)
		h.Clock.Add(time.Minute)
		u = start(t, h, h.Nurse)
		reset, err := h.Redeem(ctx, h.Nurse, u)
		require.NoError(t, err)
		require.NoError(t, h.Reset(ctx, h.Nurse, u, reset))
		require.NoError(t, h.Service.ResetConfirm(ctx, reset.Token))
	})
	t.Run("threat010", func(t *testing.T) {
		// A code that went to an address which is no longer the person's is dead.
		h.Clock.Add(time.Hour)
		u := start(t, h, h.Nurse)
		require.NoError(t, h.Service.SetContact(ctx, actor(t, h, h.RAAgent, careid.RAAgent), h.Nurse.Profile.ID, careid.Contact{Email: "asha.new@nhs.net"}))
		rows := audited(t, h, func() { refused(t, redeem(h, serial, u, u.Code), "unlock.code") })
		require.Equal(t, "refused unlock.code: code superseded", rows[0].Detail)
	})
	t.Run("what is missing is said", func(t *testing.T) {
		handle, err := h.Service.OpenUnlock(ctx, []byte("c"))
		require.NoError(t, err)
		_, err = h.Service.StartUnlock(ctx, careid.UnlockStart{Handle: handle, Card: serial, Channel: careid.ByText})
		require.Contains(t, refused(t, err, "contact.none").Public, "no mobile number")
	})
	t.Run("a code's end is said in the time of the wall clock", func(t *testing.T) {
		h.Clock.Set(time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC))
		person := h.Sponsor
		start(t, h, person)
		message, err := h.Inbox.Last(ctx, h.Service, person.Profile.Email)
		require.NoError(t, err)
		require.Contains(t, message.Body, "13:10 UK time")
	})
	t.Run("a refused step names the card in the audit", func(t *testing.T) {
		agent = actor(t, h, h.RAAgent, careid.RAAgent)
		act, err := h.Service.OpenAct(ctx, agent, careid.ActRequest{Kind: careid.Repair, Card: serial, Evidence: careid.Evidence{Kind: careid.ByCard}})
		require.NoError(t, err)
		rows := audited(t, h, func() {
			_, err := h.Service.OpenHandle(ctx, act.Handle, nil)
			no := refused(t, err, "evidence.missing")
			require.Contains(t, no.Next[0], "card in the reader")
			require.NotContains(t, no.Next[0], "document")
		})
		require.Equal(t, serial, rows[0].Subject)
	})
}

func TestAddresses(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	agent := actor(t, h, h.RAAgent, careid.RAAgent)
	t.Run("threat016", func(t *testing.T) {
		// U+212A, the Kelvin sign, is a k in lower case.
		refused(t, h.Service.SetContact(ctx, agent, h.Nurse.Profile.ID, careid.Contact{Email: "a@leeds.gov.u\u212a"}), "contact.email")
		refused(t, h.Service.SetContact(ctx, agent, h.Nurse.Profile.ID, careid.Contact{Email: "a@" + strings.Repeat("x", 64) + ".nhs.net"}), "contact.email")
	})
	t.Run("row136", func(t *testing.T) {
		// One account, however its name is written.
		good := careid.Workstation{Browser: "edge", CredentialManagement: careid.Yes}
		ready := careidtest.Mailbox{Active: true, PolicyAccepted: true}
		for _, address := range []string{"asha.patel@nhs.net", "Asha.Patel@nhs.net"} {
			h.Mail.Set(address, ready)
		}
		nurse, sponsor := actor(t, h, h.Nurse, careid.Holder), actor(t, h, h.Sponsor, careid.Holder)
		link, err := h.Service.Link(ctx, nurse, careid.LinkRequest{Address: "Asha.Patel@NHS.net", Workstation: good})
		require.NoError(t, err)
		require.Equal(t, "asha.patel@nhs.net", link.Address)
		missing, err := h.Service.LinkPreflight(ctx, sponsor, careid.LinkRequest{Address: "Asha.Patel@nhs.net", Workstation: good})
		require.NoError(t, err)
		require.Equal(t, []string{"link.taken"}, rules(missing))
		for _, bad := range []string{"a b@nhs.net", "\r\n@nhs.net", "@nhs.net", "a@nhs.net@nhs.net"} {
			missing, err := h.Service.LinkPreflight(ctx, sponsor, careid.LinkRequest{Address: bad, Workstation: good})
			require.NoError(t, err)
			require.Equal(t, []string{"mail.address"}, rules(missing), bad)
		}
		require.NoError(t, h.Service.Unlink(ctx, nurse, "ASHA.PATEL@nhs.net"))
	})
}

func TestFirstCard(t *testing.T) {
	// The blank card of the first RA manager breaks at the desk: nobody else could open an act for another one.
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	require.NoError(t, h.Service.CloseProfile(ctx, actor(t, h, h.RAAgent, careid.RAAgent), h.RAManager.Profile.ID))
	broken, good := h.Blank(), h.Blank()
	founder := careid.Founder{Given: "Nora", Family: "Second", Organisation: careidtest.Organisation, Email: "nora@nhs.net", Card: broken.Serial}
	first, err := h.Service.Bootstrap(ctx, founder)
	require.NoError(t, err)
	founder.Card = good.Serial
	again, err := h.Service.Bootstrap(ctx, founder)
	require.NoError(t, err)
	require.Equal(t, first.Profile, again.Profile)
	refused(t, second(h.Service.OpenHandle(ctx, first.Act.Handle, nil)), "act.unknown")
	require.NoError(t, h.Personalise(ctx, good, again.Act.Handle))
	signIn(t, h, good)
	founder.Card = h.Blank().Serial
	_, err = h.Service.Bootstrap(ctx, founder)
	refused(t, err, "bootstrap.done")
}

func TestSameShape(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	const far = "000000000042"
	require.NoError(t, h.Store.Write(ctx, func(ctx context.Context, tx *careid.Tx) error {
		if err := tx.People.AddProfile(ctx, careid.Profile{ID: far, Given: "Far", Family: "Away", Organisation: "RXX", State: careid.ProfileOpen}); err != nil {
			return err
		}
		return tx.Cards.AddCard(ctx, careid.Card{Serial: "42", Profile: far, State: careid.CardActive, NotAfter: h.Clock.Now().AddDate(1, 0, 0)})
	}))
	stale := actor(t, h, h.RAAgent, careid.RAAgent)
	h.Wall.Add(time.Minute)
	actors := map[string]careid.Actor{
		"manager": actor(t, h, h.RAManager, careid.RAManager), "sponsor": actor(t, h, h.Sponsor, careid.Sponsor),
		"holder": actor(t, h, h.Nurse, careid.Holder), "stale": stale, "nobody": {},
	}
	t.Run("threat063", func(t *testing.T) {
		// What is another organisation's looks like what is not there, to everybody.
		for name, a := range actors {
			for what, try := range map[string]func(profile, card string) error{
				"profile":  func(p, _ string) error { return second(h.Service.Profile(ctx, a, p)) },
				"cards":    func(p, _ string) error { return second(h.Service.Cards(ctx, a, p)) },
				"links":    func(p, _ string) error { return second(h.Service.Links(ctx, a, p)) },
				"card":     func(_, c string) error { return second(h.Service.Card(ctx, a, c)) },
				"certs":    func(_, c string) error { return second(h.Service.Certificates(ctx, a, c)) },
				"cancel":   func(_, c string) error { return h.Service.CancelCard(ctx, a, c) },
				"lost":     func(_, c string) error { return second(h.Service.ReportLost(ctx, a, c)) },
				"return":   func(_, c string) error { return h.Service.ReturnCard(ctx, a, c) },
				"contact":  func(p, _ string) error { return h.Service.SetContact(ctx, a, p, careid.Contact{}) },
				"close":    func(p, _ string) error { return h.Service.CloseProfile(ctx, a, p) },
				"grant":    func(p, _ string) error { return h.Service.GrantRole(ctx, a, p, careid.Sponsor) },
				"end role": func(p, _ string) error { return h.Service.EndRole(ctx, a, p, careid.Sponsor) },
				"issue": func(p, _ string) error {
					return second(h.Service.OpenAct(ctx, a, careid.ActRequest{Kind: careid.Issue, Card: "77", Profile: p, Evidence: attested}))
				},
				"renew": func(_, c string) error {
					return second(h.Service.OpenAct(ctx, a, careid.ActRequest{Kind: careid.Renew, Card: c, Evidence: attested}))
				},
				"clear": func(_, c string) error {
					return second(h.Service.OpenAct(ctx, a, careid.ActRequest{Kind: careid.Clear, Card: c}))
				},
			} {
				there, absent := try(far, "42"), try("000000000043", "43")
				require.Error(t, there, "%s as %s", what, name)
				require.Equal(t, absent.Error(), there.Error(), "%s as %s", what, name)
			}
		}
	})
}
