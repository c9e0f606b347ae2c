// SPDX-License-Identifier: Apache-2.0

package careidtest

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
)

// What people work as.

func (t *storeTest) positions() {
	t.write(func(ctx context.Context, tx *careid.Tx) {
		w := careid.Workgroup{ID: "w1", Organisation: "RBA", Name: "Ward 3"}
		require.NoError(t, tx.Positions.AddWorkgroup(ctx, w))
		require.ErrorIs(t, tx.Positions.AddWorkgroup(ctx, careid.Workgroup{ID: "w2", Organisation: "RBA", Name: "Ward 3"}), careid.ErrConflict)
		require.NoError(t, tx.Positions.AddWorkgroup(ctx, careid.Workgroup{ID: "w2", Organisation: "RXX", Name: "Ward 3"}))
		require.NoError(t, tx.Positions.AddWorkgroup(ctx, careid.Workgroup{ID: "w3", Organisation: "RBA", Name: "Ward 4"}))
		w.Name = "Ward 4"
		require.ErrorIs(t, tx.Positions.UpdateWorkgroup(ctx, w), careid.ErrConflict)
		require.ErrorIs(t, tx.Positions.UpdateWorkgroup(ctx, careid.Workgroup{ID: "w9", Name: "x"}), careid.ErrNotFound)
		w.DeletedAt = t.at
		require.NoError(t, tx.Positions.UpdateWorkgroup(ctx, w))
		read, err := tx.Positions.Workgroup(ctx, "w1")
		require.NoError(t, err)
		require.Equal(t, w, read)
		groups, err := tx.Positions.WorkgroupsOf(ctx, "RBA")
		require.NoError(t, err)
		require.Equal(t, []careid.Workgroup{{ID: "w3", Organisation: "RBA", Name: "Ward 4"}}, groups)
		groups, err = tx.Positions.WorkgroupsOf(ctx, "")
		require.NoError(t, err)
		require.Len(t, groups, 2)
		_, err = tx.Positions.Workgroup(ctx, "w9")
		require.ErrorIs(t, err, careid.ErrNotFound)

		p := careid.Position{
			ID: "p1", Organisation: "RBA", Name: "Nurse", Role: careid.Coded{Code: "r", Name: "R"},
			Activities: []careid.Coded{{Code: "b", Name: "B"}}, AreasOfWork: []careid.Coded{{Code: "a", Name: "A"}},
			Workgroups: []string{"w3"}, Assignable: true,
		}
		require.NoError(t, tx.Positions.AddPosition(ctx, p))
		second := p
		second.ID = "p2"
		require.ErrorIs(t, tx.Positions.AddPosition(ctx, second), careid.ErrConflict)
		second.Name = "Sister"
		require.NoError(t, tx.Positions.AddPosition(ctx, second))
		second.Name = "Nurse"
		require.ErrorIs(t, tx.Positions.UpdatePosition(ctx, second), careid.ErrConflict)
		require.ErrorIs(t, tx.Positions.UpdatePosition(ctx, careid.Position{ID: "p9"}), careid.ErrNotFound)
		p.Activities, p.Workgroups = nil, nil
		require.NoError(t, tx.Positions.UpdatePosition(ctx, p))
		kept, err := tx.Positions.Position(ctx, "p1")
		require.NoError(t, err)
		require.Equal(t, p, kept)
		p.DeletedAt = t.at
		require.NoError(t, tx.Positions.UpdatePosition(ctx, p))
		require.NoError(t, tx.Positions.UpdatePosition(ctx, second), "the name is free again")
		list, err := tx.Positions.PositionsOf(ctx, "RBA")
		require.NoError(t, err)
		require.Equal(t, []careid.Position{second}, list)
		_, err = tx.Positions.Position(ctx, "p9")
		require.ErrorIs(t, err, careid.ErrNotFound)
	})
}

func (t *storeTest) assignments() {
	t.write(func(ctx context.Context, tx *careid.Tx) {
		t.base(ctx, tx)
		require.NoError(t, tx.Positions.AddPosition(ctx, careid.Position{ID: "p1", Organisation: "RBA", Name: "Nurse"}))
		now := careid.Assignment{ID: "1", Profile: "000000000001", Position: "p1", From: t.at, By: "x"}
		later := now
		later.ID, later.From, later.To = "2", t.at.Add(time.Hour), t.at.Add(2*time.Hour)
		for _, v := range []careid.Assignment{later, now} {
			require.NoError(t, tx.Assignments.AddAssignment(ctx, v))
		}
		require.ErrorIs(t, tx.Assignments.AddAssignment(ctx, now), careid.ErrConflict)
		list, err := tx.Assignments.AssignmentsOf(ctx, "000000000001")
		require.NoError(t, err)
		require.Equal(t, []careid.Assignment{now, later}, list)
		holders := func(at time.Time) int {
			list, err := tx.Assignments.Holders(ctx, "p1", at)
			require.NoError(t, err)
			return len(list)
		}
		require.Equal(t, []int{2, 1}, []int{holders(t.at), holders(later.To)})
		end := t.at.Add(time.Minute)
		for _, id := range []string{"1", "2"} {
			t.ok(tx.Assignments.EndAssignment(ctx, id, end))
			t.not(tx.Assignments.EndAssignment(ctx, id, end))
		}
		require.Equal(t, []int{1, 0}, []int{holders(end.Add(-time.Second)), holders(end)})
		ended, err := tx.Assignments.Assignment(ctx, "1")
		require.NoError(t, err)
		require.Equal(t, end, ended.To)
		never, err := tx.Assignments.Assignment(ctx, "2")
		require.NoError(t, err)
		require.Equal(t, never.From, never.To)
		_, err = tx.Assignments.Assignment(ctx, "9")
		require.ErrorIs(t, err, careid.ErrNotFound)
	})
}

func (t *storeTest) releases() {
	t.write(func(ctx context.Context, tx *careid.Tx) {
		t.base(ctx, tx)
		r := careid.Release{Profile: "000000000001", From: "RBA", To: "RXX", By: "x", At: t.at}
		require.NoError(t, tx.Releases.SetRelease(ctx, r))
		r.To = "RYY"
		require.NoError(t, tx.Releases.SetRelease(ctx, r))
		list, err := tx.Releases.ReleasesTo(ctx, "RXX")
		require.NoError(t, err)
		require.Empty(t, list)
		for _, to := range []string{"RYY", ""} {
			list, err = tx.Releases.ReleasesTo(ctx, to)
			require.NoError(t, err)
			require.Equal(t, []careid.Release{r}, list)
		}
		_, err = tx.Releases.TakeRelease(ctx, r.Profile, "RXX")
		require.ErrorIs(t, err, careid.ErrNotFound)
		taken, err := tx.Releases.TakeRelease(ctx, r.Profile, "RYY")
		require.NoError(t, err)
		require.Equal(t, r, taken)
		_, err = tx.Releases.TakeRelease(ctx, r.Profile, "RYY")
		require.ErrorIs(t, err, careid.ErrNotFound)
		t.not(tx.Releases.DropRelease(ctx, r.Profile))
		require.NoError(t, tx.Releases.SetRelease(ctx, r))
		t.ok(tx.Releases.DropRelease(ctx, r.Profile))
	})
}

func (t *storeTest) acceptances() {
	t.write(func(ctx context.Context, tx *careid.Tx) {
		t.base(ctx, tx)
		v := careid.Acceptance{Profile: "000000000001", Version: "1", Mode: careid.TermsImplied, At: t.at}
		t.ok(tx.Acceptances.AddAcceptance(ctx, v))
		again := v
		again.At = t.at.Add(time.Hour)
		t.not(tx.Acceptances.AddAcceptance(ctx, again))
		again.Mode = careid.TermsExplicit
		t.ok(tx.Acceptances.AddAcceptance(ctx, again))
		list, err := tx.Acceptances.AcceptancesOf(ctx, v.Profile)
		require.NoError(t, err)
		require.Equal(t, []careid.Acceptance{v, again}, list)
		list, err = tx.Acceptances.AcceptancesOf(ctx, "000000000002")
		require.NoError(t, err)
		require.Empty(t, list)
	})
}

func (t *storeTest) idle() {
	t.write(func(ctx context.Context, tx *careid.Tx) {
		for i, name := range []string{"s1", "s2", "s3"} {
			require.NoError(t, tx.Sessions.AddSession(ctx, careid.SessionRow{
				Hash: []byte(name), Profile: "1", Card: "c" + name, Presence: []byte("p"), Binding: careid.BindingKeep,
				AuthTime: t.at, Seen: t.at.Add(time.Duration(i) * time.Minute), ExpiresAt: t.at.Add(time.Hour),
			}))
		}
		idle := func(at time.Time) (names []string) {
			rows, err := tx.Sessions.IdleSessions(ctx, at, 10)
			require.NoError(t, err)
			for _, row := range rows {
				names = append(names, string(row.Hash))
			}
			return names
		}
		second := t.at.Add(time.Minute)
		require.Equal(t, []string{"s1", "s2"}, idle(second))
		t.not(tx.Sessions.SeeSession(ctx, []byte("s1"), t.at, second))
		t.ok(tx.Sessions.SeeSession(ctx, []byte("s1"), t.at.Add(-time.Second), second.Add(time.Second)))
		require.Equal(t, []string{"s2"}, idle(second))
		t.not(tx.Sessions.LockSession(ctx, []byte("s1"), second))
		t.ok(tx.Sessions.LockSession(ctx, []byte("s2"), second))
		t.not(tx.Sessions.LockSession(ctx, []byte("s2"), second))
		t.not(tx.Sessions.SeeSession(ctx, []byte("s2"), t.at, t.at.Add(time.Hour)))
		require.Empty(t, idle(second))
		row, err := tx.Sessions.Session(ctx, []byte("s2"))
		require.NoError(t, err)
		require.True(t, row.Locked)
		require.Equal(t, second, row.Seen)
		_, err = tx.Sessions.EndSessions(ctx, careid.SessionFilter{Card: "cs3"}, "why")
		require.NoError(t, err)
		t.not(tx.Sessions.LockSession(ctx, []byte("s3"), t.at.Add(time.Hour)))
	})
}

func (t *storeTest) losses() {
	t.write(func(ctx context.Context, tx *careid.Tx) {
		t.base(ctx, tx)
		v := careid.Loss{ID: "l1", Profile: "000000000001", Card: "c1", Order: "o1", Stolen: true, ReportedBy: "x", Role: careid.Holder, At: t.at}
		require.NoError(t, tx.Losses.AddLoss(ctx, v))
		require.ErrorIs(t, tx.Losses.AddLoss(ctx, v), careid.ErrConflict)
		open := func() int {
			list, err := tx.Losses.OpenLosses(ctx)
			require.NoError(t, err)
			return len(list)
		}
		for _, step := range []func(){
			func() { v.RABy, v.RAAt = "y", t.at },
			func() { v.Incident = careid.Incident{Address: "a@nhs.net", Card: "c1", By: "z", At: t.at} },
		} {
			require.Equal(t, 1, open())
			step()
			require.NoError(t, tx.Losses.UpdateLoss(ctx, v))
			read, err := tx.Losses.Loss(ctx, "l1")
			require.NoError(t, err)
			require.Equal(t, v, read)
		}
		require.Equal(t, 0, open())
		_, err := tx.Losses.Loss(ctx, "l2")
		require.ErrorIs(t, err, careid.ErrNotFound)
		require.ErrorIs(t, tx.Losses.UpdateLoss(ctx, careid.Loss{ID: "l2"}), careid.ErrNotFound)
	})
}
