// SPDX-License-Identifier: Apache-2.0

package cardhttp

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/internal/web"
)

// StepUpTicket asks the signed-in holder to prove the card again. It asks nothing
// of the service: a locked session can be stepped up, and whether there is one at
// all shows when the proof comes.
func (h *Handler) StepUpTicket(r *http.Request) Ticket {
	return Ticket{Kind: careid.StepUp, Server: h.config.Server, Bind: h.sessionBind(r)}
}

// stepUp is StepUpTicket for a page's script that was refused.
func (h *Handler) stepUp(w http.ResponseWriter, r *http.Request) error {
	if h.Token(r) == "" {
		return h.rules.Refuse("session.cookie")
	}
	return web.Write(w, http.StatusOK, h.StepUpTicket(r))
}

// pageAfter is where a browser goes on that asked for a page and was refused, or
// "" where the refusal itself is the answer.
func (h *Handler) pageAfter(r *http.Request, err error) string {
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return ""
	case over(err):
		return h.config.SignInPage
	case wardkey.RuleOf(err) == "session.locked" && h.config.StepUpPage != "":
		return h.config.StepUpPage + "?" + url.Values{"next": {r.URL.RequestURI()}}.Encode()
	}
	return ""
}

// Next is where a browser that was sent to Config.StepUpPage wanted to go: a path
// on this server with its query, and "/" for anything else that stands there.
func Next(r *http.Request) string {
	next := r.URL.Query().Get("next")
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\t\r\n") {
		return "/"
	}
	return next
}
