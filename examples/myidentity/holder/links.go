// SPDX-License-Identifier: Apache-2.0

package holder

import (
	"net/http"

	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
)

// unlink ends the link of the person's card with a mail account. Making one takes that account's password and a workstation
// that is declared: examples/linkportal.
func (h *Holder) unlink(w http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	var in struct{ Address string }
	if err := h.Read(w, r, &in); err != nil {
		return pages.Answer{}, err
	}
	me, err := h.Holder(r)
	if err == nil {
		err = h.Care.Unlink(r.Context(), me, in.Address)
	}
	return pages.Answer{Next: "/my?told=unlinked"}, err
}
