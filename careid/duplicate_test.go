// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"context"
	"crypto/sha256"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

// applied is an application of somebody, submitted.
func applied(t *testing.T, h *careidtest.Hospital, by careid.Actor, email string, sub careid.Submission) *careid.Application {
	t.Helper()
	require.NoError(t, h.Service.Drain(t.Context())) // what an earlier one at this address was told comes before
	_, err := h.Service.Invite(t.Context(), by, careid.Invitation{Given: "Femi", Family: "Adeyemi", Email: email})
	require.NoError(t, err)
	message, err := h.Inbox.Last(t.Context(), h.Service, email)
	require.NoError(t, err)
	app, err := h.Service.Submit(t.Context(), message.Token(), sub)
	require.NoError(t, err)
	return app
}

// Nobody has two profiles: who gives the same National Insurance number and date of birth is the same person.
func TestDuplicatePerson(t *testing.T) {
	ctx := t.Context()
	h := careidtest.New(t, careidtest.Config{})
	agent, manager := actor(t, h, h.RAAgent, careid.RAAgent), actor(t, h, h.RAManager, careid.RAManager)
	check := careid.Check{Method: careid.FaceToFace, Documents: careidtest.Documents()}
	born := time.Date(1990, 2, 28, 0, 0, 0, 0, time.UTC)
	person := careid.Submission{NINumber: "AB 12 34 56 C", Born: born}
	approved := func(app *careid.Application) (*careid.Profile, error) {
		t.Helper()
		_, err := h.Service.RecordCheck(ctx, agent, app.ID, check)
		require.NoError(t, err)
		return h.Service.Approve(ctx, manager, app.ID)
	}
	waits := applied(t, h, agent, "first@nhs.net", careid.Submission{NINumber: "ab123456", Born: born.Add(23 * time.Hour)})
	_, err := h.Service.RecordCheck(ctx, agent, waits.ID, check)
	require.NoError(t, err, "nobody of that number has a profile yet")
	profile, err := approved(applied(t, h, agent, "second@nhs.net", person))
	require.NoError(t, err)
	noSecret(t, audit(t, h), "123456")
	noSecret(t, audit(t, h), "1990")

	people, err := h.Service.Profiles(ctx, manager)
	require.NoError(t, err)
	_, err = h.Service.Approve(ctx, manager, waits.ID)
	no := refused(t, err, "identity.duplicate")
	require.Contains(t, no.Public, "user id "+profile.ID, "told at the end, to those in whose care it is")
	_, err = h.Service.RecordCheck(ctx, agent, applied(t, h, agent, "third@nhs.net", person).ID, check)
	refused(t, err, "identity.duplicate")
	require.NoError(t, h.Service.CloseProfile(ctx, manager, profile.ID))
	_, err = h.Service.RecordCheck(ctx, agent, applied(t, h, agent, "fourth@nhs.net", person).ID, check)
	refused(t, err, "identity.duplicate") // it is reopened instead
	after, err := h.Service.Profiles(ctx, manager)
	require.NoError(t, err)
	require.Len(t, after, len(people))

	for name, other := range map[string]careid.Submission{
		"another day":      {NINumber: person.NINumber, Born: born.AddDate(0, 0, 1)},
		"another number":   {NINumber: "AB123457C", Born: born},
		"none of the two":  {},
		"and another none": {},
	} {
		_, err = approved(applied(t, h, agent, "other@nhs.net", other))
		require.NoError(t, err, name)
	}
	t.Run("threat063", func(t *testing.T) { // another organisation is told where, and not whom
		theirs := managerAt(t, h, "RXX")
		_, err = h.Service.RecordCheck(ctx, theirs, applied(t, h, theirs, "fifth@nhs.net", person).ID, check)
		no := refused(t, err, "identity.duplicate")
		require.Contains(t, no.Public, "at organisation "+careidtest.Organisation)
		require.NotContains(t, no.Public, profile.ID)
	})
	t.Run("what can't be right", func(t *testing.T) {
		_, err := h.Service.Invite(ctx, agent, careid.Invitation{Given: "Femi", Family: "Adeyemi", Email: "sixth@nhs.net"})
		require.NoError(t, err)
		message, err := h.Inbox.Last(ctx, h.Service, "sixth@nhs.net")
		require.NoError(t, err)
		for _, bad := range []careid.Submission{
			{NINumber: person.NINumber},
			{Born: born},
			{NINumber: person.NINumber, Born: h.Clock.Now().Add(time.Hour)},
			{NINumber: person.NINumber, Born: h.Clock.Now().AddDate(-131, 0, 0)},
			{NINumber: "AB12345C", Born: born},
			{NINumber: "AB1234567", Born: born},
			{NINumber: "AB123456E", Born: born},
			{NINumber: "DB123456C", Born: born},
			{NINumber: "AO123456C", Born: born},
			{NINumber: "GB123456A", Born: born},
			{NINumber: "A1123456C", Born: born},
			{NINumber: "AB١٢٣٤٥٦C", Born: born},
			{NINumber: "AB-123456", Born: born},
		} {
			_, err = h.Service.Submit(ctx, message.Token(), bad)
			refused(t, err, "identity.person")
		}
		_, err = h.Service.Submit(ctx, message.Token(), careid.Submission{NINumber: "zy 123456 d", Born: born})
		require.NoError(t, err, "and the invitation is good still")
	})
}

// What is kept of a number and a date tells neither: not to who has the database alone, and not to who lists applications.
func TestPersonAtRest(t *testing.T) {
	ctx := t.Context()
	h := careidtest.New(t, careidtest.Config{})
	agent, manager := actor(t, h, h.RAAgent, careid.RAAgent), actor(t, h, h.RAManager, careid.RAManager)
	check := careid.Check{Method: careid.FaceToFace, Documents: careidtest.Documents()}
	person := careid.Submission{NINumber: "AB123456C", Born: time.Date(1990, 2, 28, 0, 0, 0, 0, time.UTC)}
	kept := func(app *careid.Application) (mark []byte) {
		t.Helper()
		require.NoError(t, h.Store.Read(ctx, func(ctx context.Context, tx *careid.Tx) error {
			row, err := tx.Applications.Application(ctx, app.ID)
			mark = row.Person
			return err
		}))
		return mark
	}
	first := applied(t, h, agent, "first@nhs.net", person)
	mark := kept(first)
	require.Equal(t, mark, kept(applied(t, h, agent, "again@nhs.net", person)))

	t.Run("it takes the key to try numbers", func(t *testing.T) {
		for _, guess := range []string{"wardkey/person AB123456 1990-02-28", "AB123456 1990-02-28", "AB1234561990-02-28"} {
			sum := sha256.Sum256([]byte(guess))
			require.NotEqual(t, sum[:], mark)
		}
		elsewhere := careidtest.New(t, careidtest.Config{})
		c := elsewhere.Config
		c.AuthenticatorKey = []byte("another hospital's key, 32 bytes")
		var err error
		elsewhere.Service, err = careid.New(c)
		require.NoError(t, err)
		other := applied(t, elsewhere, actor(t, elsewhere, elsewhere.RAAgent, careid.RAAgent), "first@nhs.net", person)
		require.NoError(t, elsewhere.Store.Read(ctx, func(ctx context.Context, tx *careid.Tx) error {
			row, err := tx.Applications.Application(ctx, other.ID)
			require.NotEqual(t, mark, row.Person)
			return err
		}))
	})
	t.Run("threat063", func(t *testing.T) { // who invites somebody and answers for them compares with nobody
		require.Empty(t, first.Person)
		apps, err := h.Service.Applications(ctx, actor(t, h, h.Sponsor, careid.Sponsor))
		require.NoError(t, err)
		for _, app := range apps {
			require.Empty(t, app.Person)
		}
		checked, err := h.Service.RecordCheck(ctx, agent, first.ID, check)
		require.NoError(t, err)
		require.Empty(t, checked.Person)
		require.Equal(t, mark, kept(first))
		_, err = h.Service.Approve(ctx, manager, first.ID)
		require.NoError(t, err)
		require.Empty(t, kept(first), "the profile has it")
	})
	t.Run("another key", func(t *testing.T) {
		c := h.Config
		c.AuthenticatorKey, c.EarlierAuthenticatorKeys = []byte("the key that comes after, 32 b.."), [][]byte{h.Config.AuthenticatorKey}
		next, err := careid.New(c)
		require.NoError(t, err)
		before := h.Service
		later := careid.Submission{NINumber: "AB654321C", Born: person.Born}
		waits := applied(t, h, agent, "waits@nhs.net", later) // on a server that has the old key alone
		h.Service = next
		_, err = next.RecordCheck(ctx, agent, applied(t, h, agent, "second@nhs.net", person).ID, check)
		refused(t, err, "identity.duplicate")
		app := applied(t, h, agent, "later@nhs.net", later)
		_, err = next.RecordCheck(ctx, agent, app.ID, check)
		require.NoError(t, err)
		_, err = next.Approve(ctx, manager, app.ID)
		require.NoError(t, err)
		_, err = before.RecordCheck(ctx, agent, waits.ID, check)
		refused(t, err, "identity.duplicate")
		c.EarlierAuthenticatorKeys = nil
		h.Service, err = careid.New(c)
		require.NoError(t, err)
		_, err = h.Service.RecordCheck(ctx, agent, applied(t, h, agent, "last@nhs.net", later).ID, check)
		refused(t, err, "identity.duplicate") // it was approved under both
	})
	t.Run("without a key", func(t *testing.T) {
		c := h.Config
		c.AuthenticatorKey = nil
		var err error
		h.Service, err = careid.New(c)
		require.NoError(t, err)
		_, err = h.Service.Invite(ctx, agent, careid.Invitation{Given: "Femi", Family: "Adeyemi", Email: "none@nhs.net"})
		require.NoError(t, err)
		message, err := h.Inbox.Last(ctx, h.Service, "none@nhs.net")
		require.NoError(t, err)
		_, err = h.Service.Submit(ctx, message.Token(), person)
		refused(t, err, "identity.unavailable")
		_, err = h.Service.Submit(ctx, message.Token(), careid.Submission{})
		require.NoError(t, err)
	})
}

// Two applications of one person that are approved at one instant come to one profile.
func TestDuplicateAtOnce(t *testing.T) {
	ctx := t.Context()
	h := careidtest.New(t, careidtest.Config{})
	agent, manager := actor(t, h, h.RAAgent, careid.RAAgent), actor(t, h, h.RAManager, careid.RAManager)
	person := careid.Submission{NINumber: "AB123456C", Born: time.Date(1990, 2, 28, 0, 0, 0, 0, time.UTC)}
	apps := make([]*careid.Application, 8)
	for i := range apps {
		apps[i] = applied(t, h, agent, string(rune('a'+i))+"@nhs.net", person)
		_, err := h.Service.RecordCheck(ctx, agent, apps[i].ID, careid.Check{Method: careid.ByApplication, Documents: careidtest.Documents()})
		require.NoError(t, err)
	}
	told := make([]error, len(apps))
	var wait sync.WaitGroup
	for i, app := range apps {
		wait.Go(func() { _, told[i] = h.Service.Approve(ctx, manager, app.ID) })
	}
	wait.Wait()
	good := 0
	for _, err := range told {
		if err == nil {
			good++
			continue
		}
		require.Equal(t, "identity.duplicate", wardkey.RuleOf(err))
	}
	require.Equal(t, 1, good)
}
