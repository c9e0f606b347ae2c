// SPDX-License-Identifier: Apache-2.0

package card

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"

	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
)

// The ways to one and the same signature, in the order in which they are tried:
// by the mechanism that takes a digest; by one that hashes the message itself;
// and, for RSA, by the bare operation on what is padded here.
const (
	byDigest = iota
	byMessage
	byNumber
	ways
)

// The schemes, of which a card may have one and not another.
const (
	plain = iota // ECDSA, and PKCS #1 v1.5
	pss
	schemes
)

// input is what is to be signed, and how.
type input struct {
	public  crypto.PublicKey
	hash    crypto.Hash
	digest  []byte
	message []byte // if whole
	whole   bool
	scheme  int
	salt    int // bytes, for pss
}

// mechanisms are those of one hash, with the DER before the digest in PKCS #1
// v1.5 (RFC 8017 §9.2).
type mechanisms struct {
	digestInfo          string
	rsa, rsaPSS, ecdsa  uint
	pssDigest, pssMask1 uint
}

var byHash = map[crypto.Hash]mechanisms{
	crypto.SHA256: {
		"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
		cryptoki.MechSHA256RSAPKCS, cryptoki.MechSHA256RSAPSS, cryptoki.MechECDSASHA256, cryptoki.MechSHA256, cryptoki.MGF1SHA256,
	},
	crypto.SHA384: {
		"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
		cryptoki.MechSHA384RSAPKCS, cryptoki.MechSHA384RSAPSS, cryptoki.MechECDSASHA384, cryptoki.MechSHA384, cryptoki.MGF1SHA384,
	},
	crypto.SHA512: {
		"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
		cryptoki.MechSHA512RSAPKCS, cryptoki.MechSHA512RSAPSS, cryptoki.MechECDSASHA512, cryptoki.MechSHA512, cryptoki.MGF1SHA512,
	},
}

// prepare checks what can be checked without the card.
func prepare(public crypto.PublicKey, digest []byte, opts crypto.SignerOpts) (input, error) {
	if opts == nil {
		return input{}, ErrDigest
	}
	in := input{public: public, hash: opts.HashFunc(), digest: digest}
	if in.hash > crypto.BLAKE2b_512 || in.hash != 0 && len(digest) != in.hash.Size() || len(digest) == 0 {
		return input{}, ErrDigest
	}
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		// The leftmost bits count (FIPS 186-5 §6.4.1); not every card cuts itself.
		in.digest = digest[:min(len(digest), orderSize(public))]
		return in, nil
	case *rsa.PublicKey:
		if _, known := byHash[in.hash]; !known {
			return input{}, ErrUnsupported
		}
		if o, ok := opts.(*rsa.PSSOptions); ok {
			return in.withSalt(public, o.SaltLength)
		}
		return in, nil
	}
	return input{}, ErrUnsupported
}

// withSalt is for PSS. The salt fits into what the key leaves (RFC 8017 §9.1.1).
func (in input) withSalt(public *rsa.PublicKey, length int) (input, error) {
	room := (public.N.BitLen()-1+7)/8 - 2 - in.hash.Size()
	switch length {
	case rsa.PSSSaltLengthAuto:
		length = room
	case rsa.PSSSaltLengthEqualsHash:
		length = in.hash.Size()
	}
	if length < 0 || length > room {
		return input{}, ErrUnsupported
	}
	in.scheme, in.salt = pss, length
	return in, nil
}

// by is the mechanism of a way and what it is given; not ok if there is none.
func (in *input) by(way int) (m cryptoki.Mechanism, data []byte, ok bool) {
	of := byHash[in.hash]
	rsaKey, isRSA := in.public.(*rsa.PublicKey)
	if in.scheme == pss {
		m.PSS = &cryptoki.PSS{Hash: of.pssDigest, MGF: of.pssMask1, SaltLength: uint(in.salt)}
	}
	switch {
	case way == byDigest && !isRSA:
		m.Type, data = cryptoki.MechECDSA, in.digest
	case way == byDigest && in.scheme == pss:
		m.Type, data = cryptoki.MechRSAPSS, in.digest
	case way == byDigest:
		m.Type, data = cryptoki.MechRSAPKCS, append([]byte(of.digestInfo), in.digest...)
	case way == byMessage && in.whole && !isRSA:
		m.Type, data = of.ecdsa, in.message
	case way == byMessage && in.whole && in.scheme == pss:
		m.Type, data = of.rsaPSS, in.message
	case way == byMessage && in.whole:
		m.Type, data = of.rsa, in.message
	case way == byNumber && isRSA && in.scheme == pss:
		if !in.hash.Available() {
			return m, nil, false
		}
		m.Type, m.PSS, data = cryptoki.MechRSAX509, nil, encodePSS(rsaKey.N.BitLen(), in.hash, in.digest, in.salt)
	case way == byNumber && isRSA:
		m.Type, data = cryptoki.MechRSAX509, encodePKCS1(rsaKey.Size(), of.digestInfo, in.digest)
	}
	return m, data, m.Type != 0
}

// finish is the signature in the form that Go wants: of RSA, as long as the
// modulus, whose zeros in front some cards leave out (RFC 8017 §8.2.1).
func (in *input) finish(signature []byte) ([]byte, error) {
	switch public := in.public.(type) {
	case *ecdsa.PublicKey:
		return signatureDER(public, in.digest, signature)
	case *rsa.PublicKey:
		if missing := public.Size() - len(signature); missing > 0 {
			signature = append(make([]byte, missing), signature...)
		}
	}
	return signature, nil
}

// verifies says whether the signature is by the key that was asked for; true
// where a hash that isn't linked into this program keeps it from being known.
func (in *input) verifies(signature []byte) bool {
	switch public := in.public.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(public, in.digest, signature)
	case *rsa.PublicKey:
		if in.scheme == plain {
			return rsa.VerifyPKCS1v15(public, in.hash, in.digest, signature) == nil
		}
		options := &rsa.PSSOptions{SaltLength: in.salt, Hash: in.hash}
		return !in.hash.Available() || rsa.VerifyPSS(public, in.hash, in.digest, signature, options) == nil
	}
	return false
}

// unsuited says that the card has no such mechanism for this key.
func unsuited(err error) bool {
	switch code(err) {
	case cryptoki.MechanismInvalid, cryptoki.MechanismParamInvalid, cryptoki.KeyFunctionNotPermitted, cryptoki.KeyTypeInconsistent:
		return true
	}
	return false
}

// encodePKCS1 is EMSA-PKCS1-v1_5 (RFC 8017 §9.2).
func encodePKCS1(size int, digestInfo string, digest []byte) []byte {
	block := bytes.Repeat([]byte{0xff}, size)
	block[0], block[1] = 0, 1
	start := size - len(digestInfo) - len(digest)
	block[start-1] = 0
	copy(block[start:], digestInfo)
	copy(block[start+len(digestInfo):], digest)
	return block
}

// encodePSS is EMSA-PSS with MGF1 (RFC 8017 §9.1.1, §B.2.1), as long as the
// modulus. The lengths were checked by withSalt.
func encodePSS(modulusBits int, hash crypto.Hash, digest []byte, saltLength int) []byte {
	salt := make([]byte, saltLength)
	_, _ = rand.Read(salt) // never fails
	h := hash.New()
	h.Write(make([]byte, 8))
	h.Write(digest)
	h.Write(salt)
	sum := h.Sum(nil)

	length := (modulusBits - 1 + 7) / 8
	block := make([]byte, length)
	masked := block[:length-len(sum)-1]
	masked[len(masked)-saltLength-1] = 1
	copy(masked[len(masked)-saltLength:], salt)
	for counter, done := byte(0), 0; done < len(masked); counter++ {
		h.Reset()
		h.Write(sum)
		h.Write([]byte{0, 0, 0, counter}) // 255 blocks are enough for any modulus here
		for _, b := range h.Sum(nil) {
			if done < len(masked) {
				masked[done] ^= b
				done++
			}
		}
	}
	masked[0] &= 0xff >> (8*length - (modulusBits - 1))
	copy(block[len(masked):], sum)
	block[length-1] = 0xbc
	return append(make([]byte, (modulusBits+7)/8-length), block...)
}
