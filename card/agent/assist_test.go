// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/agent"
)

// sealed is a security officer PIN for the agent key that a request carries.
func sealed(t *testing.T, r *http.Request, soPIN string) []byte {
	var in struct {
		AgentKey []byte `json:"agentKey"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		t.Error(err)
	}
	public, err := ecdh.X25519().NewPublicKey(in.AgentKey)
	if err != nil {
		t.Error(err)
		return nil
	}
	to, err := hpke.NewDHKEMPublicKey(public)
	if err != nil {
		t.Error(err)
		return nil
	}
	text, err := hpke.Seal(to, hpke.HKDFSHA256(), hpke.AES128GCM(), []byte("wardkey/so-pin/v1"), []byte(soPIN))
	if err != nil {
		t.Error(err)
	}
	return text
}

func (d *desk) atDesk(kind agent.Kind) agent.Request {
	return agent.Request{Kind: kind, Server: d.server.URL, Handle: "h", Act: "00"}
}

// The holder changes a passcode with somebody's help: the card speaks for the act
// of the desk with the passcode that it has, and only then gets another.
func TestPasscodeAtDesk(t *testing.T) {
	d := newDesk(t, nil)
	ctx := t.Context()
	d.personalised(0)
	request := agent.Request{Kind: agent.Passcode, Server: d.server.URL, Bind: bind, Act: "00"}
	change := map[string]string{"passcode": "123456", "newPasscode": "314159", "newPasscode2": "314159"}

	d.server.refuse["answer"] = &wardkey.Refusal{Rule: "act.unknown", Status: 403, Public: "no such act"}
	task, err := d.Run(ctx, request, change)
	require.NoError(t, err)
	require.Equal(t, "act.unknown", rule(nil, task))
	delete(d.server.refuse, "answer")
	d.server.answer = map[string]any{}

	task, err = d.Run(ctx, request, change) // still with the passcode that it had
	require.NoError(t, err)
	require.Equal(t, agent.Done, task.State, d.log)
	require.Empty(t, task.Result)
	require.Len(t, d.server.proofs, 1)
	require.Equal(t, "presence", d.server.proofs[0]["purpose"])
	require.Equal(t, "00", d.server.proofs[0]["act"])
	require.Equal(t, bind, d.server.proofs[0]["bind"])
	task, err = d.Run(ctx, d.signin(), typed("314159"))
	require.NoError(t, err)
	require.Equal(t, agent.Done, task.State)

	for name, half := range map[string]agent.Request{
		"no bind":   {Kind: agent.Passcode, Server: d.server.URL, Act: "00"},
		"no act":    {Kind: agent.Passcode, Server: d.server.URL, Bind: bind},
		"no server": {Kind: agent.Passcode, Bind: bind, Act: "00"},
	} {
		_, err := d.Start(ctx, half)
		require.ErrorContains(t, err, "request.invalid", name)
	}
}

// An act of unlock names its card and no keys; the new passcode goes to nobody but
// the card.
func TestUnlockAtDesk(t *testing.T) {
	d := newDesk(t, nil)
	ctx := t.Context()
	serial := d.personalised(0)
	for range 3 {
		_, err := d.Run(ctx, agent.Request{Kind: agent.Passcode}, map[string]string{"passcode": "000000", "final": "yes", "newPasscode": "314159", "newPasscode2": "314159"})
		require.NoError(t, err)
	}
	require.Equal(t, card.PINLocked, d.pinOf(t, serial))
	view := func(card, more string) {
		d.server.says("act", `{"act":"00","kind":"unlock","card":"`+card+`","holder":"Ada Nurse"`+more+`}`)
	}
	fresh := map[string]string{"newPasscode": "314159", "newPasscode2": "314159"}
	d.server.lies("act/unlock", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"reset": "token", "candidates": []map[string]any{{"generation": 1, "sealed": sealed(t, r, "87654321")}}})
	})
	d.server.lies("reset/opened", func(w http.ResponseWriter, _ *http.Request) {
		wardkey.WriteProblem(w, &wardkey.Refusal{Rule: "reset.unknown", Status: 403, Public: "too late"})
	})

	view(serial, `,"keys":[{"use":"authentication","id":"CQ=="},{"use":"signing","id":"Cg=="}]`)
	_, err := d.Start(ctx, d.atDesk(agent.Unlock))
	require.ErrorContains(t, err, "act.invalid", "an unlock that makes keys")
	view("WK0000000000", "")
	task, err := d.Run(ctx, d.atDesk(agent.Unlock), fresh)
	require.NoError(t, err)
	require.Equal(t, "card.other", rule(nil, task))
	require.Zero(t, d.server.called("act/unlock Bearer h"))

	view(serial, "")
	opened, err := d.Start(ctx, d.atDesk(agent.Unlock))
	require.NoError(t, err)
	body := d.page(t, opened)
	require.Contains(t, body, "The holder types the new passcode")
	require.Contains(t, body, "Ada Nurse")
	require.NotContains(t, body, `name="code"`)
	task, err = d.Type(ctx, opened, map[string]string{"newPasscode": "314159", "newPasscode2": "314158"})
	require.NoError(t, err)
	require.Equal(t, "passcode.differs", rule(nil, task))
	require.Zero(t, d.server.called("act/unlock Bearer h"), "checked before anything is opened")
	task, err = d.Type(ctx, opened, fresh)
	require.NoError(t, err)
	require.Equal(t, "reset.unknown", rule(nil, task))
	require.Equal(t, 1, d.server.called("reset/opened Bearer token"))
	require.Equal(t, card.PINLocked, d.pinOf(t, serial), "the server's no leaves it locked")
}
