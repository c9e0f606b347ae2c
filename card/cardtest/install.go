// SPDX-License-Identifier: Apache-2.0

package cardtest

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/wardkey-sdk/wardkey/internal/need"
)

//go:embed shim
var source embed.FS

// confVariable is the variable that SoftHSM takes its configuration from.
const confVariable = "SOFTHSM2_CONF"

// install puts the shim and a copy of SoftHSM for each reader into the tray, in
// a folder named for all that they were made of, and returns the shim's path.
// The tray's own path is part of that: of a tray that was copied elsewhere the
// libraries must not be shared.
func install(dir string, readers int) (string, error) {
	shim, err := builtShim(filepath.Join(dir, "lib"))
	if err != nil {
		return "", err
	}
	softhsm, err := need.Find("softhsm")
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoShim, err)
	}
	shimIs, err := identity(shim)
	if err != nil {
		return "", err
	}
	softhsmIs, err := identity(softhsm)
	if err != nil {
		return "", err
	}
	name := hash(dir, shimIs, softhsmIs, fmt.Sprint(readers))
	final := filepath.Join(dir, "lib", name)
	module := filepath.Join(final, "cardshim.so")
	if _, err := os.Stat(module); err == nil {
		return module, nil
	}
	if err := os.MkdirAll(filepath.Join(dir, "lib"), 0o700); err != nil {
		return "", err
	}
	made, err := os.MkdirTemp(filepath.Join(dir, "lib"), ".making-")
	if err != nil {
		return "", err
	}
	if err := fill(made, name, shim, softhsm, readers); err != nil {
		return "", errors.Join(err, os.RemoveAll(made))
	}
	if err := os.Rename(made, final); err != nil {
		// Another process was first, with the same files.
		_ = os.RemoveAll(made)
		if _, missing := os.Stat(module); missing != nil {
			return "", err
		}
	}
	return module, nil
}

// fill writes the libraries into a folder.
func fill(dir, name, shim, softhsm string, readers int) error {
	code, err := os.ReadFile(softhsm)
	if err != nil {
		return err
	}
	if !bytes.Contains(code, []byte(confVariable+"\x00")) {
		return fmt.Errorf("%w: %s doesn't look like SoftHSM 2", ErrNoShim, softhsm)
	}
	for i := range readers {
		sum := sha256.Sum256([]byte(fmt.Sprint(name, i)))
		variable := "WK" + base32.StdEncoding.EncodeToString(sum[:])[:len(confVariable)-2]
		own := bytes.ReplaceAll(code, []byte(confVariable+"\x00"), []byte(variable+"\x00"))
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("softhsm-%d.so", i)), own, 0o600); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("softhsm-%d.name", i)), []byte(variable), 0o600); err != nil {
			return err
		}
	}
	code, err = os.ReadFile(shim)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "cardshim.so"), code, 0o600)
}

// builtShim is the path of a shim: WARDKEY_CARDSHIM, or one built here from the
// embedded source, once for each source and compiler: in the user's cache, or in
// own where the user has none.
func builtShim(own string) (string, error) {
	if path := os.Getenv("WARDKEY_CARDSHIM"); path != "" {
		return path, nil
	}
	cc, err := need.Find("cc")
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoShim, err)
	}
	compiler, err := identity(cc)
	if err != nil {
		return "", err
	}
	cache := own
	if user, err := os.UserCacheDir(); err == nil {
		cache = filepath.Join(user, "wardkey")
	}
	parts := []string{compiler}
	names, err := fs.Glob(source, "shim/*")
	if err != nil {
		return "", err
	}
	for _, name := range names {
		text, err := source.ReadFile(name)
		if err != nil {
			return "", err
		}
		parts = append(parts, name, string(text))
	}
	path := filepath.Join(cache, "cardshim-"+hash(parts...)+".so")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	return path, build(cc, cache, path)
}

// build compiles the shim beside path and moves it there whole.
func build(cc, cache, path string) error {
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return err
	}
	work, err := os.MkdirTemp(cache, "building-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := os.CopyFS(work, source); err != nil {
		return err
	}
	out := filepath.Join(work, "cardshim.so")
	args := []string{
		"-O2", "-std=gnu11", "-shared", "-fPIC", "-fvisibility=hidden", "-o", out,
		filepath.Join(work, "shim", "cardshim.c"), filepath.Join(work, "shim", "tray.c"),
		filepath.Join(work, "shim", "behaviour.c"), "-ldl", "-lpthread",
	}
	if said, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s: %w\n%s", ErrNoShim, cc, err, said)
	}
	return os.Rename(out, path)
}

// identity is a file by its real path, size and time.
func identity(path string) (string, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	return fmt.Sprint(path, info.Size(), info.ModTime().UnixNano()), nil
}

func hash(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
