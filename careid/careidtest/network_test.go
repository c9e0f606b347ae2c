// SPDX-License-Identifier: Apache-2.0

package careidtest_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/internal/need"
	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
)

func TestTLS(t *testing.T) {
	t.Run("in memory", func(t *testing.T) { testTLS(t, careidtest.Config{}) })
	t.Run("virtual", func(t *testing.T) {
		need.Tool(t, "softhsm")
		testTLS(t, careidtest.Config{Tray: cardtest.New(t, cardtest.Config{})})
	})
}

func testTLS(t *testing.T, c careidtest.Config) {
	ctx := t.Context()
	h := careidtest.New(t, c)
	ward := h.TLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.TLS.PeerCertificates[0].Subject.CommonName)
	}))
	answer, err := h.TLSClient(ward, h.Nurse.Card).Get(ward.URL)
	require.NoError(t, err)
	name, err := io.ReadAll(answer.Body)
	require.NoError(t, answer.Body.Close())
	require.NoError(t, err)
	require.Equal(t, h.Nurse.Profile.ID+" Asha Patel", string(name))

	for state, in := range map[pkitest.State]bool{
		pkitest.Good: true, pkitest.RenewalOpen: true, pkitest.Superseded: true,
		pkitest.Expired: false, pkitest.Held: false, pkitest.Revoked: false, pkitest.Foreign: false,
		pkitest.NotYetValid: false, pkitest.WrongPurpose: false,
	} {
		pair := h.CA.Pair(state)
		err := h.TLSCall(ctx, ward, &careidtest.Card{Keys: pair.Keys, Certificates: pair.Certificates})
		require.Equal(t, in, err == nil, "state %d: %v", state, err)
	}

	mistyped := *h.Nurse.Card
	mistyped.Passcode = []byte("999999")
	if c.Tray == nil { // a copy of a card in memory is told by its own fields
		mistyped.Tries = careidtest.MaxTries
	}
	require.Error(t, h.TLSCall(ctx, ward, &mistyped))
	require.NoError(t, h.TLSCall(ctx, ward, h.Nurse.Card))

	require.NoError(t, h.CA.Revoke(ctx, h.Nurse.Card.Certificates[0], pki.KeyCompromise, h.Clock.Now()))
	require.Error(t, h.TLSCall(ctx, ward, h.Nurse.Card))
	ocsp, list, err := h.Status(ctx, h.Nurse.Card.Certificates[0])
	require.NoError(t, err)
	require.Equal(t, []pki.State{pki.Revoked, pki.Revoked}, []pki.State{ocsp.State, list.State})
	require.Equal(t, pki.KeyCompromise, list.Reason)
	_, err = h.SignIn(ctx, h.Nurse.Card)
	require.Equal(t, "cert.revoked", wardkey.RuleOf(err))
}
