// SPDX-License-Identifier: Apache-2.0

package pivapplet_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card/cardtest/internal/pivapplet"
)

const (
	selectPIV = "00A4040009A00000030800001000"
	pin       = "00200080083132333435" + "36FFFF"
	wrongPIN  = "00200080083635343332" + "31FFFF"
	unblock   = "002C008010" + "3132333435363738" + "383838383838FFFF"
)

// host is what talks to a card by APDUs.
type host struct {
	*testing.T
	card *pivapplet.Card
}

func newHost(t *testing.T) host {
	t.Helper()
	c, err := pivapplet.New(pivapplet.Config{})
	require.NoError(t, err)
	h := host{t, c}
	h.says(selectPIV, 0x9000)
	return h
}

// says sends a command, gathers the whole answer and looks at its status.
func (h host) says(command string, status uint16) []byte {
	h.Helper()
	raw, err := hex.DecodeString(command)
	require.NoError(h, err)
	var data []byte
	for {
		answer := h.card.Command(raw)
		require.LessOrEqual(h, len(answer), 258)
		data = append(data, answer[:len(answer)-2]...)
		got := binary.BigEndian.Uint16(answer[len(answer)-2:])
		if got>>8 != 0x61 {
			require.Equal(h, status, got, "%s: %04X", command, got)
			return data
		}
		raw = []byte{0, 0xC0, 0, 0, byte(got)}
	}
}

// certificate is of the object of a tag.
func (h host) certificate(tag string) *x509.Certificate {
	h.Helper()
	object := h.says("00CB3FFF055C03"+tag+"00", 0x9000)
	var outer, inner asn1.RawValue
	_, err := asn1.Unmarshal(object, &outer)
	require.NoError(h, err)
	_, err = asn1.Unmarshal(outer.Bytes, &inner)
	require.NoError(h, err)
	require.Equal(h, []byte{0x71, 1, 0, 0xFE, 0}, outer.Bytes[len(inner.FullBytes):])
	cert, err := x509.ParseCertificate(inner.Bytes)
	require.NoError(h, err)
	return cert
}

// signs has a key sign in two chained commands, as a block of 256 bytes needs.
func (h host) signs(slot string, cert *x509.Certificate, status uint16) {
	h.Helper()
	digest := sha256.Sum256([]byte("what is signed"))
	info, err := hex.DecodeString("3031300d060960864801650304020105000420")
	require.NoError(h, err)
	info = append(info, digest[:]...)
	block := append(append([]byte{0, 1}, bytes.Repeat([]byte{0xFF}, 256-3-len(info))...), 0)
	block = append(block, info...)
	whole := append([]byte{0x7C, 0x82, 0x01, 0x06, 0x82, 0, 0x81, 0x82, 0x01, 0x00}, block...)
	first, second := whole[:0xF0], whole[0xF0:]
	h.says("108707"+slot+"F0"+hex.EncodeToString(first), 0x9000)
	answer := h.says("008707"+slot+hex.EncodeToString([]byte{byte(len(second))})+hex.EncodeToString(second)+"00", status)
	if status != 0x9000 {
		require.Empty(h, answer)
		return
	}
	require.Equal(h, []byte{0x7C, 0x82, 0x01, 0x04, 0x82, 0x82, 0x01, 0x00}, answer[:8])
	require.NoError(h, rsa.VerifyPKCS1v15(cert.PublicKey.(*rsa.PublicKey), crypto.SHA256, digest[:], answer[8:]))
}

func TestObjects(t *testing.T) {
	h := newHost(t)
	require.NotEqual(t, h.certificate("5FC105").PublicKey, h.certificate("5FC10A").PublicKey)
	h.says("00CB3FFF055C035FC10200", 0x9000)
	h.says("00CB3FFF055C035FC10700", 0x9000)
	h.says("00CB3FFF035C017E00", 0x9000)
	h.says("00CB3FFF055C035FC10B00", 0x6A82) // no key for encryption
	// No more than is asked for at once.
	first := h.card.Command([]byte{0, 0xCB, 0x3F, 0xFF, 5, 0x5C, 3, 0x5F, 0xC1, 5, 8})
	require.Len(t, first, 8+2)
	require.Equal(t, []byte{0x61, 0}, first[8:])
	require.Len(t, h.card.Command([]byte{0, 0xC0, 0, 0, 0xFF}), 0xFF+2)
	h.says("00CB0000055C035FC10200", 0x6A86)
	h.says("00CB3FFF0100", 0x6A80)
}

func TestNothingBeforeSELECT(t *testing.T) {
	c, err := pivapplet.New(pivapplet.Config{})
	require.NoError(t, err)
	h := host{t, c}
	h.says(pin, 0x6D00)
	h.says("00A4040005A000000001", 0x6A82)
	h.says(selectPIV, 0x9000)
	h.says(pin, 0x9000)
}

func TestSignatures(t *testing.T) {
	h := newHost(t)
	authentication, signature := h.certificate("5FC105"), h.certificate("5FC10A")
	h.signs("9A", authentication, 0x6982)
	h.says(pin, 0x9000)
	h.signs("9A", authentication, 0x9000)
	h.signs("9A", authentication, 0x9000)
	h.signs("9C", signature, 0x6982) // not right after the PIN
	h.says(pin, 0x9000)
	h.signs("9C", signature, 0x9000)
	h.signs("9C", signature, 0x6982)
	h.card.Reset()
	h.says(selectPIV, 0x9000)
	h.signs("9A", authentication, 0x6982)
	h.signs("9B", authentication, 0x6A86)
}

func TestCounters(t *testing.T) {
	h := newHost(t)
	h.says("0020008000", 0x63C3)
	h.says(wrongPIN, 0x63C2)
	h.says(pin, 0x9000)
	h.says("0020008000", 0x9000)
	h.says("0020FF8000", 0x9000) // to log out
	h.says("0020008000", 0x63C3)
	h.says(wrongPIN, 0x63C2)
	h.says("00240080103635343332"+"31FFFF"+"393939393939FFFF", 0x63C1) // CHANGE counts too
	h.says(wrongPIN, 0x6983)
	h.says(pin, 0x6983)
	h.says("0020008000", 0x6983)

	h.says("002C008010"+"3837363534333231"+"383838383838FFFF", 0x63C2)
	h.says("002C008010"+"3132333435363738"+"383838FFFFFFFFFF", 0x6A80) // too short: no try
	h.says("002C008010"+"3132333435363738"+"383838383838FEFF", 0x6A80) // padded with something else: no try
	h.says(unblock, 0x9000)
	h.says("0020008008"+"383838383838FFFF", 0x9000)
	h.says("0024008010"+"383838383838FFFF"+"313233343536FFFF", 0x9000)
	h.says(pin, 0x9000)
	for _, status := range []uint16{0x63C2, 0x63C1, 0x6983, 0x6983} {
		h.says("002C008010"+"3837363534333231"+"383838383838FFFF", status)
	}
	h.says(unblock, 0x6983)
}

func TestMalformed(t *testing.T) {
	h := newHost(t)
	for command, status := range map[string]uint16{
		"": 0x6700, "00A404": 0x6700, "0020008008313233": 0x6700, "00200080000000": 0x6700,
		"8020008000": 0x6E00, "00DB3FFF00": 0x6D00, "00C0000000": 0x6985, "002000810831323334353637": 0x6700,
		"0020008108313233343536FFFF": 0x6A88, "00200080023132": 0x6A80, "0087079A00": 0x6982,
	} {
		h.says(command, status)
	}
	h.says(pin, 0x9000)
	h.says("0087079A027C00", 0x6A80)
	h.says("0087079A020000", 0x6A80)
	// A chain without end isn't kept.
	for range 16 {
		h.card.Command(append([]byte{0x10, 0x87, 0x07, 0x9A, 0xFF}, make([]byte, 255)...))
	}
	require.Equal(t, []byte{0x67, 0}, h.card.Command(append([]byte{0x10, 0x87, 0x07, 0x9A, 0xFF}, make([]byte, 255)...)))
}

func FuzzCommand(f *testing.F) {
	c, err := pivapplet.New(pivapplet.Config{})
	require.NoError(f, err)
	for _, seed := range []string{selectPIV, pin, unblock, "00CB3FFF055C035FC10500", "0087079A047C028200"} {
		raw, err := hex.DecodeString(seed)
		require.NoError(f, err)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, apdu []byte) {
		require.GreaterOrEqual(t, len(c.Command(apdu)), 2)
	})
}

func TestInAReader(t *testing.T) {
	reader, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer reader.Close()
	c, err := pivapplet.New(pivapplet.Config{})
	require.NoError(t, err)
	require.Error(t, c.Eject())
	require.NoError(t, c.Insert(reader.Addr().String()))
	require.Error(t, c.Insert(reader.Addr().String()))
	line, err := reader.Accept()
	require.NoError(t, err)
	defer line.Close()
	require.NoError(t, line.SetDeadline(time.Now().Add(time.Minute)))
	ask := func(message string) []byte {
		raw, err := hex.DecodeString(message)
		require.NoError(t, err)
		_, err = line.Write(append([]byte{0, byte(len(raw))}, raw...))
		require.NoError(t, err)
		length := make([]byte, 2)
		_, err = io.ReadFull(line, length)
		require.NoError(t, err)
		answer := make([]byte, binary.BigEndian.Uint16(length))
		_, err = io.ReadFull(line, answer)
		require.NoError(t, err)
		return answer
	}
	_, err = line.Write([]byte{0, 1, 1}) // power on, without an answer
	require.NoError(t, err)
	require.Equal(t, []byte{0x3B, 0x80, 0x01, 0x81}, ask("04"))
	require.NotEmpty(t, ask(selectPIV))
	require.Equal(t, []byte{0x90, 0}, ask(pin))
	_, err = line.Write([]byte{0, 1, 2}) // reset
	require.NoError(t, err)
	require.Equal(t, []byte{0x6D, 0}, ask(pin))
	require.NoError(t, c.Eject())
	_, err = line.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
}
