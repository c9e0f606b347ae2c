// SPDX-License-Identifier: Apache-2.0

package webauthn_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"
	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
)

// What a device or a page may do wrong in both ceremonies.
func wrongs() map[string]struct {
	do   func(d *device)
	rule string
} {
	flags := func(set, clear byte) func(d *device) {
		return func(d *device) {
			d.edit = func(_ map[string]any, data []byte) []byte {
				data[32] = data[32]&^clear | set
				return data
			}
		}
	}
	client := func(name string, value any) func(d *device) {
		return func(d *device) {
			d.edit = func(client map[string]any, data []byte) []byte {
				client[name] = value
				return data
			}
		}
	}
	at := func(origin string) func(d *device) { return func(d *device) { d.rp.Origin = origin } }
	const none = "" // the ceremony's own
	return map[string]struct {
		do   func(d *device)
		rule string
	}{
		"another origin":              {at("https://care.example.evil.example"), "webauthn.origin"},
		"a related origin":            {at("https://care-login.example"), "webauthn.origin"},
		"an origin below ours":        {at("https://ward.care.example"), "webauthn.origin"},
		"our origin on another port":  {at("https://care.example:8443"), "webauthn.origin"},
		"our origin with its port":    {at("https://care.example:443"), "webauthn.origin"},
		"our origin in capitals":      {at("https://CARE.example"), "webauthn.origin"},
		"our origin with a path":      {at("https://care.example/"), "webauthn.origin"},
		"our origin without TLS":      {at("http://care.example"), "webauthn.origin"},
		"a user before our origin":    {at("https://evil@care.example"), "webauthn.origin"},
		"no origin":                   {at(""), "webauthn.origin"},
		"another relying party id":    {func(d *device) { d.rp.ID = "evil.example" }, "webauthn.origin"},
		"our origin as relying party": {func(d *device) { d.rp.ID = origin }, "webauthn.origin"},
		"a frame of another site":     {client("crossOrigin", true), "webauthn.origin"},
		"a frame, its top told":       {client("topOrigin", "https://evil.example"), "webauthn.origin"},
		"a payment":                   {client("type", "payment.get"), "webauthn.origin"},
		"the user not verified":       {flags(0, 1<<2), "webauthn.verification"},
		"the user not there":          {flags(0, 1), none},
		"a key that may be copied":    {flags(1<<3, 0), "webauthn.synced"},
		"a key that was copied":       {flags(1<<3|1<<4, 0), "webauthn.synced"},
		"a challenge of its own":      {client("challenge", b64(make([]byte, 32))), "challenge.none"},
		"our challenge and more":      {client("challenge", b64(make([]byte, 33))), "challenge.none"},
		"no challenge":                {client("challenge", ""), "challenge.none"},
	}
}

func TestRegistrationIsAttacked(t *testing.T) {
	p := newPlace(t)
	nothing := func(t *testing.T, b *visitor) {
		t.Helper()
		of, err := p.Service.CredentialsOf(t.Context(), b.session().Profile)
		require.NoError(t, err)
		require.Empty(t, of, "refused, and there all the same")
	}
	t.Run("threat060", func(t *testing.T) {
		for name, c := range wrongs() {
			t.Run(name, func(t *testing.T) {
				b, d := p.with(t, p.Nurse), p.keys.device()
				c.do(d)
				_, no := b.registers(d, "")
				if c.rule == "" {
					c.rule = "webauthn.attestation"
				}
				ruled(t, no, c.rule)
				nothing(t, b)
			})
		}
		other := newMaker(1, careid.KindSecurityKey, "Ward key 5") // the same AAGUID, another root
		for name, c := range map[string]struct {
			do   func(d *device)
			rule string
		}{
			"a model that nobody approved":  {func(d *device) { d.auth.Aaguid = [16]byte{9} }, "webauthn.model"},
			"a model that is not told":      {func(d *device) { d.auth.Aaguid = [16]byte{} }, "webauthn.model"},
			"another model's name":          {func(d *device) { d.auth.Aaguid = p.hello.model.AAGUID }, "webauthn.attestation"},
			"attested by another root":      {func(d *device) { d.attest = other.packed }, "webauthn.attestation"},
			"attested by itself":            {func(d *device) { d.attest = nil }, "webauthn.attestation"},
			"attested by nobody":            {func(d *device) { d.attest = format("none", map[string]any{}) }, "webauthn.attestation"},
			"attested in another format":    {func(d *device) { d.attest = format("android-safetynet", map[string]any{"ver": "1"}) }, "webauthn.attestation"},
			"a statement that says nothing": {func(d *device) { d.attest = format("packed", map[string]any{}) }, "webauthn.attestation"},
			"the batch's certificate alone": {func(d *device) { d.attest = stolen(p.keys, func(s map[string]any) { s["sig"] = []byte{0x30, 0} }) }, "webauthn.attestation"},
			"a certificate that is none":    {func(d *device) { d.attest = stolen(p.keys, func(s map[string]any) { s["x5c"] = []any{[]byte{1}} }) }, "webauthn.attestation"},
			"text for a certificate":        {func(d *device) { d.attest = stolen(p.keys, func(s map[string]any) { s["x5c"] = []any{"x"} }) }, "webauthn.attestation"},
			"no certificate in the list":    {func(d *device) { d.attest = stolen(p.keys, func(s map[string]any) { s["x5c"] = []any{} }) }, "webauthn.attestation"},
			"the root for the batch": {func(d *device) {
				d.attest = stolen(p.keys, func(s map[string]any) { s["x5c"] = []any{p.keys.model.Roots[0].Raw} })
			}, "webauthn.attestation"},
			"an attestation of other data": {func(d *device) {
				d.attest = func(_, hash []byte) (string, map[string]any) { return p.keys.packed([]byte("x"), hash) }
			}, "webauthn.attestation"},
			"an algorithm that is not ours": {func(d *device) {
				d.attest, d.cred = nil, virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeRSA)
				d.edit = algorithm(-37)
			}, "webauthn.algorithm"},
			"SHA-1": {func(d *device) {
				d.attest, d.cred = nil, virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeRSA)
				d.edit = algorithm(-65535)
			}, "webauthn.algorithm"},
			"more than the attested data": {func(d *device) { d.edit = func(_ map[string]any, data []byte) []byte { return append(data, 1, 2, 3) } }, "webauthn.form"},
			"the attested data cut":       {func(d *device) { d.edit = func(_ map[string]any, data []byte) []byte { return data[:60] } }, "webauthn.form"},
			"an assertion as a registration": {func(d *device) {
				d.edit = func(c map[string]any, data []byte) []byte { c["type"] = "webauthn.get"; return data }
			}, "webauthn.origin"},
		} {
			t.Run(name, func(t *testing.T) {
				b, d := p.with(t, p.Nurse), p.keys.device()
				c.do(d)
				_, no := b.registers(d, "")
				ruled(t, no, c.rule)
				nothing(t, b)
			})
		}
	})
	t.Run("a byte anywhere", func(t *testing.T) {
		b, d := p.with(t, p.Nurse), p.keys.device()
		for i := 0; ; i += 3 {
			options := b.must(http.MethodPost, "register/options", members{})
			var a answer
			require.NoError(t, json.Unmarshal(d.create(options), &a))
			raw := unb64(a.Response["attestationObject"])
			if i >= len(raw) {
				require.Greater(t, i, 500)
				break
			}
			raw[i] ^= 1 << (i % 5) // the names of members, which nobody signs, are read in capitals too
			a.Response["attestationObject"] = b64(raw)
			_, no := b.send(http.MethodPost, "register", members{"user": userOf(options), "credential": a})
			require.NotNil(t, no, "byte %d", i)
			require.NotEqual(t, "internal", no.Rule, "byte %d", i)
		}
		nothing(t, b)
	})
	t.Run("challenges", func(t *testing.T) {
		b, d := p.with(t, p.Nurse), p.keys.device()
		options := b.must(http.MethodPost, "register/options", members{})
		body := members{"user": userOf(options), "credential": d.create(options)}
		t.Run("another person's session", func(t *testing.T) {
			_, no := p.with(t, p.Sponsor).send(http.MethodPost, "register", body)
			ruled(t, no, "challenge.none")
		})
		t.Run("another session of the same person", func(t *testing.T) {
			_, no := p.with(t, p.Nurse).send(http.MethodPost, "register", body)
			ruled(t, no, "challenge.none")
		})
		t.Run("another user handle", func(t *testing.T) {
			_, no := b.send(http.MethodPost, "register", members{"user": b64(make([]byte, 32)), "credential": body["credential"]})
			ruled(t, no, "challenge.none")
		})
		t.Run("a challenge of a sign-in", func(t *testing.T) {
			other := b.must(http.MethodPost, "signin/options", members{})
			_, no := b.send(http.MethodPost, "register", members{"user": userOf(options), "credential": p.keys.device().create(withUser(other, options))})
			ruled(t, no, "challenge.none")
		})
		t.Run("twice", func(t *testing.T) {
			b.must(http.MethodPost, "register", body)
			_, no := b.send(http.MethodPost, "register", body)
			ruled(t, no, "challenge.none")
			of, err := p.Service.CredentialsOf(t.Context(), p.Nurse.Profile.ID)
			require.NoError(t, err)
			require.Len(t, of, 1)
		})
		t.Run("a credential of another person", func(t *testing.T) { // the same id and key, on a profile of the attacker's
			thief := p.with(t, p.Sponsor)
			_, no := thief.registers(d, "")
			ruled(t, no, "authenticator.taken")
		})
	})
}

// format is a statement that stands there whatever is to be attested.
func format(name string, statement map[string]any) func(_, _ []byte) (string, map[string]any) {
	return func(_, _ []byte) (string, map[string]any) { return name, statement }
}

// stolen is an attestation of which one part is not as it was.
func stolen(m *maker, change func(map[string]any)) func(data, hash []byte) (string, map[string]any) {
	return func(data, hash []byte) (string, map[string]any) {
		name, statement := m.packed(data, hash)
		change(statement)
		return name, statement
	}
}

// algorithm says another COSE algorithm of an RSA key than RS256.
func algorithm(id int64) func(_ map[string]any, data []byte) []byte {
	was := []byte{0x03, 0x39, 0x01, 0x00} // alg: -257
	is := map[int64][]byte{-37: {0x03, 0x38, 0x24}, -65535: {0x03, 0x39, 0xff, 0xfe}}[id]
	return func(_ map[string]any, data []byte) []byte { return bytes.Replace(data, was, is, 1) }
}

// withUser are a sign-in's options in the form of a registration's.
func withUser(signIn, register []byte) []byte {
	var from, to struct {
		PublicKey map[string]any `json:"publicKey"`
	}
	for text, into := range map[string]any{string(signIn): &from, string(register): &to} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			panic(err)
		}
	}
	to.PublicKey["challenge"] = from.PublicKey["challenge"]
	return must(json.Marshal(to))
}

func TestSignInIsAttacked(t *testing.T) {
	p := newPlace(t)
	d := p.registered(t, p.Nurse, p.keys)
	other := p.registered(t, p.Sponsor, p.keys)
	fails := func(t *testing.T, b *visitor, no *wardkey.Refusal, rule string) {
		t.Helper()
		ruled(t, no, rule)
		require.Empty(t, b.token())
	}
	t.Run("threat060", func(t *testing.T) {
		for name, c := range wrongs() {
			t.Run(name, func(t *testing.T) {
				bad := *d
				c.do(&bad)
				b := p.visitor(t)
				no := b.signsIn(&bad)
				d.cred.Counter = bad.cred.Counter
				if c.rule == "" {
					c.rule = "webauthn.none"
				}
				fails(t, b, no, c.rule)
			})
		}
		for name, do := range map[string]func(d *device){
			"a credential that is not there": func(d *device) { d.cred.ID = make([]byte, 32) },
			"another person's credential id": func(d *device) { d.cred.ID = other.cred.ID },
			"another person's key":           func(d *device) { d.cred.Key = other.cred.Key },
			"another person's user handle":   func(d *device) { d.auth.Options.UserHandle = other.auth.Options.UserHandle },
			"no user handle":                 func(d *device) { d.auth.Options.UserHandle = nil },
			"a user handle of our user id":   func(d *device) { d.auth.Options.UserHandle = []byte(p.Nurse.Profile.ID) },
		} {
			t.Run(name, func(t *testing.T) {
				bad := *d
				do(&bad)
				b := p.visitor(t)
				fails(t, b, b.signsIn(&bad), "webauthn.none")
			})
		}
		t.Run("every byte counts", func(t *testing.T) {
			b := p.visitor(t)
			tried := 0
			for _, part := range []string{"authenticatorData", "clientDataJSON", "signature", "userHandle"} {
				for i := 0; ; i++ {
					options := b.must(http.MethodPost, "signin/options", members{})
					var a answer
					require.NoError(t, json.Unmarshal(d.get(options), &a))
					raw := unb64(a.Response[part])
					if i >= len(raw) {
						break
					}
					raw[i] ^= 1 << (i % 8)
					a.Response[part] = b64(raw)
					_, no := b.send(http.MethodPost, "signin", members{"credential": a})
					require.NotNil(t, no, "byte %d of %s", i, part)
					require.Empty(t, b.token())
					tried++
				}
			}
			require.Greater(t, tried, 180)
			require.Nil(t, b.signsIn(d), "and what is not changed signs in")
		})
		t.Run("a counter that does not go up", func(t *testing.T) {
			at := d.cred.Counter
			for _, shown := range []uint32{at, at - 1, 1, 0} {
				clone := *d
				clone.cred.Counter = shown - 1 // it counts before it answers
				b := p.visitor(t)
				var no *wardkey.Refusal
				rows := p.audited(t, func() { no = b.signsIn(&clone) })
				fails(t, b, no, "authenticator.copied")
				require.Len(t, rows, 1)
				require.Contains(t, rows[0].Detail, "authenticator.copied")
				require.Equal(t, p.Nurse.Profile.ID, rows[0].Actor)
			}
		})
	})
	t.Run("threat036", func(t *testing.T) {
		b := p.visitor(t)
		options := b.must(http.MethodPost, "signin/options", members{})
		body := members{"credential": d.get(options)}
		t.Run("another browser", func(t *testing.T) {
			thief := p.visitor(t)
			thief.must(http.MethodPost, "signin/options", members{}) // it has a cookie of its own
			_, no := thief.send(http.MethodPost, "signin", body)
			fails(t, thief, no, "challenge.none")
			_, no = p.visitor(t).send(http.MethodPost, "signin", body)
			ruled(t, no, "challenge.none")
		})
		t.Run("for another person", func(t *testing.T) {
			_, no := b.send(http.MethodPost, "signin", members{"user": p.Nurse.Profile.ID, "credential": body["credential"]})
			fails(t, b, no, "challenge.none")
		})
		t.Run("a challenge of a step-up", func(t *testing.T) {
			in := p.visitor(t)
			require.Nil(t, in.signsIn(d))
			stepUp := in.must(http.MethodPost, "stepup/options", members{})
			_, no := b.send(http.MethodPost, "signin", members{"credential": d.get(stepUp)})
			fails(t, b, no, "challenge.none")
		})
		body["credential"] = d.get(options)
		cookies := map[string]string{}
		for name, value := range b.cookies {
			cookies[name] = value
		}
		b.must(http.MethodPost, "signin", body)
		require.NotEmpty(t, b.token())
		t.Run("twice", func(t *testing.T) {
			for range p.servers {
				again := p.visitor(t)
				again.cookies = cookies
				_, no := again.send(http.MethodPost, "signin", body)
				fails(t, again, no, "challenge.none")
			}
		})
		t.Run("too late", func(t *testing.T) {
			b := p.visitor(t)
			for wait, rule := range map[time.Duration]string{5*time.Minute - time.Second: "", 5 * time.Minute: "challenge.none"} {
				options := b.must(http.MethodPost, "signin/options", members{})
				p.Wall.Add(wait)
				_, no := b.send(http.MethodPost, "signin", members{"credential": d.get(options)})
				if rule == "" {
					require.Nil(t, no)
					delete(b.cookies, p.cards.SessionCookie("").Name)
					continue
				}
				fails(t, b, no, rule)
			}
		})
	})
	t.Run("a removed one", func(t *testing.T) {
		b := p.visitor(t)
		require.Nil(t, b.signsIn(other))
		var list struct{ Authenticators []struct{ ID string } }
		require.NoError(t, json.Unmarshal(b.must(http.MethodGet, "authenticators", nil), &list))
		b.must(http.MethodDelete, "authenticators/"+list.Authenticators[0].ID, nil)
		require.Equal(t, http.StatusNoContent, b.status)
		_, no := b.send(http.MethodGet, "authenticators", nil)
		ruled(t, no, "session.ended") // it stood on the key
		out := p.visitor(t)
		fails(t, out, out.signsIn(other), "webauthn.none")
	})
}

// A batch key that is the model's own, with a leaf that the root did not sign.
func TestAForgedBatch(t *testing.T) {
	p := newPlace(t)
	forger := newMaker(1, careid.KindSecurityKey, "Ward key 5")
	d := p.keys.device()
	d.attest = func(data, hash []byte) (string, map[string]any) {
		name, statement := p.keys.packed(data, hash)
		sum := sha256.Sum256(append(append([]byte(nil), data...), hash...))
		statement["sig"] = must(ecdsa.SignASN1(rand.Reader, forger.key, sum[:]))
		statement["x5c"] = []any{forger.chain[0], p.keys.chain[0]} // the true one follows
		return name, statement
	}
	_, no := p.with(t, p.Nurse).registers(d, "")
	ruled(t, no, "webauthn.attestation")
	require.Contains(t, p.log.String(), "unknown authority")
}
