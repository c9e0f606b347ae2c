// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package agent_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/agent"
)

// Somebody is signed in with the card in reader 0. The card in reader 1 is another
// person's, for what an act names and nothing else.
func TestGuestsCard(t *testing.T) {
	d := newDesk(t, nil)
	ctx := t.Context()
	hers := d.personalised(0)
	task, err := d.Run(ctx, d.signin(), typed("123456"))
	require.NoError(t, err)
	require.Equal(t, agent.Done, task.State)
	guest := d.personalised(1)
	at := func(r agent.Request) agent.Request { reader := 1; r.Reader = &reader; return r }
	signed := len(d.server.proofs)

	t.Run("threat039", func(t *testing.T) {
		change := map[string]string{"passcode": "123456", "newPasscode": "314159", "newPasscode2": "314159"}
		for name, c := range map[string]struct {
			request agent.Request
			form    map[string]string
		}{
			"sign in":  {d.signin(), typed("123456")},
			"step up":  {agent.Request{Kind: agent.StepUp, Server: d.server.URL, Bind: bind}, typed("123456")},
			"renew":    {agent.Request{Kind: agent.Renew, Server: d.server.URL, Handle: "h", Bind: bind, Act: "00"}, typed("123456")},
			"passcode": {agent.Request{Kind: agent.Passcode}, change},
			"unlock":   {agent.Request{Kind: agent.Unlock, Server: d.server.URL, Handle: "h"}, map[string]string{"channel": "email"}},
		} {
			task, err := d.Run(ctx, at(c.request), c.form)
			require.NoError(t, err)
			require.Equal(t, "session.busy", rule(nil, task), name)
		}
		require.Len(t, d.server.proofs, signed)
		require.Equal(t, card.PINReady, d.pinOf(t, guest), "no passcode was sent to it")
	})
	t.Run("each card has a login of its own", func(t *testing.T) {
		// What the module itself says of the two, while the guest's card is at work.
		states := map[string]uint{}
		d.server.lies("nonce", func(w http.ResponseWriter, _ *http.Request) {
			states = sessionStates(t, d.tray.Module())
			_, _ = w.Write([]byte(`{"nonce":"` + nonce + `"}`))
		})
		defer d.server.lies("nonce", nil)
		task, err := d.Run(ctx, agent.Request{Kind: agent.Presence, Server: d.server.URL, Bind: bind, Act: "00"}, typed("123456"))
		require.NoError(t, err)
		require.Equal(t, agent.Done, task.State, d.log)
		require.Empty(t, task.Result, "a presence earns no session, though this server gives one")
		require.Equal(t, map[string]uint{hers: pkcs11.CKS_RO_PUBLIC_SESSION, guest: pkcs11.CKS_RO_USER_FUNCTIONS}, states)
		require.Equal(t, map[string]uint{hers: pkcs11.CKS_RO_PUBLIC_SESSION, guest: pkcs11.CKS_RO_PUBLIC_SESSION}, sessionStates(t, d.tray.Module()), "and out again")
	})
	t.Run("its leaving ends nothing", func(t *testing.T) {
		require.NoError(t, d.tray.Remove(1))
		before := d.server.called("lease Bearer presence-token")
		require.Eventually(t, func() bool { return d.server.called("lease Bearer presence-token") > before+1 }, patience, 20*time.Millisecond)
		require.Zero(t, d.server.called("removed Bearer presence-token"))
		s, err := d.Status(ctx)
		require.NoError(t, err)
		require.True(t, s.Readers[0].SignedIn)
	})
}

// sessionStates opens a session on each card, as any other part of this process
// might, and is what the module says of it.
func sessionStates(t *testing.T, path string) map[string]uint {
	states := map[string]uint{}
	raw := pkcs11.New(path)
	slots, err := raw.GetSlotList(true)
	if err != nil {
		t.Error(err)
	}
	for _, slot := range slots {
		token, err := raw.GetTokenInfo(slot)
		if err != nil {
			t.Error(err)
		}
		session, err := raw.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION)
		if err != nil {
			t.Error(err)
			continue
		}
		info, err := raw.GetSessionInfo(session)
		if err != nil {
			t.Error(err)
		}
		states[token.SerialNumber] = info.State
		if err := raw.CloseSession(session); err != nil {
			t.Error(err)
		}
	}
	return states
}

// Half a key pair lies under the act's id, as a card that was pulled in the middle
// may leave it: nothing is made beside it, and the person hears what to do.
func TestHalfAPair(t *testing.T) {
	d := newDesk(t, nil)
	ctx := t.Context()
	serial := d.personalised(0)
	c, err := d.module.Card(ctx, card.Selector{Serial: serial})
	require.NoError(t, err)
	require.NoError(t, c.Login(ctx, []byte("123456"), card.LoginOptions{}))
	_, err = c.GenerateKey(ctx, card.KeySpec{ID: []byte{9}, Algorithm: card.P256})
	require.NoError(t, err)
	losePublicKey(t, d.tray.Module(), []byte{9})
	require.NoError(t, c.Logout(ctx))

	const act = "6f1d2f7c1c2f4b5d8e9fa0b1c2d3e4f5"
	d.server.says("act", `{"act":"`+act+`","kind":"renew","card":"`+serial+`","keys":[{"use":"authentication","id":"CQ=="},{"use":"signing","id":"Cg=="}]}`)
	task, err := d.Run(ctx, agent.Request{Kind: agent.Renew, Server: d.server.URL, Handle: "h"}, typed("123456"))
	require.NoError(t, err)
	require.Equal(t, "act.unfinishable", rule(nil, task), d.log)
	require.Zero(t, d.server.called("act/requests Bearer h"))
	task, err = d.Run(ctx, d.signin(), typed("123456"))
	require.NoError(t, err)
	require.Equal(t, agent.Done, task.State, "the pair that it had still signs in")
}

// losePublicKey deletes the public half of a pair on the one card that there is.
func losePublicKey(t *testing.T, path string, id []byte) {
	t.Helper()
	raw := pkcs11.New(path)
	slots, err := raw.GetSlotList(true)
	require.NoError(t, err)
	session, err := raw.OpenSession(slots[0], pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	require.NoError(t, err)
	defer func() { require.NoError(t, raw.CloseSession(session)) }()
	require.NoError(t, raw.FindObjectsInit(session, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PUBLIC_KEY), pkcs11.NewAttribute(pkcs11.CKA_ID, id),
	}))
	found, _, err := raw.FindObjects(session, 2)
	require.NoError(t, err)
	require.NoError(t, raw.FindObjectsFinal(session))
	require.Len(t, found, 1)
	require.NoError(t, raw.DestroyObject(session, found[0]))
}
