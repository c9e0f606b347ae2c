// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

// holder makes an actor of a session.
func holder(t *testing.T, h *careidtest.Hospital, token string) careid.Actor {
	t.Helper()
	a, err := h.Service.Actor(t.Context(), token, careid.Holder, "")
	require.NoError(t, err)
	return a
}

func register(t *testing.T, h *careidtest.Hospital, p careidtest.Person, kind careid.AuthenticatorKind, credential string) string {
	t.Helper()
	id, err := h.Register(t.Context(), p, kind, credential)
	require.NoError(t, err)
	return id
}

// registerApp leaves the app with a code that was not used yet.
func registerApp(t *testing.T, h *careidtest.Hospital, p careidtest.Person) *careidtest.App {
	t.Helper()
	app, err := h.RegisterApp(t.Context(), p)
	require.NoError(t, err)
	h.Clock.Add(30 * time.Second)
	return app
}

func TestSignInWith(t *testing.T) {
	ctx := t.Context()
	h := careidtest.New(t, careidtest.Config{})
	key := register(t, h, h.Nurse, careid.KindSecurityKey, "credential of a key")
	mail := register(t, h, h.Nurse, careid.KindMailAccount, "Asha.Patel@NHS.net")
	app := registerApp(t, h, h.Nurse)
	with := func(uses ...careid.Use) *careid.SignedIn {
		t.Helper()
		in, err := h.Service.SignInWith(ctx, uses...)
		require.NoError(t, err)
		return in
	}
	t.Run("row001", func(t *testing.T) {
		p, err := h.Enrol(ctx, "No", "Card")
		require.NoError(t, err)
		agent := actor(t, h, h.RAAgent, careid.RAAgent)
		first, err := h.Service.RegisterAuthenticator(ctx, agent, careid.NewAuthenticator{Profile: p.ID, Kind: careid.KindSecurityKey, Credential: []byte("of no card")})
		require.NoError(t, err)
		use := careid.Use{Authenticator: first.Authenticator.ID, Verified: careid.Yes}
		in := with(use)
		require.Equal(t, "AAL3_ANY", in.Session.ACR)
		require.Equal(t, []string{"FIDO2"}, in.Session.AMR)
		require.Equal(t, p.ID, in.Session.Profile)
		require.Empty(t, in.Session.Card)
		session, err := h.Service.Session(ctx, in.Token)
		require.NoError(t, err)
		require.Equal(t, in.Session, *session)
		for _, verified := range []careid.Known{careid.No, careid.Unknown, "sure"} {
			use.Verified = verified
			_, err = h.Service.SignInWith(ctx, use)
			refused(t, err, "signin.weak")
		}
	})
	t.Run("row111", func(t *testing.T) {
		ipad := register(t, h, h.Nurse, careid.KindIPad, "an iPad")
		in := with(careid.Use{Authenticator: ipad, Verified: careid.Yes})
		require.Equal(t, careid.AAL(3), in.Session.AAL)
		require.Equal(t, []string{"IOS"}, in.Session.AMR)
		_, err := h.Service.SignInWith(ctx, careid.Use{Authenticator: ipad})
		refused(t, err, "signin.weak")
	})
	t.Run("row117", func(t *testing.T) {
		in := with(careid.Use{Authenticator: key, Verified: careid.Yes})
		level, factors, err := careid.Assurance(builtIn(t), in.Session.Used, h.Clock.Now())
		require.NoError(t, err)
		require.Equal(t, []careid.Factor{careid.FactorHas, careid.FactorKnowsOrIs}, factors)
		require.Equal(t, careid.AAL(3), level)
	})
	t.Run("row116", func(t *testing.T) {
		_, err := careid.Reach(builtIn(t), careid.Visit{Service: careid.CIM, With: careid.KindAuthenticatorApp}, careid.Workstation{Network: careid.NetworkInternet}, h.Clock.Now())
		require.NoError(t, err)
		in := with(careid.Use{Authenticator: mail}, app.Use())
		require.Equal(t, "AAL2_ANY", in.Session.ACR, "no lease, no card: a password and a code, from anywhere")
		require.Equal(t, []string{"NHSMAIL", "TOTP"}, in.Session.AMR)
		h.Clock.Add(8*time.Hour - time.Second)
		_, err = h.Service.Session(ctx, in.Token)
		require.NoError(t, err)
		h.Clock.Add(time.Second)
		_, err = h.Service.Session(ctx, in.Token)
		refused(t, err, "session.ended")
	})
	t.Run("row074", func(t *testing.T) {
		owned, err := h.Service.Authenticators(ctx, actor(t, h, h.Nurse, careid.Holder), h.Nurse.Profile.ID)
		require.NoError(t, err)
		var has []careid.AuthenticatorKind
		for _, one := range owned {
			has = append(has, one.Kind)
		}
		_, err = careid.Reach(builtIn(t), careid.Visit{Service: careid.CIM, Registered: has}, careid.Workstation{Network: careid.NetworkInternet}, h.Clock.Now())
		no := refused(t, err, "network.card")
		require.Equal(t, "Sign in with what you have registered, over the internet: iPad, Security key, such as a YubiKey, Microsoft Authenticator or NHS.net Connect.", no.Next[0])
	})
	t.Run("row113", func(t *testing.T) {
		use := func(counter uint32) careid.Use {
			return careid.Use{Authenticator: key, Verified: careid.Yes, Counter: counter}
		}
		with(use(7))
		for _, counter := range []uint32{7, 6, 0} {
			rows := audited(t, h, func() {
				_, err := h.Service.SignInWith(ctx, use(counter))
				require.Equal(t, "ra-agent", refused(t, err, "authenticator.copied").Fixer)
			})
			require.Len(t, rows, 1)
			require.Equal(t, "refused authenticator.copied", rows[0].Detail)
			require.Equal(t, []string{h.Nurse.Profile.ID, key}, []string{rows[0].Actor, rows[0].Subject})
		}
		with(use(8))
	})
	t.Run("threat060", func(t *testing.T) {
		// The credential of one person registered to another, and what is said about it.
		agent := actor(t, h, h.RAAgent, careid.RAAgent)
		_, err := h.Service.RegisterAuthenticator(ctx, agent, careid.NewAuthenticator{Profile: h.Sponsor.Profile.ID, Kind: careid.KindSecurityKey, Credential: []byte("credential of a key")})
		refused(t, err, "authenticator.taken")
		// What two people have does not sign one in, nor does one thing twice.
		sponsors := register(t, h, h.Sponsor, careid.KindMailAccount, "maya@nhs.net")
		for _, uses := range [][]careid.Use{
			{{Authenticator: sponsors}, app.Use()},
			{{Authenticator: mail}, {Authenticator: mail}},
			{{Authenticator: "nobody's"}},
			{},
		} {
			_, err := h.Service.SignInWith(ctx, uses...)
			refused(t, err, "authenticator.none")
		}
		beside, err := h.Service.AuthenticatorsBeside(ctx, []byte("asha.patel@nhs.net"))
		require.NoError(t, err)
		require.Len(t, beside, 4)
		_, err = h.Service.AuthenticatorsBeside(ctx, []byte("nobody"))
		refused(t, err, "authenticator.none")
	})
	t.Run("step up", func(t *testing.T) {
		h.Clock.Add(time.Minute)
		weak := with(careid.Use{Authenticator: mail}, app.Use())
		h.Clock.Add(time.Hour)
		strong, err := h.Service.StepUpWith(ctx, weak.Token, careid.Use{Authenticator: key, Verified: careid.Yes, Counter: 100})
		require.NoError(t, err)
		require.Equal(t, careid.AAL(3), strong.Session.AAL)
		require.Equal(t, weak.Session.ExpiresAt, strong.Session.ExpiresAt)
		require.Equal(t, weak.Session.AuthTime.Add(time.Hour), strong.Session.AuthTime)
		_, err = h.Service.Session(ctx, weak.Token)
		refused(t, err, "session.ended")
		_, err = h.Service.StepUpWith(ctx, strong.Token, careid.Use{Authenticator: mail}, app.Use())
		refused(t, err, "signin.weaker")
		_, err = h.Service.StepUpWith(ctx, signIn(t, h, h.Nurse.Card).Token, careid.Use{Authenticator: key, Verified: careid.Yes, Counter: 101})
		refused(t, err, "proof.purpose")
		_, err = h.Service.StepUpWith(ctx, "no session", careid.Use{Authenticator: key, Verified: careid.Yes, Counter: 102})
		refused(t, err, "session.none")
	})
	t.Run("row118", func(t *testing.T) {
		h.Clock.Set(h.Nurse.Card.Certificates[0].NotAfter.Add(-time.Hour))
		require.Len(t, signIn(t, h, h.Nurse.Card).Alerts, 1)
		require.Empty(t, with(careid.Use{Authenticator: key, Verified: careid.Yes, Counter: 150}).Alerts)
		require.Empty(t, with(careid.Use{Authenticator: mail}, app.Use()).Alerts)
	})
	t.Run("a profile that is closed", func(t *testing.T) {
		in := with(careid.Use{Authenticator: key, Verified: careid.Yes, Counter: 200})
		require.NoError(t, h.Service.CloseProfile(ctx, actor(t, h, h.RAManager, careid.RAManager), h.Nurse.Profile.ID))
		_, err := h.Service.Session(ctx, in.Token)
		refused(t, err, "session.ended")
		_, err = h.Service.SignInWith(ctx, careid.Use{Authenticator: key, Verified: careid.Yes, Counter: 201})
		refused(t, err, "authenticator.none")
		owned, err := h.Service.Authenticators(ctx, actor(t, h, h.RAManager, careid.RAManager), h.Nurse.Profile.ID)
		require.NoError(t, err)
		for _, one := range owned {
			require.Equal(t, careid.AuthenticatorRemoved, one.State)
			require.Empty(t, one.Credential)
		}
	})
}

func TestRegister(t *testing.T) {
	ctx := t.Context()
	h := careidtest.New(t, careidtest.Config{})
	nurse := func() careid.Actor { return actor(t, h, h.Nurse, careid.Holder) }
	ask := func(a careid.Actor, kind careid.AuthenticatorKind, credential string) error {
		_, err := h.Service.RegisterAuthenticator(ctx, a, careid.NewAuthenticator{Profile: h.Nurse.Profile.ID, Kind: kind, Credential: []byte(credential)})
		return err
	}
	t.Run("row110", func(t *testing.T) {
		no := refused(t, ask(careid.Actor{}, careid.KindSecurityKey, "first ever"), "authenticator.first")
		require.Equal(t, "ra-agent", no.Fixer)
		rows := audited(t, h, func() { require.NoError(t, ask(nurse(), careid.KindSecurityKey, "after a sign-in")) })
		require.Equal(t, "register authenticator", rows[len(rows)-1].Action)
		message, err := h.Inbox.Last(ctx, h.Service, h.Nurse.Profile.Email)
		require.NoError(t, err)
		require.Contains(t, message.Body, "was added to your Care Identity profile")
		for _, other := range []careid.Actor{actor(t, h, h.Sponsor, careid.Sponsor), actor(t, h, h.Sponsor, careid.Holder), careid.Operator("page")} {
			err := ask(other, careid.KindSecurityKey, "not by these")
			require.NotEmpty(t, wardkey.RuleOf(err))
		}
		owned, err := h.Service.Authenticators(ctx, nurse(), h.Nurse.Profile.ID)
		require.NoError(t, err)
		require.Len(t, owned, 1)
		require.Equal(t, "Security key, such as a YubiKey", owned[0].Name)
		require.Equal(t, h.Nurse.Profile.ID, owned[0].RegisteredBy)
	})
	t.Run("what can't be registered", func(t *testing.T) {
		refused(t, ask(nurse(), careid.KindCard, "1"), "authenticator.unknown")
		refused(t, ask(nurse(), "tattoo", "1"), "authenticator.unknown")
		refused(t, ask(nurse(), careid.KindIPad, ""), "authenticator.credential")
		refused(t, ask(nurse(), careid.KindIPad, string(make([]byte, 1024))), "authenticator.credential")
		refused(t, ask(nurse(), careid.KindAuthenticatorApp, "1"), "authenticator.credential")
		refused(t, ask(nurse(), careid.KindMailAccount, "asha@gmail.com"), "mail.address")
		for _, name := range []string{" a", "a\nb", "\u202e", string([]byte{0xff}), fmt.Sprintf("%065d", 1)} {
			_, err := h.Service.RegisterAuthenticator(ctx, nurse(), careid.NewAuthenticator{Profile: h.Nurse.Profile.ID, Kind: careid.KindIPad, Name: name, Credential: []byte("1")})
			refused(t, err, "authenticator.name")
		}
		_, err := h.Service.RegisterAuthenticator(ctx, nurse(), careid.NewAuthenticator{
			Profile: h.Nurse.Profile.ID, Kind: careid.KindSecurityKey, Name: strings.Repeat("ü", 64), Credential: []byte("long name"),
		})
		require.NoError(t, err, "64 characters, of whatever bytes")
		refused(t, ask(actor(t, h, h.RAAgent, careid.RAAgent), careid.KindAuthenticatorApp, ""), "authenticator.holder")
		for i := range 8 {
			require.NoError(t, ask(nurse(), careid.KindSecurityKey, fmt.Sprint("key ", i)))
		}
		refused(t, ask(nurse(), careid.KindSecurityKey, "the eleventh"), "authenticator.most")
	})
	t.Run("without a key no secret is kept", func(t *testing.T) {
		c := h.Config
		c.AuthenticatorKey = nil
		own, err := careid.New(c)
		require.NoError(t, err)
		in := signIn(t, h, h.Sponsor.Card)
		_, err = own.RegisterAuthenticator(ctx, holder(t, h, in.Token), careid.NewAuthenticator{Profile: h.Sponsor.Profile.ID, Kind: careid.KindAuthenticatorApp})
		refused(t, err, "authenticator.unavailable")
		c.AuthenticatorKey = make([]byte, 16)
		_, err = careid.New(c)
		require.ErrorContains(t, err, "32 bytes")
	})
}

// threat061: what is weaker is not added, nor the last strong one removed, without the strong one.
func TestSameStrength(t *testing.T) {
	ctx := t.Context()
	h := careidtest.New(t, careidtest.Config{})
	key := register(t, h, h.Nurse, careid.KindSecurityKey, "key")
	mail := register(t, h, h.Nurse, careid.KindMailAccount, "asha.patel@nhs.net")
	app := registerApp(t, h, h.Nurse)
	sign := func(uses ...careid.Use) careid.Actor {
		t.Helper()
		in, err := h.Service.SignInWith(ctx, uses...)
		require.NoError(t, err)
		return holder(t, h, in.Token)
	}
	weak := sign(careid.Use{Authenticator: mail}, app.Use())
	try := func(a careid.Actor, credential string) error {
		_, err := h.Service.RegisterAuthenticator(ctx, a, careid.NewAuthenticator{Profile: h.Nurse.Profile.ID, Kind: careid.KindSecurityKey, Credential: []byte(credential)})
		return err
	}
	t.Run("threat061", func(t *testing.T) {
		rows := audited(t, h, func() {
			no := refused(t, try(weak, "a thief's"), "signin.weaker")
			require.Contains(t, no.Public, "AAL3")
			_, err := h.Service.RegisterAuthenticator(ctx, weak, careid.NewAuthenticator{Profile: h.Nurse.Profile.ID, Kind: careid.KindIPad, Credential: []byte("a thief's")})
			refused(t, err, "signin.weaker")
			for _, id := range []string{key, mail, app.ID} {
				refused(t, h.Service.RemoveAuthenticator(ctx, weak, id), "signin.weaker")
			}
		})
		require.Len(t, rows, 5, "each try is in the audit")
		owned, err := h.Service.Authenticators(ctx, weak, h.Nurse.Profile.ID)
		require.NoError(t, err)
		require.Len(t, owned, 3, "and nothing changed")

		// Even a password and a code that are all that is left beside one strong key don't take it off.
		_, err = h.Service.ReportLost(ctx, actor(t, h, h.RAManager, careid.RAManager), h.Nurse.Card.Serial)
		require.NoError(t, err)
		h.Clock.Add(time.Minute)
		weak = sign(careid.Use{Authenticator: mail}, app.Use())
		refused(t, h.Service.RemoveAuthenticator(ctx, weak, key), "signin.weaker")

		strong := sign(careid.Use{Authenticator: key, Verified: careid.Yes})
		h.Clock.Add(5*time.Minute + time.Second)
		refused(t, try(strong, "later"), "session.stale")
		refused(t, h.Service.RemoveAuthenticator(ctx, strong, app.ID), "session.stale")
		h.Clock.Add(-time.Second)
		require.NoError(t, try(strong, "at the very end of the five minutes"))

		// Nor does a passer-by at a desk that the Registration Authority left open put a key on anybody's profile.
		ra := actor(t, h, h.RAAgent, careid.RAAgent)
		h.Clock.Add(5*time.Minute + time.Second)
		refused(t, try(ra, "passer-by"), "session.stale")
	})
	t.Run("what a weaker session may do", func(t *testing.T) {
		h.Clock.Add(time.Minute)
		weak = sign(careid.Use{Authenticator: mail}, app.Use())
		refused(t, h.Service.SetContact(ctx, weak, h.Nurse.Profile.ID, careid.Contact{Email: "thief@nhs.net"}), "contact.session")
		_, err := h.Service.Authenticators(ctx, weak, h.Nurse.Profile.ID)
		require.NoError(t, err)
		manager := register(t, h, h.RAManager, careid.KindMailAccount, "ruth.okafor@nhs.net")
		code := registerApp(t, h, h.RAManager)
		in, err := h.Service.SignInWith(ctx, careid.Use{Authenticator: manager}, code.Use())
		require.NoError(t, err)
		ra, err := h.Service.Actor(ctx, in.Token, careid.RAManager, careidtest.Organisation)
		require.NoError(t, err)
		refused(t, h.Service.GrantRole(ctx, ra, h.Nurse.Profile.ID, careid.RAAgent), "signin.weaker")
	})
	t.Run("what is removed ends what stands on it, and comes back as another", func(t *testing.T) {
		in, err := h.Service.SignInWith(ctx, careid.Use{Authenticator: key, Verified: careid.Yes})
		require.NoError(t, err)
		h.Clock.Add(time.Minute)
		beside, err := h.Service.SignInWith(ctx, careid.Use{Authenticator: mail}, app.Use())
		require.NoError(t, err)
		require.NoError(t, h.Service.RemoveAuthenticator(ctx, actor(t, h, h.RAAgent, careid.RAAgent), key))
		_, err = h.Service.Session(ctx, in.Token)
		refused(t, err, "session.ended")
		_, err = h.Service.Session(ctx, beside.Token)
		require.NoError(t, err)
		_, err = h.Service.SignInWith(ctx, careid.Use{Authenticator: key, Verified: careid.Yes})
		refused(t, err, "authenticator.none")
		agent := actor(t, h, h.RAAgent, careid.RAAgent)
		refused(t, h.Service.RemoveAuthenticator(ctx, agent, key), "authenticator.none")
		refused(t, h.Service.RemoveAuthenticator(ctx, agent, "nobody's"), "org.scope")
		refused(t, h.Service.RemoveAuthenticator(ctx, actor(t, h, h.Sponsor, careid.Holder), mail), "org.scope")
		again, err := h.Service.RegisterAuthenticator(ctx, agent, careid.NewAuthenticator{Profile: h.Nurse.Profile.ID, Kind: careid.KindSecurityKey, Credential: []byte("key")})
		require.NoError(t, err)
		require.NotEqual(t, key, again.Authenticator.ID)
	})
}

func TestMailAccountProvesNothingOfItself(t *testing.T) {
	t.Run("row115", func(t *testing.T) {
		ctx := context.Background()
		h := careidtest.New(t, careidtest.Config{})
		mail := register(t, h, h.Nurse, careid.KindMailAccount, "asha.patel@nhs.net")
		key := register(t, h, h.Nurse, careid.KindSecurityKey, "key")
		app := registerApp(t, h, h.Nurse)
		h.Mail.Set("asha.patel@nhs.net", careidtest.Mailbox{Active: true, PolicyAccepted: true})
		in, err := h.Service.SignInWith(ctx, careid.Use{Authenticator: mail}, app.Use())
		require.NoError(t, err)
		request := careid.LinkRequest{Address: "asha.patel@nhs.net", Workstation: careid.Workstation{System: careid.Windows11, Browser: careid.Chrome, CredentialManagement: careid.Yes, Private: careid.No}}
		rules := func(missing wardkey.Refusals, err error) []string {
			require.NoError(t, err)
			var all []string
			for _, no := range missing {
				all = append(all, no.Rule)
			}
			return all
		}
		require.Contains(t, rules(h.Service.LinkPreflight(ctx, holder(t, h, in.Token), request)), "link.circular")
		_, err = h.Service.Link(ctx, holder(t, h, in.Token), request)
		require.Equal(t, "link.circular", wardkey.RuleOf(err))
		_, err = h.Service.RegisterAuthenticator(ctx, holder(t, h, in.Token), careid.NewAuthenticator{Profile: h.Nurse.Profile.ID, Kind: careid.KindMailAccount, Credential: []byte("another@nhs.net")})
		refused(t, err, "link.circular")
		byKey, err := h.Service.SignInWith(ctx, careid.Use{Authenticator: key, Verified: careid.Yes})
		require.NoError(t, err)
		require.Equal(t, []string{"card.none"}, rules(h.Service.LinkPreflight(ctx, holder(t, h, byKey.Token), request)), "a key is no card, and a link is a card's")
	})
}
