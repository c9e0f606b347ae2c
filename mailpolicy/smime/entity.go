// SPDX-License-Identifier: Apache-2.0

package smime

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"strings"
)

// entity is a MIME entity; its body is in memory but for the outermost.
type entity struct {
	header []byte
	fields []field
	kind   string // media type in lower case
	params map[string]string
	body   io.Reader
	bytes  []byte
}

func newEntity(header []byte) (entity, error) {
	e := entity{header: header}
	var err error
	if e.fields, err = splitFields(header); err != nil {
		return e, err
	}
	typed := 0
	for _, f := range e.fields {
		if f.name != "content-type" {
			continue
		}
		typed++
		if e.kind, e.params, err = mime.ParseMediaType(f.value()); err != nil {
			if e.kind, e.params = looseType(f.value()); container(e.kind) {
				return e, errBER
			}
		}
	}
	if typed > 1 {
		return e, errBER // one reader's part is another's two
	}
	return e, nil
}

// looseType reads a Content-Type that is not in order, as some programs write
// it. What counts of its parameters is the charset, of which the first unknown
// one stays, and the protection of the header.
func looseType(value string) (kind string, params map[string]string) {
	kind, rest, _ := strings.Cut(value, ";")
	params = map[string]string{}
	for parameter := range strings.SplitSeq(rest, ";") {
		name, value, _ := strings.Cut(strings.ToLower(parameter), "=")
		value = strings.Trim(value, " \t\"")
		switch name = strings.TrimSpace(name); {
		case name == "hp":
			params["hp"] = value
		case strings.Contains(name, "charset") && knownCharset(params["charset"]):
			params["charset"] = value
		}
	}
	return strings.ToLower(strings.TrimSpace(kind)), params
}

// container says that an entity of this type holds others, so that its
// parameters must be clear. Some programs skip what stands before the type.
func container(kind string) bool {
	return strings.Contains(kind, "multipart") || strings.Contains(kind, "message")
}

// value is what stands behind the field's colon, unfolded.
func (f field) value() string {
	_, value, _ := bytes.Cut(f.raw, []byte(":"))
	return strings.TrimSpace(strings.ReplaceAll(string(value), "\r\n", ""))
}

// inner parts a decrypted or verified content into header and body.
func inner(content []byte) (entity, error) {
	end := headerEnd(content)
	if end < 0 {
		return entity{}, errBER
	}
	e, err := newEntity(content[:end])
	e.bytes = content[end:]
	return e, err
}

// headerEnd is where the body begins, negative if it doesn't.
func headerEnd(content []byte) int {
	if bytes.HasPrefix(content, []byte("\r\n")) {
		return 2
	}
	end := bytes.Index(content[:min(len(content), MaxHeaderBytes)], []byte("\r\n\r\n"))
	if end < 0 {
		return -1
	}
	return end + 4
}

// reader reads the body of an entity that holds CMS.
func (e entity) reader() (io.Reader, error) {
	r := e.body
	if r == nil {
		r = bytes.NewReader(e.bytes)
	}
	how, err := e.encoding()
	switch {
	case err != nil:
		return nil, err
	case how == "base64":
		return base64.NewDecoder(base64.StdEncoding, r), nil
	case how == "quoted-printable":
		return nil, errBER // for text
	}
	return r, nil
}

// encoding is the transfer encoding, which must be one of RFC 2045 §6.1.
func (e entity) encoding() (string, error) {
	how, count := "7bit", 0
	for _, f := range e.fields {
		if f.name == "content-transfer-encoding" {
			how, count = strings.ToLower(f.value()), count+1
		}
	}
	switch how {
	case "7bit", "8bit", "binary", "base64", "quoted-printable":
		if count <= 1 {
			return how, nil
		}
	}
	return "", errBER
}
