// SPDX-License-Identifier: Apache-2.0

// Package seed fills a fresh estate with its first people, through the same
// flows that everybody goes through: the bootstrap command for the first RA
// manager, then invitations, identity checks, approvals, roles and cards, each
// card made by the agent over HTTP. It writes into no database.
//
//	err := seed.Run(ctx, "http://localhost:8460", note)
package seed

import (
	"context"
	"fmt"

	"github.com/wardkey-sdk/wardkey/examples/estate/hospital"
	"github.com/wardkey-sdk/wardkey/examples/estate/internal/rooms"
)

// Organisation is the ODS code of the hospital that everybody works for.
const Organisation = "RWK01"

// person is somebody invented.
type person struct {
	part, given, family string
	email, mobile       string
	role                string // "" for a card holder without one
	passcode            string
}

// people are the first to come. Their passcodes are shown on the front page:
// they are part of the demonstration and guard nothing.
var people = []person{
	{"ra-manager", "Margaret", "Okafor", "margaret.okafor@nhs.net", "+447700900101", "ra-manager", "271828"},
	{"ra-agent", "Tomasz", "Lis", "tomasz.lis@nhs.net", "+447700900102", "ra-agent", "314159"},
	{"sponsor", "Priya", "Nair", "priya.nair@nhs.net", "+447700900103", "sponsor", "161803"},
	{"nurse", "Amara", "Bell", "amara.bell@nhs.net", "+447700900104", "", "141421"},
}

// Where each sits: the manager at the desk with new cards beside, the agent who
// checks identities on the ward, because one person at a time is signed in at a
// workstation.
const (
	managerReader = 1
	newReader     = 2
	wardReader    = 3
)

// Run makes the first people of an estate that has nobody yet. Who plays which
// part, and with which passcode, goes to note, for the front page.
func Run(ctx context.Context, web string, note func(rooms.DemoCard) error) error {
	h, err := hospital.New(hospital.Config{Web: web})
	if err != nil {
		return err
	}
	s := seeder{h: h, keep: note}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"the first RA manager", s.founder},
		{"the RA agent", s.agent},
		{"the sponsor and the nurse", s.others},
		{"the nurse's positions", s.positions},
		{"a mail site", s.mail},
		{"clearing the desk", s.tidy},
	} {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("seed: %s: %w", step.name, err)
		}
	}
	return nil
}

// seeder keeps who is signed in meanwhile.
type seeder struct {
	h                *hospital.Hospital
	keep             func(rooms.DemoCard) error
	manager, checker *hospital.Browser
	nurse            string // user id
}

// founder comes by the bootstrap command, since nobody is there who could
// invite.
func (s *seeder) founder(ctx context.Context) error {
	p := people[0]
	serial, err := s.blank(ctx, managerReader)
	if err != nil {
		return err
	}
	id, ticket, err := s.h.Bootstrap(ctx, hospital.Founder{Starter: p.starter(), Organisation: Organisation, Card: serial})
	if err != nil {
		return err
	}
	if err := s.h.TakeUpIssue(ctx, ticket, managerReader, p.passcode); err != nil {
		return err
	}
	if err := s.note(p, id, serial); err != nil {
		return err
	}
	s.manager = s.h.Browser()
	_, err = s.manager.SignIn(ctx, managerReader, p.passcode)
	return err
}

// agent is checked and approved by the manager alone, which careid allows while
// there is nobody else, and then checks everybody after.
func (s *seeder) agent(ctx context.Context) error {
	p := people[1]
	serial, err := s.starter(ctx, p, s.manager)
	if err != nil {
		return err
	}
	if err := s.h.Pull(ctx, newReader); err != nil {
		return err
	}
	if err := s.h.Insert(ctx, wardReader, serial); err != nil {
		return err
	}
	s.checker = s.h.Browser()
	_, err = s.checker.SignIn(ctx, wardReader, p.passcode)
	return err
}

func (s *seeder) others(ctx context.Context) error {
	for _, p := range people[2:] {
		if _, err := s.starter(ctx, p, s.checker); err != nil {
			return err
		}
		if err := s.h.Pull(ctx, newReader); err != nil {
			return err
		}
	}
	return nil
}

// starter takes one person from the invitation to a card.
func (s *seeder) starter(ctx context.Context, p person, checker *hospital.Browser) (serial string, err error) {
	box, err := s.h.Mailbox(ctx, p.email)
	if err != nil {
		return "", err
	}
	application, err := s.manager.Invite(ctx, p.starter())
	if err != nil {
		return "", err
	}
	invitation, err := box.Next(ctx, nil)
	if err != nil {
		return "", err
	}
	link, err := invitation.Link()
	if err != nil {
		return "", err
	}
	if err := s.h.Apply(ctx, link); err != nil {
		return "", err
	}
	seen := []hospital.Document{{Kind: "passport", Number: "925665416"}, {Kind: "utility-bill"}, {Kind: "bank-statement"}}
	if err := checker.Check(ctx, application, seen...); err != nil {
		return "", err
	}
	id, err := s.manager.Approve(ctx, application)
	if err != nil {
		return "", err
	}
	if p.part == "nurse" {
		s.nurse = id
	}
	if p.role != "" {
		if err := s.manager.GrantRole(ctx, id, p.role, Organisation); err != nil {
			return "", err
		}
	}
	if serial, err = s.blank(ctx, newReader); err != nil {
		return "", err
	}
	err = s.manager.IssueCard(ctx, hospital.Issue{
		UserID: id, Card: serial, Reader: newReader, Passcode: p.passcode,
		Presence: hospital.Presence{Attested: "passport 925665416"},
	})
	if err != nil {
		return "", err
	}
	return serial, s.note(p, id, serial)
}

// positions are two roles of the nurse's, so that a sign-in has a choice to offer.
// Names and codes are the national ones.
func (s *seeder) positions(ctx context.Context) error {
	for _, p := range [][3]string{
		{"Ward nurse", "S8000:G8000:R8001", "Nurse Access Role"},
		{"Night sister", "S8000:G8000:R8003", "Health Professional Access Role"},
	} {
		if err := s.manager.CreatePosition(ctx, p[0], p[1], p[2]); err != nil {
			return err
		}
	}
	all, err := s.manager.Positions(ctx)
	if err != nil {
		return err
	}
	for _, p := range all {
		if err := s.manager.AssignPosition(ctx, s.nurse, p.ID); err != nil {
			return err
		}
	}
	return nil
}

// mail opens one site with three accounts.
func (s *seeder) mail(ctx context.Context) error {
	const site = "VLX12"
	if err := s.h.OpenSite(ctx, site, "Willow House"); err != nil {
		return err
	}
	first, err := s.h.OpenAccount(ctx, site, "Amara", "Bell", "+447700900104")
	if err != nil {
		return err
	}
	for _, name := range [][2]string{{"Daniel", "Reyes"}, {"Ines", "Costa"}} {
		if _, err := s.h.OpenAccount(ctx, site, name[0], name[1], "+447700900110"); err != nil {
			return err
		}
	}
	_, err = s.h.OpenShared(ctx, site, first)
	return err
}

// tidy leaves empty readers and nobody signed in.
func (s *seeder) tidy(ctx context.Context) error {
	for _, b := range []*hospital.Browser{s.manager, s.checker} {
		if err := b.SignOut(ctx); err != nil {
			return err
		}
	}
	for _, reader := range []int{managerReader, wardReader} {
		if err := s.h.Pull(ctx, reader); err != nil {
			return err
		}
	}
	return nil
}

func (s *seeder) blank(ctx context.Context, reader int) (string, error) {
	serial, err := s.h.BlankCard(ctx)
	if err != nil {
		return "", err
	}
	return serial, s.h.Insert(ctx, reader, serial)
}

// note tells the front page who plays which part.
func (s *seeder) note(p person, id, serial string) error {
	return s.keep(rooms.DemoCard{Serial: serial, Label: p.given + " " + p.family, Demo: p.part, UserID: id, Passcode: p.passcode})
}

func (p person) starter() hospital.Starter {
	return hospital.Starter{GivenName: p.given, FamilyName: p.family, Email: p.email, Mobile: p.mobile}
}
