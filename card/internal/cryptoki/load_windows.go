// SPDX-License-Identifier: Apache-2.0

//go:build cgo && windows

package cryptoki

import (
	"fmt"
	"syscall"
	"unsafe"
)

// withOwnFolder is LOAD_WITH_ALTERED_SEARCH_PATH: what the module needs besides is
// looked for in its own folder, and not in that of the program or the current one.
const withOwnFolder = 0x8

// load loads the module at path, which is absolute, and finds its
// C_GetFunctionList. The error is the system's own text.
func load(path string) (unsafe.Pointer, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, fmt.Errorf("LoadLibraryEx: %w", err)
	}
	loadLibrary := syscall.NewLazyDLL("kernel32.dll").NewProc("LoadLibraryExW") // a name that every process has loaded
	module, _, err := loadLibrary.Call(uintptr(unsafe.Pointer(name)), 0, withOwnFolder)
	if module == 0 {
		return nil, fmt.Errorf("LoadLibraryEx: %w", err)
	}
	get, err := syscall.GetProcAddress(syscall.Handle(module), "C_GetFunctionList")
	if err != nil {
		return nil, fmt.Errorf("C_GetFunctionList: %w", err)
	}
	// An address of code, not of Go memory.
	return *(*unsafe.Pointer)(unsafe.Pointer(&get)), nil
}
