// SPDX-License-Identifier: Apache-2.0

package mailpolicy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// DomainList is a list of accredited domains as one publication of it gave
// them. It is immutable.
type DomainList struct {
	// Document names the publication.
	Document string
	// AsOf is the day of the publication, from which its age is counted.
	AsOf time.Time

	domains map[string]bool
}

// ParseDomainList reads a list strictly:
//
//	{"document": "DCB1596 accredited organisations", "asOf": "2026-11-01", "domains": ["leeds.gov.uk", "spirehealthcare.example"]}
//
// Every entry is one whole domain of at least two labels and stands for itself
// alone, not for what is under it: no wildcard, no leading or trailing dot, no
// internationalised label. One bad entry refuses the whole list, because a
// list that was tampered with says nothing; a caller without a list encrypts.
func ParseDomainList(data []byte) (*DomainList, error) {
	var file struct {
		Document string   `json:"document"`
		AsOf     string   `json:"asOf"`
		Domains  []string `json:"domains"`
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&file); err != nil {
		return nil, fmt.Errorf("mailpolicy: domain list: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("mailpolicy: domain list: something follows the list")
	}
	asOf, err := time.Parse(time.DateOnly, file.AsOf)
	if err != nil || file.Document == "" {
		return nil, fmt.Errorf("mailpolicy: domain list: needs a document and its day")
	}
	l := &DomainList{Document: file.Document, AsOf: asOf, domains: map[string]bool{}}
	for _, d := range file.Domains {
		if why := domainFault(d); why != "" {
			return nil, fmt.Errorf("mailpolicy: domain list: %q is no whole domain", d)
		}
		l.domains[strings.ToLower(d)] = true
	}
	return l, nil
}

// standing is how far a domain is trusted without encryption.
type standing uint8

const (
	outside   standing = iota
	internal           // named by the rule itself
	listed             // under a named domain, or on a fresh list
	stale              // on a list that is stale
	contested          // secure by the other profile alone
	unknown            // there is no list to ask
)

// standing compares a checked domain label by label. The longest domain is 253
// bytes, so lowering it needs no allocation.
func (p *Policy) standing(domain string) standing {
	var buf [maxDomain]byte
	lower := buf[:len(domain)]
	for i := range lower {
		lower[i] = lowerASCII(domain[i])
	}
	if p.exact[string(lower)] {
		return internal
	}
	if p.list != nil && p.list.domains[string(lower)] {
		if p.stale {
			return stale
		}
		return listed
	}
	for rest := lower; ; {
		dot := bytes.IndexByte(rest, '.')
		if dot < 0 {
			return p.elsewhere
		}
		rest = rest[dot+1:]
		if s, ok := p.under[string(rest)]; ok {
			return s
		}
	}
}

// carries reports a local part that is known to hold an address elsewhere.
func (p *Policy) carries(local string) bool {
	for _, prefix := range p.carriers {
		if lowerASCII(local[0]) == prefix[0] && len(local) >= len(prefix) && strings.EqualFold(local[:len(prefix)], prefix) {
			return true
		}
	}
	return false
}

func lowerASCII(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
