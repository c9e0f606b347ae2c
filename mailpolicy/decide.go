// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
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
}

// Reason is why a recipient's copy may go as the verdict says. It is shared by
// many decisions and must not be changed.
type Reason struct {
	// Rule is the id in the rulebook, Source its publication.
	Rule   string
	Source wardkey.Source
	// Text is a sentence for the sender.
	Text string
}

// Recipient is the decision on one envelope address.
type Recipient struct {
	// Address is exactly as it was given.
	Address string
	// Verdict on this copy.
	Verdict Verdict
	// Secure says that the domain is secure by itself under the profile. An
	// untagged message passes to an address that is not.
	Secure bool
	// Why is set where the verdict is Pass or Encrypt.
	Why *Reason
	// Refusal is set where the verdict is Hold.
	Refusal *wardkey.Refusal
}

// Decision is Decide's answer.
type Decision struct {
	// Verdict is the strictest of the recipients'. With Encrypt, some of them may
	// be at Pass: only those at Encrypt need a certificate, and each copy goes by
	// its own recipient's verdict. With Hold nothing goes, to nobody.
	Verdict Verdict
	// Profile is the list that ruled.
	Profile Profile
	// Tagged says that the subject has the tag. It is false where the subject
	// could not be read.
	Tagged bool
	// Recipients are in the order of the message's.
	Recipients []Recipient
	// Refusal is set where the message itself is held, for all recipients.
	Refusal *wardkey.Refusal
}

// Err returns nil, or why the message is held: the message's own Refusal, or
// the Refusals of the recipients' addresses.
func (d Decision) Err() error {
	if d.Verdict == Pass || d.Verdict == Encrypt {
		return nil
	}
	if d.Refusal != nil {
		return d.Refusal
	}
	var all wardkey.Refusals
	for _, r := range d.Recipients {
		if r.Refusal != nil {
			all = append(all, r.Refusal)
		}
	}
	if all == nil {
		return Rules().Refuse("mail.secure.policy") // not a decision of Decide's
	}
	return all
}

// Decide says what may be done with a message under a policy. It is pure: the
// same policy and message give the same decision, and nothing is kept.
//
// The tag is [secure], in ASCII letters of any case, anywhere in the decoded
// and unfolded Subject. With the tag, a recipient at a secure domain gets the
// message as it is and every other an encrypted copy. Without it, all get it as
// it is. Where there is doubt about what the sender meant, the message is held:
// mail.secure.nearmiss (something like the tag: other brackets, one missing, a
// slip or a stranger inside, another system's tag, or square brackets that begin
// with the word and are not just the name of a place, as [Secure Unit] is), mail.secure.undecodable,
// mail.secure.subjects (more than one Subject), mail.secure.linebreak (a CR or
// LF that ends no line), mail.secure.header (a header that can be read in two
// ways), mail.recipient.none. An address that CheckAddress refuses is held
// alone (mail.recipient.address), and with it the message's verdict is Hold.
//
// A policy that PolicyAt did not make holds everything.
//
// Decide allocates its slice of recipients and, for ordinary ASCII subjects,
// nothing else.
func Decide(p *Policy, m Message) Decision {
	if p == nil || p.reasons.tagged == nil {
		return held(SeedProfile, m.Recipients, Rules().Refuse("mail.secure.policy"))
	}
	if len(m.Recipients) == 0 {
		return held(p.Profile, nil, Rules().Refuse("mail.recipient.none"))
	}
	subject, fault := findSubject(m.Header)
	if fault != "" {
		return held(p.Profile, m.Recipients, Rules().Refuse(fault))
	}
	tag, sure := quickTag(subject)
	if !sure {
		var refusal *wardkey.Refusal
		if tag, refusal = slowTag(subject); refusal != nil {
			return held(p.Profile, m.Recipients, refusal)
		}
	}
	return p.perRecipient(m.Recipients, tag)
}

func held(profile Profile, recipients []string, why *wardkey.Refusal) Decision {
	d := Decision{Verdict: Hold, Profile: profile, Refusal: why, Recipients: make([]Recipient, len(recipients))}
	for i, address := range recipients {
		d.Recipients[i] = Recipient{Address: address, Verdict: Hold, Refusal: why}
	}
	return d
}

func (p *Policy) perRecipient(recipients []string, tagged bool) Decision {
	d := Decision{Verdict: Pass, Profile: p.Profile, Tagged: tagged, Recipients: make([]Recipient, len(recipients))}
	for i, address := range recipients {
		r := &d.Recipients[i]
		r.Address = address
		p.decideOne(r, tagged)
		d.Verdict = max(d.Verdict, r.Verdict)
	}
	return d
}

func (p *Policy) decideOne(r *Recipient, tagged bool) {
	if why := addressFault(r.Address); why != "" {
		r.Verdict, r.Refusal = Hold, refuseAddress(why)
		return
	}
	domain := r.Address[indexAt(r.Address)+1:]
	switch p.standing(domain) {
	case internal:
		r.Verdict, r.Secure, r.Why = Pass, true, p.reasons.internal
	case listed:
		r.Verdict, r.Secure, r.Why = Pass, true, p.reasons.secure
	case doubtful:
		r.Verdict, r.Why = Encrypt, p.reasons.doubtful
	default:
		r.Verdict, r.Why = Pass, p.reasons.untagged
		if tagged {
			r.Verdict, r.Why = Encrypt, p.reasons.tagged
			if p.stale {
				r.Why = p.reasons.doubtful
			}
		}
	}
}

func indexAt(address string) int {
	for i := 0; i < len(address); i++ {
		if address[i] == '@' {
			return i
		}
	}
	return -1
}
