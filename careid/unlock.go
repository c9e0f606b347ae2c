// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"cmp"
	"context"
	"crypto/ecdh"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"math/big"
	"slices"
	"time"
)

// Channel is a way to a person. Its text is what Sender gets.
type Channel string

// Codes and invitations leave by e-mail or by text.
const (
	ByEmail Channel = "email"
	ByText  Channel = "text"
)

// UnlockStart asks for a code to be sent to the contact on the card's profile.
type UnlockStart struct {
	Handle  string // from OpenUnlock
	Card    string
	Channel Channel
}

// UnlockStarted names the request that a code belongs to. It is filled in beside a Refusal too, with a Request that
// opens nothing, so that a page for strangers has one answer for all.
type UnlockStarted struct {
	Request string
}

// UnlockCode redeems a code. AgentKey is the agent's ephemeral X25519 public key, 32 bytes.
type UnlockCode struct {
	Request  string
	Card     string
	Code     []byte
	AgentKey []byte
}

// Reset is an opened reset act: the agent's token for it, and the security officer PINs to try, at most two.
type Reset struct {
	Token      string
	Candidates []SealedSOPIN
}

// OpenUnlock gives an anonymous page a handle for one unlock. cookie is the value that the asking browser holds.
// The unlock's fifteen minutes run from here.
func (s *Service) OpenUnlock(ctx context.Context, cookie []byte) (string, error) {
	handle := newSecret()
	bind := sha256.Sum256(cookie)
	err := s.store.Write(ctx, func(ctx context.Context, tx *Tx) error {
		return tx.Acts.AddHandle(ctx, Handle{Hash: digest(handle), Bind: bind[:], At: tx.Now})
	})
	return handle, err
}

// Cost of an unlock code's hash: all 10^8 codes take a graphics card of 2·10^10 hashes a second longer than a code
// lives.
const (
	codeRounds   = 100_000
	codeHashSize = 32
	codeSaltSize = 16
)

// triesWindow is the day in which unlock.card.tries are counted.
const triesWindow = 24 * time.Hour

// hashCode is PBKDF2-HMAC-SHA-256. RFC 8018 §5.2. No more of them run at once than there are processors: strangers may
// ask for it, and what others do in the meantime, with the database's lock perhaps, must not wait for all of them.
func (s *Service) hashCode(ctx context.Context, code, salt []byte) ([]byte, error) {
	select {
	case s.hashing <- struct{}{}:
		defer func() { <-s.hashing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return pbkdf2.Key(sha256.New, string(code), salt, codeRounds, codeHashSize)
}

// newCode draws a code of that many digits.
func newCode(digits int) ([]byte, error) {
	code := make([]byte, digits)
	for i := range code {
		n, err := rand.Int(rand.Reader, big.NewInt(10))
		if err != nil {
			return nil, err
		}
		code[i] = byte('0' + n.Int64())
	}
	return code, nil
}

// StartUnlock sends a code to the contact of a card's holder, on the channel chosen, and makes older codes of the card
// useless. The code lives ten minutes of the calendar from here, and not beyond fifteen from OpenUnlock. The card's
// word that it is locked is not asked for: a code is worth nothing without the card in the reader.
//
// Refusals, to be hidden from strangers: unlock.handle, unlock.card, card.… (card.outside), profile.closed, cert.expired (before
// anything about the lock), contact.none, unlock.exhausted, unlock.limit with RetryAt. The UnlockStarted is filled in
// beside them.
func (s *Service) StartUnlock(ctx context.Context, u UnlockStart) (*UnlockStarted, error) {
	started := &UnlockStarted{Request: newID()}
	policy, err := s.policy(s.now())
	if err != nil {
		return started, err
	}
	code, err := newCode(policy.CodeDigits)
	if err != nil {
		return started, err
	}
	defer clear(code)
	c := Code{Request: started.Request, Card: u.Card, Salt: make([]byte, codeSaltSize), State: CodeOpen}
	_, _ = rand.Read(c.Salt)
	if c.Hash, err = s.hashCode(ctx, code, c.Salt); err != nil { // for every caller, so that no time tells who exists
		return started, err
	}
	return started, s.change(ctx, "anonymous", "start unlock", u.Card, func(ctx context.Context, tx *Tx, rec *record) error {
		rec.keep = true // nothing is written before a refusal, which is audited in the same commit: no time tells
		opened, err := s.unlockHandle(ctx, tx, policy, u.Handle)
		if err != nil {
			return err
		}
		card, holder, err := s.unlockable(ctx, tx, u.Card)
		if err != nil {
			return err
		}
		over, err := exhausted(ctx, tx, policy, card)
		if err != nil {
			return err
		}
		if over {
			return s.no("unlock.exhausted")
		}
		to := map[Channel]string{ByEmail: holder.Email, ByText: holder.Mobile}[u.Channel]
		if to == "" || !slices.Contains(policy.Channels, string(u.Channel)) {
			what := map[Channel]string{ByEmail: "e-mail address", ByText: "mobile number"}[u.Channel]
			return s.no("contact.none", "what", cmp.Or(what, "address of that kind"))
		}
		if err := s.resendLimit(ctx, tx, policy, holder.ID); err != nil {
			return err
		}
		c.Profile, c.Handle, c.SentAt = holder.ID, opened.Hash, tx.Now
		c.ExpiresAt = tx.Now.Add(policy.CodeFromSent)
		if end := opened.At.Add(policy.CodeFromStart); end.Before(c.ExpiresAt) {
			c.ExpiresAt = end
		}
		rec.Detail = "code by " + string(u.Channel)
		rec.tell(u.Channel, to, "Your smartcard security code", "Your security code is "+string(code)+". It can be used once, until "+ukTime(c.ExpiresAt, "15:04")+". Never tell it to anybody.")
		return tx.Unlocks.AddCode(ctx, c)
	})
}

// unlockHandle reads the handle of an unlock page that is not too old.
func (s *Service) unlockHandle(ctx context.Context, tx *Tx, p Policy, handle string) (Handle, error) {
	h, err := tx.Acts.Handle(ctx, digest(handle))
	if errors.Is(err, ErrNotFound) || err == nil && (h.Act != "" || !tx.Now.Before(h.At.Add(p.CodeFromStart))) {
		return Handle{}, s.no("unlock.handle")
	}
	return h, err
}

// unlockable reads a card that a code may open, and its holder. That it has expired is told first.
func (s *Service) unlockable(ctx context.Context, tx *Tx, serial string) (Card, Profile, error) {
	card, holder, err := s.openable(ctx, tx, serial)
	if err == nil {
		err = s.officer(ctx, tx, card)
	}
	if err == nil && holder.Email == "" && holder.Mobile == "" {
		return Card{}, Profile{}, s.no("contact.none", "what", "e-mail address or mobile number")
	}
	return card, holder, err
}

// openable reads a card that may be opened when it is locked, and its holder.
func (s *Service) openable(ctx context.Context, tx *Tx, serial string) (Card, Profile, error) {
	card, err := tx.Cards.Card(ctx, serial)
	if errors.Is(err, ErrNotFound) {
		return Card{}, Profile{}, s.no("unlock.card")
	}
	if err != nil {
		return Card{}, Profile{}, err
	}
	holder, err := tx.People.Profile(ctx, card.Profile)
	if err != nil {
		return Card{}, Profile{}, err
	}
	switch {
	case card.State != CardActive && card.State != CardLocked:
		return Card{}, Profile{}, s.cardState(card)
	case holder.State != ProfileOpen:
		return Card{}, Profile{}, s.no("profile.closed")
	case tx.Now.After(card.NotAfter):
		return Card{}, Profile{}, s.ofIssuer(s.no("cert.expired"), card)
	}
	return card, holder, nil
}

// exhausted says whether so many codes were tried on a card in a row that no code opens it any more. A row ends with the
// issue of the card, a good code, or an unlock at a desk, where somebody saw the holder: NIST SP 800-63B §3.2.2 counts
// consecutive failures and has a success end them.
func exhausted(ctx context.Context, tx *Tx, p Policy, c Card) (bool, error) {
	since := c.IssuedAt
	if c.UnlockedAt.After(since) {
		since = c.UnlockedAt
	}
	n, err := tx.Unlocks.CardTries(ctx, c.Serial, c.Profile, since)
	return n >= p.CardCap, err
}

// resendLimit holds back a flood of codes to one person. It runs on the calendar, as the codes do.
func (s *Service) resendLimit(ctx context.Context, tx *Tx, p Policy, profile string) error {
	sent, err := tx.Unlocks.LastSent(ctx, profile, tx.Now.Add(-time.Hour))
	if err != nil {
		return err
	}
	var retry time.Time
	if len(sent) > 0 {
		retry = sent[0].Add(p.ResendGap)
	}
	if len(sent) >= p.ResendHour {
		retry = sent[p.ResendHour-1].Add(time.Hour)
	}
	if tx.Now.Before(retry) {
		return s.no("unlock.limit", "retry", ukTime(retry, "15:04:05")).RetryAfter(retry)
	}
	return nil
}

// RedeemUnlock spends a code and opens the reset act of its card. The try is counted, durably and in one statement,
// before the code is looked at. Whatever is wrong, the refusal is unlock.code; only the audit says which. From here
// until the reset is confirmed the card is held as locked. Another refusal: agent.key.
func (s *Service) RedeemUnlock(ctx context.Context, u UnlockCode) (*Reset, error) {
	if _, err := ecdh.X25519().NewPublicKey(u.AgentKey); err != nil {
		return nil, s.no("agent.key").Because(err)
	}
	code, why, err := s.countTry(ctx, u)
	if err != nil {
		return nil, err
	}
	hash, err := s.hashCode(ctx, u.Code, code.Salt)
	if err != nil {
		return nil, err
	}
	if why == "" && subtle.ConstantTimeCompare(hash, code.Hash) != 1 {
		why = "wrong"
	}
	if why != "" {
		no := s.no("unlock.code").Because(why)
		s.refuse(ctx, "anonymous", "redeem code", u.Card, no)
		return nil, no
	}
	return s.openReset(ctx, u, code.Profile)
}

// countTry counts a try of the code and of the card. When it could not, it says why, and returns a code that only
// costs as much time.
func (s *Service) countTry(ctx context.Context, u UnlockCode) (Code, reason, error) {
	var code Code
	var why reason
	err := s.store.Write(ctx, func(ctx context.Context, tx *Tx) error {
		code, why = Code{Salt: make([]byte, codeSaltSize)}, ""
		policy, err := s.policy(tx.Now)
		if err != nil {
			return err
		}
		found, err := tx.Unlocks.Code(ctx, u.Request)
		switch {
		case errors.Is(err, ErrNotFound):
			why = "no such request"
			// A row that is over at once: a commit that writes nothing is quicker, and would tell.
			return tx.Proofs.AddNonce(ctx, newNonce(), SignIn, tx.Wall)
		case err != nil:
			return err
		case found.Card != u.Card:
			why = "another card"
			return nil
		}
		card, err := tx.Cards.Card(ctx, u.Card)
		if err != nil {
			return err
		}
		if over, err := exhausted(ctx, tx, policy, card); err != nil || over {
			why = "too many tries since the last unlock"
			return err
		}
		// The code first: tries of a dead one must not use up the card's, which its holder needs.
		counted, err := tx.Unlocks.CountTry(ctx, u.Request, u.Card, policy.CodeTries, tx.Now)
		if err != nil {
			return err
		}
		if !counted {
			why = unusable(found, tx.Now)
			return nil
		}
		counted, err = tx.Unlocks.CountCardTry(ctx, u.Card, policy.CardTries, tx.Now.Add(-triesWindow), tx.Now)
		if err != nil {
			return err
		}
		if !counted {
			why = "too many tries of the card"
			return nil
		}
		code = found
		return nil
	})
	return code, why, err
}

// unusable says for the audit why no try of a code was counted.
func unusable(c Code, now time.Time) reason {
	switch {
	case c.State != CodeOpen:
		return reason("code " + string(c.State))
	case !now.Before(c.ExpiresAt):
		return "late"
	}
	return "too many tries of the code"
}
