// SPDX-License-Identifier: Apache-2.0

package smime

// Object identifiers, as messages are read. RFC 5652, 5083, 5084, 3565, 3370,
// 4055, 5035, 5753, 5754, 8419.
const (
	oidData              = "1.2.840.113549.1.7.1"
	oidSignedData        = "1.2.840.113549.1.7.2"
	oidEnvelopedData     = "1.2.840.113549.1.7.3"
	oidAuthEnvelopedData = "1.2.840.113549.1.9.16.1.23"

	oidAES128CBC     = "2.16.840.1.101.3.4.1.2"
	oidAES128Wrap    = "2.16.840.1.101.3.4.1.5"
	oidAES128GCM     = "2.16.840.1.101.3.4.1.6"
	oidAES192CBC     = "2.16.840.1.101.3.4.1.22"
	oidAES192Wrap    = "2.16.840.1.101.3.4.1.25"
	oidAES192GCM     = "2.16.840.1.101.3.4.1.26"
	oidAES256CBC     = "2.16.840.1.101.3.4.1.42"
	oidAES256Wrap    = "2.16.840.1.101.3.4.1.45"
	oidAES256GCM     = "2.16.840.1.101.3.4.1.46"
	oidTripleDES     = "1.2.840.113549.3.7"
	oidTripleDESWrap = "1.2.840.113549.1.9.16.3.6"

	oidSHA1   = "1.3.14.3.2.26"
	oidSHA256 = "2.16.840.1.101.3.4.2.1"
	oidSHA384 = "2.16.840.1.101.3.4.2.2"
	oidSHA512 = "2.16.840.1.101.3.4.2.3"

	oidRSA         = "1.2.840.113549.1.1.1"
	oidOAEP        = "1.2.840.113549.1.1.7"
	oidECPublicKey = "1.2.840.10045.2.1"
	oidMGF1        = "1.2.840.113549.1.1.8"
	oidPSpecified  = "1.2.840.113549.1.1.9"

	oidDHSHA1         = "1.3.133.16.840.63.0.2"
	oidCofactorSHA1   = "1.3.133.16.840.63.0.3"
	oidDHSHA256       = "1.3.132.1.11.1"
	oidDHSHA384       = "1.3.132.1.11.2"
	oidDHSHA512       = "1.3.132.1.11.3"
	oidCofactorSHA256 = "1.3.132.1.14.1"
	oidCofactorSHA384 = "1.3.132.1.14.2"
	oidCofactorSHA512 = "1.3.132.1.14.3"

	oidContentType   = "1.2.840.113549.1.9.3"
	oidMessageDigest = "1.2.840.113549.1.9.4"
	oidSigningTime   = "1.2.840.113549.1.9.5"

	oidSigningCertificate   = "1.2.840.113549.1.9.16.2.12"
	oidSigningCertificateV2 = "1.2.840.113549.1.9.16.2.47"

	oidPSS         = "1.2.840.113549.1.1.10"
	oidRSASHA256   = "1.2.840.113549.1.1.11"
	oidRSASHA384   = "1.2.840.113549.1.1.12"
	oidRSASHA512   = "1.2.840.113549.1.1.13"
	oidECDSASHA256 = "1.2.840.10045.4.3.2"
	oidECDSASHA384 = "1.2.840.10045.4.3.3"
	oidECDSASHA512 = "1.2.840.10045.4.3.4"
	oidEd25519     = "1.3.101.112"
)
