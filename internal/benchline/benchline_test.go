// SPDX-License-Identifier: Apache-2.0

package benchline_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wardkey-sdk/wardkey/internal/benchline"
)

func ExampleLine() {
	fmt.Println(benchline.Line("pki.ocsp", 5210.4, 2150, "answers/s", 2.423, 2))
	fmt.Println(benchline.Line("pki.crl", 812.5, 90, "ms", 0.111, 10))
	// Output:
	// bench: pki.ocsp ours=5210 answers/s baseline=2150 answers/s ratio=2.42 goal=2.00 ok
	// bench: pki.crl ours=812.5 ms baseline=90 ms ratio=0.11 goal=10.00 short
}

func TestReport(t *testing.T) {
	rate := testing.Benchmark(func(b *testing.B) { benchline.Report(b, "test.rate", 30, 20, "ops/s", true, 1.5) })
	require.InDelta(t, 1.5, rate.Extra["ratio"], 1e-9)
	size := testing.Benchmark(func(b *testing.B) { benchline.Report(b, "test.size", 30, 15, "MB", false, 0.5) })
	require.InDelta(t, 0.5, size.Extra["ratio"], 1e-9)
}
