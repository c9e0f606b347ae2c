// SPDX-License-Identifier: Apache-2.0

package tour

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/wardkey-sdk/wardkey/examples/estate/hospital"
)

// pickup is step 17: somebody without a certificate.
func pickup(ctx context.Context, s *story) error {
	if err := s.hasSender(); err != nil {
		return err
	}
	to := "dr.novak@surgery.example"
	l := letter{from: s.sender.address, subject: "[secure] Transfer of a resident", mark: pickupMark, to: []string{to}}
	boxes, err := s.post(ctx, l, to)
	if err != nil {
		return must("the gateway takes a [secure] message to somebody without a certificate", err)
	}
	notice, err := boxes[to].Next(ctx, nil)
	if err != nil {
		return must("a notice arrives in place of the message", err)
	}
	for _, secret := range []string{l.mark, "Transfer of a resident", "secure]", "starts with a dot"} {
		if err := holds(!bytes.Contains(notice.Raw, []byte(secret)), "a notice that says nothing of the message", "%q stands there", secret); err != nil {
			return err
		}
	}
	link, err := notice.Link()
	if err != nil {
		return must("the notice brings a link", err)
	}
	return s.pickUp(ctx, l, link, boxes[to])
}

// pickUp opens the link, and types a wrong passcode before the right one.
func (s *story) pickUp(ctx context.Context, l letter, link string, mailbox *hospital.Mailbox) error {
	page, err := s.h.Browser().Open(ctx, link)
	if err == nil {
		page, err = page.Send(ctx, "/passcode", nil)
	}
	if err != nil {
		return must("the page sends a passcode", err)
	}
	mail, err := mailbox.Next(ctx, nil)
	if err != nil {
		return must("the passcode arrives in the recipient's mailbox", err)
	}
	passcode, err := mail.Code()
	if err != nil {
		return must("the passcode has 8 digits", err)
	}
	page, err = page.Send(ctx, "/open", map[string]string{"passcode": otherDigits(passcode)})
	if err != nil {
		return must("the page asks for the passcode", err)
	}
	if err := denied(page, l, "a wrong passcode", "try 4 more times"); err != nil {
		return err
	}
	if page, err = page.Send(ctx, "/open", map[string]string{"passcode": passcode}); err != nil {
		return must("the page asks for the passcode again", err)
	}
	if err := holds(page.Status == http.StatusOK && strings.Contains(page.Says(), l.subject) && strings.Contains(page.Says(), "Mark "+l.mark),
		"the right passcode shows the message", "%d, %q", page.Status, page.Says()); err != nil {
		return err
	}
	whole, err := page.Follow(ctx, "/message.eml")
	if err != nil {
		return must("the whole message can be kept", err)
	}
	if err := holds(bytes.HasSuffix(whole.Raw, l.body()), "the same bytes as were sent", "%q", whole.Raw); err != nil {
		return err
	}
	return s.pickedUp(ctx, l, link, passcode)
}

// pickedUp has somebody else come with the link and the passcode, too late.
func (s *story) pickedUp(ctx context.Context, l letter, link, passcode string) error {
	other := s.h.Browser()
	page, err := other.Open(ctx, link+"/message")
	if err != nil {
		return must("the page answers another browser", err)
	}
	if err := denied(page, l, "another browser, without a passcode", "new passcode"); err != nil {
		return err
	}
	// The page has no field for a passcode now: this is somebody who sends it all the same.
	page, err = other.Post(ctx, link+"/open", url.Values{"passcode": {passcode}})
	if err != nil {
		return must("the page answers another browser", err)
	}
	return denied(page, l, "the passcode a second time", "has been used")
}

// denied fails unless a page says no, why, and nothing of the letter.
func denied(page *hospital.Page, l letter, what, why string) error {
	return first(
		holds(page.Status == http.StatusForbidden && strings.Contains(page.Says(), why), what+" is refused: "+why, "%d, %q", page.Status, page.Says()),
		holds(!strings.Contains(page.Says(), l.mark), "nothing of the message", "it is shown"),
	)
}

// otherDigits is a passcode of the same form that differs in its last digit.
func otherDigits(passcode string) string {
	last := len(passcode) - 1
	return passcode[:last] + string('0'+(passcode[last]-'0'+1)%10)
}
