// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"context"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// Client is a program in which somebody reads mail.
type Client string

// The programs.
const (
	Web     Client = "web"
	Outlook Client = "outlook" // the desktop program
	Mobile  Client = "mobile"  // on a phone or a tablet
)

// Method is a way of signing in to mail.
type Method string

// The ways.
const (
	Password     Method = "password"
	CareIdentity Method = "care-identity"
)

func (p *Policy) readClients(book *wardkey.Rulebook, t time.Time) error {
	p.methods = map[Client][]string{}
	for _, c := range []Client{Web, Outlook, Mobile} {
		methods, err := book.Strings("mail.methods."+string(c), t)
		if err != nil {
			return err
		}
		p.methods[c] = methods
	}
	preferred, err := book.Text("mail.client.preferred", t)
	if err != nil {
		return err
	}
	p.preferred = Client(preferred)
	p.privateTicked, err = book.Bool("mail.computer.private", t)
	return err
}

// Methods lists how one signs in to mail in a client, as published: a Care
// Identity works in a web browser only. Whether a given browser will do is
// careid's to say. An unknown client has none.
func (p *Policy) Methods(c Client) []Method {
	var methods []Method
	for _, m := range p.methods[c] {
		methods = append(methods, Method(m))
	}
	return methods
}

// PreferredClient is the client that is recommended for everyday use.
func (p *Policy) PreferredClient() Client { return p.preferred }

// Device is whose computer somebody signs in on.
type Device string

// The devices. What is unknown is not declared shared.
const (
	UnknownDevice Device = ""
	OwnDevice     Device = "own"
	SharedDevice  Device = "shared"
)

// PrivateTicked is how the box "This is a private computer" begins: as the
// policy says, and never ticked on a shared device.
func (p *Policy) PrivateTicked(d Device) bool { return p.privateTicked && d != SharedDevice }

// DeclareComputer says for a session whether the box "This is a private
// computer" was ticked. A session begins without it.
func (a *Accounts) DeclareComputer(ctx context.Context, token string, private bool) error {
	detail := "mail.computer.public"
	if private {
		detail = "mail.computer.private"
	}
	return a.change(ctx, token, detail, func(ctx context.Context, tx StoreTx, _ *AccountRecord) error {
		return refuseIf(tx.SetPrivate(ctx, tokenHash(token), private), ErrNotFound, "mail.session")
	})
}

// CanOpenAttachments refuses (mail.device.public) to open or download what is
// attached to a message unless the session's computer was declared private.
// Other refusals: mail.session, mail.account.disabled, mail.account.deleted.
func (a *Accounts) CanOpenAttachments(ctx context.Context, token string) error {
	p, err := a.Policy()
	if err != nil {
		return err
	}
	return a.config.Store.Read(ctx, func(ctx context.Context, tx StoreTx) error {
		if _, err := p.signedIn(ctx, tx, token); err != nil {
			return err
		}
		s, err := tx.Session(ctx, tokenHash(token))
		if err != nil {
			return refuseIf(err, ErrNotFound, "mail.session")
		}
		if !s.Private {
			return Rules().Refuse("mail.device.public")
		}
		return nil
	})
}
