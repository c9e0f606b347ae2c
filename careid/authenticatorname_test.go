// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

func TestRenameAuthenticator(t *testing.T) {
	ctx := t.Context()
	h := careidtest.New(t, careidtest.Config{})
	key := register(t, h, h.Nurse, careid.KindSecurityKey, "key")
	mail := register(t, h, h.Nurse, careid.KindMailAccount, "asha.patel@nhs.net")
	app := registerApp(t, h, h.Nurse)
	nurse := actor(t, h, h.Nurse, careid.Holder)
	name := func() string {
		owned, err := h.Service.Authenticators(ctx, actor(t, h, h.Nurse, careid.Holder), h.Nurse.Profile.ID)
		require.NoError(t, err)
		i := slices.IndexFunc(owned, func(one careid.Authenticator) bool { return one.ID == key })
		require.GreaterOrEqual(t, i, 0)
		return owned[i].Name
	}
	rows := audited(t, h, func() { require.NoError(t, h.Service.RenameAuthenticator(ctx, nurse, key, "Rote Kö 5")) })
	require.Equal(t, "Rote Kö 5", name())
	require.Len(t, rows, 1)
	require.Equal(t, careid.AuditEntry{
		Seq: rows[0].Seq, At: h.Clock.Now(), Actor: h.Nurse.Profile.ID, Action: "rename authenticator", Subject: key,
		Detail: "security-key " + key + " of " + h.Nurse.Profile.ID,
	}, rows[0], "which, and not what it is called")
	require.NoError(t, h.Service.RenameAuthenticator(ctx, nurse, key, strings.Repeat("ü", 64)))
	for _, bad := range []string{" a", "a\nb", "\u202e", string([]byte{0xff}), strings.Repeat("ü", 65)} {
		refused(t, h.Service.RenameAuthenticator(ctx, nurse, key, bad), "authenticator.name")
	}
	require.Equal(t, strings.Repeat("ü", 64), name(), "a refusal changes nothing")
	require.NoError(t, h.Service.RenameAuthenticator(ctx, nurse, key, ""))
	require.Equal(t, "Security key, such as a YubiKey", name(), "its kind's own")

	t.Run("threat063", func(t *testing.T) {
		other := actor(t, h, h.Sponsor, careid.Sponsor)
		refused(t, h.Service.RenameAuthenticator(ctx, other, key, "Mine"), "role.action")
		stranger := actor(t, h, h.Sponsor, careid.Holder)
		no := refused(t, h.Service.RenameAuthenticator(ctx, stranger, key, "Mine"), "org.scope")
		missing := refused(t, h.Service.RenameAuthenticator(ctx, stranger, "ffff", "Mine"), "org.scope")
		require.Equal(t, missing.Public, no.Public, "it is not told that there is one")
		require.NoError(t, h.Service.RenameAuthenticator(ctx, actor(t, h, h.RAAgent, careid.RAAgent), key, "Of the ward"))
	})
	t.Run("threat061", func(t *testing.T) { // who has the weaker one alone does not have the strong one mistaken for another
		in, err := h.Service.SignInWith(ctx, careid.Use{Authenticator: mail}, app.Use())
		require.NoError(t, err)
		refused(t, h.Service.RenameAuthenticator(ctx, holder(t, h, in.Token), key, "Old one"), "signin.weaker")
		stale := actor(t, h, h.Nurse, careid.Holder)
		h.Clock.Add(5*time.Minute + time.Second)
		refused(t, h.Service.RenameAuthenticator(ctx, stale, key, "Old one"), "session.stale")
		require.Equal(t, "Of the ward", name())
	})
	nurse = actor(t, h, h.Nurse, careid.Holder)
	require.NoError(t, h.Service.RemoveAuthenticator(ctx, nurse, key))
	refused(t, h.Service.RenameAuthenticator(ctx, nurse, key, "Again"), "authenticator.none")

	t.Run("its holder reads of it", func(t *testing.T) {
		events, err := h.Service.OwnEvents(ctx, nurse, 0, 200)
		require.NoError(t, err)
		var texts []string
		for _, e := range events {
			texts = append(texts, e.Text)
			require.NotContains(t, e.Text, key)
		}
		for _, want := range []string{
			"A way to sign in taken off your profile.", "A way to sign in on your profile renamed.", "Sign-in without your card.",
			"A way to sign in on your profile renamed. Another member of staff did it.", "A way to sign in on your profile renamed: refused.",
			"A way to sign in on your profile confirmed.", "A way to sign in added to your profile.",
		} {
			require.Contains(t, texts, want)
		}
	})
}

// Of a person's user handle the first proposal stays.
func TestUserHandle(t *testing.T) {
	ctx := t.Context()
	h := careidtest.New(t, careidtest.Config{})
	first, err := h.Service.UserHandle(ctx, h.Nurse.Profile.ID, []byte("first"))
	require.NoError(t, err)
	require.Equal(t, []byte("first"), first)
	again, err := h.Service.UserHandle(ctx, h.Nurse.Profile.ID, []byte("second"))
	require.NoError(t, err)
	require.Equal(t, first, again)
	for _, bad := range [][]byte{nil, bytes.Repeat([]byte{1}, 65)} {
		_, err = h.Service.UserHandle(ctx, h.Nurse.Profile.ID, bad)
		require.ErrorContains(t, err, "1 to 64")
	}
	_, err = h.Service.UserHandle(ctx, "000000000000", []byte("of nobody"))
	require.Error(t, err)
}
