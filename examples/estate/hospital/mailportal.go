// SPDX-License-Identifier: Apache-2.0

package hospital

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Gates are the three things to do at a first sign-in to mail.
type Gates struct {
	PasswordChanged, QuestionsSet, PolicyAccepted bool
}

// MailSignIn signs in to the mail portal with a password.
func (b *Browser) MailSignIn(ctx context.Context, address, password string) (Gates, error) {
	var out struct {
		Steps []string `json:"steps"` // that are still to do
	}
	err := b.atMail(ctx, "/signin", url.Values{"address": {address}, "password": {password}}, &out)
	done := func(step string) bool { return !slices.Contains(out.Steps, step) }
	return Gates{done("a new password"), done("security questions"), done("the acceptable use policy")}, err
}

// ChangeMailPassword passes the first gate.
func (b *Browser) ChangeMailPassword(ctx context.Context, password string) error {
	return b.atMail(ctx, "/first/password", url.Values{"new": {password}}, nil)
}

// Answer is one security question with its answer.
type Answer struct{ Question, Answer string }

// SetQuestions passes the second gate.
func (b *Browser) SetQuestions(ctx context.Context, answers []Answer) error {
	fields := url.Values{}
	for _, a := range answers {
		fields.Add("question", a.Question)
		fields.Add("answer", a.Answer)
	}
	return b.atMail(ctx, "/first/questions", fields, nil)
}

// AcceptPolicy passes the third gate: it accepts the version that the page shows.
func (b *Browser) AcceptPolicy(ctx context.Context) error {
	state, err := b.h.State(ctx)
	if err != nil {
		return err
	}
	page, err := b.Open(ctx, state.Mail+"/first")
	if err != nil {
		return err
	}
	forms, err := parseForms(page.at, bytes.NewReader(page.Raw))
	if err != nil {
		return err
	}
	i := slices.IndexFunc(forms, func(f form) bool { return f.action.Path == "/first/policy" })
	if i < 0 {
		return fmt.Errorf("hospital: the mail portal shows no policy, and says %q", page.Says())
	}
	return b.atMail(ctx, "/first/policy", forms[i].preset, nil)
}

// Verdict is what the mail portal says would become of a message as it is typed.
type Verdict struct {
	Verdict    string `json:"verdict"`
	Says       string `json:"says"`
	Recipients []struct {
		Address string `json:"address"`
		Verdict string `json:"verdict"`
	} `json:"recipients"`
}

// Typing asks the mail portal about a message that is not written to its end, as
// the script of its page does.
func (b *Browser) Typing(ctx context.Context, to, subject string) (*Verdict, error) {
	v := new(Verdict)
	return v, b.atMail(ctx, "/compose/decision", url.Values{"to": {to}, "subject": {subject}}, v)
}

// SendMail writes a message in the mail portal.
func (b *Browser) SendMail(ctx context.Context, to, subject, body string) error {
	return b.atMail(ctx, "/compose/send", url.Values{"to": {to}, "subject": {subject}, "body": {body}}, nil)
}

// atMail sends a form to the mail portal with this browser's cookies, as a program
// that reads the answer.
func (b *Browser) atMail(ctx context.Context, path string, fields url.Values, out any) error {
	state, err := b.h.State(ctx)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, state.Mail+path, strings.NewReader(fields.Encode()))
	if err != nil {
		return fmt.Errorf("hospital: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return send(b.http, req, out)
}

// OwnMail shows the identity service that a mail account is this person's, for
// linking it, with the password that they have chosen.
func (b *Browser) OwnMail(ctx context.Context, address, password string) error {
	return b.web(ctx, http.MethodPost, "/mail/signin", map[string]string{"address": address, "password": password}, nil)
}
