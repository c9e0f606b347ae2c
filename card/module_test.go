// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package card_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

func TestOpen(t *testing.T) {
	t.Run("threat041", func(t *testing.T) {
		source := need.Tool(t, "softhsm")
		code, err := os.ReadFile(source)
		require.NoError(t, err)
		place := func(t *testing.T, folder, file os.FileMode) string {
			dir := filepath.Join(t.TempDir(), "lib")
			require.NoError(t, os.Mkdir(dir, 0o700))
			path := filepath.Join(dir, "module.so")
			require.NoError(t, os.WriteFile(path, code, 0o600))
			require.NoError(t, os.Chmod(path, file))
			require.NoError(t, os.Chmod(dir, folder))
			return path
		}
		refused := func(t *testing.T, path string) {
			t.Helper()
			_, err := card.Open(card.Config{Module: path})
			require.ErrorIs(t, err, card.ErrUntrusted)
		}
		// LD_LIBRARY_PATH is only searched for names without a folder.
		t.Setenv("LD_LIBRARY_PATH", filepath.Dir(source))
		refused(t, "libsofthsm2.so")
		refused(t, "")
		refused(t, "./module.so")
		refused(t, "../softhsm/libsofthsm2.so")
		refused(t, place(t, 0o777, 0o644))
		refused(t, place(t, 0o775, 0o644))
		refused(t, place(t, 0o755, 0o666))
		refused(t, place(t, 0o755, 0o664))
		refused(t, place(t, 0o777|os.ModeSticky, 0o644))

		above := filepath.Join(t.TempDir(), "open", "lib")
		require.NoError(t, os.MkdirAll(above, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(above, "m.so"), code, 0o644))
		require.NoError(t, os.Chmod(filepath.Dir(above), 0o777))
		refused(t, filepath.Join(above, "m.so"))

		if os.Geteuid() == 0 { // only root can give files away
			given := place(t, 0o755, 0o644)
			require.NoError(t, os.Chown(given, 1234, 1234))
			refused(t, given)
			given = place(t, 0o755, 0o644)
			require.NoError(t, os.Chown(filepath.Dir(given), 1234, 1234))
			refused(t, given)
		}

		// A link that others can turn elsewhere.
		link := filepath.Join(filepath.Dir(above), "link.so")
		require.NoError(t, os.Symlink(source, link))
		refused(t, link)
	})
	t.Run("the loader's own words", func(t *testing.T) {
		dir := t.TempDir()
		require.NoError(t, os.Chmod(dir, 0o700))
		text := filepath.Join(dir, "text.so")
		require.NoError(t, os.WriteFile(text, []byte("not a library"), 0o600))
		_, err := card.Open(card.Config{Module: text})
		require.ErrorIs(t, err, card.ErrModule)
		require.ErrorContains(t, err, "file too short")
		_, err = card.Open(card.Config{Module: filepath.Join(dir, "absent.so")})
		require.ErrorIs(t, err, card.ErrModule)
		require.ErrorIs(t, err, os.ErrNotExist)
		_, err = card.Open(card.Config{Module: dir})
		require.ErrorIs(t, err, card.ErrModule)
	})
	t.Run("a module that refuses is an error and not a crash", func(t *testing.T) {
		cc := need.Tool(t, "cc")
		for name, source := range map[string]string{
			"refuses":  `unsigned long C_GetFunctionList(void **list) { (void)list; return 5; }`,
			"nothing":  `unsigned long C_GetFunctionList(void **list) { *list = 0; return 0; }`,
			"no entry": `int nothing;`,
		} {
			dir := t.TempDir()
			require.NoError(t, os.Chmod(dir, 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "m.c"), []byte(source), 0o600))
			path := filepath.Join(dir, "m.so")
			out, err := exec.Command(cc, "-shared", "-fPIC", "-o", path, filepath.Join(dir, "m.c")).CombinedOutput()
			require.NoError(t, err, string(out))
			_, err = card.Open(card.Config{Module: path})
			require.ErrorIs(t, err, card.ErrModule, name)
		}
	})
}

// A library of the module's name, in a folder that the loader searches, is found by
// who asks for the name, and not by an absolute path.
func TestLibraryOfTheSameName(t *testing.T) {
	t.Run("threat041", func(t *testing.T) {
		d := newDesk(t)
		dir := t.TempDir()
		source := filepath.Join(dir, "m.c")
		require.NoError(t, os.WriteFile(source, []byte(`#include <fcntl.h>
unsigned long C_GetFunctionList(void **list) { *list = 0; open(MARK, O_CREAT, 0600); return 5; }`), 0o600))
		out, err := exec.Command(need.Tool(t, "cc"), "-shared", "-fPIC", "-DMARK="+quoted(dir, "asked"),
			"-o", filepath.Join(dir, filepath.Base(d.tray.Module())), source).CombinedOutput()
		require.NoError(t, err, string(out))
		t.Setenv("LD_LIBRARY_PATH", dir)   // Linux
		t.Setenv("DYLD_LIBRARY_PATH", dir) // macOS
		t.Setenv("CARD_TEST_TOLD", filepath.Join(dir, "asked"))
		require.NoError(t, other(t, "shadowed", d.tray.Module()))
	})
}

// shadowed is the child with such a library.
func shadowed(module string) error {
	told := os.Getenv("CARD_TEST_TOLD")
	pkcs11.New(filepath.Base(module))
	if err := os.Remove(told); err != nil {
		return fmt.Errorf("by its name the other one isn't found: %w", err)
	}
	m, err := card.Open(card.Config{Module: module})
	if err != nil {
		return err
	}
	if _, err := m.Card(background, card.Selector{}); err != nil {
		return err
	}
	if _, err := os.Stat(told); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the other one was asked: %w", err)
	}
	return m.Close()
}

func TestModuleIsShared(t *testing.T) {
	t.Run("two Modules of one file", func(t *testing.T) {
		d := newDesk(t)
		link := filepath.Join(filepath.Dir(d.tray.Module()), "link.so")
		require.NoError(t, os.Symlink(d.tray.Module(), link))
		m, err := card.Open(card.Config{Module: link})
		require.NoError(t, err)
		c, err := m.Card(t.Context(), card.Selector{Serial: d.serial})
		require.NoError(t, err)
		require.NoError(t, m.Close())
		require.NoError(t, m.Close())
		_, err = m.Slots(t.Context())
		require.ErrorIs(t, err, card.ErrClosed)
		require.ErrorIs(t, c.Login(t.Context(), goodPIN, card.LoginOptions{}), card.ErrClosed)
		d.login(d.card)
		require.NoError(t, signs(t.Context(), d.key(d.card, 1)), "the other one lives")
	})
	t.Run("closed and opened again", func(t *testing.T) {
		d := newDesk(t)
		d.login(d.card)
		k := d.key(d.card, 1)
		require.NoError(t, d.module.Close())
		require.ErrorIs(t, signs(t.Context(), k), card.ErrClosed)
		m := open(t, d.tray.Module())
		c, err := m.Card(t.Context(), card.Selector{Serial: d.serial})
		require.NoError(t, err)
		k, err = c.Key(t.Context(), card.KeySelector{ID: []byte{1}})
		require.NoError(t, err)
		require.ErrorIs(t, signs(t.Context(), k), card.ErrNotLoggedIn, "Close logged out")
	})
	t.Run("initialised by other code", func(t *testing.T) {
		tray := cardtest.New(t, cardtest.Config{})
		raw := pkcs11.New(tray.Module())
		require.NoError(t, raw.Initialize())
		serial, err := tray.Personalised(0, cardtest.Personal{})
		require.NoError(t, err)
		m := open(t, tray.Module())
		_, err = m.Card(t.Context(), card.Selector{Serial: serial})
		require.NoError(t, err)
		require.NoError(t, m.Close())
		slots, err := raw.GetSlotList(true)
		require.NoError(t, err, "what we didn't initialise we don't finalise")
		require.Len(t, slots, 1)
	})
}

func TestSlots(t *testing.T) {
	d := newDesk(t)
	slots, err := d.module.Slots(t.Context())
	require.NoError(t, err)
	require.Len(t, slots, 2)
	require.Equal(t, card.Slot{ID: 0, Description: "Virtual reader 0", Token: &card.TokenInfo{
		Label: "Wardkey card", Serial: d.serial, Manufacturer: "Wardkey", Model: "Virtual card",
		Initialised: true, MinPIN: 4, MaxPIN: 255,
	}}, slots[0])
	require.Nil(t, slots[1].Token)
}

func TestContext(t *testing.T) {
	d := newDesk(t)
	k := d.key(d.card, 1)
	so, err := d.card.SO(t.Context(), soPIN, card.LoginOptions{})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, signs(ctx, k), context.DeadlineExceeded, "waiting for the card ends with the context")
	require.ErrorIs(t, d.card.Login(ctx, goodPIN, card.LoginOptions{}), context.DeadlineExceeded)
	so.Close()
	require.Equal(t, card.PINReady, d.state())
}

func TestOpenByURI(t *testing.T) {
	d := newDesk(t)
	uri := "pkcs11:model=Virtual%20card;manufacturer=Wardkey;token=Wardkey%20card;serial=" + d.serial + ";id=%02?module-path=" + d.tray.Module()
	m := open(t, uri)
	u, err := card.ParseURI(uri)
	require.NoError(t, err)
	c, err := m.Card(t.Context(), u.Card)
	require.NoError(t, err)
	k, err := c.Key(t.Context(), u.Key)
	require.NoError(t, err)
	require.Equal(t, "signing", k.Label())
	for _, other := range []card.Selector{{Model: "other"}, {Manufacturer: "other"}, {Label: "other"}, {Serial: "other"}} {
		_, err := m.Card(t.Context(), other)
		require.ErrorIs(t, err, card.ErrNoCard)
	}
}
