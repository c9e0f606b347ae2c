// SPDX-License-Identifier: Apache-2.0

package pivapplet

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
)

// What a reader asks besides commands (vsmartcard's vpcd, "Virtual Smart Card
// Reader": each message is its length in two bytes and so many bytes; one byte
// is of these).
const (
	powerOff = 0
	powerOn  = 1
	warm     = 2 // reset
	askATR   = 4
)

// Insert puts the card into the reader that waits at a TCP address.
func (c *Card) Insert(reader string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.line != nil {
		return errors.New("pivapplet: the card is in a reader")
	}
	line, err := net.Dial("tcp", reader)
	if err != nil {
		return err
	}
	c.reset()
	c.line = line
	go c.serve(line)
	return nil
}

// Eject takes the card out, whatever it is doing.
func (c *Card) Eject() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.line == nil {
		return errors.New("pivapplet: the card is in no reader")
	}
	err := c.line.Close()
	c.line = nil
	c.reset()
	return err
}

// serve answers until the line ends.
func (c *Card) serve(line net.Conn) {
	defer line.Close()
	for {
		message, err := receive(line)
		if err != nil {
			return
		}
		answer, asked := c.answer(line, message)
		if !asked {
			continue
		}
		if _, err := line.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

// receive reads a message. The reader sends length and bytes apart, and waits
// with the second for our acknowledgement of the first, which the system delays
// by 40 ms unless told not to, anew for each.
func receive(line net.Conn) ([]byte, error) {
	acknowledgeAtOnce(line)
	length := make([]byte, 2)
	if _, err := io.ReadFull(line, length); err != nil {
		return nil, err
	}
	acknowledgeAtOnce(line)
	message := make([]byte, binary.BigEndian.Uint16(length))
	_, err := io.ReadFull(line, message)
	return message, err
}

// answer is what the card says in this reader; not to all that it is told.
func (c *Card) answer(line net.Conn, message []byte) (answer []byte, asked bool) {
	if len(message) != 1 {
		return c.Command(message), true
	}
	switch message[0] {
	case askATR:
		return atr, true
	case powerOff, powerOn, warm:
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.line == line { // it may be in another by now
			c.reset()
		}
	}
	return nil, false
}
