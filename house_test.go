// SPDX-License-Identifier: Apache-2.0

package wardkey_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The house rules that a machine can see. The tables are statements of policy:
// a finding is mended in the code that it names, and a row changes only with
// the design.

const module = "github.com/wardkey-sdk/wardkey"

// roomOf says what a folder may import outside its tests. ours are folders of
// this module ("" is the root package), theirs modules or folders of modules;
// "x/..." is x and all below it. Any room may import the root package.
type roomOf struct {
	folder, ours, theirs string
}

// A core room (careid, pki, card, mailpolicy) imports no other room. A
// sub-package imports its own room. The most specific row holds.
var arrows = []roomOf{
	{"", "-", "-"},

	{"careid", "careid/internal/...", "-"},
	{"careid/...", "careid/...", "-"},
	{"careid/sqlstore", "careid/... internal/sqlkit internal/chain", "-"},
	{"careid/internal/web", "-", "golang.org/x/time/rate"},
	{"careid/webauthn", "careid/...", "github.com/go-webauthn/webauthn/protocol/..."},
	{"careid/openid", "careid/...", "github.com/go-jose/go-jose/v4/..."},
	{"careid/openid/sqlstore", "careid/... internal/sqlkit internal/chain", "-"},
	{"careid/openid/openidtest", "careid/...", "github.com/stretchr/testify/require"},
	{"careid/relyingparty", "careid/...", "github.com/coreos/go-oidc/v3/... golang.org/x/oauth2/... github.com/go-jose/go-jose/v4/..."},
	{"careid/relyingparty/rptest", "careid/...", "github.com/stretchr/testify/require github.com/go-jose/go-jose/v4/..."},
	{"careid/careidtest", "careid/... pki/... card/... mailpolicy/... internal/sqlkit internal/need", "github.com/stretchr/testify/require github.com/go-jose/go-jose/v4/..."},

	{"pki", "pki/internal/...", "golang.org/x/crypto/..."},
	{"pki/...", "pki/...", "-"},
	{"pki/stepca", "pki/...", "github.com/smallstep/certificates/cas/softcas github.com/smallstep/certificates/cas/apiv1 go.step.sm/crypto/... golang.org/x/crypto/..."},
	{"pki/sqlstore", "pki/... internal/sqlkit internal/chain", "-"},
	{"pki/pkitest", "pki/... internal/sqlkit internal/need", "github.com/stretchr/testify/require golang.org/x/crypto/..."},

	{"card", "card/internal/...", "-"},
	{"card/...", "card/...", "-"},
	{"card/internal/cryptoki", "-", "github.com/miekg/pkcs11 golang.org/x/sys/..."},
	{"card/agent", "card/...", "golang.org/x/sys/windows"},
	{"card/cardtest", "card/... internal/need", "github.com/stretchr/testify/require"},

	{"mailpolicy", "mailpolicy/internal/...", "golang.org/x/..."},
	{"mailpolicy/...", "mailpolicy/...", "golang.org/x/..."},
	{"mailpolicy/sqlstore", "mailpolicy/... internal/sqlkit internal/chain", "-"},
	{"mailpolicy/smime", "mailpolicy/...", "golang.org/x/... github.com/smallstep/pkcs7"},
	{"mailpolicy/gateway", "mailpolicy/...", "golang.org/x/... github.com/emersion/..."},
	{"mailpolicy/gateway/internal/...", "-", "-"},
	{"mailpolicy/gateway/sqlstore", "mailpolicy/... internal/sqlkit internal/chain", "github.com/ncruces/go-sqlite3 github.com/jackc/pgx/v5/pgconn"},
	{"mailpolicy/gateway/gatewaytest", "mailpolicy/...", "github.com/stretchr/testify/require"},
	{"mailpolicy/mailtest", "mailpolicy/... internal/sqlkit internal/need", "github.com/stretchr/testify/require golang.org/x/... github.com/emersion/..."},

	{"examples/...", "careid/... pki/... card/... mailpolicy/... examples/... internal/sqlkit internal/chain", "github.com/emersion/... github.com/jackc/pgx/v5/stdlib github.com/ncruces/go-sqlite3/driver golang.org/x/... rsc.io/qr"},
	{"examples/internal/alone/alonetest", "careid/... card/... examples/... internal/browser internal/need", "github.com/chromedp/..."},
	// Clients of the estate: they know addresses, HTTP and the tray, and no room
	// of the server.
	{"examples/estate/hospital", "card/cardtest", "golang.org/x/..."},
	{"examples/estate/tour", "card/cardtest examples/estate/hospital", "golang.org/x/..."},

	{"internal/...", "-", "-"},
	{"internal/sqlkit", "-", "github.com/ncruces/go-sqlite3/... github.com/jackc/pgx/v5/... github.com/pressly/goose/v3/..."},
	{"internal/chain", "internal/sqlkit", "-"},
	{"internal/postgrestest", "internal/need", "github.com/jackc/pgx/v5/stdlib"},
	{"internal/crashtest", "internal/need internal/sqlkit", "github.com/stretchr/testify/require github.com/jackc/pgx/v5/stdlib"},
	{"internal/browser", "internal/need", "github.com/chromedp/..."},
}

// Tests may besides import their own room, what two rooms share, the packages
// for users' tests, and these modules.
const (
	testsOurs   = "internal/..."
	testsTheirs = `github.com/stretchr/testify/require github.com/stretchr/testify/assert pgregory.net/rapid github.com/chromedp/... github.com/zmap/zlint/v3/...
		github.com/zmap/zcrypto/... github.com/ThalesGroup/crypto11 github.com/descope/virtualwebauthn github.com/miekg/pkcs11
		github.com/go-jose/go-jose/v4/... github.com/coreos/go-oidc/v3/... golang.org/x/... github.com/emersion/...
		github.com/ncruces/go-sqlite3/... github.com/jackc/pgx/v5/... github.com/smallstep/pkcs7`
)

// What stands at the root, besides what .gitignore keeps out.
const atRoot = `.ci .git .gitattributes .github .gitignore .golangci.yml CHANGELOG.md CONTRIBUTING.md LICENSE Makefile NOTICE README.md SECURITY.md
	doc.go go.mod go.sum house_test.go problem.go readme_test.go refusal.go refusal_test.go rows.tsv rulebook.go rulebook_test.go scripts value.go
	card careid docs examples internal mailpolicy pki`

const maxLines = 500

// source is one Go file.
type source struct {
	path, folder string
	test         bool
	text         []byte
	file         *ast.File
	lines        *token.FileSet
}

func (s source) at(p token.Pos) string {
	return fmt.Sprintf("%s:%d", s.path, s.lines.Position(p).Line)
}

// calls visits each call of the form on.name(…); on is "" where it isn't a
// plain name.
func (s source) calls(visit func(call *ast.CallExpr, on, name string)) {
	ast.Inspect(s.file, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok {
				on := ""
				if ident, ok := sel.X.(*ast.Ident); ok {
					on = ident.Name
				}
				visit(call, on, sel.Sel.Name)
			}
		}
		return true
	})
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	tree := os.DirFS(".")
	require.NoError(t, fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		s := source{path: name, folder: strings.TrimPrefix(path.Dir(name), "."), test: strings.HasSuffix(name, "_test.go"), lines: token.NewFileSet()}
		if s.text, err = fs.ReadFile(tree, name); err != nil {
			return err
		}
		s.file, err = parser.ParseFile(s.lines, name, s.text, parser.ParseComments)
		s.test = s.test || bytes.Contains(s.text, []byte("\n//go:build ignore\n")) // a generator, in no build
		all = append(all, s)
		return err
	}))
	require.Greater(t, len(all), 10)
	return all
}

// within reports whether a path is one of the patterns.
func within(name, patterns string) bool {
	return slices.ContainsFunc(strings.Fields(patterns), func(p string) bool {
		below, wild := strings.CutSuffix(p, "/...")
		return name == below || wild && strings.HasPrefix(name, below+"/")
	})
}

// rowFor is the most specific row of the table of arrows.
func rowFor(folder string) (roomOf, bool) {
	best, found := roomOf{}, false
	for _, r := range arrows {
		exact := r.folder == folder
		if exact || within(folder, r.folder) && len(r.folder) > len(best.folder) {
			best, found = r, true
		}
		if exact {
			break
		}
	}
	return best, found
}

func TestArrows(t *testing.T) {
	for _, s := range sources(t) {
		row, found := rowFor(s.folder)
		if !found {
			t.Errorf("%s: the folder has no row in the table of arrows", s.path)
			continue
		}
		for _, spec := range s.file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			if !s.mayImport(name, row) {
				t.Errorf("%s: %s does not import %s", s.at(spec.Pos()), path.Join(module, s.folder), name)
			}
		}
	}
}

func (s source) mayImport(name string, row roomOf) bool {
	first, _, _ := strings.Cut(name, "/")
	switch ours, ok := strings.CutPrefix(name, module+"/"); {
	case name == "C" || name == "unsafe":
		return s.folder == "card/internal/cryptoki"
	case name == module, !strings.Contains(first, "."): // the root package, the standard library
		return true
	case ok && s.test:
		room, _, _ := strings.Cut(s.folder, "/")
		return within(ours, row.ours+" "+testsOurs+" "+room+"/...") || strings.HasSuffix(ours, "test")
	case ok:
		return within(ours, row.ours)
	case s.test:
		return within(name, row.theirs+" "+testsTheirs)
	default:
		return within(name, row.theirs)
	}
}

func TestOnePackageCommentAFolder(t *testing.T) {
	comments := map[string][]string{}
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		comments[s.folder] = append(comments[s.folder], nil...)
		if s.file.Doc == nil {
			continue
		}
		comments[s.folder] = append(comments[s.folder], s.path)
		begins := "Package " + s.file.Name.Name + " "
		if s.file.Name.Name == "main" {
			begins = "Command "
		}
		if !strings.HasPrefix(s.file.Doc.Text(), begins) {
			t.Errorf("%s: the package comment begins with %q", s.path, begins)
		}
	}
	for folder, files := range comments {
		if len(files) != 1 {
			t.Errorf("%q has %d package comments, not one: %v", folder, len(files), files)
		}
	}
}

func TestWhatStandsAtTheRoot(t *testing.T) {
	ignored, err := os.ReadFile(".gitignore")
	require.NoError(t, err)
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, e := range entries {
		if within(e.Name(), atRoot) || slices.ContainsFunc(strings.Fields(string(ignored)), func(p string) bool {
			match, err := path.Match(strings.Trim(p, "/"), e.Name())
			return err == nil && match
		}) {
			continue
		}
		t.Errorf("%s does not stand at the root", e.Name())
	}
}

// The clock is read where Now and Wall get their default, and nowhere else:
// all that happens later asks them. Programs of examples/ may read it.
func TestTheClockIsReadInDefaultsOnly(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || within(s.folder, "examples/...") && s.file.Name.Name == "main" {
			continue
		}
		for _, decl := range s.file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Name.Name == "withDefaults" {
				continue
			}
			ast.Inspect(decl, func(n ast.Node) bool {
				if sel, ok := n.(*ast.SelectorExpr); ok {
					from, ok := sel.X.(*ast.Ident)
					if ok && from.Name == "time" && slices.Contains([]string{"Now", "Since", "Until"}, sel.Sel.Name) {
						t.Errorf("%s: time.%s outside withDefaults", s.at(n.Pos()), sel.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

// A test that lacks a tool says so through internal/need, which fails where
// REQUIRE names the tool.
func TestSkipsGoThroughNeed(t *testing.T) {
	for _, s := range sources(t) {
		if !s.test || s.folder == "internal/need" {
			continue
		}
		s.calls(func(call *ast.CallExpr, _, name string) {
			if slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, name) {
				t.Errorf("%s: %s outside internal/need", s.at(call.Pos()), name)
			}
		})
	}
}

// A tool that a test needs and make test doesn't require would be skipped
// there without anybody noticing.
func TestMakeTestRequiresWhatTestsNeed(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	require.NoError(t, err)
	_, after, found := strings.Cut(string(makefile), "\nREQUIRED := ")
	require.True(t, found)
	line, _, _ := strings.Cut(after, "\n")
	for _, s := range sources(t) {
		s.calls(func(call *ast.CallExpr, on, name string) {
			if on != "need" || s.folder == "internal/need" {
				return
			}
			for _, arg := range call.Args {
				tool, ok := arg.(*ast.BasicLit)
				if ok && !slices.Contains(strings.Fields(line), strings.Trim(tool.Value, `"`)) {
					t.Errorf("%s: %s %s, which REQUIRED of the Makefile does not name", s.at(call.Pos()), name, tool.Value)
				}
			}
		})
	}
}

func TestFiles(t *testing.T) {
	for _, s := range sources(t) {
		if n := bytes.Count(s.text, []byte("\n")); n > maxLines {
			t.Errorf("%s has %d lines, more than %d", s.path, n, maxLines)
		}
		if !bytes.HasPrefix(s.text, []byte("// SPDX-License-Identifier: Apache-2.0\n\n")) {
			t.Errorf("%s does not begin with its SPDX line and a blank one", s.path)
		}
	}
}

// The rules themselves: a table that lets everything pass would pass too.
func TestTheTableOfArrows(t *testing.T) {
	for _, c := range []struct {
		file, imports string
		may           bool
	}{
		{"careid/service.go", module, true},
		{"careid/service.go", module + "/pki", false},
		{"careid/service.go", module + "/card", false},
		{"careid/service.go", module + "/careid/sqlstore", false},
		{"careid/service.go", "github.com/go-jose/go-jose/v4/jwt", false},
		{"careid/openid/token.go", "github.com/go-jose/go-jose/v4/jwt", true},
		{"careid/sqlstore/store.go", module + "/careid", true},
		{"careid/sqlstore/store.go", module + "/internal/sqlkit", true},
		{"careid/service_test.go", module + "/pki", false},
		{"careid/service_test.go", module + "/pki/pkitest", true},
		{"careid/careidtest/hospital.go", module + "/pki/stepca", true},
		{"pki/stepca/signer.go", "github.com/smallstep/certificates/authority", false},
		{"pki/ca.go", module + "/careid", false},
		{"card/card.go", "unsafe", false},
		{"card/internal/cryptoki/load.go", "unsafe", true},
		{"card/agent/agent.go", module + "/careid/cardhttp", false},
		{"mailpolicy/decide.go", module + "/examples/estate", false},
		{"examples/estate/main.go", module + "/careid/openid", true},
		{"examples/estate/tour/tour.go", module + "/careid", false},
		{"examples/estate/tour/tour.go", module + "/card/cardtest", true},
		{"internal/chain/chain.go", module + "/careid", false},
		{"doc.go", "golang.org/x/text", false},
	} {
		s := source{path: c.file, folder: strings.TrimPrefix(path.Dir(c.file), "."), test: strings.HasSuffix(c.file, "_test.go")}
		row, found := rowFor(s.folder)
		require.True(t, found, c.file)
		require.Equal(t, c.may, s.mayImport(c.imports, row), "%s imports %s", c.file, c.imports)
	}
	_, found := rowFor("util")
	require.False(t, found)
}
