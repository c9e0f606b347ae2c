// SPDX-License-Identifier: Apache-2.0

package relyingparty

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/wardkey-sdk/wardkey"
)

//go:embed rules.json
var rulesJSON []byte

//go:embed page.html
var pageHTML string

//go:embed style.css
var styleCSS string

// Rulebook returns what this package says no to, and its times.
func Rulebook() (*wardkey.Rulebook, error) { return wardkey.ParseRulebook(rulesJSON) }

// The names of the addresses beside the callback, in the folder of
// Config.RedirectURL.
const (
	SignInName      = "signin"             // GET ?return=/path begins a sign-in
	SignOutName     = "signout"            // POST ends this application's session
	BackChannelName = "backchannel-logout" // POST, the provider's: backchannel_logout_uri
	JWKSName        = "jwks"               // GET, public: jwks_uri
)

func ownNames() []string { return []string{SignInName, SignOutName, BackChannelName, JWKSName} }

// RelyingParty signs people in at one provider for one application. It is safe for
// concurrent use.
type RelyingParty struct {
	config    Config
	book      *wardkey.Rulebook
	client    *http.Client
	pages     *http.CrossOriginProtection
	mux       *http.ServeMux
	providers providers
	folder    string // of the callback, with a slash at its end
	origin    string // of the callback
	secure    bool
	page      *template.Template
	policy    string // Content-Security-Policy of the pages
}

// New checks the configuration and asks nobody: the provider is asked when the
// first person signs in, so that the application starts while it is away.
func New(c Config) (*RelyingParty, error) {
	book, err := Rulebook()
	if err != nil {
		return nil, err
	}
	if c, err = c.withDefaults(book); err != nil {
		return nil, err
	}
	redirect, err := c.check()
	if err != nil {
		return nil, err
	}
	if c.Name == "" {
		c.Name = redirect.Hostname()
	}
	page, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(styleCSS))
	rp := &RelyingParty{
		config: c, book: book, client: newClient(c.Transport), pages: http.NewCrossOriginProtection(), mux: http.NewServeMux(),
		folder: redirect.Path[:strings.LastIndex(redirect.Path, "/")+1], origin: redirect.Scheme + "://" + redirect.Host,
		secure: redirect.Scheme == "https", page: page,
		policy: fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'", base64.StdEncoding.EncodeToString(sum[:])),
	}
	rp.routes(redirect)
	return rp, nil
}

func (rp *RelyingParty) routes(redirect *url.URL) {
	rp.handle("GET "+redirect.Path, rp.callback)
	rp.handle("GET "+rp.folder+SignInName, func(w http.ResponseWriter, r *http.Request) error {
		return rp.begin(w, r, r.URL.Query().Get("return"))
	})
	rp.handle("POST "+rp.folder+SignOutName, rp.signOut)
	rp.mux.HandleFunc("POST "+rp.folder+BackChannelName, rp.backChannel)
	if rp.config.Keys != nil {
		rp.mux.Handle("GET "+rp.folder+JWKSName, rp.config.Keys)
	}
}

// handle serves a browser.
func (rp *RelyingParty) handle(pattern string, serve func(http.ResponseWriter, *http.Request) error) {
	rp.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer") // the callback's address holds a code
		// GET's pattern takes HEAD along, and who only looks begins and ends no sign-in.
		if r.Method == http.MethodHead {
			w.Header().Set("Allow", http.MethodGet)
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		if err := serve(w, r); err != nil {
			rp.refuse(w, r, err)
		}
	})
}

// Path is where the RelyingParty itself is to be mounted: the folder of
// Config.RedirectURL. Where that is the root, which the application needs for
// itself, mount each of its addresses.
func (rp *RelyingParty) Path() string { return rp.folder }

// ServeHTTP serves the callback and what stands beside it under Path.
func (rp *RelyingParty) ServeHTTP(w http.ResponseWriter, r *http.Request) { rp.mux.ServeHTTP(w, r) }
