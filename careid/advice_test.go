// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

func TestAdvice(t *testing.T) {
	book := builtIn(t)
	t.Run("row051", func(t *testing.T) {
		tabs, err := careid.OpenTabs{}.After(book, careid.No, asOf)
		require.NoError(t, err)
		require.Empty(t, tabs, "none by default")
		both := careid.OpenTabs{Terms: "https://rba.example/terms", SpinePortal: true}
		for accepted, want := range map[careid.Known]int{careid.No: 2, careid.Unknown: 2, careid.Yes: 1} {
			tabs, err = both.After(book, accepted, asOf)
			require.NoError(t, err)
			require.Len(t, tabs, want)
			require.Equal(t, careid.Tab{Name: "Spine portal", URL: "https://portal.national.ncrs.nhs.uk/portal/dt"}, tabs[want-1])
		}
		for _, address := range []string{"http://rba.example/terms", "javascript:alert(1)", "/terms", "https://", "https://%zz"} {
			_, err = careid.OpenTabs{Terms: address}.After(book, careid.Yes, asOf)
			refused(t, err, "tab.refused")
		}
		tight, err := overlaid(t, `{"id": "signin.tabs", "value": ["terms"], "unit": "list", "from": "2024-01-01", "zone": "Europe/London", "source": "Trust", "tighter": "subset"}`)
		require.NoError(t, err)
		_, err = both.After(tight, careid.Yes, asOf)
		refused(t, err, "tab.refused")
	})
	t.Run("the steps of signing out, in order", func(t *testing.T) {
		steps, g, err := careid.Route(book, careid.SigningOut, asOf)
		require.NoError(t, err)
		require.Equal(t, []string{"Sign out of NHSmail Portal and O365.", "Close all browser tabs and windows.", "Sign out of the device."}, steps)
		require.Equal(t, "Issues and Troubleshooting", g.Source.Clause)
	})
	t.Run("row059", func(t *testing.T) {
		h := careidtest.New(t, careidtest.Config{})
		u := start(t, h, h.Nurse)
		_, err := h.Redeem(t.Context(), h.Nurse, u)
		require.NoError(t, err)
		_, err = h.SignIn(t.Context(), h.Nurse.Card)
		no := refused(t, err, "unlock.unfinished")
		url, err := careid.ServiceURL(book, careid.SelfServiceUnlock, asOf)
		require.NoError(t, err)
		require.Equal(t, "https://manage-care-identities.care-identity-service2.nhs.uk/#/self-service/unlock-authenticator", url)
		require.Contains(t, no.Next[0], url)
	})
	t.Run("row061", func(t *testing.T) {
		figures, err := careid.LockCost(book, 300, asOf)
		require.NoError(t, err)
		var lines string
		for _, f := range figures {
			require.NotEmpty(t, f.Source.Document)
			lines += fmt.Sprintln(f.Hours, f.What, f.Dated)
		}
		require.Equal(t, "16000 published \n10000 published 2024-04\n16666 unlocks in person, at least \n20000 unlocks in person, at most \n100 our own unlocks in person \n", lines)
		require.Equal(t, "Smartcard Self-unlock Service", figures[1].Source.Clause)
		short, err := careid.LockCost(book, 0, asOf)
		require.NoError(t, err)
		require.Len(t, short, 4)
		_, err = careid.LockCost(book, -1, asOf)
		refused(t, err, "report.count")
		_, err = careid.LockCost(book, 0, london(t, "2023-08-31"))
		require.Error(t, err)
	})
	t.Run("a known passcode and no e-mail address", func(t *testing.T) {
		require.NoError(t, careid.MayChangePasscode(book, careid.Profile{Email: "asha.patel@nhs.net"}, asOf))
		no := refused(t, careid.MayChangePasscode(book, careid.Profile{Mobile: "+447700900123"}, asOf), "passcode.contact")
		require.True(t, no.InPerson)
		require.Equal(t, "ra-agent", no.Fixer)
		require.Error(t, careid.MayChangePasscode(book, careid.Profile{}, london(t, "2025-04-01")), "before the rule it is refused as well")
	})
	t.Run("what the leaver does with the card", func(t *testing.T) {
		for kind, want := range map[careid.Leaving]string{careid.LeavingOrganisation: "keep it: it moves with you", careid.LeavingCare: "return it to your line manager"} {
			what, g, err := careid.CardOnLeaving(book, kind, asOf)
			require.NoError(t, err)
			require.Equal(t, want, what)
			require.Equal(t, "2025-04-02", g.From)
			what, _, err = careid.CardOnLeaving(book, kind, london(t, "2025-04-02").Add(-time.Second))
			require.NoError(t, err)
			require.Equal(t, "return it as instructed", what)
		}
		for _, kind := range []careid.Leaving{"", "holiday"} {
			_, _, err := careid.CardOnLeaving(book, kind, asOf)
			refused(t, err, "leaving.unknown")
		}
	})
	t.Run("a code goes only where the rule lets it", func(t *testing.T) {
		tight, err := overlaid(t, `{"id": "unlock.channels", "value": ["email"], "unit": "list", "from": "2025-05-01", "zone": "Europe/London", "source": "Trust", "tighter": "subset"}`)
		require.NoError(t, err)
		h := careidtest.New(t, careidtest.Config{})
		c := h.Config
		c.Rules = tight
		own, err := careid.New(c)
		require.NoError(t, err)
		for channel, rule := range map[careid.Channel]string{careid.ByText: "contact.none", careid.ByEmail: ""} {
			handle, err := own.OpenUnlock(t.Context(), []byte("kiosk"))
			require.NoError(t, err)
			_, err = own.StartUnlock(t.Context(), careid.UnlockStart{Handle: handle, Card: h.Nurse.Card.Serial, Channel: channel})
			if rule == "" {
				require.NoError(t, err)
				continue
			}
			refused(t, err, rule)
		}
	})
}
