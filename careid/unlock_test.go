// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

// wrong is a code that is not the one sent.
func wrong(code string) string {
	if code[0] == '9' {
		return "0" + code[1:]
	}
	return "9" + code[1:]
}

func redeem(h *careidtest.Hospital, serial string, u *careidtest.Unlocking, code string) error {
	_, err := h.Service.RedeemUnlock(context.Background(), careid.UnlockCode{Request: u.Request, Card: serial, Code: []byte(code), AgentKey: u.Key.PublicKey().Bytes()})
	return err
}

func start(t *testing.T, h *careidtest.Hospital, p careidtest.Person) *careidtest.Unlocking {
	t.Helper()
	u, err := h.StartUnlock(context.Background(), p)
	require.NoError(t, err)
	require.Regexp(t, `^[0-9]{8}$`, u.Code)
	return u
}

func TestUnlock(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	nurse := h.Nurse

	t.Run("row052", func(t *testing.T) {
		before := signIn(t, h, nurse.Card)
		old := string(nurse.Card.SOPIN)
		u := start(t, h, nurse)
		reset, err := h.Redeem(ctx, nurse, u)
		require.NoError(t, err)
		require.Len(t, reset.Candidates, 1)
		_, err = h.Service.Session(ctx, before.Token)
		refused(t, err, "session.ended")
		_, err = h.SignIn(ctx, nurse.Card)
		refused(t, err, "unlock.unfinished")
		refused(t, h.Service.ResetConfirm(ctx, reset.Token), "reset.order")
		_, err = h.Service.ResetOpened(ctx, reset.Token, 99)
		refused(t, err, "reset.order")
		require.NoError(t, h.Reset(ctx, nurse, u, reset))
		again, err := h.Service.ResetOpened(ctx, reset.Token, reset.Candidates[0].Generation)
		require.NoError(t, err, "an agent that lost the answer asks again")
		pin, err := careidtest.OpenSOPIN(u.Key, again)
		require.NoError(t, err)
		require.Equal(t, nurse.Card.SOPIN, pin)
		require.NotEqual(t, old, string(pin))
		require.NoError(t, h.Service.ResetConfirm(ctx, reset.Token))
		require.NoError(t, h.Service.ResetConfirm(ctx, reset.Token))
		signIn(t, h, nurse.Card)
		noSecret(t, audit(t, h), u.Code, old, string(pin), reset.Token)
	})
	t.Run("row055", func(t *testing.T) {
		// The next unlock offers the new generation alone: what was, opens nothing.
		h.Clock.Add(time.Hour)
		u := start(t, h, nurse)
		reset, err := h.Redeem(ctx, nurse, u)
		require.NoError(t, err)
		require.Len(t, reset.Candidates, 1)
		pin, err := careidtest.OpenSOPIN(u.Key, reset.Candidates[0])
		require.NoError(t, err)
		require.Equal(t, nurse.Card.SOPIN, pin)
		require.NoError(t, h.Reset(ctx, nurse, u, reset))
		require.NoError(t, h.Service.ResetConfirm(ctx, reset.Token))
	})
	t.Run("threat013", func(t *testing.T) {
		// The agent dies after the server released the new generation: whether the card took it or not, one of two opens it.
		for _, took := range []bool{false, true} {
			h.Clock.Add(2 * time.Hour)
			had := append([]byte(nil), nurse.Card.SOPIN...)
			u := start(t, h, nurse)
			reset, err := h.Redeem(ctx, nurse, u)
			require.NoError(t, err)
			require.NoError(t, h.Reset(ctx, nurse, u, reset))
			if !took {
				nurse.Card.SOPIN = had
			}
			_, err = h.SignIn(ctx, nurse.Card)
			refused(t, err, "unlock.unfinished")
			h.Clock.Add(2 * time.Hour)
			u = start(t, h, nurse)
			second, err := h.Redeem(ctx, nurse, u)
			require.NoError(t, err)
			require.Len(t, second.Candidates, 2)
			refused(t, h.Service.ResetConfirm(ctx, reset.Token), "reset.unknown")
			require.NoError(t, h.Reset(ctx, nurse, u, second))
			require.NoError(t, h.Service.ResetConfirm(ctx, second.Token))
			signIn(t, h, nurse.Card)
		}
	})
	t.Run("a reset has ten minutes of the wall", func(t *testing.T) {
		h.Clock.Add(2 * time.Hour)
		u := start(t, h, nurse)
		reset, err := h.Redeem(ctx, nurse, u)
		require.NoError(t, err)
		h.Wall.Add(10 * time.Minute)
		_, err = h.Service.ResetOpened(ctx, reset.Token, reset.Candidates[0].Generation)
		refused(t, err, "reset.unknown")
	})
	t.Run("threat014", func(t *testing.T) {
		// One card's PIN opens no other, a generation's no other generation, and the master tells nothing of itself.
		master, err := careid.NewSoftwareMaster([]byte("another master secret, 32 bytes."))
		require.NoError(t, err)
		seen := map[string]bool{}
		for _, serial := range []string{"1", "11", "1\x001"} {
			for generation := range int64(20) {
				pin, err := master.SOPIN(ctx, serial, generation)
				require.NoError(t, err)
				require.Len(t, pin, 16)
				require.False(t, seen[string(pin)])
				seen[string(pin)] = true
			}
		}
		require.NotContains(t, master.String(), "secret")
	})
}

func TestUnlockCode(t *testing.T) {
	ctx := context.Background()
	t.Run("threat001", func(t *testing.T) {
		h := careidtest.New(t, careidtest.Config{})
		serial := h.Nurse.Card.Serial
		u := start(t, h, h.Nurse)
		for range 5 {
			refused(t, redeem(h, serial, u, wrong(u.Code)), "unlock.code")
		}
		rows := audited(t, h, func() { refused(t, redeem(h, serial, u, u.Code), "unlock.code") })
		require.Len(t, rows, 1)
		require.Equal(t, "refused unlock.code: too many tries of the code", rows[0].Detail)
		// Five more tries, of newer codes, and the card has had its ten: only another day or the RA helps.
		h.Clock.Add(time.Hour)
		u = start(t, h, h.Nurse)
		for range 5 {
			refused(t, redeem(h, serial, u, wrong(u.Code)), "unlock.code")
		}
		h.Clock.Add(time.Hour)
		u = start(t, h, h.Nurse)
		rows = audited(t, h, func() { refused(t, redeem(h, serial, u, u.Code), "unlock.code") })
		require.Equal(t, "refused unlock.code: too many tries of the card", rows[0].Detail)
		signIn(t, h, h.Nurse.Card) // and an unlocked card never felt any of it
		h.Clock.Add(24 * time.Hour)
		u = start(t, h, h.Nurse)
		require.NoError(t, redeem(h, serial, u, u.Code))
	})
	t.Run("threat003", func(t *testing.T) {
		h := careidtest.New(t, careidtest.Config{})
		u := start(t, h, h.Nurse)
		rows := audited(t, h, func() {
			var wait sync.WaitGroup
			for range 40 {
				wait.Go(func() { _ = redeem(h, h.Nurse.Card.Serial, u, wrong(u.Code)) })
			}
			wait.Wait()
		})
		evaluated := 0
		for _, row := range rows {
			if row.Detail == "refused unlock.code: wrong" {
				evaluated++
			}
		}
		require.Equal(t, 5, evaluated)
		require.Len(t, rows, 40)
	})
	t.Run("threat005", func(t *testing.T) {
		h := careidtest.New(t, careidtest.Config{})
		u := start(t, h, h.Nurse)
		require.NoError(t, redeem(h, h.Nurse.Card.Serial, u, u.Code))
		refused(t, redeem(h, h.Nurse.Card.Serial, u, u.Code), "unlock.code")
	})
	t.Run("threat006", func(t *testing.T) {
		h := careidtest.New(t, careidtest.Config{})
		first := start(t, h, h.Nurse)
		h.Clock.Add(time.Minute)
		newest := start(t, h, h.Nurse)
		refused(t, redeem(h, h.Nurse.Card.Serial, first, first.Code), "unlock.code")
		require.NoError(t, redeem(h, h.Nurse.Card.Serial, newest, newest.Code))
	})
	t.Run("threat007", func(t *testing.T) {
		h := careidtest.New(t, careidtest.Config{})
		mine, theirs := start(t, h, h.Nurse), start(t, h, h.Sponsor)
		swapped := *mine
		swapped.Request = theirs.Request
		refused(t, redeem(h, h.Nurse.Card.Serial, &swapped, mine.Code), "unlock.code")
		refused(t, redeem(h, h.Sponsor.Card.Serial, mine, mine.Code), "unlock.code")
		swapped.Request = "00000000000000000000000000000000"
		refused(t, redeem(h, h.Nurse.Card.Serial, &swapped, mine.Code), "unlock.code")
		// The card goes to another person, and with it none of the codes.
		later := start(t, h, h.RAManager)
		to, err := h.Enrol(ctx, "Lou", "Later")
		require.NoError(t, err)
		card := h.RAManager.Card
		_, err = h.DB.Exec("UPDATE careid_card SET profile = ? WHERE serial = ?", to.ID, card.Serial)
		require.NoError(t, err)
		refused(t, redeem(h, card.Serial, later, later.Code), "unlock.code")
		require.NoError(t, redeem(h, h.Nurse.Card.Serial, mine, mine.Code))
	})
	t.Run("row054", func(t *testing.T) {
		h := careidtest.New(t, careidtest.Config{})
		u := start(t, h, h.Nurse)
		h.Clock.Add(10*time.Minute - time.Second)
		refused(t, redeem(h, h.Nurse.Card.Serial, u, wrong(u.Code)), "unlock.code")
		h.Clock.Add(time.Second)
		rows := audited(t, h, func() { refused(t, redeem(h, h.Nurse.Card.Serial, u, u.Code), "unlock.code") })
		require.Equal(t, "refused unlock.code: late", rows[0].Detail)
		refused(t, redeem(h, h.Nurse.Card.Serial, &careidtest.Unlocking{Request: u.Request, Key: small(t)}, ""), "unlock.code")
		_, err := h.Service.RedeemUnlock(ctx, careid.UnlockCode{Request: u.Request, Card: h.Nurse.Card.Serial, AgentKey: []byte("short")})
		refused(t, err, "agent.key")
		// The page's own fifteen minutes end earlier than a code that was asked for late.
		handle, err := h.Service.OpenUnlock(ctx, []byte("c"))
		require.NoError(t, err)
		h.Clock.Add(14 * time.Minute)
		started, err := h.Service.StartUnlock(ctx, careid.UnlockStart{Handle: handle, Card: h.Nurse.Card.Serial, Channel: careid.ByText})
		require.NoError(t, err)
		message, err := h.Inbox.Last(ctx, h.Service, h.Nurse.Profile.Mobile)
		require.NoError(t, err)
		h.Clock.Add(time.Minute)
		u = &careidtest.Unlocking{Request: started.Request, Key: small(t)}
		refused(t, redeem(h, h.Nurse.Card.Serial, u, message.Code()), "unlock.code")
		_, err = h.Service.StartUnlock(ctx, careid.UnlockStart{Handle: handle, Card: h.Nurse.Card.Serial, Channel: careid.ByText})
		refused(t, err, "unlock.handle")
	})
}

func small(t *testing.T) *ecdh.PrivateKey {
	t.Helper()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	require.NoError(t, err)
	return key
}

func TestUnlockWho(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	try := func(serial string, channel careid.Channel) (*careid.UnlockStarted, error) {
		handle, err := h.Service.OpenUnlock(ctx, []byte("c"))
		require.NoError(t, err)
		return h.Service.StartUnlock(ctx, careid.UnlockStart{Handle: handle, Card: serial, Channel: channel})
	}
	t.Run("threat008", func(t *testing.T) {
		// Whoever is refused still gets a request that looks like any other, and opens nothing.
		known, err := try(h.Nurse.Card.Serial, careid.ByEmail)
		require.NoError(t, err)
		stranger, err := try("0000", careid.ByEmail)
		refused(t, err, "unlock.card")
		require.Regexp(t, `^[0-9a-f]{32}$`, known.Request)
		require.Regexp(t, `^[0-9a-f]{32}$`, stranger.Request)
		refused(t, redeem(h, "0000", &careidtest.Unlocking{Request: stranger.Request, Key: small(t)}, "12345678"), "unlock.code")
	})
	t.Run("threat009", func(t *testing.T) {
		_, err := try(h.Nurse.Card.Serial, careid.ByText)
		no := refused(t, err, "unlock.limit")
		require.Equal(t, h.Clock.Now().Add(time.Minute), no.RetryAt)
		before := len(h.Inbox.All())
		sent := 1
		for range 40 {
			h.Clock.Add(time.Minute)
			if _, err := try(h.Nurse.Card.Serial, careid.ByText); err == nil {
				sent++
			} else {
				refused(t, err, "unlock.limit")
			}
		}
		require.Equal(t, 5, sent)
		require.NoError(t, h.Service.Drain(ctx))
		require.Equal(t, 4, len(h.Inbox.All())-before)
	})
	t.Run("row053", func(t *testing.T) {
		person, err := h.Admit(ctx, "Noel", "Quiet")
		require.NoError(t, err)
		agent := actor(t, h, h.RAAgent, careid.RAAgent)
		require.NoError(t, h.Service.SetContact(ctx, agent, person.Profile.ID, careid.Contact{}))
		_, err = try(person.Card.Serial, careid.ByEmail)
		no := refused(t, err, "contact.none")
		require.Contains(t, no.Next[0], "Registration Authority")
		require.Equal(t, "ra-agent", no.Fixer)
		require.NoError(t, h.Service.SetContact(ctx, agent, person.Profile.ID, careid.Contact{Mobile: "+44 7700 900999"}))
		_, err = try(person.Card.Serial, careid.ByEmail)
		refused(t, err, "contact.none")
		_, err = try(person.Card.Serial, careid.ByText)
		require.NoError(t, err)
	})
	t.Run("row060", func(t *testing.T) {
		person, err := h.Admit(ctx, "Nina", "Silent")
		require.NoError(t, err)
		require.NoError(t, h.Service.SetContact(ctx, actor(t, h, h.RAAgent, careid.RAAgent), person.Profile.ID, careid.Contact{}))
		_, err = try(person.Card.Serial, careid.ByText)
		no := refused(t, err, "contact.none")
		require.Contains(t, no.Next[0], "Registration Authority")
		for _, step := range no.Next {
			require.NotRegexp(t, "(?i)help ?desk", step)
		}
	})
	t.Run("threat012", func(t *testing.T) {
		person, err := h.Admit(ctx, "Omar", "Gone")
		require.NoError(t, err)
		u := start(t, h, person)
		agent := actor(t, h, h.RAAgent, careid.RAAgent)
		require.NoError(t, h.Service.CancelCard(ctx, agent, person.Card.Serial))
		refused(t, redeem(h, person.Card.Serial, u, u.Code), "unlock.code")
		_, err = try(person.Card.Serial, careid.ByText)
		refused(t, err, "card.cancelled")
		card, err := h.Issue(ctx, person.Profile.ID, "")
		require.NoError(t, err)
		_, err = h.Service.ReportLost(ctx, agent, card.Serial)
		require.NoError(t, err)
		_, err = try(card.Serial, careid.ByText)
		refused(t, err, "card.lost")
	})
	t.Run("row058", func(t *testing.T) {
		// Locked by a reset that was never finished, and past its end: told that it has ended.
		h.Clock.Add(time.Hour)
		u := start(t, h, h.Nurse)
		require.NoError(t, redeem(h, h.Nurse.Card.Serial, u, u.Code))
		h.Clock.Set(h.Nurse.Card.Certificates[0].NotAfter.Add(time.Second))
		_, err := try(h.Nurse.Card.Serial, careid.ByEmail)
		no := refused(t, err, "cert.expired")
		require.True(t, no.InPerson)
		_, err = h.Answer(ctx, h.Nurse.Card, careidtest.Claims{Bind: "c"})
		refused(t, err, "cert.expired")
	})
}
