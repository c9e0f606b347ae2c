// SPDX-License-Identifier: Apache-2.0

//go:build linux && cgo

package lanes_test

import (
	"testing"

	"github.com/wardkey-sdk/wardkey/card/cardtest"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// module is the subject as the suite takes it, all of which may be asked.
func (s *subject) module(lacks map[cardtest.Feature]string, departures map[string]string) cardtest.Module {
	return cardtest.Module{
		Path: s.config.Module, InitArgs: s.config.InitArgs, Serial: s.serial,
		PIN: s.pin, SOPIN: s.so, PUK: s.puk, Destructive: true,
		Remove: s.remove, Insert: s.insert, InsertOther: s.insertOther, Lacks: lacks, Departures: departures,
	}
}

// What a module hasn't, in words that more than one lane uses.
const (
	noEvents  = "CKR_FUNCTION_NOT_SUPPORTED"
	parallel  = "it opens sessions without CKF_SERIAL_SESSION"
	attribute = "it takes the attribute and asks for nothing"
)

func nssDepartures() map[string]string {
	const loginFirst = "C_SetPIN wants somebody logged in, whatever else is wrong"
	return map[string]string{
		"session-serial":                 parallel,
		"handle-dies-with-the-login":     "it answers CKR_HOST_MEMORY",
		"set-pin-in-a-read-only-session": loginFirst,
		"set-pin-where-nobody-is-in":     loginFirst,
	}
}

func TestNSS(t *testing.T) {
	s := nss(t)
	cardtest.TestModule(t, s.module(map[cardtest.Feature]string{
		cardtest.SlotEvents:         noEvents,
		cardtest.PINFlags:           "it counts nothing",
		cardtest.AlwaysAuthenticate: attribute,
	}, nssDepartures()))
}

func TestShimOverNSS(t *testing.T) {
	s := shimmed(t, nss(t))
	cardtest.TestModule(t, s.module(map[cardtest.Feature]string{
		cardtest.AlwaysAuthenticate: attribute,
	}, nssDepartures()))
}

func TestOpencryptoki(t *testing.T) {
	need.Tool(t, "opencryptoki")
	apart(t, "opencryptoki", func(t *testing.T) {
		s := opencryptoki(t)
		cardtest.TestModule(t, s.module(map[cardtest.Feature]string{
			cardtest.SlotEvents:         noEvents,
			cardtest.AlwaysAuthenticate: attribute,
		}, map[string]string{
			"session-serial":    parallel,
			"locked-to-set-pin": "the lock is C_Login's: C_SetPIN takes the right PIN of a locked token",
		}))
	})
}

func TestShimOverOpencryptoki(t *testing.T) {
	need.Tool(t, "opencryptoki")
	apart(t, "opencryptoki", func(t *testing.T) {
		s := shimmed(t, opencryptoki(t))
		cardtest.TestModule(t, s.module(map[cardtest.Feature]string{
			cardtest.AlwaysAuthenticate: attribute,
		}, map[string]string{
			"session-serial": parallel,
		}))
	})
}

func TestOpenSC(t *testing.T) {
	need.Tool(t, "opensc")
	apart(t, "opensc", func(t *testing.T) {
		s := opensc(t)
		const (
			twoLeft   = "with two tries left it tells nothing"
			remembers = "it asks the reader when slots are listed, not before each call"
		)
		m := s.module(map[cardtest.Feature]string{
			cardtest.Writing: "PIV cards are written by their issuer's tools",
		}, map[string]string{
			"handle-dies-with-the-login": "C_Logout tells a PIV card nothing, and the handle signs on",
			"wrong-pin-is-told":          twoLeft,
			"other-card-other-counter":   twoLeft,
			"pulled-token-info":          remembers,
			"pulled-session":             remembers,
			"pulled-is-no-wrong-pin":     remembers,
			"pulled-open-session":        remembers,
		})
		m.Hangs = map[string]string{
			"pulled-while-others-sign": "one thread holds the module's lock and waits for that of the card that went",
		}
		cardtest.TestModule(t, m)
	})
}
