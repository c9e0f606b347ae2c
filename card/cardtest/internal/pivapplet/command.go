// SPDX-License-Identifier: Apache-2.0

package pivapplet

import (
	"bytes"
	"math/big"
)

// aid is the PIV application's identifier with its version (SP 800-73-4 part 1,
// §2.2); SELECT may leave the version out.
const (
	aidWithoutVersion = "\xA0\x00\x00\x03\x08\x00\x00\x10\x00"
	aid               = aidWithoutVersion + "\x01\x00"
)

// Status words (SP 800-73-4 part 2, table 6; ISO/IEC 7816-4 §5.6).
const (
	done             = 0x9000
	more             = 0x6100
	wrongLength      = 0x6700
	notSatisfied     = 0x6982
	blocked          = 0x6983
	triesLeft        = 0x63C0
	notExpected      = 0x6985
	wrongData        = 0x6A80
	notFound         = 0x6A82
	wrongP1P2        = 0x6A86
	referenceUnknown = 0x6A88
	unknown          = 0x6D00
	unknownClass     = 0x6E00
)

// atr is of a card that speaks T=1 and says nothing else (ISO/IEC 7816-3 §8.2).
var atr = []byte{0x3B, 0x80, 0x01, 0x81}

// Reset is what losing power does: all that was verified or half said is gone.
func (c *Card) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reset()
}

func (c *Card) reset() {
	c.selected, c.verified, c.justVerified = false, false, false
	c.chained, c.rest = nil, nil
}

// Command is the card's answer to a short command APDU (ISO/IEC 7816-4 §5.1):
// data, if any, and two bytes of status.
func (c *Card) Command(apdu []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	data, status := c.command(apdu)
	if most := expected(apdu); status == done && len(data) > most {
		data, c.rest = data[:most], data[most:]
		status = more
		if len(c.rest) < mostExpected {
			status += len(c.rest)
		}
	}
	return append(bytes.Clone(data), byte(status>>8), byte(status))
}

func (c *Card) command(apdu []byte) ([]byte, int) {
	if len(apdu) < 4 {
		return nil, wrongLength
	}
	class, ins, p1, p2 := apdu[0], apdu[1], apdu[2], apdu[3]
	body, ok := dataOf(apdu)
	if !ok {
		return nil, wrongLength
	}
	if ins == 0xC0 { // GET RESPONSE
		if len(c.rest) == 0 {
			return nil, notExpected
		}
		data := c.rest
		c.rest = nil
		return data, done
	}
	c.rest = nil
	const chaining = 0x10
	if class&^chaining != 0 {
		return nil, unknownClass
	}
	const longest = 4096 // no command of ours needs a tenth of it
	if len(c.chained)+len(body) > longest {
		c.chained = nil
		return nil, wrongLength
	}
	c.chained = append(c.chained, body...)
	if class&chaining != 0 {
		return nil, done
	}
	body, c.chained = c.chained, nil
	return c.whole(ins, p1, p2, body)
}

// mostExpected is what a short command can take of an answer at once.
const mostExpected = 256

// expected is Le; a command without one takes all that fits.
func expected(apdu []byte) int {
	short := len(apdu) == 5 || len(apdu) > 5 && len(apdu) == 6+int(apdu[4])
	if !short || apdu[len(apdu)-1] == 0 {
		return mostExpected
	}
	return int(apdu[len(apdu)-1])
}

// dataOf is the command's data: none, or as long as Lc says, with or without Le.
func dataOf(apdu []byte) ([]byte, bool) {
	if len(apdu) <= 5 {
		return nil, true
	}
	n := int(apdu[4])
	if n == 0 || len(apdu) != 5+n && len(apdu) != 6+n {
		return nil, false
	}
	return apdu[5 : 5+n], true
}

func (c *Card) whole(ins, p1, p2 byte, body []byte) ([]byte, int) {
	const selectAID, general = 0xA4, 0x87
	if ins != selectAID && !c.selected {
		return nil, unknown
	}
	fresh := c.justVerified
	c.justVerified = false
	switch ins {
	case selectAID:
		return c.choose(p1, p2, body)
	case 0xCB:
		return c.data(p1, p2, body)
	case 0x20:
		return nil, c.verify(p1, p2, body)
	case 0x24:
		return nil, c.change(p1, p2, body)
	case 0x2C:
		return nil, c.unblock(p1, p2, body)
	case general:
		return c.authenticate(p1, p2, body, fresh)
	}
	return nil, unknown
}

// choose is SELECT (part 2, §3.1.1).
func (c *Card) choose(p1, p2 byte, body []byte) ([]byte, int) {
	if p1 != 4 || p2 != 0 {
		return nil, wrongP1P2
	}
	if !bytes.HasPrefix([]byte(aid), body) || len(body) < len(aidWithoutVersion) {
		// The application that was selected stays so.
		return nil, notFound
	}
	if !c.selected {
		c.verified = false
	}
	c.selected = true
	return tlv(0x61, tlv(0x4F, []byte(aid)[5:]), tlv(0x79, tlv(0x4F, []byte(aid)[:5]))), done
}

// data is GET DATA (part 2, §3.1.2).
func (c *Card) data(p1, p2 byte, body []byte) ([]byte, int) {
	if p1 != 0x3F || p2 != 0xFF {
		return nil, wrongP1P2
	}
	tag, ok := field(body, 0x5C)
	if !ok {
		return nil, wrongData
	}
	object, ok := c.objects[string(tag)]
	if !ok {
		return nil, notFound
	}
	return object, done
}

// authenticate is GENERAL AUTHENTICATE (part 2, §3.2.4): the private key's
// operation on a block that the host padded.
func (c *Card) authenticate(algorithm, slot byte, body []byte, fresh bool) ([]byte, int) {
	const rsa2048 = 0x07
	key := c.keys[slot]
	if key == nil || algorithm != rsa2048 {
		return nil, wrongP1P2
	}
	if !c.verified || slot == signature && !fresh {
		return nil, notSatisfied
	}
	template, ok := field(body, 0x7C)
	if !ok {
		return nil, wrongData
	}
	block, ok := field(template, 0x81)
	_, wanted := field(template, 0x82)
	if !ok || !wanted || len(block) != key.Size() {
		return nil, wrongData
	}
	number := new(big.Int).SetBytes(block)
	if number.Cmp(key.N) >= 0 {
		return nil, wrongData
	}
	number.Exp(number, key.D, key.N)
	return tlv(0x7C, tlv(0x82, number.FillBytes(make([]byte, key.Size())))), done
}
