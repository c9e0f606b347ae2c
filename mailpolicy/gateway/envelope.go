// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/wardkey-sdk/wardkey/mailpolicy"
	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway/internal/sealed"
)

// envelope is what is kept of a copy beside its content.
type envelope struct {
	From string   `json:"from"`
	To   []string `json:"to"` // those who still wait for it
	// EightBit says that the content has bytes above 127.
	EightBit bool `json:"eightBit,omitempty"`
	// Outer are the fields of its header that a report may show.
	Outer string `json:"outer,omitempty"`
	// Parcel is the id of the parcel that this mail brings the link to: nobody has
	// the link where it can't be brought.
	Parcel string `json:"parcel,omitempty"`
	// Delayed says that its sender was told that it waits.
	Delayed bool `json:"delayed,omitempty"`
	// Arrived is by the calendar.
	Arrived time.Time `json:"arrived"`
}

const (
	forEnvelope = "spool envelope"
	forContent  = "spool content"
)

// ErrKey says that the store holds mail that was sealed with another key.
var ErrKey = errors.New("gateway: the store holds mail that was sealed with another key")

// checkKey compares the key with a check value of the one before it. Where no
// mail is kept, any key is good.
func (g *Gateway) checkKey(ctx context.Context) error {
	check, err := sealed.Key(g.config.Key, "", "key check")
	if err != nil {
		return err
	}
	return g.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		known, err := tx.KeyCheck(ctx)
		if err == nil && string(known) == string(check) {
			return nil
		}
		if err != nil && !errors.Is(err, mailpolicy.ErrNotFound) {
			return err
		}
		empty, err := tx.Empty(ctx)
		if err != nil {
			return err
		}
		if !empty {
			return ErrKey
		}
		return tx.SetKeyCheck(ctx, check)
	})
}

func (g *Gateway) sealEnvelope(id string, e envelope) ([]byte, error) {
	key, err := sealed.Key(g.config.Key, id, forEnvelope)
	if err != nil {
		return nil, err
	}
	plain, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	return sealed.Seal(key, plain)
}

func (g *Gateway) openEnvelope(c Copy) (e envelope, err error) {
	key, err := sealed.Key(g.config.Key, c.ID, forEnvelope)
	if err != nil {
		return e, err
	}
	plain, err := sealed.Open(key, c.Envelope)
	if err != nil {
		return e, err
	}
	return e, json.Unmarshal(plain, &e)
}

func (g *Gateway) contentKey(id string) ([]byte, error) {
	return sealed.Key(g.config.Key, id, forContent)
}

// contentReader reads the content of a copy that was sealed under key.
func (g *Gateway) contentReader(ctx context.Context, id string, key []byte) (*sealed.Reader, error) {
	return sealed.NewReader(key, func(n int) (data []byte, err error) {
		ctx, cancel := context.WithTimeout(ctx, g.config.Timeout)
		defer cancel()
		err = g.config.Store.Read(ctx, func(ctx context.Context, tx StoreTx) (err error) {
			data, err = tx.Piece(ctx, id, n)
			return err
		})
		if errors.Is(err, mailpolicy.ErrNotFound) {
			err = sealed.ErrMissing
		}
		return data, err
	})
}
