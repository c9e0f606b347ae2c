// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card"
	"github.com/wardkey-sdk/wardkey/card/agent"
)

// A server that is configured and lies can refuse, and can waste its own
// people's time. It can't stop the agent, spoil what other servers put on a
// card, or have it sign words.
func TestLyingServer(t *testing.T) {
	d := newDesk(t, func(c *agent.Config) {
		c.Patience = 300 * time.Millisecond
		c.HTTP = &http.Client{Timeout: 500 * time.Millisecond}
	})
	d.personalised(0)
	run := func(t *testing.T) agent.Task {
		t.Helper()
		task, err := d.Run(t.Context(), d.signin(), typed("123456"))
		require.NoError(t, err)
		return task
	}
	t.Run("threat064/a lease every so often that it overflows", func(t *testing.T) {
		for _, every := range []string{"9223372036", "9223372036854775807", "-5", "0"} {
			d.server.says("answer", `{"result":"r","presence":"p","leaseEvery":`+every+`}`)
			require.Equal(t, agent.Done, run(t).State)
		}
		d.server.lies("answer", nil)
	})
	for name, lie := range map[string]http.HandlerFunc{
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/card/v1/elsewhere", http.StatusTemporaryRedirect)
		},
		"a body without end": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, io.LimitReader(zeros{}, 64<<20)) },
		"a long nonce": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, `{"nonce":"%s"}`, strings.Repeat("A", 100<<10))
		},
		"a nonce of words": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"nonce":"I owe you a pound"}`)
		},
		"no nonce": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{}`) },
		"silence":  func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"not a refusal": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"type":"about:blank"}`)
		},
	} {
		t.Run("threat038/"+name, func(t *testing.T) {
			d.server.lies("nonce", lie)
			defer d.server.lies("nonce", nil)
			task := run(t)
			require.Equal(t, "server.unreachable", rule(nil, task))
			require.Equal(t, agent.Waiting, task.State)
			require.Zero(t, d.server.called("elsewhere "))
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// authority answers an act on a card as a server that is or isn't honest.
type authority struct {
	key     *ecdsa.PrivateKey
	issuer  *x509.Certificate
	holders [2]string
}

func (a *authority) certify(t *testing.T, w http.ResponseWriter, r *http.Request) {
	var in struct {
		CSRs [][]byte `json:"csrs"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		t.Error(err)
	}
	var out [][]byte
	for i, raw := range in.CSRs {
		csr, err := x509.ParseCertificateRequest(raw)
		if err != nil {
			t.Error(err)
			return
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 100)), Subject: pkix.Name{CommonName: "Ada Nurse", SerialNumber: a.holders[i]},
			NotBefore: time.Date(2026, 2, 5, 9, 0, 0, 0, time.UTC), NotAfter: time.Date(2029, 2, 5, 8, 59, 59, 0, time.UTC),
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}
		der, err := x509.CreateCertificate(rand.Reader, template, a.issuer, csr.PublicKey, a.key)
		if err != nil {
			t.Error(err)
			return
		}
		out = append(out, der)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"certificates": out})
}

func newAuthority(t *testing.T) *authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return &authority{key: key, issuer: &x509.Certificate{Subject: pkix.Name{CommonName: "CA"}}, holders: [2]string{"555000000001", "555000000001"}}
}

// What an act may do to a card is bounded by what its server put there.
func TestLyingAct(t *testing.T) {
	const act = "6f1d2f7c1c2f4b5d8e9fa0b1c2d3e4f5"
	for name, lie := range map[string]struct {
		act     string
		keys    string
		holders [2]string
	}{
		"ids of keys that are there": {keys: `[{"use":"authentication","id":"AQ=="},{"use":"signing","id":"Ag=="}]`},
		"one of them":                {keys: `[{"use":"authentication","id":"CQ=="},{"use":"signing","id":"AQ=="}]`},
		"the same id twice":          {keys: `[{"use":"authentication","id":"CQ=="},{"use":"signing","id":"CQ=="}]`},
		"no ids":                     {keys: `[{"use":"authentication","id":""},{"use":"signing","id":""}]`},
		"a long id":                  {keys: `[{"use":"authentication","id":"` + strings.Repeat("QUJD", 30) + `"},{"use":"signing","id":"CQ=="}]`},
		"other uses":                 {keys: `[{"use":"Ada Nurse","id":"CQ=="},{"use":"signing","id":"Cg=="}]`},
		"uses the other way round":   {keys: `[{"use":"signing","id":"CQ=="},{"use":"authentication","id":"Cg=="}]`},
		"three keys":                 {keys: `[{"use":"authentication","id":"CQ=="},{"use":"signing","id":"Cg=="},{"use":"signing","id":"Cw=="}]`},
		"an act of words":            {act: "I owe you a pound"},
		"another person's":           {holders: [2]string{"555000000002", "555000000002"}},
		"two people's":               {holders: [2]string{"555000000001", "555000000002"}},
	} {
		t.Run("threat040/"+name, func(t *testing.T) {
			d := newDesk(t, nil)
			ctx := t.Context()
			serial := d.personalised(0)
			c, err := d.module.Card(ctx, card.Selector{Serial: serial})
			require.NoError(t, err)
			before, err := c.Certificates(ctx)
			require.NoError(t, err)
			a := newAuthority(t)
			if lie.keys == "" {
				lie.keys = `[{"use":"authentication","id":"CQ=="},{"use":"signing","id":"Cg=="}]`
			}
			if lie.act == "" {
				lie.act = act
			}
			if lie.holders[0] != "" {
				a.holders = lie.holders
			}
			d.server.says("act", `{"act":"`+lie.act+`","kind":"renew","card":"`+serial+`","keys":`+lie.keys+`}`)
			d.server.lies("act/requests", func(w http.ResponseWriter, r *http.Request) { a.certify(t, w, r) })
			task, err := d.Run(ctx, agent.Request{Kind: agent.Renew, Server: d.server.URL, Handle: "h"}, typed("123456"))
			require.Contains(t, []string{"act.invalid", "act.holder"}, rule(err, task))
			require.Zero(t, d.server.called("act/confirm Bearer h"))
			after, err := c.Certificates(ctx)
			require.NoError(t, err)
			require.Equal(t, raws(before), raws(after), "nothing was written over")
		})
	}
	t.Run("the truth", func(t *testing.T) {
		d := newDesk(t, nil)
		serial := d.personalised(0)
		a := newAuthority(t)
		d.server.says("act", `{"act":"`+act+`","kind":"renew","card":"`+serial+`","keys":[{"use":"authentication","id":"CQ=="},{"use":"signing","id":"Cg=="}]}`)
		d.server.lies("act/requests", func(w http.ResponseWriter, r *http.Request) { a.certify(t, w, r) })
		task, err := d.Run(t.Context(), agent.Request{Kind: agent.Renew, Server: d.server.URL, Handle: "h"}, typed("123456"))
		require.NoError(t, err)
		require.Equal(t, agent.Done, task.State, d.log)
	})
	t.Run("another act than the page's", func(t *testing.T) {
		d := newDesk(t, nil)
		serial := d.personalised(0)
		d.server.says("act", `{"act":"`+act+`","kind":"renew","card":"`+serial+`","keys":[{"use":"authentication","id":"CQ=="},{"use":"signing","id":"Cg=="}]}`)
		task, err := d.Run(t.Context(), agent.Request{Kind: agent.Renew, Server: d.server.URL, Handle: "h", Bind: bind, Act: "00"}, typed("123456"))
		require.NoError(t, err)
		require.Equal(t, "act.kind", rule(nil, task))
		require.Zero(t, d.server.called("act/requests Bearer h"))
	})
}

func raws(certificates []card.Certificate) [][]byte {
	var all [][]byte
	for _, c := range certificates {
		all = append(all, c.X509.Raw)
	}
	return all
}

// A server whose keys are wrong, or can't be opened, costs the card one try of
// its security officer PIN at most, however often the person goes on.
func TestLyingCandidates(t *testing.T) {
	d := newDesk(t, func(c *agent.Config) { c.Patience = 300 * time.Millisecond })
	ctx := t.Context()
	serial := d.personalised(0)
	d.server.says("unlock/start", `{"request":"q","message":"m"}`)
	d.server.lies("unlock/redeem", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"reset": "token", "candidates": []map[string]any{
			{"generation": 1, "sealed": sealed(t, r, "11111111")}, {"generation": 2, "sealed": []byte("garbage")},
		}})
	})
	opened, err := d.Start(ctx, agent.Request{Kind: agent.Unlock, Server: d.server.URL, Handle: "h"})
	require.NoError(t, err)
	_, err = d.Type(ctx, opened, map[string]string{"channel": "email"})
	require.NoError(t, err)
	t.Run("threat013", func(t *testing.T) {
		task, err := d.Type(ctx, opened, map[string]string{"code": "12345678", "newPasscode": "314159", "newPasscode2": "314159"})
		require.NoError(t, err)
		for range 3 {
			task, err = d.Type(ctx, opened, map[string]string{"newPasscode": "314159", "newPasscode2": "314159"})
			require.NoError(t, err)
		}
		require.Equal(t, agent.Refused, task.State)
		c, err := d.module.Card(ctx, card.Selector{Serial: serial})
		require.NoError(t, err)
		info, err := c.Info(ctx)
		require.NoError(t, err)
		require.Equal(t, card.PINReady, info.SOPIN, "nothing was tried")
	})
}

// A candidate that was wrong is not tried again, also where the card was pulled
// before the other was tried.
func TestWrongCandidateIsDropped(t *testing.T) {
	d := newDesk(t, nil)
	c, err := d.module.Card(t.Context(), card.Selector{Serial: d.personalised(0)})
	require.NoError(t, err)
	t.Run("threat013", func(t *testing.T) {
		left, err := agent.LoginSO(t.Context(), c, "11111111", "22222222", "33333333")
		require.ErrorIs(t, err, card.ErrWrongSOPIN)
		require.Equal(t, 1, left)
		left, err = agent.LoginSO(t.Context(), c, "87654321", "11111111")
		require.ErrorIs(t, err, card.ErrSOFinalTry, "and the last try is not dared")
		require.Equal(t, 2, left)
	})
}

// What a sign-in finishes on the way never holds it up for longer than a person
// is patient.
func TestSignInBesideASilentAct(t *testing.T) {
	d := newDesk(t, func(c *agent.Config) { c.Patience = 300 * time.Millisecond })
	d.personalised(0)
	d.server.says("answer", `{"result":"r","act":"handle"}`)
	d.server.lies("act", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(5 * time.Second):
		}
	})
	began := time.Now()
	task, err := d.Run(t.Context(), d.signin(), typed("123456"))
	require.NoError(t, err)
	require.Equal(t, agent.Done, task.State)
	require.Less(t, time.Since(began), 3*time.Second)
}
