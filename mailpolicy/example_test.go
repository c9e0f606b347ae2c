// SPDX-License-Identifier: Apache-2.0

package mailpolicy_test

import (
	"fmt"
	"time"

	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// Will this mail leave encrypted, and if not, why?
func ExampleDecide() {
	policy, err := mailpolicy.PolicyAt(time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC))
	if err != nil {
		fmt.Println(err)
		return
	}
	d := mailpolicy.Decide(policy, mailpolicy.Message{
		Header:     []byte("From: home@nhs.net\r\nSubject: (secure) Discharge\r\n\r\n"),
		Recipients: []string{"gp@nhs.net", "clerk@leeds.gov.uk", "son@gmail.com"},
	})
	fmt.Println(d.Verdict, d.Err())
	for _, r := range d.Recipients {
		fmt.Println(r.Address, r.Secure, r.Why.Rule)
	}
	// Output:
	// hold mail.secure.nearmiss: The message was not sent: its subject has something like [secure], but the brackets around the word are not [ and ].
	// gp@nhs.net true mail.secure.exact
	// clerk@leeds.gov.uk true mail.secure.under
	// son@gmail.com false mail.secure.tag
}

// The same message, once with the tag and once as a reply that has lost it.
func ExampleDecide_reply() {
	policy, err := mailpolicy.PolicyAt(time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC))
	if err != nil {
		fmt.Println(err)
		return
	}
	sent := map[string]bool{} // the Message-IDs of what went out encrypted
	for _, header := range []string{
		"Message-ID: <1@nhs.net>\r\nSubject: [secure] Discharge\r\n\r\n",
		"Message-ID: <2@nhs.net>\r\nIn-Reply-To: <1@nhs.net>\r\nSubject: Re: Discharge\r\n\r\n",
	} {
		d := mailpolicy.Decide(policy, mailpolicy.Message{
			Header: []byte(header), Recipients: []string{"son@gmail.com"},
			Encrypted: func(id string) bool { return sent[id] },
		})
		fmt.Println(d.Verdict, d.Why.Text)
		if d.Warning != nil {
			fmt.Println(d.Warning.Text, d.Warning.Next)
		}
		sent["1@nhs.net"] = true
	}
	// Output:
	// encrypt The subject has [secure] and the address does not count as secure.
	// pass The subject has no [secure] and the address does not count as secure, so its copy goes as it is.
	// The message seems to answer or pass on one that was encrypted, and its subject has lost [secure]. To have it encrypted, write [secure] into the subject.
}
