// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package cardtest_test

import (
	"crypto"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// inNSS is a new key store of NSS, whose one token has the good PIN and no
// security officer.
func inNSS(t *testing.T) cardtest.Wrapped {
	t.Helper()
	module := need.Tool(t, "nss")
	certutil, err := exec.LookPath("certutil")
	need.Met(t, "nss", err)
	dir := t.TempDir()
	file := filepath.Join(dir, "pin")
	require.NoError(t, os.WriteFile(file, append(goodPIN, '\n'), 0o600))
	out, err := exec.Command(certutil, "-N", "-d", "sql:"+dir, "-f", file).CombinedOutput()
	require.NoError(t, err, string(out))
	return cardtest.Wrapped{
		Module:   module,
		InitArgs: fmt.Sprintf("configdir='sql:%s' certPrefix='' keyPrefix='' secmod='secmod.db' flags=", dir),
	}
}

// inSoftHSM is the installed SoftHSM, with tokens that are ready.
func inSoftHSM(t *testing.T, labels ...string) cardtest.Wrapped {
	t.Helper()
	path, err := filepath.EvalSymlinks(need.Tool(t, "softhsm"))
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "tokens"), 0o700))
	conf := filepath.Join(dir, "softhsm2.conf")
	require.NoError(t, os.WriteFile(conf, []byte("directories.tokendir = "+dir+"/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"), 0o600))
	t.Setenv("SOFTHSM2_CONF", conf)
	raw := pkcs11.New(path)
	require.NoError(t, raw.Initialize())
	defer func() { require.NoError(t, raw.Finalize()) }()
	for _, label := range labels {
		slots, err := raw.GetSlotList(false)
		require.NoError(t, err)
		free := slots[len(slots)-1]
		require.NoError(t, raw.InitToken(free, string(soPIN), label))
		personalise(t, raw, free)
	}
	return cardtest.Wrapped{Module: path}
}

// serialIn is a token's serial by its label.
func serialIn(t *testing.T, w cardtest.Wrapped, label string) string {
	t.Helper()
	m, err := card.Open(card.Config{Module: w.Module, InitArgs: w.InitArgs})
	require.NoError(t, err)
	defer m.Close()
	c, err := m.Card(t.Context(), card.Selector{Label: label})
	require.NoError(t, err)
	return c.Serial()
}

func opened(t *testing.T, tray *cardtest.Tray, serial string) *card.Card {
	t.Helper()
	m, err := card.Open(card.Config{Module: tray.Module()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	c, err := m.Card(t.Context(), card.Selector{Serial: serial})
	require.NoError(t, err)
	return c
}

func onlyCard(t *testing.T, tray *cardtest.Tray) string {
	t.Helper()
	cards, err := tray.Cards()
	require.NoError(t, err)
	require.Len(t, cards, 1)
	require.Zero(t, cards[0].Reader)
	return cards[0].Serial
}

// signs makes a signature with a key that a test of removal goes on with.
func signs(t *testing.T, k *card.Key) error {
	t.Helper()
	digest := sha256.Sum256([]byte("what is signed"))
	_, err := k.SignContext(t.Context(), digest[:], crypto.SHA256)
	return err
}

// NSS's softokn never locks, has no security officer and no removal; under the
// shim it is a card, which nothing unlocks.
func TestWrappedNSS(t *testing.T) {
	tray := cardtest.New(t, cardtest.Config{Wrapped: inNSS(t)})
	serial := onlyCard(t, tray)
	_, err := tray.Personalised(1, cardtest.Personal{})
	require.ErrorContains(t, err, "own tools")

	c := opened(t, tray, serial)
	ctx := t.Context()
	require.NoError(t, c.Login(ctx, goodPIN, card.LoginOptions{}))
	for id, algorithm := range []card.Algorithm{card.P256, card.RSA2048} {
		k, err := c.GenerateKey(ctx, card.KeySpec{ID: []byte{byte(id + 1)}, Label: "key", Algorithm: algorithm})
		require.NoError(t, err)
		require.NoError(t, signs(t, k))
		require.NoError(t, tray.Remove(0))
		require.ErrorIs(t, signs(t, k), card.ErrRemoved)
		require.NoError(t, tray.Insert(0, serial))
		require.ErrorIs(t, signs(t, k), card.ErrNotLoggedIn, "who was pulled is logged out")
		require.NoError(t, c.Login(ctx, goodPIN, card.LoginOptions{}))
		require.NoError(t, signs(t, k))
	}
	require.NoError(t, tray.Behave(0, cardtest.Behaviour{FailAt: 1}))
	_, err = c.Info(ctx)
	require.Error(t, err)
	require.NoError(t, tray.Behave(0, cardtest.Behaviour{}))

	// The counters are the tray's.
	require.NoError(t, c.Logout(ctx))
	for range 2 {
		require.ErrorIs(t, c.Login(ctx, wrongPIN, card.LoginOptions{}), card.ErrWrongPIN)
	}
	require.ErrorIs(t, c.Login(ctx, wrongPIN, card.LoginOptions{}), card.ErrFinalTry)
	require.ErrorIs(t, c.Login(ctx, wrongPIN, card.LoginOptions{FinalTry: true}), card.ErrLocked)
	require.ErrorIs(t, c.Login(ctx, goodPIN, card.LoginOptions{}), card.ErrLocked)
	refused := c.ResetPIN(ctx, soPIN, goodPIN)
	var e *card.Error
	require.ErrorAs(t, refused, &e, "that the module has no security officer is told")
	require.Equal(t, "C_Login", e.Func)
	info, err := c.Info(ctx)
	require.NoError(t, err)
	require.Equal(t, card.PINLocked, info.PIN)
	require.Equal(t, "NSS Certificate DB", info.Label)
}

// A SoftHSM that is installed, by its path: two cards of its own tools.
func TestWrappedSoftHSM(t *testing.T) {
	w := inSoftHSM(t, "one", "two")
	dir := t.TempDir()
	tray := cardtest.New(t, cardtest.Config{Dir: dir, Wrapped: w, Readers: 3})
	cards, err := tray.Cards()
	require.NoError(t, err)
	require.Len(t, cards, 2)
	where := map[int]string{cards[0].Reader: cards[0].Serial, cards[1].Reader: cards[1].Serial}
	require.Len(t, where, 2)
	one, two := opened(t, tray, where[0]), opened(t, tray, where[1])
	ctx := t.Context()
	require.NoError(t, one.Login(ctx, goodPIN, card.LoginOptions{}))
	require.NoError(t, two.Login(ctx, goodPIN, card.LoginOptions{}))
	mine, err := one.Key(ctx, card.KeySelector{ID: []byte{1}})
	require.NoError(t, err)
	theirs, err := two.Key(ctx, card.KeySelector{ID: []byte{1}})
	require.NoError(t, err)

	// One leaves; the other, in the same module, notices nothing.
	require.NoError(t, tray.Remove(0))
	require.ErrorIs(t, signs(t, mine), card.ErrRemoved)
	require.NoError(t, signs(t, theirs))
	require.NoError(t, tray.Remove(1))
	require.NoError(t, tray.Insert(1, where[0]), "into another reader")
	require.ErrorIs(t, signs(t, mine), card.ErrNotLoggedIn)
	require.NoError(t, one.Login(ctx, goodPIN, card.LoginOptions{}))
	require.NoError(t, signs(t, mine))
	require.ErrorIs(t, signs(t, theirs), card.ErrRemoved)

	// SoftHSM itself would never lock, and its security officer unlocks.
	require.NoError(t, one.Logout(ctx))
	for range 3 {
		require.Error(t, one.Login(ctx, wrongPIN, card.LoginOptions{FinalTry: true}))
	}
	require.ErrorIs(t, one.Login(ctx, goodPIN, card.LoginOptions{}), card.ErrLocked)
	again, err := cardtest.Open(cardtest.Config{Dir: dir, Wrapped: w})
	require.NoError(t, err, "a second value of the same tray")
	require.Equal(t, tray.Module(), again.Module())
	require.NoError(t, again.Close())
	require.ErrorIs(t, one.Login(ctx, goodPIN, card.LoginOptions{}), card.ErrLocked)
	require.NoError(t, one.ResetPIN(ctx, soPIN, goodPIN))
	require.NoError(t, one.Login(ctx, goodPIN, card.LoginOptions{}))
	require.NoError(t, one.Logout(ctx))
	require.NoError(t, one.Initialize(ctx, soPIN, "made anew"))
	require.NoError(t, one.ResetPIN(ctx, soPIN, goodPIN))
	require.NoError(t, one.Login(ctx, goodPIN, card.LoginOptions{}))
}

// The suite sees no difference between a virtual card and one of a wrapped module;
// two tokens of one label are swapped.
func TestConformanceOfWrappedSoftHSM(t *testing.T) {
	tray := cardtest.New(t, cardtest.Config{Wrapped: inSoftHSM(t, "twin", "twin")})
	cards, err := tray.Cards()
	require.NoError(t, err)
	require.Len(t, cards, 2)
	a, b := cards[0], cards[1]
	require.NoError(t, tray.Remove(b.Reader))
	cardtest.TestModule(t, cardtest.Module{
		Path: tray.Module(), Serial: a.Serial, PIN: goodPIN, SOPIN: soPIN, Destructive: true,
		Remove:      func() error { return tray.Remove(a.Reader) },
		Insert:      func() error { return tray.Insert(a.Reader, a.Serial) },
		InsertOther: func() error { return tray.Insert(a.Reader, b.Serial) },
	})
}

// A module that can't be copied is one tray's in a process, and a folder has the
// cards of one module.
func TestWrappedRefuses(t *testing.T) {
	w := inSoftHSM(t, "one")
	dir := t.TempDir()
	tray := cardtest.New(t, cardtest.Config{Dir: dir, Wrapped: w})
	_, err := cardtest.Open(cardtest.Config{Dir: t.TempDir(), Wrapped: w})
	require.ErrorContains(t, err, "one tray a process")
	_, err = cardtest.Open(cardtest.Config{Dir: dir})
	require.ErrorContains(t, err, "another module")
	require.NoError(t, tray.Close())
	require.Error(t, tray.Close())

	other, err := cardtest.Open(cardtest.Config{Dir: t.TempDir(), Wrapped: w})
	require.NoError(t, err, "the first is closed")
	require.NoError(t, other.Close())
	own := t.TempDir()
	ready(t, cardtest.New(t, cardtest.Config{Dir: own}), 0)
	for name, c := range map[string]cardtest.Config{
		"not a path":      {Dir: t.TempDir(), Wrapped: cardtest.Wrapped{Module: "libsofthsm2.so"}},
		"no such file":    {Dir: t.TempDir(), Wrapped: cardtest.Wrapped{Module: "/nowhere.so"}},
		"not a module":    {Dir: t.TempDir(), Wrapped: cardtest.Wrapped{Module: "/bin/sh"}},
		"two lines":       {Dir: t.TempDir(), Wrapped: cardtest.Wrapped{Module: w.Module, InitArgs: "a\nb"}},
		"SoftHSM's cards": {Dir: own, Wrapped: w},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := cardtest.Open(c)
			require.Error(t, err)
			require.NotErrorIs(t, err, cardtest.ErrNoShim)
		})
	}
	t.Setenv("SOFTHSM2_CONF", filepath.Join(t.TempDir(), "none"))
	_, err = cardtest.Open(cardtest.Config{Dir: t.TempDir(), Wrapped: w})
	require.Error(t, err)
}
