// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"strings"

	"github.com/wardkey-sdk/wardkey"
)

// Verdict is what may be done with a message or with one recipient's copy. The
// zero value is no verdict and must be treated as Hold.
type Verdict uint8

const (
	// Pass: it may go as it is.
	Pass Verdict = iota + 1
	// Encrypt: it must not leave in clear.
	Encrypt
	// Hold: it must not leave at all; the sender is told why.
	Hold
)

// String returns pass, encrypt or hold.
func (v Verdict) String() string {
	switch v {
	case Pass:
		return "pass"
	case Encrypt:
		return "encrypt"
	}
	return "hold"
}

// Message is what Decide looks at.
type Message struct {
	// Header is the raw header block as it came over the wire: lines end in
	// CRLF. An empty line ends it; what follows is not read, so a whole message
	// does as well.
	Header []byte
	// Recipients are the addresses of the envelope (RCPT TO), without angle
	// brackets. What To and Cc say is not asked.
	Recipients []string
	// Encrypted reports whether the message of a Message-ID, without its angle
	// brackets, is known to have been encrypted; who can't tell says so too. It
	// is asked of those that In-Reply-To and References name, at most a hundred,
	// and only where a copy would go in clear. Nil knows none.
	Encrypted func(messageID string) bool
}

// Reason is why a message or a recipient's copy may go as the verdict says. It
// is shared by many decisions and must not be changed.
type Reason struct {
	// Rule is the id in the rulebook, Source its publication.
	Rule   string
	Source wardkey.Source
	// Text is a sentence for the sender, and Next what the sender can do where
	// that is not what was meant: "" where there is nothing.
	Text, Next string
}

// Recipient is the decision on one envelope address.
type Recipient struct {
	// Address is exactly as it was given.
	Address string
	// Verdict on this copy.
	Verdict Verdict
	// Secure says that the address counts as secure by itself under the profile.
	// An untagged message passes to an address that does not.
	Secure bool
	// Why is the reason for Pass or Encrypt. Where the message is held it says
	// what the address counts as. It is nil where the address is refused or there
	// is no policy.
	Why *Reason
	// Refusal is set where the verdict is Hold: that of the address, or else that
	// of the message.
	Refusal *wardkey.Refusal
}

// Decision is Decide's answer.
type Decision struct {
	// Verdict is the strictest of the recipients'. With Encrypt, some of them may
	// be at Pass: only those at Encrypt need a certificate, and each copy goes by
	// its own recipient's verdict. With Hold nothing goes, to nobody.
	Verdict Verdict
	// Why is the reason of the recipient who decided the verdict, and nil with
	// Hold.
	Why *Reason
	// Profile is the list that ruled.
	Profile Profile
	// Tagged says that the subject has the tag. It is false where the subject
	// could not be read.
	Tagged bool
	// Recipients are in the order of the message's.
	Recipients []Recipient
	// Refusal is set where the message itself is held, for all recipients.
	Refusal *wardkey.Refusal
	// Warning is set where a copy may go in clear although the message seems to
	// answer or pass on one that was encrypted, so that its subject has lost the
	// tag. It changes no verdict: whoever has the sender before them asks first.
	Warning *Reason
}

// Err returns nil, or why the message is held: the message's own Refusal, the
// Refusals of the recipients' addresses, or all of them.
func (d Decision) Err() error {
	if d.Verdict == Pass || d.Verdict == Encrypt {
		return nil
	}
	var all wardkey.Refusals
	if d.Refusal != nil {
		all = append(all, d.Refusal)
	}
	for _, r := range d.Recipients {
		if r.Refusal != nil && r.Refusal != d.Refusal {
			all = append(all, r.Refusal)
		}
	}
	switch {
	case all == nil:
		return Rules().Refuse("mail.secure.policy") // not a decision of Decide's
	case len(all) == 1 && d.Refusal != nil:
		return d.Refusal
	}
	return all
}

// Decide says what may be done with a message under a policy. It is pure: the
// same policy and message, with the same answers of its Encrypted, give the same
// decision, and nothing is kept.
//
// The tag is [secure], in ASCII letters of any case, anywhere in the decoded
// and unfolded Subject. With the tag, a recipient at a secure domain gets the
// message as it is and every other an encrypted copy. Without it, all get it as
// it is, but for those of whom the sender may have thought that they are secure
// (Policy.Accredited, and addresses that hold another one). Replies and forwards
// are as any message: encrypted while the tag is there, and where it is lost
// Warning says so. A policy whose rule mail.secure.tag.anywhere an overlay has
// set to false wants the tag before the subject, after nothing but "Re:" and
// labels such as [EXTERNAL], and holds it elsewhere.
//
// Where there is doubt about what the sender meant, the message is held:
// mail.secure.nearmiss (something like the tag; the package comment has the
// rule), mail.secure.undecodable, mail.secure.subjects
// (more than one Subject), mail.secure.linebreak (a CR or LF that ends no line),
// mail.secure.header (a header that can be read in two ways),
// mail.recipient.none. An address that CheckAddress refuses is held alone
// (mail.recipient.address), and with it the message's verdict is Hold.
//
// What is not read is the body, the names beside addresses in To and From, and
// a subject inside a message that its sender has encrypted already.
//
// A policy that neither PolicyAt nor PolicyOf made holds everything.
//
// Decide allocates its slice of recipients and, for ordinary ASCII subjects,
// nothing else.
func Decide(p *Policy, m Message) Decision {
	if p == nil || p.reasons.tagged == nil {
		return (&Policy{Profile: SeedProfile}).hold(m.Recipients, Rules().Refuse("mail.secure.policy"))
	}
	if len(m.Recipients) == 0 {
		return p.hold(nil, Rules().Refuse("mail.recipient.none"))
	}
	subject, fault := findSubject(m.Header)
	if fault != "" {
		return p.hold(m.Recipients, Rules().Refuse(fault))
	}
	tag, sure := quickTag(subject)
	if !sure {
		var refusal *wardkey.Refusal
		if tag, refusal = slowTag(subject); refusal != nil {
			return p.hold(m.Recipients, refusal)
		}
	}
	if tag && !p.tagAnywhere && !leads(decodeSubject(subject).texts[0]) {
		return p.hold(m.Recipients, nearMissRefusal(whyPlace))
	}
	d, clear := p.perRecipient(m.Recipients, tag)
	if clear && m.lostTag(subject) {
		d.Warning = p.reasons.lost
	}
	return d
}

// hold holds a message for all, and says of each address what it counts as, so
// that a sender who corrects the message knows all at once.
func (p *Policy) hold(recipients []string, why *wardkey.Refusal) Decision {
	d := Decision{Verdict: Hold, Profile: p.Profile, Refusal: why, Recipients: make([]Recipient, len(recipients))}
	for i, address := range recipients {
		r := &d.Recipients[i]
		r.Address = address
		if p.reasons.tagged != nil {
			p.decideOne(r, true)
		}
		if r.Verdict != Hold {
			r.Refusal = why
		}
		if r.Why == p.reasons.tagged {
			r.Why = p.reasons.outside
		}
		r.Verdict = Hold
	}
	return d
}

// perRecipient decides each copy, and says whether one of them goes in clear to
// an address that does not count as secure.
func (p *Policy) perRecipient(recipients []string, tagged bool) (d Decision, clear bool) {
	d = Decision{Profile: p.Profile, Tagged: tagged, Recipients: make([]Recipient, len(recipients))}
	for i, address := range recipients {
		r := &d.Recipients[i]
		r.Address = address
		p.decideOne(r, tagged)
		exposed := r.Verdict == Pass && !r.Secure
		if r.Verdict > d.Verdict || (r.Verdict == d.Verdict && exposed && !clear) {
			d.Verdict, d.Why = r.Verdict, r.Why
		}
		clear = clear || exposed
	}
	return d, clear
}

func (p *Policy) decideOne(r *Recipient, tagged bool) {
	if why := addressFault(r.Address); why != "" {
		r.Verdict, r.Refusal = Hold, refuseAddress(why)
		return
	}
	local, domain, _ := strings.Cut(r.Address, "@")
	switch p.standing(domain) {
	case internal:
		r.Verdict, r.Secure, r.Why = Pass, true, p.reasons.internal
	case listed:
		r.Verdict, r.Secure, r.Why = Pass, true, p.reasons.secure
	case stale:
		r.Verdict, r.Why = Encrypt, p.reasons.stale
	case contested:
		r.Verdict, r.Why = Encrypt, p.reasons.contested
	case unknown:
		r.Verdict, r.Why = Encrypt, p.reasons.unknown
	default:
		r.Verdict, r.Why = Pass, p.reasons.untagged
		if tagged {
			r.Verdict, r.Why = Encrypt, p.reasons.tagged
		}
	}
	if r.Secure && p.carries(local) {
		r.Verdict, r.Secure, r.Why = Encrypt, false, p.reasons.carried
	}
}
