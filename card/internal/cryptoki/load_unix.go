// SPDX-License-Identifier: Apache-2.0

//go:build cgo && unix

package cryptoki

/*
#cgo linux LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdlib.h>
*/
import "C"

import (
	"errors"
	"runtime"
	"unsafe"
)

// load loads the module at path and finds its C_GetFunctionList. The error is
// the loader's own text.
func load(path string) (unsafe.Pointer, error) {
	// dlerror answers for the calling thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	name, symbol := C.CString(path), C.CString("C_GetFunctionList")
	defer C.free(unsafe.Pointer(name))
	defer C.free(unsafe.Pointer(symbol))
	handle := C.dlopen(name, C.RTLD_NOW|C.RTLD_LOCAL)
	if handle == nil {
		return nil, errors.New(C.GoString(C.dlerror()))
	}
	get := C.dlsym(handle, symbol)
	if get == nil {
		return nil, errors.New(C.GoString(C.dlerror()))
	}
	return get, nil
}
