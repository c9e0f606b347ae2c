// SPDX-License-Identifier: Apache-2.0

package remind_test

import (
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/examples/internal/remind"
	"github.com/wardkey-sdk/wardkey/pki"
)

func TestHolder(t *testing.T) {
	unreachable := careidtest.Persona{Given: "Ola", Family: "Ek", NoEmail: true, NoMobile: true}
	byText := careidtest.Persona{Given: "Una", Family: "Voss", NoEmail: true}
	h := careidtest.New(t, careidtest.Config{People: []careidtest.Persona{unreachable, byText}})
	require.NoError(t, h.Service.Drain(t.Context())) // what they were told on their way in
	ends := time.Date(2029, time.January, 5, 8, 59, 59, 0, time.UTC)
	remindOf := func(user string, days int) []careidtest.Message {
		before := len(h.Inbox.All())
		r := pki.Reminder{UserID: user, Serial: big.NewInt(1), NotAfter: ends, Days: days}
		require.NoError(t, remind.Holder(t.Context(), h.Service, h.Inbox, "http://127.0.0.1:8460/my", r))
		return h.Inbox.All()[before:]
	}
	sent := remindOf(h.Nurse.Profile.ID, 30)
	require.Len(t, sent, 1)
	require.Equal(t, "email", sent[0].Channel)
	require.Equal(t, h.Nurse.Profile.Email, sent[0].To)
	require.Equal(t, "The certificates on your smartcard end within 30 days", sent[0].Subject)
	require.Contains(t, sent[0].Body, "5 January 2029, 08:59:59 UTC")
	require.Contains(t, sent[0].Body, "http://127.0.0.1:8460/my\n")
	require.NotContains(t, sent[0].Body, h.Nurse.Profile.ID)

	sent = remindOf(h.People[1].Profile.ID, 1)
	require.Len(t, sent, 1)
	require.Equal(t, "text", sent[0].Channel)
	require.Contains(t, sent[0].Subject, "within one day")

	require.Empty(t, remindOf(h.People[0].Profile.ID, 7), "nobody can be reached, and that is no error")
	require.Empty(t, remindOf("000000000000", 7), "nor that the service knows nobody of that id")
}
