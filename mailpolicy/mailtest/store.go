// SPDX-License-Identifier: Apache-2.0

package mailtest

import (
	"context"
	"errors"
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
	t.Run("sessions", func(t *testing.T) { sessions(t, open(t)) })
	t.Run("writers at once", func(t *testing.T) { writersAtOnce(t, open(t)) })
	t.Run("audit", func(t *testing.T) { audit(t, open(t)) })
}

var (
	site    = mailpolicy.Site{ODS: "VLX12", Name: "The Elms", CQCLocation: "1-101", Opened: time.Unix(1800000000, 0).UTC()}
	account = mailpolicy.AccountRecord{
		Address: "asha.patel@nhs.net", Site: "VLX12", Name: "Asha Patel", Purpose: "direct care",
		Mobile: "+447700900001", RegisteredMobile: "+447700900002", PasswordHash: "$argon2id$x",
		Activation: mailpolicy.ActivationUsed, QuestionsSet: true, PolicyVersion: "2", Wrong: 3, Locked: true, Disabled: true,
		Opened: time.Unix(1800000001, 0).UTC(), Recovered: time.Unix(1800000002, 0).UTC(),
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
	shared := mailpolicy.Shared{Address: "care.VLX12@nhs.net", Site: "VLX12", Owner: account.Address, Opened: site.Opened}
	answers := []mailpolicy.AnswerRecord{{Question: "b?", AnswerHash: "1"}, {Question: "a?", AnswerHash: "2"}}
	write(t, s, func(ctx context.Context, tx mailpolicy.StoreTx) error {
		return errors.Join(tx.InsertShared(ctx, shared), tx.ReplaceAnswers(ctx, account.Address, answers))
	})
	changed := account
	changed.PasswordHash, changed.Activation, changed.Wrong, changed.Locked, changed.Disabled = "$other$2", mailpolicy.ActivationDone, 0, false, false
	changed.Recovered = time.Time{}
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
		require.Equal(t, 1, n)
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
			one.Site, one.Address = "B20", names[len(names)-1-i]
			errs = append(errs, tx.InsertAccount(ctx, one))
		}
		errs = append(errs, tx.InsertShared(ctx, mailpolicy.Shared{Address: "care.B20@nhs.net", Site: "B20", Owner: names[0], Opened: site.Opened}))
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
		for _, gone := range []string{"one", "ended"} {
			_, err = tx.Session(ctx, []byte(gone))
			require.ErrorIs(t, err, mailpolicy.ErrNotFound, gone)
		}
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
