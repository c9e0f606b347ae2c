// SPDX-License-Identifier: Apache-2.0

package webauthn_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/cardhttp"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
	"github.com/wardkey-sdk/wardkey/careid/webauthn"
)

// A nurse who is signed in with her card registers a security key, and signs in with
// it the next time. What stands for the browser and its ES module here is post; for the
// key, a virtual one.
func Example() {
	h, err := careidtest.Open(careidtest.Config{})
	if err != nil {
		panic(err)
	}
	defer h.Close()
	maker := newMaker(1, careid.KindSecurityKey, "Ward key 5")

	cards, err := cardhttp.New(cardhttp.Config{Service: h.Service, Server: "https://care.example"})
	if err != nil {
		panic(err)
	}
	keys, err := webauthn.New(webauthn.Config{
		Service: h.Service, Sessions: cards, Now: h.Clock.Now, Wall: h.Wall.Now,
		RPID: "care.example", Origins: []string{"https://care.example"},
		Models: []webauthn.Model{{
			AAGUID: maker.model.AAGUID, Name: "Ward key 5", Kind: careid.KindSecurityKey, Roots: maker.model.Roots,
			Source: wardkey.Source{Document: "Approved authenticators", Date: "2025-12-01"},
		}},
	})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle(webauthn.Path, keys)

	cookies := map[string]string{}
	post := func(path string, body any) []byte {
		r := httptest.NewRequest(http.MethodPost, "https://care.example"+webauthn.Path+path, bytes.NewReader(must(json.Marshal(body))))
		r.Header.Set("Content-Type", "application/json")
		for name, value := range cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		for _, c := range w.Result().Cookies() {
			cookies[c.Name] = c.Value
		}
		return w.Body.Bytes()
	}
	card, err := h.SignIn(context.Background(), h.Nurse.Card)
	if err != nil {
		panic(err)
	}
	session := cards.SessionCookie(card.Token)
	cookies[session.Name] = session.Value

	key := maker.device()
	options := post("register/options", members{"kind": "security-key"})
	post("register", members{"name": "Red key", "user": userOf(options), "credential": key.create(options)})

	clear(cookies) // another day
	options = post("signin/options", members{})
	post("signin", members{"credential": key.get(options)})
	in, err := h.Service.Session(context.Background(), cookies[session.Name])
	if err != nil {
		panic(err)
	}
	fmt.Println(in.Name, in.AMR, in.ACR)
	options = post("signin/options", members{})
	key.cred.Counter = 0 // a copy of the key that was made before
	var refused wardkey.Refusal
	if err := json.Unmarshal(post("signin", members{"credential": key.get(options)}), &refused); err != nil {
		panic(err)
	}
	fmt.Println(refused.Rule)
	// Output:
	// Asha Patel [FIDO2] AAL3_ANY
	// authenticator.copied
}
