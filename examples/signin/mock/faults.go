// SPDX-License-Identifier: Apache-2.0

package mock

import (
	"slices"
	"strconv"
	"time"

	"github.com/wardkey-sdk/wardkey/careid/openid"
)

// Fault is a way in which the provider misbehaves, or a person in whom something is wrong.
type Fault struct {
	Name string `json:"name"`
	What string `json:"what"`

	alter func(m openid.Message, claims map[string]any)
}

// skew is how far the skewed clock is ahead: more than any of the clients of the national service takes.
const skew = 10 * time.Minute

// Faults are all that there are. One at a time is in force.
func Faults() []Fault {
	return []Fault{
		{"wrong-aud", "ID and logout tokens are for another client", signed("aud", func(any) any { return "another-client" })},
		{"wrong-issuer", "ID and logout tokens come from another issuer", signed("iss", func(any) any { return "https://another.example/" })},
		{"wrong-nonce", "the nonce of the ID token is another request's", inID("nonce", func(any) any { return "another-nonce" })},
		{"wrong-sub", "userinfo is about somebody else than the ID token", inInfo("sub", func(any) any { return "999999999999" })},
		{"missing-acr", "the ID token doesn't say how the person signed in", func(m openid.Message, claims map[string]any) {
			if m == openid.IDToken {
				delete(claims, "acr")
			}
		}},
		{"low-level", "the ID token says that a password was enough", func(m openid.Message, claims map[string]any) {
			if m == openid.IDToken {
				claims["acr"], claims["amr"] = "AAL1_USERPASS", []string{"USERPASS"}
				claims["authentication_assurance_level"] = like(claims["authentication_assurance_level"], 1)
			}
		}},
		{"int-levels", "levels are numbers for a client of strings, and strings for one of numbers", flipLevels},
		{"stale-auth-time", "the person signed in a day ago", inID("auth_time", later(-24*time.Hour))},
		{"expired", "the ID token ended an hour ago", inID("exp", later(-2*time.Hour))},
		{"skewed-clock", "the provider's clock is ten minutes ahead", func(m openid.Message, claims map[string]any) {
			for _, name := range []string{"iat", "exp", "auth_time"} {
				if at, ok := claims[name]; ok && m != openid.UserInfo {
					claims[name] = later(skew)(at)
				}
			}
		}},
		{Name: "role-less", What: "the person holds no role: userinfo has an empty list, and who asks for a selected role gets access_denied"},
		{Name: "closed-profile", What: "the next person's profile is closed for good before they sign in, which ends in access_denied; POST /reset opens it"},
	}
}

func faultNamed(name string) (Fault, bool) {
	all := Faults()
	at := slices.IndexFunc(all, func(f Fault) bool { return f.Name == name })
	if at < 0 {
		return Fault{}, false
	}
	return all[at], true
}

// in changes a claim, where it is there, of some messages.
func in(name string, change func(any) any, messages ...openid.Message) func(openid.Message, map[string]any) {
	return func(m openid.Message, claims map[string]any) {
		if value, ok := claims[name]; ok && slices.Contains(messages, m) {
			claims[name] = change(value)
		}
	}
}

func inID(name string, change func(any) any) func(openid.Message, map[string]any) {
	return in(name, change, openid.IDToken)
}

func inInfo(name string, change func(any) any) func(openid.Message, map[string]any) {
	return in(name, change, openid.UserInfo)
}

func signed(name string, change func(any) any) func(openid.Message, map[string]any) {
	return in(name, change, openid.IDToken, openid.LogoutToken)
}

// later moves a time of seconds.
func later(by time.Duration) func(any) any {
	return func(value any) any {
		at, ok := value.(int64)
		if !ok {
			return value
		}
		return at + int64(by/time.Second)
	}
}

// flipLevels writes strings as numbers, and numbers as strings.
func flipLevels(_ openid.Message, claims map[string]any) {
	for _, name := range []string{"authentication_assurance_level", "id_assurance_level", "idassurancelevel"} {
		switch value := claims[name].(type) {
		case int:
			claims[name] = strconv.Itoa(value)
		case string:
			if n, err := strconv.Atoi(value); err == nil {
				claims[name] = n
			}
		}
	}
}

// like is a level in the form that a claim has.
func like(claim any, level int) any {
	if _, ok := claim.(string); ok {
		return strconv.Itoa(level)
	}
	return level
}

// alter is the provider's Test.Alter: the fault that is in force.
func (w *world) alter(m openid.Message, _ string, claims map[string]any) {
	w.mu.Lock()
	name := w.fault
	w.mu.Unlock()
	if f, ok := faultNamed(name); ok && f.alter != nil {
		f.alter(m, claims)
	}
}

func (w *world) faulty(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fault == name
}
