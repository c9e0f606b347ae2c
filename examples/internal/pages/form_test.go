// SPDX-License-Identifier: Apache-2.0

package pages_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages/pagestest"
)

func TestRead(t *testing.T) {
	var site *pages.Site
	pagestest.Open(t, pagestest.Config{Mount: func(s *pages.Site, _ *http.ServeMux) error { site = s; return nil }})
	type body struct {
		Name      string
		Ready     pages.Flag
		Documents []struct{ Kind, Number string }
	}
	read := func(kind, text string) (in body, err error) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(text))
		r.Header.Set("Content-Type", kind)
		return in, site.Read(httptest.NewRecorder(), r, &in)
	}
	const maxBody = 1 << 20
	const form, object = "application/x-www-form-urlencoded", "application/json"

	in, err := read(form, url.Values{
		"name": {"Bell"}, "ready": {"true"}, "documents.0.kind": {"passport"}, "documents.0.number": {"1"}, "documents.1.kind": {"bill"}, "documents.2.kind": {""},
	}.Encode())
	require.NoError(t, err)
	require.Equal(t, "Bell", in.Name)
	require.True(t, bool(in.Ready))
	require.Len(t, in.Documents, 2)
	require.Equal(t, "1", in.Documents[0].Number)
	require.Equal(t, "bill", in.Documents[1].Kind)
	for text, want := range map[string]bool{"name=true&ready=true": true, "name=true&ready=": false, "name=true": false} {
		in, err := read(form, text)
		require.NoError(t, err)
		require.Equal(t, "true", in.Name, "text is text, whatever it says")
		require.Equal(t, pages.Flag(want), in.Ready)
	}
	in, err = read(object, `{"name":"true","ready":true}`)
	require.NoError(t, err)
	require.Equal(t, pages.Flag(true), in.Ready)
	_, err = read("", "")
	require.NoError(t, err, "an empty body leaves everything as it is")

	for name, bad := range map[string][2]string{
		"names without end":       {form, strings.Repeat("a.", maxBody/2-2) + "a=1"},
		"one level too many":      {form, "documents.0.kind.more=1"},
		"a field that is two":     {form, "documents=1&documents.0.kind=passport"},
		"a field nobody asks for": {form, "admin=true"},
		"a flag that is neither":  {form, "ready=yes"},
		"a flag that is a number": {object, `{"ready":1}`},
		"text that is no text":    {object, `{"name":true}`},
		"too long":                {form, "name=" + strings.Repeat("a", maxBody)},
		"another kind":            {"text/plain", `{"name":"Bell"}`},
		"no kind":                 {"", `{"name":"Bell"}`},
		"two objects":             {object, `{"name":"Bell"}{"name":"Frost"}`},
		"half an object":          {object, `{"name":"Bell"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := read(bad[0], bad[1])
			require.Equal(t, "request.invalid", wardkey.RuleOf(err))
			require.NotContains(t, err.Error(), "Bell", "what was sent may be a secret")
		})
	}
}

// What a client of its own making sends without escaping it is a password too.
func TestNoSecretInTheLog(t *testing.T) {
	var log bytes.Buffer
	s := pagestest.Open(t, pagestest.Config{Mount: mount, Mail: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
	for _, accept := range []string{"text/html", "application/json"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/signin/app", strings.NewReader("address=a@nhs.net&password=100%zq"))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Accept", accept)
		got, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, got.Body.Close())
		require.Equal(t, http.StatusBadRequest, got.StatusCode)
	}
	for _, body := range []string{
		`{"address":"a@nhs.net","password":"100%zq","purpose":5}`, `{"password":"100%zq"`, `{"password":"100%zq","code":"100%zq","more":1}`,
		`{"address":"a@nhs.net","password":"100%zq","code":"100%zq"}`,
	} {
		require.NotEmpty(t, s.Stranger().Refused(http.MethodPost, "/signin/app", strings.NewReader(body)))
	}
	require.Contains(t, log.String(), "request.invalid")
	require.Contains(t, log.String(), "mail.password.wrong")
	require.NotContains(t, log.String(), "%zq")
}
