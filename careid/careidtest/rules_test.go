// SPDX-License-Identifier: Apache-2.0

package careidtest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/card/agent"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/cardhttp"
	"github.com/wardkey-sdk/wardkey/careid/openid"
	"github.com/wardkey-sdk/wardkey/careid/relyingparty"
	"github.com/wardkey-sdk/wardkey/careid/webauthn"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

// room is a folder of sources and the books that its "no"s are told by.
type room struct {
	folder string
	books  []*wardkey.Rulebook
}

// rooms lists them; a package with a book of its own adds it to its room.
func rooms(t *testing.T) []room {
	t.Helper()
	book := func(b *wardkey.Rulebook, err error) *wardkey.Rulebook {
		require.NoError(t, err)
		return b
	}
	server, workstation := book(careid.Rules()), book(agent.Rulebook())
	return []room{
		{"careid", []*wardkey.Rulebook{server, book(cardhttp.Rulebook()), book(webauthn.Rulebook()), book(openid.Rulebook()), book(relyingparty.Rulebook())}},
		{"pki", []*wardkey.Rulebook{server}},       // reaches a person through careid
		{"card", []*wardkey.Rulebook{workstation}}, // through the agent
		{"mailpolicy", []*wardkey.Rulebook{mailpolicy.Rules()}},
	}
}

// refuses says whether an id has a row, or, where it ends in a dot, begins those of rows.
func (r room) refuses(id string) bool {
	return slices.ContainsFunc(r.books, func(b *wardkey.Rulebook) bool {
		return slices.ContainsFunc(b.IDs(), func(row string) bool {
			return row == id || strings.HasSuffix(id, ".") && strings.HasPrefix(row, id)
		})
	})
}

// Every "no" of careid, card, pki and mailpolicy names its rule, its source, who can mend it and the next step: each id
// that their sources refuse with has a row, and each row says all of it.
func TestEveryRuleHasARow(t *testing.T) {
	for _, r := range rooms(t) {
		t.Run(r.folder, func(t *testing.T) {
			said := idsIn(t, r)
			require.Greater(t, len(said), 15)
			for at, id := range said {
				require.True(t, r.refuses(id), "%s refuses with %s, which has no row", at, id)
			}
			for _, book := range r.books {
				for _, id := range book.IDs() {
					no := book.Refuse(id)
					require.Equal(t, id, no.Rule)
					require.NotEmpty(t, no.Source.Document, id)
					require.NotEmpty(t, no.Public, id)
					require.NotEmpty(t, no.Fixer, id)
					require.NotEmpty(t, no.Next, id)
					require.GreaterOrEqual(t, no.Status, 400, id)
				}
			}
		})
	}
	t.Run("the states of a card", func(t *testing.T) { // whose ids are put together
		for _, s := range []careid.CardState{
			careid.CardOrdered, careid.CardCancelled, careid.CardLost, careid.CardReturned, careid.CardReplaced, careid.CardCleared,
		} {
			require.True(t, rooms(t)[0].refuses("card."+string(s)), s)
		}
	})
}

// What finds the ids finds them: a test that sees nothing would pass.
func TestIDsAreFound(t *testing.T) {
	text := `package p
		const fault = "a.constant"
		const EventDone = "an.event"
		var ErrGone = &ruled{"a.sentinel", "text"}
		func (s S) no(id string, facts ...string) error { return s.book.Refuse(id, facts...) }
		func f(s S) { s.no("a.call", "fact"); s.twice("fact", "a.further"); log("not.one") }
		func (s S) twice(what, rule string) { s.once(rule) }
		func (s S) once(id string) { s.book.Refuse(id) }
		func g(s S) { s.no("a." + state) }`
	file, err := parser.ParseFile(token.NewFileSet(), "p.go", text, parser.SkipObjectResolution)
	require.NoError(t, err)
	var found []string
	refused(map[string]*ast.File{"p.go": file}, func(_ token.Pos, id string) { found = append(found, id) })
	slices.Sort(found)
	require.Equal(t, []string{"a.", "a.call", "a.constant", "a.further", "a.sentinel"}, found)
}

// idsIn reads the sources of a room: the ids by the places where they stand, less those of dated values.
func idsIn(t *testing.T, r room) map[string]string {
	t.Helper()
	set, files := token.NewFileSet(), map[string]*ast.File{}
	tree := os.DirFS("../..")
	require.NoError(t, fs.WalkDir(tree, r.folder, func(name string, _ fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return err
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		files[name], err = parser.ParseFile(set, name, text, parser.SkipObjectResolution)
		return err
	}))
	ids := map[string]string{}
	refused(files, func(at token.Pos, id string) {
		value := func(b *wardkey.Rulebook) bool { return len(b.History(id)) > 0 }
		if !slices.ContainsFunc(r.books, value) || r.refuses(id) {
			ids[set.Position(at).String()] = id
		}
	})
	return ids
}

var idForm = regexp.MustCompile(`^[a-z]+\.([a-z0-9-]+(\.[a-z0-9-]+)*)?$`)

// refused visits each id that sources refuse with: given to what refuses or to what passes it on to that, the rule of an
// error of card or pki, or a constant that is no event's.
func refused(files map[string]*ast.File, visit func(token.Pos, string)) {
	refusers := refusersIn(files)
	id := func(e ast.Expr) {
		if sum, ok := e.(*ast.BinaryExpr); ok {
			e = sum.X
		}
		if literal, ok := e.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if text, err := strconv.Unquote(literal.Value); err == nil && idForm.MatchString(text) {
				visit(literal.Pos(), text)
			}
		}
	}
	for name, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if refusers[called(n)] {
					for _, arg := range n.Args {
						id(arg)
					}
				}
			case *ast.CompositeLit:
				if kind, ok := n.Type.(*ast.Ident); ok && (kind.Name == "ruled" || kind.Name == "sentinel") && len(n.Elts) > 0 {
					id(n.Elts[0])
				}
			case *ast.GenDecl:
				if n.Tok == token.CONST && path.Base(name) != "audit.go" { // where stands what the rows of an audit say
					for _, spec := range n.Specs {
						if c, ok := spec.(*ast.ValueSpec); ok && c.Type == nil && !strings.HasPrefix(c.Names[0].Name, "Event") && len(c.Values) > 0 {
							id(c.Values[0])
						}
					}
				}
			}
			return true
		})
	}
}

// refusersIn are the names of the functions that refuse by an id: a Rulebook's Refuse, and those that hand one of their
// parameters on to another of them.
func refusersIn(files map[string]*ast.File) map[string]bool {
	refusers := map[string]bool{"Refuse": true}
	for grown := true; grown; {
		grown = false
		for _, file := range files {
			for _, d := range file.Decls {
				f, ok := d.(*ast.FuncDecl)
				if ok && f.Body != nil && !refusers[f.Name.Name] && handsOn(f, refusers) {
					refusers[f.Name.Name], grown = true, true
				}
			}
		}
	}
	return refusers
}

func handsOn(f *ast.FuncDecl, refusers map[string]bool) (hands bool) {
	parameters := map[string]bool{}
	for _, field := range f.Type.Params.List {
		if kind, ok := field.Type.(*ast.Ident); ok && kind.Name == "string" {
			for _, name := range field.Names {
				parameters[name.Name] = true
			}
		}
	}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && refusers[called(call)] {
			for _, arg := range call.Args {
				if name, ok := arg.(*ast.Ident); ok && parameters[name.Name] {
					hands = true
				}
			}
		}
		return true
	})
	return hands
}

func called(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}
