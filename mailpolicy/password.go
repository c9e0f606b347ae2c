// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/wardkey-sdk/wardkey"
	"golang.org/x/crypto/argon2"
)

// argon2id with 19 MiB, two passes and one lane: the second of OWASP's equal
// choices (Password Storage Cheat Sheet). The parameters stand in each hash, so
// that a later choice can be told from this one.
const (
	argonTime    = 2
	argonMemory  = 19 * 1024 // KiB
	argonThreads = 1
	argonSalt    = 16
	argonKey     = 32
)

var phcPrefix = fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, argonMemory, argonTime, argonThreads)

// maxPassword bounds what is hashed, in bytes.
const maxPassword = 256

// hasher bounds how many hashes are computed at once, each of which takes 19
// MiB.
type hasher struct{ slots chan struct{} }

func newHasher(atOnce int) *hasher { return &hasher{slots: make(chan struct{}, atOnce)} }

// slot waits for a turn to hash, and returns how to give it back.
func (h *hasher) slot(ctx context.Context) (release func(), err error) {
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots }, nil
	case <-ctx.Done():
		return nil, Rules().Refuse("mail.busy").Because(ctx.Err())
	}
}

func derive(secret, salt []byte) []byte {
	return argon2.IDKey(secret, salt, argonTime, argonMemory, argonThreads, argonKey)
}

func (h *hasher) hash(ctx context.Context, secret []byte) (string, error) {
	release, err := h.slot(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	return hashOf(secret), nil
}

// hashOf makes a hash to store; the caller has a slot.
func hashOf(secret []byte) string {
	salt := make([]byte, argonSalt)
	_, _ = rand.Read(salt) // never fails: crypto/rand
	key := derive(secret, salt)
	return phcPrefix + base64.RawStdEncoding.EncodeToString(salt) + "$" + base64.RawStdEncoding.EncodeToString(key)
}

// matches compares a secret with a stored hash, in its turn.
func (h *hasher) matches(ctx context.Context, secret []byte, phc string) (bool, error) {
	release, err := h.slot(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	return isOf(secret, phc), nil
}

// isOf compares a secret with a stored hash; the caller has a slot. A hash that
// can't be read, as of an account that does not exist, matches nothing and costs
// as much.
func isOf(secret []byte, phc string) bool {
	salt, want, ok := parsePHC(phc)
	if len(secret) > maxPassword {
		secret, ok = nil, false
	}
	return subtle.ConstantTimeCompare(derive(secret, salt), want) == 1 && ok
}

func parsePHC(phc string) (salt, key []byte, ok bool) {
	rest, ok := strings.CutPrefix(phc, phcPrefix)
	if !ok {
		return make([]byte, argonSalt), nil, false
	}
	s, k, _ := strings.Cut(rest, "$")
	salt, err := base64.RawStdEncoding.DecodeString(s)
	key, err2 := base64.RawStdEncoding.DecodeString(k)
	if err != nil || err2 != nil || len(salt) < argonSalt || len(key) != argonKey {
		return make([]byte, argonSalt), nil, false
	}
	return salt, key, true
}

// activationAlphabet leaves out what a person can take for something else: 0 O
// o 1 l I i.
const activationAlphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz23456789"

// newActivation draws an activation password. Bytes beyond the largest multiple
// of the alphabet's length are drawn again, so that no letter is likelier.
func newActivation(length int) []byte {
	password := make([]byte, 0, length)
	limit := byte(256 / len(activationAlphabet) * len(activationAlphabet))
	var b [1]byte
	for len(password) < length {
		_, _ = rand.Read(b[:])
		if b[0] < limit {
			password = append(password, activationAlphabet[int(b[0])%len(activationAlphabet)])
		}
	}
	return password
}

// checkPassword applies the published policy: a least length, no spaces, none
// of the holder's names, and none of the commonest passwords. It has no rule of
// composition.
func (p *Policy) checkPassword(password []byte, a AccountRecord) *wardkey.Refusal {
	refuse := func(why string) *wardkey.Refusal { return Rules().Refuse("mail.password.form", "why", why) }
	text := string(password)
	switch {
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return refuse("it has a character that can't be typed everywhere")
	case utf8.RuneCountInString(text) < p.PasswordMin:
		return refuse(fmt.Sprintf("it has fewer than %d characters", p.PasswordMin))
	case len(text) > maxPassword:
		return refuse("it is too long")
	case strings.ContainsFunc(text, unicode.IsSpace):
		return refuse("it has a space")
	}
	lower := strings.ToLower(text)
	local, _, _ := strings.Cut(a.Address, "@")
	for _, name := range append(strings.FieldsFunc(local, notLetter), strings.FieldsFunc(strings.ToLower(a.Name), notLetter)...) {
		if utf8.RuneCountInString(name) >= 3 && strings.Contains(lower, name) {
			return refuse("it has a part of your name in it")
		}
	}
	for _, common := range commonPasswords {
		if strings.Contains(lower, common) && len(lower)-len(common) < 5 {
			return refuse("it is one of the first that others would try")
		}
	}
	return nil
}

// Blocklist knows passwords that others would try, such as those of published
// breaches.
type Blocklist interface {
	// Blocked reports whether the password is on the list. It must not keep it.
	// An error refuses the change for now.
	Blocked(ctx context.Context, password []byte) (bool, error)
}

// newPassword checks a password that a holder has chosen, and hashes it.
func (a *Accounts) newPassword(ctx context.Context, p *Policy, r AccountRecord, password []byte) (hash string, err error) {
	if no := p.checkPassword(password, r); no != nil {
		return "", no
	}
	if list := a.config.Blocklist; list != nil {
		blocked, err := list.Blocked(ctx, password)
		if err != nil {
			return "", Rules().Refuse("mail.busy").Because(err)
		}
		if blocked {
			return "", Rules().Refuse("mail.password.form", "why", "it is on a list of passwords that others know")
		}
	}
	var earlier []string
	err = a.config.Store.Read(ctx, func(ctx context.Context, tx StoreTx) error {
		earlier, err = tx.Passwords(ctx, r.Address)
		return err
	})
	if err != nil {
		return "", err
	}
	for _, phc := range append([]string{r.PasswordHash}, earlier...) {
		same, err := a.hasher.matches(ctx, password, phc)
		if err != nil {
			return "", err
		}
		if same {
			return "", Rules().Refuse("mail.password.form", "why", "you have it, or had it not long ago")
		}
	}
	return a.hasher.hash(ctx, password)
}

// setPassword puts a password that its holder has chosen in force, and keeps the
// one before, if that was theirs as well, so that it is not taken again. Another
// number that was confirmed for a password is not needed any more.
func (p *Policy) setPassword(ctx context.Context, tx StoreTx, r *AccountRecord, hash string) error {
	if r.Activation == ActivationDone {
		if err := tx.KeepPassword(ctx, r.Address, r.PasswordHash, p.PasswordHistory); err != nil {
			return err
		}
	}
	r.PasswordHash, r.PasswordSet, r.Activation, r.ConfirmedMobile = hash, tx.Now(), ActivationDone, ""
	return nil
}

// everOwned reports whether the holder of an account has had a password of their
// own: it is in force, or was until the help desk sent another.
func everOwned(ctx context.Context, tx StoreTx, r AccountRecord) (bool, error) {
	if r.Activation == ActivationDone {
		return true, nil
	}
	kept, err := tx.Passwords(ctx, r.Address)
	return len(kept) > 0, err
}

func readReminders(book *wardkey.Rulebook, t time.Time) ([]int, error) {
	words, err := book.Strings("mail.password.reminders", t)
	if err != nil {
		return nil, err
	}
	days := make([]int, len(words))
	for i, word := range words {
		if days[i], err = strconv.Atoi(word); err != nil || days[i] < 1 || i > 0 && days[i] >= days[i-1] {
			return nil, fmt.Errorf("mailpolicy: mail.password.reminders: %q is not fewer days than those before", word)
		}
	}
	return days, nil
}

// PasswordReminder says which reminder that its password expires is due to an
// account's holder: of the published days (PasswordReminders, each of 24 hours and
// inclusive) the last one that has come, 0 where none has or the password has
// expired. A portal shows it; who sends it does so once for each.
func (p *Policy) PasswordReminder(a Account) (days int) {
	left := a.PasswordExpires.Sub(p.At)
	if a.PasswordExpires.IsZero() || left <= 0 {
		return 0
	}
	for _, n := range p.PasswordReminders {
		if left <= time.Duration(n)*24*time.Hour {
			days = n
		}
	}
	return days
}

func notLetter(r rune) bool { return !unicode.IsLetter(r) }

// commonPasswords are what the first guesses are made of. It is a start, not a
// list of breached passwords.
var commonPasswords = []string{
	"password", "passw0rd", "12345678", "23456789", "87654321", "qwerty", "qwertyuiop", "letmein", "welcome", "nhsmail", "nhsnet", "iloveyou", "abcdefgh", "aaaaaa", "111111", "000000", "footbal", "liverpool", "arsenal", "carehome",
}
