// SPDX-License-Identifier: Apache-2.0

package sqlstore

import (
	"context"
	"time"

	"github.com/wardkey-sdk/wardkey/careid"
)

type cards struct{ queries }

// cardRow, certificateRow and profileRow take their columns of a row, which may have others beside them.
type cardRow struct {
	careid.Card
	issued, notAfter, unlocked, retired int64
}

func (r *cardRow) columns() []any {
	return []any{&r.Serial, &r.Profile, &r.State, &r.issued, &r.notAfter, &r.Issuer, &r.unlocked, &r.retired, &r.OpenAct}
}

func (r *cardRow) read() careid.Card {
	r.IssuedAt, r.NotAfter = fromUnix(r.issued), fromUnix(r.notAfter)
	r.UnlockedAt, r.RetiredAt = fromUnix(r.unlocked), fromUnix(r.retired)
	return r.Card
}

func scanCard(row scanner) (careid.Card, error) {
	var r cardRow
	err := row.Scan(r.columns()...)
	return r.read(), err
}

func (c cards) AddCard(ctx context.Context, v careid.Card) error {
	return c.added(ctx, insertCard, v.Serial, v.Profile, string(v.State), unix(v.IssuedAt), unix(v.NotAfter), v.Issuer,
		unix(v.UnlockedAt), unix(v.RetiredAt))
}

func (c cards) Card(ctx context.Context, serial string) (careid.Card, error) {
	return one(ctx, c.queries, scanCard, selectCard+" WHERE k.serial = $1", serial)
}

func (c cards) CardHolder(ctx context.Context, serial string) (careid.Card, careid.Profile, error) {
	var holder profileRow
	scan := func(row scanner) (careid.Card, error) {
		var card cardRow
		err := row.Scan(append(card.columns(), holder.columns()...)...)
		return card.read(), err
	}
	card, err := one(ctx, c.queries, scan, selectHeld, serial)
	return card, holder.read(), err
}

func (c cards) CardOf(ctx context.Context, fingerprint [32]byte) (careid.Certificate, careid.Card, careid.Profile, error) {
	var card cardRow
	var holder profileRow
	scan := func(row scanner) (careid.Certificate, error) {
		var cert certificateRow
		err := row.Scan(append(append(cert.columns(), card.columns()...), holder.columns()...)...)
		return cert.read(), err
	}
	cert, err := one(ctx, c.queries, scan, selectProof, fingerprint[:])
	return cert, card.read(), holder.read(), err
}

func (c cards) CardsOf(ctx context.Context, profile string) ([]careid.Card, error) {
	return all(ctx, c.queries, scanCard, selectCard+" WHERE k.profile = $1 ORDER BY k.issued_at, k.serial", profile)
}

func (c cards) UpdateCard(ctx context.Context, v careid.Card, from careid.CardState) (bool, error) {
	return c.changed(ctx, updateCard, v.Serial, string(from), v.Profile, string(v.State), unix(v.IssuedAt), unix(v.NotAfter), v.Issuer,
		unix(v.UnlockedAt), unix(v.RetiredAt))
}

func (c cards) Generations(ctx context.Context, serial string) (careid.Generations, error) {
	scan := func(row scanner) (g careid.Generations, err error) {
		err = row.Scan(&g.First, &g.Second, &g.Next)
		return g, err
	}
	return one(ctx, c.queries, scan, selectGenerations, serial)
}

func (c cards) SetGenerations(ctx context.Context, serial string, g careid.Generations) error {
	done, err := c.changed(ctx, updateGenerations, serial, g.First, g.Second, g.Next)
	if err == nil && !done {
		return careid.ErrNotFound
	}
	return err
}

func (c cards) ImportedSOPIN(ctx context.Context, serial string) (careid.ImportedSOPIN, error) {
	scan := func(row scanner) (v careid.ImportedSOPIN, err error) {
		err = row.Scan(&v.Generation, &v.Sealed)
		return v, err
	}
	return one(ctx, c.queries, scan, "SELECT so_imported, so_sealed FROM careid_card WHERE serial = $1", serial)
}

func (c cards) SetImportedSOPIN(ctx context.Context, serial string, v careid.ImportedSOPIN) error {
	done, err := c.changed(ctx, "UPDATE careid_card SET so_imported = $2, so_sealed = $3 WHERE serial = $1", serial, v.Generation, orNull(v.Sealed))
	if err == nil && !done {
		return careid.ErrNotFound
	}
	return err
}

type certificateRow struct {
	careid.Certificate
	fingerprint                []byte
	reason, revokeAt, notAfter int64
}

func (r *certificateRow) columns() []any {
	return []any{&r.fingerprint, &r.Card, &r.Act, &r.Use, &r.State, &r.reason, &r.revokeAt, &r.notAfter, &r.DER}
}

func (r *certificateRow) read() careid.Certificate {
	copy(r.Fingerprint[:], r.fingerprint)
	r.Reason, r.RevokeAt, r.NotAfter = int(r.reason), fromUnix(r.revokeAt), fromUnix(r.notAfter)
	return r.Certificate
}

func scanCertificate(row scanner) (careid.Certificate, error) {
	var r certificateRow
	err := row.Scan(r.columns()...)
	return r.read(), err
}

func (c cards) AddCertificate(ctx context.Context, v careid.Certificate) error {
	_, err := c.changed(ctx, insertCertificate+" ON CONFLICT DO NOTHING", v.Fingerprint[:], v.Card, v.Act, string(v.Use), string(v.State),
		v.Reason, unix(v.RevokeAt), unix(v.NotAfter), v.DER)
	return err
}

func (c cards) Certificate(ctx context.Context, fingerprint [32]byte) (careid.Certificate, error) {
	return one(ctx, c.queries, scanCertificate, selectCertificate+" WHERE c.fingerprint = $1", fingerprint[:])
}

func (c cards) CertificatesOf(ctx context.Context, card string) ([]careid.Certificate, error) {
	return all(ctx, c.queries, scanCertificate, selectCertificate+" JOIN careid_act a ON a.id = c.act WHERE c.card = $1 ORDER BY a.opened_at, c.act, c.use", card)
}

func (c cards) CertificatesIn(ctx context.Context, state careid.CertificateState) ([]careid.Certificate, error) {
	return all(ctx, c.queries, scanCertificate, selectCertificate+" WHERE c.state = $1 ORDER BY c.card, c.act, c.use", string(state))
}

func (c cards) SetCertificate(ctx context.Context, v careid.Certificate, from careid.CertificateState) (bool, error) {
	return c.changed(ctx, updateCertificate, v.Fingerprint[:], string(from), string(v.State), v.Reason, unix(v.RevokeAt))
}

func (c cards) AddOrder(ctx context.Context, o careid.Order) error {
	return c.added(ctx, insertOrder, o.ID, o.Profile, o.Replaces, unix(o.At), o.Card)
}

func (c cards) FillOrder(ctx context.Context, profile, card string) (bool, error) {
	return c.changed(ctx, fillOrder, profile, card)
}

func (c cards) OpenOrders(ctx context.Context) ([]careid.Order, error) {
	scan := func(row scanner) (o careid.Order, err error) {
		var at int64
		err = row.Scan(&o.ID, &o.Profile, &o.Replaces, &at, &o.Card)
		o.At = fromUnix(at)
		return o, err
	}
	return all(ctx, c.queries, scan, selectOrders)
}

type acts struct{ queries }

func scanAct(row scanner) (v careid.Act, err error) {
	var presentAt, openedAt int64
	var authentication, signing []byte
	err = row.Scan(&v.ID, &v.Kind, &v.Card, &v.Profile, &v.State, &v.Actor, &v.Role, &v.Organisation, &v.Session,
		&v.Evidence.Kind, &v.Evidence.Document, &presentAt, &v.Opened, &v.Renews, &v.Expired, &v.Locked, &v.Replaces, &openedAt,
		&authentication, &signing)
	v.PresentAt, v.OpenedAt = fromUnix(presentAt), fromUnix(openedAt)
	if len(authentication) > 0 {
		v.Requests = [][]byte{authentication, signing}
	}
	return v, err
}

// requests are the two columns of an act's requests.
func requests(v careid.Act) (authentication, signing []byte) {
	if len(v.Requests) != 2 {
		return nil, nil
	}
	return v.Requests[0], v.Requests[1]
}

func (a acts) AddAct(ctx context.Context, v careid.Act) error {
	authentication, signing := requests(v)
	return a.added(ctx, insertAct, v.ID, string(v.Kind), v.Card, v.Profile, string(v.State), v.Actor, string(v.Role), v.Organisation,
		v.Session, string(v.Evidence.Kind), v.Evidence.Document, unix(v.PresentAt), v.Opened, v.Renews, v.Expired, v.Locked, v.Replaces,
		unix(v.OpenedAt), authentication, signing)
}

func (a acts) UpdateAct(ctx context.Context, v careid.Act, from careid.ActState) (bool, error) {
	authentication, signing := requests(v)
	return a.changed(ctx, updateAct, v.ID, string(from), string(v.State), v.Actor, string(v.Role), v.Organisation, v.Session,
		string(v.Evidence.Kind), v.Evidence.Document, unix(v.PresentAt), v.Opened, v.Locked, v.Replaces, authentication, signing)
}

func (a acts) Act(ctx context.Context, id string) (careid.Act, error) {
	return one(ctx, a.queries, scanAct, selectAct+" WHERE id = $1", id)
}

func (a acts) OpenActOf(ctx context.Context, card string) (careid.Act, error) {
	return one(ctx, a.queries, scanAct, selectAct+" WHERE card = $1 AND state IN ('open', 'issued')", card)
}

func (a acts) ActsIn(ctx context.Context, state careid.ActState) ([]careid.Act, error) {
	return all(ctx, a.queries, scanAct, selectAct+" WHERE state = $1 AND state IN ('open', 'issued', 'abandoning') ORDER BY opened_at, id", string(state))
}

func (a acts) AddHandle(ctx context.Context, h careid.Handle) error {
	return a.added(ctx, insertHandle, h.Hash, h.Act, h.Bind, unix(h.At))
}

func (a acts) DropHandles(ctx context.Context, t time.Time) error {
	_, err := a.changed(ctx, "DELETE FROM careid_handle WHERE at <= $1", unix(t))
	return err
}

func (a acts) Handle(ctx context.Context, hash []byte) (careid.Handle, error) {
	scan := func(row scanner) (h careid.Handle, err error) {
		var at int64
		err = row.Scan(&h.Hash, &h.Act, &h.Bind, &at)
		h.At = fromUnix(at)
		return h, err
	}
	return one(ctx, a.queries, scan, "SELECT hash, act, bind, at FROM careid_handle WHERE hash = $1", hash)
}
