// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package card_test

import (
	"context"
	"crypto"
	"crypto/sha256"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/internal/benchline"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// plainToken is a token of the installed SoftHSM, under a configuration of this
// process alone, with one key; no shim stands between.
func plainToken(b *testing.B, algorithm card.Algorithm) (*card.Key, func(digest []byte) error) {
	b.Helper()
	path, err := filepath.EvalSymlinks(need.Tool(b, "softhsm"))
	require.NoError(b, err)
	dir := b.TempDir()
	require.NoError(b, os.Mkdir(filepath.Join(dir, "tokens"), 0o700))
	conf := filepath.Join(dir, "softhsm2.conf")
	require.NoError(b, os.WriteFile(conf, []byte("directories.tokendir = "+dir+"/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"), 0o600))
	b.Setenv("SOFTHSM2_CONF", conf)

	m := open(b, path)
	raw := pkcs11.New(path)
	slots, err := raw.GetSlotList(false)
	require.NoError(b, err)
	require.NoError(b, raw.InitToken(slots[0], string(soPIN), "plain"))
	ctx := b.Context()
	c, err := m.Card(ctx, card.Selector{Label: "plain"})
	require.NoError(b, err)
	require.NoError(b, c.ResetPIN(ctx, soPIN, goodPIN))
	require.NoError(b, c.Login(ctx, goodPIN, card.LoginOptions{}))
	k, err := c.GenerateKey(ctx, card.KeySpec{ID: []byte{1}, Algorithm: algorithm})
	require.NoError(b, err)
	return k, rawSigner(b, raw, slots[0], algorithm)
}

// rawSigner is the baseline: miekg's calls on one kept session of the login that
// stands already, with DER in neither direction.
func rawSigner(b *testing.B, raw *pkcs11.Ctx, slot uint, algorithm card.Algorithm) func([]byte) error {
	session, err := raw.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	require.NoError(b, err)
	require.NoError(b, raw.FindObjectsInit(session, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY)}))
	found, _, err := raw.FindObjects(session, 1)
	require.NoError(b, err)
	require.NoError(b, raw.FindObjectsFinal(session))
	mechanism := []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_ECDSA, nil)}
	data := func(digest []byte) []byte { return digest }
	if algorithm == card.RSA2048 {
		mechanism = []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_RSA_PKCS, nil)}
		prefix := []byte("\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20")
		data = func(digest []byte) []byte { return append(prefix, digest...) }
	}
	return func(digest []byte) error {
		if err := raw.SignInit(session, mechanism, found[0]); err != nil {
			return err
		}
		_, err := raw.Sign(session, data(digest))
		return err
	}
}

// signBench alternates ours and the baseline in short rounds, so that what else
// the machine does meets both, and crypto11, and compares the fastest rounds.
func signBench(b *testing.B, name string, algorithm card.Algorithm) {
	k, raw := plainToken(b, algorithm)
	digest := sha256.Sum256([]byte("what is signed"))
	ours := func(d []byte) error {
		_, err := k.Sign(nil, d, crypto.SHA256)
		return err
	}
	if algorithm == card.P256 {
		if n := testing.AllocsPerRun(200, func() { _ = ours(digest[:]) }); n > 8 {
			b.Errorf("%v allocations a signature; 8 are allowed", n)
		}
	}
	const rounds, each = 15, 40 * time.Millisecond
	peer := crypto11Signer(b)
	var us, them, peers []float64
	for range rounds {
		us = append(us, rate(b, each, func() error { return ours(digest[:]) }))
		them = append(them, rate(b, each, func() error { return raw(digest[:]) }))
		peers = append(peers, rate(b, each, func() error { return peer(digest[:]) }))
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := ours(digest[:]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(slices.Max(peers), "crypto11/s")
	benchline.Report(b, name, slices.Max(us), slices.Max(them), "signatures/s", true, 0.95)
}

// rate is calls a second over about that time.
func rate(b *testing.B, d time.Duration, do func() error) float64 {
	start, n := time.Now(), 0
	for time.Since(start) < d {
		for range 10 {
			if err := do(); err != nil {
				b.Fatal(err)
			}
		}
		n += 10
	}
	return float64(n) / time.Since(start).Seconds()
}

// BenchmarkRecover is from insertion to a good signature on the same Key, with a
// Prompter that answers at once, against the same in raw calls: login, find,
// sign in a new session; crypto11 is asked ten times on the Key that it has.
func BenchmarkRecover(b *testing.B) {
	tray := cardtest.New(b, cardtest.Config{})
	serial, err := tray.Personalised(0, cardtest.Personal{})
	require.NoError(b, err)
	m := open(b, tray.Module())
	c, err := m.Card(b.Context(), card.Selector{Serial: serial})
	require.NoError(b, err)
	c.PromptWith(func(context.Context, card.Prompt) ([]byte, error) { return slices.Clone(goodPIN), nil })
	k, err := c.Key(b.Context(), card.KeySelector{ID: []byte{1}})
	require.NoError(b, err)
	raw := pkcs11.New(tray.Module())
	digest := sha256.Sum256([]byte("what is signed"))
	again := func(do func() error) time.Duration {
		require.NoError(b, tray.Remove(0))
		require.NoError(b, tray.Insert(0, serial))
		start := time.Now()
		require.NoError(b, do())
		return time.Since(start)
	}
	fastest := [2]time.Duration{time.Hour, time.Hour}
	for b.Loop() {
		fastest[0] = min(fastest[0], again(func() error {
			_, err := k.Sign(nil, digest[:], crypto.SHA256)
			return err
		}))
		fastest[1] = min(fastest[1], again(func() error { return rawRecover(raw, digest[:]) }))
	}
	b.ReportMetric(float64(crypto11Recoveries(b)), "crypto11-recoveries")
	benchline.Report(b, "card.recover", fastest[0].Seconds()*1000, fastest[1].Seconds()*1000, "ms", false, 0.5)
}

func rawRecover(raw *pkcs11.Ctx, digest []byte) error {
	session, err := raw.OpenSession(0, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		return err
	}
	if err := raw.Login(session, pkcs11.CKU_USER, string(goodPIN)); err != nil {
		return err
	}
	template := []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY), pkcs11.NewAttribute(pkcs11.CKA_ID, []byte{1})}
	if err := raw.FindObjectsInit(session, template); err != nil {
		return err
	}
	found, _, err := raw.FindObjects(session, 1)
	if err != nil {
		return err
	}
	if err := raw.FindObjectsFinal(session); err != nil {
		return err
	}
	if err := raw.SignInit(session, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_ECDSA, nil)}, found[0]); err != nil {
		return err
	}
	_, err = raw.Sign(session, digest)
	return err
}

func BenchmarkSignP256(b *testing.B)    { signBench(b, "card.sign.p256", card.P256) }
func BenchmarkSignRSA2048(b *testing.B) { signBench(b, "card.sign.rsa2048", card.RSA2048) }
