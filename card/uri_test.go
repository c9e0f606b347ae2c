// SPDX-License-Identifier: Apache-2.0

package card_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
)

func ExampleParseURI() {
	u, err := card.ParseURI("pkcs11:token=A%20ward%27s%20card;serial=WK0123456789;object=authentication;id=%01%ff?module-path=/opt/acme/libacme-p11.so")
	fmt.Printf("%s %q %q %x %v\n", u.Module, u.Card.Label, u.Key.Label, u.Key.ID, err)
	_, err = card.ParseURI("pkcs11:token=card?pin-value=123456")
	fmt.Println(err)
	// Output:
	// /opt/acme/libacme-p11.so "A ward's card" "authentication" 01ff <nil>
	// card: not a PKCS#11 URI that is taken: the query attribute pin-value isn't taken
}

func TestParseURI(t *testing.T) {
	u, err := card.ParseURI("pkcs11:")
	require.NoError(t, err)
	require.Equal(t, card.URI{}, u)
	u, err = card.ParseURI("pkcs11:model=Virtual%20card;manufacturer=Wardkey;serial=1;token=a%3Bb;type=private")
	require.NoError(t, err)
	require.Equal(t, card.Selector{Model: "Virtual card", Manufacturer: "Wardkey", Serial: "1", Label: "a;b"}, u.Card)

	for _, bad := range []string{
		"", "PKCS11:", "http://x", "pkcs11", "pkcs11:token", "pkcs11:;", "pkcs11:token=%zz", "pkcs11:token=a;token=b",
		"pkcs11:slot-id=1", "pkcs11:library-version=1", "pkcs11:type=secret-key", "pkcs11:x-mine=482913", "pkcs11:token=a%00b",
		"pkcs11:?pin-value=482913", "pkcs11:?pin-source=file:/482913", "pkcs11:?pin-source=|482913", "pkcs11:?module-name=482913",
		"pkcs11:?482913", "pkcs11:482913=x", "pkcs11:?PIN-VALUE=482913", "pkcs11:?pin%2Dvalue=482913", "pkcs11:?module-path=/a&module-path=/b",
	} {
		_, err := card.ParseURI(bad)
		require.ErrorIs(t, err, card.ErrURI, bad)
		require.NotContains(t, err.Error(), "482913")
		_, err = card.Open(card.Config{Module: bad})
		require.Error(t, err)
		require.NotContains(t, err.Error(), "482913")
	}
	// A URI doesn't make a path any safer.
	_, err = card.Open(card.Config{Module: "pkcs11:?module-path=libsofthsm2.so"})
	require.ErrorIs(t, err, card.ErrUntrusted)
	_, err = card.Open(card.Config{Module: "pkcs11:token=x"})
	require.ErrorIs(t, err, card.ErrUntrusted)
}

func FuzzParseURI(f *testing.F) {
	f.Add("pkcs11:token=a;id=%00?module-path=/x&pin-value=1")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := card.ParseURI(s)
		if err != nil {
			require.ErrorIs(t, err, card.ErrURI)
			require.Equal(t, card.URI{}, u)
			return
		}
		_, query, _ := strings.Cut(s, "?")
		require.False(t, strings.HasPrefix(query, "pin-"))
	})
}
