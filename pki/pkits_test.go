// SPDX-License-Identifier: Apache-2.0

package pki_test

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/need"
	"github.com/wardkey-sdk/wardkey/pki"
)

// pkitsTest is one test of NIST's Public Key Interoperability Test Suite, "PKITS
// Test Descriptions" 1.0.1, with its default settings: any policy, and none of
// the three initial indicators.
type pkitsTest struct {
	number string
	leaf   string // without EE.crt
	cas    string // below the trust anchor, from the top, without Cert.crt
	lists  string // without CRL.crl, beside the trust anchor's; default those of cas; "-" none; "!" keeps a name as it is
	valid  bool   // what the suite says
	says   string // part of the refusal's text
	why    string // not claimed, and why; "" for all others
	taken  bool   // not claimed and not refused either
}

// Why a test isn't claimed: most often because a refusal would come from a
// limit of the verifier and not from what the test is about.
const (
	dsa         = "DSA is not accepted"
	bytewise    = "names are compared byte for byte"
	otherKey    = "a list counts only if the key that signed the certificate has signed it"
	selfIssued  = "a path length counts self-issued certificates, too"
	directory   = "critical constraints on directory names refuse all"
	excluded    = "an excluded e-mail or URI host excludes the hosts below it, too"
	relative    = "a distribution point relative to its issuer is not matched, RFC 5280 §4.2.1.13 advises against it"
	someReasons = "a list for some reasons only is not used"
	indirect    = "an indirect list is not used"
	delta       = "a delta list is not used: what stands in it alone is seen with the next complete list"
	settings    = "defined only for initial settings that the verifier doesn't offer"
)

// pkitsLists are all lists of a test: the checker has to find the one that
// counts.
func pkitsLists(t *testing.T, folder string, c pkitsTest) lists {
	t.Helper()
	names := strings.Fields(c.cas)
	switch c.lists {
	case "":
	case "-":
		names = nil
	default:
		names = strings.Fields(c.lists)
	}
	out := lists{pkitsFile(t, folder, "crls/TrustAnchorRootCRL.crl")}
	for _, name := range names {
		file, verbatim := strings.CutSuffix(name, "!")
		if !verbatim {
			file += "CRL"
		}
		out = append(out, pkitsFile(t, folder, "crls/"+file+".crl"))
	}
	return out
}

func pkitsFile(t *testing.T, folder, name string) []byte {
	t.Helper()
	der, err := os.ReadFile(filepath.Join(folder, name))
	require.NoError(t, err)
	return der
}

// pkitsVerify returns the verifier's answer. A certificate that crypto/x509
// doesn't parse is refused like any that can't be read.
func pkitsVerify(t *testing.T, folder string, c pkitsTest) error {
	t.Helper()
	root, err := x509.ParseCertificate(pkitsFile(t, folder, "certs/TrustAnchorRootCertificate.crt"))
	require.NoError(t, err)
	checker, err := pki.NewCRLChecker(pki.CRLCheckerConfig{Source: pkitsLists(t, folder, c)})
	require.NoError(t, err)
	v, err := pki.NewVerifier(pki.VerifierConfig{
		Roots: []*x509.Certificate{root}, Sources: []pki.StatusSource{checker},
		Now: func() time.Time { return time.Date(2011, 5, 1, 12, 0, 0, 0, time.UTC) },
	})
	require.NoError(t, err)
	var chain []*x509.Certificate
	files := []string{c.leaf + "EE.crt"}
	for _, ca := range strings.Fields(c.cas) {
		files = append(files, ca+"Cert.crt")
	}
	for _, file := range files {
		cert, err := x509.ParseCertificate(pkitsFile(t, folder, "certs/"+file))
		if err != nil {
			return err
		}
		chain = append(chain, cert)
	}
	_, err = v.Verify(t.Context(), chain, pki.PurposeAny, time.Time{})
	return err
}

// TestPKITS runs every test of the suite that has default settings. What isn't
// claimed is refused, too, except 4.15.4: a revocation that stands in a delta
// list alone.
func TestPKITS(t *testing.T) {
	folder := need.Tool(t, "pkits")
	all := slices.Concat(pkitsPaths, pkitsPolicies, pkitsScopes)
	claimed := 0
	for _, c := range all {
		if c.why == settings {
			continue
		}
		t.Run(c.number+" "+c.leaf, func(t *testing.T) {
			err := pkitsVerify(t, folder, c)
			if c.taken || c.why == "" && c.valid {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.says)
			}
		})
		if c.why == "" {
			claimed++
		}
	}
	t.Logf("%d of %d tests claimed", claimed, len(all))
}
