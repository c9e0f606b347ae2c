// SPDX-License-Identifier: Apache-2.0

package careidtest_test

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
)

// What the killed process does. Each of these goes on from what the agent and the card know, so that the same code is
// the first attempt and the one after the restart.

const (
	firstMail  = "ruth.okafor@nhs.net"
	secondMail = "ruth.shah@nhs.net"
)

var flows = map[string]func(*site, context.Context) error{
	"unlock": (*site).unlock, "renewal": (*site).renew, "link": (*site).relink,
}

// run does one flow in a folder's hospital.
func run(dir, flow string) error {
	s, err := openSite(dir, flow != "unlock") // which asks the authority nothing
	if err != nil {
		return err
	}
	return errors.Join(flows[flow](s, context.Background()), s.close())
}

// redeem sends one try of the code, and remembers first that it was sent.
func (s *site) redeem(ctx context.Context, code string) (*careid.Reset, error) {
	key, err := ecdh.X25519().NewPrivateKey(s.agent.Key)
	if err != nil {
		return nil, err
	}
	s.agent.Asked++
	if err := s.saveAgent(); err != nil {
		return nil, err
	}
	r, err := s.Service.RedeemUnlock(ctx, careid.UnlockCode{
		Request: s.agent.Request, Card: siteSerial, Code: []byte(code), AgentKey: key.PublicKey().Bytes(),
	})
	if err == nil || wardkey.RuleOf(err) == "unlock.code" {
		s.agent.Answered++
	}
	return r, err
}

// wrongCode is not the one that was sent.
func (s *site) wrongCode() string {
	return fmt.Sprintf("%d%s", (s.agent.Code[0]-'0'+1)%10, s.agent.Code[1:])
}

// unlock asks for a code, mistypes it once, types it, and resets the card.
func (s *site) unlock(ctx context.Context) error {
	a := s.agent
	if a.Request == "" {
		u, err := s.StartUnlock(ctx, s.person)
		if err != nil {
			return err
		}
		a.Request, a.Code, a.Key = u.Request, u.Code, u.Key.Bytes()
		if err := s.saveAgent(); err != nil {
			return err
		}
	}
	if a.Asked == 0 {
		if _, err := s.redeem(ctx, s.wrongCode()); wardkey.RuleOf(err) != "unlock.code" {
			return fmt.Errorf("a wrong code: %w", err)
		}
		if err := s.saveAgent(); err != nil {
			return err
		}
	}
	if a.Token == "" {
		r, err := s.redeem(ctx, a.Code)
		if err != nil {
			return err
		}
		a.Token, a.Candidates = r.Token, r.Candidates
		if err := s.saveAgent(); err != nil {
			return err
		}
	}
	if a.Next == nil {
		if err := s.open(ctx); err != nil {
			return err
		}
	}
	s.card.SOPIN = a.Next // C_SetPIN
	if err := s.saveCard(); err != nil {
		return err
	}
	s.card.Locked = false // C_InitPIN
	if err := s.saveCard(); err != nil {
		return err
	}
	if err := s.Service.ResetConfirm(ctx, a.Token); err != nil {
		return err
	}
	a.Done = true
	return s.saveAgent()
}

// open finds the candidate that opens the card, and gets the next generation for it.
func (s *site) open(ctx context.Context) error {
	key, err := ecdh.X25519().NewPrivateKey(s.agent.Key)
	if err != nil {
		return err
	}
	for _, candidate := range s.agent.Candidates {
		pin, err := careidtest.OpenSOPIN(key, candidate)
		if err != nil {
			return err
		}
		if !bytes.Equal(pin, s.card.SOPIN) {
			s.card.WrongSOPIN++
			continue
		}
		s.card.WrongSOPIN = 0
		sealed, err := s.Service.ResetOpened(ctx, s.agent.Token, candidate.Generation)
		if err != nil {
			return err
		}
		if s.agent.Next, err = careidtest.OpenSOPIN(key, sealed); err != nil {
			return err
		}
		return s.saveAgent()
	}
	return careidtest.ErrCard
}

// renew is the holder's own renewal.
func (s *site) renew(ctx context.Context) error {
	a, c := s.agent, s.card
	if a.Handle == "" {
		holder, err := s.Service.Actor(ctx, a.Session, careid.Holder, "")
		if err != nil {
			return err
		}
		act, err := s.Service.OpenAct(ctx, holder, careid.ActRequest{Kind: careid.Renew, Card: siteSerial})
		if err != nil {
			return err
		}
		a.Act, a.Handle = act.ID, act.Handle
		if err := s.saveAgent(); err != nil {
			return err
		}
	}
	if len(c.NewCerts) == 0 {
		if err := s.certified(ctx); err != nil {
			return err
		}
	}
	keys, certs, err := pairOf(c.NewKeys, c.NewCerts)
	if err != nil {
		return err
	}
	jws, err := s.ProofBy(ctx, keys[0], certs[0], careidtest.Claims{Purpose: careid.Renew, Act: a.Act})
	if err != nil {
		return err
	}
	if err := s.Service.Confirm(ctx, a.Handle, jws); err != nil {
		return err
	}
	a.Done = true
	return s.saveAgent()
}

// certified gets the new certificates: those that were made already, or with the card's consent and keys that it makes,
// if it has none yet.
func (s *site) certified(ctx context.Context) error {
	a, c := s.agent, s.card
	view, err := s.Service.OpenHandle(ctx, a.Handle, nil)
	if err != nil {
		return err
	}
	certs := view.Certificates
	if len(certs) == 0 {
		if _, err := s.Answer(ctx, s.person.Card, careidtest.Claims{Purpose: careid.Renew, Act: a.Act, Bind: a.Session}); err != nil {
			return err
		}
		if len(c.NewKeys) == 0 {
			if err := s.makeKeys(); err != nil {
				return err
			}
		}
		csrs, err := requests(c.NewKeys)
		if err != nil {
			return err
		}
		if certs, err = s.Service.Requests(ctx, a.Handle, csrs); err != nil {
			return err
		}
	}
	for _, cert := range certs {
		c.NewCerts = append(c.NewCerts, cert.Raw)
	}
	return s.saveCard()
}

// makeKeys makes two on the card. They outlive the agent that asked for them.
func (s *site) makeKeys() error {
	keys, _, err := pkitest.Requests()
	if err != nil {
		return err
	}
	for _, key := range keys {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return err
		}
		s.card.NewKeys = append(s.card.NewKeys, der)
	}
	return s.saveCard()
}

// linkStates are the accounts that the card opens after each step of relink.
var linkStates = []string{"", firstMail, secondMail, "", firstMail}

// relink links the card, moves the link, ends it and links again.
func (s *site) relink(ctx context.Context) error {
	for ; s.agent.Step < len(linkStates)-1; s.agent.Step++ {
		if err := s.saveAgent(); err != nil {
			return err
		}
		holder, err := s.Service.Actor(ctx, s.agent.Session, careid.Holder, "")
		if err != nil {
			return err
		}
		from, to := linkStates[s.agent.Step], linkStates[s.agent.Step+1]
		r := careid.LinkRequest{Address: to, Workstation: careid.Workstation{Browser: "edge", CredentialManagement: careid.Yes}}
		switch {
		case from == "":
			_, err = s.Service.Link(ctx, holder, r)
		case to == "":
			err = s.Service.Unlink(ctx, holder, from)
		default:
			_, err = s.Service.Relink(ctx, holder, from, r)
		}
		if err != nil {
			return err
		}
	}
	return s.saveAgent()
}
