// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/card"
)

// tokenLabel is what a card of ours is called; it names nobody.
const tokenLabel = "Care identity"

// openAct opens the handle that the page carried: what is to be done, on which
// card. Asking again with the same key gives the same answer.
func (a *Agent) openAct(ctx context.Context, t *task) error {
	if t.view != nil {
		return nil
	}
	if t.key == nil {
		key, err := newAgentKey()
		if err != nil {
			return err
		}
		t.key = key
	}
	view, err := a.server(t.request.Server).act(ctx, t.request.Handle, t.key)
	if err != nil {
		return err
	}
	if (t.request.Kind != "" && view.Kind != t.request.Kind) || (t.request.Act != "" && view.Act != t.request.Act) {
		return a.rules.Refuse("act.kind")
	}
	if !view.sound() {
		return a.rules.Refuse("act.invalid")
	}
	t.view, t.serial = view, view.Card
	return nil
}

// opensAtOnce says whether the act is opened when the page asks, so that the
// form can name the holder and a refusal comes early. The holder's own renewal
// waits for the card's proof.
func (r Request) opensAtOnce() bool {
	switch r.Kind {
	case Issue, Repair, Clear:
		return true
	case Renew:
		return r.Bind == ""
	case Unlock:
		return r.Act != ""
	}
	return false
}

// issue personalises a card: SO PIN, passcode, two keys, two certificates. An
// earlier attempt whose certificates were issued is finished, any other is
// begun anew on an empty card.
func (a *Agent) issue(ctx context.Context, t *task, f form) error {
	c, info, give, err := a.take(ctx, t)
	if err != nil {
		return err
	}
	defer give()
	var passcode []byte
	if t.view.Locked {
		passcode, err = a.unknownPasscode(info)
		defer clear(passcode)
	} else {
		passcode, err = a.chosen(info, f)
	}
	if err != nil {
		return err
	}
	if err := a.prepare(ctx, c, t, info.Initialised, len(t.view.Certificates) == 0, passcode); err != nil {
		return err
	}
	if err := c.Login(ctx, passcode, card.LoginOptions{FinalTry: true}); err != nil {
		return err
	}
	return a.pair(ctx, c, t)
}

// unknownPasscode is for a card that is issued locked: nobody learns it, and
// the holder's first unlock replaces it.
func (a *Agent) unknownPasscode(info *card.TokenInfo) ([]byte, error) {
	_, most := a.passcodeDigits(info)
	passcode := make([]byte, most)
	for i := range passcode {
		n, err := rand.Int(rand.Reader, big.NewInt(10))
		if err != nil {
			return nil, err
		}
		passcode[i] = '0' + byte(n.Int64())
	}
	return passcode, nil
}

// prepare gives the card the act's newest SO PIN and the passcode, on an empty
// card where wipe is set.
func (a *Agent) prepare(ctx context.Context, c *card.Card, t *task, initialised, wipe bool, passcode []byte) error {
	newest, err := t.newestSOPIN()
	if err != nil {
		return err
	}
	defer clear(newest)
	if initialised {
		if err := a.takeOver(ctx, c, t, newest); err != nil {
			return err
		}
	}
	if wipe || !initialised {
		if err := initialize(ctx, c, newest); err != nil {
			return err
		}
	}
	return c.ResetPIN(ctx, newest, passcode)
}

// initialize empties a card, which takes some of them long.
func initialize(ctx context.Context, c *card.Card, soPIN []byte) error {
	defer slowCall(ctx)()
	return c.Initialize(ctx, soPIN, tokenLabel)
}

// newestSOPIN is the one that the card ends with; the caller clears it.
func (t *task) newestSOPIN() ([]byte, error) {
	if len(t.view.SOPINs) == 0 {
		return nil, errSOPIN
	}
	return t.key.open(t.view.SOPINs[len(t.view.SOPINs)-1])
}

// takeOver brings an initialised card to the newest of the act's SO PINs,
// whichever of them it has.
func (a *Agent) takeOver(ctx context.Context, c *card.Card, t *task, newest []byte) error {
	so, _, opened, err := loginSO(ctx, c, t.key, &t.view.SOPINs)
	if err != nil {
		return err
	}
	defer so.Close()
	defer clear(opened)
	if bytes.Equal(opened, newest) {
		return nil
	}
	return so.ChangeSOPIN(ctx, opened, newest)
}

// loginSO logs the security officer in with the first candidate, then the
// other: at most one wrong try, which the right one makes good. Both are opened
// before any is tried, so that a server's mistake costs none, and the first is
// dropped once it was wrong, so that going on after a cut costs no second try.
// The caller closes the session and clears the PIN.
func loginSO(ctx context.Context, c *card.Card, key *agentKey, list *[]sealedSOPIN) (*card.SOSession, int64, []byte, error) {
	err := error(errSOPIN)
	*list = (*list)[:min(len(*list), 2)] // the protocol knows two; a third try could be the card's last
	candidates := *list
	pins := make([][]byte, len(candidates))
	opened := -1
	defer func() {
		for i, pin := range pins {
			if i != opened {
				clear(pin)
			}
		}
	}()
	for i, candidate := range candidates {
		if pins[i], err = key.open(candidate); err != nil {
			return nil, 0, nil, err
		}
	}
	for i, pin := range pins {
		var so *card.SOSession
		if so, err = c.SO(ctx, pin, card.LoginOptions{}); err == nil {
			opened = i
			return so, candidates[i].Generation, pin, nil
		}
		if !errors.Is(err, card.ErrWrongSOPIN) {
			break
		}
		if i == 0 && len(candidates) == 2 {
			*list = candidates[1:]
		}
	}
	return nil, 0, nil, err
}

// renew makes a new pair beside the old one, or writes again what is missing.
// In the holder's own session the old key agrees first.
func (a *Agent) renew(ctx context.Context, t *task, f form) error {
	c, _, give, err := a.take(ctx, t)
	if err != nil {
		return err
	}
	defer give()
	if err := a.login(ctx, c, f); err != nil {
		return err
	}
	if t.request.Bind != "" && t.view == nil {
		if _, err := a.prove(ctx, c, t, t.request.Kind); err != nil {
			return err
		}
	}
	if err := a.openAct(ctx, t); err != nil {
		return err
	}
	if t.serial != c.Serial() {
		return a.rules.Refuse("card.other")
	}
	return a.pair(ctx, c, t)
}

// pair makes the keys of the act on the card, gets their certificates, writes
// them, proves the new key to the server, and only then takes older pairs away.
// Each part may have been done by an agent before; the passcode is in.
func (a *Agent) pair(ctx context.Context, c *card.Card, t *task) error {
	keys, err := a.keys(ctx, c, t.view)
	if err != nil {
		return err
	}
	ders := t.view.Certificates
	if len(ders) == 0 {
		if ders, err = a.request(ctx, t, keys); err != nil {
			return err
		}
		t.view.Certificates = ders
	}
	certificates, err := a.parsed(ders, keys)
	if err != nil {
		return err
	}
	if err := a.oneHolder(ctx, c, certificates); err != nil {
		return err
	}
	for i, plan := range t.view.Keys {
		if err := c.StoreCertificate(ctx, certificates[i], plan.Use); err != nil {
			return err
		}
	}
	jws, err := a.proof(ctx, t, signer{ctx, keys[0]}, certificates[0], claims{Purpose: string(Renew), Act: t.view.Act})
	if err != nil {
		return err
	}
	if err := a.server(t.request.Server).confirm(ctx, t.request.Handle, jws); err != nil {
		return err
	}
	a.removeOlder(ctx, c, keys, certificates[0])
	return nil
}

// keys finds or makes the act's two keys. Where certificates were issued, keys
// that are not there can't be made again; keys that serve something else are not
// this act's to use.
func (a *Agent) keys(ctx context.Context, c *card.Card, view *actView) ([]*card.Key, error) {
	stored, err := c.Certificates(ctx)
	if err != nil {
		return nil, err
	}
	keys := make([]*card.Key, len(view.Keys))
	for i, plan := range view.Keys {
		key, err := c.Key(ctx, card.KeySelector{ID: plan.ID})
		if errors.Is(err, card.ErrNotFound) && len(view.Certificates) == 0 {
			key, err = generate(ctx, c, plan)
		}
		// ErrExists: half a pair of an earlier try has the id, which nothing completes.
		if errors.Is(err, card.ErrNotFound) || errors.Is(err, card.ErrExists) {
			err = a.rules.Refuse("act.unfinishable").Because(err)
		}
		if err != nil {
			return nil, err
		}
		if !ours(key, view, stored) {
			return nil, a.rules.Refuse("act.invalid")
		}
		keys[i] = key
	}
	return keys, nil
}

// generate makes a key of the act, or finds the one that another call of this act
// has just made.
func generate(ctx context.Context, c *card.Card, plan keyPlan) (*card.Key, error) {
	algorithm, known := algorithms(plan.Algorithm)
	if !known {
		return nil, card.ErrUnsupported
	}
	defer slowCall(ctx)()
	key, err := c.GenerateKey(ctx, card.KeySpec{ID: plan.ID, Label: plan.Use, Algorithm: algorithm})
	if !errors.Is(err, card.ErrExists) {
		return key, err
	}
	if made, missing := c.Key(ctx, card.KeySelector{ID: plan.ID}); missing == nil {
		return made, nil
	}
	return nil, err
}

func algorithms(name string) (card.Algorithm, bool) {
	switch name {
	case "", "P-256":
		return card.P256, true
	case "P-384":
		return card.P384, true
	case "RSA-2048":
		return card.RSA2048, true
	case "RSA-3072":
		return card.RSA3072, true
	}
	return 0, false
}

// request sends the two requests and repeats the same two until the server
// says yes or no: a lost answer must not make other ones.
func (a *Agent) request(ctx context.Context, t *task, keys []*card.Key) ([][]byte, error) {
	var csrs [][]byte
	for _, key := range keys {
		csr, err := key.CertificateRequest(ctx, &x509.CertificateRequest{})
		if err != nil {
			return nil, err
		}
		csrs = append(csrs, csr.Raw)
	}
	var certificates [][]byte
	err := a.patiently(ctx, func(ctx context.Context) (err error) {
		certificates, err = a.server(t.request.Server).requests(ctx, t.request.Handle, csrs)
		return err
	})
	return certificates, err
}

// parsed reads the certificates and refuses any that is not for its key.
func (a *Agent) parsed(ders [][]byte, keys []*card.Key) ([]*x509.Certificate, error) {
	if len(ders) != len(keys) {
		return nil, a.rules.Refuse("act.unfinishable")
	}
	certificates := make([]*x509.Certificate, len(ders))
	for i, der := range ders {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("%w: a certificate can't be read: %w", errUnreachable, err)
		}
		if !samePublic(certificate.PublicKey, keys[i].Public()) {
			return nil, a.rules.Refuse("act.unfinishable")
		}
		certificates[i] = certificate
	}
	return certificates, nil
}

// removeOlder takes the pairs off the card that the new one replaced: those of
// the same issuer and holder. What fails to go harms nothing, since the server
// no longer takes it.
func (a *Agent) removeOlder(ctx context.Context, c *card.Card, keep []*card.Key, by *x509.Certificate) {
	stored, err := c.Certificates(ctx)
	if err != nil {
		return
	}
	for _, s := range stored {
		if !bytes.Equal(s.X509.RawIssuer, by.RawIssuer) || s.X509.Subject.SerialNumber != by.Subject.SerialNumber || ofKeys(keep, s.X509) {
			continue
		}
		key, err := c.Key(ctx, card.KeySelector{Public: s.X509.PublicKey})
		if err == nil {
			err = key.Delete(ctx)
		}
		if err != nil {
			a.config.Log.Warn("an old key stays on the card", "card", c.Serial(), "rule", wardkey.RuleOf(err))
		}
	}
}

func ofKeys(keys []*card.Key, certificate *x509.Certificate) bool {
	for _, k := range keys {
		if samePublic(k.Public(), certificate.PublicKey) {
			return true
		}
	}
	return false
}

// clear empties a card and leaves it with the act's newest SO PIN.
func (a *Agent) clear(ctx context.Context, t *task) error {
	c, info, give, err := a.take(ctx, t)
	if err != nil {
		return err
	}
	defer give()
	newest, err := t.newestSOPIN()
	if err != nil {
		return err
	}
	defer clear(newest)
	if info.Initialised {
		if err := a.takeOver(ctx, c, t, newest); err != nil {
			return err
		}
	}
	if err := initialize(ctx, c, newest); err != nil {
		return err
	}
	return a.patiently(ctx, func(ctx context.Context) error {
		return a.server(t.request.Server).confirm(ctx, t.request.Handle, "")
	})
}
