// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"math/big"
	"strconv"
	"strings"
)

// What is counted for each address, whether it has an account or not.
func answersOf(address string) string { return "answers " + address }
func codesOf(address string) string   { return "codes " + address }
func callsOf(address string) string   { return "calls " + address }

// tryLeft refuses where as many tries as the policy allows were made within its
// time, by the machine's clock.
func (p *Policy) tryLeft(ctx context.Context, tx StoreTx, what string) error {
	t, err := tx.Tries(ctx, what)
	if err == nil && t.Count >= p.RecoveryTries && tx.Wall().Before(t.Until) {
		return Rules().Refuse("mail.recovery.blocked").RetryAfter(t.Until)
	}
	return err
}

// countTries counts a try before it is checked. Each begins the time anew.
func (p *Policy) countTries(ctx context.Context, tx StoreTx, what string) error {
	if err := p.tryLeft(ctx, tx, what); err != nil {
		return err
	}
	t, err := tx.Tries(ctx, what)
	if err != nil {
		return err
	}
	if !tx.Wall().Before(t.Until) {
		t.Count = 0
	}
	t.Count, t.Until = t.Count+1, tx.Wall().Add(p.RecoveryBlock)
	return tx.PutTries(ctx, t)
}

// newToken draws 256 bits.
func newToken() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails: crypto/rand
	return base64.RawURLEncoding.EncodeToString(b)
}

// newCode draws so many digits.
func newCode(digits int) string {
	n, _ := rand.Int(rand.Reader, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)) // never fails: crypto/rand
	text := n.String()
	return strings.Repeat("0", digits-len(text)) + text
}

// draw chooses k of the numbers below n, each as likely, in rising order.
func draw(n, k int) []int {
	var chosen []int
	for i := range n {
		left, wanted := int64(n-i), int64(k-len(chosen))
		if r, _ := rand.Int(rand.Reader, big.NewInt(left)); r.Int64() < wanted { // never fails: crypto/rand
			chosen = append(chosen, i)
		}
	}
	return chosen
}

func joinInts(numbers []int) string {
	words := make([]string, len(numbers))
	for i, n := range numbers {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, ",")
}

// splitInts reads what joinInts wrote.
func splitInts(text string) []int {
	var numbers []int
	for word := range strings.SplitSeq(text, ",") {
		if n, err := strconv.Atoi(word); err == nil && n >= 0 {
			numbers = append(numbers, n)
		}
	}
	return numbers
}
