// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"slices"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// DeviceKind is the kind of device that a system runs on.
type DeviceKind string

// Where the published text speaks of a mobile, a tablet or another device.
const (
	Desktop DeviceKind = "desktop" // PCs, laptops, Surface
	Tablet  DeviceKind = "tablet"
	Phone   DeviceKind = "phone"
)

// KindOf is the kind of device that a system runs on. Refusal: system.unknown.
func KindOf(book *wardkey.Rulebook, system string, t time.Time) (DeviceKind, Ground, error) {
	for _, kind := range []DeviceKind{Desktop, Tablet, Phone} {
		if g, ok := lists(book, "device."+string(kind), system, t); ok {
			return kind, g, nil
		}
	}
	return "", Ground{}, book.Refuse("system.unknown")
}

// Compat says whether the published matrices let a system and a browser sign in with Care Identity, and by which of
// their cells. An unknown system or browser is refused, unless workstation.unknown.… says otherwise. It says nothing of
// the program ([Methods]), the network ([Reach]) or the machine's state ([Doctor]).
//
// Refusals, with the ground beside them: system.unknown, system.unsupported, browser.unsupported.
func Compat(book *wardkey.Rulebook, w Workstation, t time.Time) (Ground, error) {
	g, err := systemCompat(book, w, t)
	if err != nil {
		return g, err
	}
	return browserCompat(book, w, t)
}

func systemCompat(book *wardkey.Rulebook, w Workstation, t time.Time) (Ground, error) {
	kind, _, err := KindOf(book, w.System, t)
	if err != nil {
		if g, passes := unknownPasses(book, "system", t); passes {
			return g, nil
		}
		return Ground{}, err
	}
	id := "system." + w.System
	supported, err := book.Bool(id, t)
	g, ok := ground(book, id, t)
	if err != nil || !ok || !supported {
		return g, refuseBy(book, g, "system.unsupported", "system", w.System, "kind", string(kind))
	}
	return g, nil
}

// browserCompat is the matrix's row of a system, or what is said of browsers on any system where the system is not
// known.
func browserCompat(book *wardkey.Rulebook, w Workstation, t time.Time) (Ground, error) {
	refuse := func(g Ground) (Ground, error) { return g, refuseBy(book, g, "browser.unsupported") }
	if g, named := lists(book, "browser.columns", w.Browser, t); !named {
		if g, passes := unknownPasses(book, "browser", t); passes {
			return g, nil
		}
		return refuse(g)
	}
	row := "browsers." + w.System
	if _, _, err := KindOf(book, w.System, t); err != nil {
		row = "browser.recommended"
		if g, refused := lists(book, "browser.refused", w.Browser, t); refused {
			return refuse(g)
		}
	}
	g, supported := lists(book, row, w.Browser, t)
	if !supported {
		return refuse(g)
	}
	return g, nil
}

// Method is a way of signing in to a program.
type Method string

// A card stands for Care Identity sign-in as a whole.
const (
	MethodCard     Method = "card"
	MethodPassword Method = "password" // address and password of the mail account
)

// ClientMethod is one method with its reason: No is nil where the program has it.
type ClientMethod struct {
	Method Method
	Ground Ground
	No     *wardkey.Refusal
}

// Methods says for each method whether a program has it, in the order card, password. Refusal: client.unknown.
func Methods(book *wardkey.Rulebook, client string, t time.Time) ([]ClientMethod, error) {
	usable, g, ok := groundList(book, "client."+client+".methods", t)
	if !ok {
		return nil, book.Refuse("client.unknown")
	}
	var methods []ClientMethod
	for _, m := range []Method{MethodCard, MethodPassword} {
		answer := ClientMethod{Method: m, Ground: g}
		if !slices.Contains(usable, string(m)) {
			answer.No = refuseBy(book, g, "client.method", "client", client)
		}
		methods = append(methods, answer)
	}
	return methods, nil
}

// hasMethod is Methods for one of them. An unknown program passes only where workstation.unknown.client says so.
func hasMethod(book *wardkey.Rulebook, client string, m Method, t time.Time) (Ground, error) {
	methods, err := Methods(book, client, t)
	if err != nil {
		if g, passes := unknownPasses(book, "client", t); passes {
			return g, nil
		}
		return Ground{}, err
	}
	for _, answer := range methods {
		if answer.Method == m {
			if answer.No != nil {
				return answer.Ground, answer.No
			}
			return answer.Ground, nil
		}
	}
	return Ground{}, book.Refuse("client.unknown")
}

// ShowSignInButton says whether a page shows the button "Log in with my Care Identity", and else which of the published
// reasons hides it: the program, an application that is not registered for it (unknown is not), or the device. Of the
// devices in general a phone or tablet hides it; the matrix's own exception, Safari on an iPad, shows it. A browser that
// can't be used on a desktop does not hide it: [Compat] tells the person why.
//
// Refusals, with the ground beside them: client.unknown, client.method, application.unsupported, system.unknown,
// system.unsupported, button.hidden.
func ShowSignInButton(book *wardkey.Rulebook, w Workstation, application Known, t time.Time) (Ground, error) {
	if g, err := hasMethod(book, w.Client, MethodCard, t); err != nil {
		return g, err
	}
	if application != Yes {
		return Ground{}, book.Refuse("application.unsupported")
	}
	g, err := systemCompat(book, w, t)
	if err != nil {
		return g, err
	}
	kind, _, err := KindOf(book, w.System, t)
	if err != nil {
		return Ground{}, err // a system that passes unknown is still no device to show a button on
	}
	general, hidden := lists(book, "button.hidden", string(kind), t)
	if !hidden {
		return g, nil
	}
	if cell, err := browserCompat(book, w, t); err == nil {
		return cell, nil
	}
	return general, refuseBy(book, general, "button.hidden", "kind", string(kind))
}
