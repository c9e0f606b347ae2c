// SPDX-License-Identifier: Apache-2.0

package smime

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/subtle"
	"crypto/x509"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

const (
	// maxSigners bounds the signatures of one message, each of which costs a
	// verification: a person, and the systems that countersign for them.
	maxSigners = 8
	// maxCertificates bounds those that come with a signature: chains of a few
	// for each signer.
	maxCertificates = 64
)

// Signature is one signature that holds: its signer had the certificate's key
// and signed this content.
type Signature struct {
	Certificate *x509.Certificate
	// SignedAt is when the signer says it was; zero where it isn't said.
	// Nothing proves it.
	SignedAt time.Time
	// Distrust says by a Refusal (mail.signature) why the signer is not trusted,
	// and is nil for a signer whose certificate is in date at Now, for signing and
	// for mail, of a strong key, with a chain to the configured roots, not revoked
	// where DecryptConfig.Revoked is set, and for the address in From: by its own
	// names, or where it has none by DecryptConfig.AddressesOf. RFC 8550 §3 and §4.
	Distrust error
}

// signerInfo is one SignerInfo of SignedData. RFC 5652 §5.3.
type signerInfo struct {
	who        []byte
	hash       crypto.Hash
	attributes []byte // as a SET, the form that is signed
	how        algorithmID
	signature  []byte
}

// signedData is SignedData without its content.
type signedData struct {
	content      []byte // nil where it is detached
	certificates []*x509.Certificate
	signers      []signerInfo
}

// readSignedData reads SignedData behind contentInfo. limit bounds a content
// that is inside. RFC 5652 §5.1.
func (b *berReader) readSignedData(limit int) (*signedData, error) {
	if b.enter(tagSequence) != nil || b.version() != nil {
		return nil, errBER
	}
	if algorithms, err := b.element(); err != nil || algorithms[0] != tagSet { // each signer names its own
		return nil, errBER
	}
	d := &signedData{}
	var err error
	if d.content, err = b.encapsulated(limit); err != nil {
		return nil, err
	}
	certificates, err := b.optional(tagContext0)
	if err != nil {
		return nil, err
	}
	if d.certificates, err = readCertificates(certificates); err != nil {
		return nil, err
	}
	if _, err := b.optional(tagContext1); err != nil { // crls: revocation is asked elsewhere
		return nil, err
	}
	infos, err := b.element()
	if err != nil {
		return nil, err
	}
	if d.signers, err = readSigners(infos); err != nil {
		return nil, err
	}
	return d, b.finish()
}

// encapsulated reads EncapsulatedContentInfo.
func (b *berReader) encapsulated(limit int) ([]byte, error) {
	if b.enter(tagSequence) != nil {
		return nil, errBER
	}
	if kind, err := b.oid(); err != nil || kind != oidData {
		return nil, errBER
	}
	next, err := b.next()
	if err != nil {
		return nil, err
	}
	if next == 0 {
		return nil, b.leave()
	}
	if err := b.enter(tagContext0); err != nil {
		return nil, err
	}
	content, err := b.octetString(tagOctets)
	if err != nil {
		return nil, err
	}
	all := held{limit: limit}
	if _, err := all.ReadFrom(content); err != nil {
		return nil, err
	}
	if err := b.leave(); err != nil {
		return nil, err
	}
	return all.join(0), b.leave()
}

func readCertificates(set []byte) ([]*x509.Certificate, error) {
	if len(set) == 0 {
		return nil, nil
	}
	s := cryptobyte.String(set)
	var all cryptobyte.String
	if !read(&s, &all, tagContext0) {
		return nil, errBER
	}
	var certificates []*x509.Certificate
	for n := 0; !all.Empty(); n++ {
		var one cryptobyte.String
		if !all.ReadAnyASN1Element(&one, nil) || n == maxCertificates {
			return nil, errBER
		}
		if one[0] != tagSequence {
			continue // attribute certificates and other formats
		}
		if cert, err := x509.ParseCertificate(one); err == nil {
			certificates = append(certificates, cert) // one that can't be parsed is no signer's
		}
	}
	return certificates, nil
}

func readSigners(set []byte) ([]signerInfo, error) {
	s := cryptobyte.String(set)
	var all cryptobyte.String
	if !read(&s, &all, tagSet) || all.Empty() {
		return nil, errBER
	}
	var signers []signerInfo
	for !all.Empty() {
		var one cryptobyte.String
		if !read(&all, &one, tagSequence) || len(signers) == maxSigners {
			return nil, errBER
		}
		info, err := readSigner(one)
		if err != nil {
			return nil, err
		}
		signers = append(signers, info)
	}
	return signers, nil
}

// readSigner wants signed attributes, which S/MIME always has (RFC 8551 §2.5):
// without them a signature over attributes could be shown as one over a
// content of the same octets.
func readSigner(s cryptobyte.String) (signerInfo, error) {
	var version int
	var who, attributes, signature cryptobyte.String
	if !s.ReadASN1Integer(&version) || !s.ReadAnyASN1Element(&who, nil) {
		return signerInfo{}, errBER
	}
	digest, ok := readAlgorithm(&s)
	if !ok || !read(&s, &attributes, tagContext0) {
		return signerInfo{}, errBER
	}
	how, ok := readAlgorithm(&s)
	if !ok || !read(&s, &signature, tagOctets) || !s.SkipOptionalASN1(tagContext1) || !s.Empty() { // unsignedAttrs
		return signerInfo{}, errBER
	}
	info := signerInfo{who: who, hash: hashOf(digest.id), attributes: tlv(tagSet, attributes), how: how, signature: signature}
	if info.hash == 0 || info.hash == crypto.SHA1 { // RFC 8551 appendix B
		return signerInfo{}, errBER
	}
	return info, nil
}

// verify wants every signature of content to hold. Who signed is judged later,
// when From is known.
func (d *signedData) verify(content []byte) ([]signer, error) {
	var all []signer
	digests := map[crypto.Hash][]byte{}
	for _, info := range d.signers {
		if digests[info.hash] == nil {
			h := info.hash.New()
			h.Write(content)
			digests[info.hash] = h.Sum(nil)
		}
		said, err := info.holds(digests[info.hash])
		if err != nil {
			return nil, err
		}
		at := slices.IndexFunc(d.certificates, func(c *x509.Certificate) bool { return named(c, info.who, tagImplicit0) && said.signer(c) })
		if at < 0 {
			return nil, errBER
		}
		cert := d.certificates[at]
		if err := info.signedBy(cert.PublicKey); err != nil {
			return nil, err
		}
		all = append(all, signer{cert: cert, at: said.at, sent: d.certificates})
	}
	return all, nil
}

// attested is what signed attributes say beside the content.
type attested struct {
	at           time.Time       // when it was signed; zero where it isn't said
	certificates []certReference // each is of the signer's
}

// signer reports that nothing speaks against a certificate.
func (a attested) signer(cert *x509.Certificate) bool {
	return !slices.ContainsFunc(a.certificates, func(r certReference) bool { return !r.names(cert) })
}

// holds compares the signed attributes with the content, of which it gets the
// digest. Each attribute has one value. RFC 5652 §5.6 and §11, RFC 5035.
func (i signerInfo) holds(contentDigest []byte) (said attested, err error) {
	fail := func() (attested, error) { return attested{}, errBER }
	s := cryptobyte.String(i.attributes)
	var all cryptobyte.String
	if !read(&s, &all, tagSet) {
		return fail()
	}
	seen := map[string]bool{}
	for !all.Empty() {
		var one, values, name cryptobyte.String
		if !read(&all, &one, tagSequence) || !one.ReadAnyASN1Element(&name, nil) || !read(&one, &values, tagSet) || !one.Empty() {
			return fail()
		}
		id, err := readOID(name)
		if err != nil || seen[id] || !said.take(id, values, contentDigest) { // each at most once
			return fail()
		}
		seen[id] = true
	}
	if !seen[oidContentType] || !seen[oidMessageDigest] {
		return fail()
	}
	return said, nil
}

// take reads one attribute, and reports that nothing is wrong with it.
func (a *attested) take(id string, values cryptobyte.String, contentDigest []byte) bool {
	switch id {
	case oidContentType:
		kind, err := readOID(values)
		return err == nil && kind == oidData
	case oidMessageDigest:
		digest, err := body(values, tagOctets)
		return err == nil && subtle.ConstantTimeCompare(digest, contentDigest) == 1
	case oidSigningTime:
		return (values.ReadASN1UTCTime(&a.at) || values.ReadASN1GeneralizedTime(&a.at)) && values.Empty()
	case oidSigningCertificate, oidSigningCertificateV2:
		hash := crypto.SHA256
		if id == oidSigningCertificate {
			hash = crypto.SHA1
		}
		reference, ok := readReference(values, hash)
		a.certificates = append(a.certificates, reference)
		return ok
	}
	return true
}

// signedBy verifies the signature of the attributes.
func (i signerInfo) signedBy(public crypto.PublicKey) error {
	h := i.hash.New()
	h.Write(i.attributes)
	digest := h.Sum(nil)
	good := false
	switch key := public.(type) {
	case *rsa.PublicKey:
		switch {
		case key.N.BitLen() > maxRSABits:
		case i.how.id == oidPSS:
			salt, ok := i.pssSalt()
			good = ok && rsa.VerifyPSS(key, i.hash, digest, i.signature, &rsa.PSSOptions{SaltLength: salt}) == nil
		case i.how.id == oidRSA || rsaHash(i.how.id) == i.hash:
			good = rsa.VerifyPKCS1v15(key, i.hash, digest, i.signature) == nil
		}
	case *ecdsa.PublicKey:
		good = ecdsaHash(i.how.id) == i.hash && ecdsa.VerifyASN1(key, digest, i.signature)
	case ed25519.PublicKey: // RFC 8419 §3
		good = i.how.id == oidEd25519 && ed25519.Verify(key, i.attributes, i.signature)
	}
	if !good {
		return errBER
	}
	return nil
}

// maxRSABits bounds what a stranger's key can make a verification cost;
// crypto/tls has the same bound.
const maxRSABits = 8192

// pssSalt reads RSASSA-PSS-params and returns the octets of the salt. The digest's
// hash must be the one for both, as RFC 4056 §3 wants. RFC 4055 §3.1.
func (i signerInfo) pssSalt() (int, bool) {
	parameters := cryptobyte.String(i.how.parameters)
	var all cryptobyte.String
	if !read(&parameters, &all, tagSequence) || !parameters.Empty() {
		return 0, false
	}
	hash, mask, ok := hashAndMask(&all)
	salt, trailer := 0, 0
	return salt, ok && hash == i.hash && mask == i.hash &&
		all.ReadOptionalASN1Integer(&salt, der.Tag(tagContext2), 20) && salt >= 0 && salt <= maxRSABits/8 &&
		all.ReadOptionalASN1Integer(&trailer, der.Tag(tagContext3), 1) && trailer == 1 && all.Empty()
}

// rsaHash is the hash that an RSA signature algorithm names with it, and
// ecdsaHash that of an ECDSA one. RFC 5754 §3.
func rsaHash(id string) crypto.Hash {
	switch id {
	case oidRSASHA256:
		return crypto.SHA256
	case oidRSASHA384:
		return crypto.SHA384
	case oidRSASHA512:
		return crypto.SHA512
	}
	return 0
}

func ecdsaHash(id string) crypto.Hash {
	switch id {
	case oidECDSASHA256:
		return crypto.SHA256
	case oidECDSASHA384:
		return crypto.SHA384
	case oidECDSASHA512:
		return crypto.SHA512
	}
	return 0
}

// distrust judges a signer.
func (d *Decrypter) distrust(ctx context.Context, s signer, from string) error {
	refuse := func(why string, cause error) error {
		return mailpolicy.Rules().Refuse("mail.signature", "why", why).Because(cause)
	}
	if d.config.Roots == nil {
		return refuse("no roots are configured here", nil)
	}
	t := trust{d.config.Roots, d.helpers(s), d.config.Revoked, d.config.Now()}
	if why := t.unfit(s.cert); why != "" {
		return refuse(why, nil)
	}
	if !maySign(s.cert) {
		return refuse("it is not for signing", nil)
	}
	if why, cause := t.doubt(ctx, s.cert); why != "" {
		return refuse(why, cause)
	}
	addresses := s.cert.EmailAddresses
	if len(addresses) == 0 && d.config.AddressesOf != nil {
		addresses = d.config.AddressesOf(s.cert)
	}
	if !names(addresses, from) {
		return refuse("nothing says that the address in From is its holder's", ErrSigner)
	}
	return nil
}

// helpers are the authorities that may stand between a signer and a root.
func (d *Decrypter) helpers(s signer) *x509.CertPool {
	helpers := x509.NewCertPool()
	if d.config.Intermediates != nil {
		helpers = d.config.Intermediates.Clone()
	}
	for _, c := range s.sent {
		if !bytes.Equal(c.Raw, s.cert.Raw) {
			helpers.AddCert(c)
		}
	}
	return helpers
}
