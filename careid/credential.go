// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// What the code of an authenticator's own protocol needs (WebAuthn, the federation of mail accounts): to find what is
// registered before anybody is signed in, and challenges that any server takes once. None of it is for answering
// strangers.

// Credential finds the active authenticator that a protocol knows by a credential, with its Key and the counter of its
// last use. A Use of it counts the counter on, in one statement: SignInWith. Refusal: authenticator.none.
func (s *Service) Credential(ctx context.Context, credential []byte) (*Authenticator, error) {
	var one Authenticator
	err := s.read(ctx, func(ctx context.Context, tx *Tx) (err error) {
		one, err = s.byCredential(ctx, tx, credential)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &one, nil
}

func (s *Service) byCredential(ctx context.Context, tx *Tx, credential []byte) (Authenticator, error) {
	one, err := tx.Authenticators.AuthenticatorBy(ctx, credential)
	if errors.Is(err, ErrNotFound) || err == nil && one.State != AuthenticatorActive {
		return Authenticator{}, s.no("authenticator.none")
	}
	return one, err
}

// CredentialsOf lists a person's active authenticators, oldest first: those that a registration excludes, and that a
// further proof of a session may come from. A person who is not there has none.
func (s *Service) CredentialsOf(ctx context.Context, profile string) ([]Authenticator, error) {
	var active []Authenticator
	err := s.read(ctx, func(ctx context.Context, tx *Tx) (err error) {
		active, err = activeOf(ctx, tx, profile)
		return err
	})
	return active, err
}

func activeOf(ctx context.Context, tx *Tx, profile string) ([]Authenticator, error) {
	owned, err := tx.Authenticators.AuthenticatorsOf(ctx, profile)
	var active []Authenticator
	for _, one := range owned {
		if one.State == AuthenticatorActive {
			active = append(active, one)
		}
	}
	return active, err
}

// AuthenticatorsBeside finds the person by a credential that the caller's protocol has just verified, and lists their
// active authenticators: the one of that credential, and what may accompany it, such as an authenticator app.
// Refusal: authenticator.none.
func (s *Service) AuthenticatorsBeside(ctx context.Context, credential []byte) ([]Authenticator, error) {
	var active []Authenticator
	err := s.read(ctx, func(ctx context.Context, tx *Tx) error {
		one, err := s.byCredential(ctx, tx, credential)
		if err != nil {
			return err
		}
		active, err = activeOf(ctx, tx, one.Profile)
		return err
	})
	return active, err
}

// maxUserHandle is WebAuthn Level 2 §5.4.3.
const maxUserHandle = 64

// UserHandle is what a protocol calls a person by instead of their user id, on each of their authenticators alike. The
// first that is proposed for them is kept for good, and every call on any server returns that one. It should be random,
// since authenticators tell it before anybody is signed in, and has 1 to 64 bytes (WebAuthn Level 2 §14.6.1, §5.4.3). The
// person must have a profile.
func (s *Service) UserHandle(ctx context.Context, profile string, proposed []byte) ([]byte, error) {
	if len(proposed) == 0 || len(proposed) > maxUserHandle {
		return nil, fmt.Errorf("careid: a user handle of %d bytes is not 1 to %d", len(proposed), maxUserHandle)
	}
	var kept []byte
	err := s.store.Write(ctx, func(ctx context.Context, tx *Tx) (err error) {
		kept, err = tx.Authenticators.KeepUserHandle(ctx, profile, proposed)
		return err
	})
	return kept, err
}

// NewChallenge gives 256 random bits, base64url without padding, for one ceremony of a protocol that has challenges.
// use names what it is for, as the caller calls it ("register", "signin"); cookie is the value that the asking browser
// holds. It is good for as long as the rule challenge.life says, by Wall, on any server.
func (s *Service) NewChallenge(ctx context.Context, use string, cookie []byte) (string, error) {
	challenge := newSecret()
	err := s.store.Write(ctx, func(ctx context.Context, tx *Tx) error {
		policy, err := s.policy(tx.Now)
		if err != nil {
			return err
		}
		return tx.Proofs.AddNonce(ctx, challenge, challengeFor(use, cookie), tx.Wall.Add(policy.ChallengeLife))
	})
	if err != nil {
		return "", err
	}
	return challenge, nil
}

// TakeChallenge uses a challenge up: of any number of calls on any number of servers one succeeds, and only for the use
// and the cookie that it was made for. Take it before the answer is verified, so that a wrong answer can't be improved.
// Refusal: challenge.none.
func (s *Service) TakeChallenge(ctx context.Context, use string, cookie []byte, challenge string) error {
	return s.store.Write(ctx, func(ctx context.Context, tx *Tx) error {
		taken, err := tx.Proofs.TakeNonce(ctx, challenge, challengeFor(use, cookie), tx.Wall)
		if err == nil && !taken {
			return s.no("challenge.none")
		}
		return err
	})
}

// challengeFor is what a challenge is kept under. It is never the purpose of a card's proof.
func challengeFor(use string, cookie []byte) Purpose {
	sum := sha256.Sum256(cookie)
	return Purpose("challenge " + use + " " + hex.EncodeToString(sum[:]))
}
