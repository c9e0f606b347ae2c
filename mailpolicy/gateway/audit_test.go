// SPDX-License-Identifier: Apache-2.0

package gateway_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/mailpolicy/gateway"
)

// acts are the rows of the audit, without what differs from run to run.
func (r *relay) acts(after int64) (acts []string, rows []gateway.PickupRow) {
	r.t.Helper()
	rows, err := r.gateway.PickupAudit(r.t.Context(), after)
	require.NoError(r.t, err)
	for _, row := range rows {
		acts = append(acts, strings.TrimSpace(row.Actor+" "+strings.TrimPrefix(row.Action, "mail.pickup.")+" "+row.Detail))
	}
	return acts, rows
}

// Who opened which message when can be shown, and a row that was changed is found.
func TestPickupAudit(t *testing.T) {
	var clock relay
	with, dir, db := database(t, &clock, "")
	r := startPickup(t, with)
	link := r.parked(mailTo("[secure] Mrs Jones", aunt))
	p := newPerson(t)
	_, _, _ = p.get(link)
	passcode := r.ask(p, link)
	p.try(link, wrongOf(passcode))
	status, _ := p.try(link, passcode)
	require.Equal(t, 200, status)
	_, _, _ = p.get(link + "/message")

	acts, rows := r.acts(0)
	require.Equal(t, []string{"sender parked", "link asked passcode 1", "link tried passcode 1, try 1", "link tried passcode 1, try 2", "mailbox opened passcode 1"}, acts)
	require.Equal(t, "home@nhs.net", rows[0].From)
	require.Equal(t, aunt, rows[0].To)
	require.Equal(t, "1@nhs.net", rows[0].MessageID)
	for i, row := range rows {
		require.Equal(t, rows[0].Parcel, row.Parcel)
		require.Equal(t, int64(i+1), row.Seq)
		require.WithinDuration(t, time.Now(), row.At, time.Minute)
	}
	n, err := r.gateway.VerifyAudit(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(5), n)
	acts, _ = r.acts(4)
	require.Equal(t, []string{"mailbox opened passcode 1"}, acts)
	requireNothingInClear(t, dir)
	require.NotContains(t, r.log.String(), rows[0].Parcel, "the id is half of the link")

	// The names are the key's; that it happened is anyone's to see.
	other := r.config
	other.Store = r.config.Store
	_, err = db.Exec("DELETE FROM mailgate_copy")
	require.NoError(t, err)
	r.end()
	other.Key = []byte(strings.Repeat("k", 32))
	r.gateway, err = gateway.New(other)
	require.NoError(t, err)
	acts, rows = r.acts(0)
	require.Len(t, acts, 5)
	require.Empty(t, rows[0].To)

	_, err = db.Exec("UPDATE mailgate_audit SET detail = 'passcode 1, try 1' WHERE seq = 4")
	require.NoError(t, err)
	_, err = r.gateway.VerifyAudit(t.Context())
	require.ErrorContains(t, err, "row 4")
}

// What ends unread, and what nobody could be told of, is in the audit too.
func TestPickupAuditOfEnds(t *testing.T) {
	r := startPickup(t, nil)
	p := newPerson(t)
	read := r.parked(mailTo("[secure] x", aunt))
	p.try(read, r.ask(p, read))
	r.turn(time.Hour)
	r.parked(mailTo("[secure] x", aunt))
	r.turn(14*24*time.Hour + time.Second)
	_, err := r.gateway.Due(t.Context())
	require.NoError(t, err)
	r.refuse(map[string]int{aunt: 550}, false)
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{aunt}, mailTo("[secure] x", aunt)))
	r.mails()
	acts, rows := r.acts(4)
	require.Equal(t, []string{"sender parked", "calendar expired read", "calendar expired unread", "sender parked", "gateway undelivered"}, acts)
	require.Equal(t, rows[0].Parcel, rows[2].Parcel)

	// A link that is still on its way when its message ends has nothing more to end.
	r.refuse(map[string]int{aunt: 450}, false)
	deferred, delivered, before := r.count(gateway.EventDeferred), r.count(gateway.EventDelivered), r.inbox.Mails()
	require.Regexp(t, "^250", r.send("home@nhs.net", []string{aunt}, mailTo("[secure] x", aunt)))
	r.await(gateway.EventDeferred, deferred+1)
	r.turn(14*24*time.Hour + time.Second)
	_, err = r.gateway.Due(t.Context())
	require.NoError(t, err)
	r.await(gateway.EventDelivered, delivered+1)
	r.refuse(map[string]int{aunt: 550}, false)
	r.wait(time.Hour)
	require.Len(t, r.mails(before...), 1, "one report")
	acts, _ = r.acts(9)
	require.Equal(t, []string{"sender parked", "calendar expired unread"}, acts)
	_, err = r.gateway.VerifyAudit(t.Context())
	require.NoError(t, err)
}

// Nobody fills the audit with links that are none, or with tries that are not
// looked at.
func TestPickupAuditIsNotFilled(t *testing.T) {
	r := startPickup(t, nil)
	link := r.parked(mailTo("[secure] x", aunt))
	p := newPerson(t)
	passcode := r.ask(p, link)
	for range 20 {
		p.try(link, wrongOf(passcode))
		p.try(link[:len(link)-2]+"AA", passcode)
		_, _ = p.post(link+"/passcode", nil)
	}
	acts, _ := r.acts(0)
	require.Len(t, acts, 2+5)
}
