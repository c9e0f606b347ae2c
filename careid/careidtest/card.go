// SPDX-License-Identifier: Apache-2.0

package careidtest

import (
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/cryptosigner"

	"github.com/wardkey-sdk/wardkey/careid"
)

// Card is a card, and what its holder knows. Keys and Certificates are authentication, signing. A card in memory has its
// passcode and its tries in these fields; a virtual one keeps them itself, and its keys sign after a login alone.
type Card struct {
	Serial       string
	Keys         []crypto.Signer
	Certificates []*x509.Certificate
	SOPIN        []byte
	Passcode     []byte // what its holder types
	Tries        int    // of a card in memory: wrong passcodes in a row, MaxTries lock it

	virtual *virtual
}

// Blank returns a card that nobody has.
func (h *Hospital) Blank() *Card {
	if h.drawer != nil {
		return h.drawer.blank()
	}
	h.cards++
	return &Card{Serial: fmt.Sprintf("%016d", 8000_0000_0000_0000+h.cards), Passcode: []byte(Passcode)}
}

// Claims are those of a proof. The zero value of a field means what a good agent would say; Bind is the value of the
// cookie, not its hash.
type Claims struct {
	Audience string
	Origin   string
	Nonce    string
	Purpose  careid.Purpose
	Act      string
	Bind     string
	IssuedAt int64
}

// Proof signs claims with the card's authentication key, after its passcode.
func (h *Hospital) Proof(ctx context.Context, c *Card, claims Claims) (jws string, err error) {
	err = c.opened(ctx, c.Passcode, func() (err error) {
		jws, err = h.ProofBy(ctx, c.Keys[0], c.Certificates[0], claims)
		return err
	})
	return jws, err
}

// ProofBy signs claims with any key, under any certificate.
func (h *Hospital) ProofBy(ctx context.Context, key crypto.Signer, cert *x509.Certificate, claims Claims) (string, error) {
	if claims.Purpose == "" {
		claims.Purpose = careid.SignIn
	}
	if claims.Nonce == "" {
		nonce, err := h.Service.Nonce(ctx, claims.Purpose)
		if err != nil {
			return "", err
		}
		claims.Nonce = nonce
	}
	if claims.Audience == "" {
		claims.Audience = Server
	}
	if claims.Origin == "" {
		claims.Origin = Origin
	}
	if claims.IssuedAt == 0 {
		claims.IssuedAt = h.Wall.Now().Unix()
	}
	bind := ""
	if claims.Bind != "" {
		sum := sha256.Sum256([]byte(claims.Bind))
		bind = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	payload, err := json.Marshal(map[string]any{
		"aud": claims.Audience, "origin": claims.Origin, "nonce": claims.Nonce, "purpose": claims.Purpose,
		"act": claims.Act, "bind": bind, "iat": claims.IssuedAt,
	})
	if err != nil {
		return "", err
	}
	options := new(jose.SignerOptions).WithType("wardkey-card+jwt").
		WithHeader("x5c", []string{base64.StdEncoding.EncodeToString(cert.Raw)})
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: cryptosigner.Opaque(key)}, options)
	if err != nil {
		return "", err
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}

// Answer signs claims and posts the proof.
func (h *Hospital) Answer(ctx context.Context, c *Card, claims Claims) (*careid.Answered, error) {
	jws, err := h.Proof(ctx, c, claims)
	if err != nil {
		return nil, err
	}
	return h.Service.Answer(ctx, jws)
}

// SignedIn is a sign-in as browser and agent hold it.
type SignedIn struct {
	careid.SignedIn
	Presence string
}

// SignIn is the whole way from the card to a session, by its holder.
func (h *Hospital) SignIn(ctx context.Context, c *Card) (*SignedIn, error) {
	return h.SignInWith(ctx, c, c.Passcode)
}

// SignInWith is SignIn by somebody who types that passcode. Refusals of the card are those of an agent beside it:
// passcode.wrong, card.locked.
func (h *Hospital) SignInWith(ctx context.Context, c *Card, passcode []byte) (*SignedIn, error) {
	cookie := "pre-session " + rand.Text()
	var answer *careid.Answered
	err := c.opened(ctx, passcode, func() error {
		jws, err := h.ProofBy(ctx, c.Keys[0], c.Certificates[0], Claims{Bind: cookie})
		if err != nil {
			return err
		}
		answer, err = h.Service.Answer(ctx, jws)
		return err
	})
	if err != nil {
		return nil, err
	}
	in, err := h.Service.Redeem(ctx, answer.Result, []byte(cookie))
	if err != nil {
		return nil, err
	}
	return &SignedIn{*in, answer.Presence}, nil
}

// Personalise does an agent's part of an act that ends in a new pair: keys, requests, certificates, confirmation. A card
// that is issued gets its SO PIN and its passcode first.
func (h *Hospital) Personalise(ctx context.Context, c *Card, handle string) error {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	view, err := h.Service.OpenHandle(ctx, handle, key.PublicKey().Bytes())
	if err != nil {
		return err
	}
	if len(view.SOPINs) > 0 {
		soPIN, err := OpenSOPIN(key, view.SOPINs[len(view.SOPINs)-1])
		if err != nil {
			return err
		}
		if err := c.empty(ctx, soPIN); err != nil {
			return err
		}
	}
	return c.opened(ctx, c.Passcode, func() error {
		keys, requests, err := c.requests(ctx, view.Keys)
		if err != nil {
			return err
		}
		certs, err := h.Service.Requests(ctx, handle, [][]byte{requests[0].Raw, requests[1].Raw})
		if err != nil {
			return err
		}
		jws, err := h.ProofBy(ctx, keys[0], certs[0], Claims{Purpose: careid.Renew, Act: view.Act})
		if err != nil {
			return err
		}
		if err := h.Service.Confirm(ctx, handle, jws); err != nil {
			return err
		}
		return c.keep(ctx, keys, certs)
	})
}

// Renew is a holder's own renewal, from a session of the card.
func (h *Hospital) Renew(ctx context.Context, c *Card) error {
	in, err := h.SignIn(ctx, c)
	if err != nil {
		return err
	}
	holder, err := h.Service.Actor(ctx, in.Token, careid.Holder, "")
	if err != nil {
		return err
	}
	act, err := h.Service.OpenAct(ctx, holder, careid.ActRequest{Kind: careid.Renew, Card: c.Serial})
	if err != nil {
		return err
	}
	if _, err := h.Answer(ctx, c, Claims{Purpose: careid.Renew, Act: act.ID, Bind: in.Token}); err != nil {
		return err
	}
	return h.Personalise(ctx, c, act.Handle)
}

// OpenSOPIN opens one sealed SO PIN, as an agent does.
func OpenSOPIN(key *ecdh.PrivateKey, sealed careid.SealedSOPIN) ([]byte, error) {
	private, err := hpke.NewDHKEMPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return hpke.Open(private, hpke.HKDFSHA256(), hpke.AES128GCM(), []byte("wardkey/so-pin/v1"), sealed.Sealed)
}

// ErrCard is a card that no SO PIN offered opens.
var ErrCard = errors.New("careidtest: no candidate opens the card")

// Unlocking is an unlock up to the code.
type Unlocking struct {
	Request string
	Code    string
	Key     *ecdh.PrivateKey
}

// StartUnlock opens an unlock page, asks for a code by e-mail and reads it from the inbox.
func (h *Hospital) StartUnlock(ctx context.Context, p Person) (*Unlocking, error) {
	handle, err := h.Service.OpenUnlock(ctx, []byte("cookie of a kiosk"))
	if err != nil {
		return nil, err
	}
	started, err := h.Service.StartUnlock(ctx, careid.UnlockStart{Handle: handle, Card: p.Card.Serial, Channel: careid.ByEmail})
	if err != nil {
		return nil, err
	}
	message, err := h.Inbox.Last(ctx, h.Service, p.Profile.Email)
	if err != nil {
		return nil, err
	}
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	return &Unlocking{Request: started.Request, Code: message.Code(), Key: key}, err
}

// Redeem redeems the unlock's code.
func (h *Hospital) Redeem(ctx context.Context, p Person, u *Unlocking) (*careid.Reset, error) {
	return h.Service.RedeemUnlock(ctx, careid.UnlockCode{Request: u.Request, Card: p.Card.Serial, Code: []byte(u.Code), AgentKey: u.Key.PublicKey().Bytes()})
}

// Reset does an agent's part of a reset, up to the confirmation. The new passcode is the card's Passcode.
func (h *Hospital) Reset(ctx context.Context, p Person, u *Unlocking, r *careid.Reset) error {
	for _, candidate := range r.Candidates {
		pin, err := OpenSOPIN(u.Key, candidate)
		if err != nil {
			return err
		}
		opens, err := p.Card.officer(ctx, pin)
		if err != nil {
			return err
		}
		if !opens {
			continue
		}
		sealed, err := h.Service.ResetOpened(ctx, r.Token, candidate.Generation)
		if err != nil {
			return err
		}
		next, err := OpenSOPIN(u.Key, sealed)
		if err != nil {
			return err
		}
		return p.Card.reset(ctx, pin, next)
	}
	return ErrCard
}
