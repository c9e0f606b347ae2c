// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/card/agent"
)

// Whatever a page and a server put into a sign-in together, what the card signs is
// a proof of the card protocol for this origin and this server, and of theirs it
// holds a hash, a nonce and an id: no digest of anything else.
func TestPageChoosesNoBytes(t *testing.T) {
	d := newDesk(t, nil)
	ctx := t.Context()
	d.personalised(0)
	var signed []string
	d.server.lies("answer", func(w http.ResponseWriter, r *http.Request) {
		var in struct{ JWS string }
		_ = json.NewDecoder(r.Body).Decode(&in)
		signed = append(signed, in.JWS)
		_, _ = io.WriteString(w, `{}`)
	})
	// The start of a TLS 1.3 CertificateVerify (RFC 8446 §4.4.3), of CMS
	// signedAttrs, of a JWT, and of JSON that would close the string that it is in.
	evil := []string{
		strings.Repeat(" ", 64) + "TLS 1.3, client CertificateVerify\x00",
		"\x31\x81\x8f\x30\x18\x06\x09\x2a\x86\x48\x86\xf7",
		"eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiI1NTUwMDAwMDAwMDEifQ",
		`","aud":"https://elsewhere.example","x":"`,
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB", // one bit more than a hash
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nA",
		strings.Repeat("A", 4096),
	}
	t.Run("threat038", func(t *testing.T) {
		for _, words := range evil {
			bound := d.signin()
			bound.Bind = words
			_, err := d.Start(ctx, bound)
			require.ErrorContains(t, err, "request.invalid", words)
			_, err = d.Start(ctx, agent.Request{Kind: agent.Presence, Server: d.server.URL, Bind: bind, Act: words})
			require.ErrorContains(t, err, "request.invalid", words)
			text, err := json.Marshal(map[string]string{"nonce": words})
			require.NoError(t, err)
			d.server.says("nonce", string(text))
			task, err := d.Run(ctx, d.signin(), typed("123456"))
			require.NoError(t, err)
			require.NotEqual(t, agent.Done, task.State)
			d.server.lies("nonce", nil)
		}
		require.Empty(t, signed, "nothing of it was signed")

		hash := base64.RawURLEncoding.EncodeToString([]byte("a digest of something else......"))
		request := agent.Request{Kind: agent.Presence, Server: d.server.URL, Bind: hash, Act: "00ff"}
		task, err := d.Run(ctx, request, typed("123456"))
		require.NoError(t, err)
		require.Equal(t, agent.Done, task.State, d.log)
		require.Len(t, signed, 1)
		header, _, _ := strings.Cut(signed[0], ".")
		decoded, err := base64.RawURLEncoding.DecodeString(header)
		require.NoError(t, err)
		require.Regexp(t, `^\{"alg":"ES256","typ":"wardkey-card\+jwt","x5c":\["[A-Za-z0-9+/=]+"\]\}$`, string(decoded))
		require.Regexp(t, `^\{"aud":"`+regexp.QuoteMeta(d.server.URL)+`","origin":"`+regexp.QuoteMeta(origin)+`","nonce":"`+nonce+
			`","purpose":"presence","act":"00ff","bind":"`+hash+`","iat":[0-9]+\}$`, string(decodePart(signed[0])))
	})
}
