// SPDX-License-Identifier: Apache-2.0

package pivapplet

import (
	"bytes"
	"crypto/subtle"
)

// The references of what is shown to the card (SP 800-73-4 part 1, table 4a).
const (
	refPIN = 0x80
	refPUK = 0x81
)

// secretLength is what a PIN is padded to, with 0xFF (part 2, §2.4.3).
const secretLength = 8

// secret is the PIN or the PUK: it locks after as many wrong tries as it has.
type secret struct {
	value       []byte
	left, tries int
}

// try compares, counting before it looks.
func (s *secret) try(value []byte) int {
	if s.left == 0 {
		return blocked
	}
	s.left--
	if subtle.ConstantTimeCompare(s.value, value) != 1 {
		if s.left == 0 {
			return blocked
		}
		return triesLeft + s.left
	}
	s.left = s.tries
	return done
}

func (s *secret) set(value []byte) { s.value, s.left = bytes.Clone(value), s.tries }

func padded(value []byte) []byte {
	return append(bytes.Clone(value), bytes.Repeat([]byte{0xFF}, secretLength-len(value))...)
}

// formed says whether a new PIN is 6 to 8 digits, padded.
func formed(value []byte) bool {
	digits, padding := value, []byte{}
	if end := bytes.IndexByte(value, 0xFF); end >= 0 {
		digits, padding = value[:end], value[end:]
	}
	return len(value) == secretLength && len(digits) >= 6 && len(bytes.Trim(digits, "0123456789")) == 0 &&
		bytes.Count(padding, []byte{0xFF}) == len(padding)
}

// verify is VERIFY (part 2, §3.2.1).
func (c *Card) verify(p1, ref byte, body []byte) int {
	switch {
	case ref != refPIN:
		return referenceUnknown
	case p1 == 0xFF && len(body) == 0:
		c.verified = false
		return done
	case p1 != 0:
		return wrongP1P2
	case len(body) == 0 && c.verified:
		return done
	case len(body) == 0 && c.pin.left == 0:
		return blocked
	case len(body) == 0:
		return triesLeft + c.pin.left
	case len(body) != secretLength:
		return wrongData
	}
	status := c.pin.try(body)
	c.verified = status == done
	c.justVerified = c.verified
	return status
}

// change is CHANGE REFERENCE DATA (part 2, §3.2.2).
func (c *Card) change(p1, ref byte, body []byte) int {
	if p1 != 0 {
		return wrongP1P2
	}
	if len(body) != 2*secretLength {
		return wrongData
	}
	current, next := body[:secretLength], body[secretLength:]
	switch ref {
	case refPIN:
		if !formed(next) {
			return wrongData
		}
		status := c.pin.try(current)
		if c.verified = status == done; c.verified {
			c.pin.set(next)
		}
		return status
	case refPUK:
		status := c.puk.try(current)
		if status == done {
			c.puk.set(next)
		}
		return status
	}
	return referenceUnknown
}

// unblock is RESET RETRY COUNTER (part 2, §3.2.3): the PUK and a new PIN.
func (c *Card) unblock(p1, ref byte, body []byte) int {
	switch {
	case p1 != 0:
		return wrongP1P2
	case ref != refPIN:
		return referenceUnknown
	case len(body) != 2*secretLength:
		return wrongLength
	case !formed(body[secretLength:]):
		return wrongData
	}
	status := c.puk.try(body[:secretLength])
	if status == done {
		c.pin.set(body[secretLength:])
		c.verified = false
	}
	return status
}
