// SPDX-License-Identifier: Apache-2.0

package smime_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey/mailpolicy"
	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

// From the decision to the copies: one for those whom it may reach as it is,
// one encrypted for the others.
func Example() {
	ca, err := mailtest.NewCA(mailtest.CAConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	gp, err := ca.Issue(mailtest.Spec{Email: "gp@practice.example"})
	if err != nil {
		fmt.Println(err)
		return
	}
	directory := map[string]*x509.Certificate{"gp@practice.example": gp.Certificate}
	encrypter, err := smime.New(smime.Config{Roots: ca.Roots()})
	if err != nil {
		fmt.Println(err)
		return
	}
	policy, err := mailpolicy.PolicyAt(time.Now())
	if err != nil {
		fmt.Println(err)
		return
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
			fmt.Println(err)
			return
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
