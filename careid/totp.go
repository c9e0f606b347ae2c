// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"time"
)

// What every authenticator app does when it is told nothing else: RFC 6238 §1.2 and §4, with the six digits that are
// published for Microsoft Authenticator. SHA-1 is sound here: HMAC does not rest on its collisions (RFC 6238 §1.2,
// RFC 4226 appendix B.2), and apps ignore other algorithms without a word.
const (
	totpPeriod  = 30 // seconds
	totpDigits  = 6
	totpModulus = 1_000_000
	totpSecret  = 20 // bytes: the 160 bits that RFC 4226 §4 recommends
)

// TOTP returns the six digits that an authenticator app shows for a secret at t. RFC 6238 §4, HMAC-SHA-1, 30 seconds.
func TOTP(secret []byte, t time.Time) string { return totp(secret, totpStep(t)) }

func totpStep(t time.Time) int64 { return t.Unix() / totpPeriod }

func totp(secret []byte, step int64) string {
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(step))
	mac := hmac.New(sha1.New, secret)
	_, _ = mac.Write(counter[:]) // a hash never fails
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf // RFC 4226 §5.3
	value := binary.BigEndian.Uint32(sum[at:]) & 0x7fffffff
	return fmt.Sprintf("%0*d", totpDigits, value%totpModulus)
}

// totpMatch finds the time step, at most around steps from that of t, that a code is of; false for none. Every
// candidate is computed and compared in constant time, so that the time taken tells nothing.
func totpMatch(secret, code []byte, t time.Time, around int) (int64, bool) {
	found, ok := int64(0), 0
	for step := totpStep(t) - int64(around); step <= totpStep(t)+int64(around); step++ {
		same := subtle.ConstantTimeCompare([]byte(totp(secret, step)), code)
		if same == 1 {
			found = step
		}
		ok |= same
	}
	return found, ok == 1
}

// totpURI is what an authenticator app reads from a QR code. The label is the user id and not the name: it stands on
// the screen of a phone. Key Uri Format of Google Authenticator, which the other apps follow.
func totpURI(secret []byte, profile string) []byte {
	query := url.Values{
		"secret": {base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)},
		"issuer": {totpIssuer}, "algorithm": {"SHA1"}, "digits": {fmt.Sprint(totpDigits)}, "period": {fmt.Sprint(totpPeriod)},
	}
	return []byte("otpauth://totp/" + url.PathEscape(totpIssuer) + ":" + profile + "?" + query.Encode())
}

// totpIssuer is how the app calls whom the code is for. No space: apps read "+" for it as a plus.
const totpIssuer = "Wardkey"

func newTOTPSecret() []byte {
	secret := make([]byte, totpSecret)
	_, _ = rand.Read(secret) // never fails: it ends the program instead
	return secret
}
