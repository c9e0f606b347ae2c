// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package cardtest_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

// answers are how often a card gave each answer to a wrong PIN.
type answers struct{ incorrect, locked int }

// siege shows the wrong PIN to the card in reader 0 from so many goroutines, each
// with a session of its own.
func siege(raw *pkcs11.Ctx, goroutines, each int) (answers, error) {
	var incorrect, locked, others atomic.Int64
	var all sync.WaitGroup
	for range goroutines {
		s, err := raw.OpenSession(0, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
		if err != nil {
			return answers{}, err
		}
		all.Go(func() {
			for range each {
				switch raw.Login(s, pkcs11.CKU_USER, string(wrongPIN)) {
				case pkcs11.Error(pkcs11.CKR_PIN_INCORRECT):
					incorrect.Add(1)
				case pkcs11.Error(pkcs11.CKR_PIN_LOCKED):
					locked.Add(1)
				default:
					others.Add(1)
				}
			}
		})
	}
	all.Wait()
	if others.Load() > 0 {
		return answers{}, fmt.Errorf("%d answers that aren't about a wrong PIN", others.Load())
	}
	return answers{int(incorrect.Load()), int(locked.Load())}, nil
}

// besieger is the main of a child process: it waits for a line, so that all begin
// at once, and prints its answers.
func besieger(module string) error {
	raw := pkcs11.New(module)
	if raw == nil {
		return fmt.Errorf("%s can't be loaded", module)
	}
	if err := raw.Initialize(); err != nil {
		return err
	}
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	a, err := siege(raw, 8, 5)
	if err != nil {
		return err
	}
	fmt.Println(a.incorrect, a.locked)
	return raw.Finalize()
}

// 200 wrong PINs at once spend the tries that there are, and no more.
func TestWrongPINsAtOnce(t *testing.T) {
	for name, w := range map[string]func(*testing.T) cardtest.Wrapped{
		"SoftHSM's copies": nil,
		"SoftHSM wrapped":  func(t *testing.T) cardtest.Wrapped { return inSoftHSM(t, "one") },
		"NSS wrapped":      inNSS,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c := cardtest.Config{Dir: dir}
			if w != nil {
				c.Wrapped = w(t)
			}
			tray := cardtest.New(t, c)
			if w == nil {
				ready(t, tray, 0)
			}
			raw := module(t, tray)
			got, err := siege(raw, 8, 25)
			require.NoError(t, err)
			require.Equal(t, answers{incorrect: 3, locked: 197}, got)

			// The card keeps that, not the program.
			require.NoError(t, raw.Finalize())
			require.NoError(t, tray.Close())
			again, err := cardtest.Open(c)
			require.NoError(t, err)
			defer again.Close()
			require.NoError(t, raw.Initialize())
			isCode(t, pkcs11.CKR_PIN_LOCKED, raw.Login(session(t, raw, 0), pkcs11.CKU_USER, string(goodPIN)))
		})
	}
}

// Five processes with eight goroutines each have the same three tries.
func TestWrongPINsOfManyProcesses(t *testing.T) {
	t.Run("SoftHSM's copies", func(t *testing.T) {
		tray := cardtest.New(t, cardtest.Config{})
		ready(t, tray, 0)
		besieged(t, tray)
	})
	t.Run("SoftHSM wrapped", func(t *testing.T) {
		besieged(t, cardtest.New(t, cardtest.Config{Wrapped: inSoftHSM(t, "one")}))
	})
}

func besieged(t *testing.T, tray *cardtest.Tray) {
	t.Helper()
	raw := module(t, tray)
	s := session(t, raw, 0)
	isCode(t, pkcs11.CKR_PIN_INCORRECT, raw.Login(s, pkcs11.CKU_USER, string(wrongPIN)))

	const processes = 5
	self, err := os.Executable()
	require.NoError(t, err)
	outs := make([]*bufio.Reader, processes)
	ins := make([]io.WriteCloser, processes)
	for i := range processes {
		cmd := exec.CommandContext(t.Context(), self)
		cmd.Env = append(os.Environ(), "CARDTEST_BESIEGER="+tray.Module())
		ins[i], err = cmd.StdinPipe()
		require.NoError(t, err)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		outs[i] = bufio.NewReader(out)
		line, err := outs[i].ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "ready\n", line)
	}
	for _, in := range ins {
		_, err := io.WriteString(in, "now\n")
		require.NoError(t, err)
	}
	var all answers
	for _, out := range outs {
		line, err := out.ReadString('\n')
		require.NoError(t, err)
		a, b, _ := strings.Cut(strings.TrimSpace(line), " ")
		incorrect, err := strconv.Atoi(a)
		require.NoError(t, err, line)
		locked, err := strconv.Atoi(b)
		require.NoError(t, err, line)
		all.incorrect += incorrect
		all.locked += locked
	}
	require.Equal(t, answers{incorrect: 2, locked: 198}, all, "one of the three tries was spent here")
	isCode(t, pkcs11.CKR_PIN_LOCKED, raw.Login(s, pkcs11.CKU_USER, string(goodPIN))) // this process knows too
}

// Each way to show a PIN spends the same tries: a change of PIN, the PIN for one
// signature, a login.
func TestEachWayCounts(t *testing.T) {
	tray := cardtest.New(t, cardtest.Config{})
	_, err := tray.Personalised(0, cardtest.Personal{Keys: []card.KeySpec{{ID: []byte{1}, Algorithm: card.P256, AlwaysAuthenticate: true}}})
	require.NoError(t, err)
	raw := module(t, tray)
	s := session(t, raw, 0)
	is := func(want uint) {
		t.Helper()
		info, err := raw.GetTokenInfo(0)
		require.NoError(t, err)
		const all = pkcs11.CKF_USER_PIN_COUNT_LOW | pkcs11.CKF_USER_PIN_FINAL_TRY | pkcs11.CKF_USER_PIN_LOCKED
		require.Equal(t, want, info.Flags&all)
	}
	require.NoError(t, raw.Login(s, pkcs11.CKU_USER, string(goodPIN)))
	is(0)
	isCode(t, pkcs11.CKR_PIN_INCORRECT, raw.SetPIN(s, string(wrongPIN), "998877"))
	is(pkcs11.CKF_USER_PIN_COUNT_LOW)
	isCode(t, pkcs11.CKR_PIN_LEN_RANGE, raw.SetPIN(s, string(goodPIN), "1"))
	is(pkcs11.CKF_USER_PIN_COUNT_LOW)

	require.NoError(t, raw.FindObjectsInit(s, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY)}))
	keys, _, err := raw.FindObjects(s, 2)
	require.NoError(t, err)
	require.Len(t, keys, 1)
	require.NoError(t, raw.FindObjectsFinal(s))
	require.NoError(t, raw.SignInit(s, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_ECDSA, nil)}, keys[0]))
	isCode(t, pkcs11.CKR_PIN_INCORRECT, raw.Login(s, pkcs11.CKU_CONTEXT_SPECIFIC, string(wrongPIN)))
	is(pkcs11.CKF_USER_PIN_COUNT_LOW | pkcs11.CKF_USER_PIN_FINAL_TRY)

	require.NoError(t, raw.Logout(s))
	isCode(t, pkcs11.CKR_PIN_INCORRECT, raw.SetPIN(s, string(wrongPIN), "998877"))
	is(pkcs11.CKF_USER_PIN_LOCKED)
	isCode(t, pkcs11.CKR_PIN_LOCKED, raw.SetPIN(s, string(goodPIN), "998877"))
	isCode(t, pkcs11.CKR_PIN_LOCKED, raw.Login(s, pkcs11.CKU_USER, string(goodPIN)))
	require.NoError(t, raw.Login(s, pkcs11.CKU_SO, string(soPIN)), "the officer's tries are others")
	require.NoError(t, raw.InitPIN(s, string(goodPIN)))
	is(0)
}
