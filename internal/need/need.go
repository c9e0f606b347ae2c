// SPDX-License-Identifier: Apache-2.0

// Package need lets a test say which tools of the machine it needs.
//
//	openssl := need.Tool(t, "openssl") // the path of what was found
//
// Where the tool is absent the test is skipped and says so. The environment
// variable REQUIRE, a list of names with commas or blanks between them, turns
// the skip into a failure; `make test` names every tool that tests use.
//
// A package with Examples that need a tool calls [Examples] from its TestMain.
package need

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var errUnknown = errors.New("need: not a tool that tests know")

// Tool returns the path of a program, PKCS#11 module or folder, and skips the
// test where there is none. The names are cc, softhsm, p11-kit, pkcs11-tool,
// nss, opencryptoki, opensc, openssl, gnutls, postgres (the folder of initdb),
// strace, node (the folder node_modules of scripts/npm, with a Node in .bin:
// NODE_MODULES, or where setup.sh puts it), python3-authlib (a Python that
// imports authlib and requests), pkits (the folder of NIST's path validation
// suite: PKITS, or the one of Debian's python3-cryptography-vectors) and browser.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := Find(name)
	Met(t, name, err)
	return path
}

// Met is for what a test needs of a tool beyond its being there, a daemon that
// runs or a permission: with an error the test is skipped, and fails if REQUIRE
// names the tool.
func Met(t testing.TB, name string, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.Is(err, errUnknown):
		t.Fatal(err)
	case required(name):
		t.Fatalf("%v, and REQUIRE names %s", err, name)
	default:
		t.Skipf("skipped: %v", err)
	}
}

// Examples keeps `go test` from running a package's Examples where one of the
// tools is absent, and says so; where REQUIRE names it, it ends the test run
// as failed. It belongs at the start of TestMain.
func Examples(names ...string) {
	for _, name := range names {
		_, err := Find(name)
		if err == nil {
			continue
		}
		if required(name) {
			fmt.Fprintf(os.Stderr, "%v, and REQUIRE names it\n", err)
			os.Exit(1)
		}
		fmt.Fprintf(os.Stderr, "examples skipped: %v\n", err)
		flag.Parse()
		if err := flag.Set("test.skip", joined(flag.Lookup("test.skip").Value.String(), "^Example")); err != nil {
			panic(err) // the testing package always defines this flag
		}
		return
	}
}

func joined(before, skip string) string {
	if before == "" {
		return skip
	}
	return before + "|" + skip
}

func required(name string) bool {
	names := strings.FieldsFunc(os.Getenv("REQUIRE"), func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' })
	return slices.Contains(names, name)
}

// Find is where a tool stands, or an error that says what was looked for.
func Find(name string) (string, error) {
	switch name {
	case "cc", "pkcs11-tool", "openssl", "strace", "p11-kit":
		return program(name, name)
	case "gnutls":
		return program(name, "certtool")
	case "browser":
		return program(name, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
	case "softhsm":
		return library(name, "SOFTHSM2_MODULE", "softhsm/libsofthsm2.so", "libsofthsm2.so")
	case "nss":
		return library(name, "NSS_MODULE", "libsoftokn3.so", "nss/libsoftokn3.so")
	case "opencryptoki":
		return library(name, "OPENCRYPTOKI_MODULE", "opencryptoki/libopencryptoki.so", "pkcs11/libopencryptoki.so", "libopencryptoki.so")
	case "opensc":
		return library(name, "OPENSC_MODULE", "opensc-pkcs11.so", "pkcs11/opensc-pkcs11.so")
	case "postgres":
		return postgres()
	case "node":
		return node()
	case "python3-authlib":
		return authlib()
	case "pkits":
		return pkits()
	}
	return "", fmt.Errorf("%w: %q", errUnknown, name)
}

func program(name string, programs ...string) (string, error) {
	for _, p := range programs {
		if path, err := exec.LookPath(p); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("need: no %s (looked for %s in PATH)", name, strings.Join(programs, ", "))
}

// library looks where variable points, and nowhere else if it is set, then in
// the folders where distributions and Homebrew put modules.
func library(name, variable string, files ...string) (string, error) {
	if path := os.Getenv(variable); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("need: no %s: %s: %w", name, variable, err)
		}
		return path, nil
	}
	folders := []string{"/usr/lib/*-linux-*", "/usr/lib64", "/usr/lib", "/usr/local/lib", "/opt/homebrew/lib"}
	for _, folder := range folders {
		for _, file := range files {
			found, err := filepath.Glob(filepath.Join(folder, file))
			if err == nil && len(found) > 0 {
				return found[0], nil
			}
		}
	}
	return "", fmt.Errorf("need: no %s (looked for %s in the library folders; %s may name it)", name, files[0], variable)
}

// postgres is the folder that holds initdb, the newest version's.
func postgres() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("need: no postgres (looked for initdb in PATH and /usr/lib/postgresql)")
	}
	return filepath.Dir(found[len(found)-1]), nil
}

// node's folder is looked for in each folder above the test's own.
func node() (string, error) {
	folder := os.Getenv("NODE_MODULES")
	if folder == "" {
		root, err := os.Getwd()
		if err != nil {
			return "", err
		}
		for ; filepath.Dir(root) != root; root = filepath.Dir(root) {
			folder = filepath.Join(root, ".build", "npm", "node_modules")
			if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
				break
			}
		}
	}
	if _, err := os.Stat(filepath.Join(folder, ".bin", "node")); err != nil {
		return "", fmt.Errorf("need: no node (scripts/setup.sh test installs it; NODE_MODULES may name its folder): %w", err)
	}
	return folder, nil
}

// A Python from elsewhere than the system doesn't see Debian's packages.
func authlib() (string, error) {
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if path, err := exec.LookPath(python); err == nil && exec.Command(path, "-c", "import authlib, requests").Run() == nil {
			return path, nil
		}
	}
	return "", errors.New("need: no python3-authlib (no python3 here imports authlib and requests)")
}

// pkits is NIST's test suite for path validation, which is not ours to ship.
func pkits() (string, error) {
	folder := os.Getenv("PKITS")
	if folder == "" {
		folder = "/usr/lib/python3/dist-packages/cryptography_vectors/x509/PKITS_data"
	}
	if _, err := os.Stat(filepath.Join(folder, "certs")); err != nil {
		return "", fmt.Errorf("need: no pkits (PKITS may name its folder): %w", err)
	}
	return folder, nil
}
