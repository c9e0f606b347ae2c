// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
)

var asOf = time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)

const fromMatrix = "NHSmail and NHS Care Identity sign in: frequently asked questions"

func TestCompat(t *testing.T) {
	book := builtIn(t)
	compat := func(system, browser string) (careid.Ground, error) {
		return careid.Compat(book, careid.Workstation{System: system, Browser: browser}, asOf)
	}
	// only shows that a system works with some of the five browsers and with no other.
	only := func(t *testing.T, system string, works ...string) {
		t.Helper()
		for _, browser := range []string{careid.InternetExplorer11, careid.Chrome, careid.Edge, careid.Firefox, careid.Safari} {
			g, err := compat(system, browser)
			require.Equal(t, fromMatrix, g.Source.Document)
			require.Equal(t, "browsers."+system, g.Rule)
			if strings.Contains(strings.Join(works, " "), browser) {
				require.NoError(t, err, browser)
				continue
			}
			no := refused(t, err, "browser.unsupported")
			require.Equal(t, "Compatibility Matrix", no.Source.Clause)
		}
	}
	unsupported := func(t *testing.T, systems ...string) {
		t.Helper()
		for _, system := range systems {
			for _, browser := range []string{careid.Chrome, careid.Edge, careid.Safari} {
				g, err := compat(system, browser)
				no := refused(t, err, "system.unsupported")
				require.Equal(t, system, no.Facts["system"])
				require.Equal(t, "system."+system, g.Rule)
				require.NotEmpty(t, g.Note, "the matrix's words")
			}
		}
	}

	t.Run("row095", func(t *testing.T) {
		for _, system := range []string{careid.Windows7, careid.Windows81, careid.Windows10, careid.Windows11} {
			_, err := compat(system, careid.Chrome)
			require.NoError(t, err)
		}
	})
	t.Run("row096", func(t *testing.T) { unsupported(t, careid.ChromeOS, careid.MacOS, careid.Linux) })
	t.Run("row097", func(t *testing.T) { unsupported(t, careid.WindowsPhone) })
	t.Run("row098", func(t *testing.T) {
		unsupported(t, careid.SamsungTablet, careid.LenovoTablet, careid.NexusTablet, careid.SonyTablet, careid.HTCTablet, careid.NvidiaTablet)
		only(t, careid.IPadOS, careid.Safari)
	})
	t.Run("row099", func(t *testing.T) { unsupported(t, careid.IOS) })
	t.Run("row100", func(t *testing.T) { only(t, careid.Windows7, careid.Chrome) })
	t.Run("row101", func(t *testing.T) { only(t, careid.Windows81, careid.Chrome) })
	t.Run("row102", func(t *testing.T) { only(t, careid.Windows10, careid.Chrome, careid.Edge) })
	t.Run("row103", func(t *testing.T) { only(t, careid.Windows11, careid.Chrome, careid.Edge) })
	t.Run("row104", func(t *testing.T) {
		only(t, careid.IPadOS, careid.Safari)
		golden, err := os.ReadFile("testdata/browsers.tsv")
		require.NoError(t, err)
		var columns []string
		cells := 0
		for line := range strings.Lines(string(golden)) {
			fields := strings.Split(strings.TrimSpace(line), "\t")
			if system, ok := strings.CutPrefix(fields[0], "# "); ok {
				if system == "system" {
					columns = fields[1:6]
				}
				continue
			}
			require.Len(t, fields, 7, line)
			source := strings.Split(fields[6], " | ")
			for i, browser := range columns {
				_, err := compat(fields[0], browser)
				require.Equal(t, fields[i+1] == "yes", err == nil, "%s %s", fields[0], browser)
				require.Equal(t, fields[i+1], strings.ToLower(source[i+1]), "the table is not what its source says")
				cells++
			}
		}
		require.Equal(t, 25, cells)
	})
	t.Run("row093", func(t *testing.T) {
		for _, system := range []string{"", careid.Windows10} {
			for _, browser := range []string{careid.InternetExplorer11, careid.Firefox} {
				missing := careid.Doctor(book, careid.Visit{Service: careid.MailService}, careid.Workstation{System: system, Browser: browser}, asOf).Refusals()
				found := false
				for _, no := range missing {
					if no.Rule == "browser.unsupported" {
						found = true
						require.Equal(t, fromMatrix, no.Source.Document)
						require.Contains(t, no.Next[0], "Chrome or the Chromium version of Edge")
					}
				}
				require.True(t, found)
			}
		}
		_, err := compat("", careid.Firefox)
		refused(t, err, "system.unknown")
	})
	t.Run("row071", func(t *testing.T) {
		for system, want := range map[string]careid.DeviceKind{careid.Windows11: careid.Desktop, careid.MacOS: careid.Desktop, careid.IPadOS: careid.Tablet, careid.SonyTablet: careid.Tablet, careid.IOS: careid.Phone} {
			kind, _, err := careid.KindOf(book, system, asOf)
			require.NoError(t, err)
			require.Equal(t, want, kind)
		}
		_, err := compat(careid.IOS, careid.Safari)
		require.Contains(t, refused(t, err, "system.unsupported").Public, "This phone")
		_, _, err = careid.KindOf(book, "toaster", asOf)
		refused(t, err, "system.unknown")
	})
	t.Run("what is unknown is refused", func(t *testing.T) {
		for _, system := range []string{"", "beos", "Windows-10", "windows-10 "} {
			_, err := compat(system, careid.Chrome)
			refused(t, err, "system.unknown")
		}
		for _, browser := range []string{"", "lynx", "CHROME"} {
			_, err := compat(careid.Windows10, browser)
			refused(t, err, "browser.unsupported")
		}
		_, err := careid.Compat(book, careid.Workstation{System: careid.Windows10, Browser: careid.Chrome}, london(t, "2022-11-19").Add(-time.Second))
		refused(t, err, "system.unknown")
	})
	t.Run("an organisation tightens and never loosens", func(t *testing.T) {
		tight, err := overlaid(t, `{"id": "system.windows-7", "value": false, "unit": "flag", "from": "2023-01-10", "zone": "Europe/London", "source": "Trust", "tighter": "lower"}`)
		require.NoError(t, err)
		_, err = careid.Compat(tight, careid.Workstation{System: careid.Windows7, Browser: careid.Chrome}, asOf)
		require.Equal(t, "Trust policy", refused(t, err, "system.unsupported").Source.Document)
		for _, rule := range []string{
			`{"id": "system.linux", "value": true, "unit": "flag", "from": "2023-01-10", "zone": "Europe/London", "source": "Trust", "tighter": "lower"}`,
			`{"id": "browsers.windows-10", "value": ["chrome", "firefox"], "unit": "list", "from": "2023-01-10", "zone": "Europe/London", "source": "Trust", "tighter": "subset"}`,
			`{"id": "workstation.unknown.system", "value": true, "unit": "flag", "from": "2023-01-10", "zone": "Europe/London", "source": "Trust", "tighter": "lower"}`,
		} {
			_, err := overlaid(t, rule)
			require.Error(t, err)
		}
	})
}

func TestSignInButton(t *testing.T) {
	book := builtIn(t)
	show := func(system, browser, client string, application careid.Known) error {
		_, err := careid.ShowSignInButton(book, careid.Workstation{System: system, Browser: browser, Client: client}, application, asOf)
		return err
	}
	t.Run("row105", func(t *testing.T) {
		require.NoError(t, show(careid.IPadOS, careid.Safari, careid.ClientBrowser, careid.Yes))
		require.Equal(t, "The sign-in button is not shown on a tablet.",
			refused(t, show(careid.IPadOS, careid.Chrome, careid.ClientBrowser, careid.Yes), "button.hidden").Public)
		for _, system := range []string{careid.IOS, careid.WindowsPhone, careid.SamsungTablet, careid.ChromeOS, careid.Linux} {
			refused(t, show(system, careid.Chrome, careid.ClientBrowser, careid.Yes), "system.unsupported")
		}
		refused(t, show("", careid.Chrome, careid.ClientBrowser, careid.Yes), "system.unknown")
		for _, browser := range []string{careid.Chrome, careid.Firefox, ""} {
			require.NoError(t, show(careid.Windows10, browser, careid.ClientBrowser, careid.Yes), "no source hides it for a browser: Compat tells why it can't be used")
		}
	})
	t.Run("row106", func(t *testing.T) {
		for _, client := range []string{careid.ClientOutlook, careid.ClientTeams, careid.ClientWord, careid.ClientExcel, careid.ClientPowerPoint, careid.ClientOffice} {
			no := refused(t, show(careid.Windows11, careid.Edge, client, careid.Yes), "client.method")
			require.Contains(t, no.Next[0], "e-mail address and password")
		}
		refused(t, show(careid.Windows11, careid.Edge, "", careid.Yes), "client.unknown")
		refused(t, show(careid.Windows11, careid.Edge, "telnet", careid.Yes), "client.unknown")
	})
	t.Run("row107", func(t *testing.T) {
		require.NoError(t, show(careid.Windows11, careid.Edge, careid.ClientBrowser, careid.Yes))
		for _, application := range []careid.Known{careid.No, careid.Unknown, "perhaps"} {
			refused(t, show(careid.Windows11, careid.Edge, careid.ClientBrowser, application), "application.unsupported")
		}
	})
}

func TestMethods(t *testing.T) {
	book := builtIn(t)
	t.Run("row108", func(t *testing.T) {
		for client, want := range map[string]string{
			careid.ClientBrowser: "card password", careid.ClientMobile: "password", careid.ClientOutlook: "password",
			careid.ClientTeams: "password", careid.ClientWord: "password", careid.ClientExcel: "password",
			careid.ClientPowerPoint: "password", careid.ClientOffice: "password",
		} {
			methods, err := careid.Methods(book, client, asOf)
			require.NoError(t, err)
			require.Len(t, methods, 2, "each method has its answer")
			var usable []string
			for _, m := range methods {
				require.NotEmpty(t, m.Ground.Source.Document)
				if m.No == nil {
					usable = append(usable, string(m.Method))
					continue
				}
				refused(t, m.No, "client.method")
			}
			require.Equal(t, want, strings.Join(usable, " "), client)
		}
		_, err := careid.Methods(book, "", asOf)
		refused(t, err, "client.unknown")
	})
}

// Why is the button not there?
func ExampleShowSignInButton() {
	book, err := careid.Rules()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, w := range []careid.Workstation{
		{System: careid.Windows11, Browser: careid.Edge, Client: careid.ClientBrowser},
		{System: careid.Windows11, Client: careid.ClientOutlook},
		{System: careid.IPadOS, Browser: careid.Chrome, Client: careid.ClientBrowser},
		{System: careid.IPadOS, Browser: careid.Safari, Client: careid.ClientBrowser},
	} {
		_, err := careid.ShowSignInButton(book, w, careid.Yes, asOf)
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// client.method: outlook can't sign in with Care Identity.
	// button.hidden: The sign-in button is not shown on a tablet.
	// <nil>
}
