// SPDX-License-Identifier: Apache-2.0

package openid

import (
	"errors"
	"net/http"

	"github.com/wardkey-sdk/wardkey/careid/internal/web"
)

// Error is an answer of the protocol that says no: one of the codes of RFC 6749 §4.1.2.1 and §5.2 or OpenID Connect Core
// §3.1.2.6, and a sentence for the client's developers. The cause is for the log alone.
type Error struct {
	Code        string
	Description string
	status      int
	cause       error
}

// Error returns code and description.
func (e *Error) Error() string { return e.Code + ": " + e.Description }

// Unwrap returns the private cause, or nil.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is the same answer, whatever the cause.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Code == e.Code && other.Description == e.Description
}

// Status is the HTTP status that carries it where it is not sent by a redirect.
func (e *Error) Status() int {
	switch {
	case e.status != 0:
		return e.status
	case e.Code == "server_error":
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}

// no is an error of the protocol.
func no(code, description string) *Error { return &Error{Code: code, Description: description} }

func (e *Error) because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

func (e *Error) with(status int) *Error {
	c := *e
	c.status = status
	return &c
}

// protocolError is err as the client is told: what is no answer of the protocol is a failure here, and says no more.
func protocolError(err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return no("invalid_request", "The request is too large.").with(http.StatusRequestEntityTooLarge)
	}
	return no("server_error", "The service can't answer at the moment.").because(err)
}

// errorBody is RFC 6749 §5.2.
type errorBody struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

func writeError(w http.ResponseWriter, e *Error) {
	writeJSON(w, e.Status(), errorBody{e.Code, e.Description})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	if web.Write(w, status, v) != nil {
		_ = web.Write(w, http.StatusInternalServerError, errorBody{Error: "server_error"}) // two strings can be written
	}
}
