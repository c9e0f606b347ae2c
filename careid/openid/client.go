// SPDX-License-Identifier: Apache-2.0

package openid

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/wardkey-sdk/wardkey/careid/internal/web"
)

// AuthMethod is how a client shows at the token endpoint that it is itself.
type AuthMethod string

// The three methods. OpenID Connect Core §9.
const (
	SecretBasic   AuthMethod = "client_secret_basic"
	SecretPost    AuthMethod = "client_secret_post"
	PrivateKeyJWT AuthMethod = "private_key_jwt"
)

// Client is a relying party as registered.
type Client struct {
	ID   string
	Name string // for people; default the ID

	Method AuthMethod // default SecretBasic
	Secret []byte     // of the first two methods; 16 bytes at least, but in a test provider
	// KeySet (a JSON Web Key Set) or KeysURI is for PrivateKeyJWT. The URI is read when a key is needed and kept for an
	// hour; an unknown kid has it read again, once a minute at most.
	KeySet  []byte
	KeysURI string
	// AssertionAlgorithm is RS256, RS384 or RS512, or "" for any of them.
	AssertionAlgorithm string
	// StrictAudience accepts assertions for the token endpoint alone, as discovery spells it. Otherwise the issuer will do
	// too (RFC 7523bis asks for it), and either with or without the port :443.
	StrictAudience bool

	// RedirectURIs are compared byte for byte. https, or http to a loopback host; no fragment.
	RedirectURIs []string
	// LogoutURI takes logout tokens, "" where the client wants none. https, or http to a loopback host.
	LogoutURI string

	// IDTokenAlgorithm defaults to RS256, the only one of the national service.
	IDTokenAlgorithm string
	// Refresh says whether it gets refresh tokens.
	Refresh bool
	// Scopes are those it may ask for; nil is all. Others are left out of what is granted.
	Scopes []string
	// WithoutPKCE lets it leave PKCE out, as clients of the national service do; its own challenge still binds.
	WithoutPKCE bool
	// IntegerLevels writes assurance levels as numbers instead of strings.
	IntegerLevels bool
	// Alerts puts wardkey_alerts into ID tokens, a list of {"rule","daysLeft","notAfter"} when the card's certificates end
	// soon. The national service has no such claim.
	Alerts bool
}

// client is a Client that is held to its rules.
type client struct {
	Client
	secret    [sha256.Size]byte
	keys      *clientKeys
	logout    *http.Client // nil without a LogoutURI
	algorithm string       // of ID tokens and logout tokens
}

// SetClients replaces the clients, while the provider runs. Requests that are under way go on with what they began with.
// What a client that is not given any more was granted is good for nothing, and it is told of no end; given again, it has
// its grants back as far as their time is not over. It fails for a client that is not fit, and changes nothing then.
// Other servers are told by their own SetClients.
func (p *Provider) SetClients(clients []Client) error {
	p.changes.Lock()
	defer p.changes.Unlock()
	next := map[string]*client{}
	for _, c := range clients {
		if next[c.ID] != nil {
			return fmt.Errorf("openid: client %q is registered twice", c.ID)
		}
		one, err := p.register(c)
		if err != nil {
			return fmt.Errorf("openid: client %q: %w", c.ID, err)
		}
		if was := p.client(c.ID); was != nil && one.keys != nil && was.keys != nil && one.keys.uri != "" && one.keys.uri == was.keys.uri {
			one.keys = was.keys // with what was read from there
		}
		next[c.ID] = one
	}
	p.clients.Store(&next)
	return nil
}

// client is a registered one, or nil.
func (p *Provider) client(id string) *client { return (*p.clients.Load())[id] }

// minSecret is 128 bits, where a secret is random bytes. RFC 6749 §10.10.
const minSecret = 16

func (p *Provider) register(c Client) (*client, error) {
	c.Method = cmp.Or(c.Method, SecretBasic)
	c.Name = cmp.Or(c.Name, c.ID)
	one := &client{Client: c, algorithm: cmp.Or(c.IDTokenAlgorithm, "RS256")}
	one.Secret, one.KeySet = nil, nil
	if c.ID == "" || len(c.ID) > 255 || strings.IndexFunc(c.ID, func(r rune) bool { return r < '!' || r > '~' }) >= 0 {
		return nil, errors.New("its id is not 1 to 255 printable characters")
	}
	if err := p.registerCredentials(one, c); err != nil {
		return nil, err
	}
	if len(c.RedirectURIs) == 0 {
		return nil, errors.New("it has no redirect URI")
	}
	one.RedirectURIs, one.Scopes = slices.Clone(c.RedirectURIs), slices.Clone(c.Scopes)
	for _, uri := range c.RedirectURIs {
		if err := checkURI(uri); err != nil {
			return nil, err
		}
	}
	if c.LogoutURI != "" {
		if err := checkURI(c.LogoutURI); err != nil {
			return nil, err
		}
		one.logout = outbound(p.config, c.LogoutURI)
	}
	if !slices.Contains(p.keys.Load().algorithms(p.config.Wall()), one.algorithm) {
		return nil, fmt.Errorf("no key signs its %q", one.algorithm)
	}
	return one, nil
}

func (p *Provider) registerCredentials(one *client, c Client) error {
	switch c.Method {
	case SecretBasic, SecretPost:
		if len(c.Secret) == 0 || p.config.Test == nil && len(c.Secret) < minSecret {
			return fmt.Errorf("its secret is shorter than %d bytes", minSecret)
		}
		one.secret = sha256.Sum256(c.Secret)
		return nil
	case PrivateKeyJWT:
		if c.AssertionAlgorithm != "" && !slices.Contains(assertionAlgorithms(), c.AssertionAlgorithm) {
			return fmt.Errorf("%q is no algorithm of assertions", c.AssertionAlgorithm)
		}
		var err error
		one.keys, err = p.clientKeys(c)
		return err
	}
	return fmt.Errorf("%q is not a method of authentication", c.Method)
}

// checkURI holds an address of a client to https, or http to a loopback host.
func checkURI(uri string) error {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.User != nil || strings.Contains(uri, "#") || strings.Contains(u.Host, "*") {
		return fmt.Errorf("%q is not an absolute address without user and fragment", uri)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !web.Loopback(u.Hostname())) {
		return fmt.Errorf("%q must be https (http only to a loopback host)", uri)
	}
	return nil
}

// registered is a client in the members of OpenID Connect Dynamic Client Registration §2, and ours. Those without a use
// here are read and left.
type registered struct {
	ID         string          `json:"client_id"`
	Secret     string          `json:"client_secret"`
	Name       string          `json:"client_name"`
	Method     string          `json:"token_endpoint_auth_method"`
	Algorithm  string          `json:"token_endpoint_auth_signing_alg"`
	Redirects  []string        `json:"redirect_uris"`
	KeySet     json.RawMessage `json:"jwks"`
	KeysURI    string          `json:"jwks_uri"`
	LogoutURI  string          `json:"backchannel_logout_uri"`
	LogoutSID  bool            `json:"backchannel_logout_session_required"` // it always has one
	IDTokenAlg string          `json:"id_token_signed_response_alg"`
	Scope      string          `json:"scope"`
	Grants     []string        `json:"grant_types"`
	Responses  []string        `json:"response_types"`
	Subject    string          `json:"subject_type"`

	PKCE           *bool  `json:"wardkey_pkce"`   // default true
	Levels         string `json:"wardkey_levels"` // "string" or "integer"
	StrictAudience bool   `json:"wardkey_strict_audience"`
	Alerts         bool   `json:"wardkey_alerts"`

	Type     json.RawMessage `json:"application_type"`
	Contacts json.RawMessage `json:"contacts"`
	Logo     json.RawMessage `json:"logo_uri"`
	Home     json.RawMessage `json:"client_uri"`
	Policy   json.RawMessage `json:"policy_uri"`
	Terms    json.RawMessage `json:"tos_uri"`
	Software json.RawMessage `json:"software_id"`
	Version  json.RawMessage `json:"software_version"`
}

// ParseClients reads a JSON array of clients in the members of OpenID Connect Dynamic Client Registration, strictly: a
// member that asks for something that is not done here, such as encryption, is an error. grant_types with refresh_token
// asks for refresh tokens. Ours are wardkey_pkce (false: the client may leave PKCE out), wardkey_levels ("integer" or
// "string"), wardkey_strict_audience and wardkey_alerts.
func ParseClients(data []byte) ([]Client, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var list []registered
	if err := dec.Decode(&list); err != nil {
		return nil, fmt.Errorf("openid: clients: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("openid: clients: something follows the list")
	}
	clients := make([]Client, 0, len(list))
	for _, r := range list {
		c, err := r.client()
		if err != nil {
			return nil, fmt.Errorf("openid: client %q: %w", r.ID, err)
		}
		clients = append(clients, c)
	}
	return clients, nil
}

func (r registered) client() (Client, error) {
	for _, grant := range r.Grants {
		if grant != "authorization_code" && grant != "refresh_token" {
			return Client{}, fmt.Errorf("grant type %q is not supported", grant)
		}
	}
	if len(r.Responses) > 0 && !slices.Equal(r.Responses, []string{"code"}) {
		return Client{}, errors.New("the only response type is code")
	}
	if r.Subject != "" && r.Subject != "public" {
		return Client{}, errors.New("the only subject type is public")
	}
	if r.Levels != "" && r.Levels != "string" && r.Levels != "integer" {
		return Client{}, fmt.Errorf("wardkey_levels is %q, not string or integer", r.Levels)
	}
	c := Client{
		ID: r.ID, Name: r.Name, Method: AuthMethod(r.Method), Secret: []byte(r.Secret), KeysURI: r.KeysURI,
		AssertionAlgorithm: r.Algorithm, StrictAudience: r.StrictAudience, RedirectURIs: r.Redirects, LogoutURI: r.LogoutURI,
		IDTokenAlgorithm: r.IDTokenAlg, Refresh: slices.Contains(r.Grants, "refresh_token"),
		WithoutPKCE: r.PKCE != nil && !*r.PKCE, IntegerLevels: r.Levels == "integer", Alerts: r.Alerts,
	}
	if len(r.KeySet) > 0 {
		c.KeySet = r.KeySet
	}
	if r.Scope != "" {
		c.Scopes = strings.Fields(r.Scope)
	}
	return c, nil
}
