// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"context"
	"crypto/x509"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

// published says whether a certificate stands in the list that its own distribution point serves now.
func published(t *testing.T, h *careidtest.Hospital, cert *x509.Certificate) bool {
	t.Helper()
	answer := httptest.NewRecorder()
	h.CA.PublishHandler().ServeHTTP(answer, httptest.NewRequest("GET", cert.CRLDistributionPoints[0], nil))
	require.Equal(t, 200, answer.Code)
	list, err := x509.ParseRevocationList(answer.Body.Bytes())
	require.NoError(t, err)
	for _, entry := range list.RevokedCertificateEntries {
		if entry.SerialNumber.Cmp(cert.SerialNumber) == 0 {
			return true
		}
	}
	return false
}

func TestLoss(t *testing.T) {
	ctx := context.Background()
	h := careidtest.New(t, careidtest.Config{})
	nurse := h.Nurse.Profile.ID
	manager := actor(t, h, h.RAManager, careid.RAManager)
	agent := actor(t, h, h.RAAgent, careid.RAAgent)
	require.NoError(t, h.Service.GrantRole(ctx, manager, h.Sponsor.Profile.ID, careid.LocalSmartcardAdministrator))
	local := actor(t, h, h.Sponsor, careid.LocalSmartcardAdministrator)
	const address = "asha.patel@nhs.net"
	h.Mail.Set(address, careidtest.Mailbox{Active: true, PolicyAccepted: true})
	_, err := h.Service.Link(ctx, actor(t, h, h.Nurse, careid.Holder), careid.LinkRequest{Address: address, Workstation: careid.Workstation{Browser: "edge", CredentialManagement: careid.Yes}})
	require.NoError(t, err)

	var made *careid.Loss
	t.Run("row128", func(t *testing.T) {
		in := signIn(t, h, h.Nurse.Card)
		refused(t, second(h.Service.ReportLoss(ctx, local, careid.LossReport{Profile: nurse, Card: h.RAAgent.Card.Serial})), "org.scope")
		refused(t, second(h.Service.ReportLoss(ctx, actor(t, h, h.Sponsor, careid.Sponsor), careid.LossReport{Profile: nurse})), "role.action")
		rows := audited(t, h, func() {
			t.Run("row043", func(t *testing.T) {
				var err error
				made, err = h.Service.ReportLoss(ctx, local, careid.LossReport{Profile: nurse, Stolen: true}) // whatever its number is
				require.NoError(t, err)
				require.Equal(t, h.Nurse.Card.Serial, made.Card)
			})
		})
		require.Equal(t, h.Sponsor.Profile.ID+" local-smartcard-administrator RBA", rows[0].Actor)
		require.Equal(t, nurse, rows[0].Subject)
		require.Contains(t, rows[0].Detail, "card "+h.Nurse.Card.Serial+" of "+nurse)
		_, err := h.Service.Session(ctx, in.Token)
		refused(t, err, "session.ended")
		refused(t, second(h.Service.ReportLoss(ctx, local, careid.LossReport{Profile: nurse})), "loss.none")
		refused(t, second(h.Service.ReportLoss(ctx, local, careid.LossReport{Profile: nurse, Card: made.Card})), "card.notlive")
	})
	t.Run("row125", func(t *testing.T) {
		for _, c := range h.Nurse.Card.Certificates {
			require.True(t, published(t, h, c))
		}
		for _, c := range h.Sponsor.Card.Certificates {
			require.False(t, published(t, h, c))
		}
		orders, err := h.Service.Orders(ctx, agent)
		require.NoError(t, err)
		require.Len(t, orders, 1)
		require.Equal(t, []string{made.Order, nurse, made.Card}, []string{orders[0].ID, orders[0].Profile, orders[0].Replaces})
	})
	t.Run("row126", func(t *testing.T) {
		require.Equal(t, careid.DeskRA, made.Next())
		refused(t, second(h.Service.RaiseIncident(ctx, local, made.ID, careid.Incident{Address: address})), "loss.order")
		refused(t, second(h.Service.HandleLoss(ctx, local, made.ID)), "role.action")
		after, err := h.Service.HandleLoss(ctx, agent, made.ID)
		require.NoError(t, err)
		require.Equal(t, h.RAAgent.Profile.ID, after.RABy)
		require.Empty(t, audited(t, h, func() {
			again, err := h.Service.HandleLoss(ctx, manager, made.ID)
			require.NoError(t, err)
			require.Equal(t, after, again)
		}))
	})
	t.Run("row127", func(t *testing.T) {
		open, err := h.Service.Losses(ctx, agent)
		require.NoError(t, err)
		require.Len(t, open, 1)
		require.Equal(t, careid.DeskMail, open[0].Next())
		desk, err := careid.PublishedDesk(builtIn(t), open[0].Next(), careid.Workstation{}, h.Clock.Now())
		require.NoError(t, err)
		require.Equal(t, "0333 200 1133", desk.Phone)
		t.Run("row129", func(t *testing.T) {
			for _, none := range []string{"", "asha.patel@example.com", "@nhs.net"} {
				refused(t, second(h.Service.RaiseIncident(ctx, local, made.ID, careid.Incident{Address: none, Card: made.Card})), "mail.address")
			}
			after, err := h.Service.RaiseIncident(ctx, local, made.ID, careid.Incident{Address: "Asha.Patel@NHS.net"})
			require.NoError(t, err, "without its number")
			require.Equal(t, address, after.Incident.Address)
			require.Equal(t, careid.DeskPurpose(""), after.Next())
		})
		rows := audit(t, h)
		require.Equal(t, "raise priority incident", rows[len(rows)-1].Action)
		require.Contains(t, rows[len(rows)-1].Detail, "closed")
		open, err = h.Service.Losses(ctx, agent)
		require.NoError(t, err)
		require.Empty(t, open)
		links, err := h.Service.Links(ctx, agent, nurse)
		require.NoError(t, err)
		require.Equal(t, careid.LinkSuspended, links[0].State)
	})
	t.Run("the holder reports it, with a number", func(t *testing.T) {
		card, err := h.Issue(ctx, nurse, "")
		require.NoError(t, err)
		holder := actor(t, h, careidtest.Person{Profile: h.Nurse.Profile, Card: card}, careid.Holder)
		refused(t, second(h.Service.ReportLoss(ctx, holder, careid.LossReport{Profile: h.Sponsor.Profile.ID})), "org.scope")
		own, err := h.Service.ReportLoss(ctx, holder, careid.LossReport{Profile: nurse, Card: card.Serial})
		require.NoError(t, err)
		require.Equal(t, careid.DeskRA, own.Next())
		refused(t, second(h.Service.HandleLoss(ctx, agent, "no case")), "org.scope")
		_, err = h.Service.HandleLoss(ctx, agent, own.ID)
		require.NoError(t, err)
	})
	t.Run("the Registration Authority itself", func(t *testing.T) {
		p, err := h.Admit(ctx, "Lou", "Lost")
		require.NoError(t, err)
		v, err := h.Service.ReportLoss(ctx, agent, careid.LossReport{Profile: p.Profile.ID})
		require.NoError(t, err)
		require.Equal(t, careid.DeskMail, v.Next(), "its step is done by the report")
		_, err = h.Service.RaiseIncident(ctx, agent, v.ID, careid.Incident{Address: "lou.lost@nhs.net", Card: v.Card})
		require.NoError(t, err)
	})
}
