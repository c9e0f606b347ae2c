// SPDX-License-Identifier: Apache-2.0

package cardtest

import (
	"debug/elf"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// fits says whether this program can have virtual cards, whatever is installed.
func fits() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	return fit(runtime.GOOS, withCgo, program)
}

// fit is fits for a program that was built for a system, with cgo or without.
func fit(goos string, withCgo bool, program string) error {
	switch goos {
	case "linux":
	case "darwin":
		return fmt.Errorf("%w: on macOS a copied SoftHSM would have to be signed anew, which nobody tried; run these tests on Linux, in a container for example", ErrNoShim)
	default:
		return fmt.Errorf("%w: they don't run on %s; run these tests on Linux, in a container for example", ErrNoShim, goos)
	}
	if !withCgo {
		return fmt.Errorf("%w: this program was built without cgo (CGO_ENABLED=0, or no C compiler at the time) and can't load a PKCS#11 module", ErrNoShim)
	}
	if onMusl(program) {
		return fmt.Errorf("%w: this program runs on musl, on which nobody tried them; run these tests on a system with glibc, such as Debian", ErrNoShim)
	}
	return nil
}

// onMusl says whether a program is loaded by musl, as on Alpine.
func onMusl(program string) bool {
	file, err := elf.Open(program)
	if err != nil {
		return false
	}
	defer file.Close()
	for _, segment := range file.Progs {
		if segment.Type != elf.PT_INTERP {
			continue
		}
		name := make([]byte, segment.Filesz)
		if _, err := segment.ReadAt(name, 0); err == nil && strings.Contains(string(name), "ld-musl") {
			return true
		}
	}
	return false
}
