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

// install puts the shim and what it stands above into the tray, in a folder named
// for all that it was made of, and returns the shim's path. The tray's own path is
// part of that: of a tray that was copied elsewhere the libraries must not be
// shared.
func (t *Tray) install() (string, error) {
	lib := filepath.Join(t.dir, "lib")
	shim, err := builtShim(lib)
	if err != nil {
		return "", err
	}
	madeOf := []string{t.dir, fmt.Sprint(t.count), t.wrapped.Module, t.wrapped.InitArgs}
	softhsm := ""
	if t.wrapped.Module == "" {
		if softhsm, err = need.Find("softhsm"); err != nil {
			return "", fmt.Errorf("%w: %w; install SoftHSM 2, of which the cards are made", ErrNoShim, err)
		}
	}
	for _, path := range []string{shim, softhsm} {
		if path == "" {
			continue
		}
		is, err := identity(path)
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrNoShim, err)
		}
		madeOf = append(madeOf, is)
	}
	name := hash(madeOf...)
	final := filepath.Join(lib, name)
	module := filepath.Join(final, "cardshim.so")
	if _, err := os.Stat(module); err == nil {
		return module, nil
	}
	if err := os.MkdirAll(lib, 0o700); err != nil {
		return "", err
	}
	made, err := os.MkdirTemp(lib, ".making-")
	if err != nil {
		return "", err
	}
	if softhsm != "" {
		err = copies(made, name, softhsm, t.count)
	} else {
		err = os.WriteFile(filepath.Join(made, "wrapped"), []byte(t.wrapped.Module+"\n"+t.wrapped.InitArgs+"\n"), 0o600)
	}
	if err == nil {
		err = copyFile(filepath.Join(made, "cardshim.so"), shim)
	}
	if err != nil {
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

// copies writes a SoftHSM for each reader into a folder, each with a name of its
// own for the variable of its configuration.
func copies(dir, name, softhsm string, readers int) error {
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
	return nil
}

func copyFile(to, from string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o600)
}

// builtShim is the path of a shim: WARDKEY_CARDSHIM, or one built here from the
// embedded source, once for each source, compiler and options: in the user's cache, or in
// own where the user has none.
func builtShim(own string) (string, error) {
	if path := os.Getenv("WARDKEY_CARDSHIM"); path != "" {
		return path, nil
	}
	cc, err := need.Find("cc")
	if err != nil {
		return "", fmt.Errorf("%w: %w; install a C compiler, or let WARDKEY_CARDSHIM name a shim that was built before", ErrNoShim, err)
	}
	compiler, err := identity(cc)
	if err != nil {
		return "", err
	}
	cache := own
	if user, err := os.UserCacheDir(); err == nil {
		cache = filepath.Join(user, "wardkey")
	}
	parts := append(options(), compiler)
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

// options are the compiler's. The environment points into the shim for as long as
// the process lives, so programs that unload modules, as NSS's do, must not unload
// it.
func options() []string {
	return []string{"-O2", "-std=gnu11", "-shared", "-fPIC", "-fvisibility=hidden", "-Wl,-z,nodelete", "-ldl", "-lpthread"}
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
	files, err := filepath.Glob(filepath.Join(work, "shim", "*.c"))
	if err != nil {
		return err
	}
	args := append(append([]string{"-o", out}, files...), options()...)
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
