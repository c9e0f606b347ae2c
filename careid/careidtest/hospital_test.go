// SPDX-License-Identifier: Apache-2.0

package careidtest_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid/careidtest"
)

func TestHospital(t *testing.T) {
	h := careidtest.New(t, careidtest.Config{})
	in, err := h.SignIn(context.Background(), h.Nurse.Card)
	require.NoError(t, err)
	require.Equal(t, "Asha Patel", in.Session.Name)
	rows, err := h.Service.VerifyAudit(context.Background())
	require.NoError(t, err)
	require.Positive(t, rows)
}
