// SPDX-License-Identifier: Apache-2.0

package hospital_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/examples/estate/hospital"
)

// A provider whose page asks for a card, then for a role, and then leads back.
func TestEnter(t *testing.T) {
	w := newWard(t)
	cookie := func(r *http.Request, name string) bool { _, err := r.Cookie(name); return err == nil }
	w.mux.HandleFunc("GET /app", func(rw http.ResponseWriter, r *http.Request) {
		if !cookie(r, "entered") {
			http.Redirect(rw, r, "/login?request=q", http.StatusSeeOther)
		}
	})
	w.mux.HandleFunc("GET /login", func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Accept") == "text/html":
		case !cookie(r, "session"):
			reply(rw, map[string]string{"kind": "signin", "server": "s", "bind": "b"})
		default:
			reply(rw, map[string]any{"roles": []map[string]string{{"person_roleid": "1", "role_code": "R1"}, {"person_roleid": "2", "role_code": "R2"}}})
		}
	})
	w.mux.HandleFunc("POST /card/v1/session", func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		w.check(err == nil && string(body) == `{"purpose":"signin","result":"R"}`, string(body))
		http.SetCookie(rw, &http.Cookie{Name: "session", Value: "s", Path: "/"})
	})
	w.mux.HandleFunc("POST /login/role", func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		w.check(err == nil && string(body) == `{"request":"q","role":"2"}`, string(body))
		reply(rw, map[string]string{"next": w.web.URL + "/callback?code=SECRET"})
	})
	w.mux.HandleFunc("GET /callback", func(rw http.ResponseWriter, r *http.Request) {
		http.SetCookie(rw, &http.Cookie{Name: "entered", Value: "e", Path: "/"})
		http.Redirect(rw, r, "/app", http.StatusSeeOther)
	})
	w.serveTask(func(*http.Request) {}, map[string]any{"state": "done", "result": "R"})

	b := w.h.Browser()
	_, err := b.Enter(t.Context(), w.web.URL+"/app", hospital.Entry{Reader: 7, Passcode: "123456", Role: "R3"})
	require.ErrorContains(t, err, "offers no role R3")
	asked, err := b.Enter(t.Context(), w.web.URL+"/app", hospital.Entry{Reader: 7, Passcode: "123456", Role: "R2"})
	require.NoError(t, err)
	require.Equal(t, []string{hospital.AskedRole}, asked, "the card was shown the first time")
	asked, err = b.Enter(t.Context(), w.web.URL+"/app", hospital.Entry{})
	require.NoError(t, err)
	require.Empty(t, asked)
}

func TestEnterThatFails(t *testing.T) {
	w := newWard(t)
	w.mux.HandleFunc("GET /shut", func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, "no", http.StatusForbidden) })
	w.mux.HandleFunc("GET /again", func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, "/login?request=again", http.StatusSeeOther)
	})
	w.mux.HandleFunc("GET /gone", func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, "http://127.0.0.1:1/callback?code=SECRET", http.StatusSeeOther)
	})
	w.mux.HandleFunc("GET /login", func(rw http.ResponseWriter, r *http.Request) {
		reply(rw, map[string]string{"kind": "signin", "server": "s", "bind": "b"})
	})
	w.mux.HandleFunc("POST /card/v1/session", func(http.ResponseWriter, *http.Request) {})
	w.mux.HandleFunc("GET /inside", func(rw http.ResponseWriter, _ *http.Request) {
		wardkey.WriteProblem(rw, &wardkey.Refusal{Rule: "rp.session", Status: http.StatusUnauthorized, Public: "No."})
	})
	w.serveTask(func(*http.Request) {}, map[string]any{"state": "done", "result": "R"})
	b := w.h.Browser()
	for path, says := range map[string]string{"/shut": "403", "/again": "again and again", "/gone": "refused"} {
		_, err := b.Enter(t.Context(), w.web.URL+path, hospital.Entry{Reader: 7, Passcode: "123456"})
		require.ErrorContains(t, err, says)
		require.NotContains(t, err.Error(), "SECRET")
	}
	require.Equal(t, "rp.session", wardkey.RuleOf(b.Inside(t.Context(), w.web.URL+"/inside", nil)))
}
