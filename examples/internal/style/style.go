// SPDX-License-Identifier: Apache-2.0

// Package style is the one stylesheet of the examples' pages.
//
//	mux.HandleFunc("GET /assets/style.css", style.Serve)
package style

import (
	"embed"
	"net/http"
)

//go:embed style.css
var files embed.FS

// Serve answers with the stylesheet.
func Serve(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, "style.css") }
