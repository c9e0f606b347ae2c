// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// record is what one change leaves besides its rows: its line in the audit, and what happens after the commit.
type record struct {
	AuditEntry
	keep     bool // commit what was done even though the answer is a refusal
	quiet    bool // nothing happened: no line in the audit
	events   []Event
	messages []message
}

// reason is a private cause of a refusal that the audit may name: a fixed word, never a value.
type reason string

func (r reason) Error() string { return string(r) }

// change runs fn in one transaction and puts one line about it into the audit: in the same transaction when it
// succeeded, in one of its own when it was refused and undone.
func (s *Service) change(ctx context.Context, actor, action, subject string, fn func(context.Context, *Tx, *record) error) error {
	var rec record
	var refused error
	err := s.store.Write(ctx, func(ctx context.Context, tx *Tx) error {
		rec = record{AuditEntry: AuditEntry{Actor: actor, Action: action, Subject: auditText(subject)}}
		refused = nil
		err := fn(ctx, tx, &rec)
		if err != nil && rec.keep && isRefusal(err) {
			rec.Detail = refusalDetail(err)
			refused, err = err, nil
		}
		if err != nil {
			return err
		}
		if rec.quiet {
			return nil
		}
		rec.At = tx.Now
		return tx.Audit.Append(ctx, rec.AuditEntry)
	})
	if err != nil {
		if isRefusal(err) {
			s.refuse(ctx, rec.Actor, rec.Action, rec.Subject, err)
		}
		return s.reachFrom(ctx, rec.Actor, err)
	}
	if refused != nil {
		rec.events, rec.messages = []Event{{Name: EventRefused, Rule: wardkey.RuleOf(refused)}}, nil
	}
	for _, e := range rec.events {
		s.observe(ctx, e)
	}
	for _, m := range rec.messages {
		s.send(m)
	}
	return s.reachFrom(ctx, rec.Actor, refused)
}

// refuse records a refusal that changed nothing else. The person gets the refusal even when this fails.
func (s *Service) refuse(ctx context.Context, actor, action, subject string, no error) {
	err := s.store.Write(context.WithoutCancel(ctx), func(ctx context.Context, tx *Tx) error {
		return tx.Audit.Append(ctx, AuditEntry{At: tx.Now, Actor: actor, Action: action, Subject: auditText(subject), Detail: refusalDetail(no)})
	})
	if err != nil {
		s.log.ErrorContext(ctx, "careid: refusal not audited", "rule", wardkey.RuleOf(no), "error", err)
	}
	s.observe(ctx, Event{Name: EventRefused, Rule: wardkey.RuleOf(no)})
}

// read runs fn on a snapshot.
func (s *Service) read(ctx context.Context, fn func(context.Context, *Tx) error) error {
	return s.store.Read(ctx, fn)
}

func isRefusal(err error) bool {
	var one *wardkey.Refusal
	return errors.As(err, &one)
}

func refusalDetail(err error) string {
	detail := "refused " + wardkey.RuleOf(err)
	var why reason
	if errors.As(err, &why) {
		detail += ": " + string(why)
	}
	return detail
}

// auditText keeps what strangers send from filling the audit or faking a line of it.
func auditText(text string) string {
	if len(text) > 64 {
		return "(too long)"
	}
	for _, r := range text {
		if r < ' ' || r > '~' {
			return "(not plain)"
		}
	}
	return text
}

// no makes a refusal from the book.
func (s *Service) no(id string, facts ...string) *wardkey.Refusal { return s.book.Refuse(id, facts...) }

// fromCA turns a "no" of the CA into the book's refusal and leaves failures as they are.
func (s *Service) fromCA(err error) error {
	rule := wardkey.RuleOf(err)
	if err == nil || rule == "" {
		return err
	}
	var window interface {
		Window() (opens, closes time.Time)
	}
	if !errors.As(err, &window) {
		return s.no(rule).Because(err)
	}
	opens, closes := window.Window()
	refusal := s.no(rule, "opens", opens.UTC().Format(time.DateOnly), "closes", closes.UTC().Format(time.DateOnly)).Because(err)
	if rule == "renewal.early" {
		return refusal.RetryAfter(opens)
	}
	return refusal
}

// newID is 128 random bits in hex.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the program instead
	return hex.EncodeToString(b[:])
}

// newSecret is 256 random bits in base64url. The store keeps only digest of it.
func newSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// newNonce is 128 random bits in base64url.
func newNonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func digest(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}
