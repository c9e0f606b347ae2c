// SPDX-License-Identifier: Apache-2.0

package careidtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
)

// TestStore holds a careid.Store to its contract. open returns an empty one each time, on the clocks given.
func TestStore(t *testing.T, open func(t *testing.T, now, wall func() time.Time) careid.Store) {
	clock, wall := &Clock{}, &Clock{}
	clock.Set(time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC))
	wall.Set(time.Date(2026, 1, 5, 9, 30, 0, 999, time.UTC))
	for name, run := range map[string]func(*storeTest){
		"transactions": (*storeTest).transactions,
		"people":       (*storeTest).people,
		"applications": (*storeTest).applications,
		"positions":    (*storeTest).positions,
		"assignments":  (*storeTest).assignments,
		"releases":     (*storeTest).releases,
		"acceptances":  (*storeTest).acceptances,
		"idle":         (*storeTest).idle,
		"losses":       (*storeTest).losses,
		"cards":        (*storeTest).cards,
		"acts":         (*storeTest).acts,
		"codes":        (*storeTest).codes,
		"resets":       (*storeTest).resets,
		"drops":        (*storeTest).drops,
		"proofs":       (*storeTest).proofs,
		"sessions":     (*storeTest).sessions,

		"authenticators": (*storeTest).authenticators,

		"links": (*storeTest).links,
		"audit": (*storeTest).audit,
		"races": (*storeTest).races,
	} {
		t.Run(name, func(t *testing.T) {
			s := &storeTest{T: t, store: open(t, clock.Now, wall.Now), at: clock.Now(), wall: wall.Now().Truncate(time.Second)}
			run(s)
		})
	}
}

type storeTest struct {
	*testing.T
	store careid.Store
	at    time.Time
	wall  time.Time
}

// write runs fn in a transaction that must succeed.
func (t *storeTest) write(fn func(ctx context.Context, tx *careid.Tx)) {
	t.Helper()
	require.NoError(t, t.store.Write(context.Background(), func(ctx context.Context, tx *careid.Tx) error { fn(ctx, tx); return nil }))
}

func (t *storeTest) ok(done bool, err error) {
	t.Helper()
	require.NoError(t, err)
	require.True(t, done)
}

func (t *storeTest) not(done bool, err error) {
	t.Helper()
	require.NoError(t, err)
	require.False(t, done)
}

// base puts a person, a card and an act there.
func (t *storeTest) base(ctx context.Context, tx *careid.Tx) careid.Act {
	t.Helper()
	require.NoError(t, tx.People.AddProfile(ctx, careid.Profile{ID: "000000000001", Given: "A", Family: "B", Organisation: "RBA", State: careid.ProfileOpen, OpenedAt: t.at}))
	require.NoError(t, tx.Cards.AddCard(ctx, careid.Card{Serial: "c1", Profile: "000000000001", State: careid.CardOrdered}))
	act := careid.Act{ID: "a1", Kind: careid.Issue, Card: "c1", Profile: "000000000001", State: careid.ActOpen, Actor: "x", OpenedAt: t.at}
	require.NoError(t, tx.Acts.AddAct(ctx, act))
	return act
}

func (t *storeTest) transactions() {
	ctx := context.Background()
	stop := errors.New("stop")
	err := t.store.Write(ctx, func(ctx context.Context, tx *careid.Tx) error {
		require.Equal(t, t.at, tx.Now)
		require.Equal(t, t.wall, tx.Wall)
		t.base(ctx, tx)
		return stop
	})
	require.ErrorIs(t, err, stop)
	err = t.store.Read(ctx, func(ctx context.Context, tx *careid.Tx) error {
		_, err := tx.People.Profile(ctx, "000000000001")
		return err
	})
	require.ErrorIs(t, err, careid.ErrNotFound)
	t.write(func(ctx context.Context, tx *careid.Tx) { t.base(ctx, tx) })
	require.NoError(t, t.store.Read(ctx, func(ctx context.Context, tx *careid.Tx) error {
		p, err := tx.People.Profile(ctx, "000000000001")
		require.Equal(t, t.at, p.OpenedAt)
		return err
	}))
}

func (t *storeTest) people() {
	t.write(func(ctx context.Context, tx *careid.Tx) {
		t.base(ctx, tx)
		p, err := tx.People.Profile(ctx, "000000000001")
		require.NoError(t, err)
		require.ErrorIs(t, tx.People.AddProfile(ctx, p), careid.ErrConflict)
		p.Email = "a@nhs.net"
		require.NoError(t, tx.People.UpdateProfile(ctx, p))
		of, err := tx.People.ProfilesOf(ctx, "RBA")
		require.NoError(t, err)
		require.Equal(t, []careid.Profile{p}, of)
		of, err = tx.People.ProfilesOf(ctx, "RXX")
		require.NoError(t, err)
		require.Empty(t, of)
		require.ErrorIs(t, tx.People.UpdateProfile(ctx, careid.Profile{ID: "9"}), careid.ErrNotFound)

		g := careid.Grant{Profile: p.ID, Role: careid.Sponsor, Organisation: "RBA", From: t.at, By: "x"}
		require.NoError(t, tx.People.AddGrant(ctx, g))
		require.ErrorIs(t, tx.People.AddGrant(ctx, g), careid.ErrConflict)
		grants := func(profile string, at time.Time) int {
			all, err := tx.People.Grants(ctx, profile, at)
			require.NoError(t, err)
			return len(all)
		}
		require.Equal(t, []int{1, 1, 0, 0}, []int{grants(p.ID, t.at), grants("", t.at), grants("9", t.at), grants(p.ID, t.at.Add(-time.Second))})
		end := t.at.Add(time.Hour)
		t.ok(tx.People.EndGrant(ctx, p.ID, careid.Sponsor, "RBA", end))
		t.not(tx.People.EndGrant(ctx, p.ID, careid.Sponsor, "RBA", end))
		require.Equal(t, []int{1, 0}, []int{grants(p.ID, end.Add(-time.Second)), grants(p.ID, end)})
		require.NoError(t, tx.People.AddGrant(ctx, g))
	})
}

func (t *storeTest) applications() {
	t.write(func(ctx context.Context, tx *careid.Tx) {
		a := careid.Application{ID: "1", Organisation: "RBA", State: careid.ApplicationInvited, Given: "A", Family: "B", InvitedBy: "x", InvitedAt: t.at}
		require.NoError(t, tx.Applications.AddApplication(ctx, a, []byte("token")))
		a.State = careid.ApplicationChecked
		a.Check = &careid.Check{Method: careid.FaceToFace, Documents: Documents(), By: "y", At: t.at}
		t.ok(tx.Applications.UpdateApplication(ctx, a, careid.ApplicationInvited))
		t.not(tx.Applications.UpdateApplication(ctx, a, careid.ApplicationInvited))
		found, err := tx.Applications.ApplicationByToken(ctx, []byte("token"))
		require.NoError(t, err)
		require.Equal(t, a, found)
		_, err = tx.Applications.ApplicationByToken(ctx, []byte("other"))
		require.ErrorIs(t, err, careid.ErrNotFound)
		_, err = tx.Applications.Application(ctx, "2")
		require.ErrorIs(t, err, careid.ErrNotFound)
		of, err := tx.Applications.ApplicationsOf(ctx, "RBA")
		require.NoError(t, err)
		require.Len(t, of, 1)
		require.Empty(t, of[0].Person)
		a.State, a.Person = careid.ApplicationApproved, []byte{0, 255}
		t.ok(tx.Applications.UpdateApplication(ctx, a, careid.ApplicationChecked))
		found, err = tx.Applications.Application(ctx, "1")
		require.NoError(t, err)
		require.Equal(t, a, found)
	})
	t.identities()
}

// identities asks that a person stands for one profile, whoever of many comes first.
func (t *storeTest) identities() {
	const racers = 20
	id := func(i int) string { return fmt.Sprintf("%012d", i+1) }
	person := []byte{0, 255}
	t.write(func(ctx context.Context, tx *careid.Tx) {
		for i := range racers {
			require.NoError(t, tx.People.AddProfile(ctx, careid.Profile{ID: id(i), Given: "A", Family: "B", Organisation: "RBA", State: careid.ProfileOpen, OpenedAt: t.at}))
		}
		_, err := tx.Applications.IdentityOf(ctx, person)
		require.ErrorIs(t, err, careid.ErrNotFound)
	})
	kept := make([]string, racers)
	var wait sync.WaitGroup
	for i := range racers {
		wait.Go(func() {
			_ = t.store.Write(context.Background(), func(ctx context.Context, tx *careid.Tx) (err error) {
				kept[i], err = tx.Applications.KeepIdentity(ctx, person, id(i))
				return err
			})
		})
	}
	wait.Wait()
	t.write(func(ctx context.Context, tx *careid.Tx) {
		held, err := tx.Applications.IdentityOf(ctx, person)
		require.NoError(t, err)
		for _, one := range kept {
			require.Equal(t, held, one)
		}
		other, err := tx.Applications.KeepIdentity(ctx, []byte{1}, id(0))
		require.NoError(t, err)
		require.Equal(t, id(0), other, "a person may have had two")
	})
}

func (t *storeTest) cards() {
	t.write(func(ctx context.Context, tx *careid.Tx) {
		t.base(ctx, tx)
		c, err := tx.Cards.Card(ctx, "c1")
		require.NoError(t, err)
		require.ErrorIs(t, tx.Cards.AddCard(ctx, c), careid.ErrConflict)
		c.State, c.NotAfter = careid.CardActive, t.at.Add(time.Hour)
		t.ok(tx.Cards.UpdateCard(ctx, c, careid.CardOrdered))
		t.not(tx.Cards.UpdateCard(ctx, c, careid.CardOrdered))
		g, err := tx.Cards.Generations(ctx, "c1")
		require.NoError(t, err)
		require.Equal(t, careid.Generations{Next: 1}, g)
		require.NoError(t, tx.Cards.SetGenerations(ctx, "c1", careid.Generations{First: 1, Second: 2, Next: 3}))
		require.ErrorIs(t, tx.Cards.SetGenerations(ctx, "c9", g), careid.ErrNotFound)
		c.Issuer, c.UnlockedAt, c.RetiredAt = "Elsewhere", t.at, t.at.Add(time.Minute)
		t.ok(tx.Cards.UpdateCard(ctx, c, careid.CardActive))
		kept, err := tx.Cards.Card(ctx, "c1")
		require.NoError(t, err)
		require.Equal(t, c, kept)
		imported, err := tx.Cards.ImportedSOPIN(ctx, "c1")
		require.NoError(t, err)
		require.Equal(t, careid.ImportedSOPIN{}, imported)
		for _, v := range []careid.ImportedSOPIN{{Generation: 3, Sealed: []byte("sealed")}, {}} {
			require.NoError(t, tx.Cards.SetImportedSOPIN(ctx, "c1", v))
			imported, err = tx.Cards.ImportedSOPIN(ctx, "c1")
			require.NoError(t, err)
			require.Equal(t, v, imported)
		}
		require.ErrorIs(t, tx.Cards.SetImportedSOPIN(ctx, "c9", imported), careid.ErrNotFound)
		_, err = tx.Cards.ImportedSOPIN(ctx, "c9")
		require.ErrorIs(t, err, careid.ErrNotFound)

		cert := careid.Certificate{Fingerprint: [32]byte{1}, Card: "c1", Act: "a1", Use: careid.Signing, State: careid.CertificatePending, NotAfter: t.at, DER: []byte{1}}
		require.NoError(t, tx.Cards.AddCertificate(ctx, cert))
		require.NoError(t, tx.Cards.AddCertificate(ctx, cert))
		first := cert
		first.Fingerprint, first.Use = [32]byte{2}, careid.Authentication
		require.NoError(t, tx.Cards.AddCertificate(ctx, first))
		of, err := tx.Cards.CertificatesOf(ctx, "c1")
		require.NoError(t, err)
		require.Equal(t, []careid.Certificate{first, cert}, of)
		cert.State, cert.Reason, cert.RevokeAt = careid.CertificateRevoking, 1, t.at
		t.ok(tx.Cards.SetCertificate(ctx, cert, careid.CertificatePending))
		t.not(tx.Cards.SetCertificate(ctx, cert, careid.CertificatePending))
		in, err := tx.Cards.CertificatesIn(ctx, careid.CertificateRevoking)
		require.NoError(t, err)
		require.Equal(t, []careid.Certificate{cert}, in)
		_, err = tx.Cards.Certificate(ctx, [32]byte{9})
		require.ErrorIs(t, err, careid.ErrNotFound)
		t.held(ctx, tx, first)

		for i, id := range []string{"o1", "o2"} {
			require.NoError(t, tx.Cards.AddOrder(ctx, careid.Order{ID: id, Profile: "000000000001", At: t.at.Add(time.Duration(i) * time.Second)}))
		}
		t.ok(tx.Cards.FillOrder(ctx, "000000000001", "c1"))
		open, err := tx.Cards.OpenOrders(ctx)
		require.NoError(t, err)
		require.Len(t, open, 1)
		require.Equal(t, "o2", open[0].ID)
		t.ok(tx.Cards.FillOrder(ctx, "000000000001", "c2"))
		t.not(tx.Cards.FillOrder(ctx, "000000000001", "c3"))
	})
}

func (t *storeTest) acts() {
	t.write(func(ctx context.Context, tx *careid.Tx) {
		act := t.base(ctx, tx)
		second := act
		second.ID = "a2"
		require.ErrorIs(t, tx.Acts.AddAct(ctx, second), careid.ErrConflict, "one card, one open act")
		act.State, act.Requests, act.Opened, act.Session = careid.ActIssued, [][]byte{{1}, {2}}, true, []byte{3}
		t.ok(tx.Acts.UpdateAct(ctx, act, careid.ActOpen))
		t.not(tx.Acts.UpdateAct(ctx, act, careid.ActOpen))
		found, err := tx.Acts.OpenActOf(ctx, "c1")
		require.NoError(t, err)
		require.Equal(t, act, found)
		act.State = careid.ActConfirmed
		t.ok(tx.Acts.UpdateAct(ctx, act, careid.ActIssued))
		_, err = tx.Acts.OpenActOf(ctx, "c1")
		require.ErrorIs(t, err, careid.ErrNotFound)
		require.NoError(t, tx.Acts.AddAct(ctx, second))
		open, err := tx.Acts.ActsIn(ctx, careid.ActOpen)
		require.NoError(t, err)
		require.Len(t, open, 1)
		h := careid.Handle{Hash: []byte("h"), Act: "a2", Bind: []byte{1}, At: t.at}
		require.NoError(t, tx.Acts.AddHandle(ctx, h))
		kept, err := tx.Acts.Handle(ctx, []byte("h"))
		require.NoError(t, err)
		require.Equal(t, h, kept)
		_, err = tx.Acts.Handle(ctx, []byte("x"))
		require.ErrorIs(t, err, careid.ErrNotFound)
		require.NoError(t, tx.Acts.DropHandles(ctx, t.at.Add(-time.Second)))
		_, err = tx.Acts.Handle(ctx, []byte("h"))
		require.NoError(t, err)
		require.NoError(t, tx.Acts.DropHandles(ctx, t.at))
		_, err = tx.Acts.Handle(ctx, []byte("h"))
		require.ErrorIs(t, err, careid.ErrNotFound)
	})
}

func (t *storeTest) links() {
	t.write(func(ctx context.Context, tx *careid.Tx) {
		t.base(ctx, tx)
		l := careid.Link{ID: "l1", Card: "c1", Profile: "000000000001", Address: "a@nhs.net", State: careid.LinkActive, At: t.at}
		require.NoError(t, tx.Links.AddLink(ctx, l))
		other := l
		other.ID, other.Address = "l2", "b@nhs.net"
		require.ErrorIs(t, tx.Links.AddLink(ctx, other), careid.ErrConflict, "one card, one account")
		require.NoError(t, tx.Cards.AddCard(ctx, careid.Card{Serial: "c2", Profile: "000000000001", State: careid.CardActive}))
		other.Card, other.Address = "c2", "a@nhs.net"
		require.ErrorIs(t, tx.Links.AddLink(ctx, other), careid.ErrConflict, "one account, one card")
		l.State = careid.LinkSuspended
		t.ok(tx.Links.SetLink(ctx, l, careid.LinkActive))
		t.not(tx.Links.SetLink(ctx, l, careid.LinkActive))
		found, err := tx.Links.LinkOfAddress(ctx, "a@nhs.net")
		require.NoError(t, err)
		require.Equal(t, l, found)
		l.State = careid.LinkEnded
		t.ok(tx.Links.SetLink(ctx, l, careid.LinkSuspended))
		_, err = tx.Links.LinkOfAddress(ctx, "a@nhs.net")
		require.ErrorIs(t, err, careid.ErrNotFound)
		require.NoError(t, tx.Links.AddLink(ctx, other))
		of, err := tx.Links.LinksOf(ctx, "000000000001")
		require.NoError(t, err)
		require.Len(t, of, 2)
	})
}

// anchors takes one of three rows and looks for it, and for some that are not there.
func (t *storeTest) anchors() {
	read := func(fn func(ctx context.Context, log careid.AuditLog)) {
		require.NoError(t, t.store.Read(context.Background(), func(ctx context.Context, tx *careid.Tx) error { fn(ctx, tx.Audit); return nil }))
	}
	var taken careid.Anchor
	read(func(ctx context.Context, log careid.AuditLog) {
		var err error
		taken, err = log.Head(ctx)
		require.NoError(t, err)
		require.Equal(t, int64(3), taken.Seq)
		require.Len(t, taken.Hash, 32)
	})
	t.write(func(ctx context.Context, tx *careid.Tx) {
		require.NoError(t, tx.Audit.Append(ctx, careid.AuditEntry{At: tx.Now, Actor: "a"}))
	})
	read(func(ctx context.Context, log careid.AuditLog) {
		newest, err := log.VerifyAgainst(ctx, []careid.Anchor{taken})
		require.NoError(t, err)
		require.Equal(t, int64(4), newest.Seq)
		for seq, a := range map[int64]careid.Anchor{
			2: {Room: taken.Room, Seq: 2, Hash: taken.Hash},
			5: {Room: taken.Room, Seq: 9, Hash: taken.Hash},
		} {
			_, err := log.VerifyAgainst(ctx, []careid.Anchor{taken, a})
			var broken *careid.BrokenAuditError
			require.ErrorAs(t, err, &broken)
			require.Equal(t, seq, broken.Seq)
		}
		_, err = log.VerifyAgainst(ctx, []careid.Anchor{{Room: "pki", Seq: 3, Hash: taken.Hash}})
		require.Error(t, err)
	})
}

func (t *storeTest) audit() {
	for range 3 {
		t.write(func(ctx context.Context, tx *careid.Tx) {
			require.NoError(t, tx.Audit.Append(ctx, careid.AuditEntry{At: tx.Now, Actor: "a", Action: "b", Subject: "c", Detail: "d"}))
		})
	}
	require.NoError(t, t.store.Read(context.Background(), func(ctx context.Context, tx *careid.Tx) error {
		rows, err := tx.Audit.Entries(ctx, 1, 1)
		require.NoError(t, err)
		require.Equal(t, []careid.AuditEntry{{Seq: 2, At: t.at, Actor: "a", Action: "b", Subject: "c", Detail: "d"}}, rows)
		for _, q := range []careid.AuditQuery{{Subject: "c"}, {Subject: "c", Actor: "a", Since: t.at, Until: t.at}} {
			q.Limit, q.Before = 1, 3
			about, err := tx.Audit.About(ctx, q)
			require.NoError(t, err)
			require.Equal(t, rows, about, "newest first, before the third")
		}
		for _, q := range []careid.AuditQuery{{Subject: "d"}, {Subject: "c", Actor: "b"}, {Subject: "c", Since: t.at.Add(time.Second)}, {Subject: "c", Until: t.at.Add(-time.Second)}} {
			q.Limit = 9
			about, err := tx.Audit.About(ctx, q)
			require.NoError(t, err)
			require.Empty(t, about)
		}
		n, err := tx.Audit.Verify(ctx)
		require.Equal(t, int64(3), n)
		return err
	}))
	t.anchors()
}
