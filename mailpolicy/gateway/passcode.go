// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway/internal/sealed"
)

const (
	// A passcode has eight digits, is good for a quarter of an hour and for five
	// tries, and ten are sent for a message: one chance in two million for
	// whoever has the link and not the mailbox.
	passcodeDigits = 8
	passcodeFor    = 15 * time.Minute
	maxTries       = 5
	maxPasscodes   = 10
	// passcodeEvery is the pause between two, by the machine's clock.
	passcodeEvery = time.Minute
	// readerFor is how long a message stays open after its passcode.
	readerFor = 15 * time.Minute
	// maxSending bounds the passcodes on their way to the next hop.
	maxSending = 16
)

// What keeps somebody from a parcel.
const (
	noParcel    = "mail.pickup.none"
	tooSoon     = "mail.pickup.soon"
	noMore      = "mail.pickup.passcodes"
	wrong       = "mail.pickup.wrong"
	spent       = "mail.pickup.spent"
	notReader   = "mail.pickup.closed"
	manySending = "mail.busy"
)

func refuse(rule string, facts ...string) *wardkey.Refusal {
	return mailpolicy.Rules().Refuse(rule, facts...)
}

// find returns a parcel that the link opens and whose time has not ended, with
// its recipient.
func (g *Gateway) find(ctx context.Context, tx StoreTx, l link) (p Parcel, to string, err error) {
	p, err = tx.Parcel(ctx, l.id)
	if errors.Is(err, mailpolicy.ErrNotFound) {
		return p, "", refuse(noParcel)
	}
	if err != nil {
		return p, "", err
	}
	key, err := l.key(forAddress)
	if err != nil {
		return p, "", err
	}
	address, err := sealed.Open(key, p.Address)
	if err != nil || !tx.Now().Before(p.Expires) {
		return p, "", refuse(noParcel)
	}
	return p, string(address), nil
}

// look is find for a page, which asks for a passcode where one may be typed.
func (g *Gateway) look(ctx context.Context, l link) (p Parcel, to string, asked bool, err error) {
	err = g.config.Store.Read(ctx, func(ctx context.Context, tx StoreTx) (err error) {
		p, to, err = g.find(ctx, tx, l)
		asked = p.takesPasscode(tx.Now())
		return err
	})
	return p, to, asked, err
}

// sentJustNow is false where the clock was put back since.
func (p Parcel) sentJustNow(wall time.Time) bool {
	return !wall.Before(p.PasscodeSent) && wall.Before(p.PasscodeSent.Add(passcodeEvery))
}

func (p Parcel) takesPasscode(now time.Time) bool {
	return len(p.Passcode) > 0 && p.Tries < maxTries && now.Before(p.PasscodeExpires)
}

// sendPasscode makes the passcode before it worthless. It is sent after the
// commit, outside the request, and kept nowhere: where it is lost, the person
// asks for another.
func (g *Gateway) sendPasscode(ctx context.Context, l link) error {
	select {
	case g.passcodes <- struct{}{}:
	default:
		return refuse(manySending)
	}
	to, passcode, err := g.newPasscode(ctx, l)
	if err == nil {
		err = g.outside(func() {
			defer func() { <-g.passcodes }()
			g.bring(to, passcode)
		})
	}
	if err != nil {
		<-g.passcodes
	}
	return err
}

// outside runs fn beside the request; Close and Shutdown wait for it.
func (g *Gateway) outside(fn func()) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return refuse(manySending)
	}
	g.sending.Go(fn)
	return nil
}

// newPasscode keeps the hash of a new one.
func (g *Gateway) newPasscode(ctx context.Context, l link) (to, passcode string, err error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Exp(big.NewInt(10), big.NewInt(passcodeDigits), nil))
	if err != nil {
		return "", "", err
	}
	passcode = fmt.Sprintf("%0*d", passcodeDigits, n)
	mac, err := l.passcodeMAC(passcode)
	if err != nil {
		return "", "", err
	}
	err = g.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		var p Parcel
		var err error
		if p, to, err = g.find(ctx, tx, l); err != nil {
			return err
		}
		switch {
		case p.Passcodes >= maxPasscodes:
			return refuse(noMore)
		case p.Passcodes > 0 && p.sentJustNow(tx.Wall()):
			return refuse(tooSoon).RetryAfter(p.PasscodeSent.Add(passcodeEvery))
		}
		p.Passcode, p.PasscodeExpires, p.PasscodeSent = mac, tx.Now().Add(passcodeFor), tx.Wall()
		p.Passcodes++
		p.Tries = 0
		if err := tx.UpdateParcel(ctx, p); err != nil {
			return err
		}
		return tx.Audit(ctx, byLink, actAsked, l.id, fmt.Sprintf("passcode %d", p.Passcodes))
	})
	return to, passcode, err
}

// bring mails a passcode.
func (g *Gateway) bring(to, passcode string) {
	ctx, cancel := context.WithTimeout(g.working, passcodeFor)
	defer cancel()
	text := g.letter(to, "Your passcode for a secure message") +
		"Your passcode is\r\n\r\n  " + passcode + "\r\n\r\nType it into the page that asked for it within 15 minutes. It opens one message,\r\n" +
		"once. If no page of yours asked for it, somebody else has the link to a message\r\nof yours: tell whoever wrote to you.\r\n"
	if err := g.sendNow(ctx, to, text); err != nil {
		g.config.Log.Warn("mail: a passcode could not be sent", "cause", causeOf(err))
		g.tell(EventPasscodeLost, 1)
		return
	}
	g.tell(EventPasscode, 1)
}

// causeOf says what kind of error it was: a server's own words may name people.
func causeOf(err error) string {
	a, _ := answerOf(err)
	return a.status
}

// redeem gives whoever types the passcode a cookie that opens the parcel. The
// try is counted, durably, before the passcode is looked at; a passcode opens
// once, however many ask at the same time.
func (g *Gateway) redeem(ctx context.Context, l link, passcode string) (cookie string, err error) {
	mac, err := l.passcodeMAC(digits(passcode))
	if err != nil {
		return "", err
	}
	var counted Parcel
	err = g.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		var err error
		if counted, _, err = g.find(ctx, tx, l); err != nil {
			return err
		}
		if !counted.takesPasscode(tx.Now()) {
			return refuse(spent)
		}
		counted.Tries++
		if err := tx.UpdateParcel(ctx, counted); err != nil {
			return err
		}
		return tx.Audit(ctx, byLink, actTried, l.id, fmt.Sprintf("passcode %d, try %d", counted.Passcodes, counted.Tries))
	})
	if err != nil {
		return "", err
	}
	if subtle.ConstantTimeCompare(mac, counted.Passcode) != 1 {
		g.tell(EventWrong, 1)
		if left := maxTries - counted.Tries; left > 0 {
			return "", refuse(wrong, "left", strconv.Itoa(left))
		}
		return "", refuse(spent)
	}
	cookie = rand.Text()
	err = g.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		p, _, err := g.find(ctx, tx, l)
		if err != nil {
			return err
		}
		if subtle.ConstantTimeCompare(mac, p.Passcode) != 1 {
			return refuse(spent) // by another who was faster
		}
		p.Passcode, p.Read = nil, true
		p.Reader, p.ReaderExpires = cookieHash(cookie), tx.Now().Add(readerFor)
		if err := tx.UpdateParcel(ctx, p); err != nil {
			return err
		}
		return tx.Audit(ctx, byMailbox, actOpened, l.id, fmt.Sprintf("passcode %d", p.Passcodes))
	})
	if err != nil {
		return "", err
	}
	g.tell(EventFetched, 1)
	return cookie, nil
}

// digits leaves out what people type between them.
func digits(typed string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' {
			return -1
		}
		return r
	}, typed)
}

func cookieHash(cookie string) []byte {
	sum := sha256.Sum256([]byte(cookie))
	return sum[:]
}

// open returns the content of a parcel for whoever has the cookie.
func (g *Gateway) open(ctx context.Context, l link, cookie string) (*sealed.Reader, error) {
	var p Parcel
	var now time.Time
	err := g.config.Store.Read(ctx, func(ctx context.Context, tx StoreTx) (err error) {
		now = tx.Now()
		p, _, err = g.find(ctx, tx, l)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(p.Reader) == 0 || subtle.ConstantTimeCompare(cookieHash(cookie), p.Reader) != 1 || !now.Before(p.ReaderExpires) {
		return nil, refuse(notReader)
	}
	key, err := l.key(forParcel)
	if err != nil {
		return nil, err
	}
	return g.contentReader(ctx, l.id, key)
}

// masked shows enough of an address for its owner: n…e@practice.example.
func masked(address string) string {
	local, domain, _ := strings.Cut(address, "@")
	if len(local) < 3 {
		return "…@" + domain
	}
	return local[:1] + "…" + local[len(local)-1:] + "@" + domain
}
