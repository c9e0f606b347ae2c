// SPDX-License-Identifier: Apache-2.0

package mailtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// TestStore is the suite that every mailpolicy.Store passes. open returns an
// empty store for the test it is given and cleans up after it.
func TestStore(t *testing.T, open func(t *testing.T) mailpolicy.Store) {
	t.Run("rows come back", func(t *testing.T) { rowsComeBack(t, open(t)) })
	t.Run("lists", func(t *testing.T) { lists(t, open(t)) })
	t.Run("missing and twice", func(t *testing.T) { missingAndTwice(t, open(t)) })
	t.Run("an error rolls back", func(t *testing.T) { errorRollsBack(t, open(t)) })
	t.Run("due", func(t *testing.T) { due(t, open(t)) })
	t.Run("members", func(t *testing.T) { members(t, open(t)) })
	t.Run("passwords", func(t *testing.T) { passwords(t, open(t)) })
	t.Run("recoveries", func(t *testing.T) { recoveries(t, open(t)) })
	t.Run("tries", func(t *testing.T) { tries(t, open(t)) })
	t.Run("sessions", func(t *testing.T) { sessions(t, open(t)) })
	t.Run("writers at once", func(t *testing.T) { writersAtOnce(t, open(t)) })
	t.Run("audit", func(t *testing.T) { audit(t, open(t)) })
}

var (
	site    = mailpolicy.Site{ODS: "VLX12", Name: "The Elms", CQCLocation: "1-101", Postcode: "AB1 2CD", Pharmacy: true, ManagerID: "1-9", ManagerEmail: "m@elms.example", Landline: "+442079460000", MoreAccounts: 3, MoreShared: 2, Opened: time.Unix(1800000000, 0).UTC()}
	second  = func(n int64) time.Time { return time.Unix(1800000000+n, 0).UTC() }
	account = mailpolicy.AccountRecord{
		Address: "asha.patel@nhs.net", Site: "VLX12", Name: "Asha Patel", Purpose: "direct care",
		Mobile: "+447700900001", RegisteredMobile: "+447700900002", PasswordHash: "$argon2id$x",
		Activation: mailpolicy.ActivationUsed, QuestionsSet: true, PolicyVersion: "2", Wrong: 3, Locked: true, Disabled: true,
		Opened: time.Unix(1800000001, 0).UTC(), Recovered: second(2), Used: second(3), Inactive: second(4),
		DisabledAt: second(5), Leaver: second(6), Deleted: second(7), Due: second(8), Removed: true, Hidden: true,
		ConfirmedMobile: "+447700900003", DeskTurn: 2, PasswordSet: second(9),
	}
)

func write(t *testing.T, s mailpolicy.Store, fn func(context.Context, mailpolicy.StoreTx) error) {
	t.Helper()
	require.NoError(t, s.Write(t.Context(), fn))
}

func seed(t *testing.T, s mailpolicy.Store) {
	t.Helper()
	write(t, s, func(ctx context.Context, tx mailpolicy.StoreTx) error {
		return errors.Join(tx.InsertSite(ctx, site), tx.InsertAccount(ctx, account))
	})
}

func rowsComeBack(t *testing.T, s mailpolicy.Store) {
	seed(t, s)
	shared := mailpolicy.Shared{Address: "care.VLX12@nhs.net", Site: "VLX12", Opened: site.Opened}
	answers := []mailpolicy.AnswerRecord{{Question: "b?", AnswerHash: "1", Places: "1,3,5", PlacesHash: "3"}, {Question: "a?", AnswerHash: "2"}}
	write(t, s, func(ctx context.Context, tx mailpolicy.StoreTx) error {
		return errors.Join(tx.InsertShared(ctx, shared), tx.ReplaceAnswers(ctx, account.Address, answers))
	})
	changed := account
	changed.PasswordHash, changed.Activation, changed.Wrong, changed.Locked, changed.Disabled = "$other$2", mailpolicy.ActivationDone, 0, false, false
	changed.Recovered, changed.Used, changed.Inactive, changed.DisabledAt = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	changed.Leaver, changed.Deleted, changed.Due, changed.PasswordSet = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	changed.Removed, changed.Hidden, changed.ConfirmedMobile, changed.DeskTurn = false, false, "", 0
	write(t, s, func(ctx context.Context, tx mailpolicy.StoreTx) error {
		got, err := tx.Account(ctx, account.Address)
		require.NoError(t, err)
		require.Equal(t, account, got)
		return tx.UpdateAccount(ctx, changed)
	})
	require.NoError(t, s.Read(t.Context(), func(ctx context.Context, tx mailpolicy.StoreTx) error {
		require.Zero(t, tx.Now().Nanosecond())
		require.Equal(t, time.UTC, tx.Now().Location())
		gotSite, err := tx.Site(ctx, "VLX12")
		require.NoError(t, err)
		require.Equal(t, site, gotSite)
		got, err := tx.Account(ctx, account.Address)
		require.NoError(t, err)
		require.Equal(t, changed, got)
		gotShared, err := tx.Shared(ctx, "Care.vlx12@NHS.net")
		require.NoError(t, err)
		require.Equal(t, shared, gotShared)
		gotAnswers, err := tx.Answers(ctx, account.Address)
		require.NoError(t, err)
		require.Equal(t, answers, gotAnswers)
		n, err := tx.CountAccounts(ctx, "VLX12")
		require.NoError(t, err)
		require.Equal(t, 1, n, "neither deleted nor leaving any more")
		n, err = tx.CountShared(ctx, "VLX12")
		require.NoError(t, err)
		require.Equal(t, 1, n)
		return nil
	}))
}

// lists go on after the last key, and end.
func lists(t *testing.T, s mailpolicy.Store) {
	codes, names := []string{"A10", "B20", "VLX12"}, []string{"a.one@nhs.net", "b.two@nhs.net", "c.three@nhs.net"}
	write(t, s, func(ctx context.Context, tx mailpolicy.StoreTx) error {
		var errs []error
		for i := range codes { // not in their order
			one := site
			one.ODS = codes[len(codes)-1-i]
			errs = append(errs, tx.InsertSite(ctx, one))
		}
		for i := range names {
			one := account
			one.Site, one.Address, one.Removed = "B20", names[len(names)-1-i], false
			errs = append(errs, tx.InsertAccount(ctx, one))
		}
		removed := account
		removed.Site, removed.Address = "B20", "b.removed@nhs.net"
		errs = append(errs, tx.InsertAccount(ctx, removed))
		errs = append(errs, tx.InsertShared(ctx, mailpolicy.Shared{Address: "care.B20@nhs.net", Site: "B20", Opened: site.Opened}))
		return errors.Join(errs...)
	})
	require.NoError(t, s.Read(t.Context(), func(ctx context.Context, tx mailpolicy.StoreTx) error {
		for after, want := range map[string][]string{"": codes[:2], "B20": codes[2:], "VLX12": nil} {
			sites, err := tx.Sites(ctx, after, 2)
			require.NoError(t, err)
			require.Len(t, sites, len(want), after)
			for i, one := range sites {
				require.Equal(t, want[i], one.ODS)
				require.Equal(t, site.Name, one.Name)
			}
		}
		for after, want := range map[string][]string{"": names[:2], names[1]: names[2:], names[2]: nil} {
			accounts, err := tx.SiteAccounts(ctx, "B20", after, 2)
			require.NoError(t, err)
			require.Len(t, accounts, len(want), after)
			for i, one := range accounts {
				require.Equal(t, want[i], one.Address)
				require.Equal(t, account.RegisteredMobile, one.RegisteredMobile)
			}
		}
		at, err := tx.SitesAt(ctx, site.Postcode, 2)
		require.NoError(t, err)
		require.Len(t, at, 2)
		require.Equal(t, codes[:2], []string{at[0].ODS, at[1].ODS})
		at, err = tx.SitesAt(ctx, "ZZ1 1ZZ", 2)
		require.NoError(t, err)
		require.Empty(t, at)
		none, err := tx.SiteAccounts(ctx, "A10", "", 2)
		require.NoError(t, err)
		require.Empty(t, none)
		shared, err := tx.SiteShared(ctx, "B20")
		require.NoError(t, err)
		require.Len(t, shared, 1)
		require.Equal(t, "care.B20@nhs.net", shared[0].Address)
		shared, err = tx.SiteShared(ctx, "A10")
		require.NoError(t, err)
		require.Empty(t, shared)
		return nil
	}))
}

func missingAndTwice(t *testing.T, s mailpolicy.Store) {
	require.NoError(t, s.Read(t.Context(), func(ctx context.Context, tx mailpolicy.StoreTx) error {
		_, err := tx.Site(ctx, "NONE1")
		require.ErrorIs(t, err, mailpolicy.ErrNotFound)
		_, err = tx.Account(ctx, "none@nhs.net")
		require.ErrorIs(t, err, mailpolicy.ErrNotFound)
		_, err = tx.Shared(ctx, "care.none@nhs.net")
		require.ErrorIs(t, err, mailpolicy.ErrNotFound)
		_, err = tx.Session(ctx, []byte("none"))
		require.ErrorIs(t, err, mailpolicy.ErrNotFound)
		return nil
	}))
	seed(t, s)
	for _, again := range []func(context.Context, mailpolicy.StoreTx) error{
		func(ctx context.Context, tx mailpolicy.StoreTx) error { return tx.InsertSite(ctx, site) },
		func(ctx context.Context, tx mailpolicy.StoreTx) error { return tx.InsertAccount(ctx, account) },
	} {
		require.ErrorIs(t, s.Write(t.Context(), again), mailpolicy.ErrExists)
	}
	require.ErrorIs(t, s.Write(t.Context(), func(ctx context.Context, tx mailpolicy.StoreTx) error {
		return tx.UpdateAccount(ctx, mailpolicy.AccountRecord{Address: "none@nhs.net", Site: "VLX12"})
	}), mailpolicy.ErrNotFound)
	write(t, s, func(ctx context.Context, tx mailpolicy.StoreTx) error {
		require.ErrorIs(t, tx.UpdateSite(ctx, mailpolicy.Site{ODS: "NONE1"}), mailpolicy.ErrNotFound)
		changed := mailpolicy.Site{
			ODS: site.ODS, Name: "The Oaks", CQCLocation: "1-102", Postcode: "AB1 2CE", ManagerID: "1-8", ManagerEmail: "n@elms.example",
			Landline: "+442079460001", MoreAccounts: 7, MoreShared: 1, Opened: site.Opened,
		}
		require.NoError(t, tx.UpdateSite(ctx, changed))
		got, err := tx.Site(ctx, site.ODS)
		require.NoError(t, err)
		require.Equal(t, changed, got)
		return nil
	})
}

func errorRollsBack(t *testing.T, s mailpolicy.Store) {
	broken := errors.New("broken")
	require.ErrorIs(t, s.Write(t.Context(), func(ctx context.Context, tx mailpolicy.StoreTx) error {
		return errors.Join(tx.InsertSite(ctx, site), broken)
	}), broken)
	require.ErrorIs(t, s.Read(t.Context(), func(ctx context.Context, tx mailpolicy.StoreTx) error {
		_, err := tx.Site(ctx, site.ODS)
		return err
	}), mailpolicy.ErrNotFound)
}

// due lists what the calendar has come to, and what is next.
func due(t *testing.T, s mailpolicy.Store) {
	var now time.Time
	write(t, s, func(ctx context.Context, tx mailpolicy.StoreTx) error {
		now = tx.Now()
		errs := []error{tx.InsertSite(ctx, site)}
		for name, at := range map[string]time.Time{"never": {}, "later": now.Add(time.Hour), "now": now, "before": now.Add(-time.Hour)} {
			one := account
			one.Address, one.Due = name+"@nhs.net", at
			one.Deleted = time.Time{}
			errs = append(errs, tx.InsertAccount(ctx, one))
		}
		return errors.Join(errs...)
	})
	write(t, s, func(ctx context.Context, tx mailpolicy.StoreTx) error {
		next, err := tx.NextDue(ctx)
		require.NoError(t, err)
		require.Equal(t, now.Add(-time.Hour), next)
		first, err := tx.DueAccounts(ctx, 1)
		require.NoError(t, err)
		require.Len(t, first, 1)
		require.Equal(t, "before@nhs.net", first[0].Address)
		all, err := tx.DueAccounts(ctx, 5)
		require.NoError(t, err)
		require.Len(t, all, 2)
		for _, one := range all {
			one.Due = time.Time{}
			require.NoError(t, tx.UpdateAccount(ctx, one))
		}
		n, err := tx.CountAccounts(ctx, site.ODS)
		require.NoError(t, err)
		require.Zero(t, n, "all are leaving")
		next, err = tx.NextDue(ctx)
		require.NoError(t, err)
		require.Equal(t, now.Add(time.Hour), next)
		later, err := tx.Account(ctx, "later@nhs.net")
		require.NoError(t, err)
		later.Due = time.Time{}
		require.NoError(t, tx.UpdateAccount(ctx, later))
		next, err = tx.NextDue(ctx)
		require.NoError(t, err)
		require.Zero(t, next)
		return nil
	})
}

func members(t *testing.T, s mailpolicy.Store) {
	seed(t, s)
	other := account
	other.Address = "a.first@nhs.net"
	boxes := []mailpolicy.Shared{{Address: "care.VLX12@nhs.net", Site: "VLX12"}, {Address: "care.ABC@nhs.net", Site: "VLX12"}}
	write(t, s, func(ctx context.Context, tx mailpolicy.StoreTx) error {
		errs := []error{tx.InsertAccount(ctx, other)}
		for _, box := range boxes {
			errs = append(errs, tx.InsertShared(ctx, box),
				tx.PutMember(ctx, mailpolicy.MemberRecord{Shared: box.Address, Account: account.Address, Owner: true}),
				tx.PutMember(ctx, mailpolicy.MemberRecord{Shared: box.Address, Account: other.Address, Owner: true}))
		}
		// Changed, under the address in any case.
		errs = append(errs, tx.PutMember(ctx, mailpolicy.MemberRecord{Shared: "CARE.vlx12@nhs.net", Account: other.Address}))
		return errors.Join(errs...)
	})
	write(t, s, func(ctx context.Context, tx mailpolicy.StoreTx) error {
		got, err := tx.SiteShared(ctx, "VLX12")
		require.NoError(t, err)
		require.Len(t, got, 2)
		require.Equal(t, []string{other.Address, account.Address}, got[0].Owners)
		require.Empty(t, got[0].Members)
		require.Equal(t, []string{account.Address}, got[1].Owners)
		require.Equal(t, []string{other.Address}, got[1].Members)
		of, err := tx.Memberships(ctx, other.Address)
		require.NoError(t, err)
		require.Equal(t, []mailpolicy.MemberRecord{
			{Shared: "care.abc@nhs.net", Account: other.Address, Owner: true}, {Shared: "care.vlx12@nhs.net", Account: other.Address},
		}, of)
		require.NoError(t, tx.DeleteMember(ctx, "Care.ABC@nhs.net", other.Address))
		return tx.DeleteMember(ctx, "care.ABC@nhs.net", "nobody@nhs.net")
	})
	require.NoError(t, s.Read(t.Context(), func(ctx context.Context, tx mailpolicy.StoreTx) error {
		of, err := tx.Memberships(ctx, other.Address)
		require.NoError(t, err)
		require.Len(t, of, 1)
		return nil
	}))
}

func passwords(t *testing.T, s mailpolicy.Store) {
	seed(t, s)
	write(t, s, func(ctx context.Context, tx mailpolicy.StoreTx) error {
		var errs []error
		for _, hash := range []string{"a", "b", "c", "d"} {
			errs = append(errs, tx.KeepPassword(ctx, account.Address, hash, 3))
		}
		return errors.Join(errs...)
	})
	write(t, s, func(ctx context.Context, tx mailpolicy.StoreTx) error {
		kept, err := tx.Passwords(ctx, account.Address)
		require.NoError(t, err)
		require.Equal(t, []string{"d", "c", "b"}, kept)
		require.NoError(t, tx.KeepPassword(ctx, account.Address, "e", 0))
		kept, err = tx.Passwords(ctx, account.Address)
		require.NoError(t, err)
		require.Empty(t, kept)
		return nil
	})
}

func recoveries(t *testing.T, s mailpolicy.Store) {
	var one, other mailpolicy.RecoveryRecord
	write(t, s, func(ctx context.Context, tx mailpolicy.StoreTx) error {
		one = mailpolicy.RecoveryRecord{Address: "a@nhs.net", TokenHash: []byte("one"), Asked: "0,2", Expires: tx.Now().Add(time.Hour)}
		other = mailpolicy.RecoveryRecord{Address: "nobody@nhs.net", TokenHash: []byte("other"), CodeHash: "x", Expires: tx.Now().Add(time.Hour)}
		ended := mailpolicy.RecoveryRecord{Address: "ended@nhs.net", TokenHash: []byte("ended"), Expires: tx.Now()}
		again := one
		again.TokenHash, again.Asked = []byte("again"), "1"
		return errors.Join(tx.PutRecovery(ctx, ended), tx.PutRecovery(ctx, one), tx.PutRecovery(ctx, other), tx.PutRecovery(ctx, again))
	})
	write(t, s, func(ctx context.Context, tx mailpolicy.StoreTx) error {
		for _, gone := range []string{"one", "ended"} {
			_, err := tx.Recovery(ctx, []byte(gone))
			require.ErrorIs(t, err, mailpolicy.ErrNotFound, gone)
		}
		got, err := tx.Recovery(ctx, []byte("other"))
		require.NoError(t, err)
		require.Equal(t, other, got)
		got, err = tx.RecoveryOf(ctx, "a@nhs.net")
		require.NoError(t, err)
		require.Equal(t, "1", got.Asked)
		require.Equal(t, []byte("again"), got.TokenHash)
		return tx.DeleteRecovery(ctx, "a@nhs.net")
	})
	require.NoError(t, s.Read(t.Context(), func(ctx context.Context, tx mailpolicy.StoreTx) error {
		_, err := tx.RecoveryOf(ctx, "a@nhs.net")
		require.ErrorIs(t, err, mailpolicy.ErrNotFound)
		return nil
	}))
}

func tries(t *testing.T, s mailpolicy.Store) {
	write(t, s, func(ctx context.Context, tx mailpolicy.StoreTx) error {
		none, err := tx.Tries(ctx, "door")
		require.NoError(t, err)
		require.Equal(t, mailpolicy.TriesRecord{What: "door"}, none)
		past := mailpolicy.TriesRecord{What: "past", Count: 3, Until: tx.Wall()}
		two := mailpolicy.TriesRecord{What: "door", Count: 2, Until: tx.Wall().Add(time.Hour)}
		require.NoError(t, errors.Join(tx.PutTries(ctx, past), tx.PutTries(ctx, mailpolicy.TriesRecord{What: "door", Count: 1, Until: tx.Wall()}), tx.PutTries(ctx, two)))
		got, err := tx.Tries(ctx, "door")
		require.NoError(t, err)
		require.Equal(t, two, got)
		got, err = tx.Tries(ctx, "past")
		require.NoError(t, err)
		require.Zero(t, got.Count)
		return nil
	})
}

func sessions(t *testing.T, s mailpolicy.Store) {
	seed(t, s)
	var expires time.Time
	write(t, s, func(ctx context.Context, tx mailpolicy.StoreTx) error {
		expires = tx.Now().Add(time.Hour)
		ended := mailpolicy.SessionRecord{TokenHash: []byte("ended"), Address: account.Address, Expires: tx.Now()}
		if err := tx.InsertSession(ctx, ended); err != nil {
			return err
		}
		for _, hash := range []string{"one", "two", "three"} {
			if err := tx.InsertSession(ctx, mailpolicy.SessionRecord{TokenHash: []byte(hash), Address: account.Address, Expires: expires}); err != nil {
				return err
			}
		}
		return tx.DeleteSessions(ctx, account.Address, []byte("two"))
	})
	write(t, s, func(ctx context.Context, tx mailpolicy.StoreTx) error {
		got, err := tx.Session(ctx, []byte("two"))
		require.NoError(t, err)
		require.Equal(t, mailpolicy.SessionRecord{TokenHash: []byte("two"), Address: account.Address, Expires: expires}, got)
		require.ErrorIs(t, tx.SetPrivate(ctx, []byte("none"), true), mailpolicy.ErrNotFound)
		require.NoError(t, tx.SetPrivate(ctx, []byte("two"), true))
		got, err = tx.Session(ctx, []byte("two"))
		require.NoError(t, err)
		require.True(t, got.Private)
		for _, gone := range []string{"one", "ended"} {
			_, err = tx.Session(ctx, []byte(gone))
			require.ErrorIs(t, err, mailpolicy.ErrNotFound, gone)
		}
		four := mailpolicy.SessionRecord{TokenHash: []byte("four"), Address: account.Address, Expires: expires}
		require.NoError(t, errors.Join(tx.InsertSession(ctx, four), tx.DeleteSession(ctx, []byte("four")), tx.DeleteSession(ctx, []byte("none"))))
		_, err = tx.Session(ctx, []byte("four"))
		require.ErrorIs(t, err, mailpolicy.ErrNotFound)
		_, err = tx.Session(ctx, []byte("two"))
		require.NoError(t, err, "the other goes on")
		return tx.DeleteSessions(ctx, account.Address, nil)
	})
	require.ErrorIs(t, s.Read(t.Context(), func(ctx context.Context, tx mailpolicy.StoreTx) error {
		_, err := tx.Session(ctx, []byte("two"))
		return err
	}), mailpolicy.ErrNotFound)
}

// writersAtOnce shows that what a transaction read still holds when it commits.
func writersAtOnce(t *testing.T, s mailpolicy.Store) {
	seed(t, s)
	var wg sync.WaitGroup
	errs := make([]error, 20)
	for i := range errs {
		wg.Go(func() {
			errs[i] = s.Write(t.Context(), func(ctx context.Context, tx mailpolicy.StoreTx) error {
				a, err := tx.Account(ctx, account.Address)
				if err != nil {
					return err
				}
				a.Wrong++
				return tx.UpdateAccount(ctx, a)
			})
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	require.NoError(t, s.Read(t.Context(), func(ctx context.Context, tx mailpolicy.StoreTx) error {
		a, err := tx.Account(ctx, account.Address)
		require.NoError(t, err)
		require.Equal(t, account.Wrong+len(errs), a.Wrong)
		return nil
	}))
	for i := range errs {
		wg.Go(func() {
			errs[i] = s.Write(t.Context(), func(ctx context.Context, tx mailpolicy.StoreTx) error {
				n, err := tx.CountShared(ctx, site.ODS)
				if err != nil {
					return err
				}
				return tx.InsertShared(ctx, mailpolicy.Shared{Address: fmt.Sprintf("care.%d@nhs.net", n), Site: site.ODS, Opened: site.Opened})
			})
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...), "as if alone, each counts those before it")
}

func audit(t *testing.T, s mailpolicy.Store) {
	for _, subject := range []string{"a", "b"} {
		write(t, s, func(ctx context.Context, tx mailpolicy.StoreTx) error {
			return tx.Audit(ctx, "actor", "action", subject, "detail")
		})
	}
	require.NoError(t, s.Read(t.Context(), func(ctx context.Context, tx mailpolicy.StoreTx) error {
		n, err := tx.VerifyAudit(ctx)
		require.NoError(t, err)
		require.EqualValues(t, 2, n)
		return nil
	}))
}
