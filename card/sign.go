// SPDX-License-Identifier: Apache-2.0

package card

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"

	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// Sign is SignContext without a context; the reader is not used, the card has
// its own random numbers. It makes Key a crypto.Signer.
func (k *Key) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return k.SignContext(context.Background(), digest, opts)
}

// SignContext signs a digest on the card: ECDSA as DER, RSA by PKCS #1 v1.5, or
// by PSS when opts is *rsa.PSSOptions. RSA takes SHA-256, SHA-384 and SHA-512.
//
// ErrNotLoggedIn: the Card isn't logged in, or no longer since it was pulled
// (with a Prompter, it is asked for first). ErrRemoved: the card is in no reader.
// ErrNotFound: it no longer has this key. ErrDigest: the digest's length isn't
// its hash's, or nobody knows the hash. ErrUnsupported: the card has no mechanism
// for it. ErrMismatch: what came from a reader isn't a signature by this key, and
// the Card is logged out. After a removal that was noticed under way, the call is repeated once.
//
// A key that wants the PIN for each signature (CKA_ALWAYS_AUTHENTICATE) asks the
// Prompter each time; without one the answer is ErrNotLoggedIn. A wrong PIN is
// answered, and counts, as in Login. (PKCS#11 v2.40 §2.1.6, §2.1.10, §2.3.6; §4.9
// for CKA_ALWAYS_AUTHENTICATE)
func (k *Key) SignContext(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	in, err := prepare(k.public, digest, opts)
	if err != nil {
		return nil, err
	}
	return k.signature(ctx, &in)
}

// SignMessage is SignMessageContext without a context. It makes Key a
// crypto.MessageSigner.
func (k *Key) SignMessage(_ io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	return k.SignMessageContext(context.Background(), message, opts)
}

// SignMessageContext signs a message: what SignContext makes of its digest, also
// on cards whose only mechanisms hash by themselves. The digest is made here
// where the card lets one. Errors as for SignContext; ErrUnsupported also for a
// hash that isn't linked into this program.
func (k *Key) SignMessageContext(ctx context.Context, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts == nil || opts.HashFunc() == 0 {
		return k.SignContext(ctx, message, opts)
	}
	hash := opts.HashFunc()
	if !hash.Available() {
		return nil, ErrUnsupported
	}
	h := hash.New()
	h.Write(message)
	in, err := prepare(k.public, h.Sum(nil), opts)
	if err != nil {
		return nil, err
	}
	in.message, in.whole = message, true
	return k.signature(ctx, &in)
}

// consent is a PIN for one signature.
type consent struct {
	pin  []byte
	sent bool
}

// errConsent says that the key wants the PIN for this signature.
var errConsent = errors.New("card: the key wants the PIN for each signature")

// errOtherKey says that the card's signature isn't by the key that was asked for.
// A card can be swapped for another faster than its reader notices; a session
// that outlived that is not used again.
var errOtherKey = fmt.Errorf("%w: the signature isn't by this key", ErrMismatch)

// signature asks for the logins that the card wants, each once.
func (k *Key) signature(ctx context.Context, in *input) ([]byte, error) {
	var given *consent
	for asked := false; ; {
		signature, err := k.sign(ctx, in, given)
		switch {
		case err == errConsent && given == nil:
			pin, refused := k.card.askOnce(ctx, "sign")
			if refused != nil {
				return nil, refused
			}
			defer clear(pin)
			given = &consent{pin: pin}
		case errors.Is(err, ErrNotLoggedIn) && !asked && (given == nil || !given.sent):
			if refused := k.card.ask(ctx, "sign"); refused != nil {
				return nil, refused
			}
			asked = true
		default:
			return signature, err
		}
	}
}

// sign asks the card, once more when its session turns out to be gone: then the
// login is gone too, and the second round says so.
func (k *Key) sign(ctx context.Context, in *input, given *consent) ([]byte, error) {
	if err := k.card.acquire(ctx); err != nil {
		return nil, err
	}
	t := k.card.token
	defer t.release()
	for again := false; ; again = true {
		if err := k.ready(ctx); err != nil {
			if (gone(err) || stale(err)) && !again {
				continue
			}
			return nil, explain("sign", err)
		}
		if k.always {
			if err := k.mayConsent(given); err != nil {
				return nil, err
			}
		}
		signature, err := k.try(in, given)
		if err == nil {
			return signature, nil
		}
		err = t.settle(err)
		if err == errOtherKey {
			t.lost()
		}
		if given != nil && given.sent {
			return nil, t.refused("sign", RoleUser, t.slot, err)
		}
		if again || !gone(err) && !stale(err) {
			return nil, explain("sign", err)
		}
	}
}

// mayConsent is all that can be known before the PIN of one signature is sent.
func (k *Key) mayConsent(given *consent) error {
	if given == nil {
		return errConsent
	}
	t := k.card.token
	raw, err := t.lib.lib.TokenInfo(t.slot)
	if err != nil {
		return explain("sign", t.settle(err))
	}
	if !t.self.matches(tokenInfo(raw)) { // no PIN for the card in its place
		t.lost()
		return ErrRemoved
	}
	return mayTry(tokenInfo(raw), given.pin, LoginOptions{})
}

// try makes the signature by the first way that the card has. One that it hasn't
// is refused by C_SignInit, which leaves the session as it was.
func (k *Key) try(in *input, given *consent) ([]byte, error) {
	lib, s := k.card.token.lib.lib, k.card.token.session
	var unfit error = ErrUnsupported
	for w := k.ways[in.scheme]; w < ways; w++ {
		mechanism, data, ok := in.by(w)
		if !ok {
			continue
		}
		if err := lib.SignInit(s, mechanism, k.private); err != nil {
			if !unsuited(err) {
				return nil, err
			}
			unfit = err
			continue
		}
		if k.always {
			// Nothing may stand between these: some cards forget it.
			given.sent = true
			if err := lib.Login(s, cryptoki.UserContextSpecific, given.pin); err != nil {
				return nil, err
			}
		}
		signature, err := lib.Sign(s, data)
		if err != nil {
			return nil, err
		}
		if signature, err = in.finish(signature); err != nil {
			return nil, err
		}
		if k.card.token.removable && !in.verifies(signature) {
			return nil, errOtherKey
		}
		k.ways[in.scheme] = w
		return signature, nil
	}
	return nil, unfit
}

// ready finds the private key, if it isn't known in this session, after making
// sure that the card still holds the public key that this Key stands for.
func (k *Key) ready(ctx context.Context) error {
	t := k.card.token
	if err := t.ensure(ctx); err != nil {
		return err
	}
	if t.holder != k.card {
		if _, err := t.look(ctx); err != nil { // a card that is out is told first
			return err
		}
		return ErrNotLoggedIn
	}
	if k.epoch == t.epoch {
		return nil
	}
	all, err := publicKeys(ctx, t.lib.lib, t.session)
	if err != nil {
		return t.settle(err)
	}
	if !k.among(all) {
		return ErrNotFound
	}
	private, err := privateKey(t.lib.lib, t.session, k.id)
	if err == ErrNotFound && !t.userIn() {
		// Private keys show only to who is logged in.
		t.drop()
		return ErrNotLoggedIn
	}
	if err != nil {
		return t.settle(err)
	}
	always, err := alwaysAuthenticate(t.lib.lib, t.session, private)
	if err != nil {
		return t.settle(err)
	}
	k.private, k.always, k.epoch = private, always, t.epoch
	return nil
}

func (k *Key) among(all []found) bool {
	for _, f := range all {
		if string(f.id) == string(k.id) && publicEqual(f.public, k.public) {
			return true
		}
	}
	return false
}
