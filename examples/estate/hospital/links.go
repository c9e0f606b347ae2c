// SPDX-License-Identifier: Apache-2.0

package hospital

import (
	"context"
	"net/http"
	"net/url"

	"github.com/wardkey-sdk/wardkey"
)

// The link portal, for a browser that has entered it.

// Workstation is what a person declares of the computer. Empty is unknown.
type Workstation struct {
	Browser              string // such as "edge"
	CredentialManagement string // yes or no: whether the agent answers
	Private              string // yes or no: a private window
	Skew                 string // whole seconds that its clock is ahead
}

func (w Workstation) declared(address string) map[string]string {
	return map[string]string{
		"address": address, "browser": w.Browser, "credentialManagement": w.CredentialManagement,
		"private": w.Private, "skew": w.Skew,
	}
}

// LinkPreflight lists everything that keeps a mail account from being linked;
// an empty list means that it can be.
func (b *Browser) LinkPreflight(ctx context.Context, address string, w Workstation) (wardkey.Refusals, error) {
	var out struct {
		Missing wardkey.Refusals `json:"missing"`
	}
	query := url.Values{}
	for name, value := range w.declared(address) {
		query.Set(name, value)
	}
	err := b.web(ctx, http.MethodGet, "/links/preflight?"+query.Encode(), nil, &out)
	return out.Missing, err
}

// Link links the card of this session to a mail account, by the account's password.
func (b *Browser) Link(ctx context.Context, address, password string, w Workstation) error {
	in := w.declared(address)
	in["password"] = password
	return b.web(ctx, http.MethodPost, "/links", in, nil)
}

// Relink moves the link of the card from one account to another in one act, by
// the other one's password.
func (b *Browser) Relink(ctx context.Context, from, address, password string, w Workstation) error {
	in := w.declared(address)
	in["from"], in["password"] = from, password
	return b.web(ctx, http.MethodPost, "/links/relink", in, nil)
}

// Unlink ends the link to an account.
func (b *Browser) Unlink(ctx context.Context, address string) error {
	return b.web(ctx, http.MethodPost, "/links/unlink", map[string]string{"address": address}, nil)
}

// LeaveLinks signs out of the link portal alone.
func (b *Browser) LeaveLinks(ctx context.Context) error {
	return b.web(ctx, http.MethodPost, "/links/auth/signout", nil, nil)
}
