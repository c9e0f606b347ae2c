// SPDX-License-Identifier: Apache-2.0

package sqlstore_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/crashtest"
	"github.com/wardkey-sdk/wardkey/internal/need"
	"github.com/wardkey-sdk/wardkey/internal/postgrestest"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/sqlstore"
)

// childRun tells the child which run it is.
const childRun = "WARDKEY_TEST_CHILD_RUN"

// TestMain is also the program that TestKilledAtEveryWrite kills.
func TestMain(m *testing.M) {
	if dir := crashtest.Folder(); dir != "" {
		if err := firstLogin(dir, os.Getenv(childRun)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// server is a service on the database of a folder.
type server struct {
	*mailpolicy.Accounts
	phone *mailtest.Phone
	close func() error
}

func serve(dir string) (*server, error) {
	db, err := crashtest.OpenDB(dir)
	if err != nil {
		return nil, err
	}
	store, err := sqlstore.Open(context.Background(), sqlstore.Config{DB: db})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	phone := new(mailtest.Phone)
	accounts, err := mailpolicy.NewAccounts(mailpolicy.AccountsConfig{Store: store, Sender: phone})
	if err != nil {
		return nil, errors.Join(err, store.Close(), db.Close())
	}
	return &server{accounts, phone, func() error {
		return errors.Join(accounts.Close(context.Background()), store.Close(), db.Close())
	}}, nil
}

const chosen = "correct-horse-battery"

// firstLogin opens a site and an account, signs in, chooses a password, opens the
// shared mailbox after the site was granted another, and signs out. Each line that
// it notes on disk was true when the call had returned.
func firstLogin(dir, run string) error {
	ctx := context.Background()
	s, err := serve(dir)
	if err != nil {
		return err
	}
	told, err := os.OpenFile(filepath.Join(dir, "told"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	note := func(err error, what string) error {
		if err == nil {
			_, err = fmt.Fprintln(told, what, run)
		}
		return err
	}
	address := run + "@nhs.net"
	if _, err = s.OpenSite(ctx, manager, mailpolicy.Site{ODS: run}); err != nil {
		return err
	}
	_, err = s.Open(ctx, manager, mailpolicy.NewAccount{Site: run, Address: address, Name: "Po Li", Mobile: "07700 900001"})
	if err = note(err, "opened"); err != nil {
		return err
	}
	session, err := s.SignIn(ctx, address, []byte(s.phone.Wait(1).LastLine()))
	if err = note(err, "used"); err != nil {
		return err
	}
	err = s.ChangePassword(ctx, session.Token, []byte(chosen))
	if err = note(err, "chosen"); err != nil {
		return err
	}
	err = s.GrantShared(ctx, desk, run, 1, "application of 3 November")
	if err = note(err, "granted"); err != nil {
		return err
	}
	_, err = s.OpenShared(ctx, manager, run, address)
	if err = note(err, "shared"); err != nil {
		return err
	}
	if err = note(s.SignOut(ctx, session.Token), "out"); err != nil {
		return err
	}
	return errors.Join(s.close(), told.Close())
}

// Killed at any write, a server has told of nothing that is not there, does
// nothing by halves, and nothing is there without its row of the audit.
func TestKilledAtEveryWrite(t *testing.T) {
	need.Tool(t, "strace")
	t.Run("sqlite", func(t *testing.T) {
		killEverywhere(t, t.TempDir(), 1, "pwrite64", "fsync,fdatasync")
	})
	t.Run("postgres", func(t *testing.T) {
		db := postgrestest.Open(t)
		dir := t.TempDir()
		crashtest.UsePostgres(t, dir, db, "postgres")
		killEverywhere(t, dir, 5, "write,sendto")
	})
}

func killEverywhere(t *testing.T, dir string, stride int, calls ...string) {
	t.Helper()
	if testing.Short() {
		stride *= 9
	}
	first, err := serve(dir) // migrates, outside what is counted
	require.NoError(t, err)
	require.NoError(t, first.close())
	seen, kills := map[mailpolicy.State]int{}, 0
	for i, call := range calls {
		finished := 0
		for k := 1; finished < 2 && k < 2000; k += stride {
			run := fmt.Sprintf("K%dX%d", i, 1000+k)
			if crashtest.Killed(t, dir, call, k, childRun+"="+run) {
				kills++
			} else {
				finished++
			}
			seen[inspect(t, dir, run)]++
		}
		require.Equal(t, 2, finished, "the sweep of %s ended before the program did", call)
	}
	t.Logf("%d kills; found after them: %v", kills, seen)
	if !testing.Short() {
		require.NotZero(t, seen[""])
		require.NotZero(t, seen[mailpolicy.Activated])
		require.True(t, stride > 1 || seen[mailpolicy.Applied] > 0, "wider steps may pass over it")
	}
}

// inspect looks at what a kill left of a run, and returns its account's state; ""
// where there is none.
func inspect(t *testing.T, dir, run string) mailpolicy.State {
	t.Helper()
	ctx := t.Context()
	s, err := serve(dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.close()) }()
	db, err := crashtest.OpenDB(dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	requireAudited(t, db)
	_, err = s.VerifyAudit(ctx)
	require.NoError(t, err)
	told := toldOf(t, dir, run)
	account, err := s.Account(ctx, strings.ToLower(run)+"@nhs.net")
	if err != nil {
		require.False(t, told["opened"], "%v", err)
		return ""
	}
	if told["used"] {
		require.NotEqual(t, mailpolicy.Applied, account.State, "its password would work again")
	}
	boxes, err := s.SiteShared(ctx, run)
	require.NoError(t, err)
	require.True(t, len(boxes) == 1 || !told["shared"])
	for _, box := range boxes {
		require.Equal(t, []string{account.Address}, box.Owners, "never without an owner")
	}
	site, err := s.Site(ctx, run)
	require.NoError(t, err)
	require.True(t, site.MoreShared == 1 || !told["granted"])
	if told["out"] {
		require.Zero(t, rows(t, db, "mail_session WHERE address = $1", account.Address))
	}
	if told["chosen"] {
		_, err := s.SignIn(ctx, account.Address, []byte(chosen))
		require.NoError(t, err)
	}
	return account.State
}

// requireAudited compares the audit with what is there.
func requireAudited(t *testing.T, db *sql.DB) {
	t.Helper()
	for action, there := range map[string]string{
		"mail.site.opened":         "mail_site",
		"mail.account.opened":      "mail_account",
		"mail.activation.used":     "mail_account WHERE activation <> 'sent'",
		"mail.password.changed":    "mail_account WHERE activation = 'done'",
		"mail.site.granted.shared": "mail_site WHERE more_shared = 1",
		"mail.shared.opened":       "mail_shared",
	} {
		require.Equal(t, rows(t, db, there), rows(t, db, "mail_audit WHERE action = $1", action), action)
	}
}

// rows counts rows.
func rows(t *testing.T, db *sql.DB, from string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM "+from, args...).Scan(&n))
	return n
}

// toldOf is what a run noted before it was killed.
func toldOf(t *testing.T, dir, run string) map[string]bool {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "told"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	told := map[string]bool{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if what, of, _ := strings.Cut(lines.Text(), " "); of == run {
			told[what] = true
		}
	}
	return told
}
