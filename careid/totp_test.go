// SPDX-License-Identifier: Apache-2.0

package careid_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/careid"
)

// RFC 6238 appendix B, the SHA-1 rows. Its codes have eight digits; six are the last six of them (RFC 4226 §5.3).
func TestTOTPVectors(t *testing.T) {
	secret := []byte("12345678901234567890")
	for at, want := range map[int64]string{
		59: "94287082", 1111111109: "07081804", 1111111111: "14050471",
		1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130",
	} {
		require.Equal(t, want[2:], careid.TOTP(secret, time.Unix(at, 0)), at)
	}
}

// An authenticator app and the server compute the same six digits from the same thirty seconds.
func ExampleTOTP() {
	secret := []byte("12345678901234567890")
	at := time.Date(2005, 3, 18, 1, 58, 29, 0, time.UTC)
	fmt.Println(careid.TOTP(secret, at))
	fmt.Println(careid.TOTP(secret, at.Add(time.Second)))
	// Output:
	// 081804
	// 050471
}
