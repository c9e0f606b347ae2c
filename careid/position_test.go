// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

func nursing(name string, workgroups ...string) careid.Position {
	return careid.Position{
		Name:       name,
		Role:       careid.Coded{Code: "S8000:G8000:R8001", Name: "Nurse Access Role"},
		Activities: []careid.Coded{{Code: "B0360", Name: "View Detailed Health Records"}}, Workgroups: workgroups,
		AreasOfWork: []careid.Coded{{Code: "P0020:Q0300:T0640", Name: "General medicine"}},
	}
}

func TestPositions(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	nurse := h.Nurse.Profile.ID
	agent, sponsor, holder := actor(t, h, h.RAAgent, careid.RAAgent), actor(t, h, h.Sponsor, careid.Sponsor), actor(t, h, h.Nurse, careid.Holder)

	ward, err := h.Service.CreateWorkgroup(ctx, agent, "Ward 3")
	require.NoError(t, err)
	require.Regexp(t, `^[0-9]{12}$`, ward.ID)
	position, err := h.Service.CreatePosition(ctx, agent, nursing("Staff nurse", ward.ID))
	require.NoError(t, err)

	t.Run("row005", func(t *testing.T) {
		_, err := h.Service.AssignPosition(ctx, holder, careid.Assign{Profile: nurse, Position: position.ID})
		no := refused(t, err, "role.action")
		require.Contains(t, no.Next[0], "ra-manager, advanced-ra-agent, ra-agent")
		made, err := h.Service.AssignPosition(ctx, agent, careid.Assign{Profile: nurse, Position: position.ID})
		require.NoError(t, err)
		require.Regexp(t, `^[0-9]{12}$`, made.ID)
		held, err := h.Service.Assignments(ctx, holder, nurse)
		require.NoError(t, err)
		require.Len(t, held, 1)
		require.Equal(t, *made, held[0].Assignment)
		require.Equal(t, "S8000:G8000:R8001", held[0].Position.Role.Code)
		refused(t, h.Service.EndPosition(ctx, holder, made.ID), "role.action")
		rows := audit(t, h)
		require.Contains(t, rows[len(rows)-2].Detail, made.ID)
	})
	t.Run("dates", func(t *testing.T) {
		now := h.Clock.Now()
		ask := func(from, to time.Time) error {
			return second(h.Service.AssignPosition(ctx, agent, careid.Assign{Profile: h.Sponsor.Profile.ID, Position: position.ID, From: from, To: to}))
		}
		refused(t, ask(now.Add(-time.Second), time.Time{}), "position.dates")
		refused(t, ask(now, now), "position.dates")
		require.NoError(t, ask(now.Add(time.Hour), now.Add(2*time.Hour)))
		refused(t, ask(now.Add(2*time.Hour-time.Second), time.Time{}), "position.twice")
		refused(t, ask(now, now.Add(time.Hour+time.Second)), "position.twice")
		require.NoError(t, ask(now, now.Add(time.Hour)), "up to the next one's beginning")
		held, err := h.Service.Assignments(ctx, agent, h.Sponsor.Profile.ID)
		require.NoError(t, err)
		require.Equal(t, []bool{true, false}, []bool{held[0].In(now), held[1].In(now)})
		require.Equal(t, []bool{false, true}, []bool{held[0].In(now.Add(time.Hour)), held[1].In(now.Add(time.Hour))})
		for _, v := range held {
			require.NoError(t, h.Service.EndPosition(ctx, agent, v.ID))
			require.NoError(t, h.Service.EndPosition(ctx, agent, v.ID))
		}
		held, err = h.Service.Assignments(ctx, agent, h.Sponsor.Profile.ID)
		require.NoError(t, err)
		for _, v := range held {
			require.False(t, v.In(now) || v.In(now.Add(time.Hour)))
		}
	})
	t.Run("row008", func(t *testing.T) {
		open := nursing("Bank nurse")
		open.Assignable = true
		bank, err := h.Service.CreatePosition(ctx, agent, open)
		require.NoError(t, err)
		refused(t, second(h.Service.AssignPosition(ctx, sponsor, careid.Assign{Profile: h.RAAgent.Profile.ID, Position: position.ID})), "position.assignable")
		today := h.Clock.Now()
		defer h.Clock.Set(today)
		_, err = h.DB.ExecContext(ctx, "UPDATE careid_grant SET from_at = ?", london(t, "2024-01-01").Unix()) // who held a role then
		require.NoError(t, err)
		first := london(t, "2024-05-01")
		try := func(via careid.NationalService, at time.Time) error {
			h.Clock.Set(at)
			made, err := h.Service.AssignPosition(ctx, sponsor, careid.Assign{Profile: nurse, Position: bank.ID, Via: via})
			if err == nil {
				require.NoError(t, h.Service.EndPosition(ctx, sponsor, made.ID))
			}
			return err
		}
		require.NoError(t, try(careid.CIS, first.Add(-time.Second)))
		require.NoError(t, try(careid.CIM, first.Add(-time.Second)))
		require.Contains(t, refused(t, try(careid.CIS, first), "capability.left").Next[0], "Care Identity Management")
		require.NoError(t, try(careid.CIM, first))
		require.NoError(t, try("", today))
		refused(t, try("no such service", today), "service.unknown")
	})
	t.Run("threat015", func(t *testing.T) {
		self := h.RAAgent.Profile.ID
		_, err := h.Service.AssignPosition(ctx, agent, careid.Assign{Profile: self, Position: position.ID})
		refused(t, err, "own.record")
		// Nor by way of a position that one holds.
		_, err = h.Service.AssignPosition(ctx, actor(t, h, h.RAManager, careid.RAManager), careid.Assign{Profile: self, Position: position.ID})
		require.NoError(t, err)
		more := nursing("Staff nurse", ward.ID)
		more.ID = position.ID
		more.Activities = append(more.Activities, careid.Coded{Code: "B1611", Name: "Sensitive records"})
		refused(t, h.Service.ChangePosition(ctx, agent, more), "own.record")
		require.NoError(t, h.Service.ChangePosition(ctx, actor(t, h, h.RAManager, careid.RAManager), more))
		refused(t, second(h.Service.CreatePosition(ctx, sponsor, nursing("Mine"))), "role.action")
	})
	t.Run("what is wrong with a position", func(t *testing.T) {
		for what, spoil := range map[string]func(*careid.Position){
			"its name":      func(p *careid.Position) { p.Name = " Nurse" },
			"G8000":         func(p *careid.Position) { p.Role.Code = "R8001" },
			"B0058":         func(p *careid.Position) { p.Activities[0].Code = "B058" },
			"T0640":         func(p *careid.Position) { p.AreasOfWork[0].Code = "P0020" },
			"of codes":      func(p *careid.Position) { p.Activities = make([]careid.Coded, 101) },
			"of workgroups": func(p *careid.Position) { p.Workgroups = strings.Split(strings.Repeat("0", 101), "") },
		} {
			p := nursing("Wrong")
			spoil(&p)
			_, err := h.Service.CreatePosition(ctx, agent, p)
			require.Contains(t, refused(t, err, "position.invalid").Facts["what"], what)
		}
		refused(t, second(h.Service.CreatePosition(ctx, agent, nursing("Wrong", "000000000000"))), "workgroup.unknown")
		refused(t, second(h.Service.CreatePosition(ctx, agent, nursing("Staff nurse"))), "position.taken")
	})
	t.Run("workgroups", func(t *testing.T) {
		refused(t, h.Service.DeleteWorkgroup(ctx, agent, ward.ID), "workgroup.used")
		refused(t, second(h.Service.CreateWorkgroup(ctx, agent, "Ward 3")), "workgroup.taken")
		refused(t, second(h.Service.CreateWorkgroup(ctx, agent, "")), "workgroup.invalid")
		refused(t, h.Service.RenameWorkgroup(ctx, agent, "000000000000", "x"), "org.scope")
		require.NoError(t, h.Service.RenameWorkgroup(ctx, agent, ward.ID, "Ward 3 East"))
		groups, err := h.Service.Workgroups(ctx, sponsor)
		require.NoError(t, err)
		require.Equal(t, []careid.Workgroup{{ID: ward.ID, Organisation: careidtest.Organisation, Name: "Ward 3 East"}}, groups)
		refused(t, h.Service.DeletePosition(ctx, agent, position.ID), "position.held")
		for _, p := range []string{nurse, h.RAAgent.Profile.ID} {
			held, err := h.Service.Assignments(ctx, careid.Operator("test"), p)
			require.NoError(t, err)
			for _, v := range held {
				if v.In(h.Clock.Now()) {
					require.NoError(t, h.Service.EndPosition(ctx, actor(t, h, h.RAManager, careid.RAManager), v.ID))
				}
			}
		}
		require.NoError(t, h.Service.DeletePosition(ctx, agent, position.ID))
		refused(t, h.Service.DeletePosition(ctx, agent, position.ID), "org.scope")
		refused(t, second(h.Service.AssignPosition(ctx, agent, careid.Assign{Profile: nurse, Position: position.ID})), "org.scope")
		require.NoError(t, h.Service.DeleteWorkgroup(ctx, agent, ward.ID))
		positions, err := h.Service.Positions(ctx, sponsor)
		require.NoError(t, err)
		require.Len(t, positions, 1)
		refused(t, second(h.Service.Positions(ctx, holder)), "role.action")
		refused(t, second(h.Service.Workgroups(ctx, holder)), "role.action")
	})
}
