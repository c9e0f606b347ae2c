// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package cardtest_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/internal/benchline"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

var (
	goodPIN  = []byte("123456")
	wrongPIN = []byte("654321")
	soPIN    = []byte("87654321")
)

func TestMain(m *testing.M) {
	for variable, child := range map[string]func(module string) error{"CARDTEST_CHILD": child, "CARDTEST_BESIEGER": besieger} {
		if module := os.Getenv(variable); module != "" {
			if err := child(module); err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
			return
		}
	}
	need.Examples("cc", "softhsm")
	os.Exit(m.Run())
}

// session is a raw session on a reader, because here it is the module that is
// tested, not what package card makes of it.
func session(t *testing.T, raw *pkcs11.Ctx, slot uint) pkcs11.SessionHandle {
	t.Helper()
	s, err := raw.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	require.NoError(t, err)
	return s
}

func module(t *testing.T, tray *cardtest.Tray) *pkcs11.Ctx {
	t.Helper()
	raw := pkcs11.New(tray.Module())
	require.NotNil(t, raw)
	require.NoError(t, raw.Initialize())
	t.Cleanup(func() { require.NoError(t, raw.Finalize()) })
	return raw
}

func ready(t testing.TB, tray *cardtest.Tray, reader int) string {
	t.Helper()
	serial, err := tray.Personalised(reader, cardtest.Personal{})
	require.NoError(t, err)
	return serial
}

func isCode(t *testing.T, code uint, err error) {
	t.Helper()
	require.Equal(t, pkcs11.Error(code), err)
}

func TestTray(t *testing.T) {
	tray := cardtest.New(t, cardtest.Config{Readers: 3})
	require.Equal(t, 3, tray.Readers())
	a, err := tray.Blank()
	require.NoError(t, err)
	b, err := tray.Blank()
	require.NoError(t, err)
	require.NotEqual(t, a, b)
	require.LessOrEqual(t, len(a), 16, "CK_TOKEN_INFO has room for 16")
	require.NoError(t, tray.Insert(2, a))
	require.Error(t, tray.Insert(2, b), "the reader is taken")
	require.Error(t, tray.Insert(1, a), "the card is in a reader")
	require.Error(t, tray.Insert(3, b))
	require.Error(t, tray.Insert(-1, b))
	require.Error(t, tray.Insert(0, "WK0000000000"))
	require.Error(t, tray.Insert(0, ""))
	require.Error(t, tray.Insert(0, "../cards/"+b))
	require.Error(t, tray.Remove(3))
	require.NoError(t, tray.Remove(0), "an empty reader stays so")
	require.Error(t, tray.Unlock("WK0000000000"))
	require.NoError(t, tray.Unlock(b))
	cards, err := tray.Cards()
	require.NoError(t, err)
	require.ElementsMatch(t, []cardtest.Card{{Serial: a, Reader: 2}, {Serial: b, Reader: -1}}, cards)
}

// Serials of other makers have other characters than ours; the folder is named
// for them in hexadecimal, by the tray and by the shim alike.
func TestSerialsOfOtherMakers(t *testing.T) {
	const serial = "A/1 ../ß" // 9 bytes
	dir := t.TempDir()
	tray := cardtest.New(t, cardtest.Config{Dir: dir})
	folder := filepath.Join(dir, "cards", "hex-"+hex.EncodeToString([]byte(serial)))
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "tokens"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "tries"), []byte("0 0\n"), 0o600))
	require.NoError(t, tray.Insert(0, serial))
	cards, err := tray.Cards()
	require.NoError(t, err)
	require.Equal(t, []cardtest.Card{{Serial: serial, Reader: 0}}, cards)
	raw := module(t, tray)
	info, err := raw.GetTokenInfo(0)
	require.NoError(t, err)
	require.Equal(t, serial, info.SerialNumber)
	require.NoError(t, raw.InitToken(0, string(soPIN), "theirs"))
	isCode(t, pkcs11.CKR_PIN_INCORRECT, raw.InitToken(0, string(wrongPIN), "theirs"))
	text, err := os.ReadFile(filepath.Join(folder, "tries"))
	require.NoError(t, err)
	require.Equal(t, "0 1\n", string(text), "what the shim counted")
}

func TestOpenRefuses(t *testing.T) {
	need.Tool(t, "softhsm")
	need.Tool(t, "cc")
	_, err := cardtest.Open(cardtest.Config{})
	require.Error(t, err)
	_, err = cardtest.Open(cardtest.Config{Dir: t.TempDir(), Readers: 17})
	require.Error(t, err)
	for _, name := range []string{"TestCard#01", "a=b", strings.Repeat("long/", 200)} {
		_, err = cardtest.Open(cardtest.Config{Dir: filepath.Join(t.TempDir(), name)})
		require.ErrorContains(t, err, "SoftHSM can't keep cards")
	}
	t.Setenv("SOFTHSM2_MODULE", "/bin/sh")
	_, err = cardtest.Open(cardtest.Config{Dir: t.TempDir()})
	require.ErrorIs(t, err, cardtest.ErrNoShim)
	t.Setenv("SOFTHSM2_MODULE", "/nowhere")
	_, err = cardtest.Open(cardtest.Config{Dir: t.TempDir()})
	require.ErrorIs(t, err, cardtest.ErrNoShim)
}

func TestShimBuiltBefore(t *testing.T) {
	tray := cardtest.New(t, cardtest.Config{})
	t.Setenv("WARDKEY_CARDSHIM", tray.Module())
	t.Setenv("PATH", "")
	again, err := cardtest.Open(cardtest.Config{Dir: t.TempDir()})
	require.NoError(t, err, "no compiler is needed")
	ready(t, again, 0)
	require.NoError(t, again.Close())
}

func TestWithoutUserCache(t *testing.T) {
	need.Tool(t, "softhsm")
	need.Tool(t, "cc")
	t.Setenv("HOME", "")
	t.Setenv("XDG_CACHE_HOME", "")
	ready(t, cardtest.New(t, cardtest.Config{}), 0)
}

// What a session answers while its card is out, and afterwards.
func TestReturnValuesOfARemoval(t *testing.T) {
	tray := cardtest.New(t, cardtest.Config{})
	serial := ready(t, tray, 0)
	other := ready(t, tray, 1)
	raw := module(t, tray)
	s := session(t, raw, 0)
	beside := session(t, raw, 1)
	require.NoError(t, raw.Login(s, pkcs11.CKU_USER, string(goodPIN)))
	require.NoError(t, raw.Login(beside, pkcs11.CKU_USER, string(goodPIN)))

	require.NoError(t, tray.Remove(0))
	slots, err := raw.GetSlotList(false)
	require.NoError(t, err)
	require.Equal(t, []uint{0, 1}, slots, "readers stay")
	slots, err = raw.GetSlotList(true)
	require.NoError(t, err)
	require.Equal(t, []uint{1}, slots)
	for range 2 {
		_, err = raw.GetSessionInfo(s)
		isCode(t, pkcs11.CKR_DEVICE_REMOVED, err)
	}
	_, err = raw.GetTokenInfo(0)
	isCode(t, pkcs11.CKR_TOKEN_NOT_PRESENT, err)
	_, err = raw.OpenSession(0, pkcs11.CKF_SERIAL_SESSION)
	isCode(t, pkcs11.CKR_TOKEN_NOT_PRESENT, err)
	_, err = raw.GetTokenInfo(7)
	isCode(t, pkcs11.CKR_SLOT_ID_INVALID, err)

	require.NoError(t, tray.Insert(0, serial))
	_, err = raw.GetSessionInfo(s)
	isCode(t, pkcs11.CKR_SESSION_HANDLE_INVALID, err)
	again := session(t, raw, 0)
	require.NotEqual(t, s, again, "a handle never comes back to life")
	info, err := raw.GetSessionInfo(again)
	require.NoError(t, err)
	require.EqualValues(t, pkcs11.CKS_RW_PUBLIC_SESSION, info.State, "logged out")

	info, err = raw.GetSessionInfo(beside)
	require.NoError(t, err, "the card in the other reader noticed nothing")
	require.EqualValues(t, pkcs11.CKS_RW_USER_FUNCTIONS, info.State)
	require.EqualValues(t, 1, info.SlotID)

	require.NoError(t, raw.Login(again, pkcs11.CKU_USER, string(goodPIN)))
	require.NoError(t, tray.Remove(0))
	require.NoError(t, tray.Remove(1))
	require.NoError(t, tray.Insert(0, other))
	isCode(t, pkcs11.CKR_SESSION_HANDLE_INVALID, raw.Logout(again))
	token, err := raw.GetTokenInfo(0)
	require.NoError(t, err)
	require.Equal(t, other, token.SerialNumber)
}

// A call that is inside the module when the card leaves doesn't succeed.
func TestPulledDuringACall(t *testing.T) {
	tray := cardtest.New(t, cardtest.Config{})
	serial := ready(t, tray, 0)
	raw := module(t, tray)
	for range 5 {
		s := session(t, raw, 0)
		require.NoError(t, raw.Login(s, pkcs11.CKU_USER, string(goodPIN)))
		done := make(chan error, 1)
		go func() {
			_, _, err := raw.GenerateKeyPair(s, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN, nil)},
				[]*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_MODULUS_BITS, 2048), pkcs11.NewAttribute(pkcs11.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1})},
				[]*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_SIGN, true)})
			done <- err
		}()
		time.Sleep(15 * time.Millisecond)
		require.NoError(t, tray.Remove(0))
		if err := <-done; err != nil { // it may have been faster
			isCode(t, pkcs11.CKR_DEVICE_REMOVED, err)
		}
		require.NoError(t, tray.Insert(0, serial))
	}
}

func TestItFailsClosed(t *testing.T) {
	for name, text := range map[string]string{"gone": "", "half": "0", "more than possible": "9 0\n", "other words": "none"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			tray := cardtest.New(t, cardtest.Config{Dir: dir})
			serial := ready(t, tray, 0)
			raw := module(t, tray)
			s := session(t, raw, 0)
			file := filepath.Join(dir, "cards", serial, "tries")
			if text == "" {
				require.NoError(t, os.Remove(file))
			} else {
				require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
			}
			isCode(t, pkcs11.CKR_DEVICE_ERROR, raw.Login(s, pkcs11.CKU_USER, string(goodPIN)))
			isCode(t, pkcs11.CKR_DEVICE_ERROR, raw.Login(s, pkcs11.CKU_SO, string(soPIN)))
			isCode(t, pkcs11.CKR_DEVICE_ERROR, raw.SetPIN(s, string(goodPIN), "998877"))
			_, err := raw.GetTokenInfo(0)
			isCode(t, pkcs11.CKR_DEVICE_ERROR, err)
		})
	}
}

// Trays beside one another and beside a SoftHSM that the process uses itself.
func TestTraysDontMeet(t *testing.T) {
	installed := need.Tool(t, "softhsm")
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "tokens"), 0o700))
	conf := filepath.Join(dir, "softhsm2.conf")
	require.NoError(t, os.WriteFile(conf, []byte("directories.tokendir = "+dir+"/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"), 0o600))
	t.Setenv("SOFTHSM2_CONF", conf)
	raw := pkcs11.New(installed)
	require.NoError(t, raw.Initialize())
	defer func() { require.NoError(t, raw.Finalize()) }()
	slots, err := raw.GetSlotList(false)
	require.NoError(t, err)
	require.NoError(t, raw.InitToken(slots[0], string(soPIN), "the authority's"))
	s, err := raw.OpenSession(slots[0], pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	require.NoError(t, err)
	require.NoError(t, raw.Login(s, pkcs11.CKU_SO, string(soPIN)))

	trays := make([]*cardtest.Tray, 6)
	for i := range trays {
		trays[i] = cardtest.New(t, cardtest.Config{})
	}
	var all sync.WaitGroup
	for _, tray := range trays {
		all.Go(func() {
			for reader := range 2 {
				if _, err := tray.Personalised(reader, cardtest.Personal{Keys: []card.KeySpec{{ID: []byte{1}, Algorithm: card.P256}}}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	info, err := raw.GetSessionInfo(s)
	require.NoError(t, err)
	require.EqualValues(t, pkcs11.CKS_RW_SO_FUNCTIONS, info.State, "its login stands")
	slots, err = raw.GetSlotList(true)
	require.NoError(t, err)
	require.Len(t, slots, 2, "its token and its free place; no card")
	require.Equal(t, conf, os.Getenv("SOFTHSM2_CONF"))
}

// child is the other process at a tray: it makes the blank card in reader 0
// ready.
func child(path string) error {
	m, err := card.Open(card.Config{Module: path})
	if err != nil {
		return err
	}
	ctx := context.Background()
	c, err := m.Card(ctx, card.Selector{})
	if err != nil {
		return err
	}
	if err := c.Initialize(ctx, soPIN, "made elsewhere"); err != nil {
		return err
	}
	return c.ResetPIN(ctx, soPIN, goodPIN)
}

func TestTwoProcesses(t *testing.T) {
	tray := cardtest.New(t, cardtest.Config{})
	serial, err := tray.Blank()
	require.NoError(t, err)
	require.NoError(t, tray.Insert(0, serial))
	raw := module(t, tray)
	info, err := raw.GetTokenInfo(0)
	require.NoError(t, err)
	require.Zero(t, info.Flags&pkcs11.CKF_TOKEN_INITIALIZED)

	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "CARDTEST_CHILD="+tray.Module())
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))

	info, err = raw.GetTokenInfo(0)
	require.NoError(t, err)
	require.Equal(t, "made elsewhere", info.Label)
	require.Equal(t, serial, info.SerialNumber)
	require.NoError(t, raw.Login(session(t, raw, 0), pkcs11.CKU_USER, string(goodPIN)))
}

// A tray that was copied to another folder is another tray.
func TestCopiedTray(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	tray := cardtest.New(t, cardtest.Config{Dir: from})
	serial := ready(t, tray, 0)
	require.NoError(t, os.CopyFS(to, os.DirFS(from)))
	twin := cardtest.New(t, cardtest.Config{Dir: to})
	require.NotEqual(t, tray.Module(), twin.Module())
	a, b := module(t, tray), module(t, twin)
	s := session(t, b, 0)
	for range 3 {
		isCode(t, pkcs11.CKR_PIN_INCORRECT, b.Login(s, pkcs11.CKU_USER, string(wrongPIN)))
	}
	isCode(t, pkcs11.CKR_PIN_LOCKED, b.Login(s, pkcs11.CKU_USER, string(goodPIN)))
	require.NoError(t, a.Login(session(t, a, 0), pkcs11.CKU_USER, string(goodPIN)))
	info, err := b.GetTokenInfo(0)
	require.NoError(t, err)
	require.Equal(t, serial, info.SerialNumber)
}

// BenchmarkCard is a personalised card against the two key pairs alone, made on
// a card that is ready and logged in.
func BenchmarkCard(b *testing.B) {
	tray := cardtest.New(b, cardtest.Config{})
	m, err := card.Open(card.Config{Module: tray.Module()})
	require.NoError(b, err)
	defer m.Close()
	fastest := [2]time.Duration{time.Hour, time.Hour}
	for b.Loop() {
		start := time.Now()
		serial := ready(b, tray, 0)
		fastest[0] = min(fastest[0], time.Since(start))
		c, err := m.Card(b.Context(), card.Selector{Serial: serial})
		require.NoError(b, err)
		require.NoError(b, c.Login(b.Context(), goodPIN, card.LoginOptions{}))
		start = time.Now()
		for i := range 2 {
			_, err := c.GenerateKey(b.Context(), card.KeySpec{ID: []byte{byte(8 + i)}, Algorithm: card.P256})
			require.NoError(b, err)
		}
		fastest[1] = min(fastest[1], time.Since(start))
		require.NoError(b, tray.Remove(0))
	}
	benchline.Report(b, "cardtest.card", fastest[0].Seconds()*1000, fastest[1].Seconds()*1000, "ms", false, 0.5)
}
