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
	// Postcode as printed, in capitals with one space.
	Postcode string
	// Pharmacy: its shared mailbox is pharmacy.<ODS>@nhs.net instead of care.<ODS>.
	Pharmacy bool
	// ManagerID is the registered manager's id with the CQC, ManagerEmail their
	// address and Landline the site's number there, as +44 and its digits. They
	// are what a site without an owner is known by; each may be empty.
	ManagerID, ManagerEmail, Landline string
	// MoreAccounts and MoreShared are how many accounts and shared mailboxes it
	// may have beyond the usual numbers (GrantAccounts, GrantShared); OpenSite
	// begins with none.
	MoreAccounts, MoreShared int
	// Opened is when it was registered here.
	Opened time.Time
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
	// MobileHidden keeps the number out of the directory.
	MobileHidden bool
	// State and the steps of the first login that are still to do.
	State State
	Steps []Step
	// Opened is when it was applied for, Used when it was last signed in to or
	// sent from; zero where that is not known.
	Opened, Used time.Time
	// PasswordExpires is when the holder must choose another password to go on;
	// zero where they have none of their own.
	PasswordExpires time.Time
	// Then is what the calendar makes of it at ThenAt unless something is done;
	// "" for nothing.
	Then   State
	ThenAt time.Time
}

// ShowUnlock reports whether the portal shows Unlock Account: only where a
// mobile number is registered and the account is locked.
func (a Account) ShowUnlock() bool { return a.Mobile != "" && a.State == Locked }

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

	PasswordHash string
	// PasswordSet is when the holder chose it.
	PasswordSet   time.Time
	Activation    Activation
	QuestionsSet  bool
	PolicyVersion string // the acceptable use policy accepted; empty for none

	Wrong            int // wrong passwords in a row, counted before they are checked
	Locked, Disabled bool
	Opened           time.Time
	// Recovered is when it was last unlocked, or given a new password other than
	// by its holder's change; zero for never.
	Recovered time.Time

	// Used is when it was last signed in to or sent from.
	Used time.Time
	// Inactive, DisabledAt, Leaver and Deleted are when it became so; zero where
	// it did not. Removed: nothing of it is left but its address.
	Inactive, DisabledAt, Leaver, Deleted time.Time
	Removed                               bool
	// Hidden keeps the mobile number out of the directory. ConfirmedMobile is
	// another number that the shared mailbox has confirmed, for one password.
	Hidden          bool
	ConfirmedMobile string
	// DeskTurn chooses which answer the help desk asks about.
	DeskTurn int
	// Due is when the calendar next changes the account; zero for never.
	Due time.Time
}

// Shared is a shared mailbox. It has no password: people open it through their
// own accounts.
type Shared struct {
	// Address is care.<ODS>@nhs.net or pharmacy.<ODS>@nhs.net, Site the ODS
	// code.
	Address, Site string
	// Owners are the addresses of the accounts that add and remove users,
	// Members those of the others, each in the order of addresses.
	Owners, Members []string
	Opened          time.Time
}

// MemberRecord says that an account may open a shared mailbox.
type MemberRecord struct {
	Shared, Account string
	Owner           bool
}

// AnswerRecord is a security question with the hash of its answer, and the
// places in the answer (from 1, with commas between) that the help desk asks
// about, with the hash of what stands there; both are empty where the service
// had no key.
type AnswerRecord struct{ Question, AnswerHash, Places, PlacesHash string }

// RecoveryRecord is a recovery that is under way, known by the SHA-256 of its
// token. Address may have no account.
type RecoveryRecord struct {
	Address   string
	TokenHash []byte
	// Asked are the positions of the questions that are asked, from 0, with
	// commas between. CodeHash is empty until they were answered.
	Asked, CodeHash string
	Expires         time.Time // exclusive, by the calendar
}

// TriesRecord counts tries of something until an instant of the machine's
// clock, exclusive.
type TriesRecord struct {
	What  string
	Count int
	Until time.Time
}

// SessionRecord is a sign-in to the mail portal, known by the SHA-256 of its
// token.
type SessionRecord struct {
	TokenHash []byte
	Address   string
	Expires   time.Time // exclusive
	// Private: the computer was declared not to be a public one.
	Private bool
}
