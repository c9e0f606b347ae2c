// SPDX-License-Identifier: Apache-2.0

package web

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/wardkey-sdk/wardkey/careid/openid"
	"github.com/wardkey-sdk/wardkey/careid/relyingparty"
	"github.com/wardkey-sdk/wardkey/examples/estate/internal/rooms"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/examples/linkportal/linking"
	"github.com/wardkey-sdk/wardkey/examples/mailportal/webmail"
	"github.com/wardkey-sdk/wardkey/examples/signin/entry"
	"github.com/wardkey-sdk/wardkey/examples/spineportal/portal"
)

// providerRoutes adds the OpenID Provider and its pages, and the link portal, which
// signs its people in there.
func (s *Site) providerRoutes(shared *pages.Site, mux *http.ServeMux) error {
	mux.Handle(rooms.IssuerPath, s.rooms.Provider.Handler())
	signIn, err := entry.New(entry.Config{Site: shared, Provider: s.rooms.Provider, Clients: s.rooms.Clients})
	if err != nil {
		return err
	}
	signIn.Routes(mux)
	login, err := s.linkLogin()
	if err != nil {
		return err
	}
	links, err := linking.New(linking.Config{Site: shared, MailAccount: s.mailAccount, Login: login})
	if err != nil {
		return err
	}
	links.Routes(mux)
	return nil
}

// authorizationRefused is the page for a person whom an application sent here with
// a request that can't be answered to it, since who it is or where to go back to
// is not known. What is wrong with it is for the application's developers.
func (s *Site) authorizationRefused(w http.ResponseWriter, r *http.Request, e *openid.Error) {
	no := s.rules.Refuse("authorize.refused", "code", e.Code, "why", e.Description).Because(e)
	no.Status = e.Status()
	s.Fail(w, r, no)
}

// linkFreshness is how long ago somebody may have signed in who opens the link
// portal: what public clients of the national service ask for as max_age.
const linkFreshness = 5 * time.Minute

// linkLogin is the link portal as a client of the provider. It asks for a card,
// since a card is what it links, and for no role.
func (s *Site) linkLogin() (*relyingparty.RelyingParty, error) {
	secret, err := s.rooms.ClientSecret(rooms.LinkPortal)
	if err != nil {
		return nil, err
	}
	return relyingparty.New(relyingparty.Config{
		Issuer: s.rooms.Issuer(), ClientID: rooms.LinkPortal, Secret: secret, RedirectURL: s.rooms.Addresses.Web + rooms.LinkLogin + "callback",
		Scopes: []string{"openid", "profile"}, ACRValues: []string{"AAL3_ANY"}, MaxAge: linkFreshness, Name: "Link portal",
		Now: s.rooms.Clock.Now, Wall: s.rooms.Wall, Log: s.Log,
	})
}

// Portal is the clinical portal, at an address of its own and for the
// workstation of the ward.
func Portal(r *rooms.Rooms, log *slog.Logger) (*portal.Portal, error) {
	secret, err := r.ClientSecret(rooms.ClinicalPortal)
	if err != nil {
		return nil, err
	}
	return portal.New(portal.Config{
		Base: r.Addresses.Portal, Agent: r.Addresses.Ward, Pages: relyingparty.Pages{Unlock: r.Addresses.Web + "/unlock", Renew: r.Addresses.Web + "/my"},
		Login: relyingparty.Config{Issuer: r.Issuer(), ClientID: rooms.ClinicalPortal, Secret: secret, Wall: r.Wall}, Now: r.Clock.Now, Log: log,
	})
}

// MailPortal is the portal of the mail accounts, at an address of its own. What is
// written there leaves by the estate's gateway, and what it texts is in the inbox.
func MailPortal(r *rooms.Rooms, log *slog.Logger) (http.Handler, error) {
	p, err := webmail.New(webmail.Config{
		Base: r.Addresses.MailPortal, Accounts: r.Mail, PolicyVersion: rooms.MailPolicyVersion, SMTP: r.Addresses.SMTP, Desk: helpdesk,
		Now: r.Clock.Now, Log: log,
	})
	if err != nil {
		return nil, err
	}
	return p.Handler(), nil
}
