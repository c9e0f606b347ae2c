// SPDX-License-Identifier: Apache-2.0

package hospital

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/smtp"
)

// OpenSite registers a site by its ODS code for mail accounts.
func (h *Hospital) OpenSite(ctx context.Context, ods, name string) error {
	return h.control(ctx, http.MethodPost, "/mail/sites", map[string]string{"ods": ods, "name": name}, nil)
}

// OpenAccount opens an individual account at a site and returns its address.
// The activation password goes to the mobile as a text.
func (h *Hospital) OpenAccount(ctx context.Context, ods, given, family, mobile string) (string, error) {
	in := map[string]string{"givenName": given, "familyName": family, "mobile": mobile}
	return h.address(ctx, "/mail/sites/"+ods+"/accounts", in)
}

// OpenShared opens the site's shared mailbox, owned by one of its accounts, and
// returns its address.
func (h *Hospital) OpenShared(ctx context.Context, ods, owner string) (string, error) {
	return h.address(ctx, "/mail/sites/"+ods+"/shared", map[string]string{"owner": owner})
}

func (h *Hospital) address(ctx context.Context, path string, in any) (string, error) {
	var out struct {
		Address string `json:"address"`
	}
	err := h.control(ctx, http.MethodPost, path, in, &out)
	return out.Address, err
}

// TrustRecipient puts a recipient's certificate into the gateway's directory.
func (h *Hospital) TrustRecipient(ctx context.Context, address string, certificate *x509.Certificate) error {
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
	in := map[string]string{"address": address, "certificate": string(text)}
	return h.control(ctx, http.MethodPost, "/mail/directory", in, nil)
}

// Submit hands a whole message, header and body with CRLF line ends, to the
// gateway over SMTP (RFC 5321), as a mail client does. An error that the
// gateway answered with is a *textproto.Error.
func (h *Hospital) Submit(ctx context.Context, from string, to []string, message []byte) error {
	state, err := h.State(ctx)
	if err != nil {
		return err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", state.SMTP)
	if err != nil {
		return fmt.Errorf("hospital: the mail gateway: %w", err)
	}
	host, _, _ := net.SplitHostPort(state.SMTP) // it was dialled
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		_ = conn.Close() // the greeting's error says more
		return fmt.Errorf("hospital: the mail gateway: %w", err)
	}
	defer func() { _ = c.Close() }() // after Quit there is nothing to lose
	if err := c.Mail(from); err != nil {
		return err
	}
	for _, address := range to {
		if err := c.Rcpt(address); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(message); err != nil {
		return err
	}
	if err := w.Close(); err != nil { // the final dot: the answer to the message
		return err
	}
	return c.Quit()
}
