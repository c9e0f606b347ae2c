// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// PublishHandler serves what the certificates point at, below the profile's
// Base: /crl/0.crl and so on for each shard, /aia/issuing.cer and
// /aia/root.cer, all DER. A list that is missing, behind or due is signed
// before it is served, so that a revocation shows in the next fetch. GET and
// HEAD, with an ETag; caches must ask again each time, since dates follow the
// authority's calendar and not theirs. 503 when there is no current list and
// none can be signed. Clients that take an answer slowly are the http.Server's to
// bound (ReadHeaderTimeout, WriteTimeout). RFC 5280 §4.2.1.13, §4.2.2.1; RFC 2585 §4.
func (ca *CA) PublishHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /crl/{name}", ca.serveList)
	mux.Handle("GET /aia/issuing.cer", static(ca.issuer.Raw))
	mux.Handle("GET /aia/root.cer", static(ca.chain[len(ca.chain)-1].Raw))
	return mux
}

func static(der []byte) http.Handler {
	etag := etagOf(der)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serveDER(w, r, "application/pkix-cert", etag, der)
	})
}

func (ca *CA) serveList(w http.ResponseWriter, r *http.Request) {
	digits, ok := strings.CutSuffix(r.PathValue("name"), ".crl")
	shard, err := strconv.Atoi(digits)
	if !ok || err != nil || shard < 0 || shard >= ca.profile.shards || strconv.Itoa(shard) != digits {
		http.NotFound(w, r)
		return
	}
	list, etag, err := ca.publishedList(r.Context(), shard)
	if err != nil {
		http.Error(w, "no current list", http.StatusServiceUnavailable)
		return
	}
	serveDER(w, r, "application/pkix-crl", etag, list.DER)
}

func serveDER(w http.ResponseWriter, r *http.Request, kind, etag string, der []byte) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("ETag", etag)
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(der))
}
