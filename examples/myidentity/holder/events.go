// SPDX-License-Identifier: Apache-2.0

package holder

import (
	"net/http"
	"strconv"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
)

// eventsShown is how many of their own events a person sees at once.
const eventsShown = 50

// eventsPage is what happened to the person, newest first.
type eventsPage struct {
	frame
	Events []careid.OwnEvent
	More   int64 // the last of them, where there are more; else 0
}

func (*eventsPage) Template() string { return "events.html" }

func (h *Holder) events(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	before, err := int64(0), error(nil)
	if text := r.URL.Query().Get("before"); text != "" {
		if before, err = strconv.ParseInt(text, 10, 64); err != nil {
			return pages.Answer{}, h.Refuse("request.invalid").Because(err)
		}
	}
	me, err := h.Holder(r)
	if err != nil {
		return pages.Answer{}, err
	}
	p := &eventsPage{frame: newFrame(r, "What happened")}
	if p.Events, err = h.Care.OwnEvents(r.Context(), me, before, eventsShown+1); err != nil {
		return pages.Answer{}, err
	}
	if len(p.Events) > eventsShown {
		p.Events = p.Events[:eventsShown]
		p.More = p.Events[eventsShown-1].Seq
	}
	lines := []map[string]any{}
	for _, e := range p.Events {
		lines = append(lines, map[string]any{"at": e.At, "text": e.Text, "refused": e.Refused})
	}
	return pages.Answer{View: p, Body: map[string]any{"events": lines, "more": p.More}}, nil
}
