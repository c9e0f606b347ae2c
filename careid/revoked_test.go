// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"context"
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

// silentCA answers nobody who asks about a certificate, until they give up.
type silentCA struct{ careid.CA }

func (silentCA) Verify(ctx context.Context, _ *x509.Certificate) error {
	<-ctx.Done()
	return ctx.Err()
}

// due calls Due for as long as a server may take that still ends what is over in time.
func due(t *testing.T, h *careidtest.Hospital) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = h.Service.Due(t.Context()) // that nobody tells is an error
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("Due waits for an authority that does not answer")
	}
}

// An authority that hangs holds up neither Due nor the ends of sessions that another tells of.
func TestSilentAuthority(t *testing.T) {
	ctx := t.Context()
	told := make(chan string, 100)
	h := careidtest.New(t, careidtest.Config{Outside: []string{"North"}, Observe: func(_ context.Context, e careid.Event) {
		if e.Name == careid.EventSessionEnded {
			told <- e.Session
		}
	}})
	for _, family := range []string{"Byrne", "Cole", "Dunn", "Ewing"} {
		signIn(t, h, newcomer(t, h, h.Outside[0], family).Card)
	}
	nurse, sponsor := signIn(t, h, h.Nurse.Card), signIn(t, h, h.Sponsor.Card)
	for len(told) > 0 {
		<-told // of those who brought them in
	}
	c := h.Config
	c.Outside[0].Verify = func(ctx context.Context, cert *x509.Certificate) error {
		<-ctx.Done()
		return ctx.Err()
	}
	var err error
	h.Service, err = careid.New(c)
	require.NoError(t, err)
	require.NoError(t, h.CA.Revoke(ctx, h.Nurse.Card.Certificates[0], 1, h.Clock.Now()))
	due(t, h)
	select {
	case session := <-told:
		require.Equal(t, nurse.Session.ID, session)
	case <-time.After(time.Minute):
		t.Fatal("the issuer that hangs keeps what the own CA says from being heard")
	}
	due(t, h) // a round is under way still: nothing waits for it
	require.Empty(t, told, "who can't be asked about stays")
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, h.Service.Drain(short), context.DeadlineExceeded)

	// The ledger hangs: nobody is let in, and nobody is out once it is back.
	c.CA = silentCA{h.CA}
	h.Service, err = careid.New(c)
	require.NoError(t, err)
	due(t, h)
	short, cancel = context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err = h.Service.Session(short, sponsor.Token)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Empty(t, told)
	c.CA = h.CA
	h.Service, err = careid.New(c)
	require.NoError(t, err)
	_, err = h.Service.Session(ctx, sponsor.Token)
	require.NoError(t, err)
}
