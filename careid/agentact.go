// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
)

// OpenHandle tells an agent what its handle is for. Where the evidence is the card's presence at the desk, that proof
// must be there and, the first time, no older than 60 seconds by Wall. agentKey is the agent's ephemeral X25519 public
// key (32 bytes), or nil: without it no security officer PIN is given. Asking again gives the same answer. Where an
// agent before this one sent requests and nobody got the CA's answer, it is asked for here: the requests can't be made
// a second time. Refusals: act.unknown, evidence.missing, agent.key, and those of the CA.
func (s *Service) OpenHandle(ctx context.Context, handle string, agentKey []byte) (*ActView, error) {
	var act Act
	var holder Profile
	var gens Generations
	var certs []Certificate
	err := s.change(ctx, "agent", "take up act", "", func(ctx context.Context, tx *Tx, rec *record) error {
		var err error
		if act, err = s.actOf(ctx, tx, handle); err != nil {
			return err
		}
		rec.Subject, rec.Detail = act.Card, "act "+act.ID
		if act.State != ActOpen && act.State != ActIssued {
			return s.no("act.unknown")
		}
		policy, err := s.policy(tx.Now)
		if err != nil {
			return err
		}
		if act.Evidence.Kind == ByCard && act.Role != Holder && !act.Opened &&
			(act.PresentAt.IsZero() || tx.Wall.Sub(act.PresentAt) > policy.PresenceLife) {
			return s.no("evidence.missing", "wanted", ByCard.shown())
		}
		act.Opened = true
		if _, err := tx.Acts.UpdateAct(ctx, act, act.State); err != nil {
			return err
		}
		if holder, err = tx.People.Profile(ctx, act.Profile); err != nil {
			return err
		}
		if certs, err = tx.Cards.CertificatesOf(ctx, act.Card); err != nil {
			return err
		}
		if act.Kind == Issue || act.Kind == Clear {
			gens, err = s.firstGeneration(ctx, tx, act.Card)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	view := &ActView{Act: act.ID, Kind: act.Kind, Card: act.Card, Holder: holder.ID + " " + holder.Name(), Locked: act.Locked}
	if act.Kind.makesPair() {
		view.Keys = s.keyPlans(act.ID)
	}
	if len(agentKey) > 0 && gens.First != 0 {
		if view.SOPINs, err = s.sealAll(ctx, act.Card, gens, agentKey); err != nil {
			return nil, err
		}
	}
	view.Certificates, err = ofAct(certs, act.ID)
	if err == nil && len(view.Certificates) == 0 && len(act.Requests) > 0 {
		view.Certificates, err = s.certify(ctx, act)
	}
	if err != nil {
		return nil, err
	}
	return view, nil
}

// actOf finds the act that a handle opens: for an hour of the calendar, and where a session asked for the handle no
// longer than that session lives, its role is held, and nobody else has taken the act up. An act that is confirmed is
// found without that: there is nothing left to protect, and an agent that lost the answer asks again.
func (s *Service) actOf(ctx context.Context, tx *Tx, handle string) (Act, error) {
	policy, err := s.policy(tx.Now)
	if err != nil {
		return Act{}, err
	}
	h, err := tx.Acts.Handle(ctx, digest(handle))
	if errors.Is(err, ErrNotFound) || err == nil && (h.Act == "" || !tx.Now.Before(h.At.Add(policy.HandleLife))) {
		return Act{}, s.no("act.unknown")
	}
	if err != nil {
		return Act{}, err
	}
	act, err := tx.Acts.Act(ctx, h.Act)
	if err != nil || len(h.Bind) == 0 || act.State == ActConfirmed {
		return act, err
	}
	if !bytes.Equal(h.Bind, act.Session) {
		return Act{}, s.no("act.unknown").Because(reason("somebody else took it up"))
	}
	by := Actor{profile: act.Actor, role: act.Role, organisation: act.Organisation, session: act.Session}
	if err := s.stands(ctx, tx, by); isRefusal(err) {
		return Act{}, s.no("act.unknown").Because(reason("its session or role is over"))
	} else if err != nil {
		return Act{}, err
	}
	return act, nil
}

// firstGeneration gives a card that was never served its first SO PIN generation.
func (s *Service) firstGeneration(ctx context.Context, tx *Tx, card string) (Generations, error) {
	g, err := tx.Cards.Generations(ctx, card)
	if err != nil || g.First != 0 {
		return g, err
	}
	g = Generations{First: 1, Next: 2}
	return g, tx.Cards.SetGenerations(ctx, card, g)
}

// keyPlans derives the CKA_IDs from the act, so that a repeated attempt finds the keys of the first.
func (s *Service) keyPlans(act string) []KeyPlan {
	plans := make([]KeyPlan, 0, 2)
	for _, use := range []KeyUse{Authentication, Signing} {
		id := sha256.Sum256([]byte("wardkey/key-id/v1\x00" + act + "\x00" + string(use)))
		plans = append(plans, KeyPlan{Use: use, ID: id[:16], Algorithm: s.algorithm})
	}
	return plans
}

// ofAct picks the certificates of one act: authentication, signing.
func ofAct(certs []Certificate, act string) ([]*x509.Certificate, error) {
	var found []*x509.Certificate
	for _, c := range certs {
		if c.Act != act {
			continue
		}
		cert, err := c.Parse()
		if err != nil {
			return nil, err
		}
		found = append(found, cert)
	}
	return found, nil
}

// Requests takes the two certificate requests (DER: authentication, signing) of the keys that the agent made, stores
// them with the act, and returns the CA's certificates in the same order. Requests by the same two keys again get the
// answer to the first; by others they are refused (act.requests). A holder's renewal needs the card's own consent first (act.proof). Refusals of
// the CA come through: renewal.…, key.…, subject.invalid.
func (s *Service) Requests(ctx context.Context, handle string, csrs [][]byte) ([]*x509.Certificate, error) {
	parsed, err := s.parseRequests(csrs)
	if err != nil {
		return nil, err
	}
	var act Act
	err = s.change(ctx, "agent", "certificate requests", "", func(ctx context.Context, tx *Tx, rec *record) error {
		var err error
		if act, err = s.actOf(ctx, tx, handle); err != nil {
			return err
		}
		rec.Subject, rec.Detail = act.Card, "act "+act.ID
		switch {
		case !act.Kind.makesPair() || act.State != ActOpen && act.State != ActIssued:
			return s.no("act.unknown")
		case len(act.Requests) > 0:
			return s.sameKeys(act, parsed)
		case act.Evidence.Kind == ByCard && act.PresentAt.IsZero(), act.Role != Holder && !act.Opened:
			return s.no("act.proof")
		}
		act.Requests = csrs
		_, err = tx.Acts.UpdateAct(ctx, act, act.State)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.certify(ctx, act)
}

// sameKeys refuses requests of other keys than those that the act has. Both were proven when they came.
func (s *Service) sameKeys(act Act, csrs []*x509.CertificateRequest) error {
	for i, der := range act.Requests {
		stored, err := x509.ParseCertificateRequest(der)
		if err != nil {
			return err
		}
		if !bytes.Equal(stored.RawSubjectPublicKeyInfo, csrs[i].RawSubjectPublicKeyInfo) {
			return s.no("act.requests")
		}
	}
	return nil
}

// parseRequests reads both and proves that each is signed by its own key, and that the keys differ.
func (s *Service) parseRequests(ders [][]byte) ([]*x509.CertificateRequest, error) {
	if len(ders) != 2 {
		return nil, s.no("request.invalid").Because(reason("not two"))
	}
	var csrs []*x509.CertificateRequest
	for _, der := range ders {
		csr, err := x509.ParseCertificateRequest(der)
		if err != nil {
			return nil, s.no("request.invalid").Because(err)
		}
		if err := csr.CheckSignature(); err != nil {
			return nil, s.no("key.proof").Because(err)
		}
		csrs = append(csrs, csr)
	}
	if bytes.Equal(csrs[0].RawSubjectPublicKeyInfo, csrs[1].RawSubjectPublicKeyInfo) {
		return nil, s.no("key.reused")
	}
	return csrs, nil
}

// certify asks the CA for an act whose requests are stored, and stores what it answers. It may be repeated at any
// time: what is stored is not asked for again, and the CA's answer to the same act is the same.
func (s *Service) certify(ctx context.Context, act Act) ([]*x509.Certificate, error) {
	var issued []*x509.Certificate
	err := s.read(ctx, func(ctx context.Context, tx *Tx) error {
		certs, err := tx.Cards.CertificatesOf(ctx, act.Card)
		if err != nil {
			return err
		}
		issued, err = ofAct(certs, act.ID)
		return err
	})
	if err != nil || len(issued) == 2 {
		return issued, err
	}
	if issued, err = s.askCA(ctx, act); err != nil {
		return nil, err
	}
	err = s.change(ctx, "system", "certificates issued", act.Card, func(ctx context.Context, tx *Tx, rec *record) error {
		rec.Detail = "act " + act.ID
		now, err := tx.Acts.Act(ctx, act.ID)
		if err != nil {
			return err
		}
		if now.State == ActIssued || now.State == ActConfirmed {
			return nil
		}
		for i, use := range []KeyUse{Authentication, Signing} {
			c := Certificate{Fingerprint: sha256.Sum256(issued[i].Raw), Card: act.Card, Act: act.ID, Use: use, State: CertificatePending, NotAfter: issued[i].NotAfter, DER: issued[i].Raw}
			if err := tx.Cards.AddCertificate(ctx, c); err != nil {
				return err
			}
		}
		if now.State != ActOpen { // given up meanwhile: settle revokes what was just written
			rec.keep = true
			if err := s.markRevoked(ctx, tx, act.Card, act.ID, cessationOfOperation); err != nil {
				return err
			}
			return s.no("act.state", "state", string(now.State))
		}
		now.State = ActIssued
		_, err = tx.Acts.UpdateAct(ctx, now, ActOpen)
		return err
	})
	if err != nil {
		return nil, err
	}
	return issued, nil
}

// askCA calls the CA for an act, outside any transaction.
func (s *Service) askCA(ctx context.Context, act Act) ([]*x509.Certificate, error) {
	csrs, err := s.parseRequests(act.Requests)
	if err != nil {
		return nil, err
	}
	var holder Profile
	var old []*x509.Certificate
	err = s.read(ctx, func(ctx context.Context, tx *Tx) error {
		if holder, err = tx.People.Profile(ctx, act.Profile); err != nil {
			return err
		}
		certs, err := tx.Cards.CertificatesOf(ctx, act.Card)
		if err != nil {
			return err
		}
		old, err = ofAct(certs, act.Renews)
		return err
	})
	if err != nil {
		return nil, err
	}
	subject := pkix.Name{CommonName: holder.Name(), SerialNumber: holder.ID}
	var issued []*x509.Certificate
	switch {
	case act.Kind == Renew && len(old) != 2:
		return nil, s.no("cert.unknown")
	case act.Kind == Renew && !act.Expired:
		issued, err = s.ca.Renew(ctx, act.ID, old, csrs)
	case act.Kind == Renew: // a new lineage, under the name that the old pair has
		subject = pkix.Name{CommonName: old[0].Subject.CommonName, SerialNumber: old[0].Subject.SerialNumber}
		issued, err = s.ca.Issue(ctx, act.ID, subject, csrs)
	default:
		issued, err = s.ca.Issue(ctx, act.ID, subject, csrs)
	}
	if err != nil {
		return nil, s.fromCA(err)
	}
	if len(issued) != 2 {
		return nil, errors.New("careid: the CA did not answer with two certificates")
	}
	return issued, nil
}
