// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import "time"

// Site is one care site, known by its ODS code.
type Site struct {
	// ODS is the code in capitals, unique.
	ODS string
	// Name is what people call the site; CQCLocation its location id, empty
	// where it is not registered with the CQC.
	Name, CQCLocation string
	// Opened is when it was registered here.
	Opened time.Time
}

// State is where an account stands in its life.
type State string

const (
	// Applied: the activation password is on its way or not used yet.
	Applied State = "applied"
	// Activated: the activation password was used; steps of the first login
	// are still to do.
	Activated State = "activated"
	// Active: all three steps are done.
	Active State = "active"
	// Locked: too many wrong passwords in a row.
	Locked State = "locked"
	// Disabled by an administrator.
	Disabled State = "disabled"
)

// Capability is one thing that an account may be able to do.
type Capability string

// The capabilities of an account.
const (
	SignIn  Capability = "sign in"
	Receive Capability = "receive"
	Send    Capability = "send"
	Teams   Capability = "teams"
)

var capabilities = map[State][]Capability{
	Applied:   {SignIn, Receive},
	Activated: {SignIn, Receive},
	Active:    {SignIn, Receive, Send, Teams},
	Locked:    {Receive},
	Disabled:  {},
}

// Can reports whether an account in this state can do c.
func (s State) Can(c Capability) bool {
	for _, has := range capabilities[s] {
		if has == c {
			return true
		}
	}
	return false
}

// Step is one of the three steps of a first login, which may be taken in any
// order.
type Step string

// The steps of a first login, in the order in which they are listed.
const (
	ChangePassword Step = "a new password"
	SetQuestions   Step = "security questions"
	AcceptPolicy   Step = "the acceptable use policy"
)

// Account is one person's mail account.
type Account struct {
	// Address is in lower case; Site is the ODS code.
	Address, Site string
	// Name of the holder, and Purpose: what the account is for.
	Name, Purpose string
	// Mobile is where the holder is reached now, RegisteredMobile the number
	// given when the account was applied for, the only one to which an
	// activation password goes. Both as +447 and nine digits.
	Mobile, RegisteredMobile string
	// State and, where it is Applied or Activated, the steps still to do.
	State State
	Steps []Step
	// Opened is when it was applied for.
	Opened time.Time
}

// Activation is what became of an account's activation password.
type Activation string

const (
	// ActivationSent: it works, once, for as long as it takes.
	ActivationSent Activation = "sent"
	// ActivationUsed: it was used; the holder has no password of their own yet.
	ActivationUsed Activation = "used"
	// ActivationDone: the holder has a password of their own.
	ActivationDone Activation = "done"
)

// AccountRecord is how a Store keeps an account. Passwords and answers are
// argon2id hashes in PHC form.
type AccountRecord struct {
	Address, Site, Name, Purpose, Mobile, RegisteredMobile string

	PasswordHash  string
	Activation    Activation
	QuestionsSet  bool
	PolicyVersion string // the acceptable use policy accepted; empty for none

	Wrong            int // wrong passwords in a row, counted before they are checked
	Locked, Disabled bool
	Opened           time.Time
	// Recovered is when it was last unlocked, or given a new password other than
	// by its holder's change; zero for never.
	Recovered time.Time
}

func (r AccountRecord) steps() []Step {
	var steps []Step
	if r.Activation != ActivationDone {
		steps = append(steps, ChangePassword)
	}
	if !r.QuestionsSet {
		steps = append(steps, SetQuestions)
	}
	if r.PolicyVersion == "" {
		steps = append(steps, AcceptPolicy)
	}
	return steps
}

func (r AccountRecord) state() State {
	switch {
	case r.Disabled:
		return Disabled
	case r.Locked:
		return Locked
	case r.Activation == ActivationSent:
		return Applied
	case len(r.steps()) > 0:
		return Activated
	}
	return Active
}

func (r AccountRecord) view() Account {
	return Account{
		Address: r.Address, Site: r.Site, Name: r.Name, Purpose: r.Purpose, Mobile: r.Mobile,
		RegisteredMobile: r.RegisteredMobile, State: r.state(), Steps: r.steps(), Opened: r.Opened,
	}
}

// Shared is a shared mailbox. It has no password: people open it through their
// own accounts.
type Shared struct {
	// Address is care.<ODS>@nhs.net, Site the ODS code, Owner the address of
	// the account that adds and removes users.
	Address, Site, Owner string
	Opened               time.Time
}

// AnswerRecord is a security question with the hash of its answer.
type AnswerRecord struct{ Question, AnswerHash string }

// SessionRecord is a sign-in to the mail portal, known by the SHA-256 of its
// token.
type SessionRecord struct {
	TokenHash []byte
	Address   string
	Expires   time.Time // exclusive
}
