// SPDX-License-Identifier: Apache-2.0

package card

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"errors"
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
// its hash's. After a removal that was noticed under way, the call is repeated
// once. (PKCS#11 v2.40 §2.1.8, §2.1.10, §2.3.6)
func (k *Key) SignContext(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	mechanism, data, err := k.prepare(digest, opts)
	if err != nil {
		return nil, err
	}
	signature, err := k.sign(ctx, mechanism, data)
	if errors.Is(err, ErrNotLoggedIn) {
		if refused := k.card.ask(ctx, "sign"); refused != nil {
			return nil, refused
		}
		signature, err = k.sign(ctx, mechanism, data)
	}
	if err != nil {
		return nil, err
	}
	if mechanism.Type == cryptoki.MechECDSA {
		return ecdsaDER(signature)
	}
	return signature, nil
}

// sign asks the card, once more when its session turns out to be gone: then the
// login is gone too, and the second round says so.
func (k *Key) sign(ctx context.Context, m cryptoki.Mechanism, data []byte) ([]byte, error) {
	if err := k.card.acquire(ctx); err != nil {
		return nil, err
	}
	t := k.card.token
	defer t.release()
	for again := false; ; again = true {
		if err := k.ready(); err != nil {
			if (gone(err) || stale(err)) && !again {
				continue
			}
			return nil, explain("sign", err)
		}
		signature, err := t.lib.lib.Sign(t.session, m, k.private, data)
		if err == nil {
			return signature, nil
		}
		if _ = t.settle(err); again || !gone(err) && !stale(err) {
			return nil, explain("sign", err)
		}
	}
}

// ready finds the private key, if it isn't known in this session, after making
// sure that the card still holds the public key that this Key stands for.
func (k *Key) ready() error {
	t := k.card.token
	if err := t.ensure(); err != nil {
		return err
	}
	if t.holder != k.card {
		return ErrNotLoggedIn
	}
	if k.epoch == t.epoch {
		return nil
	}
	all, err := publicKeys(t.lib.lib, t.session)
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
	k.private, k.epoch = private, t.epoch
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

// prepare chooses the raw mechanism, which every card has, and does outside the
// card what the hashing ones would do in it.
func (k *Key) prepare(digest []byte, opts crypto.SignerOpts) (cryptoki.Mechanism, []byte, error) {
	var none cryptoki.Mechanism
	if opts == nil {
		return none, nil, ErrDigest
	}
	hash := opts.HashFunc()
	if hash != 0 && len(digest) != hash.Size() || len(digest) == 0 {
		return none, nil, ErrDigest
	}
	switch public := k.public.(type) {
	case *ecdsa.PublicKey:
		// The leftmost bits count (FIPS 186-5 §6.4.1); not every card cuts itself.
		if order := (public.Curve.Params().N.BitLen() + 7) / 8; len(digest) > order {
			digest = digest[:order]
		}
		return cryptoki.Mechanism{Type: cryptoki.MechECDSA}, digest, nil
	case *rsa.PublicKey:
		if pss, ok := opts.(*rsa.PSSOptions); ok {
			return preparePSS(public, hash, pss.SaltLength, digest)
		}
		prefix, ok := digestInfo[hash]
		if !ok {
			return none, nil, ErrUnsupported
		}
		return cryptoki.Mechanism{Type: cryptoki.MechRSAPKCS}, append([]byte(prefix), digest...), nil
	}
	return none, nil, ErrUnsupported
}

// digestInfo is the DER before the digest in PKCS #1 v1.5 (RFC 8017 §9.2).
var digestInfo = map[crypto.Hash]string{
	crypto.SHA256: "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
	crypto.SHA384: "\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
	crypto.SHA512: "\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
}

// pssHashes are the hash and MGF1 of PSS, always of the same hash.
var pssHashes = map[crypto.Hash]cryptoki.PSS{
	crypto.SHA256: {Hash: cryptoki.MechSHA256, MGF: cryptoki.MGF1SHA256},
	crypto.SHA384: {Hash: cryptoki.MechSHA384, MGF: cryptoki.MGF1SHA384},
	crypto.SHA512: {Hash: cryptoki.MechSHA512, MGF: cryptoki.MGF1SHA512},
}

func preparePSS(public *rsa.PublicKey, hash crypto.Hash, salt int, digest []byte) (cryptoki.Mechanism, []byte, error) {
	params, ok := pssHashes[hash]
	room := (public.N.BitLen()-1+7)/8 - 2 - hash.Size() // RFC 8017 §9.1.1
	switch salt {
	case rsa.PSSSaltLengthAuto:
		salt = room
	case rsa.PSSSaltLengthEqualsHash:
		salt = hash.Size()
	}
	if !ok || salt < 0 || salt > room {
		return cryptoki.Mechanism{}, nil, ErrUnsupported
	}
	params.SaltLength = uint(salt)
	return cryptoki.Mechanism{Type: cryptoki.MechRSAPSS, PSS: &params}, digest, nil
}
