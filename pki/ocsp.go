// SPDX-License-Identifier: Apache-2.0

package pki

import (
	"bytes"
	"context"
	"crypto"
	"encoding/base64"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ocsp"
)

const (
	maxOCSPRequest = 4 << 10
	// requestPatience is how long a request by POST may take to arrive: it is a
	// packet or two, and a second or so where lines are bad.
	requestPatience = 10 * time.Second
	// maxOCSPAnswers bounds the cache; each answer is about a kilobyte.
	maxOCSPAnswers = 100_000
)

// responder answers OCSP requests from the ledger, and keeps what it signed.
//
// A kept answer is right only if nothing changed in the ledger since, perhaps by
// another server. So each request reads the ledger's revision; requests that come
// together share one reading, as long as it began after they came. An answer of
// that revision is served as it is; of an older one, the certificate is read
// again, and the answer is kept if its status is the same.
type responder struct {
	ca        *CA
	life      time.Duration
	slot      identitySlot
	revisions sharedRead
	names     []issuerName

	mu      sync.Mutex
	answers map[answerKey]*keptAnswer
}

// issuerName is how requests name the issuing CA under one hash.
type issuerName struct {
	hash      crypto.Hash
	name, key []byte
}

type answerKey struct {
	hash   crypto.Hash
	null   bool
	serial string
}

type keptAnswer struct {
	der                    []byte
	etag                   string
	standing               standing
	thisUpdate, nextUpdate time.Time
	revision               int64 // read before the standing was
}

func newResponder(ca *CA, life time.Duration) (*responder, error) {
	bits, err := keyBits(ca.issuer.RawSubjectPublicKeyInfo)
	if err != nil {
		return nil, err
	}
	rs := &responder{ca: ca, life: life, answers: map[answerKey]*keptAnswer{}}
	rs.revisions.read = ca.ledger.Revision
	for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		rs.names = append(rs.names, issuerName{hash, digest(hash, ca.issuer.RawSubject), digest(hash, bits)})
	}
	return rs, nil
}

func digest(hash crypto.Hash, data []byte) []byte {
	h := hash.New()
	h.Write(data)
	return h.Sum(nil)
}

// OCSPHandler answers OCSP requests, by POST and by GET with the base64 request
// at the end of the path. On a ServeMux it needs two patterns, "/ocsp" for POST
// and "/ocsp/" for GET: with the second alone a POST to the address in the
// certificates is redirected, which OCSP clients don't follow. Mount it where
// "//" in a path is not cleaned away, or expect clients to escape the slashes of
// the base64.
//
// Answers are signed by a delegated certificate with id-pkix-ocsp-nocheck and
// are good from now for OCSPLife. One never says good about a serial number that
// the ledger doesn't hold or that is still pending: those are unknown. On hold is
// revoked with reason certificateHold. A change of status shows in the very next
// answer of every server on the ledger, so HTTP caches must ask again each time
// (Cache-Control: no-cache, with an ETag). Requests about another issuer are
// answered unauthorized, what can't be read is answered malformedRequest, and when
// the ledger or the signer fails tryLater, all unsigned. A request about several
// certificates has one answer about all of them, and a nonce of 1 to 128 octets
// comes back: such answers are signed for that request alone and not kept.
//
// A request has at most 4 KiB, and 10 seconds for a body to arrive. Headers that
// come slowly and answers that are taken slowly are the http.Server's to bound
// (ReadHeaderTimeout, WriteTimeout), as with any handler.
// RFC 6960 §2, RFC 5019 §2, §5, RFC 9654 §2.1.
func (ca *CA) OCSPHandler() http.Handler { return ca.ocsp }

// ServeHTTP implements http.Handler.
func (rs *responder) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, err := readHTTP(w, r)
	switch {
	case errors.Is(err, errMethod):
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "use GET or POST", http.StatusMethodNotAllowed)
	case err != nil:
		writeOCSP(w, ocsp.MalformedRequestErrorResponse)
	case slices.ContainsFunc(a.questions, func(q question) bool { return !rs.ours(q) }):
		writeOCSP(w, ocsp.UnauthorizedErrorResponse)
	case len(a.questions) > 1 || a.nonce != nil:
		der, err := rs.answerOnce(r.Context(), a)
		if err != nil {
			rs.failed(w, r, err)
			return
		}
		writeOCSP(w, der)
	default:
		rs.serveKept(w, r, a.questions[0])
	}
}

func (rs *responder) serveKept(w http.ResponseWriter, r *http.Request, q question) {
	kept, err := rs.answer(r.Context(), q)
	if err != nil {
		rs.failed(w, r, err)
		return
	}
	h := w.Header()
	h.Set("ETag", kept.etag)
	h.Set("Cache-Control", "no-cache, no-transform")
	if r.Method != http.MethodPost && strings.Contains(r.Header.Get("If-None-Match"), kept.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	writeOCSP(w, kept.der)
}

func (rs *responder) failed(w http.ResponseWriter, r *http.Request, err error) {
	rs.ca.log.ErrorContext(r.Context(), "OCSP answer failed", "error", err.Error())
	writeOCSP(w, ocsp.TryLaterErrorResponse)
}

func writeOCSP(w http.ResponseWriter, der []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/ocsp-response")
	h.Set("X-Content-Type-Options", "nosniff")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
	}
	_, _ = w.Write(der) // the client is gone when this fails
}

var errMethod = errors.New("method not allowed")

func readHTTP(w http.ResponseWriter, r *http.Request) (asked, error) {
	switch r.Method {
	case http.MethodPost:
		body, err := readBody(w, r)
		if err != nil {
			return asked{}, err
		}
		return readAsked(body)
	case http.MethodGet, http.MethodHead:
		return readPath(r.URL)
	}
	return asked{}, errMethod
}

// readBody bounds the time that a body may take, too, whatever the server does. A
// timer ends the reading, since deadlines follow the machine's clock; where w knows
// none, the server's own timeouts are all there is.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	connection := http.NewResponseController(w)
	late := time.AfterFunc(requestPatience, func() { _ = connection.SetReadDeadline(time.Unix(1, 0)) })
	defer late.Stop()
	return io.ReadAll(http.MaxBytesReader(w, r.Body, maxOCSPRequest))
}

// readPath finds the request at the end of a path. The prefix is not known, and
// base64 may hold slashes, so the longest tail that reads as a request is it.
// RFC 6960 appendix A.1.
func readPath(u *url.URL) (asked, error) {
	tail := u.Path
	if len(tail) > 2*maxOCSPRequest {
		return asked{}, errors.New("too long")
	}
	for range 16 {
		der, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(tail, "/"))
		if err == nil {
			if a, err := readAsked(der); err == nil {
				return a, nil
			}
		}
		next := strings.IndexByte(strings.TrimPrefix(tail, "/"), '/')
		if next < 0 {
			break
		}
		tail = strings.TrimPrefix(tail, "/")[next:]
	}
	return asked{}, errors.New("no request in the path")
}

func (rs *responder) ours(q question) bool {
	for _, n := range rs.names {
		if n.hash == q.hash {
			return bytes.Equal(n.name, q.id.IssuerName) && bytes.Equal(n.key, q.id.IssuerKey)
		}
	}
	return false
}

// answer returns a kept answer that still holds, or signs one.
func (rs *responder) answer(ctx context.Context, q question) (*keptAnswer, error) {
	revision, err := rs.revisions.do(ctx)
	if err != nil {
		return nil, err
	}
	now := second(rs.ca.now())
	key := answerKey{q.hash, q.null, string(q.id.Serial.Bytes())}
	rs.mu.Lock()
	kept := rs.answers[key]
	rs.mu.Unlock()
	if kept.fresh(now) && kept.revision == revision {
		return kept, nil
	}
	s, err := rs.standing(ctx, q.id.Serial)
	if err != nil {
		return nil, err
	}
	if kept.fresh(now) && kept.standing.equal(s) {
		same := *kept
		same.revision = revision
		rs.keep(key, &same)
		return &same, nil
	}
	fresh, err := rs.sign(ctx, q, s, now)
	if err != nil {
		return nil, err
	}
	if fresh.revision = revision; s.state != Unknown {
		rs.keep(key, fresh)
	}
	return fresh, nil
}

// fresh is true in the first half of an answer's life.
func (k *keptAnswer) fresh(now time.Time) bool {
	return k != nil && !now.Before(k.thisUpdate) && now.Before(k.thisUpdate.Add(k.nextUpdate.Sub(k.thisUpdate)/2))
}

// keep stores an answer, and makes room by dropping any other.
func (rs *responder) keep(key answerKey, a *keptAnswer) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if _, exists := rs.answers[key]; !exists && len(rs.answers) >= maxOCSPAnswers {
		for other := range rs.answers {
			delete(rs.answers, other)
			break
		}
	}
	rs.answers[key] = a
}

func (rs *responder) standing(ctx context.Context, serial *big.Int) (standing, error) {
	r, err := rs.ca.record(ctx, serial)
	if errors.Is(err, ErrUnknownCertificate) {
		return standing{state: Unknown}, nil
	}
	if err != nil {
		return standing{}, err
	}
	return standingOf(r), nil
}

func (rs *responder) sign(ctx context.Context, q question, s standing, now time.Time) (*keptAnswer, error) {
	der, nextUpdate, err := rs.message(ctx, []told{{q.id, s}}, nil, now)
	if err != nil {
		return nil, err
	}
	return &keptAnswer{der: der, etag: etagOf(der), standing: s, thisUpdate: now, nextUpdate: nextUpdate}, nil
}

// answerOnce signs an answer that nobody else can use.
func (rs *responder) answerOnce(ctx context.Context, a asked) ([]byte, error) {
	now := second(rs.ca.now())
	var about []told
	for _, q := range a.questions {
		s, err := rs.standing(ctx, q.id.Serial)
		if err != nil {
			return nil, err
		}
		about = append(about, told{q.id, s})
	}
	der, _, err := rs.message(ctx, about, a.nonce, now)
	return der, err
}

func (rs *responder) message(ctx context.Context, about []told, nonce []byte, now time.Time) (der []byte, nextUpdate time.Time, err error) {
	signer, err := rs.identity(ctx, now)
	if err != nil {
		return nil, time.Time{}, err
	}
	nextUpdate = earlier(now.Add(rs.life), signer.cert.NotAfter)
	der, err = answerMessage(signer, about, nonce, now, nextUpdate)
	return der, nextUpdate, err
}
