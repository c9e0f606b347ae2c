// SPDX-License-Identifier: Apache-2.0

package gateway

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway/internal/sealed"
)

// flushBytes is how much of a message waits in memory for the next write: a
// commit has its price, whatever its size.
const flushBytes = 1 << 20

// intake is one message on its way into the store, in one copy or more.
type intake struct {
	gateway *Gateway
	copies  []*incoming
	waiting []piece
	bytes   int
	mark    []byte // to be remembered: the message was encrypted for somebody
	written bool   // something of it may be in the store
}

// incoming is one copy.
type incoming struct {
	row     Copy
	content *sealed.Writer
	address []byte // of a parcel: the recipient's, sealed
	names   string // of a parcel: for the audit, sealed
	stored  bool   // its row is in the store
}

type piece struct {
	id   string
	n    int
	data []byte
}

// begin adds a copy and returns what its content is written to.
func (in *intake) begin(ctx context.Context, e envelope) (io.WriteCloser, error) {
	id := newID()
	key, err := in.gateway.contentKey(id)
	if err != nil {
		return nil, err
	}
	c, err := in.add(ctx, id, e, key)
	if err != nil {
		return nil, err
	}
	return c.content, nil
}

// add adds a copy whose content is sealed under key, and written when enough of
// the message waits.
func (in *intake) add(ctx context.Context, id string, e envelope, key []byte) (*incoming, error) {
	c := &incoming{row: Copy{ID: id}}
	var err error
	if c.row.Envelope, err = in.gateway.sealEnvelope(id, e); err != nil {
		return nil, err
	}
	c.row.Bytes = int64(len(c.row.Envelope))
	c.content, err = sealed.NewWriter(key, func(n int, data []byte) error {
		in.waiting = append(in.waiting, piece{id, n, data})
		c.row.Bytes += int64(len(data))
		if in.bytes += len(data); in.bytes < flushBytes {
			return nil
		}
		return in.write(ctx, false)
	})
	in.copies = append(in.copies, c)
	return c, err
}

// commit makes all copies whole at once: the message is the gateway's from here
// on.
func (in *intake) commit(ctx context.Context) error {
	for _, c := range in.copies {
		if err := c.content.Close(); err != nil {
			return err
		}
	}
	if err := in.write(ctx, true); err != nil {
		return err
	}
	in.gateway.wakeUp()
	return nil
}

// write begins with a write to each copy's row, which fails where the row was
// taken for one that a crash left behind, and deleted. It returns ErrFull where
// there is no room now, and a Refusal where there never is.
func (in *intake) write(ctx context.Context, whole bool) error {
	adds := in.unwritten()
	if !in.gateway.spool.take(adds) {
		if in.size() > in.gateway.config.MaxSpoolBytes {
			return formFault("all its copies together are larger than there is ever room for")
		}
		return ErrFull
	}
	defer in.gateway.spool.landed(adds)
	ctx, cancel := context.WithTimeout(ctx, in.gateway.config.Timeout)
	defer cancel()
	err := in.gateway.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		for _, c := range in.copies {
			row := c.row
			row.Whole, row.Begun, row.Try = whole, tx.Wall(), tx.Wall()
			put := StoreTx.InsertCopy
			if c.stored {
				put = StoreTx.UpdateCopy
			}
			if err := put(tx, ctx, row); err != nil {
				return err
			}
			if whole && row.Parked {
				if err := tx.InsertParcel(ctx, Parcel{ID: row.ID, Address: c.address, Expires: tx.Now().Add(in.gateway.config.PickupFor)}); err != nil {
					return err
				}
			}
		}
		if whole && in.mark != nil {
			if err := tx.Remember(ctx, in.mark, tx.Now().Add(in.gateway.config.RememberFor)); err != nil {
				return err
			}
		}
		for _, p := range in.waiting {
			if err := tx.InsertPiece(ctx, p.id, p.n, p.data); err != nil {
				return err
			}
		}
		if !whole {
			return nil
		}
		return in.audit(ctx, tx)
	})
	in.written = true // perhaps, where the commit's answer was lost
	if err != nil {
		return fmt.Errorf("gateway: keeping a message: %w", err)
	}
	for _, c := range in.copies {
		c.stored = true
	}
	in.waiting, in.bytes = nil, 0
	return nil
}

// unwritten is how much the next write adds to the store.
func (in *intake) unwritten() int64 {
	bytes := int64(in.bytes)
	for _, c := range in.copies {
		if !c.stored {
			bytes += int64(len(c.row.Envelope))
		}
	}
	return bytes
}

// size is how much there is of the message so far, in all copies.
func (in *intake) size() (bytes int64) {
	for _, c := range in.copies {
		bytes += c.row.Bytes
	}
	return bytes
}

// audit says which copies are parked.
func (in *intake) audit(ctx context.Context, tx StoreTx) error {
	for _, c := range in.copies {
		if !c.row.Parked {
			continue
		}
		if err := tx.Audit(ctx, bySender, actParked, c.row.ID, c.names); err != nil {
			return err
		}
	}
	return nil
}

// drop deletes what is in the store of a message that was not taken. What it
// can't delete now, DeleteBroken does.
func (in *intake) drop() {
	if !in.written {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), in.gateway.config.Timeout)
	defer cancel()
	err := in.gateway.config.Store.Write(ctx, func(ctx context.Context, tx StoreTx) error {
		for _, c := range in.copies {
			if err := tx.DeleteCopy(ctx, c.row.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		in.gateway.config.Log.Warn("mail: the remains of a message stay for an hour", "cause", err)
	}
}

func newID() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // crypto/rand.Read never fails
	return hex.EncodeToString(id)
}
