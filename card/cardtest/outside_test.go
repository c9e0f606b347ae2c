// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package cardtest_test

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/need"
)

const (
	ourModule  = "github.com/wardkey-sdk/wardkey"
	ourVersion = "v0.0.1" // of the copy in the proxy that the test makes
)

// outside is somebody else's module, which gets ours from a proxy: a folder, so no
// network is needed. Its programs run with a home, a temporary folder and a cache
// of their own.
type outside struct {
	dir   string   // the module
	env   []string // of the go command
	own   []string // HOME, TMPDIR, …: of the programs
	home  string
	tmp   string
	cache string
}

func newOutside(t *testing.T) *outside {
	t.Helper()
	need.Tool(t, "softhsm")
	need.Tool(t, "cc")
	_, err := exec.LookPath("go")
	need.Met(t, "cc", err)
	top := t.TempDir()
	o := &outside{
		dir: filepath.Join(top, "module"), home: filepath.Join(top, "home"),
		tmp: filepath.Join(top, "tmp"), cache: filepath.Join(top, "cache"),
	}
	proxy, modules := filepath.Join(top, "proxy"), filepath.Join(top, "modules")
	for _, dir := range []string{o.dir, o.home, o.tmp, o.cache, modules} {
		require.NoError(t, os.Mkdir(dir, 0o700))
	}
	publish(t, filepath.Join(proxy, ourModule, "@v"))
	downloaded, err := exec.Command("go", "env", "GOMODCACHE").Output()
	require.NoError(t, err)
	o.env = append(os.Environ(),
		"GOMODCACHE="+modules, "GOPROXY=file://"+strings.TrimSpace(string(downloaded))+"/cache/download,file://"+proxy,
		// Without the folders' names in it, what is compiled is the same next time.
		"GOFLAGS=-modcacherw -trimpath", "GOSUMDB=off", "GONOSUMDB=*", "GOWORK=off", "GO111MODULE=on")
	o.own = []string{"HOME=" + o.home, "TMPDIR=" + o.tmp, "XDG_CACHE_HOME=" + o.cache, "REQUIRE=cc,softhsm"}

	test, err := os.ReadFile(filepath.Join("testdata", "outside", "card_test.go"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(o.dir, "card_test.go"), test, 0o600))
	mod := "module example.com/outside\n\ngo 1.26.0\n\nrequire " + ourModule + " " + ourVersion + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(o.dir, "go.mod"), []byte(mod), 0o600))
	o.run(t, "go", "mod", "tidy")
	return o
}

// publish makes a version of this module as a proxy serves it.
func publish(t *testing.T, dir string) {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	var file bytes.Buffer
	archive := zip.NewWriter(&file)
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && strings.HasPrefix(d.Name(), "."):
			return filepath.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		in, err := archive.Create(ourModule + "@" + ourVersion + "/" + filepath.ToSlash(name))
		if err == nil {
			_, err = in.Write(content)
		}
		return err
	}))
	require.NoError(t, archive.Close())
	require.NoError(t, os.MkdirAll(dir, 0o700))
	for name, content := range map[string][]byte{
		"list": []byte(ourVersion + "\n"), ourVersion + ".info": []byte(`{"Version":"` + ourVersion + `"}`),
		ourVersion + ".mod": mod, ourVersion + ".zip": file.Bytes(),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
}

// tried runs a go command in the module; more is put into its environment.
func (o *outside) tried(t *testing.T, more []string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir, cmd.Env = o.dir, append(o.env, more...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (o *outside) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := o.tried(t, nil, args...)
	require.NoError(t, err, "%v\n%s", args, out)
	return out
}

// leftNothing looks for what a run left behind: a shim in the cache, and no more.
func (o *outside) leftNothing(t *testing.T) {
	t.Helper()
	for _, dir := range []string{o.home, o.tmp} {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, entries, dir)
	}
	var cached []string
	require.NoError(t, filepath.WalkDir(o.cache, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			cached = append(cached, strings.TrimPrefix(path, o.cache))
		}
		return err
	}))
	require.Len(t, cached, 1)
	require.Regexp(t, `^/wardkey/cardshim-[0-9a-f]+\.so$`, cached[0])
	processes, err := filepath.Glob("/proc/[0-9]*/environ")
	require.NoError(t, err)
	require.NotEmpty(t, processes)
	for _, process := range processes {
		environ, err := os.ReadFile(process)
		if err == nil { // else it ended meanwhile, or is somebody else's
			require.NotContains(t, string(environ), o.tmp, process)
		}
	}
}

// The virtual cards serve who imports them: from a module cache, from a vendor
// folder, as a compiled test anywhere.
func TestOutsideModule(t *testing.T) {
	o := newOutside(t)
	own := "env " + strings.Join(o.own, " ")
	race := []string{"go", "test", "-race", "-parallel", "8", "-count", "2", "-exec", own}

	out := o.run(t, append(race, "./...")...)
	require.Contains(t, out, "ok")
	o.leftNothing(t)

	o.run(t, "go", "mod", "vendor")
	shim, err := os.ReadDir(filepath.Join(o.dir, "vendor", ourModule, "card", "cardtest", "shim"))
	require.NoError(t, err)
	require.NotEmpty(t, shim, "the C source is in the vendor folder")
	program := filepath.Join(t.TempDir(), "outside.test")
	out = o.run(t, append(race, "-mod=vendor", "-o", program, ".")...)
	require.Contains(t, out, "ok")
	o.leftNothing(t)

	require.NoError(t, os.RemoveAll(o.dir), "the source is gone when it runs")
	cmd := exec.CommandContext(t.Context(), program, "-test.parallel", "8", "-test.count", "2")
	cmd.Dir, cmd.Env = o.home, append(os.Environ(), o.own...)
	said, err := cmd.CombinedOutput()
	require.NoError(t, err, string(said))
	o.leftNothing(t)
}

// A build without cgo skips with one sentence, and fails where the cards are
// required.
func TestOutsideModuleWithoutCgo(t *testing.T) {
	o := newOutside(t)
	out, err := o.tried(t, []string{"CGO_ENABLED=0", "REQUIRE="}, "go", "test", "-v", "./...")
	require.NoError(t, err, out)
	require.Contains(t, out, "--- SKIP: TestCards/card")
	require.Contains(t, out, "built without cgo")
	out, err = o.tried(t, []string{"CGO_ENABLED=0", "REQUIRE=softhsm"}, "go", "test", "./...")
	require.Error(t, err)
	require.Contains(t, out, "REQUIRE names softhsm")
}
