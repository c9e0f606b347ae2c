// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/textproto"
	"strings"
	"unicode"

	"golang.org/x/text/encoding/htmlindex"

	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

const (
	// maxDepth and maxParts bound what is looked at of a message: no mail program
	// nests deeper, and an attacker's would keep the page busy.
	maxDepth = 20
	maxParts = 200
	// maxShown is how much text stands on the page, and maxHTML on one of a
	// message's own; the rest is in the file.
	maxShown = 256 << 10
	maxHTML  = 4 << 20
	// maxName is less than the 255 bytes that a file system takes, in letters of up
	// to three.
	maxName = 80
)

var errTooDeep = errors.New("gateway: the message is nested too deep, or has too many parts")

// part is a leaf of a message.
type part struct {
	N         int
	Type      string // text/plain
	Charset   string
	FileName  string // "" for none
	body      io.Reader
	forReader bool // to be shown, not handed out
}

// readMessage reads a message from its start, and calls visit for each leaf in
// turn until it is false. The body is good until visit returns.
func readMessage(r io.Reader, visit func(part) bool) (textproto.MIMEHeader, error) {
	raw, rest, err := smime.ReadHeader(r)
	if err != nil {
		return nil, err
	}
	header := headerOf(raw)
	w := walker{visit: visit}
	return header, w.walk(header, rest, 0)
}

// headerOf keeps the first of each field, as other readers do.
func headerOf(raw []byte) textproto.MIMEHeader {
	h := textproto.MIMEHeader{}
	for name, field := range fields(raw) {
		_, value, ok := bytes.Cut(field, []byte(":"))
		if key := textproto.CanonicalMIMEHeaderKey(name); ok && h.Get(key) == "" {
			h.Set(key, strings.TrimSpace(strings.ReplaceAll(string(value), "\r\n", "")))
		}
	}
	return h
}

type walker struct {
	visit func(part) bool
	n     int
	done  bool
}

func (w *walker) walk(h textproto.MIMEHeader, body io.Reader, depth int) error {
	kind, parameters, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		kind, parameters = "text/plain", nil // RFC 2045 §5.2
	}
	if strings.HasPrefix(kind, "multipart/") && parameters["boundary"] != "" {
		return w.parts(multipart.NewReader(body, parameters["boundary"]), depth)
	}
	if w.n++; w.n > maxParts {
		return errTooDeep
	}
	p := part{N: w.n, Type: kind, Charset: parameters["charset"], body: decoded(h.Get("Content-Transfer-Encoding"), body)}
	disposition, named, err := mime.ParseMediaType(h.Get("Content-Disposition"))
	p.FileName = baseName(named["filename"])
	if p.FileName == "" {
		p.FileName = baseName(parameters["name"])
	}
	attached := err == nil && disposition == "attachment"
	p.forReader = !attached && (kind == "text/plain" || kind == "text/html")
	w.done = !w.visit(p)
	return nil
}

func (w *walker) parts(r *multipart.Reader, depth int) error {
	if depth >= maxDepth {
		return errTooDeep
	}
	for !w.done {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil // what is there is shown, though its end is missing
		}
		if err != nil {
			return err
		}
		if err := w.walk(p.Header, p, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func decoded(encoding string, r io.Reader) io.Reader {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, r)
	case "quoted-printable":
		return quotedprintable.NewReader(r)
	}
	return r
}

// text reads most bytes of a text part, in UTF-8. more says that it goes on.
func (p part) text(most int) (text string, more bool) {
	raw, _ := io.ReadAll(io.LimitReader(p.body, int64(most)+1)) // what could be decoded is shown
	more = len(raw) > most
	raw = raw[:min(len(raw), most)]
	if !strings.EqualFold(p.Charset, "utf-8") {
		if enc, err := htmlindex.Get(p.Charset); err == nil {
			if out, err := enc.NewDecoder().Bytes(raw); err == nil {
				raw = out
			}
		}
	}
	return strings.ToValidUTF8(string(raw), "\uFFFD"), more
}

// baseName is a file's name without a folder, in characters that no file system
// or header reads anything into.
func baseName(name string) string {
	name = headerText(name)
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`"<>|:*?`, r) || isInvisible(r) {
			return '_'
		}
		return r
	}, name)
	if all := []rune(name); len(all) > maxName {
		name = string(all[len(all)-maxName:]) // its end says what kind of file it is
	}
	return strings.Trim(name, ". ")
}

// isInvisible: controls, ends of lines, and what turns the order of letters
// about, so that one kind of file looks like another.
func isInvisible(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }

// headerText decodes a header value for a person (RFC 2047).
func headerText(value string) string {
	d := mime.WordDecoder{CharsetReader: func(charset string, in io.Reader) (io.Reader, error) {
		enc, err := htmlindex.Get(charset)
		if err != nil {
			return nil, err
		}
		return enc.NewDecoder().Reader(in), nil
	}}
	out, err := d.DecodeHeader(value)
	if err != nil {
		out = value
	}
	return strings.ToValidUTF8(out, "\uFFFD")
}
