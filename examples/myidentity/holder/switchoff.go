// SPDX-License-Identifier: Apache-2.0

package holder

import (
	"net/http"
	"slices"
	"time"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
)

// switchPage is how the old service is switched off, by published days, and who
// may do what today. It speaks of nobody, so it asks for no session.
type switchPage struct {
	frame
	Days     []switchDay
	Services []string // the columns of the table of today
	Lines    []switchLine
}

func (*switchPage) Template() string { return "switchoff.html" }

// switchDay is one day with what changed at its midnight in London.
type switchDay struct {
	At      time.Time
	Past    bool
	Changes []switchChange
}

// switchChange is what one service lets do from a day on; without roles it no
// longer lets anybody.
type switchChange struct {
	Action  careid.Action
	Service string
	Before  []string
	Roles   []string
	Began   bool // nothing was published before
}

// switchLine is one action today, with a cell for each service.
type switchLine struct {
	Action careid.Action
	Cells  []switchCell
}

type switchCell struct {
	Published bool
	Roles     []string
}

func (h *Holder) switchOff(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	now := h.Now()
	p := &switchPage{frame: newFrame(r, "The old service")}
	for _, text := range careid.SwitchDays(h.Book) {
		at, err := time.ParseInLocation(time.DateOnly, text, pages.Zone())
		if err != nil {
			return pages.Answer{}, err
		}
		day := switchDay{At: at, Past: !now.Before(at), Changes: h.changes(at)}
		if len(day.Changes) > 0 {
			p.Days = append(p.Days, day)
		}
	}
	today := careid.CapabilitiesAt(h.Book, now)
	services := slices.DeleteFunc(careid.NationalServices(), func(s careid.NationalService) bool {
		return !slices.ContainsFunc(today, func(l careid.CapabilityLine) bool { _, published := l.Roles[s]; return published })
	})
	for _, s := range services {
		p.Services = append(p.Services, h.serviceName(s, now))
	}
	for _, l := range today {
		line := switchLine{Action: l.Action}
		for _, s := range services {
			roles, published := l.Roles[s]
			line.Cells = append(line.Cells, switchCell{published, roleNames(roles)})
		}
		p.Lines = append(p.Lines, line)
	}
	return pages.Answer{View: p, Body: map[string]any{"days": careid.SwitchDays(h.Book)}}, nil
}

// changes compares the last second before a day with its first.
func (h *Holder) changes(at time.Time) []switchChange {
	before, after := careid.CapabilitiesAt(h.Book, at.Add(-time.Second)), careid.CapabilitiesAt(h.Book, at)
	var changes []switchChange
	for i, line := range after { // the same actions in the same order on both days
		for _, service := range careid.NationalServices() {
			old, was := before[i].Roles[service]
			roles, is := line.Roles[service]
			if is && (!was || !slices.Equal(old, roles)) {
				changes = append(changes, switchChange{line.Action, h.serviceName(service, at), roleNames(old), roleNames(roles), !was})
			}
		}
	}
	return changes
}

// serviceName is a service as it is called on a day; the old and the new sign-in
// share a name, so that one without a published name goes by its own.
func (h *Holder) serviceName(s careid.NationalService, t time.Time) string {
	name, err := careid.ServiceName(h.Book, s, t)
	if err != nil {
		return string(s)
	}
	return name
}

func roleNames(roles []careid.Role) []string {
	names := make([]string, len(roles))
	for i, role := range roles {
		names[i] = pages.RoleName(string(role))
	}
	return names
}
