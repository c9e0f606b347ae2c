// SPDX-License-Identifier: Apache-2.0

package pivapplet

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"sync"
	"time"
)

// Config is what a card is made with.
type Config struct {
	PIN   []byte // 6 to 8 digits; default 123456
	PUK   []byte // 8 bytes; default 12345678
	Tries int    // of each, at most 15; default 3
}

func (c Config) withDefaults() Config {
	if c.PIN == nil {
		c.PIN = []byte("123456")
	}
	if c.PUK == nil {
		c.PUK = []byte("12345678")
	}
	if c.Tries == 0 {
		c.Tries = 3
	}
	return c
}

// The keys of a card (SP 800-73-4 part 1, table 4b).
const (
	authentication = 0x9A
	signature      = 0x9C
)

// Card is one PIV card, in a reader or not. It is safe for concurrent use.
type Card struct {
	mu       sync.Mutex
	pin, puk secret
	keys     map[byte]*rsa.PrivateKey
	objects  map[string][]byte // by tag, as GET DATA gives them

	// What the card forgets when it loses power.
	selected, verified, justVerified bool
	chained                          []byte // of a command that is not whole yet
	rest                             []byte // of a response

	line net.Conn // nil: in no reader
}

// New makes a card with fresh keys, each with a certificate signed by itself.
func New(c Config) (*Card, error) {
	c = c.withDefaults()
	if len(c.PIN) < 6 || len(c.PIN) > 8 || len(c.PUK) != 8 || c.Tries < 1 || c.Tries > 15 {
		return nil, errors.New("pivapplet: a PIN has 6 to 8 digits, a PUK 8 bytes, and both 1 to 15 tries")
	}
	card := &Card{
		pin: secret{value: padded(c.PIN), left: c.Tries, tries: c.Tries}, puk: secret{value: padded(c.PUK), left: c.Tries, tries: c.Tries},
		keys: map[byte]*rsa.PrivateKey{},
	}
	guid := make([]byte, 16)
	_, _ = rand.Read(guid) // never fails
	card.objects = map[string][]byte{
		tagCHUID: chuid(guid), tagCapability: capability(guid), tagDiscovery: discovery(),
	}
	for slot, place := range map[byte]struct{ name, tag string }{
		authentication: {"PIV authentication", tagAuthentication}, signature: {"digital signature", tagSignature},
	} {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, err
		}
		cert, err := selfSigned(key, place.name)
		if err != nil {
			return nil, err
		}
		card.keys[slot] = key
		card.objects[place.tag] = tlv(0x53, tlv(0x70, cert), tlv(0x71, []byte{0}), tlv(0xFE))
	}
	return card, nil
}

func selfSigned(key *rsa.PrivateKey, name string) ([]byte, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<31, 0), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	return x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
}

// The data objects (SP 800-73-4 part 1, table 3).
const (
	tagCHUID          = "\x5F\xC1\x02"
	tagCapability     = "\x5F\xC1\x07"
	tagAuthentication = "\x5F\xC1\x05"
	tagSignature      = "\x5F\xC1\x0A"
	tagDiscovery      = "\x7E"
)

// chuid is the Cardholder Unique Identifier of a card outside the federal
// government: FASC-N of nines, and the GUID tells cards apart.
func chuid(guid []byte) []byte {
	nines := []byte{
		0xD4, 0xE7, 0x39, 0xDA, 0x73, 0x9C, 0xED, 0x39, 0xCE, 0x73, 0x9D, 0x83, 0x68,
		0x58, 0x21, 0x08, 0x42, 0x10, 0x84, 0x21, 0xC8, 0x42, 0x10, 0xC3, 0xEB,
	}
	return tlv(0x53, tlv(0x30, nines), tlv(0x34, guid), tlv(0x35, []byte("20991231")), tlv(0x3E), tlv(0xFE))
}

// capability is the Card Capability Container: its identifier, versions, and
// nothing that a reader of PIV cards must know.
func capability(guid []byte) []byte {
	id := append([]byte{0xA0, 0, 0, 0x01, 0x16, 0xFF, 0x02}, guid[:14]...)
	return tlv(0x53, tlv(0xF0, id), tlv(0xF1, []byte{0x21}), tlv(0xF2, []byte{0x21}), tlv(0xF3), tlv(0xF4, []byte{0}),
		tlv(0xF5, []byte{0x10}), tlv(0xF6), tlv(0xF7), tlv(0xFA), tlv(0xFB), tlv(0xFC), tlv(0xFD), tlv(0xFE))
}

// discovery says that there is the application's PIN and no other.
func discovery() []byte {
	return tlv(0x7E, tlv(0x4F, []byte(aid)), []byte{0x5F, 0x2F, 2, 0x40, 0})
}

// tlv is a BER-TLV of a one-byte tag.
func tlv(tag byte, parts ...[]byte) []byte {
	value := bytes.Join(parts, nil)
	head := []byte{tag}
	switch n := len(value); {
	case n < 0x80:
		head = append(head, byte(n))
	case n < 0x100:
		head = append(head, 0x81, byte(n))
	default:
		head = append(head, 0x82, byte(n>>8), byte(n))
	}
	return append(head, value...)
}

// field is the value of a tag in a row of TLVs; ok says whether it is there.
func field(data []byte, tag byte) (value []byte, ok bool) {
	for len(data) >= 2 {
		head, n := 2, int(data[1])
		switch {
		case data[1] == 0x81 && len(data) >= 3:
			head, n = 3, int(data[2])
		case data[1] == 0x82 && len(data) >= 4:
			head, n = 4, int(data[2])<<8|int(data[3])
		case data[1] >= 0x80:
			return nil, false
		}
		if head+n > len(data) {
			return nil, false
		}
		if data[0] == tag {
			return data[head : head+n], true
		}
		data = data[head+n:]
	}
	return nil, false
}
