// SPDX-License-Identifier: Apache-2.0

package sqlstore

import (
	"context"
	"time"

	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
)

func (t tx) Now() time.Time { return t.Tx.Now }

const parcelColumns = "address, expires, was_read, passcode, passcode_expires, passcode_sent, passcodes, tries, reader, reader_expires"

func parcelValues(p gateway.Parcel) []any {
	return []any{
		p.ID, p.Address, p.Expires.Unix(), p.Read, bytesOf(p.Passcode), p.PasscodeExpires.Unix(), p.PasscodeSent.Unix(),
		int64(p.Passcodes), int64(p.Tries), bytesOf(p.Reader), p.ReaderExpires.Unix(),
	}
}

// bytesOf keeps nil out of the columns, which want a value.
func bytesOf(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func (t tx) InsertParcel(ctx context.Context, p gateway.Parcel) error {
	return t.insert(ctx, "INSERT INTO mailgate_parcel (id, "+parcelColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)", parcelValues(p)...)
}

func (t tx) UpdateParcel(ctx context.Context, p gateway.Parcel) error {
	return changed(t.ExecContext(ctx, `UPDATE mailgate_parcel SET address = $2, expires = $3, was_read = $4, passcode = $5, passcode_expires = $6,
		passcode_sent = $7, passcodes = $8, tries = $9, reader = $10, reader_expires = $11 WHERE id = $1`, parcelValues(p)...))
}

const selectParcel = "SELECT id, " + parcelColumns + " FROM mailgate_parcel"

func scanParcel(scan func(...any) error) (p gateway.Parcel, err error) {
	var expires, passcodeExpires, passcodeSent, readerExpires int64
	err = scan(&p.ID, &p.Address, &expires, &p.Read, &p.Passcode, &passcodeExpires, &passcodeSent, &p.Passcodes, &p.Tries, &p.Reader, &readerExpires)
	p.Expires, p.PasscodeExpires, p.PasscodeSent, p.ReaderExpires = at(expires), at(passcodeExpires), at(passcodeSent), at(readerExpires)
	return p, err
}

func (t tx) Parcel(ctx context.Context, id string) (gateway.Parcel, error) {
	p, err := scanParcel(t.QueryRowContext(ctx, selectParcel+" WHERE id = $1", id).Scan)
	if err != nil {
		return gateway.Parcel{}, missing(err)
	}
	return p, nil
}

func (t tx) OldestParcels(ctx context.Context, limit int) ([]gateway.Parcel, error) {
	return rowsOf(ctx, t, scanParcel, selectParcel+" ORDER BY expires LIMIT $1", limit)
}
