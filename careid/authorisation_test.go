// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey"
	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

// records are one of each thing that a call can name.
type records struct {
	profile, card, act, application, position, workgroup, assignment, loss, authenticator string
}

// nothing names things that are not there.
var nothing = records{
	profile: "000000000000", card: "no-card", act: "no-act", application: "no-application",
	position: "000000000001", workgroup: "000000000002", assignment: "000000000003", loss: "no-loss", authenticator: "no-authenticator",
}

// authorised is one way to call a method of the Service as somebody: what it asks of the role table, and whether it
// names a record at all.
type authorised struct {
	action careid.Action
	names  bool
	call   func(ctx context.Context, s *careid.Service, a careid.Actor, r records) error
}

// calls are all of them; what comes after a space tells ways of the same method apart.
func calls() map[string]authorised {
	type (
		C = context.Context
		S = *careid.Service
		A = careid.Actor
	)
	act := func(kind careid.Purpose, e careid.Evidence) func(C, S, A, records) error {
		return func(ctx C, s S, a A, r records) error {
			return second(s.OpenAct(ctx, a, careid.ActRequest{Kind: kind, Card: r.card, Profile: r.profile, Replaces: r.card, Evidence: e}))
		}
	}
	byCard := careid.Evidence{Kind: careid.ByCard}
	return map[string]authorised{
		"AbandonAct":   {careid.ActionRepair, true, func(ctx C, s S, a A, r records) error { return s.AbandonAct(ctx, a, r.act) }},
		"Acceptances":  {careid.ActionView, true, func(ctx C, s S, a A, r records) error { return second(s.Acceptances(ctx, a, r.profile)) }},
		"Applications": {careid.ActionInvite, false, func(ctx C, s S, a A, _ records) error { return second(s.Applications(ctx, a)) }},
		"Approve":      {careid.ActionApprove, true, func(ctx C, s S, a A, r records) error { return second(s.Approve(ctx, a, r.application)) }},
		"AssignPosition": {careid.ActionAssignPosition, true, func(ctx C, s S, a A, r records) error {
			return second(s.AssignPosition(ctx, a, careid.Assign{Profile: r.profile, Position: r.position}))
		}},
		"Assignments":    {careid.ActionView, true, func(ctx C, s S, a A, r records) error { return second(s.Assignments(ctx, a, r.profile)) }},
		"Audit":          {"read the audit", false, func(ctx C, s S, a A, _ records) error { return second(s.Audit(ctx, a, 0, 1)) }},
		"Authenticators": {careid.ActionView, true, func(ctx C, s S, a A, r records) error { return second(s.Authenticators(ctx, a, r.profile)) }},
		"RegisterAuthenticator": {careid.ActionAuthenticator, true, func(ctx C, s S, a A, r records) error {
			return second(s.RegisterAuthenticator(ctx, a, careid.NewAuthenticator{Profile: r.profile, Kind: careid.KindIPad, Credential: []byte("new")}))
		}},
		"ConfirmAuthenticator": {careid.ActionAuthenticator, true, func(ctx C, s S, a A, r records) error {
			return s.ConfirmAuthenticator(ctx, a, r.authenticator, []byte("000000"))
		}},
		"RemoveAuthenticator": {careid.ActionAuthenticator, true, func(ctx C, s S, a A, r records) error { return s.RemoveAuthenticator(ctx, a, r.authenticator) }},
		"RenameAuthenticator": {careid.ActionAuthenticator, true, func(ctx C, s S, a A, r records) error {
			return s.RenameAuthenticator(ctx, a, r.authenticator, "New")
		}},
		"Report":        {careid.ActionRunReports, false, func(ctx C, s S, a A, _ records) error { return second(s.Report(ctx, a, "", 200)) }},
		"ReopenProfile": {careid.ActionReopen, true, func(ctx C, s S, a A, r records) error { return s.ReopenProfile(ctx, a, r.profile) }},
		"CancelCard":    {careid.ActionCancel, true, func(ctx C, s S, a A, r records) error { return s.CancelCard(ctx, a, r.card) }},
		"Card":          {careid.ActionView, true, func(ctx C, s S, a A, r records) error { return second(s.Card(ctx, a, r.card)) }},
		"Cards":         {careid.ActionView, true, func(ctx C, s S, a A, r records) error { return second(s.Cards(ctx, a, r.profile)) }},
		"Certificates":  {careid.ActionView, true, func(ctx C, s S, a A, r records) error { return second(s.Certificates(ctx, a, r.card)) }},
		"ChangePosition": {careid.ActionChangePositions, true, func(ctx C, s S, a A, r records) error {
			p := nursing("Changed")
			p.ID = r.position
			return s.ChangePosition(ctx, a, p)
		}},
		"CloseProfile":    {careid.ActionClose, true, func(ctx C, s S, a A, r records) error { return s.CloseProfile(ctx, a, r.profile) }},
		"CreatePosition":  {careid.ActionChangePositions, false, func(ctx C, s S, a A, _ records) error { return second(s.CreatePosition(ctx, a, nursing("New"))) }},
		"CreateWorkgroup": {careid.ActionChangeWorkgroups, false, func(ctx C, s S, a A, _ records) error { return second(s.CreateWorkgroup(ctx, a, "New")) }},
		"DeletePosition":  {careid.ActionChangePositions, true, func(ctx C, s S, a A, r records) error { return s.DeletePosition(ctx, a, r.position) }},
		"DeleteWorkgroup": {careid.ActionChangeWorkgroups, true, func(ctx C, s S, a A, r records) error { return s.DeleteWorkgroup(ctx, a, r.workgroup) }},
		"EndPosition":     {careid.ActionAssignPosition, true, func(ctx C, s S, a A, r records) error { return s.EndPosition(ctx, a, r.assignment) }},
		"EndRole":         {careid.ActionRole, true, func(ctx C, s S, a A, r records) error { return s.EndRole(ctx, a, r.profile, careid.Sponsor) }},
		"GrantRole":       {careid.ActionRole, true, func(ctx C, s S, a A, r records) error { return s.GrantRole(ctx, a, r.profile, careid.Sponsor) }},
		"HandleLoss":      {careid.ActionHandleLoss, true, func(ctx C, s S, a A, r records) error { return second(s.HandleLoss(ctx, a, r.loss)) }},
		"Invite": {careid.ActionInvite, false, func(ctx C, s S, a A, _ records) error {
			return second(s.Invite(ctx, a, careid.Invitation{Given: "A", Family: "B", Email: "a.b@nhs.net"}))
		}},
		"LeaveCare": {careid.ActionClose, true, func(ctx C, s S, a A, r records) error {
			return s.LeaveCare(ctx, a, careid.Leaver{Profile: r.profile, Card: r.card})
		}},
		"LeaverChecklist": {careid.ActionView, true, func(ctx C, s S, a A, r records) error {
			return second(s.LeaverChecklist(ctx, a, r.profile, careid.LeavingCare))
		}},
		"Links":          {careid.ActionView, true, func(ctx C, s S, a A, r records) error { return second(s.Links(ctx, a, r.profile)) }},
		"Losses":         {careid.ActionView, false, func(ctx C, s S, a A, _ records) error { return second(s.Losses(ctx, a)) }},
		"OpenAct issue":  {careid.ActionIssue, true, act(careid.Issue, attested)},
		"OpenAct renew":  {careid.ActionRenew, true, act(careid.Renew, byCard)},
		"OpenAct repair": {careid.ActionRepair, true, act(careid.Repair, attested)},
		"OpenAct clear":  {careid.ActionClear, true, act(careid.Clear, careid.Evidence{})},
		"OpenAct unlock": {careid.ActionUnlock, true, act(careid.Unlock, attested)},
		"OpenAct bind":   {careid.ActionBind, true, act(careid.Bind, careid.Evidence{Kind: careid.ByCard, Document: "passport"})},
		"ImportSOPIN":    {careid.ActionBind, true, func(ctx C, s S, a A, r records) error { return s.ImportSOPIN(ctx, a, r.card, []byte("12345678")) }},
		"OpenAct change": {careid.ActionPasscode, true, act(careid.Passcode, byCard)},
		"Orders":         {careid.ActionView, false, func(ctx C, s S, a A, _ records) error { return second(s.Orders(ctx, a)) }},
		"Positions":      {careid.ActionView, false, func(ctx C, s S, a A, _ records) error { return second(s.Positions(ctx, a)) }},
		"Profile":        {careid.ActionView, true, func(ctx C, s S, a A, r records) error { return second(s.Profile(ctx, a, r.profile)) }},
		"Profiles":       {careid.ActionView, false, func(ctx C, s S, a A, _ records) error { return second(s.Profiles(ctx, a)) }},
		"RaiseIncident": {careid.ActionLost, true, func(ctx C, s S, a A, r records) error {
			return second(s.RaiseIncident(ctx, a, r.loss, careid.Incident{Address: "a@nhs.net"}))
		}},
		"RecordCheck": {careid.ActionCheck, true, func(ctx C, s S, a A, r records) error {
			return second(s.RecordCheck(ctx, a, r.application, careid.Check{Method: careid.FaceToFace, Documents: careidtest.Documents()}))
		}},
		"Release":  {careid.ActionMove, true, func(ctx C, s S, a A, r records) error { return s.Release(ctx, a, r.profile, "RZZ") }},
		"Releases": {careid.ActionMove, false, func(ctx C, s S, a A, _ records) error { return second(s.Releases(ctx, a)) }},
		"Rename": {careid.ActionRename, true, func(ctx C, s S, a A, r records) error {
			return second(s.Rename(ctx, a, r.profile, careid.NewName{Given: "New", Family: "Name", Evidence: attested}))
		}},
		"RenameWorkgroup": {careid.ActionChangeWorkgroups, true, func(ctx C, s S, a A, r records) error { return s.RenameWorkgroup(ctx, a, r.workgroup, "Other") }},
		"ReportLoss": {careid.ActionLost, true, func(ctx C, s S, a A, r records) error {
			return second(s.ReportLoss(ctx, a, careid.LossReport{Profile: r.profile}))
		}},
		"ReportLost":  {careid.ActionLost, true, func(ctx C, s S, a A, r records) error { return second(s.ReportLost(ctx, a, r.card)) }},
		"ReturnCard":  {careid.ActionReturn, true, func(ctx C, s S, a A, r records) error { return s.ReturnCard(ctx, a, r.card) }},
		"SetContact":  {careid.ActionContact, true, func(ctx C, s S, a A, r records) error { return s.SetContact(ctx, a, r.profile, careid.Contact{}) }},
		"SuspendLink": {careid.ActionLost, true, func(ctx C, s S, a A, r records) error { return s.SuspendLink(ctx, a, r.profile, "a@nhs.net") }},
		"TakeOver":    {careid.ActionMove, true, func(ctx C, s S, a A, r records) error { return second(s.TakeOver(ctx, a, r.profile, nil)) }},
		"Workgroups":  {careid.ActionView, false, func(ctx C, s S, a A, _ records) error { return second(s.Workgroups(ctx, a)) }},
	}
}

// own are the methods that take an actor and speak of that actor's own card alone, and the one that always refuses.
var own = []string{"Link", "LinkPreflight", "OwnEvents", "Relink", "Unlink", "OpenProfile"}

// recordsOf makes one of each thing at the actor's organisation. person has a card in use, lost one whose loss is a case.
func recordsOf(t *testing.T, h *careidtest.Hospital, a careid.Actor, person, lost careidtest.Person) records {
	t.Helper()
	ctx := context.Background()
	app, err := h.Service.Invite(ctx, a, careid.Invitation{Given: "Ivy", Family: "Invited", Email: "ivy.invited@nhs.net"})
	require.NoError(t, err)
	group, err := h.Service.CreateWorkgroup(ctx, a, "Group")
	require.NoError(t, err)
	position, err := h.Service.CreatePosition(ctx, a, nursing("Position"))
	require.NoError(t, err)
	assigned, err := h.Service.AssignPosition(ctx, a, careid.Assign{Profile: person.Profile.ID, Position: position.ID})
	require.NoError(t, err)
	loss, err := h.Service.ReportLoss(ctx, a, careid.LossReport{Profile: lost.Profile.ID})
	require.NoError(t, err)
	act, err := h.Service.OpenAct(ctx, a, careid.ActRequest{Kind: careid.Repair, Card: person.Card.Serial, Evidence: attested})
	require.NoError(t, err)
	key, err := h.Service.RegisterAuthenticator(ctx, a, careid.NewAuthenticator{Profile: person.Profile.ID, Kind: careid.KindSecurityKey, Credential: []byte(person.Card.Serial)})
	require.NoError(t, err)
	return records{person.Profile.ID, person.Card.Serial, act.ID, app.ID, position.ID, group.ID, assigned.ID, loss.ID, key.Authenticator.ID}
}

// snapshot is everything that calls could change.
func snapshot(t *testing.T, h *careidtest.Hospital) string {
	t.Helper()
	var all strings.Builder
	for _, table := range []string{
		"profile", "grant", "application", "card", "act", "certificate", "order", "link", "workgroup", "position", "assignment", "release", "loss", "acceptance", "authenticator",
		"identity", "user_handle",
	} {
		rows, err := h.DB.Query("SELECT * FROM careid_" + table)
		require.NoError(t, err)
		columns, err := rows.Columns()
		require.NoError(t, err)
		for rows.Next() {
			values, into := make([]any, len(columns)), make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			require.NoError(t, rows.Scan(into...))
			fmt.Fprintln(&all, table, values)
		}
		require.NoError(t, rows.Err())
		require.NoError(t, rows.Close())
	}
	return all.String()
}

func TestAuthorisation(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	admit := func(given string) careidtest.Person {
		p, err := h.Admit(ctx, given, "Person")
		require.NoError(t, err)
		return p
	}
	manager := actor(t, h, h.RAManager, careid.RAManager)
	elsewhere := managerAt(t, h, "RXX")
	away, awayLost := admit("Away"), admit("Astray")
	for _, p := range []careidtest.Person{away, awayLost} {
		far(t, h, p)
	}
	here, there := recordsOf(t, h, manager, h.Nurse, admit("Lost")), recordsOf(t, h, elsewhere, away, awayLost)
	actors := map[careid.Role]careid.Actor{careid.RAManager: manager, careid.Holder: actor(t, h, admit("Stranger"), careid.Holder)}
	for role, p := range map[careid.Role]careidtest.Person{
		careid.RAAgent: h.RAAgent, careid.Sponsor: h.Sponsor, careid.AdvancedRAAgent: admit("Advanced"),
		careid.IDChecker: admit("Checker"), careid.LocalSmartcardAdministrator: admit("Local"),
	} {
		require.NoError(t, h.Service.GrantRole(ctx, manager, p.Profile.ID, role))
		actors[role] = actor(t, h, p, role)
	}
	require.Len(t, actors, len(careid.Roles()))
	stale := actor(t, h, h.Nurse, careid.Holder)
	self := actor(t, h, h.Nurse, careid.Holder)

	t.Run("every method is in the table", func(t *testing.T) {
		listed := slices.Clone(own)
		for name := range calls() {
			method, _, _ := strings.Cut(name, " ")
			listed = append(listed, method)
		}
		service := reflect.TypeFor[*careid.Service]()
		for i := range service.NumMethod() {
			m := service.Method(i)
			takes := false
			for j := 1; j < m.Type.NumIn(); j++ {
				takes = takes || m.Type.In(j) == reflect.TypeFor[careid.Actor]()
			}
			require.Equal(t, takes, slices.Contains(listed, m.Name), m.Name)
		}
	})
	refusal := func(err error, what string) *wardkey.Refusal {
		var no *wardkey.Refusal
		require.True(t, errors.As(err, &no), "%s: %v", what, err)
		return no
	}
	t.Run("threat063", func(t *testing.T) {
		before := snapshot(t, h)
		shapes := map[string]bool{}
		for name, c := range calls() {
			var could []careid.Role
			for _, row := range careid.Permissions() {
				if row.Action == c.action {
					could = append(could, row.Roles...)
				}
			}
			for role, a := range actors {
				what := name + " as " + string(role)
				if c.names { // what is another organisation's looks like what is not there
					no := refusal(c.call(ctx, h.Service, a, there), what)
					require.Equal(t, []any{"org.scope", 403}, []any{no.Rule, no.Status}, what)
					require.Equal(t, no.Error(), refusal(c.call(ctx, h.Service, a, nothing), what).Error(), what)
				}
				if slices.Contains(could, role) {
					continue
				}
				no := refusal(c.call(ctx, h.Service, a, here), what)
				require.Equal(t, 403, no.Status, what)
				shapes[no.Rule] = true
			}
			if !slices.Contains(could, careid.Holder) { // nor on one's own record
				no := refusal(c.call(ctx, h.Service, self, here), name)
				require.Equal(t, 403, no.Status, name)
				shapes[no.Rule] = true
			}
		}
		require.Equal(t, map[string]bool{"role.action": true, "org.scope": true}, shapes, "one shape for a role, one for a record")
		require.Equal(t, before, snapshot(t, h))
	})
	t.Run("nobody, and a session that is over", func(t *testing.T) {
		h.Wall.Add(time.Minute)
		before := snapshot(t, h)
		for name, c := range calls() {
			for what, a := range map[string]careid.Actor{"nobody": {}, "stale": stale, "operator": careid.Operator("page")} {
				for _, r := range []records{here, there, nothing} {
					err := c.call(ctx, h.Service, a, r)
					if c.action == careid.ActionView || what == "operator" && err == nil {
						continue
					}
					require.Contains(t, []int{401, 403}, refusal(err, name+" as "+what).Status, name+" as "+what)
				}
				if c.names && what != "operator" {
					require.Equal(t, c.call(ctx, h.Service, a, nothing).Error(), c.call(ctx, h.Service, a, there).Error(), name+" as "+what)
				}
			}
		}
		require.Equal(t, before, snapshot(t, h))
	})
}
