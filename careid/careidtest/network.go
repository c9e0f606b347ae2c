// SPDX-License-Identifier: Apache-2.0

package careidtest

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/wardkey-sdk/wardkey/pki"
	"github.com/wardkey-sdk/wardkey/pki/pkitest"
)

// network is what the hospital serves on loopback, and the two ways to ask how a certificate stands.
type network struct {
	servers  []*httptest.Server
	verifier *pki.Verifier
}

// publish opens a CA behind the addresses that its certificates name: OCSP, lists and its own certificates, over HTTP. The
// verifier asks there.
func (h *Hospital) publish() (*pkitest.CA, *pki.Verifier, error) {
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	h.network.servers = append(h.network.servers, server)
	ca, err := pkitest.Open(pkitest.Config{Now: h.Clock.Now, Profile: pki.ProfileConfig{Base: server.URL}})
	if err != nil {
		return nil, nil, err
	}
	mux.Handle("/ocsp", ca.OCSPHandler())
	mux.Handle("/ocsp/", ca.OCSPHandler())
	mux.Handle("/", ca.PublishHandler())

	ocsp, lists, err := h.checkers()
	if err != nil {
		return nil, nil, errors.Join(err, ca.Close())
	}
	verifier, err := pki.NewVerifier(pki.VerifierConfig{
		Roots: ca.Chain()[:1], Sources: []pki.StatusSource{ocsp, lists}, Now: h.Clock.Now,
	})
	if err != nil {
		return nil, nil, errors.Join(err, ca.Close())
	}
	return ca, verifier, nil
}

// checkers ask how certificates stand, and have asked nothing yet.
func (h *Hospital) checkers() (*pki.OCSPChecker, *pki.CRLChecker, error) {
	fetcher, err := pki.NewFetcher(pki.FetcherConfig{Now: h.Clock.Now, Wall: h.Wall.Now})
	if err != nil {
		return nil, nil, err
	}
	ocsp, err := pki.NewOCSPChecker(pki.OCSPCheckerConfig{Source: fetcher, Nonce: true})
	if err != nil {
		return nil, nil, err
	}
	lists, err := pki.NewCRLChecker(pki.CRLCheckerConfig{Source: fetcher})
	return ocsp, lists, err
}

func (n *network) close() {
	for _, s := range n.servers {
		s.Close()
	}
}

// Status asks how a certificate of the hospital's CA stands, as a stranger does who asks for the first time, at the
// addresses in it: the OCSP responder and the list. It says nothing about the certificate's dates.
func (h *Hospital) Status(ctx context.Context, cert *x509.Certificate) (ocsp, list pki.Evidence, err error) {
	responder, lists, err := h.checkers()
	if err != nil {
		return ocsp, list, err
	}
	issuer, now := h.CA.Chain()[0], h.Clock.Now()
	ocsp, asked := responder.Evidence(ctx, cert, issuer, now)
	list, read := lists.Evidence(ctx, cert, issuer, now)
	return ocsp, list, errors.Join(asked, read)
}

// TLSServer serves an application over HTTPS to whoever has a card: the client's certificate must be for signing in, of
// the hospital's CA, and good by OCSP, or by the list where nobody answers, at the time of Clock. Close of the hospital
// ends it.
func (h *Hospital) TLSServer(app http.Handler) *httptest.Server {
	server := httptest.NewUnstartedServer(app)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // who is refused is told so by TLS
	server.TLS = &tls.Config{
		MinVersion: tls.VersionTLS13,
		ClientAuth: tls.RequireAnyClientCert, // and then, resumed or not:
		VerifyConnection: func(s tls.ConnectionState) error {
			_, err := h.network.verifier.Verify(context.Background(), s.PeerCertificates, pki.PurposeAuthentication, time.Time{})
			return err
		},
	}
	server.StartTLS()
	h.network.servers = append(h.network.servers, server)
	return server
}

// TLSClient calls a TLSServer with a card, as it is then: each request is a handshake of its own, for which the card
// signs after its passcode.
func (h *Hospital) TLSClient(server *httptest.Server, c *Card) *http.Client {
	trusted := x509.NewCertPool()
	trusted.AddCert(server.Certificate())
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS13, RootCAs: trusted, Time: h.Clock.Now,
			GetClientCertificate: func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return &tls.Certificate{Certificate: [][]byte{c.Certificates[0].Raw}, PrivateKey: tlsKey{r.Context(), c}}, nil
			},
		},
	}}
}

// TLSCall knocks with a card at a TLSServer: nil when it was let in, whatever the application answers.
func (h *Hospital) TLSCall(ctx context.Context, server *httptest.Server, c *Card) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
	if err != nil {
		return err
	}
	answer, err := h.TLSClient(server, c).Do(r)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

// tlsKey is a card's authentication key that asks for the passcode each time.
type tlsKey struct {
	ctx  context.Context
	card *Card
}

func (o tlsKey) Public() crypto.PublicKey { return o.card.Keys[0].Public() }

func (o tlsKey) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) (signature []byte, err error) {
	err = o.card.opened(o.ctx, o.card.Passcode, func() (err error) {
		signature, err = o.card.Keys[0].Sign(rand, digest, opts)
		return err
	})
	return signature, err
}
