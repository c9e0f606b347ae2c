// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"bytes"
	"context"
	"crypto/sha1" // #nosec G505 -- how the list is published; nothing is kept safe by it
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// HashFile is a Blocklist of known passwords, kept on disk: one line for each, in
// order, which begins with the SHA-1 of the password in hexadecimal. What follows on
// a line is not read. That is the form in which Pwned Passwords is downloaded
// (HASH:COUNT, ordered by hash); its forty gigabytes stay on disk. That a file is out
// of order, and hides passwords by it, is not noticed.
type HashFile struct {
	file *os.File
	size int64
}

// OpenHashFile opens such a file, whose first line must have the form. Close it.
func OpenHashFile(path string) (*HashFile, error) {
	file, err := os.Open(path) // #nosec G304 -- the operator's file
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil {
		f := &HashFile{file, info.Size()}
		if _, _, err = f.lineAfter(0); err == nil {
			return f, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("mailpolicy: %s: %w", path, err), file.Close())
}

// Close closes the file.
func (f *HashFile) Close() error { return f.file.Close() }

// hashDigits is the length of a SHA-1 in hexadecimal; maxHashLine bounds a line.
const (
	hashDigits  = 40
	maxHashLine = 128
)

// Blocked looks a password up. A line that has not the form is an error: nobody
// chooses a password while the list can't be read.
func (f *HashFile) Blocked(ctx context.Context, password []byte) (bool, error) {
	sum := sha1.Sum(password) // #nosec G401 -- how the list is published
	want := strings.ToUpper(hex.EncodeToString(sum[:]))
	// What is looked for begins at or after low, and before high.
	for low, high := int64(0), f.size; low < high; {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		middle := low + (high-low)/2
		hash, next, err := f.lineAfter(middle)
		switch {
		case errors.Is(err, io.EOF) || err == nil && hash > want:
			high = middle
		case err != nil:
			return false, err
		case hash == want:
			return true, nil
		default:
			low = next
		}
	}
	return false, nil
}

// lineAfter reads the first line that begins at an offset or after it: its hash, and
// where the next one begins. io.EOF says that there is none.
func (f *HashFile) lineAfter(offset int64) (hash string, next int64, err error) {
	from := max(offset-1, 0) // whose byte ends the line before
	buffer := make([]byte, 2*maxHashLine)
	n, err := f.file.ReadAt(buffer, from)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", 0, err
	}
	text, last := buffer[:n], from+int64(n) >= f.size
	if offset > 0 {
		end := bytes.IndexByte(text, '\n')
		if end < 0 && last {
			return "", 0, io.EOF
		}
		text, from = text[end+1:], from+int64(end)+1
	}
	line, _, ended := bytes.Cut(text, []byte("\n"))
	if len(line) == 0 && !ended && last {
		return "", 0, io.EOF
	}
	digits, rest := line[:min(len(line), hashDigits)], line[min(len(line), hashDigits):]
	_, err = hex.Decode(make([]byte, hashDigits/2), digits)
	if err != nil || len(digits) < hashDigits || len(rest) > 0 && rest[0] != ':' && rest[0] != '\r' || !ended && !last {
		return "", 0, fmt.Errorf("no SHA-1 begins the line at byte %d", from)
	}
	return strings.ToUpper(string(digits)), from + int64(len(line)) + 1, nil
}
