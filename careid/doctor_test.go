// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

// fit is a workstation with nothing to be said against it.
func fit() careid.Workstation {
	skew := 2 * time.Second
	return careid.Workstation{
		System: careid.Windows11, Build: "22631", SetUpOn: "22631", Browser: careid.Edge, Client: careid.ClientBrowser,
		Network: careid.NetworkHSCN, Private: careid.No, Shared: careid.Yes, CredentialManagement: careid.Yes,
		Card: careid.Yes, ClockSkew: &skew,
	}
}

func TestReach(t *testing.T) {
	book := builtIn(t)
	reach := func(service careid.NationalService, with careid.AuthenticatorKind, network string, registered ...careid.AuthenticatorKind) error {
		_, err := careid.Reach(book, careid.Visit{Service: service, With: with, Registered: registered}, careid.Workstation{Network: network}, asOf)
		return err
	}
	t.Run("row011", func(t *testing.T) {
		require.NoError(t, reach(careid.CIS, "", careid.NetworkHSCN))
		for _, network := range []string{careid.NetworkInternet, "", "hscn ", "LAN"} {
			no := refused(t, reach(careid.CIS, "", network), "network.hscn")
			require.Contains(t, no.Public, "CIS application")
			require.Equal(t, "Smartcard Self-unlock Service", no.Source.Clause)
		}
	})
	t.Run("row073", func(t *testing.T) {
		refused(t, reach(careid.SpinePortal, "", careid.NetworkInternet), "network.hscn")
		refused(t, reach(careid.SpinePortal, careid.KindWindowsHello, careid.NetworkInternet), "network.hscn")
		for _, network := range []string{careid.NetworkInternet, careid.NetworkHSCN, ""} {
			require.NoError(t, reach(careid.SelfServiceUnlock, "", network))
			require.NoError(t, reach(careid.MailService, "", network))
		}
	})
	t.Run("row074", func(t *testing.T) {
		no := refused(t, reach(careid.CIM, careid.KindCard, careid.NetworkInternet, careid.KindCard, careid.KindSecurityKey, careid.KindAuthenticatorApp), "network.card")
		require.Equal(t, "Sign in with what you have registered, over the internet: Security key, such as a YubiKey or Microsoft Authenticator.", no.Next[0])
		no = refused(t, reach(careid.CIM, "", careid.NetworkInternet), "network.card")
		require.Contains(t, no.Next[0], "Register another authenticator")
		require.NoError(t, reach(careid.CIM, "", careid.NetworkHSCN))
	})
	t.Run("row116", func(t *testing.T) {
		for _, kind := range careid.Kinds(book, asOf) {
			err := reach(careid.CIM, kind, careid.NetworkInternet)
			require.Equal(t, kind != careid.KindCard, err == nil, kind)
		}
	})
	t.Run("what is unknown is refused", func(t *testing.T) {
		refused(t, reach("", "", careid.NetworkHSCN), "service.unknown")
		refused(t, reach(careid.CIM, "tattoo", careid.NetworkInternet), "authenticator.unknown")
		_, err := careid.Reach(book, careid.Visit{Service: careid.CIS}, careid.Workstation{Network: careid.NetworkHSCN}, london(t, "2014-12-31"))
		refused(t, err, "service.unknown")
	})
}

func TestDoctor(t *testing.T) {
	book := builtIn(t)
	settings := []string{"system", "browser", "client", "network", "set-up", "private", "credential-management", "card", "clock", "shared"}
	card := careid.Visit{Service: careid.SpinePortal}
	wrong := func(v careid.Visit, change func(*careid.Workstation)) []string {
		w := fit()
		change(&w)
		missing := careid.Doctor(book, v, w, asOf).Refusals()
		for _, no := range missing {
			refused(t, no, no.Rule)
		}
		return rules(missing)
	}
	t.Run("row075", func(t *testing.T) {
		checkup := careid.Doctor(book, card, fit(), asOf)
		require.Nil(t, checkup.Refusals())
		require.Len(t, checkup, len(settings))
		for i, found := range checkup {
			require.Equal(t, settings[i], found.Setting)
			require.NotEmpty(t, found.Ground.Rule, found.Setting)
			require.NotEmpty(t, found.Ground.Source.Document, found.Setting)
		}
		skew := -6 * time.Minute
		all := careid.Workstation{System: careid.Linux, Build: "2", SetUpOn: "1", Browser: careid.Firefox, Client: careid.ClientTeams, Network: careid.NetworkInternet, Private: careid.Yes, CredentialManagement: careid.No, Card: careid.No, ClockSkew: &skew}
		for range 3 {
			require.Equal(t, []string{"system.unsupported", "browser.unsupported", "client.method", "network.hscn", "device.changed", "browser.private", "device.credmgmt", "card.absent", "device.clock"},
				rules(careid.Doctor(book, card, all, asOf).Refusals()))
		}
	})
	t.Run("each setting alone", func(t *testing.T) {
		for rule, change := range map[string]func(*careid.Workstation){
			"system.unknown":      func(w *careid.Workstation) { w.System, w.Browser = "", careid.Chrome },
			"system.unsupported":  func(w *careid.Workstation) { w.System = careid.ChromeOS },
			"browser.unsupported": func(w *careid.Workstation) { w.Browser = careid.Safari },
			"client.method":       func(w *careid.Workstation) { w.Client = careid.ClientOutlook },
			"client.unknown":      func(w *careid.Workstation) { w.Client = "" },
			"network.hscn":        func(w *careid.Workstation) { w.Network = "" },
			"device.changed":      func(w *careid.Workstation) { w.Build = "26100" },
			"browser.private":     func(w *careid.Workstation) { w.Private = careid.Yes },
			"device.credmgmt":     func(w *careid.Workstation) { w.CredentialManagement = "" },
			"card.absent":         func(w *careid.Workstation) { w.Card = careid.No },
		} {
			got := wrong(card, change)
			require.Contains(t, got, rule)
			for _, other := range got { // a system that can't be used has no browsers either
				require.True(t, other == rule || rule == "system.unsupported" && other == "browser.unsupported", other)
			}
		}
	})
	t.Run("what unknown does", func(t *testing.T) {
		require.Equal(t, []string{"system.unknown", "browser.unsupported", "client.unknown", "network.hscn", "device.credmgmt"},
			rules(careid.Doctor(book, card, careid.Workstation{}, asOf).Refusals()))
		odd := careid.Workstation{Private: "maybe", CredentialManagement: "maybe", Card: "maybe"}
		require.Equal(t, []string{"system.unknown", "browser.unsupported", "client.unknown", "network.hscn", "device.credmgmt"},
			rules(careid.Doctor(book, card, odd, asOf).Refusals()))
		for field, rule := range map[string]string{"private": "browser.private", "clock": "device.clock", "card": "card.absent", "build": "device.changed"} {
			tight, err := overlaid(t, `{"id": "workstation.unknown.`+field+`", "value": false, "unit": "flag", "from": "2024-01-01", "zone": "Europe/London", "source": "Trust", "tighter": "lower"}`)
			require.NoError(t, err)
			w := fit()
			w.Private, w.ClockSkew, w.Card, w.Build = "", nil, "", ""
			require.Equal(t, []string{rule}, rules(careid.Doctor(tight, card, w, asOf).Refusals()))
			require.Empty(t, careid.Doctor(book, card, w, asOf).Refusals())
		}
	})
	t.Run("a book that lets unknown pass", func(t *testing.T) {
		text, err := os.ReadFile("rules.json")
		require.NoError(t, err)
		for _, field := range []string{"system", "browser", "client", "network", "credential-management"} {
			flag := `{"id": "workstation.unknown.` + field + `", "value": `
			require.Contains(t, string(text), flag+"false")
			text = []byte(strings.Replace(string(text), flag+"false", flag+"true", 1))
		}
		loose, err := wardkey.ParseRulebook(text)
		require.NoError(t, err)
		require.Empty(t, careid.Doctor(loose, card, careid.Workstation{}, asOf).Refusals())
		require.Equal(t, []string{"browser.unsupported"}, rules(careid.Doctor(loose, card, careid.Workstation{Browser: careid.Firefox}, asOf).Refusals()))
		_, err = careid.ShowSignInButton(loose, careid.Workstation{}, careid.Yes, asOf)
		refused(t, err, "system.unknown")
	})
	t.Run("row034", func(t *testing.T) {
		require.Equal(t, []string{"card.absent"}, wrong(card, func(w *careid.Workstation) { w.Card = careid.No }))
		require.Equal(t, []string{"network.hscn"}, wrong(card, func(w *careid.Workstation) { w.Network = careid.NetworkInternet }))
	})
	t.Run("row088", func(t *testing.T) {
		for _, c := range []struct {
			skew  time.Duration
			right bool
		}{{0, true}, {300 * time.Second, true}, {-300 * time.Second, true}, {301 * time.Second, false}, {-301 * time.Second, false}, {-1 << 63, false}} {
			got := wrong(card, func(w *careid.Workstation) { w.ClockSkew = &c.skew })
			if c.right {
				require.Empty(t, got, c.skew)
			} else {
				require.Equal(t, []string{"device.clock"}, got, c.skew)
			}
		}
	})
	t.Run("row094", func(t *testing.T) {
		no := careid.Doctor(book, card, func() careid.Workstation { w := fit(); w.Build = "26100"; return w }(), asOf).Refusals()
		require.Equal(t, []string{"device.changed"}, rules(no))
		require.Contains(t, no[0].Next[0], "Configure the computer again")
		require.Equal(t, "local-administrator", no[0].Fixer)
		require.Empty(t, wrong(card, func(w *careid.Workstation) { w.Build = "26100"; w.SetUpOn = "26100" }), "set up again")
	})
	t.Run("without a card nothing of a card is asked for", func(t *testing.T) {
		hello := careid.Visit{Service: careid.CIM, With: careid.KindWindowsHello}
		require.Empty(t, wrong(hello, func(w *careid.Workstation) {
			w.Card, w.CredentialManagement, w.Private, w.Network = careid.No, careid.No, careid.Yes, careid.NetworkInternet
		}))
	})
}

func TestPreflightReadsTheMatrix(t *testing.T) {
	h := careidtest.New(t, careidtest.Config{})
	nurse := actor(t, h, h.Nurse, careid.Holder)
	h.Mail.Set("asha.patel@nhs.net", careidtest.Mailbox{Active: true, PolicyAccepted: true})
	for _, c := range []struct {
		system, browser string
		want            []string
	}{
		{"", careid.Edge, nil},
		{"", careid.Safari, []string{"browser.unsupported"}},
		{"", careid.Firefox, []string{"browser.unsupported"}},
		{careid.IPadOS, careid.Safari, nil},
		{careid.IPadOS, careid.Edge, []string{"browser.unsupported"}},
		{careid.Windows7, careid.Edge, []string{"browser.unsupported"}},
		{careid.Linux, careid.Chrome, []string{"system.unsupported"}},
		{"beos", careid.Chrome, []string{"system.unknown"}},
	} {
		missing, err := h.Service.LinkPreflight(t.Context(), nurse, careid.LinkRequest{
			Address:     "asha.patel@nhs.net",
			Workstation: careid.Workstation{System: c.system, Browser: c.browser, CredentialManagement: careid.Yes},
		})
		require.NoError(t, err)
		require.Equal(t, c.want, rules(missing), "%s %s", c.system, c.browser)
	}
}

// A checkup of a ward's computer.
func ExampleDoctor() {
	book, err := careid.Rules()
	if err != nil {
		fmt.Println(err)
		return
	}
	w := careid.Workstation{
		System: careid.Windows10, Browser: careid.Chrome, Client: careid.ClientBrowser,
		Network: careid.NetworkInternet, CredentialManagement: careid.Yes,
	}
	visit := careid.Visit{Service: careid.CIM, Registered: []careid.AuthenticatorKind{careid.KindWindowsHello}}
	for _, found := range careid.Doctor(book, visit, w, asOf) {
		if found.No == nil {
			fmt.Println(found.Setting, "ok")
			continue
		}
		fmt.Println(found.Setting, wardkey.RuleOf(found.No), "-", found.No.Next[0])
	}
	// Output:
	// system ok
	// browser ok
	// client ok
	// network network.card - Sign in with what you have registered, over the internet: Windows Hello.
	// set-up ok
	// private ok
	// credential-management ok
	// card ok
	// clock ok
	// shared ok
}
