// SPDX-License-Identifier: Apache-2.0

package cardhttp

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/internal/web"
)

func (h *Handler) nonce(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Purpose careid.Purpose `json:"purpose"`
	}
	if err := h.read(w, r, &in); err != nil {
		return err
	}
	nonce, err := h.config.Service.Nonce(r.Context(), in.Purpose)
	if err != nil {
		return err
	}
	return web.Write(w, http.StatusOK, map[string]string{"nonce": nonce})
}

func (h *Handler) answer(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		JWS string `json:"jws"`
	}
	if err := h.read(w, r, &in); err != nil {
		return err
	}
	got, err := h.config.Service.Answer(r.Context(), in.JWS)
	if err != nil {
		return err
	}
	return web.Write(w, http.StatusOK, struct {
		Result     string `json:"result,omitempty"`
		Presence   string `json:"presence,omitempty"`
		LeaseEvery int    `json:"leaseEvery,omitempty"`
		LeaseFor   int    `json:"leaseFor,omitempty"`
		Act        string `json:"act,omitempty"`
	}{got.Result, got.Presence, int(got.LeaseEvery.Seconds()), int(got.LeaseFor.Seconds()), got.OpenAct})
}

func (h *Handler) lease(w http.ResponseWriter, r *http.Request) error {
	token, err := h.bearer(r)
	if err != nil {
		return err
	}
	if err := h.config.Service.Lease(r.Context(), token); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (h *Handler) removed(w http.ResponseWriter, r *http.Request) error {
	token, err := h.bearer(r)
	if err != nil {
		return err
	}
	if err := h.config.Service.Removed(r.Context(), token); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

type keyPlan struct {
	Use       careid.KeyUse `json:"use"`
	ID        []byte        `json:"id"`
	Algorithm string        `json:"algorithm,omitempty"`
}

type sealedSOPIN struct {
	Generation int64  `json:"generation"`
	Sealed     []byte `json:"sealed"`
}

func sealed(pins []careid.SealedSOPIN) []sealedSOPIN {
	out := make([]sealedSOPIN, len(pins))
	for i, p := range pins {
		out[i] = sealedSOPIN(p)
	}
	return out
}

func raw(certificates []*x509.Certificate) [][]byte {
	out := make([][]byte, len(certificates))
	for i, c := range certificates {
		out[i] = c.Raw
	}
	return out
}

// handleAndKey are what an agent takes an act up with.
func (h *Handler) handleAndKey(w http.ResponseWriter, r *http.Request) (handle string, agentKey []byte, err error) {
	if handle, err = h.bearer(r); err != nil {
		return "", nil, err
	}
	var in struct {
		AgentKey []byte `json:"agentKey"`
	}
	err = h.read(w, r, &in)
	return handle, in.AgentKey, err
}

func (h *Handler) act(w http.ResponseWriter, r *http.Request) error {
	handle, key, err := h.handleAndKey(w, r)
	if err != nil {
		return err
	}
	view, err := h.config.Service.OpenHandle(r.Context(), handle, key)
	if err != nil {
		return err
	}
	keys := make([]keyPlan, len(view.Keys))
	for i, k := range view.Keys {
		keys[i] = keyPlan(k)
	}
	return web.Write(w, http.StatusOK, struct {
		Act          string         `json:"act"`
		Kind         careid.Purpose `json:"kind"`
		Card         string         `json:"card"`
		Keys         []keyPlan      `json:"keys"`
		Holder       string         `json:"holder,omitempty"`
		Locked       bool           `json:"locked,omitempty"`
		SOPINs       []sealedSOPIN  `json:"soPins,omitempty"`
		Certificates [][]byte       `json:"certificates,omitempty"`
	}{view.Act, view.Kind, view.Card, keys, view.Holder, view.Locked, sealed(view.SOPINs), raw(view.Certificates)})
}

func (h *Handler) requests(w http.ResponseWriter, r *http.Request) error {
	handle, err := h.bearer(r)
	if err != nil {
		return err
	}
	var in struct {
		CSRs [][]byte `json:"csrs"`
	}
	if err := h.read(w, r, &in); err != nil {
		return err
	}
	certificates, err := h.config.Service.Requests(r.Context(), handle, in.CSRs)
	if err != nil {
		return err
	}
	return web.Write(w, http.StatusOK, map[string][][]byte{"certificates": raw(certificates)})
}

func (h *Handler) confirm(w http.ResponseWriter, r *http.Request) error {
	handle, err := h.bearer(r)
	if err != nil {
		return err
	}
	var in struct {
		JWS string `json:"jws"`
	}
	if err := h.read(w, r, &in); err != nil {
		return err
	}
	if err := h.config.Service.Confirm(r.Context(), handle, in.JWS); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// unlockMessage is all that a stranger ever reads about an unlock.
const unlockMessage = "If a code can be sent for this smartcard, it is on its way. If none comes within a few minutes: " +
	"your Registration Authority can add an e-mail address or mobile number to your profile, " +
	"renew a card whose certificates have ended, or unlock the card face to face. Your HR team knows who that is."

// unlockStart answers everybody alike, in body and, but for the network, in
// time: on the beat, the next one where the work took longer. Why no code left is
// in the service's audit.
func (h *Handler) unlockStart(w http.ResponseWriter, r *http.Request) error {
	beat := time.NewTicker(h.config.UnlockAnswer)
	defer beat.Stop()
	handle, err := h.bearer(r)
	if err != nil {
		return err
	}
	var in struct {
		Card    string         `json:"card"`
		Channel careid.Channel `json:"channel"`
	}
	if err := h.read(w, r, &in); err != nil {
		return err
	}
	started, err := h.config.Service.StartUnlock(r.Context(), careid.UnlockStart{Handle: handle, Card: in.Card, Channel: in.Channel})
	if err != nil {
		h.config.Log.Info("no code left", "cause", err)
	}
	if started == nil {
		started = &careid.UnlockStarted{}
	}
	select {
	case <-beat.C: // gone by during the work
	default:
	}
	select {
	case <-beat.C:
	case <-r.Context().Done():
	}
	return web.Write(w, http.StatusAccepted, map[string]string{"request": started.Request, "message": unlockMessage})
}

// code is an unlock code as it arrives: bytes that can be cleared.
type code []byte

var errCode = errors.New("not a string of digits")

// UnmarshalJSON takes a string of digits and nothing else.
func (c *code) UnmarshalJSON(text []byte) error {
	if len(text) < 2 || text[0] != '"' || text[len(text)-1] != '"' {
		return errCode
	}
	for _, d := range text[1 : len(text)-1] {
		if d < '0' || d > '9' {
			return errCode
		}
	}
	*c = append(code(nil), text[1:len(text)-1]...)
	return nil
}

// String shows nothing.
func (c code) String() string { return "…" }

var _ json.Unmarshaler = (*code)(nil)

func (h *Handler) unlockRedeem(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Request  string `json:"request"`
		Card     string `json:"card"`
		Code     code   `json:"code"`
		AgentKey []byte `json:"agentKey"`
	}
	err := h.read(w, r, &in)
	defer clear(in.Code)
	if err != nil {
		return err
	}
	got, err := h.config.Service.RedeemUnlock(r.Context(), careid.UnlockCode{
		Request: in.Request, Card: in.Card, Code: in.Code, AgentKey: in.AgentKey,
	})
	if err != nil {
		return err
	}
	return writeReset(w, got)
}

// takeUnlock opens the reset act of an unlock at a desk.
func (h *Handler) takeUnlock(w http.ResponseWriter, r *http.Request) error {
	handle, key, err := h.handleAndKey(w, r)
	if err != nil {
		return err
	}
	got, err := h.config.Service.TakeUnlock(r.Context(), handle, key)
	if err != nil {
		return err
	}
	return writeReset(w, got)
}

// writeReset hands an opened reset act to the agent.
func writeReset(w http.ResponseWriter, r *careid.Reset) error {
	return web.Write(w, http.StatusOK, struct {
		Reset      string        `json:"reset"`
		Candidates []sealedSOPIN `json:"candidates"`
	}{r.Token, sealed(r.Candidates)})
}

func (h *Handler) resetOpened(w http.ResponseWriter, r *http.Request) error {
	token, err := h.bearer(r)
	if err != nil {
		return err
	}
	var in struct {
		Generation int64 `json:"generation"`
	}
	if err := h.read(w, r, &in); err != nil {
		return err
	}
	next, err := h.config.Service.ResetOpened(r.Context(), token, in.Generation)
	if err != nil {
		return err
	}
	return web.Write(w, http.StatusOK, sealedSOPIN(next))
}

func (h *Handler) resetConfirm(w http.ResponseWriter, r *http.Request) error {
	token, err := h.bearer(r)
	if err != nil {
		return err
	}
	if err := h.config.Service.ResetConfirm(r.Context(), token); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
