// SPDX-License-Identifier: Apache-2.0

package pages

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/cardhttp"
	"github.com/wardkey-sdk/wardkey/careid/webauthn"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// Ways are what a page offers beside a card. Each is what it is asked for,
// careid.SignIn or careid.StepUp, or "" where it will not do.
type Ways struct {
	Keys careid.Purpose // a security key or Windows Hello
	App  careid.Purpose // the password of a mail account and the code of an authenticator app
}

// WaysTo are all that this site has, and that sign in by the rules in force.
func (s *Site) WaysTo(p careid.Purpose) Ways {
	var w Ways
	if s.Keys != nil {
		w.Keys = p
	}
	if s.appAAL() > 0 {
		w.App = p
	}
	return w
}

// WaysOn are those by which a session goes on. One by card stands on the card
// alone, and none goes on by less than it is.
func (s *Site) WaysOn(session *careid.Session) Ways {
	if session.Card != "" {
		return Ways{}
	}
	w := s.WaysTo(careid.StepUp)
	if session.AAL > s.appAAL() {
		w.App = ""
	}
	return w
}

// appAAL is what a password and a code come to now, 0 where they sign nobody in here.
func (s *Site) appAAL() careid.AAL {
	if s.MailPassword == nil {
		return 0
	}
	now := s.Now()
	level, _, err := careid.Assurance(s.Book, []careid.Shown{{Kind: careid.KindMailAccount}, {Kind: careid.KindAuthenticatorApp}}, now)
	least, leastErr := s.Book.Int("signin.aal", now)
	if err != nil || leastErr != nil || level < careid.AAL(least) {
		return 0
	}
	return level
}

// PasswordOf is Config.MailPassword for these accounts. One whose holder has
// chosen no password yet has only an activation password, which opens nothing here
// and is not spent: it is refused as an account that there is not, and as slowly. A
// password that has expired is no factor, which only who knows it is told. Guesses
// count and lock the account as at its own portal. No session of the account is
// left behind.
func PasswordOf(accounts *mailpolicy.Accounts) func(context.Context, string, []byte) error {
	return func(ctx context.Context, address string, password []byte) error {
		account, err := accounts.Account(ctx, address)
		if err == nil && account.PasswordExpires.IsZero() {
			address = "" // nobody's
		}
		session, err := accounts.SignIn(ctx, address, password)
		if err != nil {
			return err
		}
		if err := accounts.SignOut(ctx, session.Token); err != nil { // nobody is to have it
			return err
		}
		if slices.Contains(session.Account.Steps, mailpolicy.ChangePassword) {
			return accounts.CanSend(ctx, address) // says what is still to do
		}
		return nil
	}
}

func (m *Module) wayRoutes(mux *http.ServeMux) {
	if m.Keys != nil {
		mux.Handle(webauthn.Path, m.Keys)
	}
	if m.MailPassword != nil {
		m.Handle(mux, "POST /signin/app", m.app)
	}
	m.Handle(mux, "GET /signin/again", m.showAgain)
}

// app signs in by the password of a mail account and the code of an authenticator
// app, or has a session go on by both. The password is asked first: who doesn't
// know it makes no app count a try. Refusals of its own: rate.refused.
func (m *Module) app(w http.ResponseWriter, r *http.Request) (Answer, error) {
	var in struct {
		Address        string
		Password, Code Secret
		Purpose        careid.Purpose
	}
	if err := m.Read(w, r, &in); err != nil {
		return Answer{}, err
	}
	defer clear(in.Password)
	defer clear(in.Code)
	stepsUp := in.Purpose == careid.StepUp
	if !stepsUp && in.Purpose != "" && in.Purpose != careid.SignIn {
		return Answer{}, m.Refuse("request.invalid")
	}
	if err := m.MayTry(r); err != nil {
		return Answer{}, err
	}
	if err := m.MailPassword(r.Context(), in.Address, in.Password); err != nil {
		return Answer{}, err
	}
	code := bytes.ReplaceAll(in.Code, []byte(" "), nil) // apps show 123 456
	defer clear(code)
	uses, err := m.beside(r.Context(), in.Address, code)
	if err != nil {
		return Answer{}, err
	}
	var got *careid.SignedIn
	if stepsUp {
		got, err = m.Care.StepUpWith(r.Context(), m.Cards.Token(r), uses...)
	} else if got, err = m.Care.SignInWith(r.Context(), uses...); err == nil {
		err = m.Leave(r) // the session that this browser had, somebody else's perhaps
	}
	if err != nil {
		return Answer{}, err
	}
	http.SetCookie(w, m.Cards.SessionCookie(got.Token))
	return Answer{Body: map[string]any{"until": got.Session.ExpiresAt}, Next: m.After}, nil
}

// beside is the use of a mail account whose password was right, and of the app of
// its person with a code. Who has no app has used the account alone.
func (s *Site) beside(ctx context.Context, address string, code []byte) ([]careid.Use, error) {
	account, err := s.Care.Credential(ctx, []byte(strings.ToLower(address)))
	if err != nil {
		return nil, err
	}
	if account.Kind != careid.KindMailAccount {
		return nil, s.Book.Refuse("authenticator.none")
	}
	owned, err := s.Care.AuthenticatorsBeside(ctx, account.Credential)
	if err != nil {
		return nil, err
	}
	uses := []careid.Use{{Authenticator: account.ID}}
	for _, one := range owned {
		if one.Kind == careid.KindAuthenticatorApp {
			uses = append(uses, careid.Use{Authenticator: one.ID, Code: code})
		}
	}
	return uses, nil
}

// showAgain has the person of the session show again who they are, for a page
// whose script was refused for that; the page's address comes as next.
func (m *Module) showAgain(_ http.ResponseWriter, r *http.Request) (Answer, error) {
	rule := ruleStale
	if r.URL.Query().Get("rule") == ruleWeaker {
		rule = ruleWeaker
	}
	_, err := m.Session(r)
	switch {
	case wardkey.RuleOf(err) == ruleLocked:
		rule = ruleLocked
	case err != nil:
		return Answer{}, err
	}
	if !Browser(r) {
		return Answer{Body: Named(m.Cards.StepUpTicket(r))}, nil
	}
	page, err := m.proofPage(r, rule)
	if err != nil {
		return Answer{}, err
	}
	page.Then = cardhttp.Next(r)
	return Answer{View: page}, nil
}
