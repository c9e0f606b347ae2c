// SPDX-License-Identifier: Apache-2.0

package web

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/wardkey-sdk/wardkey/examples/estate/internal/inbox"
	"github.com/wardkey-sdk/wardkey/examples/estate/internal/rooms"
	"github.com/wardkey-sdk/wardkey/examples/internal/pages"
)

// maxRaw bounds what a page shows of a message's wire form.
const maxRaw = 32 << 10

func (s *Site) inbox(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	return pages.Answer{Body: s.rooms.Inbox.Messages(r.URL.Query().Get("to")), Next: "/inbox"}, nil
}

type inboxPage struct {
	pages.Base
	Messages []inbox.Message
}

func (*inboxPage) Template() string { return "inbox.html" }

func (s *Site) inboxPage(http.ResponseWriter, *http.Request) (pages.Answer, error) {
	all := s.rooms.Inbox.Messages("")
	slices.Reverse(all)
	return pages.Answer{View: &inboxPage{Base: pages.Base{Title: "Inbox"}, Messages: all}, Body: map[string]int{"messages": len(all)}}, nil
}

type messagePage struct {
	pages.Base
	Message   inbox.Message
	Raw       string
	Encrypted bool
	Open      string // how its recipient reads it, where the estate has the key
}

func (*messagePage) Template() string { return "message.html" }

func (s *Site) message(_ http.ResponseWriter, r *http.Request) (pages.Answer, error) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		return pages.Answer{}, s.Refuse("page.unknown")
	}
	m, ok := s.rooms.Inbox.Message(id)
	if !ok {
		return pages.Answer{}, s.Refuse("page.unknown")
	}
	p := &messagePage{Base: pages.Base{Title: "A message"}, Message: m}
	p.Raw = strings.ToValidUTF8(string(m.Raw[:min(len(m.Raw), maxRaw)]), "�")
	head, _, _ := strings.Cut(strings.ToLower(p.Raw), "\r\n\r\n")
	p.Encrypted = strings.Contains(head, "application/pkcs7-mime") && !strings.Contains(head, "smime-type=signed-data")
	if p.Encrypted && m.To == rooms.OutsideAddress {
		key, certificate := s.rooms.OutsideKey()
		p.Open = "openssl cms -decrypt -in message-" + strconv.Itoa(m.ID) + ".eml -inkey " + key + " -recip " + certificate
	}
	return pages.Answer{View: p, Body: m}, nil
}

// messageFile is an e-mail as it came over the wire, to be kept as a file.
func (s *Site) messageFile(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(r.PathValue("id"))
	m, ok := s.rooms.Inbox.Message(id)
	if err != nil || !ok || m.Raw == nil {
		s.Fail(w, r, s.Refuse("page.unknown"))
		return
	}
	w.Header().Set("Content-Type", "message/rfc822")
	w.Header().Set("Content-Disposition", "attachment; filename=message-"+strconv.Itoa(id)+".eml")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(m.Raw) // the client has gone; there is nobody left to tell
}
