// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

// credential is a registration such as package webauthn makes.
func credential(profile, id string) careid.NewAuthenticator {
	return careid.NewAuthenticator{
		Profile: profile, Kind: careid.KindSecurityKey, Name: "Red key", Credential: []byte(id),
		Key: careid.CredentialKey{Public: []byte("a COSE key"), AAGUID: [16]byte{1, 2}, Attested: true, Counter: 7},
	}
}

func TestCredentials(t *testing.T) {
	ctx := t.Context()
	h := careidtest.New(t, careidtest.Config{})
	self := holder(t, h, signIn(t, h, h.Nurse.Card).Token)
	asked := credential(h.Nurse.Profile.ID, "id of a credential")
	registered, err := h.Service.RegisterAuthenticator(ctx, self, asked)
	require.NoError(t, err)
	one := registered.Authenticator

	t.Run("what was registered comes back", func(t *testing.T) {
		require.Equal(t, asked.Key, one.Key)
		found, err := h.Service.Credential(ctx, asked.Credential)
		require.NoError(t, err)
		require.Equal(t, one, *found)
		of, err := h.Service.CredentialsOf(ctx, h.Nurse.Profile.ID)
		require.NoError(t, err)
		require.Equal(t, []careid.Authenticator{one}, of)
		seen, err := h.Service.Authenticators(ctx, self, h.Nurse.Profile.ID)
		require.NoError(t, err)
		require.Equal(t, of, seen)
		of, err = h.Service.CredentialsOf(ctx, "000000000000")
		require.NoError(t, err)
		require.Empty(t, of)
		_, err = h.Service.Credential(ctx, []byte("another"))
		refused(t, err, "authenticator.none")
		_, err = h.Service.Credential(ctx, nil)
		refused(t, err, "authenticator.none")
	})
	t.Run("a key where there is none", func(t *testing.T) {
		for _, kind := range []careid.AuthenticatorKind{careid.KindAuthenticatorApp, careid.KindMailAccount} {
			bad := careid.NewAuthenticator{Profile: h.Nurse.Profile.ID, Kind: kind, Key: careid.CredentialKey{Counter: 1}}
			if kind == careid.KindMailAccount {
				bad.Credential = []byte("asha.patel@nhs.net")
			}
			_, err := h.Service.RegisterAuthenticator(ctx, self, bad)
			refused(t, err, "authenticator.credential")
		}
		long := credential(h.Nurse.Profile.ID, "other")
		long.Key.Public = make([]byte, 4097)
		_, err := h.Service.RegisterAuthenticator(ctx, self, long)
		refused(t, err, "authenticator.credential")
	})
	t.Run("threat060", func(t *testing.T) { // a copied key: the counter goes on once, whoever comes first
		use := careid.Use{Authenticator: one.ID, Verified: careid.Yes, Counter: 8}
		var good atomic.Int64
		var wait sync.WaitGroup
		for range 8 {
			wait.Go(func() {
				if _, err := h.Service.SignInWith(ctx, use); err == nil {
					good.Add(1)
				}
			})
		}
		wait.Wait()
		require.Equal(t, int64(1), good.Load())
		found, err := h.Service.Credential(ctx, asked.Credential)
		require.NoError(t, err)
		require.Equal(t, uint32(8), found.Key.Counter)
		require.Equal(t, h.Clock.Now(), found.LastUsed)
		for _, back := range []uint32{8, 7, 0} {
			use.Counter = back
			_, err := h.Service.SignInWith(ctx, use)
			refused(t, err, "authenticator.copied")
		}
	})
	t.Run("a removed one", func(t *testing.T) {
		require.NoError(t, h.Service.RemoveAuthenticator(ctx, self, one.ID))
		_, err := h.Service.Credential(ctx, asked.Credential)
		refused(t, err, "authenticator.none")
		of, err := h.Service.CredentialsOf(ctx, h.Nurse.Profile.ID)
		require.NoError(t, err)
		require.Empty(t, of)
		all, err := h.Service.Authenticators(ctx, self, h.Nurse.Profile.ID)
		require.NoError(t, err)
		require.Empty(t, all[0].Key.Public)
		require.Equal(t, asked.Key.AAGUID, all[0].Key.AAGUID)
	})
}

func TestChallenges(t *testing.T) {
	ctx := t.Context()
	h := careidtest.New(t, careidtest.Config{})
	cookie := []byte("the asking browser's")
	ask := func(t *testing.T, use string) string {
		t.Helper()
		challenge, err := h.Service.NewChallenge(ctx, use, cookie)
		require.NoError(t, err)
		require.Len(t, challenge, 43)
		return challenge
	}
	t.Run("once, for one use, for one browser", func(t *testing.T) {
		challenge := ask(t, "register")
		refused(t, h.Service.TakeChallenge(ctx, "signin", cookie, challenge), "challenge.none")
		refused(t, h.Service.TakeChallenge(ctx, "register", []byte("another's"), challenge), "challenge.none")
		require.NoError(t, h.Service.TakeChallenge(ctx, "register", cookie, challenge))
		refused(t, h.Service.TakeChallenge(ctx, "register", cookie, challenge), "challenge.none")
		refused(t, h.Service.TakeChallenge(ctx, "register", cookie, ""), "challenge.none")
	})
	t.Run("five minutes", func(t *testing.T) {
		early, late := ask(t, "signin"), ask(t, "signin")
		h.Wall.Add(5*time.Minute - time.Second)
		require.NoError(t, h.Service.TakeChallenge(ctx, "signin", cookie, early))
		h.Wall.Add(time.Second)
		refused(t, h.Service.TakeChallenge(ctx, "signin", cookie, late), "challenge.none")
	})
	t.Run("of many at once one", func(t *testing.T) {
		challenge := ask(t, "signin")
		var good atomic.Int64
		var wait sync.WaitGroup
		for range 20 {
			wait.Go(func() {
				if h.Service.TakeChallenge(ctx, "signin", cookie, challenge) == nil {
					good.Add(1)
				}
			})
		}
		wait.Wait()
		require.Equal(t, int64(1), good.Load())
	})
	t.Run("no nonce of a card", func(t *testing.T) {
		nonce, err := h.Service.Nonce(ctx, careid.SignIn)
		require.NoError(t, err)
		refused(t, h.Service.TakeChallenge(ctx, string(careid.SignIn), cookie, nonce), "challenge.none")
	})
}

// What a package for an authenticator's own protocol does with its Service: a challenge for the asking browser, taken
// once, then the credential by which it verifies, and at the end the use.
func ExampleService_Credential() {
	h, err := careidtest.Open(careidtest.Config{})
	if err != nil {
		panic(err)
	}
	defer h.Close()
	ctx := context.Background()
	in, err := h.SignIn(ctx, h.Nurse.Card)
	if err != nil {
		panic(err)
	}
	self, err := h.Service.Actor(ctx, in.Token, careid.Holder, "")
	if err != nil {
		panic(err)
	}
	if _, err := h.Service.RegisterAuthenticator(ctx, self, credential(h.Nurse.Profile.ID, "rawId")); err != nil {
		panic(err)
	}

	cookie := []byte("value of the browser's cookie")
	challenge, err := h.Service.NewChallenge(ctx, "signin", cookie)
	if err != nil {
		panic(err)
	}
	// … the browser answers with rawId, a signature over the challenge, and a counter …
	fmt.Println(h.Service.TakeChallenge(ctx, "signin", cookie, challenge))
	one, err := h.Service.Credential(ctx, []byte("rawId"))
	if err != nil {
		panic(err)
	}
	fmt.Printf("verify by %q, counter above %d\n", one.Key.Public, one.Key.Counter)
	signedIn, err := h.Service.SignInWith(ctx, careid.Use{Authenticator: one.ID, Verified: careid.Yes, Counter: 8})
	fmt.Println(signedIn.Session.ACR, err)
	// Output:
	// <nil>
	// verify by "a COSE key", counter above 7
	// AAL3_ANY <nil>
}
