// SPDX-License-Identifier: Apache-2.0

package hospital

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Entry is what a person brings to an application that signs people in at the
// OpenID Provider: the card in a reader, its passcode, and the code of the role
// that they want to work in where the provider asks for one.
type Entry struct {
	Reader   int
	Passcode string
	Role     string // such as S8000:G8000:R8001
}

// What the provider's page can ask for on the way into an application.
const (
	AskedSignIn = "signin"
	AskedStepUp = "stepup" // the card once more, in a session that goes on
	AskedRole   = "role"
)

// Enter opens a page of an application as a browser does, through every
// redirect. Where that leads to the provider's page, it does there what the page
// asks for, and goes back to the application. It returns what was asked, which is
// nothing where the session there was enough.
func (b *Browser) Enter(ctx context.Context, page string, e Entry) (asked []string, err error) {
	at, err := b.follow(ctx, page)
	for err == nil && strings.HasPrefix(at.String(), b.h.config.Web+"/login?") {
		if len(asked) == mostAsked {
			return asked, fmt.Errorf("hospital: the provider asks again and again: %v", asked)
		}
		var did string
		if at, did, err = b.step(ctx, at, e); did != "" {
			asked = append(asked, did)
		}
	}
	return asked, err
}

// mostAsked is more than the provider has to ask of anybody.
const mostAsked = 4

// step does what the provider's page asks for, and returns where that leads.
func (b *Browser) step(ctx context.Context, at *url.URL, e Entry) (next *url.URL, did string, err error) {
	var page struct {
		Ticket
		Next  string `json:"next"`
		Roles []struct {
			ID   string `json:"person_roleid"`
			Code string `json:"role_code"`
		} `json:"roles"`
	}
	if err := b.web(ctx, http.MethodGet, at.RequestURI(), nil, &page); err != nil {
		return nil, "", err
	}
	switch {
	case page.Next != "":
		next, err = b.follow(ctx, page.Next)
		return next, "", err
	case page.Kind != "":
		return at, page.Kind, b.showCard(ctx, page.Ticket, e)
	}
	for _, role := range page.Roles {
		if role.Code != e.Role {
			continue
		}
		in := map[string]string{"request": at.Query().Get("request"), "role": role.ID}
		if err := b.web(ctx, http.MethodPost, "/login/role", in, &page); err != nil {
			return nil, AskedRole, err
		}
		next, err = b.follow(ctx, page.Next)
		return next, AskedRole, err
	}
	return nil, "", fmt.Errorf("hospital: the provider's page asks for something else, or offers no role %s", e.Role)
}

// showCard has the agent do what a ticket of the provider's page allows, with the
// passcode typed at the agent's own page, and redeems what the card earned.
func (b *Browser) showCard(ctx context.Context, t Ticket, e Entry) error {
	var result string
	err := b.h.settled(ctx, func() (err error) {
		result, err = b.perform(ctx, t, e.Reader, map[string]string{"passcode": e.Passcode})
		return err
	})
	if err != nil {
		return err
	}
	return b.web(ctx, http.MethodPost, "/card/v1/session", map[string]string{"result": result, "purpose": t.Kind}, nil)
}

// follow opens a page as a browser does and says where it ended.
func (b *Browser) follow(ctx context.Context, page string) (*url.URL, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return nil, fmt.Errorf("hospital: %w", err)
	}
	req.Header.Set("Accept", "text/html")
	resp, err := b.http.Do(req)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // the address may carry a code
		}
		return nil, fmt.Errorf("hospital: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end below
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)); err != nil {
		return nil, fmt.Errorf("hospital: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("hospital: %s%s answered %s", resp.Request.URL.Host, resp.Request.URL.Path, resp.Status)
	}
	return resp.Request.URL, nil
}

// Inside asks an address of an application that only those see who are signed in
// there, as a script of its page does, and reads the answer into out; nil reads
// none. Over and gone is the refusal rp.session.
func (b *Browser) Inside(ctx context.Context, address string, out any) error {
	return do(ctx, b.http, request{method: http.MethodGet, url: address, out: out})
}
