// SPDX-License-Identifier: Apache-2.0

package webauthn_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/webauthn"
)

func TestConfig(t *testing.T) {
	p := newPlace(t)
	t.Run("threat065", func(t *testing.T) {
		for name, change := range map[string]func(c *webauthn.Config){
			"no service":             func(c *webauthn.Config) { c.Service = nil },
			"no sessions":            func(c *webauthn.Config) { c.Sessions = nil },
			"no models":              func(c *webauthn.Config) { c.Models = nil },
			"no origins":             func(c *webauthn.Config) { c.Origins = nil },
			"no relying party":       func(c *webauthn.Config) { c.RPID = "" },
			"an address":             func(c *webauthn.Config) { c.RPID, c.Origins = "127.0.0.1", []string{"http://127.0.0.1:80"} },
			"a URL":                  func(c *webauthn.Config) { c.RPID = origin },
			"capitals":               func(c *webauthn.Config) { c.RPID = "Care.example" },
			"a top-level domain":     func(c *webauthn.Config) { c.RPID = "example" },
			"a dot before":           func(c *webauthn.Config) { c.RPID = ".care.example" },
			"a model of zeros":       model(func(m *webauthn.Model) { m.AAGUID = [16]byte{} }),
			"a model without roots":  model(func(m *webauthn.Model) { m.Roots = nil }),
			"a root that is none":    model(func(m *webauthn.Model) { m.Roots = []*x509.Certificate{nil} }),
			"a model without name":   model(func(m *webauthn.Model) { m.Name = "" }),
			"a model without source": model(func(m *webauthn.Model) { m.Source = wardkey.Source{} }),
			"a card as a model":      model(func(m *webauthn.Model) { m.Kind = careid.KindCard }),
			"an app as a model":      model(func(m *webauthn.Model) { m.Kind = careid.KindAuthenticatorApp }),
			"an end at the start":    model(func(m *webauthn.Model) { m.From, m.Until = p.Clock.Now(), p.Clock.Now() }),
			"a model twice":          func(c *webauthn.Config) { c.Models = append(c.Models, c.Models[0]) },
		} {
			c := p.config
			change(&c)
			_, err := webauthn.New(c)
			require.Error(t, err, name)
		}
		for _, bad := range []string{
			"", "*", "care.example", "http://care.example", "https://care.example/", "https://care.example/x", "https://care.example:443", "https://care.example:",
			"https://CARE.example", "https://user@care.example", "https://*.care.example", "https://evilcare.example", "https://care.example.evil.example", "null",
		} {
			c := p.config
			c.Origins = []string{origin, bad}
			_, err := webauthn.New(c)
			require.Error(t, err, bad)
		}
	})
	for id, good := range map[string]string{"care.example": "https://ward.care.example:8443", "localhost": "http://localhost:8080", "app.localhost": "http://app.localhost"} {
		c := p.config
		c.RPID, c.Origins = id, []string{good}
		_, err := webauthn.New(c)
		require.NoError(t, err, good)
	}
	t.Run("an overlay tightens", func(t *testing.T) {
		book := must(webauthn.Rulebook())
		c := p.config
		c.Policy = must(book.Overlay([]byte(`{"sources":{"us":{"document":"Ours"}},"rules":[{"id":"webauthn.formats","value":["tpm"],"unit":"list","from":"2026-01-01","source":"us","tighter":"subset"}]}`)))
		p.servers = nil
		p.serve(t, c)
		_, no := p.with(t, p.Nurse).registers(p.keys.device(), "")
		ruled(t, no, "webauthn.attestation")
		_, err := book.Overlay([]byte(`{"sources":{"us":{"document":"Ours"}},"rules":[{"id":"webauthn.formats","value":["none"],"unit":"list","from":"2026-01-01","source":"us","tighter":"subset"}]}`))
		require.Error(t, err)
	})
}

func model(change func(m *webauthn.Model)) func(c *webauthn.Config) {
	return func(c *webauthn.Config) {
		one := c.Models[0]
		change(&one)
		c.Models = []webauthn.Model{one}
	}
}

func TestParseModels(t *testing.T) {
	m := newMaker(7, careid.KindSecurityKey, "Ward key 5").model
	root := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.Roots[0].Raw}))
	row := func(change func(row map[string]any)) []byte {
		one := map[string]any{
			"aaguid": "07000000-0000-0000-0000-000000000007", "name": "Ward key 5", "kind": "security-key", "roots": []string{root},
			"from": "2026-01-01", "until": "2027-01-01", "source": map[string]string{"document": "Approved authenticators", "date": "2025-12-01"},
		}
		change(one)
		return must(json.Marshal([]any{one}))
	}
	models, err := webauthn.ParseModels(row(func(map[string]any) {}))
	require.NoError(t, err)
	m.From, m.Until = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	require.Equal(t, []webauthn.Model{m}, models)
	for name, data := range map[string][]byte{
		"nothing":           []byte(`[]`),
		"no list":           []byte(`{}`),
		"two lists":         append(row(func(map[string]any) {}), "[]"...),
		"an unknown member": row(func(r map[string]any) { r["root"] = "x" }),
		"no dashes":         row(func(r map[string]any) { r["aaguid"] = strings.Repeat("0", 31) + "7" }),
		"too short":         row(func(r map[string]any) { r["aaguid"] = "07" }),
		"zeros":             row(func(r map[string]any) { r["aaguid"] = "00000000-0000-0000-0000-000000000000" }),
		"no day":            row(func(r map[string]any) { r["from"] = "soon" }),
		"the end first":     row(func(r map[string]any) { r["until"] = "2025-01-01" }),
		"no root":           row(func(r map[string]any) { r["roots"] = []string{} }),
		"no certificate":    row(func(r map[string]any) { r["roots"] = []string{"x"} }),
		"two certificates":  row(func(r map[string]any) { r["roots"] = []string{root + root} }),
		"an unknown kind":   row(func(r map[string]any) { r["kind"] = "ipad" }),
		"no source":         row(func(r map[string]any) { delete(r, "source") }),
	} {
		_, err := webauthn.ParseModels(data)
		require.Error(t, err, name)
	}
}

func TestRequests(t *testing.T) {
	p := newPlace(t)
	b := p.with(t, p.Nurse)
	for name, body := range map[string]any{
		"an unknown member": `{"rpId":"evil.example"}`,
		"two values":        `{}{}`,
		"an array":          `[]`,
		"not JSON":          `user=1`,
		"nothing":           ` `,
	} {
		for _, path := range []string{"register/options", "register", "signin/options", "signin", "stepup/options", "stepup"} {
			_, no := b.send(http.MethodPost, path, body)
			require.NotNil(t, no, "%s to %s", name, path)
			require.Equal(t, "http.malformed", no.Rule, "%s to %s", name, path)
		}
	}
	t.Run("another site's page", func(t *testing.T) {
		for _, path := range []string{"register/options", "signin/options", "signin", "stepup"} {
			_, no := b.send(http.MethodPost, path, members{}, "Sec-Fetch-Site", "cross-site")
			ruled(t, no, "http.crossorigin")
		}
		_, no := b.send(http.MethodDelete, "authenticators/x", nil, "Sec-Fetch-Site", "same-site")
		ruled(t, no, "http.crossorigin")
	})
	t.Run("threat064", func(t *testing.T) {
		_, no := b.send(http.MethodPost, "signin", `{"credential":"`+strings.Repeat("A", 70<<10)+`"}`)
		ruled(t, no, "http.large")
		deep := strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000)
		for _, credential := range []string{
			`null`, `"x"`, `{}`, `{"id":"AA","rawId":"AA","type":"public-key","response":{}}`, deep,
			`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"` + b64([]byte(deep)) + `","authenticatorData":"AA","signature":"AA"}}`,
			`{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"` + b64([]byte(`{}`)) + `","attestationObject":"` + b64([]byte(strings.Repeat("\x81", 4000))) + `"}}`,
		} {
			_, no := b.send(http.MethodPost, "signin", `{"credential":`+credential+`}`)
			ruled(t, no, "webauthn.form")
			_, no = b.send(http.MethodPost, "register", `{"credential":`+credential+`}`)
			ruled(t, no, "webauthn.form")
		}
	})
	t.Run("where the store can't be asked", func(t *testing.T) {
		r := httptest.NewRequest(http.MethodPost, origin+webauthn.Path+"signin/options", strings.NewReader("{}"))
		r.Header.Set("Content-Type", "application/json")
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		w := httptest.NewRecorder()
		p.servers[0].ServeHTTP(w, r.WithContext(gone))
		require.Equal(t, http.StatusInternalServerError, w.Code)
		require.NotContains(t, w.Body.String(), "context")
		require.Contains(t, p.log.String(), "level=ERROR msg=refused path=/webauthn/v1/signin/options rule=\"\" cause=\"")
		require.Contains(t, p.log.String(), "context canceled")
	})
	t.Run("too many from one place", func(t *testing.T) {
		c := p.config
		c.Policy = must(must(webauthn.Rulebook()).Overlay([]byte(`{"sources":{"us":{"document":"Ours"}},"rules":[{"id":"rate.authenticator.minute","value":3,"unit":"count","from":"2026-01-01","source":"us","tighter":"lower"}]}`)))
		p.servers = nil
		p.serve(t, c)
		out := p.visitor(t)
		for range 3 {
			out.must(http.MethodPost, "signin/options", members{})
		}
		_, no := out.send(http.MethodPost, "signin", members{})
		ruled(t, no, "http.rate")
		require.Equal(t, p.Wall.Now().Add(20*time.Second), no.RetryAt)
		other := httptest.NewRequest(http.MethodPost, origin+webauthn.Path+"signin/options", strings.NewReader("{}"))
		other.Header.Set("Content-Type", "application/json")
		other.RemoteAddr = "[2001:db8::1]:7"
		w := httptest.NewRecorder()
		p.servers[0].ServeHTTP(w, other)
		require.Equal(t, http.StatusOK, w.Code, "another place")
		p.Wall.Add(20 * time.Second)
		out.must(http.MethodPost, "signin/options", members{})
	})
}

// What the module says where the browser refuses stands in the rulebook too.
func TestModuleWords(t *testing.T) {
	p := newPlace(t)
	b := p.visitor(t)
	script := string(b.must(http.MethodGet, "webauthn.js", nil))
	table, _, found := strings.Cut(script, "\n};\n")
	require.True(t, found)
	book := must(webauthn.Rulebook())
	ids := regexp.MustCompile(`(?m)^  "([a-z.]+)": \{$`).FindAllStringSubmatch(table, -1)
	require.Len(t, ids, 5)
	for _, id := range ids {
		no := book.Refuse(id[1])
		next := strings.Join(strings.Split(string(must(json.Marshal(no.Next))), `","`), `", "`)
		require.Contains(t, table, `"`+no.Public+`"`)
		require.Contains(t, table, "next: "+next)
		require.Contains(t, script, "//   "+id[1]+" ")
	}
}
