// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway/internal/sealed"
)

// What the audit says was done, and by whom. Nobody is named: the names of a
// parcel are in its first row, sealed.
const (
	actParked      = "mail.pickup.parked"
	actAsked       = "mail.pickup.asked"
	actTried       = "mail.pickup.tried"
	actOpened      = "mail.pickup.opened"
	actExpired     = "mail.pickup.expired"
	actUndelivered = "mail.pickup.undelivered"

	bySender   = "sender"
	byLink     = "link" // whoever has it
	byMailbox  = "mailbox"
	byCalendar = "calendar"
	byGateway  = "gateway"

	forAudit = "pickup audit"
	// maxAudit bounds one answer.
	maxAudit = 1000
)

// PickupRow is a row of the audit of what waits, or waited, to be picked up:
//
//	mail.pickup.parked       the sender's message was taken; where the answer to its
//	                         commit was lost, its sender may have sent it again
//	mail.pickup.asked        whoever has the link asked for a passcode
//	mail.pickup.tried        they typed one, right or wrong
//	mail.pickup.opened       it was the one that was sent to the mailbox
//	mail.pickup.expired      the message was deleted, read or not (Detail)
//	mail.pickup.undelivered  the link could not be brought, and the message was deleted
type PickupRow struct {
	Seq            int64 // from 1, without gaps
	At             time.Time
	Actor, Action  string
	Parcel, Detail string

	// From, To and MessageID are those of a parked message, in its first row
	// alone; empty where that was sealed with another key.
	From, To, MessageID string
}

type parcelNames struct {
	From      string `json:"from"`
	To        string `json:"to"`
	MessageID string `json:"messageID,omitempty"`
}

// PickupAudit returns the rows after one, in their order, a thousand at most. It
// does not verify them.
func (g *Gateway) PickupAudit(ctx context.Context, after int64) (found []PickupRow, err error) {
	var rows []AuditRow
	err = g.config.Store.Read(ctx, func(ctx context.Context, tx StoreTx) (err error) {
		rows, err = tx.AuditRows(ctx, after, maxAudit)
		return err
	})
	for _, r := range rows {
		row := PickupRow{Seq: r.Seq, At: r.At, Actor: r.Actor, Action: r.Action, Parcel: r.Subject, Detail: r.Detail}
		if r.Action == actParked {
			names := g.openNames(r.Subject, r.Detail)
			row.Detail, row.From, row.To, row.MessageID = "", names.From, names.To, names.MessageID
		}
		found = append(found, row)
	}
	return found, err
}

// VerifyAudit counts the rows of the unbroken audit, or names the first bad one
// in its error. Who can write to the Store and knows how rows are chained can make a
// whole new chain: to see that, keep elsewhere how many rows there were and copies
// of them.
func (g *Gateway) VerifyAudit(ctx context.Context) (rows int64, err error) {
	err = g.config.Store.Read(ctx, func(ctx context.Context, tx StoreTx) (err error) {
		rows, err = tx.VerifyAudit(ctx)
		return err
	})
	return rows, err
}

// sealNames says of a parcel, to whoever has Config.Key, from whom and to whom it
// is.
func (g *Gateway) sealNames(id string, e envelope) (string, error) {
	key, err := sealed.Key(g.config.Key, id, forAudit)
	if err != nil {
		return "", err
	}
	plain, err := json.Marshal(parcelNames{From: e.From, To: e.To[0], MessageID: messageIDOf([]byte(e.Outer))})
	if err != nil {
		return "", err
	}
	closed, err := sealed.Seal(key, plain)
	return base64.StdEncoding.EncodeToString(closed), err
}

// openNames returns nothing of what was sealed with another key.
func (g *Gateway) openNames(id, detail string) (names parcelNames) {
	key, keyErr := sealed.Key(g.config.Key, id, forAudit)
	closed, err := base64.StdEncoding.DecodeString(detail)
	if keyErr != nil || err != nil {
		return names
	}
	if plain, err := sealed.Open(key, closed); err == nil {
		_ = json.Unmarshal(plain, &names) // sealNames made it
	}
	return names
}
