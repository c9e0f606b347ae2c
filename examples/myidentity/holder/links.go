// SPDX-License-Identifier: Apache-2.0

package holder

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
)

func (h *Holder) linkRoutes(mux *http.ServeMux) {
	h.Handle(mux, "GET /my/link", h.preflight)
	h.Handle(mux, "POST /my/link", h.link)
	h.Handle(mux, "DELETE /my/link", h.unlink)
	h.Handle(mux, "POST /my/unlink", h.unlink)
}

// linkRequest is the address with what the page declares of the workstation: what
// its agent says, where it says anything, else what the person does.
type linkRequest struct {
	Address, System, Browser, Network string
	CredentialManagement, Private     careid.Known
	ClockSkew                         string // minutes that the machine's clock is ahead; "" unknown
}

// maxSkew is more than any clock is wrong by, in minutes, and little enough for
// a time.Duration.
const maxSkew = 365 * 24 * 60

func (h *Holder) linkRequest(l linkRequest) (careid.LinkRequest, error) {
	w := careid.Workstation{
		Client: careid.ClientBrowser, System: l.System, Browser: l.Browser, Network: l.Network,
		CredentialManagement: l.CredentialManagement, Private: l.Private,
	}
	if l.ClockSkew != "" {
		minutes, err := strconv.Atoi(l.ClockSkew)
		if err != nil || minutes < -maxSkew || minutes > maxSkew {
			return careid.LinkRequest{}, h.rules.Refuse("link.clock").Because(err)
		}
		skew := time.Duration(minutes) * time.Minute
		w.ClockSkew = &skew
	}
	return careid.LinkRequest{Address: l.Address, Workstation: w}, nil
}

// preflight tells every condition that is missing at once.
func (h *Holder) preflight(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	me, err := h.Holder(r)
	if err != nil {
		return pages.Answer{}, err
	}
	q := r.URL.Query()
	in := linkRequest{
		Address: q.Get("address"), System: q.Get("system"), Browser: q.Get("browser"), Network: q.Get("network"), ClockSkew: q.Get("clockSkew"),
		CredentialManagement: careid.Known(q.Get("credentialManagement")), Private: careid.Known(q.Get("private")),
	}
	asked, err := h.linkRequest(in)
	if err != nil {
		return pages.Answer{}, err
	}
	missing, err := h.Care.LinkPreflight(r.Context(), me, asked)
	if err != nil {
		return pages.Answer{}, err
	}
	if !pages.Browser(r) {
		if missing == nil {
			missing = wardkey.Refusals{}
		}
		return pages.Answer{Body: map[string]any{"missing": missing}}, nil
	}
	page, err := h.page(r)
	if err != nil {
		return pages.Answer{}, err
	}
	page.Missing, page.Address = missing, in.Address
	if len(missing) == 0 {
		page.Told = "Nothing is missing: " + in.Address + " can be linked."
	}
	return pages.Answer{View: page}, nil
}

func (h *Holder) link(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in linkRequest
	if err := h.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	me, err := h.Holder(r)
	if err != nil {
		return pages.Answer{}, err
	}
	// That the address is the person's own is for us to know: this browser is
	// signed in to that very account.
	account, err := h.mailAccount(r)
	if err != nil {
		return pages.Answer{}, err
	}
	if !strings.EqualFold(account, in.Address) {
		return pages.Answer{}, h.rules.Refuse("link.account")
	}
	asked, err := h.linkRequest(in)
	if err != nil {
		return pages.Answer{}, err
	}
	_, err = h.Care.Link(r.Context(), me, asked)
	return pages.Answer{Next: "/my?told=linked"}, err
}

// unlink ends the link with the address given, or the only one there is.
func (h *Holder) unlink(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in struct{ Address string }
	if err := h.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	if in.Address == "" {
		in.Address = r.URL.Query().Get("address")
	}
	me, err := h.Holder(r)
	if err != nil {
		return pages.Answer{}, err
	}
	if in.Address == "" {
		links, err := h.Care.Links(r.Context(), me, me.Profile())
		if err != nil {
			return pages.Answer{}, err
		}
		for _, l := range links {
			if l.State == careid.LinkActive {
				in.Address = l.Address
			}
		}
	}
	return pages.Answer{Next: "/my?told=unlinked"}, h.Care.Unlink(r.Context(), me, in.Address)
}
