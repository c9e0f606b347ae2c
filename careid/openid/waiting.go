// SPDX-License-Identifier: Apache-2.0

package openid

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey/careid"
)

// Waiting is an authorization request that waits for its person, for a page to show.
type Waiting struct {
	Client string // its name for people
	// Session is the browser's, nil without one.
	Session *careid.Session
	// SignIn says that the person has to sign in, or again if there is a Session; Wanted lists the acr values of which
	// any will do, none for any.
	SignIn bool
	Wanted []string
	// Roles are to be chosen among, once nothing else is missing. Where there is nothing to choose they are empty, and
	// Finish takes the role "".
	Roles []Role
	Until time.Time // Wall: how long it waits
}

// needed is what a request still needs of its person.
type needed struct {
	signIn error   // why the session there is will not do, or nil
	acr    string  // what the session is called towards this client
	person *Person // where a role is asked for
	roles  []Role  // to choose among
	role   string  // chosen, or the only one
}

func (n needed) ready() bool { return n.signIn == nil && len(n.roles) == 0 }

// silently is the answer to prompt=none. OpenID Connect Core §3.1.2.6.
func (n needed) silently() *Error {
	if n.signIn != nil {
		return no("login_required", "Nobody is signed in as this client asks.").because(n.signIn)
	}
	return no("interaction_required", "The person has to choose a role.")
}

// look compares a request with the session there is, which may be nil. It fails where the person can't help it.
func (p *Provider) look(ctx context.Context, r Request, s *careid.Session) (needed, error) {
	var n needed
	if n.acr, n.signIn = p.suits(r, s); n.signIn != nil || !picksRole(r.Scopes) {
		return n, nil
	}
	var err error
	if n.person, err = p.config.People.Person(ctx, s.Profile); err != nil {
		return n, err
	}
	switch len(n.person.Roles) {
	case 0:
		return n, no("access_denied", "The person holds no role.").because(p.no("openid.role.none", "client", p.clientName(r.Client)))
	case 1:
		n.role = n.person.Roles[0].ID
		return n, nil
	}
	if n.role, err = p.chosen(ctx, s.ID); err != nil {
		return n, err
	}
	if n.role == "" {
		n.role = r.Role
	}
	if r.Fresh || !n.person.holds(n.role) { // prompt=login asks for the role too, as at the national service
		n.role, n.roles = "", n.person.Roles
	}
	return n, nil
}

func (p *Person) holds(role string) bool {
	return slices.ContainsFunc(p.Roles, func(r Role) bool { return r.ID == role })
}

// suits says what a session is called towards a client, or why it will not do for the request: nobody is signed in, not
// freshly enough, not as the client asks, or somebody else.
func (p *Provider) suits(r Request, s *careid.Session) (acr string, why error) {
	name := p.clientName(r.Client)
	if s == nil {
		return "", p.no("openid.signin", "client", name)
	}
	// A session that was there when the request came is not one that began for it, even in the same second.
	if r.Fresh && (s.ID == r.Prior || s.AuthTime.Before(r.Started.Truncate(time.Second))) {
		return "", p.no("openid.signin", "client", name)
	}
	if r.MaxAge != nil && p.config.Now().Sub(s.AuthTime) > time.Duration(*r.MaxAge)*time.Second {
		// A person who signs in for the request and then chooses a role slowly has done what was asked.
		if s.ID == r.Prior || s.AuthTime.Before(r.Started.Truncate(time.Second)) {
			return "", p.no("openid.signin", "client", name)
		}
	}
	acr, ok := acrOf(s, r.ACR)
	if !ok {
		return "", p.no("openid.level", "client", name, "wanted", strings.Join(r.ACR, ", "))
	}
	if r.Hint != "" && r.Hint != s.Profile {
		return "", p.no("openid.person", "client", name)
	}
	return acr, nil
}

// clientName is a client as people know it.
func (p *Provider) clientName(id string) string {
	if c := p.client(id); c != nil {
		return c.Name
	}
	return id
}

// chosen is the role that was chosen in a session, or "".
func (p *Provider) chosen(ctx context.Context, session string) (string, error) {
	var row SessionRow
	err := p.config.Store.Read(ctx, func(ctx context.Context, tx *Tx) (err error) {
		row, err = tx.Sessions.Session(ctx, session)
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return row.Role, err
}

// Began refuses a request that another browser began. Ask it first on each page of a sign-in: the address with the
// parameter request may have been sent to somebody, or kept until a person is signed in, and prompt and max_age are met
// by a sign-in that comes after the request. Refusals: openid.request, openid.browser.
func (p *Provider) Began(r *http.Request, id string) error {
	row, err := p.request(r.Context(), id)
	if err != nil {
		return err
	}
	kept, err := r.Cookie(p.browser(r).Name)
	if err != nil || subtle.ConstantTimeCompare(digest(kept.Value), row.Request.Browser) != 1 {
		return p.no("openid.browser")
	}
	return nil
}

// Waiting tells what a request needs of the person whose browser brings it; token is the session cookie's, "" without
// one. Refusals: openid.request (finished, or it waited too long), openid.role.none.
func (p *Provider) Waiting(ctx context.Context, id, token string) (*Waiting, error) {
	row, err := p.request(ctx, id)
	if err != nil {
		return nil, err
	}
	session, err := p.session(ctx, token)
	if err != nil {
		return nil, err
	}
	n, err := p.look(ctx, row.Request, session)
	if err != nil {
		return nil, toPerson(err)
	}
	return &Waiting{
		Client: p.clientName(row.Request.Client), Session: session, SignIn: n.signIn != nil, Wanted: row.Request.ACR,
		Roles: n.roles, Until: row.Until,
	}, nil
}

// toPerson is the refusal behind an answer that a client would get, where there is one.
func toPerson(err error) error {
	var answer *Error
	if errors.As(err, &answer) && saidNo(answer.cause) {
		return answer.cause
	}
	return err
}

func (p *Provider) request(ctx context.Context, id string) (RequestRow, error) {
	var row RequestRow
	err := p.config.Store.Read(ctx, func(ctx context.Context, tx *Tx) (err error) {
		row, err = tx.Requests.Request(ctx, digest(id))
		if err == nil && (!tx.Wall.Before(row.Until) || p.asking(row.Request) == nil) {
			err = ErrNotFound
		}
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return row, p.no("openid.request")
	}
	return row, err
}

// asking is the client of a request that waited, nil where it was taken away meanwhile or has another address.
func (p *Provider) asking(r Request) *client {
	c := p.client(r.Client)
	if c == nil || !slices.Contains(c.RedirectURIs, r.RedirectURI) {
		return nil
	}
	return c
}

// Finish answers a request with this session and, where there is a choice, this role: the id of one of Waiting's Roles. It
// returns the address that the browser goes to next, which carries the code: redirect to it and keep it out of logs. A
// request is finished once.
//
// Refusals: openid.request, openid.signin (the session is not one that began for the request, where that is asked),
// openid.level, openid.person, openid.role, openid.role.none.
func (p *Provider) Finish(ctx context.Context, id, token, role string) (string, error) {
	row, err := p.request(ctx, id)
	if err != nil {
		return "", err
	}
	session, err := p.session(ctx, token)
	if err != nil {
		return "", err
	}
	n, err := p.look(ctx, row.Request, session)
	switch {
	case err != nil:
		return "", toPerson(err)
	case n.signIn != nil:
		return "", n.signIn
	case len(n.roles) > 0 && !n.person.holds(role), len(n.roles) == 0 && role != "" && role != n.role:
		return "", p.no("openid.role")
	case len(n.roles) > 0:
		n.role, n.roles = role, nil
	}
	c := p.asking(row.Request)
	if c == nil {
		return "", p.no("openid.request")
	}
	return p.grant(ctx, grantOf{request: row.Request, waited: row.Hash, client: c, session: session, token: token, next: n})
}

// Refuse answers a request with access_denied: the person went away from it, or can't do what it asks. It returns the
// address that the browser goes to next. Refusal: openid.request.
func (p *Provider) Refuse(ctx context.Context, id string) (string, error) {
	var row RequestRow
	err := p.config.Store.Write(ctx, func(ctx context.Context, tx *Tx) (err error) {
		if row, err = tx.Requests.TakeRequest(ctx, digest(id), tx.Wall); err != nil {
			return err
		}
		if p.asking(row.Request) == nil {
			return ErrNotFound
		}
		return audit(ctx, tx, "anonymous", "refuse sign-in", row.Request.Client, "")
	})
	if errors.Is(err, ErrNotFound) {
		return "", p.no("openid.request")
	}
	if err != nil {
		return "", err
	}
	e := no("access_denied", "The person did not sign in.")
	p.refused(ctx, "sign-in", row.Request.Client, e)
	return p.errorRedirect(row.Request.RedirectURI, row.Request.State, e), nil
}

// grantOf is all that a code is made of.
type grantOf struct {
	request Request
	waited  []byte // the request's hash, nil where it did not wait
	client  *client
	session *careid.Session
	token   string
	next    needed
}

// stepUpGrace is how long the relying parties of a session that was stepped up are not told of its end: the person is
// on the way to Finish, which takes them over into the session that followed.
const stepUpGrace = 2 * time.Minute

// grant hands out a code, and makes the client a relying party of the session.
func (p *Provider) grant(ctx context.Context, g grantOf) (string, error) {
	code := newSecret()
	sealed, err := seal(code, g.token)
	if err != nil {
		return "", err
	}
	err = p.config.Store.Write(ctx, func(ctx context.Context, tx *Tx) error {
		if g.waited != nil {
			if _, err := tx.Requests.TakeRequest(ctx, g.waited, tx.Wall); err != nil {
				return err
			}
		}
		if err := p.join(ctx, tx, g); err != nil {
			return err
		}
		row := GrantRow{
			ID: newID(), Client: g.client.ID, Session: g.session.ID, Granted: p.granted(g), Code: digest(code), Sealed: sealed,
			CodeUntil: tx.Wall.Add(p.config.CodeFor), Until: tx.Wall.Add(p.config.CodeFor + p.config.RefreshFor),
		}
		if err := tx.Grants.AddGrant(ctx, row); err != nil {
			return err
		}
		return audit(ctx, tx, g.session.Profile, "sign in at client", g.client.ID, "session "+g.session.ID+", "+row.Granted.ACR+", grant "+row.ID)
	})
	if errors.Is(err, ErrNotFound) {
		return "", p.no("openid.request")
	}
	if err != nil {
		return "", err
	}
	p.config.Observe(ctx, Event{Name: EventAuthorized, Client: g.client.ID, Session: g.session.ID})
	return p.answer(g.request.RedirectURI, g.request.State, url.Values{"code": {code}}), nil
}

func (p *Provider) granted(g grantOf) Granted {
	return Granted{
		Profile: g.session.Profile, RedirectURI: g.request.RedirectURI, Scopes: g.request.Scopes, Nonce: g.request.Nonce,
		Challenge: g.request.Challenge, ACR: g.next.acr, AMR: g.session.AMR, AAL: int(g.session.AAL),
		AuthTime: p.authTime(g.session.AuthTime), Role: g.next.role,
	}
}

// join makes a client a relying party of a session, and those of the one that was stepped up for the request too.
func (p *Provider) join(ctx context.Context, tx *Tx, g grantOf) error {
	s := g.session
	row := SessionRow{ID: s.ID, Hash: digest(g.token), Profile: s.Profile, Role: g.next.role, ExpiresAt: s.ExpiresAt, CheckedAt: tx.Wall}
	if kept, err := tx.Sessions.Session(ctx, s.ID); err == nil && row.Role == "" {
		row.Role = kept.Role
	} else if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if err := tx.Sessions.PutSession(ctx, row); err != nil {
		return err
	}
	if err := tx.Sessions.AddParticipant(ctx, Participant{Session: s.ID, Client: g.client.ID, SID: s.ID}); err != nil {
		return err
	}
	if g.waited == nil || g.request.Prior == "" || g.request.Prior == s.ID {
		return nil
	}
	return p.takeOver(ctx, tx, g.request.Prior, s)
}
