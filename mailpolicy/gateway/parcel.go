// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway/internal/sealed"
)

const (
	forParcel   = "pickup content"
	forAddress  = "pickup address"
	forPasscode = "pickup passcode"

	idBytes = 16
)

// link is what a recipient gets: it finds a parcel and opens it. Its secret is
// nowhere but in the link, and in the mail that brings it.
type link struct {
	id     string
	secret []byte
}

func newLink() link {
	secret := make([]byte, sealed.KeyBytes)
	_, _ = rand.Read(secret) // crypto/rand.Read never fails
	return link{newID(), secret}
}

// token is the link's last part.
func (l link) token() (string, error) {
	id, err := hex.DecodeString(l.id)
	return base64.RawURLEncoding.EncodeToString(append(id, l.secret...)), err
}

// parseLink accepts what token returns, and nothing that decodes to the same.
func parseLink(token string) (link, bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != idBytes+sealed.KeyBytes {
		return link{}, false
	}
	return link{hex.EncodeToString(raw[:idBytes]), raw[idBytes:]}, true
}

func (l link) key(purpose string) ([]byte, error) { return sealed.Key(l.secret, l.id, purpose) }

// passcodeMAC is what is kept of a passcode: without the link nobody can try the
// hundred million of them on it.
func (l link) passcodeMAC(passcode string) ([]byte, error) {
	key, err := l.key(forPasscode)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(passcode))
	return mac.Sum(nil), nil
}

// pickupBase checks Config.PickupURL.
func pickupBase(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || !isPlainPath(u.Path) {
		return "", errors.New("gateway: PickupURL is no address of a page")
	}
	ip, err := netip.ParseAddr(u.Hostname())
	local := u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return "", errors.New("gateway: PickupURL beyond loopback needs https")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// isPlainPath keeps out what a pattern of net/http reads otherwise than a path.
func isPlainPath(p string) bool {
	p = strings.TrimRight(p, "/")
	plain := !strings.ContainsFunc(p, func(r rune) bool {
		return r != '/' && r != '-' && r != '_' && r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	return p == "" || plain && path.Clean(p) == p
}

// park keeps a copy for its one recipient to fetch, and adds the mail that
// brings the link.
func (in *intake) park(ctx context.Context, e envelope) (io.WriteCloser, error) {
	g, l := in.gateway, newLink()
	defer clear(l.secret)
	key, err := l.key(forParcel)
	if err != nil {
		return nil, err
	}
	c, err := in.add(ctx, l.id, e, key)
	if err != nil {
		return nil, err
	}
	c.row.Parked = true
	if key, err = l.key(forAddress); err != nil {
		return nil, err
	}
	if c.address, err = sealed.Seal(key, []byte(e.To[0])); err != nil {
		return nil, err
	}
	if c.names, err = in.gateway.sealNames(l.id, e); err != nil {
		return nil, err
	}
	notice, err := in.begin(ctx, envelope{From: e.From, To: e.To, Outer: e.Outer, Parcel: l.id, Arrived: e.Arrived})
	if err != nil {
		return nil, err
	}
	token, err := l.token()
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(notice, g.notice(e, token)); err != nil {
		return nil, err
	}
	return c.content, nil
}

// letter is the head of a mail of the gateway's own.
func (g *Gateway) letter(to, subject string) string {
	return fmt.Sprintf("From: Secure messages <no-reply@%s>\r\nTo: <%s>\r\nDate: %s\r\nMessage-ID: <%s@%s>\r\nSubject: %s\r\n"+
		"Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n",
		g.config.Hostname, to, g.config.Now().Format(time.RFC1123Z), newID(), g.config.Hostname, subject)
}

// notice brings the link. It says who has written and nothing of what.
func (g *Gateway) notice(e envelope, token string) string {
	from := e.From
	if from == "" {
		from = "Somebody"
	}
	return g.letter(e.To[0], "A secure message is kept for you") + from + " has sent you a message that must not travel in clear.\r\n" +
		"You can read it here:\r\n\r\n  " + g.config.PickupURL + "/" + token + "\r\n\r\n" +
		"The page sends a passcode to this mailbox and asks you for it. Whoever has this\r\n" +
		"link and can read your mail can read the message: don't pass the link on.\r\n\r\n" +
		"The message is kept until " + g.config.Now().Add(g.config.PickupFor).UTC().Format("2 January 2006, 15:04 MST") + ".\r\n"
}

// Due deletes the messages whose time for picking up has ended, and tells the
// senders of those that nobody read. It returns when the next one ends, zero for
// never. It may be called by any number of servers at any time.
func (g *Gateway) Due(ctx context.Context) (next time.Time, err error) {
	for {
		var unread, done int
		err := g.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
			next, unread, done = time.Time{}, 0, 0
			parcels, err := tx.OldestParcels(ctx, 20)
			if err != nil {
				return err
			}
			for _, p := range parcels {
				if p.Expires.After(tx.Now()) {
					next = p.Expires
					break
				}
				if err := g.expire(ctx, tx, p); err != nil {
					return err
				}
				if done++; !p.Read {
					unread++
				}
			}
			for _, p := range parcels[:done] {
				if err := tx.Audit(ctx, byCalendar, actExpired, p.ID, readOrNot(p)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return time.Time{}, err
		}
		g.tell(EventExpired, done)
		if unread > 0 {
			g.wakeUp()
		}
		if done == 0 || !next.IsZero() {
			return next, nil
		}
	}
}

func readOrNot(p Parcel) string {
	if p.Read {
		return "read"
	}
	return "unread"
}

// expire deletes a parcel. One that was not read, and whose envelope can still
// be read, is reported.
func (g *Gateway) expire(ctx context.Context, tx StoreTx, p Parcel) error {
	c, err := tx.Copy(ctx, p.ID)
	if err != nil {
		return err
	}
	if e, err := g.openEnvelope(c); err == nil && !p.Read && e.From != "" {
		why := answer{status: "5.4.7", why: "it was kept to be picked up, and was not within the time"}
		if err := g.insertReport(ctx, tx, e, givenUp([]failure{{e.To[0], why}})); err != nil {
			return err
		}
	}
	return tx.DeleteCopy(ctx, p.ID)
}

// sendNow gives a mail to the next hop without keeping it.
func (g *Gateway) sendNow(ctx context.Context, to, text string) error {
	client, err := g.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	defer context.AfterFunc(ctx, func() { _ = client.Close() })()
	if err := client.Mail("", nil); err != nil {
		return err
	}
	if err := client.Rcpt(to, nil); err != nil {
		return err
	}
	data, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := io.Copy(data, bytes.NewReader([]byte(text))); err != nil {
		return err
	}
	if err := data.Close(); err != nil {
		return err
	}
	return client.Quit()
}
