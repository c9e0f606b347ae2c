// SPDX-License-Identifier: Apache-2.0

package smime_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/benchline"
	"github.com/wardkey-sdk/wardkey/internal/need"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

// largest is mail.size.max.
const largest = 35 << 20

// watched is a message of lines that nobody holds, and where it went: each Read
// and each Write looks at the heap, and keeps the most that was on it.
type watched struct {
	left    int
	line    []byte
	written int64
	base    uint64
	peak    uint64
}

func newWatched(header string, size int) (*watched, io.Reader) {
	w := &watched{left: size, line: bytes.Repeat([]byte("0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab..\r\n"), 1<<10)}
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	w.base = m.HeapAlloc
	return w, io.MultiReader(strings.NewReader(header), w)
}

func (w *watched) look() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	w.peak = max(w.peak, m.HeapAlloc)
}

func (w *watched) Read(p []byte) (int, error) {
	w.look()
	if w.left == 0 {
		return 0, io.EOF
	}
	n := copy(p, w.line[:min(len(w.line), w.left)])
	w.left -= n
	return n, nil
}

func (w *watched) Write(p []byte) (int, error) {
	w.look()
	w.written += int64(len(p))
	return len(p), nil
}

// took is the most that was on the heap, garbage included.
func (w *watched) took() uint64 { return w.peak - min(w.base, w.peak) }

// fifty are fifty people with fifty keys, of every kind.
func fifty(t *testing.T, ca *mailtest.CA) []smime.Recipient {
	t.Helper()
	var all []smime.Recipient
	for i := range 50 {
		spec := mailtest.Spec{Email: gp}
		if i%2 == 0 {
			spec.RSABits = 2048
		}
		all = append(all, smime.Recipient{Address: gp, Certificate: issue(t, ca, spec).Certificate})
	}
	return all
}

// 35 MB to 50 recipients, signed or not: as a stream in 2 MB, and
// with AES-GCM in less than three times the message.
func TestMemoryIsBounded(t *testing.T) {
	ca := newCA(t)
	to := fifty(t, ca)
	id := issue(t, ca, mailtest.Spec{Email: home, KeyUsage: digitalSignature})
	for _, signer := range []*smime.Signer{nil, {Certificate: id.Certificate, Key: id.Key}} {
		for gcm, most := range map[bool]uint64{false: 2 << 20, true: 3 * largest} {
			e := newEncrypter(t, smime.Config{Roots: ca.Roots(), GCM: gcm, Signer: signer})
			w, m := newWatched("From: "+home+"\r\nSubject: x\r\n\r\n", largest)
			require.NoError(t, e.Encrypt(t.Context(), w, m, to))
			require.Greater(t, w.written, int64(largest))
			require.Less(t, w.took(), most, "GCM %v: %d kB", gcm, w.took()>>10)
			t.Logf("GCM=%v signed=%v: at most %d kB", gcm, signer != nil, w.took()>>10)
		}
	}
}

// Without the certificates and their keys, a stream takes the same few hundred
// kilobytes of memory in all, for a message of any size.
func TestAStreamAllocatesLittle(t *testing.T) {
	ca := newCA(t)
	e := newEncrypter(t, smime.Config{Roots: ca.Roots()})
	to := []smime.Recipient{{Address: gp, Certificate: issue(t, ca, mailtest.Spec{Email: gp}).Certificate}}
	piece := content(1 << 20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	w, err := e.EncryptTo(t.Context(), io.Discard, []byte("Subject: x\r\n\r\n"), to)
	require.NoError(t, err)
	for range 35 {
		_, err = w.Write(piece)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(2<<20))
}

func BenchmarkEncrypt(b *testing.B) {
	openssl := need.Tool(b, "openssl")
	ca := newCA(b)
	id := issue(b, ca, mailtest.Spec{Email: gp, RSABits: 2048})
	dir := b.TempDir()
	cert, _, err := id.PEM()
	require.NoError(b, err)
	const size = 25 << 20
	require.NoError(b, os.WriteFile(filepath.Join(dir, "cert.pem"), cert, 0o600))
	require.NoError(b, os.WriteFile(filepath.Join(dir, "in"), content(size), 0o600))
	for _, c := range []struct {
		name, cipher string
		gcm          bool
	}{{"smime.encrypt", "-aes-256-cbc", false}, {"smime.encrypt.gcm", "-aes-256-gcm", true}} {
		b.Run(c.name, func(b *testing.B) {
			e := newEncrypter(b, smime.Config{Roots: ca.Roots(), GCM: c.gcm})
			var ours, theirs []float64 // MiB/s, in turns
			speed := func(start time.Time) float64 { return size / (1 << 20) / time.Since(start).Seconds() }
			for b.Loop() {
				start := time.Now()
				encryptFile(b, e, dir, id)
				ours = append(ours, speed(start))
				// openssl's start is part of it: a gateway that calls it pays that too.
				start = time.Now()
				cmd := exec.Command(openssl, "cms", "-encrypt", "-stream", "-binary", c.cipher, "-outform", "DER", "-in", "in", "-out", "theirs",
					"-recip", "cert.pem", "-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256")
				cmd.Dir = dir
				said, err := cmd.CombinedOutput()
				require.NoError(b, err, string(said))
				theirs = append(theirs, speed(start))
			}
			b.ReportMetric(median(ours), "MiB/s")
			benchline.Report(b, c.name, median(ours), median(theirs), "MiB/s", true, 1.0)
		})
	}
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

func encryptFile(b *testing.B, e *smime.Encrypter, dir string, id mailtest.Identity) {
	in, err := os.Open(filepath.Join(dir, "in"))
	require.NoError(b, err)
	defer func() { _ = in.Close() }()
	out, err := os.Create(filepath.Join(dir, "ours"))
	require.NoError(b, err)
	w, err := e.Seal(b.Context(), out, []smime.Recipient{{Address: gp, Certificate: id.Certificate}})
	require.NoError(b, err)
	_, err = io.Copy(w, in)
	require.NoError(b, err)
	require.NoError(b, w.Close())
	require.NoError(b, out.Close())
}
