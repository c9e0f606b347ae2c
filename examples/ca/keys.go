// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/wardkey-sdk/wardkey/pki/stepca"
)

// secret is a passphrase or a PIN: from the environment, or asked for once.
type secret struct {
	name, variable string
	ask            func(prompt string) ([]byte, error)
	twice          bool // it is new: a slip would cost the key
	text           []byte
}

// read returns a copy, which its user clears.
func (s *secret) read() ([]byte, error) {
	if s.text == nil {
		text, err := s.obtain()
		if err != nil {
			return nil, err
		}
		s.text = text
	}
	return bytes.Clone(s.text), nil
}

func (s *secret) obtain() ([]byte, error) {
	if text, found := os.LookupEnv(s.variable); found {
		return []byte(text), nil
	}
	first, err := s.ask(fmt.Sprintf("The CA's %s: ", s.name))
	if err != nil {
		return nil, fmt.Errorf("%w, so set %s", err, s.variable)
	}
	if !s.twice {
		return first, nil
	}
	second, err := s.ask(fmt.Sprintf("The new %s again: ", s.name))
	defer clear(second)
	if err == nil && !bytes.Equal(first, second) {
		err = errors.New("they differ")
	}
	if err != nil {
		clear(first)
		return nil, err
	}
	return first, nil
}

func (s *secret) forget() {
	clear(s.text)
	s.text = nil
}

// issuingKey is where the issuing key lives, and the words for it. The nil source
// is a file in the folder.
func issuingKey(uri string, pin *secret) (stepca.KeySource, string, error) {
	if uri == "" {
		return nil, "in a file, under a passphrase", nil
	}
	token, module, err := parsePKCS11(uri)
	if err != nil {
		return nil, "", err
	}
	return stepca.PKCS11{Module: module, Token: token, PIN: pin.read}, fmt.Sprintf("in the PKCS#11 token %q", token), nil
}

// parsePKCS11 reads a URI that names a token by its label and a module by its
// path. Nothing else of RFC 7512 is taken, since an attribute that is passed over
// might have chosen another token.
func parsePKCS11(uri string) (token, module string, err error) {
	rest, found := strings.CutPrefix(uri, "pkcs11:")
	if !found {
		return "", "", fmt.Errorf("-keys %s is not a PKCS#11 URI", uri)
	}
	known := map[string]*string{"token": &token, "module-path": &module}
	for _, attribute := range strings.FieldsFunc(rest, func(r rune) bool { return strings.ContainsRune(";?&", r) }) {
		name, value, _ := strings.Cut(attribute, "=")
		if name == "pin-value" || name == "pin-source" {
			return "", "", fmt.Errorf("-keys: arguments can be seen by every user, so %s has no place there; %s does", name, pinVariable)
		}
		field := known[name]
		if field == nil || *field != "" {
			return "", "", fmt.Errorf("-keys: %s is twice in the URI, or isn't one of token and module-path", name)
		}
		if *field, err = url.PathUnescape(value); err != nil {
			return "", "", fmt.Errorf("-keys: %s: %w", name, err)
		}
	}
	if token == "" || module == "" {
		return "", "", errors.New("-keys: the URI needs token and module-path")
	}
	return token, module, nil
}

func missing(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return errors.Is(err, fs.ErrNotExist)
}
