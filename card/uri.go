// SPDX-License-Identifier: Apache-2.0

package card

import (
	"fmt"
	"net/url"
	"strings"
)

// URI is what a PKCS#11 URI names: a module, a card, a key on it. Empty fields
// are what it leaves open.
type URI struct {
	Module string // module-path: the absolute path of the module
	Card   Selector
	Key    KeySelector
}

const uriScheme = "pkcs11:"

// ParseURI reads a PKCS#11 URI, such as p11tool prints. Of the path it takes
// token, serial, manufacturer, model, object, id and type (cert, public or
// private); of the query, module-path. All others are ErrURI, because what they
// ask for wouldn't be kept to: a slot is no address of a card here. So is a PIN
// in the URI (pin-value) or beside it (pin-source): PINs come from a person. The
// error says which attribute it was and never its value. (RFC 7512 §2.3, §2.4)
func ParseURI(s string) (URI, error) {
	rest, ok := strings.CutPrefix(s, uriScheme)
	if !ok {
		return URI{}, fmt.Errorf("%w: it doesn't begin with %s", ErrURI, uriScheme)
	}
	var u URI
	path, query, _ := strings.Cut(rest, "?")
	seen := map[string]bool{}
	for _, part := range attributesOf(path, ";") {
		if err := u.take(part, false, seen); err != nil {
			return URI{}, err
		}
	}
	for _, part := range attributesOf(query, "&") {
		if err := u.take(part, true, seen); err != nil {
			return URI{}, err
		}
	}
	return u, nil
}

func attributesOf(list, separator string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, separator)
}

// take is one attribute, which may stand once.
func (u *URI) take(part string, query bool, seen map[string]bool) error {
	name, raw, ok := strings.Cut(part, "=")
	value, err := url.PathUnescape(raw)
	if !ok || err != nil || strings.ContainsAny(value, "\x00") && name != "id" {
		return fmt.Errorf("%w: an attribute can't be read", ErrURI)
	}
	if seen[name] {
		return fmt.Errorf("%w: %s stands twice", ErrURI, knownName(name))
	}
	seen[name] = true
	switch {
	case query && name == "module-path":
		u.Module = value
	case query:
		return fmt.Errorf("%w: the query attribute %s isn't taken", ErrURI, knownName(name))
	case name == "token":
		u.Card.Label = value
	case name == "serial":
		u.Card.Serial = value
	case name == "manufacturer":
		u.Card.Manufacturer = value
	case name == "model":
		u.Card.Model = value
	case name == "object":
		u.Key.Label = value
	case name == "id":
		u.Key.ID = []byte(value)
	case name == "type" && (value == "cert" || value == "public" || value == "private"):
	default:
		return fmt.Errorf("%w: the attribute %s isn't taken", ErrURI, knownName(name))
	}
	return nil
}

// knownName is an attribute's name if the standard has it: what isn't one might
// be a value that lost its name.
func knownName(name string) string {
	switch name {
	case "token", "serial", "manufacturer", "model", "object", "id", "type", "library-manufacturer", "library-description",
		"library-version", "slot-id", "slot-manufacturer", "slot-description", "module-path", "module-name", "pin-value", "pin-source":
		return name
	}
	return "(unknown)"
}
