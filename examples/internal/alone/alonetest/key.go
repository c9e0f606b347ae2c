// SPDX-License-Identifier: Apache-2.0

package alonetest

import (
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// NewKey plugs a security key into the browser, one that verifies its user: of the
// sort that package virtualkeys approves.
func (p Person) NewKey() {
	p.T.Helper()
	if _, err := chromedp.Call(p.Tab, webauthn.Enable, webauthn.EnableParams{}); err != nil {
		p.T.Fatal(err)
	}
	_, err := chromedp.Call(p.Tab, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Ctap2version: webauthn.Ctap2versionCtap21, Transport: webauthn.AuthenticatorTransportUsb,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	}})
	if err != nil {
		p.T.Fatal(err)
	}
}
