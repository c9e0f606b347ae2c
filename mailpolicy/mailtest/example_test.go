// SPDX-License-Identifier: Apache-2.0

package mailtest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/wardkey-sdk/wardkey/mailpolicy/mailtest"
	"github.com/wardkey-sdk/wardkey/mailpolicy/smime"
)

func ExampleCA_Issue() {
	ca, err := mailtest.NewCA(mailtest.CAConfig{})
	if err != nil {
		fmt.Println(err)
		return
	}
	e, err := smime.New(smime.Config{Roots: ca.Roots()})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, spec := range []mailtest.Spec{{Email: "gp@practice.example"}, {Email: "gp@practice.example", NotAfter: time.Now().Add(-time.Hour)}} {
		id, err := ca.Issue(spec)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(e.Check(context.Background(), id.Certificate, "gp@practice.example"))
	}
	// Output:
	// <nil>
	// mail.recipient.cert: The message was not sent: the certificate of gp@practice.example can't be used, because it has expired.
}
