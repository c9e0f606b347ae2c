// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
)

// liveReader is a reader with what its agent says of the card in it.
type liveReader struct {
	pages.Reader
	State       string
	NotAfter    time.Time
	DaysLeft    int
	RenewalOpen bool
	Locked      bool
	SignedIn    bool
}

// agentStatus is the agent's GET /v1/status as far as the pages show it.
type agentStatus struct {
	Readers []struct {
		Reader      int        `json:"reader"`
		State       string     `json:"state"`
		SignedIn    bool       `json:"signedIn"`
		NotAfter    *time.Time `json:"notAfter"`
		DaysLeft    *int       `json:"daysLeft"`
		RenewalOpen bool       `json:"renewalOpen"`
	} `json:"readers"`
}

// statusPatience bounds how long the front page waits for a workstation.
const statusPatience = 2 * time.Second

// live asks the agents, over HTTP as any page does. A workstation that doesn't
// answer shows its readers without a word on their cards.
func (s *Site) live(ctx context.Context, readers []pages.Reader) []liveReader {
	ctx, cancel := context.WithTimeout(ctx, statusPatience)
	defer cancel()
	asked := map[string]*agentStatus{}
	views := make([]liveReader, len(readers))
	for i, r := range readers {
		views[i] = liveReader{Reader: r}
		status, known := asked[r.Agent]
		if !known {
			var err error
			if status, err = s.askAgent(ctx, r.Agent); err != nil {
				s.Log.Warn("a workstation does not answer", "workstation", r.Workstation, "cause", err)
			}
			asked[r.Agent] = status
		}
		if status == nil {
			continue
		}
		for _, at := range status.Readers {
			if at.Reader != r.Index {
				continue
			}
			views[i].State, views[i].SignedIn, views[i].RenewalOpen = at.State, at.SignedIn, at.RenewalOpen
			views[i].Locked = at.State == "locked"
			if at.NotAfter != nil && at.DaysLeft != nil {
				views[i].NotAfter, views[i].DaysLeft = *at.NotAfter, *at.DaysLeft
			}
		}
	}
	return views
}

func (s *Site) askAgent(ctx context.Context, address string) (*agentStatus, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/v1/status", nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Origin", s.rooms.Addresses.Web)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // read below
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("web: the agent answered %d", resp.StatusCode)
	}
	status := new(agentStatus)
	return status, json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(status)
}
