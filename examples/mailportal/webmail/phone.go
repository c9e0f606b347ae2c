// SPDX-License-Identifier: Apache-2.0

package webmail

import (
	"context"
	"net/http"
	"slices"
	"sync"

	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
)

// mostTexts bounds the texts that are kept in memory.
const mostTexts = 200

// Phone is a telephone for all the numbers of a demonstration. It is a
// mailpolicy.Sender, and the only place where the secrets in its texts are shown.
type Phone struct {
	mu    sync.Mutex
	texts []Text // the newest first
}

// Text is one text message.
type Text struct {
	To   string `json:"to"`
	Body string `json:"body"`
}

// Send keeps a text.
func (p *Phone) Send(_ context.Context, _, to, _, body string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.texts = slices.Insert(p.texts, 0, Text{to, body})
	p.texts = p.texts[:min(len(p.texts), mostTexts)]
	return nil
}

// Texts are those that are kept, the newest first.
func (p *Phone) Texts() []Text {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.texts)
}

func (p *Portal) phone(w http.ResponseWriter, r *http.Request) {
	texts := p.Phone.Texts()
	if !pages.Browser(r) {
		writeJSON(w, texts)
		return
	}
	p.render(&visit{w: w, r: r}, http.StatusOK, &page{Template: "phone.html", Title: "The demonstration’s phone", Data: texts})
}
