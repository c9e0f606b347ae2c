// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"strings"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/examples/estate/internal/rooms"
)

// besidePickup keeps the gateway's pages out of what the others stand behind: that
// writes the path of a refused request into the log, and here a path is the key of
// a message. The pages refuse forms of other sites by themselves.
func (s *Site) besidePickup(others http.Handler) http.Handler {
	pickup := s.rooms.Gateway.PickupHandler()
	_, host, _ := strings.Cut(s.Base, "://")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !strings.HasPrefix(r.URL.Path, rooms.PickupPath+"/"):
			others.ServeHTTP(w, r)
		case r.Host != host:
			wardkey.WriteProblem(w, s.Refuse("host.refused"))
		default:
			pickup.ServeHTTP(w, r)
		}
	})
}
