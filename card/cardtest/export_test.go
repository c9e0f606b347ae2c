// SPDX-License-Identifier: Apache-2.0

package cardtest

// Fit is what Open asks of the program before anything else.
var Fit = fit
