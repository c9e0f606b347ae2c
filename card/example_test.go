// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package card_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"slices"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
)

// A card signs, is pulled, and is inserted again: the same Key goes on.
func Example() {
	dir, err := os.MkdirTemp("", "tray")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	tray, err := cardtest.Open(cardtest.Config{Dir: dir})
	if err != nil {
		log.Fatal(err)
	}
	defer tray.Close()
	serial, err := tray.Personalised(0, cardtest.Personal{PIN: []byte("482913")})
	if err != nil {
		log.Fatal(err)
	}

	// From here on it is what a workstation does.
	ctx := context.Background()
	module, err := card.Open(card.Config{Module: tray.Module()})
	if err != nil {
		log.Fatal(err)
	}
	defer module.Close()
	c, err := module.Card(ctx, card.Selector{Serial: serial})
	if err != nil {
		log.Fatal(err)
	}
	if err := c.Login(ctx, []byte("482913"), card.LoginOptions{}); err != nil {
		log.Fatal(err)
	}
	key, err := c.Key(ctx, card.KeySelector{Label: "authentication"})
	if err != nil {
		log.Fatal(err)
	}
	digest := sha256.Sum256([]byte("Ward 7, night shift"))
	signature, err := key.SignContext(ctx, digest[:], crypto.SHA256)
	fmt.Println("signed:", err == nil && ecdsa.VerifyASN1(key.Public().(*ecdsa.PublicKey), digest[:], signature))

	_ = tray.Remove(0)
	_, err = key.SignContext(ctx, digest[:], crypto.SHA256)
	fmt.Println("pulled:", errors.Is(err, card.ErrRemoved))

	_ = tray.Insert(1, serial)
	_, err = key.SignContext(ctx, digest[:], crypto.SHA256)
	fmt.Println("in the other reader, logged out:", errors.Is(err, card.ErrNotLoggedIn))

	c.PromptWith(func(context.Context, card.Prompt) ([]byte, error) { return []byte("482913"), nil })
	_, err = key.SignContext(ctx, digest[:], crypto.SHA256)
	fmt.Println("with somebody to ask:", err)
	// Output:
	// signed: true
	// pulled: true
	// in the other reader, logged out: true
	// with somebody to ask: <nil>
}

// Signing in: the card's own certificate and a signature over the server's
// challenge. A wrong PIN says how things stand.
func ExampleCard_Login() {
	w := newWorkstation()
	defer w.close()
	ctx, c := context.Background(), w.card()

	err := c.Login(ctx, []byte("000000"), card.LoginOptions{})
	if refused, ok := errors.AsType[*card.PINError](err); ok {
		fmt.Println(refused.Role, refused.State, errors.Is(err, card.ErrWrongPIN))
	}
	if err := c.Login(ctx, []byte("482913"), card.LoginOptions{}); err != nil {
		log.Fatal(err)
	}
	defer func() { check(c.Logout(ctx)) }()
	key, certificate, err := c.Authentication(ctx)
	if err != nil {
		log.Fatal(err)
	}
	challenge := sha256.Sum256([]byte("what the server sent"))
	signature, err := key.SignContext(ctx, challenge[:], crypto.SHA256)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(certificate.Subject.CommonName, certificate.CheckSignature(x509.ECDSAWithSHA256, []byte("what the server sent"), signature) == nil)
	// Output:
	// user low true
	// Ana Nurse true
}

func ExampleCard_ChangePIN() {
	w := newWorkstation()
	defer w.close()
	ctx, c := context.Background(), w.card()

	fmt.Println(c.ChangePIN(ctx, []byte("482913"), []byte("71"))) // no try is spent
	fmt.Println(c.ChangePIN(ctx, []byte("482913"), []byte("715504")))
	fmt.Println(c.Login(ctx, []byte("715504"), card.LoginOptions{}))
	// Output:
	// card: PIN is too short, too long or was cleared
	// <nil>
	// <nil>
}

// Unlocking: the security officer's PIN, which comes from whoever issued the
// card, opens what three wrong PINs have locked. The keys stay.
func ExampleCard_ResetPIN() {
	w := newWorkstation()
	defer w.close()
	ctx, c := context.Background(), w.card()

	for range 2 {
		_ = c.Login(ctx, []byte("000000"), card.LoginOptions{})
	}
	err := c.Login(ctx, []byte("000000"), card.LoginOptions{})
	fmt.Println(errors.Is(err, card.ErrFinalTry)) // it wasn't sent
	err = c.Login(ctx, []byte("000000"), card.LoginOptions{FinalTry: true})
	fmt.Println(errors.Is(err, card.ErrLocked))

	fmt.Println(c.ResetPIN(ctx, []byte("90346182"), []byte("715504")))
	info, err := c.Info(ctx)
	fmt.Println(info.PIN, err)
	fmt.Println(c.Login(ctx, []byte("715504"), card.LoginOptions{}))
	// Output:
	// true
	// true
	// <nil>
	// ready <nil>
	// <nil>
}

// Renewing: a new key, its request, the new certificate; only then the old key
// goes. Until then the card signs in with the old pair.
func ExampleCard_StoreCertificate() {
	w := newWorkstation()
	defer w.close()
	ctx, c := context.Background(), w.card()
	check(c.Login(ctx, []byte("482913"), card.LoginOptions{}))
	old, certificate, err := c.Authentication(ctx)
	check(err)

	key, err := c.GenerateKey(ctx, card.KeySpec{ID: []byte("2029"), Label: "authentication", Algorithm: card.P256})
	check(err)
	request, err := key.CertificateRequest(ctx, &x509.CertificateRequest{RawSubject: certificate.RawSubject})
	check(err)
	issued := w.certificate(request.PublicKey, "Ana Nurse", x509.KeyUsageDigitalSignature) // by the authority
	check(c.StoreCertificate(ctx, issued, "authentication"))
	check(old.Delete(ctx))

	newest, certificate, err := c.Authentication(ctx)
	check(err)
	fmt.Printf("%s %v\n", newest.ID(), certificate.Equal(issued))
	_, err = c.Key(ctx, card.KeySelector{ID: old.ID()})
	fmt.Println(errors.Is(err, card.ErrNotFound))
	fmt.Println(c.StoreCertificate(ctx, w.ca, "authentication")) // of no key on this card
	// Output:
	// 2029 true
	// true
	// card: object doesn't belong to the key
}

// A web client that shows its card to the server. The prompter is asked when the
// handshake needs the PIN.
func ExampleKey_TLS() {
	w := newWorkstation()
	defer w.close()
	portal := w.portal()
	defer portal.Close()
	ctx, c := context.Background(), w.card()

	c.PromptWith(func(_ context.Context, p card.Prompt) ([]byte, error) {
		fmt.Println("PIN asked to", p.Op)
		return []byte("482913"), nil
	})
	key, certificate, err := c.Authentication(ctx)
	check(err)
	shown, err := key.TLS(ctx, certificate)
	check(err)
	trusted := x509.NewCertPool()
	trusted.AddCert(portal.Certificate())
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, Certificates: []tls.Certificate{shown}}}}
	defer client.CloseIdleConnections()
	answer, err := client.Get(portal.URL)
	check(err)
	defer func() { check(answer.Body.Close()) }()
	text, err := io.ReadAll(answer.Body)
	check(err)
	fmt.Println(string(text))
	// Output:
	// PIN asked to sign
	// Good morning, Ana Nurse
}

// Watching for a card that is pulled: what a kiosk does to end its session.
func ExampleModule_Events() {
	w := newWorkstation()
	defer w.close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	for event := range w.module.Events(ctx) {
		fmt.Println(event.Kind, event.Serial == w.serial)
		switch event.Kind {
		case card.Inserted:
			check(w.tray.Remove(0)) // the person goes
		case card.Removed:
			cancel() // ends the loop
		}
	}
	// Output:
	// inserted true
	// removed true
}

// A card is found by the certificate that a server remembers of a person.
func ExampleModule_Card() {
	w := newWorkstation()
	defer w.close()
	ctx := context.Background()
	_, remembered, err := w.card().Authentication(ctx)
	check(err)

	c, err := w.module.Card(ctx, card.Selector{Certificate: remembered})
	fmt.Println(c.Serial() == w.serial, err)
	_, err = w.module.Card(ctx, card.Selector{Certificate: w.ca})
	fmt.Println(err)
	// Output:
	// true <nil>
	// card: no such card in any reader
}

// An organisation whose cards sign in with certificates of their own kind.
func ExampleConfig() {
	w := newWorkstation()
	defer w.close()
	ours := func(all []*x509.Certificate) []*x509.Certificate {
		return slices.DeleteFunc(all, func(c *x509.Certificate) bool { return c.KeyUsage&x509.KeyUsageContentCommitment == 0 })
	}
	module, err := card.Open(card.Config{Module: w.tray.Module(), Authentication: ours})
	check(err)
	defer func() { check(module.Close()) }()
	c, err := module.Card(context.Background(), card.Selector{Serial: w.serial})
	check(err)
	key, _, err := c.Authentication(context.Background())
	check(err)
	fmt.Println(key.Label())
	// Output: signing
}
