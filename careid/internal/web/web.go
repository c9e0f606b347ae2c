// SPDX-License-Identifier: Apache-2.0

// Package web is what the HTTP sides of this room share: JSON that is read strictly
// and written whole, rates by source, and which hosts are this machine.
package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strings"
)

// Read decodes a body of one JSON value, of at most limit bytes and without unknown
// members. Its error is for logs: it says what is wrong and nothing that stands in
// the body, for a decoder's own words may quote a code or a token. Of a body that is
// too large it is an *http.MaxBytesError.
func Read(w http.ResponseWriter, r *http.Request, limit int64, into any) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return errors.New("the body is not application/json")
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, limit))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return withoutValue(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("something follows the body")
	}
	return nil
}

func withoutValue(err error) error {
	var large *http.MaxBytesError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &large):
		return large
	case errors.As(err, &kind):
		return fmt.Errorf("member %q has another type", kind.Field)
	}
	return errors.New("the body is not the JSON of this request")
}

// Write answers with JSON. Where v can't be written nothing is, and the error is the
// caller's to answer.
func Write(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the other side has gone; there is nobody left to tell
	return nil
}

// Loopback reports whether a host's name says that it is this machine: localhost, a
// name below it (RFC 6761 §6.3), or a loopback address.
func Loopback(host string) bool {
	host = strings.ToLower(host)
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}
