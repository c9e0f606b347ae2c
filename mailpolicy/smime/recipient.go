// SPDX-License-Identifier: Apache-2.0

package smime

import (
	"bytes"
	"crypto"
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

	"golang.org/x/crypto/cryptobyte"
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
		how = algorithm(oid(oidRSA), []byte{tagNull, 0})
		encrypted, err = rsa.EncryptPKCS1v15(rand.Reader, public, key) //nolint:staticcheck // a choice of the caller, see the package comment
	} else {
		sha := algorithm(oid(oidSHA256), []byte{tagNull, 0})
		mask := algorithm(oid(oidMGF1), sha)
		how = algorithm(oid(oidOAEP), tlv(tagSequence, tlv(tagContext0, sha), tlv(tagContext1, mask)))
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
	wrap := algorithm(oid(oidAES256Wrap)) // parameters absent
	wrapped, err := agreeAndWrap(ours, theirs, wrap, key)
	if err != nil {
		return nil, err
	}
	who, err := issuerAndSerial(cert)
	if err != nil {
		return nil, err
	}
	point := append([]byte{0}, ours.PublicKey().Bytes()...)
	originator := tlv(tagContext0, tlv(tagContext1, algorithm(oid(oidECPublicKey)), tlv(tagBitString, point)))
	scheme := algorithm(oid(oidDHSHA256), wrap)
	keys := tlv(tagSequence, tlv(tagSequence, who, tlv(tagOctets, wrapped)))
	return tlv(tagContext1, []byte{tagInteger, 1, 3}, originator, scheme, keys), nil
}

func agreeAndWrap(ours *ecdh.PrivateKey, theirs *ecdh.PublicKey, wrap, key []byte) ([]byte, error) {
	shared, err := ours.ECDH(theirs)
	if err != nil {
		return nil, fmt.Errorf("smime: %w", err)
	}
	defer clear(shared)
	kek := x963KDF(crypto.SHA256, shared, wrap, nil, 32)
	defer clear(kek)
	return wrapKey(kek, key)
}

// x963KDF derives the wrapping key of size octets: blocks of the hash over the
// secret, a counter and ECC-CMS-SharedInfo, in which ukm may be empty. RFC 5753
// §7.2, SEC 1 §3.6.1.
func x963KDF(hash crypto.Hash, shared, wrap, ukm []byte, size int) []byte {
	var mixed []byte
	if len(ukm) > 0 {
		mixed = tlv(tagContext0, tlv(tagOctets, ukm))
	}
	bits := binary.BigEndian.AppendUint32(nil, uint32(8*size))
	info := tlv(tagSequence, wrap, mixed, tlv(tagContext2, tlv(tagOctets, bits)))
	var key []byte
	for counter := uint32(1); len(key) < size; counter++ {
		h := hash.New()
		h.Write(shared)
		h.Write(binary.BigEndian.AppendUint32(nil, counter))
		h.Write(info)
		key = h.Sum(key)
	}
	return key[:size]
}

// wrapStart is the default initial value of RFC 3394 §2.2.3.1.
const wrapStart = "\xa6\xa6\xa6\xa6\xa6\xa6\xa6\xa6"

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
	copy(b[:8], wrapStart)
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

// named reports whether a recipient or signer identifier names a certificate:
// by issuer and serial number, or by its key identifier, which stands behind
// this tag. RFC 5652 §5.3, §6.2.1 and §6.2.2.
func named(cert *x509.Certificate, who []byte, keyTag byte) bool {
	if who[0] == keyTag {
		s := cryptobyte.String(who)
		var id cryptobyte.String
		if !read(&s, &id, keyTag) || keyTag == tagContext0 && !read(&id, &id, tagOctets) {
			return false
		}
		return len(id) > 0 && bytes.Equal(id, cert.SubjectKeyId)
	}
	issued, err := issuerAndSerial(cert)
	return err == nil && bytes.Equal(issued, who)
}
