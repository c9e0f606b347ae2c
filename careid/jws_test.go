// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

// signed signs header and claims, whatever they are, with the card's key.
func signed(t *testing.T, key crypto.Signer, header, claims string) string {
	t.Helper()
	private, ok := key.(*ecdsa.PrivateKey)
	require.True(t, ok)
	input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, private, sum[:])
	require.NoError(t, err)
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// A proof is an object with exactly the members of the protocol: what other readers of JSON might take for another one
// is refused, however well it is signed.
func TestMembersOfAProof(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	card := h.Nurse.Card
	ask := func(alter func(header, claims string) (string, string)) error {
		proof, err := h.Proof(ctx, card, careidtest.Claims{Bind: "cookie"})
		require.NoError(t, err)
		parts := strings.Split(proof, ".")
		header, err := base64.RawURLEncoding.DecodeString(parts[0])
		require.NoError(t, err)
		claims, err := base64.RawURLEncoding.DecodeString(parts[1])
		require.NoError(t, err)
		head, body := alter(string(header), string(claims))
		_, err = h.Service.Answer(ctx, signed(t, card.Keys[0], head, body))
		return err
	}
	claimsBy := func(old, new string) func(header, claims string) (string, string) {
		return func(header, claims string) (string, string) {
			require.Contains(t, claims, old)
			return header, strings.Replace(claims, old, new, 1)
		}
	}
	t.Run("spaces and lines change nothing", func(t *testing.T) {
		require.NoError(t, ask(func(header, claims string) (string, string) {
			return " " + strings.ReplaceAll(header, `":`, "\" :\n\t"), "\r\n" + strings.ReplaceAll(claims, `,"`, " , \"") + " "
		}))
	})
	t.Run("what looks like members inside a text", func(t *testing.T) {
		err := ask(claimsBy(`"act":""`, `"act":"\"}],\"aud\":null,{\\"`))
		refused(t, err, "proof.purpose") // a sign-in is for no act
	})
	t.Run("a name with an escape is the name that it means", func(t *testing.T) {
		require.NoError(t, ask(claimsBy(`"aud"`, `"\u0061ud"`)))
		// and its value is the one that is looked at
		refused(t, ask(claimsBy(`"aud":"`, `"\u0061ud":"https://evil.example`)), "proof.audience")
	})
	for name, alter := range map[string]func(header, claims string) (string, string){
		"a name with an escape, twice":           claimsBy(`"aud"`, `"\u0061ud":"https://evil.example","aud"`),
		"a name that an escape puts in capitals": claimsBy(`"aud"`, `"\u0041ud"`),
		"a name that is not UTF-8":               claimsBy(`"aud"`, "\"aud\xff\""),
		"another value under an escaped name":    claimsBy(`"act":""`, `"\u0061ct":{}`),
		"no name":                                claimsBy(`"act":""`, `"act"`),
		"no colon":                               claimsBy(`"act":""`, `"act" ""`),
		"no comma":                               claimsBy(`"act":"",`, `"act":""`),
		"a comma too many":                       claimsBy(`"act":"",`, `"act":"",,`),
		"a comma at the end":                     func(header, claims string) (string, string) { return header, claims[:len(claims)-1] + ",}" },
		"closed as an array":                     func(header, claims string) (string, string) { return header, claims[:len(claims)-1] + "]" },
		"closed twice":                           func(header, claims string) (string, string) { return header, claims + "}" },
		"a word behind":                          func(header, claims string) (string, string) { return header, claims + " x" },
		"a zero byte behind":                     func(header, claims string) (string, string) { return header, claims + "\x00" },
		"a byte order mark":                      func(header, claims string) (string, string) { return header, "\ufeff" + claims },
		"a date in words":                        claimsBy(`"iat":`, `"iat":"now","iat":`),
		"a date with a fraction":                 claimsBy(`,"nonce"`, `.5,"nonce"`),
		"a date beyond all dates":                claimsBy(`"iat":`, `"iat":1e99`),
		"a name in capitals":                     claimsBy(`"aud"`, `"AUD"`),
		"a name twice, once in capitals":         claimsBy(`"aud"`, `"AUD":"https://evil.example","aud"`),
		"a name twice":                           claimsBy(`"act":""`, `"act":"","act":""`),
		"a name once too many for one left out":  claimsBy(`"act":""`, `"aud":"https://evil.example"`),
		"null":                                   claimsBy(`"act":""`, `"act":null`),
		"null with spaces":                       claimsBy(`"act":""`, `"act" : null `),
		"an object for a text":                   claimsBy(`"act":""`, `"act":{}`),
		"an object besides":                      claimsBy(`"act":""`, `"act":"","more":{"aud":"x"}`),
		"cut off":                                func(header, claims string) (string, string) { return header, claims[:len(claims)-1] },
		"two objects":                            func(header, claims string) (string, string) { return header, claims + claims },
		"an array":                               func(header, claims string) (string, string) { return header, "[" + claims + "]" },
		"a null":                                 func(header, _ string) (string, string) { return header, "null" },
		"nothing":                                func(header, _ string) (string, string) { return header, "" },
		"a header with a name twice": func(header, claims string) (string, string) {
			return strings.Replace(header, `{`, `{"alg":"ES256",`, 1), claims
		},
		"a header with crit": func(header, claims string) (string, string) {
			return strings.Replace(header, `{`, `{"crit":[],`, 1), claims
		},
		"a header with crit and b64": func(header, claims string) (string, string) {
			return strings.Replace(header, `{`, `{"crit":["b64"],"b64":false,`, 1), claims
		},
		"a header with b64": func(header, claims string) (string, string) {
			return strings.Replace(header, `{`, `{"b64":true,`, 1), claims
		},
		"a header with jwk": func(header, claims string) (string, string) {
			return strings.Replace(header, `{`, `{"jwk":{"kty":"EC"},`, 1), claims
		},
		"a header with null": func(header, claims string) (string, string) {
			return strings.Replace(header, `"ES256"`, `null`, 1), claims
		},
		"an algorithm of the family": func(header, claims string) (string, string) {
			return strings.Replace(header, `"ES256"`, `"ES512"`, 1), claims
		},
	} {
		t.Run(name, func(t *testing.T) { refused(t, ask(alter), "proof.form") })
	}
}
