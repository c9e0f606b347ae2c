// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

func TestAuthenticators(t *testing.T) {
	book := builtIn(t)
	factors := func(kind careid.AuthenticatorKind, verified careid.Known) []careid.Factor {
		list, g, err := careid.Factors(book, kind, verified, asOf)
		require.NoError(t, err)
		require.NotEmpty(t, g.Source.Document)
		return list
	}
	t.Run("row033", func(t *testing.T) {
		require.Equal(t, []careid.Factor{careid.FactorHas, careid.FactorKnows}, factors(careid.KindCard, careid.Unknown))
		require.Equal(t, []careid.Factor{careid.FactorHas, careid.FactorKnowsOrIs}, factors(careid.KindWindowsHello, careid.Yes))
		require.Equal(t, []careid.Factor{careid.FactorHas}, factors(careid.KindAuthenticatorApp, careid.Yes))
		require.Equal(t, []careid.Factor{careid.FactorKnows}, factors(careid.KindMailAccount, careid.Yes))
	})
	t.Run("row117", func(t *testing.T) {
		for _, kind := range []careid.AuthenticatorKind{careid.KindIPad, careid.KindWindowsHello, careid.KindSecurityKey} {
			require.Len(t, factors(kind, careid.Yes), 2, kind)
			for _, verified := range []careid.Known{careid.No, careid.Unknown, "sure"} {
				require.Equal(t, []careid.Factor{careid.FactorHas}, factors(kind, verified), "a device that asked for nothing shows itself alone")
			}
		}
	})
	t.Run("row041", func(t *testing.T) {
		no := careid.WithoutCard(book, nil, asOf)
		refused(t, no, "card.none")
		for _, name := range []string{"iPad", "Windows Hello", "YubiKey", "Microsoft Authenticator", "NHS.net Connect", "first one ever comes from your Registration Authority"} {
			require.Contains(t, no.Next[0], name)
		}
		require.Contains(t, no.Next[1], "a smartcard and a reader")
		no = careid.WithoutCard(book, []careid.AuthenticatorKind{"tattoo", careid.KindIPad}, asOf)
		require.Equal(t, "Sign in with what you have registered, over the internet: iPad.", no.Next[0])
		no = careid.WithoutCard(book, nil, london(t, "2024-01-01"))
		require.Equal(t, "Ask your Registration Authority for another authenticator.", no.Next[0], "before they were published")
	})
	t.Run("row118", func(t *testing.T) {
		for _, kind := range careid.Kinds(book, asOf) {
			for _, left := range []time.Duration{0, time.Hour, 90 * 24 * time.Hour} {
				alerts, err := careid.ExpiryAlerts(book, kind, "serial", asOf.Add(left), asOf)
				require.NoError(t, err)
				if kind == careid.KindCard {
					require.Len(t, alerts, 1)
				} else {
					require.Empty(t, alerts, kind)
				}
			}
		}
		alerts, err := careid.ExpiryAlerts(book, careid.KindCard, "serial", asOf.Add(90*24*time.Hour+time.Second), asOf)
		require.NoError(t, err)
		require.Empty(t, alerts)
		_, err = careid.ExpiryAlerts(book, "tattoo", "serial", asOf, asOf)
		refused(t, err, "authenticator.unknown")
	})
	t.Run("row076", func(t *testing.T) {
		after, err := careid.SecondFactorAfter(book, careid.KindCard, careid.Unknown, asOf)
		require.NoError(t, err)
		require.False(t, after.Demanded)
		require.Equal(t, "mfa.card.demanded", after.Ground.Rule)
		require.Contains(t, after.Ground.Note, "supersedes")
		app, err := careid.SecondFactorAfter(book, careid.KindAuthenticatorApp, careid.Yes, asOf)
		require.NoError(t, err)
		require.True(t, app.Demanded, "a code shows the device alone")

		h := careidtest.New(t, careidtest.Config{})
		var in *careidtest.SignedIn
		rows := audited(t, h, func() { in = signIn(t, h, h.Nurse.Card) })
		require.Equal(t, "AAL3_ANY", in.Session.ACR)
		require.False(t, in.SecondFactor.Demanded)
		said := ""
		for _, row := range rows {
			if row.Action == "sign in" {
				said = row.Detail
			}
		}
		require.Contains(t, said, "no second factor by mfa.card.demanded", "the reason is recorded")
		t.Run("row077", func(t *testing.T) {
			require.True(t, in.SecondFactor.Advised)
			_, err := h.Service.Session(t.Context(), in.Token)
			require.NoError(t, err, "advice gates nothing")
		})
	})
	t.Run("what is unknown is refused", func(t *testing.T) {
		for _, kind := range []careid.AuthenticatorKind{"", "tattoo", "Card"} {
			_, _, err := careid.Factors(book, kind, careid.Yes, asOf)
			no := refused(t, err, "authenticator.unknown")
			require.True(t, strings.Contains(no.Next[0], "Smartcard"), no.Next)
			_, err = careid.SecondFactorAfter(book, kind, careid.Yes, asOf)
			refused(t, err, "authenticator.unknown")
			refused(t, careid.ProvesLink(book, kind, asOf), "authenticator.unknown")
		}
	})
	t.Run("a mail account does not prove its own link", func(t *testing.T) {
		for _, kind := range careid.Kinds(book, asOf) {
			err := careid.ProvesLink(book, kind, asOf)
			if kind == careid.KindMailAccount {
				refused(t, err, "link.circular")
				continue
			}
			require.NoError(t, err, kind)
		}
	})
}
