// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"bytes"
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
)

// decoded is a subject as a person reads it. Adjacent encoded words are read
// one by one, as RFC 2047 has them, and also as one run of bytes, as senders
// mean them who cut a word in the middle of a letter; where the two differ,
// both are kept.
type decoded struct {
	texts []string
	// bytes is what the encoded words hold, without the zeros of a charset of
	// 16 bits: what a reader sees who takes the charset for another.
	bytes []byte
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
	var single, joined strings.Builder
	var d decoded
	whole, words := true, false
	var run []encodedWord
	flush := func() {
		if len(run) == 0 {
			return
		}
		one, run1 := decodeEach(run), decodeJoined(run)
		switch {
		case one == "" && run1 == "":
			whole = false
			one = rawOf(run)
			run1 = one
		case one == "":
			one = run1
		case run1 == "":
			run1 = one
		}
		single.WriteString(one)
		joined.WriteString(run1)
		run = nil
	}
	for s != "" {
		begin := strings.Index(s, "=?")
		if begin < 0 {
			begin = len(s)
		}
		word, shape := parseWord(s[begin:])
		if shape == noWord && begin < len(s) {
			begin += 2 // "=?" as plain text
		}
		if plain := s[:begin]; plain != "" && (shape != goodWord || len(run) == 0 || strings.Trim(plain, " \t") != "") {
			flush()
			single.WriteString(plain)
			joined.WriteString(plain)
		}
		s = s[begin:]
		switch shape {
		case goodWord:
			words = true
			run = append(run, word)
			d.bytes = append(d.bytes, bytes.ReplaceAll(word.data, []byte{0}, nil)...)
			s = s[len(word.raw):]
		case brokenWord:
			flush()
			whole = false
			single.WriteString(s)
			joined.WriteString(s)
			s = ""
		}
	}
	flush()
	d.texts, d.whole = []string{single.String()}, whole
	if joined.String() != d.texts[0] {
		d.texts = append(d.texts, joined.String())
	}
	for _, t := range d.texts {
		if !readable(t) || (words && strings.Contains(t, "?=")) {
			d.whole = false
		}
	}
	return d
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
	return utf8.ValidString(t) && !strings.ContainsRune(t, utf8.RuneError) && !strings.ContainsRune(t, 0xfffe) &&
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
// or is empty.
func parseWord(s string) (encodedWord, wordShape) {
	if s == "" {
		return encodedWord{}, noWord
	}
	charset, rest, _ := strings.Cut(s[2:], "?")
	encoding, rest, ok := strings.Cut(rest, "?")
	if !ok || encoding == "" {
		return encodedWord{}, noWord
	}
	if charset == "" || strings.ContainsAny(charset, " \t=") || strings.ContainsAny(encoding, " \t") {
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

// decodeEach decodes word by word; "" where any word fails.
func decodeEach(run []encodedWord) string {
	var b strings.Builder
	for _, w := range run {
		text, ok := charsetText(w.charset, w.data)
		if !ok {
			return ""
		}
		b.WriteString(text)
	}
	return b.String()
}

// decodeJoined decodes neighbours of one charset together; "" where any part
// fails.
func decodeJoined(run []encodedWord) string {
	var b strings.Builder
	for i := 0; i < len(run); {
		var data []byte
		j := i
		for ; j < len(run) && run[j].charset == run[i].charset; j++ {
			if run[j].data == nil {
				return ""
			}
			data = append(data, run[j].data...)
		}
		text, ok := charsetText(run[i].charset, data)
		if !ok {
			return ""
		}
		b.WriteString(text)
		i = j
	}
	return b.String()
}

// charsetText decodes data by the charset's name in the IANA registry, or by
// the names that browsers know beside it ("gb2312", "ks_c_5601-1987"). Bytes
// that the charset does not have make it fail, and so does utf-16 that does not
// say in which order its bytes are. ISO-8859-1 is read as windows-1252, as mail
// programs do: those that write an ellipsis or a curly quote under that name
// mean it so.
func charsetText(charset string, data []byte) (string, bool) {
	if data == nil {
		return "", false
	}
	if charset == "utf-8" || charset == "utf8" {
		return string(data), utf8.Valid(data)
	}
	enc, err := ianaindex.MIME.Encoding(charset)
	if err != nil || enc == nil { // a known name without a table gives nil, nil
		if enc, err = htmlindex.Get(charset); err != nil {
			return "", false
		}
	}
	switch {
	case enc == charmap.ISO8859_1:
		enc = charmap.Windows1252
	case charset == "utf-16" && !bytes.HasPrefix(data, []byte("\xfe\xff")) && !bytes.HasPrefix(data, []byte("\xff\xfe")):
		return "", false
	}
	text, err := enc.NewDecoder().Bytes(data)
	if err != nil || bytes.ContainsRune(text, utf8.RuneError) {
		return "", false
	}
	return string(text), true
}
