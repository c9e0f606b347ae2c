// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/unicode"
)

// decoded is a subject as a person may read it. Adjacent encoded words are read
// one by one, as RFC 2047 has them, and also as one run of bytes, as senders
// mean them who cut a word in the middle of a letter; where the two differ,
// both are kept.
type decoded struct {
	texts []string
	// bytes is the text with the bytes of its encoded words as they are, without
	// the zeros of a charset of 16 or 32 bits: what a reader sees who takes the
	// charset for another, and what a sender wrote whose program named a wrong one.
	bytes string
	// whole is false where a part could not be decoded. It is then left in the
	// texts as it came.
	whole bool
}

// decodeSubject unfolds and decodes a raw Subject (RFC 5322 §2.2.3, RFC 2047,
// RFC 2231 §5). It reads encoded words wherever they stand, also where they
// break RFC 2047 §5 by touching other text or holding spaces: clients show
// those decoded too.
func decodeSubject(raw []byte) decoded {
	s := string(bytes.TrimLeft(bytes.ReplaceAll(raw, []byte("\r\n"), nil), " \t"))
	r := readings{whole: true}
	words := false
	for s != "" {
		begin := strings.Index(s, "=?")
		if begin < 0 {
			begin = len(s)
		}
		word, shape := parseWord(s[begin:])
		if shape == noWord && begin < len(s) {
			begin += 2 // "=?" as plain text
		}
		// Blanks between two words are part of neither.
		if plain := s[:begin]; strings.Trim(plain, " \t") != "" {
			r.plain(plain)
		}
		s = s[begin:]
		switch shape {
		case goodWord:
			words = true
			r.run = append(r.run, word)
			s = s[len(word.raw):]
		case brokenWord:
			r.plain(s)
			r.whole = false
			s = ""
		}
	}
	r.flush()
	d := decoded{texts: []string{r.single.String()}, bytes: r.asBytes.String(), whole: r.whole}
	if r.joined.String() != d.texts[0] {
		d.texts = append(d.texts, r.joined.String())
	}
	for _, t := range d.texts {
		if !readable(t) || (words && strings.Contains(t, "?=")) {
			d.whole = false
		}
	}
	return d
}

// readings are the ways to read one subject, side by side.
type readings struct {
	single, joined, asBytes strings.Builder

	run   []encodedWord // neighbours that are not yet decoded
	whole bool
}

func (r *readings) plain(text string) {
	r.flush()
	r.single.WriteString(text)
	r.joined.WriteString(text)
	r.asBytes.WriteString(text)
}

func (r *readings) flush() {
	if len(r.run) == 0 {
		return
	}
	single, each := decodeEach(r.run)
	joined, together := decodeJoined(r.run)
	switch {
	case !each && !together:
		r.whole = false
		single = rawOf(r.run)
		joined = single
	case !each:
		single = joined
	case !together:
		joined = single
	}
	r.single.WriteString(single)
	r.joined.WriteString(joined)
	for _, w := range r.run {
		r.asBytes.Write(bytes.ReplaceAll(w.data, []byte{0}, nil))
	}
	r.run = nil
}

func rawOf(run []encodedWord) string {
	var b strings.Builder
	for _, w := range run {
		b.WriteString(w.raw)
	}
	return b.String()
}

// readable is false for raw bytes that are no UTF-8, for what a decoder could
// not make out, for bytes in the wrong order, and for words that are encoded
// twice or that only a reader who drops blanks would find.
func readable(t string) bool {
	return !strings.ContainsRune(t, utf8.RuneError) && !strings.ContainsRune(t, 0xfffe) &&
		!looksEncoded(t) && !looksEncoded(noBlanks.Replace(t))
}

var noBlanks = strings.NewReplacer(" ", "", "\t", "")

type wordShape uint8

const (
	noWord     wordShape = iota // plain text
	goodWord                    // =?charset?B or Q?text?=
	brokenWord                  // begun like an encoded word and not one
)

type encodedWord struct {
	raw     string
	charset string // lower case, without a language
	data    []byte // after B or Q; nil where that failed
}

// parseWord reads the encoded word at the start of s, which begins with "=?"
// or is empty. What names a charset and is no word after all is a broken one.
func parseWord(s string) (encodedWord, wordShape) {
	if s == "" {
		return encodedWord{}, noWord
	}
	w, shape := parseWhole(s)
	if shape == noWord && namesCharset(s[2:]) {
		shape = brokenWord
	}
	return w, shape
}

// namesCharset reports text that begins with the name of a charset that can be
// decoded. Names of one or two letters (l1, us) are ordinary talk too.
func namesCharset(s string) bool {
	if end := strings.IndexAny(s, "?* \t"); end >= 0 {
		s = s[:end]
	}
	return len(s) > 2 && len(s) <= maxCharset && charsetOf(strings.ToLower(s)) != nil
}

// maxCharset is RFC 2978 §2.3's bound on the name of a charset.
const maxCharset = 40

func parseWhole(s string) (encodedWord, wordShape) {
	charset, rest, _ := strings.Cut(s[2:], "?")
	encoding, rest, ok := strings.Cut(rest, "?")
	if !ok || encoding == "" {
		return encodedWord{}, noWord
	}
	if charset == "" || strings.ContainsAny(charset, " \t=") {
		// Some readers take it for a word all the same.
		if e := noBlanks.Replace(encoding); strings.EqualFold(e, "B") || strings.EqualFold(e, "Q") {
			return encodedWord{}, brokenWord
		}
		return encodedWord{}, noWord
	}
	payload, _, ok := strings.Cut(rest, "?=")
	if !ok {
		return encodedWord{}, brokenWord
	}
	charset, _, _ = strings.Cut(charset, "*")
	w := encodedWord{raw: s[:len(s)-len(rest)+len(payload)+2], charset: strings.ToLower(charset)}
	switch encoding {
	case "B", "b":
		w.data = decodeB(payload)
	case "Q", "q":
		w.data = decodeQ(payload)
	}
	return w, goodWord
}

func looksEncoded(s string) bool {
	for {
		begin := strings.Index(s, "=?")
		if begin < 0 {
			return false
		}
		s = s[begin:]
		if _, shape := parseWord(s); shape != noWord {
			return true
		}
		s = s[2:]
	}
}

// decodeB accepts what senders write: padding left off, blanks inside.
func decodeB(payload string) []byte {
	payload = strings.TrimRight(noBlanks.Replace(payload), "=")
	data, err := base64.RawStdEncoding.DecodeString(payload)
	if err != nil {
		return nil
	}
	return append([]byte{}, data...)
}

func decodeQ(payload string) []byte {
	data := make([]byte, 0, len(payload))
	for i := 0; i < len(payload); i++ {
		c := payload[i]
		switch {
		case c == '_':
			data = append(data, ' ')
		case c == '=':
			if i+2 >= len(payload) {
				return nil
			}
			hi, lo := unhex(payload[i+1]), unhex(payload[i+2])
			if hi < 0 || lo < 0 {
				return nil
			}
			data = append(data, byte(hi<<4|lo))
			i += 2
		case c >= 0x80:
			return nil
		default:
			data = append(data, c)
		}
	}
	return data
}

func unhex(c byte) int {
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

// decodeEach decodes word by word; it is not ok where any word fails.
func decodeEach(run []encodedWord) (text string, ok bool) {
	var b strings.Builder
	for _, w := range run {
		text, ok := charsetText(w.charset, w.data)
		if !ok {
			return "", false
		}
		b.WriteString(text)
	}
	return b.String(), true
}

// decodeJoined decodes neighbours of one charset together; it is not ok where
// any part fails.
func decodeJoined(run []encodedWord) (text string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(run); {
		var data []byte
		j := i
		for ; j < len(run) && run[j].charset == run[i].charset; j++ {
			if run[j].data == nil {
				return "", false
			}
			data = append(data, run[j].data...)
		}
		text, ok := charsetText(run[i].charset, append([]byte{}, data...)) // not nil
		if !ok {
			return "", false
		}
		b.WriteString(text)
		i = j
	}
	return b.String(), true
}

// charsetText decodes data. Bytes that the charset does not have make it fail,
// and so does utf-16 that does not say in which order its bytes are.
func charsetText(charset string, data []byte) (string, bool) {
	if data == nil {
		return "", false
	}
	if charset == "utf-8" || charset == "utf8" {
		return string(data), utf8.Valid(data)
	}
	enc := charsetOf(charset)
	if enc == nil || (enc == utf16 && !bytes.HasPrefix(data, []byte("\xfe\xff")) && !bytes.HasPrefix(data, []byte("\xff\xfe"))) {
		return "", false
	}
	text, err := enc.NewDecoder().Bytes(data)
	if err != nil || bytes.ContainsRune(text, utf8.RuneError) {
		return "", false
	}
	return string(text), true
}

// utf16 reads its byte order from the first two bytes (RFC 2781 §4.3).
var utf16 = unicode.UTF16(unicode.BigEndian, unicode.UseBOM)

// charsetOf finds a charset by its name in lower case: in the IANA registry, or
// among the names that browsers know beside it ("gb2312", "ks_c_5601-1987"); nil
// where there is no table for it. ISO-8859-1 is read as windows-1252, as mail
// programs do: those that write an ellipsis or a curly quote under that name
// mean it so.
func charsetOf(name string) encoding.Encoding {
	enc, err := ianaindex.MIME.Encoding(name)
	if err != nil || enc == nil { // a known name without a table gives nil, nil
		if enc, err = htmlindex.Get(name); err != nil {
			return nil
		}
	}
	if enc == charmap.ISO8859_1 {
		return charmap.Windows1252
	}
	return enc
}
