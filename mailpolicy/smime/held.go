// SPDX-License-Identifier: Apache-2.0

package smime

import (
	"io"
	"io/fs"
	"strconv"

	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// maxPiece bounds what held takes at once beyond what it has.
const maxPiece = 4 << 20

// held is content that must be whole before anything can be done with it:
// AES-GCM can't be used in part. It grows by pieces that are joined once, so
// that it never takes more than twice its size, and a piece; content whose
// length is known before takes it once.
type held struct {
	pieces [][]byte
	size   int
	limit  int
}

// room is where the next octets go; it has room for one at least.
func (h *held) room() []byte {
	last := len(h.pieces) - 1
	if last < 0 || len(h.pieces[last]) == cap(h.pieces[last]) {
		h.pieces = append(h.pieces, make([]byte, 0, min(max(h.size, chunk), maxPiece)))
		last++
	}
	free := h.pieces[last]
	return free[len(free):min(cap(free), len(free)+h.limit-h.size)]
}

// filled takes n octets of room as content.
func (h *held) filled(n int) {
	last := len(h.pieces) - 1
	h.pieces[last] = h.pieces[last][:len(h.pieces[last])+n]
	h.size += n
}

// Write keeps p, unless that would be more than the limit.
func (h *held) Write(p []byte) (int, error) {
	if len(p) > h.limit-h.size {
		return 0, tooLong(h.limit)
	}
	for rest := p; len(rest) > 0; {
		n := copy(h.room(), rest)
		h.filled(n)
		rest = rest[n:]
	}
	return len(p), nil
}

// ReadFrom reads to the end of r without copying what it reads.
func (h *held) ReadFrom(r io.Reader) (int64, error) {
	before := h.size
	if n := lengthOf(r); n > 0 && n <= int64(h.limit-h.size) {
		h.pieces = append(h.pieces, make([]byte, 0, n+tagBytes))
	}
	for h.size < h.limit {
		n, err := r.Read(h.room())
		h.filled(n)
		if err == io.EOF {
			return int64(h.size - before), nil
		}
		if err != nil {
			return int64(h.size - before), err
		}
	}
	var more [1]byte
	_, err := io.ReadFull(r, more[:])
	switch err {
	case io.EOF:
		err = nil
	case nil:
		err = tooLong(h.limit)
	}
	return int64(h.size - before), err
}

// lengthOf is how much a reader says that it holds, zero if it doesn't say. It
// may be wrong.
func lengthOf(r io.Reader) int64 {
	switch r := r.(type) {
	case interface{ Len() int }:
		return int64(r.Len())
	case interface{ Stat() (fs.FileInfo, error) }:
		if info, err := r.Stat(); err == nil && info.Mode().IsRegular() {
			return info.Size()
		}
	}
	return 0
}

// join returns all content as one piece with room for extra octets behind it,
// and keeps none of it.
func (h *held) join(extra int) []byte {
	pieces := h.pieces
	h.pieces = nil
	if len(pieces) == 1 && len(pieces[0])+extra <= cap(pieces[0]) {
		return pieces[0]
	}
	whole := make([]byte, 0, h.size+extra)
	for i, p := range pieces {
		whole = append(whole, p...)
		pieces[i] = nil
	}
	return whole
}

func tooLong(limit int) error {
	return mailpolicy.Rules().Refuse("mail.size", "megabytes", strconv.Itoa(limit>>20)).Because(ErrTooLong)
}
