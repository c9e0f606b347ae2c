// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"context"
	"errors"
	"fmt"
)

// maxSOPIN is more than any token takes: PKCS#11 leaves the longest PIN to the token (CK_TOKEN_INFO), and SoftHSM, which
// takes the longest ones, has 255.
const maxSOPIN = 255

// ImportedSOPIN is the security officer PIN that an outside card came with, encrypted under Config.AuthenticatorKey. It
// stands in the place of one generation until the first unlock has given the card one of the CardMaster.
type ImportedSOPIN struct {
	Generation int64 // 0 is none
	Sealed     []byte
}

// ImportSOPIN takes the security officer PIN of an outside card in use, as its issuer told it, so that the card can be
// unlocked here: by who may bind cards. It is kept encrypted until the first unlock, which replaces it on the card, and is
// forgotten when the card is taken out of use. Whether it opens the card shows at that unlock. The caller clears pin.
// Refusals: card.ours (a card of this service, or one that was unlocked here since), card.… by state, sopin.invalid,
// sopin.unavailable (no Config.AuthenticatorKey), and those of the role table.
func (s *Service) ImportSOPIN(ctx context.Context, a Actor, serial string, pin []byte) error {
	return s.change(ctx, a.name(), "import so pin", serial, func(ctx context.Context, tx *Tx, _ *record) error {
		c, p, err := s.cardOf(ctx, tx, a, serial)
		if err != nil {
			return err
		}
		if _, err := s.authorize(ctx, tx, a, ActionBind, AnyTerm, p); err != nil {
			return err
		}
		g, err := tx.Cards.Generations(ctx, serial)
		if err != nil {
			return err
		}
		had, err := tx.Cards.ImportedSOPIN(ctx, serial)
		if err != nil {
			return err
		}
		switch {
		case c.Issuer == "" || g.First != had.Generation || g.Second != 0: // one of ours may stand on the card
			return s.no("card.ours")
		case c.State != CardActive && c.State != CardLocked:
			return s.cardState(c)
		case len(pin) == 0 || len(pin) > maxSOPIN:
			return s.no("sopin.invalid")
		case s.sealer == nil:
			return s.no("sopin.unavailable")
		}
		generation := g.Next
		if err := tx.Cards.SetGenerations(ctx, serial, Generations{First: generation, Next: generation + 1}); err != nil {
			return err
		}
		return tx.Cards.SetImportedSOPIN(ctx, serial, ImportedSOPIN{generation, s.sealer.seal(sealedSOPIN(serial, generation), pin)})
	})
}

// sealedSOPIN binds a ciphertext to its card and generation.
func sealedSOPIN(card string, generation int64) string {
	return fmt.Sprintf("wardkey/imported-so-pin/v1 %d %s", generation, card)
}

// officer refuses to open an outside card whose security officer PIN nobody here knows, or no longer, because the key that
// it was sealed under is gone: before a code is sent and spent.
func (s *Service) officer(ctx context.Context, tx *Tx, c Card) error {
	if c.Issuer == "" {
		return nil
	}
	g, err := tx.Cards.Generations(ctx, c.Serial)
	if err != nil {
		return err
	}
	imported, err := tx.Cards.ImportedSOPIN(ctx, c.Serial)
	switch {
	case err != nil:
		return err
	case g.First == 0:
		return s.theirs(c)
	case g.First != imported.Generation:
		return nil
	}
	pin, err := s.unsealSOPIN(c.Serial, imported)
	clear(pin)
	if err != nil {
		s.log.ErrorContext(ctx, "careid: imported SO PIN", "card", c.Serial, "error", err)
		return s.theirs(c)
	}
	return nil
}

// soPIN is the security officer PIN of one generation of a card: derived, or imported. The caller clears it.
func (s *Service) soPIN(ctx context.Context, card string, generation int64) ([]byte, error) {
	var imported ImportedSOPIN
	err := s.read(ctx, func(ctx context.Context, tx *Tx) (err error) {
		imported, err = tx.Cards.ImportedSOPIN(ctx, card)
		return err
	})
	if err != nil {
		return nil, err
	}
	if imported.Generation == 0 || imported.Generation != generation {
		return s.master.SOPIN(ctx, card, generation)
	}
	return s.unsealSOPIN(card, imported)
}

// unsealSOPIN is the security officer PIN that was imported. The caller clears it.
func (s *Service) unsealSOPIN(card string, imported ImportedSOPIN) ([]byte, error) {
	if s.sealer == nil {
		return nil, errors.New("careid: an imported SO PIN needs the AuthenticatorKey")
	}
	pin, _, err := s.sealer.open(sealedSOPIN(card, imported.Generation), imported.Sealed)
	return pin, err
}

// forgetSOPIN drops an imported SO PIN and, where it may still be on the card, the generation that stood for it.
func forgetSOPIN(ctx context.Context, tx *Tx, card string) error {
	imported, err := tx.Cards.ImportedSOPIN(ctx, card)
	if err != nil || imported.Generation == 0 {
		return err
	}
	g, err := tx.Cards.Generations(ctx, card)
	if err != nil {
		return err
	}
	if g.First == imported.Generation {
		g.First, g.Second = g.Second, 0
		if err := tx.Cards.SetGenerations(ctx, card, g); err != nil {
			return err
		}
	}
	return tx.Cards.SetImportedSOPIN(ctx, card, ImportedSOPIN{})
}
