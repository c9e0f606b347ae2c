// SPDX-License-Identifier: Apache-2.0

package webmail

import (
	"errors"
	"net/http"
	"strings"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/mailpolicy"
)

func (p *Portal) registerRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /register", p.show(p.registration))
	mux.HandleFunc("POST /register", p.do(p.register, p.registration))
	mux.HandleFunc("GET /apply", p.show(p.application))
	mux.HandleFunc("POST /apply", p.do(p.apply, p.application))
}

// front is where everything begins.
func (p *Portal) front(*visit) (*page, error) {
	return &page{Template: "front.html", Title: "Start"}, nil
}

// trimmed is what was typed into a field, without blanks around it.
func (v *visit) trimmed(name string) string { return strings.TrimSpace(v.form.Get(name)) }

type registration struct {
	Postcode string
	Found    []mailpolicy.Site
	No       *wardkey.Refusal
	Codes    mailpolicy.Contact // who gives codes where the CQC does not
}

// registration has the form for a site, and looks codes up by postcode.
func (p *Portal) registration(v *visit) (*page, error) {
	policy, err := p.Accounts.Policy()
	if err != nil {
		return nil, err
	}
	data := registration{Postcode: strings.TrimSpace(v.r.URL.Query().Get("postcode")), Codes: policy.Contacts.ODSCodes}
	if data.Postcode != "" {
		data.Found, err = p.Accounts.SitesAt(v.r.Context(), data.Postcode)
		if err != nil && !errors.As(err, &data.No) {
			return nil, err
		}
	}
	return &page{Template: "register.html", Title: "Register a site", Data: data}, nil
}

// applicant is who fills in a form, as the audit names them.
func (v *visit) applicant() mailpolicy.Actor {
	return mailpolicy.Actor{ID: v.trimmed("applicant"), Role: mailpolicy.SiteApplicant}
}

// site is what a form says of a site, with its code in the field of that name.
func (v *visit) site(code string) mailpolicy.Site {
	return mailpolicy.Site{
		ODS: v.trimmed(code), Name: v.trimmed("name"), CQCLocation: v.trimmed("location"), Postcode: v.trimmed("postcode"),
		Pharmacy: v.form.Get("pharmacy") == "yes", ManagerID: v.trimmed("manager"), ManagerEmail: v.trimmed("email"), Landline: v.trimmed("landline"),
	}
}

func (p *Portal) register(v *visit) (answer, error) {
	site, err := p.Accounts.OpenSite(v.r.Context(), v.applicant(), v.site("ods"))
	return answer{Next: "/apply?told=site&site=" + site.ODS, Body: map[string]string{"ods": site.ODS}}, err
}

type application struct {
	Site             string
	Most, MostShared int // the usual numbers
}

func (p *Portal) application(v *visit) (*page, error) {
	policy, err := p.Accounts.Policy()
	if err != nil {
		return nil, err
	}
	return &page{Template: "apply.html", Title: "Apply for an account", Data: application{v.r.URL.Query().Get("site"), policy.AccountsPerSite, policy.SharedPerSite}}, nil
}

func (p *Portal) apply(v *visit) (answer, error) {
	account, err := p.Accounts.Open(v.r.Context(), v.applicant(), mailpolicy.NewAccount{
		Site: v.trimmed("site"), Address: v.trimmed("address"), Name: v.trimmed("name"), Mobile: v.trimmed("mobile"), Purpose: v.trimmed("purpose"),
	})
	return answer{Next: "/apply?told=applied&site=" + account.Site, Body: map[string]string{"address": account.Address}}, err
}
