// SPDX-License-Identifier: Apache-2.0

package relyingparty

import (
	"bytes"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/wardkey-sdk/wardkey"
)

// view is what a page of this package says.
type view struct {
	Title    string
	Name     string // of the application
	Steps    []string
	Again    string // where to try again, "" for nowhere
	InPerson bool
	Rule     string
	Style    template.CSS
}

// refuse tells a program a problem and a person a page. The cause goes to the log.
func (rp *RelyingParty) refuse(w http.ResponseWriter, r *http.Request, err error) {
	level, rule := slog.LevelInfo, wardkey.RuleOf(err)
	if rule == "" {
		level = slog.LevelError
	}
	var no *wardkey.Refusal
	known := errors.As(err, &no)
	cause := err
	if known {
		cause = errors.Unwrap(no)
	}
	rp.config.Log.Log(r.Context(), level, "refused", "path", r.URL.Path, "rule", rule, "cause", cause)
	if !html(r) {
		wardkey.WriteProblem(w, err)
		return
	}
	if !known {
		no = rp.book.Refuse("rp.internal")
	}
	v := view{Title: no.Public, Steps: no.Next, InPerson: no.InPerson, Rule: no.Rule, Again: rp.folder + SignInName}
	var from *again
	if errors.As(err, &from) {
		v.Again += "?" + url.Values{"return": {from.from}}.Encode()
	}
	if !no.RetryAt.IsZero() {
		w.Header().Set("Retry-After", no.RetryAt.Format(http.TimeFormat))
	}
	if err := rp.show(w, no.Status, v); err != nil {
		rp.config.Log.ErrorContext(r.Context(), "page failed", "cause", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
	}
}

// show writes a page; it writes nothing where it fails.
func (rp *RelyingParty) show(w http.ResponseWriter, status int, v view) error {
	v.Name, v.Style = rp.config.Name, template.CSS(styleCSS)
	var body bytes.Buffer
	if err := rp.page.Execute(&body, v); err != nil {
		return err
	}
	head := w.Header()
	head.Set("Content-Type", "text/html; charset=utf-8")
	head.Set("Content-Security-Policy", rp.policy)
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = body.WriteTo(w) // the browser has gone; there is nobody left to tell
	return nil
}
