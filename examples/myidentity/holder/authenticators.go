// SPDX-License-Identifier: Apache-2.0

package holder

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"rsc.io/qr"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
)

func (h *Holder) authenticatorRoutes(mux *http.ServeMux) {
	h.Handle(mux, "GET /my/authenticators", h.authenticators)
	h.Handle(mux, "POST /my/authenticators", h.enrol)
	h.Handle(mux, "POST /my/authenticators/{id}/confirm", h.confirm)
	h.Handle(mux, "POST /my/authenticators/{id}/name", h.rename)
	h.Handle(mux, "POST /my/authenticators/{id}/remove", h.remove)
	if h.takesMail() {
		h.Handle(mux, "POST /my/authenticators/mail", h.addMail)
	}
}

// takesMail says that a mail account can be registered: that there is one, and that its password is asked for, here and
// at the sign-in.
func (h *Holder) takesMail() bool { return h.mailAccount != nil && h.MailPassword != nil }

// authenticatorsPage is what the person signs in with beside the card. New is the
// app that was just registered, with what it scans: its secret is in this one
// answer and nowhere else.
type authenticatorsPage struct {
	frame
	Active  []careid.Authenticator
	Pending []careid.Authenticator
	New     *scan
	Kinds   map[careid.AuthenticatorKind]string

	Keys      bool                     // may be registered here
	Kind      careid.AuthenticatorKind // of a key that is to be registered, as it was chosen before
	KeyName   string
	Mail      bool   // may be registered here
	Address   string // of the mail account that this browser is signed in to, "" for none
	MailThere bool   // it is registered, or another
}

func (*authenticatorsPage) Template() string { return "authenticators.html" }

// scan is a QR code as one path of squares, and the secret for typing.
type scan struct {
	Size   int // of the code with its quiet zone, in squares
	Path   string
	Secret string
}

func (h *Holder) authenticatorsPage(r *http.Request) (*authenticatorsPage, error) {
	me, err := h.Holder(r)
	if err != nil {
		return nil, err
	}
	all, err := h.Care.Authenticators(r.Context(), me, me.Profile())
	if err != nil {
		return nil, err
	}
	p := &authenticatorsPage{
		frame: newFrame(r, "Ways to sign in"), Kinds: kindNames(), Keys: h.Site.Keys != nil, Mail: h.takesMail(),
		Kind: careid.AuthenticatorKind(r.URL.Query().Get("kind")), KeyName: r.URL.Query().Get("name"),
	}
	if p.Mail {
		p.Address, err = h.mailAccount(r)
		if err != nil && wardkey.RuleOf(err) == "" {
			return nil, err
		}
	}
	for _, a := range all {
		switch a.State {
		case careid.AuthenticatorActive:
			p.Active = append(p.Active, a)
			p.MailThere = p.MailThere || a.Kind == careid.KindMailAccount
		case careid.AuthenticatorPending:
			p.Pending = append(p.Pending, a)
		case careid.AuthenticatorRemoved: // a record, and nothing to sign in with
		}
	}
	return p, nil
}

func (h *Holder) authenticators(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	p, err := h.authenticatorsPage(r)
	if err != nil {
		return pages.Answer{}, err
	}
	list := []map[string]string{}
	for _, a := range append(p.Active, p.Pending...) {
		list = append(list, map[string]string{"id": a.ID, "kind": string(a.Kind), "name": a.Name, "state": string(a.State)})
	}
	return pages.Answer{View: p, Body: map[string]any{"authenticators": list}}, nil
}

// enrol registers an authenticator app. A program gets the address that the QR
// code holds.
func (h *Holder) enrol(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in struct{ Name string }
	if err := h.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	me, err := h.Holder(r)
	if err != nil {
		return pages.Answer{}, err
	}
	registered, err := h.Care.RegisterAuthenticator(r.Context(), me, careid.NewAuthenticator{
		Profile: me.Profile(), Kind: careid.KindAuthenticatorApp, Name: in.Name,
	})
	if err != nil {
		return pages.Answer{}, err
	}
	defer clear(registered.URI)
	if !pages.Browser(r) {
		return pages.Answer{Status: http.StatusCreated, Body: map[string]string{"id": registered.Authenticator.ID, "uri": string(registered.URI)}}, nil
	}
	p, err := h.authenticatorsPage(r)
	if err != nil {
		return pages.Answer{}, err
	}
	p.New, err = newScan(registered.URI)
	return pages.Answer{View: p}, err
}

// quiet is the border of a QR code that a camera needs, in squares. ISO/IEC
// 18004:2015 §5.3.8.
const quiet = 4

// newScan draws the code of an otpauth address, row by row.
func newScan(uri []byte) (*scan, error) {
	code, err := qr.Encode(string(uri), qr.M)
	if err != nil {
		return nil, fmt.Errorf("holder: drawing the code: %w", err)
	}
	address, err := url.Parse(string(uri))
	if err != nil {
		return nil, fmt.Errorf("holder: the app's address: %w", err)
	}
	var path strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			from := x
			for code.Black(x, y) { // outside the code nothing is black
				x++
			}
			if x > from {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", from+quiet, y+quiet, x-from, x-from)
			}
		}
	}
	return &scan{Size: code.Size + 2*quiet, Path: path.String(), Secret: grouped(address.Query().Get("secret"))}, nil
}

// grouped is a secret in groups of four, as it is typed more easily.
func grouped(text string) string {
	var groups bytes.Buffer
	for i, c := range []byte(text) {
		if i > 0 && i%4 == 0 {
			groups.WriteByte(' ')
		}
		groups.WriteByte(c)
	}
	return groups.String()
}

// confirm takes the first code of an app, which makes it good for signing in.
func (h *Holder) confirm(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in struct{ Code pages.Secret }
	if err := h.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	defer clear(in.Code)
	me, err := h.Holder(r)
	if err != nil {
		return pages.Answer{}, err
	}
	code := bytes.ReplaceAll(in.Code, []byte(" "), nil) // apps show 123 456
	defer clear(code)
	return pages.Answer{Next: "/my/authenticators?told=registered"}, h.Care.ConfirmAuthenticator(r.Context(), me, r.PathValue("id"), code)
}

// kindNames are the kinds as people call them.
func kindNames() map[careid.AuthenticatorKind]string {
	return map[careid.AuthenticatorKind]string{
		careid.KindSecurityKey: "Security key", careid.KindWindowsHello: "Windows Hello", careid.KindAuthenticatorApp: "Authenticator app",
		careid.KindMailAccount: "Mail account", careid.KindIPad: "iPad",
	}
}

// addMail registers the mail account that this browser is signed in to, by its password: at a workstation that others
// use, the browser may still be signed in to somebody else's.
func (h *Holder) addMail(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in struct{ Password pages.Secret }
	if err := h.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	defer clear(in.Password)
	me, err := h.Holder(r)
	if err != nil {
		return pages.Answer{}, err
	}
	address, err := h.mailAccount(r)
	if err != nil {
		return pages.Answer{}, err
	}
	if err := h.MailPassword(r.Context(), address, in.Password); err != nil {
		return pages.Answer{}, err
	}
	done, err := h.Care.RegisterAuthenticator(r.Context(), me, careid.NewAuthenticator{
		Profile: me.Profile(), Kind: careid.KindMailAccount, Name: address, Credential: []byte(address),
	})
	if err != nil {
		return pages.Answer{}, err
	}
	return pages.Answer{Status: http.StatusCreated, Body: map[string]string{"id": done.Authenticator.ID}, Next: "/my/authenticators?told=account"}, nil
}

func (h *Holder) rename(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in struct{ Name string }
	if err := h.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	me, err := h.Holder(r)
	if err != nil {
		return pages.Answer{}, err
	}
	return pages.Answer{Next: "/my/authenticators?told=done"}, h.Care.RenameAuthenticator(r.Context(), me, r.PathValue("id"), in.Name)
}

func (h *Holder) remove(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	me, err := h.Holder(r)
	if err != nil {
		return pages.Answer{}, err
	}
	return pages.Answer{Next: "/my/authenticators?told=done"}, h.Care.RemoveAuthenticator(r.Context(), me, r.PathValue("id"))
}
