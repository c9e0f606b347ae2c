// SPDX-License-Identifier: Apache-2.0

//go:build cgo && windows

package cryptoki

import (
	"fmt"
	"syscall"
	"unsafe"
)

// load loads the module at path and finds its C_GetFunctionList. The error is
// the system's own text.
func load(path string) (unsafe.Pointer, error) {
	module, err := syscall.LoadLibrary(path)
	if err != nil {
		return nil, fmt.Errorf("LoadLibrary: %w", err)
	}
	get, err := syscall.GetProcAddress(module, "C_GetFunctionList")
	if err != nil {
		return nil, fmt.Errorf("C_GetFunctionList: %w", err)
	}
	// An address of code, not of Go memory.
	return *(*unsafe.Pointer)(unsafe.Pointer(&get)), nil
}
