// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

// broken is a Sender that never delivers, and says so.
type broken struct{ sent chan string }

func (b broken) Send(_ context.Context, _, _, _, body string) error {
	b.sent <- body
	return errors.New("the relay is down")
}

func TestSecrets(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	h := careidtest.New(t, careidtest.Config{Dir: dir})
	var log bytes.Buffer
	var secrets []string
	inbox := broken{make(chan string, 10)}

	t.Run("threat014", func(t *testing.T) {
		c := h.Config
		c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		c.Sender = inbox
		service, err := careid.New(c)
		require.NoError(t, err)
		h.Service = service

		in := signIn(t, h, h.Nurse.Card)
		handle, err := service.OpenUnlock(ctx, []byte("kiosk"))
		require.NoError(t, err)
		started, err := service.StartUnlock(ctx, careid.UnlockStart{Handle: handle, Card: h.Nurse.Card.Serial, Channel: careid.ByEmail})
		require.NoError(t, err)
		code := careidtest.Message{Body: <-inbox.sent}.Code()
		u := &careidtest.Unlocking{Request: started.Request, Code: code, Key: small(t)}
		said := redeem(h, h.Nurse.Card.Serial, u, wrong(code))
		reset, err := h.Redeem(ctx, h.Nurse, u)
		require.NoError(t, err)
		before := string(h.Nurse.Card.SOPIN)
		require.NoError(t, h.Reset(ctx, h.Nurse, u, reset))
		require.NoError(t, service.ResetConfirm(ctx, reset.Token))
		_, err = service.Invite(ctx, actor(t, h, h.Sponsor, careid.Sponsor), careid.Invitation{Given: "A", Family: "B", Email: "a@nhs.net"})
		require.NoError(t, err)
		invitation := careidtest.Message{Body: <-inbox.sent}.Token()
		require.NoError(t, service.Drain(ctx))
		require.Contains(t, log.String(), "message lost")

		secrets = []string{in.Token, in.Presence, handle, code, wrong(code), reset.Token, before, string(h.Nurse.Card.SOPIN), invitation, "a master secret for tests"}
		kept := log.Bytes()
		for _, name := range []string{"care.db", "care.db-wal"} {
			raw, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			kept = append(kept, raw...)
		}
		kept = fmt.Append(kept, said, h.Config.CardMaster)
		kept = fmt.Appendf(kept, "%#v", h.Config.CardMaster)
		for i, secret := range secrets {
			for _, form := range []string{secret, hex.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret))} {
				require.False(t, bytes.Contains(kept, []byte(form)), "secret %d is in log, database or error", i)
			}
		}
	})
}

func TestQueue(t *testing.T) {
	// When nobody takes messages, the queue's bound holds and requests still end.
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	c := h.Config
	inbox := broken{make(chan string)}
	c.Sender, c.Queue = inbox, 2
	var lost atomic.Int64
	c.Observe = func(_ context.Context, e careid.Event) {
		if e.Name == careid.EventMessageLost {
			lost.Add(1)
		}
	}
	service, err := careid.New(c)
	require.NoError(t, err)
	for range 5 {
		h.Clock.Add(20 * time.Minute)
		handle, err := service.OpenUnlock(ctx, []byte("kiosk"))
		require.NoError(t, err)
		_, err = service.StartUnlock(ctx, careid.UnlockStart{Handle: handle, Card: h.Nurse.Card.Serial, Channel: careid.ByText})
		require.NoError(t, err)
	}
	require.Equal(t, int64(3), lost.Load())
	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, service.Drain(short), context.DeadlineExceeded)
	<-inbox.sent
	<-inbox.sent
}

func TestRepair(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	in := signIn(t, h, h.RAAgent.Card)
	agent, err := h.Service.Actor(ctx, in.Token, careid.RAAgent, careidtest.Organisation)
	require.NoError(t, err)
	act, err := h.Service.OpenAct(ctx, agent, careid.ActRequest{Kind: careid.Repair, Card: h.Nurse.Card.Serial, Evidence: careid.Evidence{Kind: careid.ByCard}})
	require.NoError(t, err)
	_, err = h.Answer(ctx, h.Nurse.Card, careidtest.Claims{Purpose: careid.Presence, Act: act.ID, Bind: in.Token})
	require.NoError(t, err)
	old := *h.Nurse.Card
	require.NoError(t, h.Personalise(ctx, h.Nurse.Card, act.Handle))
	signIn(t, h, h.Nurse.Card)
	_, err = h.SignIn(ctx, &old)
	refused(t, err, "cert.superseded")
}
