// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package cryptoki_test

import (
	"testing"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card/internal/cryptoki"
	"github.com/wardkey-sdk/wardkey/internal/need"
)

// The list of functions is found in the miekg that go.mod chose, and in no other.
func TestFunctionsOf(t *testing.T) {
	ctx := pkcs11.New(need.Tool(t, "softhsm"))
	require.NotNil(t, ctx)
	require.NoError(t, cryptoki.FunctionsOf(ctx))

	type list struct{ _ int }
	type inner struct{ sym *list }
	for name, other := range map[string]any{
		"nothing":            nil,
		"nil":                (*pkcs11.Ctx)(nil),
		"never loaded":       new(pkcs11.Ctx),
		"no pointer":         pkcs11.Ctx{},
		"other names":        &struct{ module *inner }{&inner{&list{}}},
		"a value inside":     &struct{ ctx inner }{inner{&list{}}},
		"nothing inside":     &struct{ ctx *inner }{},
		"no functions":       &struct{ ctx *inner }{&inner{}},
		"no pointer to them": &struct{ ctx *struct{ sym uintptr } }{&struct{ sym uintptr }{1}},
	} {
		require.Error(t, cryptoki.FunctionsOf(other), name)
	}
}
