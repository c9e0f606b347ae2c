// SPDX-License-Identifier: Apache-2.0

// Package workstation is the questions by which a page has its workstation
// declared, and what the answers come to.
//
//	w := workstation.Declared(r.URL.Query())
//	page.Choices = workstation.Choices(w) // a <select> for each
package workstation

import (
	"net/url"
	"strconv"
	"time"

	"github.com/wardkey-sdk/wardkey/careid"
)

// maxSkew is more than any clock is wrong by, in seconds: ten years.
const maxSkew = 10 * 365 * 24 * 60 * 60

// Declared is the workstation as a page's form says. What it does not say is
// unknown; that the program is a browser is said by the page itself, unless the
// person knows better.
func Declared(q url.Values) careid.Workstation {
	w := careid.Workstation{
		System: q.Get("system"), Build: q.Get("build"), Browser: q.Get("browser"), Client: q.Get("client"), Network: q.Get("network"),
		Private: known(q.Get("private")), CredentialManagement: known(q.Get("credentialManagement")), Card: known(q.Get("card")),
	}
	if w.Client == "" {
		w.Client = careid.ClientBrowser
	}
	if seconds, err := strconv.Atoi(q.Get("skew")); err == nil && seconds > -maxSkew && seconds < maxSkew {
		skew := time.Duration(seconds) * time.Second
		w.ClockSkew = &skew
	}
	return w
}

func known(text string) careid.Known {
	if text == string(careid.Yes) || text == string(careid.No) {
		return careid.Known(text)
	}
	return careid.Unknown
}

// Choice is one question of the form about the workstation.
type Choice struct {
	Name, Label string
	Options     []Option
}

// Option is an answer that a person can choose.
type Option struct {
	Value, Text string
	Chosen      bool
}

// Choices are the questions, with what is declared chosen.
func Choices(w careid.Workstation) []Choice {
	yesNo := []string{string(careid.Yes), "Yes", string(careid.No), "No"}
	return []Choice{
		ask("system", "System", w.System,
			careid.Windows11, "Windows 11", careid.Windows10, "Windows 10", careid.Windows81, "Windows 8.1", careid.Windows7, "Windows 7",
			careid.ChromeOS, "ChromeOS", careid.MacOS, "macOS", careid.Linux, "Linux", careid.IPadOS, "iPad", careid.IOS, "iPhone",
			careid.WindowsPhone, "Windows Phone", careid.SamsungTablet, "Samsung tablet", careid.LenovoTablet, "Lenovo tablet",
			careid.NexusTablet, "Nexus tablet", careid.SonyTablet, "Sony tablet", careid.HTCTablet, "HTC tablet", careid.NvidiaTablet, "Nvidia tablet"),
		ask("browser", "Browser", w.Browser,
			careid.Chrome, "Chrome", careid.Edge, "Edge", careid.Firefox, "Firefox", careid.Safari, "Safari", careid.InternetExplorer11, "Internet Explorer 11"),
		ask("client", "Program", w.Client,
			careid.ClientBrowser, "A web browser", careid.ClientOutlook, "Outlook", careid.ClientTeams, "Teams", careid.ClientWord, "Word",
			careid.ClientExcel, "Excel", careid.ClientPowerPoint, "PowerPoint", careid.ClientOffice, "Another Office program", careid.ClientMobile, "Mail on a phone"),
		ask("network", "Network", w.Network, careid.NetworkHSCN, "HSCN", careid.NetworkInternet, "The internet"),
		ask("private", "Private window", string(w.Private), yesNo...),
		ask("credentialManagement", "Card service", string(w.CredentialManagement), string(careid.Yes), "It answers", string(careid.No), "It does not answer"),
		ask("card", "Card in a reader", string(w.Card), yesNo...),
	}
}

// ask is one question: options are pairs of a value and its words.
func ask(name, label, chosen string, options ...string) Choice {
	c := Choice{Name: name, Label: label, Options: []Option{{Text: "Not known"}}}
	for i := 0; i < len(options); i += 2 {
		c.Options = append(c.Options, Option{options[i], options[i+1], options[i] == chosen})
	}
	return c
}
