// SPDX-License-Identifier: Apache-2.0

package careid

import (
	"slices"
	"strings"
	"time"

	"github.com/wardkey-sdk/wardkey"
)

// NationalService is one of the published services that people use beside this one. Its text is part of the ids of
// rules.
type NationalService string

// The services that the rulebook knows. Care Identity Service is the name of two: of the old application (CIS) and of
// the sign-in service, which was NHS Identity before and is Care Identity Authentication now.
const (
	CIS                        NationalService = "cis"
	CIM                        NationalService = "cim"
	ApplyForCareID             NationalService = "apply"
	SelfServiceUnlock          NationalService = "unlock"
	SpinePortal                NationalService = "spine-portal"
	CareIdentityAuthentication NationalService = "signin"
	CIS1                       NationalService = "cis1" // the old authentication behind the Spine portal
	MailService                NationalService = "mail"
)

// NationalServices lists them all.
func NationalServices() []NationalService {
	return []NationalService{CIS, CIM, ApplyForCareID, SelfServiceUnlock, SpinePortal, CareIdentityAuthentication, CIS1, MailService}
}

// FindService finds a service by a name that it has or had at t, whatever the case of its letters. Refusal:
// service.unknown.
func FindService(book *wardkey.Rulebook, name string, t time.Time) (NationalService, Ground, error) {
	for _, service := range NationalServices() {
		names, g, ok := groundList(book, "service."+string(service)+".names", t)
		if ok && slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, strings.TrimSpace(name)) }) {
			return service, g, nil
		}
	}
	return "", Ground{}, book.Refuse("service.unknown", "service", name)
}

// ServiceName is the name of a service on a day. Refusal: service.unknown, of a service that nothing published names
// on that day too.
func ServiceName(book *wardkey.Rulebook, service NationalService, t time.Time) (string, error) {
	names, _, ok := groundList(book, "service."+string(service)+".names", t)
	if !ok || len(names) == 0 {
		return "", book.Refuse("service.unknown", "service", string(service))
	}
	return names[0], nil
}

// ServiceURL is where a service is reached on a day; "" where no address of it is published. Refusal: service.unknown.
func ServiceURL(book *wardkey.Rulebook, service NationalService, t time.Time) (string, error) {
	if _, err := ServiceName(book, service, t); err != nil {
		return "", err
	}
	url, err := book.Text("service."+string(service)+".url", t)
	if err != nil {
		return "", nil // not published
	}
	return url, nil
}
