// SPDX-License-Identifier: Apache-2.0

package hospital

import (
	"context"
	"net/http"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// Session is a person signed in.
type Session struct {
	UserID  string    `json:"userID"`
	Name    string    `json:"name"`
	Expires time.Time `json:"expires"` // exclusive: gone at this second
	Alerts  []Alert   `json:"alerts"`  // as the sign-in told them
	AMR     []string  `json:"amr"`
	ACR     string    `json:"acr"`
}

// Alert says at a sign-in that the card's certificates end soon.
type Alert struct {
	Rule     string    `json:"rule"`
	DaysLeft int       `json:"daysLeft"`
	NotAfter time.Time `json:"notAfter"`
}

// SignIn proves the card in a reader with its passcode and leaves this browser
// with the session. Where the workstation has yet to notice that the card
// before was pulled, it tries again for a moment; no passcode is typed until
// then.
func (b *Browser) SignIn(ctx context.Context, reader int, passcode string) (s *Session, err error) {
	err = b.h.settled(ctx, func() error {
		s, err = b.signIn(ctx, reader, passcode)
		return err
	})
	return s, err
}

// settled does it again for a moment while the workstation holds somebody else
// for signed in.
func (h *Hospital) settled(ctx context.Context, do func() error) error {
	late := time.After(settling)
	for {
		err := do()
		if wardkey.RuleOf(err) != "session.busy" {
			return err
		}
		select {
		case <-late:
			return err
		case <-ctx.Done():
			return err
		case <-time.After(h.config.Step):
		}
	}
}

// settling is how long a workstation may take to notice a pulled card.
const settling = 3 * time.Second

func (b *Browser) signIn(ctx context.Context, reader int, passcode string) (*Session, error) {
	task, err := b.StartSignIn(ctx, reader)
	if err != nil {
		return nil, err
	}
	return b.FinishSignIn(ctx, task, passcode)
}

// StartSignIn opens the sign-in page and starts the agent's task, up to where
// the person types the passcode.
func (b *Browser) StartSignIn(ctx context.Context, reader int) (*Task, error) {
	t := Ticket{}
	if err := b.web(ctx, http.MethodGet, "/signin", nil, &t); err != nil {
		return nil, err
	}
	return b.Task(ctx, t, reader)
}

// FinishSignIn types the passcode and redeems what the card earned.
func (b *Browser) FinishSignIn(ctx context.Context, task *Task, passcode string) (*Session, error) {
	result, err := task.finish(ctx, map[string]string{"passcode": passcode})
	if err != nil {
		return nil, err
	}
	var signedIn struct {
		Alerts []Alert `json:"alerts"`
	}
	if err := b.web(ctx, http.MethodPost, "/card/v1/session", map[string]string{"result": result}, &signedIn); err != nil {
		return nil, err
	}
	s, err := b.Session(ctx)
	if err != nil {
		return nil, err
	}
	s.Alerts = signedIn.Alerts
	return s, nil
}

// Session asks who is signed in here. Over and gone is the refusal
// session.ended.
func (b *Browser) Session(ctx context.Context) (*Session, error) {
	s := new(Session)
	return s, b.web(ctx, http.MethodGet, "/my/session", nil, s)
}

// SignOut ends the session.
func (b *Browser) SignOut(ctx context.Context) error {
	return b.web(ctx, http.MethodDelete, "/card/v1/session", nil, nil)
}
