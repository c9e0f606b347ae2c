// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import "testing"

// FuzzQuickAndSlow shows that the fast path never answers otherwise than the
// slow one; only from inside can the two be told apart.
func FuzzQuickAndSlow(f *testing.F) {
	for _, s := range []string{"[secure] x", "(secure)", "x", "[Secure", "a=b", "*secure*", "\t[secure]", "secure]", "/secure/", "#encrypt", "_Secure_x", "#s3cur3", "a#secure"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, subject []byte) {
		quick, sure := quickTag(subject)
		if !sure {
			return
		}
		if slow, no := slowTag(subject); no != nil || slow != quick {
			t.Fatalf("%q: quick %v, slow %v %v", subject, quick, slow, no)
		}
	})
}
