// SPDX-License-Identifier: Apache-2.0

package smime

import (
	"crypto/aes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
)

// recipientInfo encodes the content key for one certificate, and reports
// whether it is of the kind that makes the message version 2.
func recipientInfo(cert *x509.Certificate, key []byte, rsa15 bool) (info []byte, agreed bool, err error) {
	switch public := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		info, err = keyTransport(cert, public, key, rsa15)
		return info, false, err
	case *ecdsa.PublicKey:
		info, err = keyAgreement(cert, public, key)
		return info, true, err
	}
	return nil, false, fmt.Errorf("smime: no way to encrypt for a %T", cert.PublicKey)
}

// keyTransport is KeyTransRecipientInfo version 0. RFC 5652 §6.2.1; RFC 4055
// §4.1 for OAEP.
func keyTransport(cert *x509.Certificate, public *rsa.PublicKey, key []byte, rsa15 bool) ([]byte, error) {
	var how, encrypted []byte
	var err error
	if rsa15 {
		how = algorithm(oid(1, 2, 840, 113549, 1, 1, 1), []byte{tagNull, 0})
		encrypted, err = rsa.EncryptPKCS1v15(rand.Reader, public, key) //nolint:staticcheck // a choice of the caller, see the package comment
	} else {
		sha := algorithm(oid(2, 16, 840, 1, 101, 3, 4, 2, 1), []byte{tagNull, 0})
		mask := algorithm(oid(1, 2, 840, 113549, 1, 1, 8), sha)
		how = algorithm(oid(1, 2, 840, 113549, 1, 1, 7), tlv(tagSequence, tlv(tagContext0, sha), tlv(tagContext1, mask)))
		encrypted, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, public, key, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("smime: %w", err)
	}
	who, err := issuerAndSerial(cert)
	if err != nil {
		return nil, err
	}
	return tlv(tagSequence, []byte{tagInteger, 1, 0}, who, how, tlv(tagOctets, encrypted)), nil
}

// keyAgreement is KeyAgreeRecipientInfo with a key pair made for this recipient
// alone. RFC 5753 §3.1.1 and §7.1.4, RFC 3394 for the wrapping.
func keyAgreement(cert *x509.Certificate, public *ecdsa.PublicKey, key []byte) ([]byte, error) {
	theirs, err := public.ECDH()
	if err != nil {
		return nil, fmt.Errorf("smime: %w", err)
	}
	ours, err := theirs.Curve().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("smime: %w", err)
	}
	wrap := algorithm(oid(2, 16, 840, 1, 101, 3, 4, 1, 45)) // id-aes256-wrap, parameters absent
	wrapped, err := agreeAndWrap(ours, theirs, wrap, key)
	if err != nil {
		return nil, err
	}
	who, err := issuerAndSerial(cert)
	if err != nil {
		return nil, err
	}
	point := append([]byte{0}, ours.PublicKey().Bytes()...)
	originator := tlv(tagContext0, tlv(tagContext1, algorithm(oid(1, 2, 840, 10045, 2, 1)), tlv(tagBitString, point)))
	scheme := algorithm(oid(1, 3, 132, 1, 11, 1), wrap) // dhSinglePass-stdDH-sha256kdf-scheme
	keys := tlv(tagSequence, tlv(tagSequence, who, tlv(tagOctets, wrapped)))
	return tlv(tagContext1, []byte{tagInteger, 1, 3}, originator, scheme, keys), nil
}

func agreeAndWrap(ours *ecdh.PrivateKey, theirs *ecdh.PublicKey, wrap, key []byte) ([]byte, error) {
	shared, err := ours.ECDH(theirs)
	if err != nil {
		return nil, fmt.Errorf("smime: %w", err)
	}
	defer clear(shared)
	kek := x963KDF(shared, wrap)
	defer clear(kek)
	return wrapKey(kek, key)
}

// x963KDF derives the 256-bit wrapping key: one block of SHA-256 over the
// secret, the counter 1 and ECC-CMS-SharedInfo. RFC 5753 §7.2.
func x963KDF(shared, wrap []byte) []byte {
	info := tlv(tagSequence, wrap, tlv(tagContext2, tlv(tagOctets, binary.BigEndian.AppendUint32(nil, 256))))
	h := sha256.New()
	h.Write(shared)
	h.Write([]byte{0, 0, 0, 1})
	h.Write(info)
	return h.Sum(nil)
}

// wrapKey is AES key wrap with the default initial value. RFC 3394 §2.2.1.
func wrapKey(kek, key []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, fmt.Errorf("smime: %w", err)
	}
	n := len(key) / 8
	out := make([]byte, 8+len(key))
	copy(out[8:], key)
	var b [16]byte
	copy(b[:8], "\xa6\xa6\xa6\xa6\xa6\xa6\xa6\xa6")
	for j := range 6 {
		for i := 1; i <= n; i++ {
			copy(b[8:], out[i*8:])
			block.Encrypt(b[:], b[:])
			binary.BigEndian.PutUint64(b[:8], binary.BigEndian.Uint64(b[:8])^uint64(n*j+i))
			copy(out[i*8:], b[8:])
		}
	}
	copy(out, b[:8])
	clear(b[:])
	return out, nil
}

func issuerAndSerial(cert *x509.Certificate) ([]byte, error) {
	serial, err := asn1.Marshal(cert.SerialNumber)
	if err != nil {
		return nil, fmt.Errorf("smime: %w", err)
	}
	return tlv(tagSequence, cert.RawIssuer, serial), nil
}
