// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
)

// maxForm bounds a posted form: two passcodes, a code and a csrf value.
const maxForm = 4 << 10

var errForm = errors.New("agent: not a form of this page")

// form holds the typed fields as bytes that can be cleared, which
// http.Request.PostForm, made of strings, can't.
type form map[string][]byte

// readForm reads application/x-www-form-urlencoded and clears the raw body.
// A field given twice is refused.
func readForm(r *http.Request) (form, error) {
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); kind != "application/x-www-form-urlencoded" {
		return nil, errForm
	}
	// One buffer that never grows, so that no copy is left behind.
	buffer := make([]byte, maxForm+1)
	defer clear(buffer)
	n := 0
	for n < len(buffer) {
		k, err := r.Body.Read(buffer[n:])
		n += k
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, errForm
		}
	}
	if n == len(buffer) {
		return nil, errForm
	}
	raw := buffer[:n]
	f := form{}
	for pair := range bytes.SplitSeq(raw, []byte("&")) {
		name, value, _ := bytes.Cut(pair, []byte("="))
		key, ok := unescape(name)
		text, ok2 := unescape(value)
		if _, twice := f[string(key)]; twice || !ok || !ok2 {
			f.clear()
			clear(text)
			return nil, errForm
		}
		f[string(key)] = text
	}
	return f, nil
}

// clear overwrites every field. What the network stack read ahead is beyond
// its reach.
func (f form) clear() {
	for _, v := range f {
		clear(v)
	}
}

// unescape undoes percent-encoding into a slice of its own.
func unescape(in []byte) ([]byte, bool) {
	out := make([]byte, 0, len(in))
	for i := 0; i < len(in); i++ {
		switch in[i] {
		case '+':
			out = append(out, ' ')
		case '%':
			if i+2 >= len(in) {
				return out, false
			}
			high, low := hexDigit(in[i+1]), hexDigit(in[i+2])
			if high < 0 || low < 0 {
				return out, false
			}
			out = append(out, byte(high<<4|low))
			i += 2
		default:
			out = append(out, in[i])
		}
	}
	return out, true
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
