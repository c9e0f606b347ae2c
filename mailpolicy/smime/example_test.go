// SPDX-License-Identifier: Apache-2.0

package smime_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

// example is a root, someone who reads and someone who writes.
func example() (ca *mailtest.CA, reader, writer mailtest.Identity) {
	ca, err := mailtest.NewCA(mailtest.CAConfig{})
	if err != nil {
		log.Fatal(err)
	}
	reader, err = ca.Issue(mailtest.Spec{Email: "gp@practice.example"})
	if err != nil {
		log.Fatal(err)
	}
	writer, err = ca.Issue(mailtest.Spec{Email: "ward@nhs.net", KeyUsage: x509.KeyUsageDigitalSignature})
	if err != nil {
		log.Fatal(err)
	}
	return ca, reader, writer
}

const exampleMessage = "From: ward@nhs.net\r\nTo: gp@practice.example\r\nSubject: [secure] Mrs Jones\r\n\r\nShe is well.\r\n"

// From the decision to the copies: one for those whom it may reach as it is,
// one encrypted for the others.
func Example() {
	ca, reader, _ := example()
	directory := map[string]*x509.Certificate{"gp@practice.example": reader.Certificate}
	encrypter, err := smime.New(smime.Config{Roots: ca.Roots()})
	if err != nil {
		log.Fatal(err)
	}
	policy, err := mailpolicy.PolicyAt(time.Now())
	if err != nil {
		log.Fatal(err)
	}
	message := "From: care.VLX12@nhs.net\r\nTo: ward@nhs.net, gp@practice.example\r\nSubject: [secure] Mrs Jones\r\n\r\nShe is well.\r\n"
	decision := mailpolicy.Decide(policy, mailpolicy.Message{
		Header: []byte(message), Recipients: []string{"ward@nhs.net", "gp@practice.example"},
	})
	if err := decision.Err(); err != nil {
		fmt.Println(err) // a *wardkey.Refusal: tell the sender
		return
	}
	var clear []string
	var secret []smime.Recipient
	for _, r := range decision.Recipients {
		if r.Verdict == mailpolicy.Pass {
			clear = append(clear, r.Address)
			continue
		}
		secret = append(secret, smime.Recipient{Address: r.Address, Certificate: directory[r.Address]})
	}
	var encrypted strings.Builder
	if len(secret) > 0 {
		if err := encrypter.Encrypt(context.Background(), &encrypted, strings.NewReader(message), secret); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(decision.Verdict, "for the message")
	fmt.Println("as it is:", clear)
	fmt.Println("encrypted:", secret[0].Address, strings.Contains(encrypted.String(), "Jones"))
	// Output:
	// encrypt for the message
	// as it is: [ward@nhs.net]
	// encrypted: gp@practice.example false
}

// What is outside of a message that was encrypted.
func ExampleEncrypter_Encrypt() {
	ca, reader, _ := example()
	e, err := smime.New(smime.Config{Roots: ca.Roots()})
	if err != nil {
		log.Fatal(err)
	}
	var out strings.Builder
	to := []smime.Recipient{{Address: "gp@practice.example", Certificate: reader.Certificate}}
	if err := e.Encrypt(context.Background(), &out, strings.NewReader(exampleMessage), to); err != nil {
		log.Fatal(err)
	}
	header, _, _ := strings.Cut(out.String(), "\r\n\r\n")
	fmt.Println(strings.ReplaceAll(header, "\r\n", "\n"))
	fmt.Println(strings.Contains(out.String(), "Jones"))
	// Output:
	// From: ward@nhs.net
	// To: gp@practice.example
	// Subject: [secure] [...]
	// MIME-Version: 1.0
	// Content-Type: application/pkcs7-mime; smime-type=enveloped-data;
	//  name="smime.p7m"
	// Content-Transfer-Encoding: base64
	// Content-Disposition: attachment; filename="smime.p7m"
	// false
}

// Signed with a smartcard, then encrypted; and at the other end decrypted and
// verified.
func ExampleSigner() {
	ca, reader, writer := example()
	var key crypto.Signer = writer.Key // a *card.Key of package card signs here in the same way

	e, err := smime.New(smime.Config{Roots: ca.Roots(), Signer: &smime.Signer{Certificate: writer.Certificate, Key: key}})
	if err != nil {
		log.Fatal(err)
	}
	var sent bytes.Buffer
	to := []smime.Recipient{{Address: "gp@practice.example", Certificate: reader.Certificate}}
	if err := e.Encrypt(context.Background(), &sent, strings.NewReader(exampleMessage), to); err != nil {
		log.Fatal(err)
	}

	d, err := smime.NewDecrypter(smime.DecryptConfig{
		Keys: []smime.Key{{Certificate: reader.Certificate, Private: reader.Key}}, Roots: ca.Roots(),
	})
	if err != nil {
		log.Fatal(err)
	}
	m, err := d.Open(context.Background(), &sent)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("signed:", m.Signed(), m.Signatures[0].Certificate.EmailAddresses)
	fmt.Printf("%s", m.Body)
	// Output:
	// signed: true [ward@nhs.net]
	// She is well.
}

// What comes out is the message as it was written, its own subject included.
func ExampleDecrypter_Open() {
	ca, reader, _ := example()
	e, err := smime.New(smime.Config{Roots: ca.Roots(), GCM: true})
	if err != nil {
		log.Fatal(err)
	}
	var sent bytes.Buffer
	to := []smime.Recipient{{Address: "gp@practice.example", Certificate: reader.Certificate}}
	if err := e.Encrypt(context.Background(), &sent, strings.NewReader(exampleMessage), to); err != nil {
		log.Fatal(err)
	}
	altered := bytes.Clone(sent.Bytes())
	altered[len(altered)-40] ^= 1

	d, err := smime.NewDecrypter(smime.DecryptConfig{Keys: []smime.Key{{Certificate: reader.Certificate, Private: reader.Key}}})
	if err != nil {
		log.Fatal(err)
	}
	m, err := d.Open(context.Background(), &sent)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.ReplaceAll(strings.TrimSpace(string(m.Header)), "\r\n", "\n"))
	fmt.Println("unaltered:", m.Authenticated, "signed:", m.Signed())

	_, err = d.Open(context.Background(), bytes.NewReader(altered))
	fmt.Println(errors.Is(err, smime.ErrUnreadable), err)
	// Output:
	// From: ward@nhs.net
	// To: gp@practice.example
	// Subject: [secure] Mrs Jones
	// MIME-Version: 1.0
	// Content-Type: text/plain; charset=us-ascii; hp="cipher"
	// unaltered: true signed: false
	// true mail.unreadable: The message can't be opened.
}

// A file and no mail: bare CMS, as openssl cms -outform DER writes it too.
func ExampleDecrypter_Unseal() {
	ca, reader, _ := example()
	e, err := smime.New(smime.Config{Roots: ca.Roots(), GCM: true})
	if err != nil {
		log.Fatal(err)
	}
	var file bytes.Buffer
	w, err := e.Seal(context.Background(), &file, []smime.Recipient{{Address: "gp@practice.example", Certificate: reader.Certificate}})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := io.WriteString(w, "a scan\n"); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	d, err := smime.NewDecrypter(smime.DecryptConfig{Keys: []smime.Key{{Certificate: reader.Certificate, Private: reader.Key}}})
	if err != nil {
		log.Fatal(err)
	}
	r, authenticated, err := d.Unseal(&file)
	if err != nil {
		log.Fatal(err)
	}
	scan, err := io.ReadAll(r)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%v %s", authenticated, scan)
	// Output: true a scan
}

// What a program shows of a message: here one that a colleague signed with
// their own card, in somebody else's name.
func ExampleMessage() {
	ca, reader, _ := example()
	colleague, err := ca.Issue(mailtest.Spec{KeyUsage: x509.KeyUsageDigitalSignature}) // a card's has no address
	if err != nil {
		log.Fatal(err)
	}
	e, err := smime.New(smime.Config{Roots: ca.Roots(), GCM: true, Signer: &smime.Signer{Certificate: colleague.Certificate, Key: colleague.Key}})
	if err != nil {
		log.Fatal(err)
	}
	var sent bytes.Buffer
	to := []smime.Recipient{{Address: "gp@practice.example", Certificate: reader.Certificate}}
	if err := e.Encrypt(context.Background(), &sent, strings.NewReader(exampleMessage), to); err != nil {
		log.Fatal(err)
	}
	directory := map[[32]byte][]string{sha256.Sum256(colleague.Certificate.Raw): {"colleague@nhs.net"}}
	d, err := smime.NewDecrypter(smime.DecryptConfig{
		Keys: []smime.Key{{Certificate: reader.Certificate, Private: reader.Key}}, Roots: ca.Roots(),
		AddressesOf: func(cert *x509.Certificate) []string { return directory[sha256.Sum256(cert.Raw)] },
	})
	if err != nil {
		log.Fatal(err)
	}
	m, err := d.Open(context.Background(), &sent)
	var refusal *wardkey.Refusal
	if errors.As(err, &refusal) {
		fmt.Println(refusal.Public, refusal.Next) // mail.unreadable or mail.size
		return
	}
	if err != nil {
		log.Fatal(err) // the reader's own
	}
	header := m.Header
	if m.FromMismatch && !m.Signed() {
		header = m.Outer // its From is all that anybody has checked
	}
	from, _, _ := strings.Cut(string(header), "\r\n")
	fmt.Println(from, "unaltered:", m.Authenticated, "signed:", m.Signed())
	for _, s := range m.Signatures {
		if errors.As(s.Distrust, &refusal) {
			fmt.Println(refusal.Public)
			fmt.Println(refusal.Next[0])
		}
	}
	// Output:
	// From: ward@nhs.net unaltered: true signed: false
	// The signature does not show who wrote the message: the signer's certificate can't be trusted, because nothing says that the address in From is its holder's.
	// Do not act on what the message says before you have asked its sender in another way.
}
