// SPDX-License-Identifier: Apache-2.0

package wardkey

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	problemType  = "application/problem+json"
	ruleURN      = "urn:wardkey:rule:"
	internalRule = "internal"
	// maxProblem bounds what ParseRefusal reads: the longest refusal of the
	// rulebooks is under 2 KiB.
	maxProblem = 64 << 10
)

// problem is the wire form: RFC 9457 §3.1 members, then the Refusal's fields
// as extension members (§3.2).
type problem struct {
	Type     string            `json:"type"`
	Title    string            `json:"title"`
	Status   int               `json:"status"`
	Detail   string            `json:"detail"`
	Rule     string            `json:"rule"`
	Source   *Source           `json:"source,omitempty"`
	Fixer    string            `json:"fixer,omitempty"`
	Contact  string            `json:"contact,omitempty"`
	Next     []string          `json:"next,omitempty"`
	InPerson bool              `json:"inPerson,omitempty"`
	RetryAt  *time.Time        `json:"retryAt,omitempty"`
	Facts    map[string]string `json:"facts,omitempty"`
	Also     []problem         `json:"also,omitempty"`
}

// MarshalJSON gives the problem+json form of RFC 9457 with the Refusal's
// fields as members. The private cause is not part of it.
func (r *Refusal) MarshalJSON() ([]byte, error) { return json.Marshal(r.problem()) }

func (r *Refusal) problem() problem {
	p := problem{
		Type: ruleURN + r.Rule, Title: r.Public, Status: r.Status, Detail: strings.Join(r.Next, " "),
		Rule: r.Rule, Fixer: r.Fixer, Contact: r.Contact, Next: r.Next, InPerson: r.InPerson, Facts: r.Facts,
	}
	if r.Source != (Source{}) {
		source := r.Source
		p.Source = &source
	}
	if !r.RetryAt.IsZero() {
		at := r.RetryAt.UTC()
		p.RetryAt = &at
	}
	return p
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (r *Refusal) UnmarshalJSON(data []byte) error {
	var p problem
	if err := json.Unmarshal(data, &p); err != nil {
		return err
	}
	rule, ours := strings.CutPrefix(p.Type, ruleURN)
	if !ours || rule == "" || (p.Rule != "" && p.Rule != rule) {
		return errors.New("wardkey: a problem without a Wardkey rule")
	}
	*r = Refusal{
		Rule: rule, Status: p.Status, Public: p.Title, Fixer: p.Fixer, Contact: p.Contact,
		Next: p.Next, InPerson: p.InPerson, Facts: p.Facts,
	}
	if p.Source != nil {
		r.Source = *p.Source
	}
	if p.RetryAt != nil {
		r.RetryAt = *p.RetryAt
	}
	return nil
}

// WriteProblem answers with err as application/problem+json (RFC 9457). A
// Refusal is told in full, several Refusals as the first with the rest under
// "also"; any other error becomes status 500 with the rule "internal" and
// nothing of its text, which belongs in a log.
func WriteProblem(w http.ResponseWriter, err error) {
	p := problem{
		Type: ruleURN + internalRule, Rule: internalRule, Status: http.StatusInternalServerError,
		Title: "Something went wrong here. Nothing was changed for you.",
	}
	var many Refusals
	var one *Refusal
	switch {
	case errors.As(err, &many) && len(many) > 0:
		p = many[0].problem()
		for _, r := range many[1:] {
			p.Also = append(p.Also, r.problem())
		}
	case errors.As(err, &one):
		p = one.problem()
	}
	if p.Status < 400 || p.Status > 599 {
		p.Status = http.StatusForbidden
	}
	if p.RetryAt != nil {
		w.Header().Set("Retry-After", p.RetryAt.Format(http.TimeFormat))
	}
	body, err := json.Marshal(p)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", problemType)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // the client has gone; there is nobody left to tell
}

// ParseRefusal reads the Refusal out of an answer that WriteProblem wrote. The
// error of a body that is not such an answer says so; the Refusal is then nil.
// It reads the body and leaves closing it to the caller.
func ParseRefusal(resp *http.Response) (*Refusal, error) {
	if kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";"); strings.TrimSpace(kind) != problemType {
		return nil, fmt.Errorf("wardkey: status %d with content type %q is not a refusal", resp.StatusCode, kind)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	if err != nil {
		return nil, fmt.Errorf("wardkey: reading a refusal: %w", err)
	}
	r := new(Refusal)
	if err := json.Unmarshal(body, r); err != nil {
		return nil, fmt.Errorf("wardkey: reading a refusal: %w", err)
	}
	r.Status = resp.StatusCode
	return r, nil
}
