// SPDX-License-Identifier: Apache-2.0

package cryptoki

// Values of PKCS#11 v2.40, as far as this SDK uses them. They are declared here
// because miekg's may only be read with cgo.
const (
	FlagTokenPresent    = 0x1 // CK_SLOT_INFO
	FlagRemovableDevice = 0x2

	FlagUserPINInitialized = 0x8 // CK_TOKEN_INFO
	FlagProtectedAuthPath  = 0x100
	FlagTokenInitialized   = 0x400
	FlagUserPINCountLow    = 0x10000
	FlagUserPINFinalTry    = 0x20000
	FlagUserPINLocked      = 0x40000
	FlagUserPINToBeChanged = 0x80000
	FlagSOPINCountLow      = 0x100000
	FlagSOPINFinalTry      = 0x200000
	FlagSOPINLocked        = 0x400000
	FlagSOPINToBeChanged   = 0x800000

	FlagRWSession     = 0x2 // C_OpenSession
	FlagSerialSession = 0x4

	StateROUser = 1 // CK_SESSION_INFO
	StateRWUser = 3

	UserSO     uint = 0 // C_Login
	UserNormal uint = 1

	UserContextSpecific uint = 2
)

// Object classes, key types and attributes.
const (
	ClassCertificate = 1
	ClassPublicKey   = 2
	ClassPrivateKey  = 3
	CertificateX509  = 0
	KeyRSA           = 0
	KeyEC            = 3

	AttrClass           = 0x0
	AttrToken           = 0x1
	AttrPrivate         = 0x2
	AttrLabel           = 0x3
	AttrValue           = 0x11
	AttrCertificateType = 0x80
	AttrIssuer          = 0x81
	AttrSerialNumber    = 0x82
	AttrKeyType         = 0x100
	AttrSubject         = 0x101
	AttrID              = 0x102
	AttrSensitive       = 0x103
	AttrSign            = 0x108
	AttrVerify          = 0x10A
	AttrModulus         = 0x120
	AttrModulusBits     = 0x121
	AttrPublicExponent  = 0x122
	AttrExtractable     = 0x162
	AttrECParams        = 0x180
	AttrECPoint         = 0x181

	AttrAlwaysAuthenticate = 0x202
)

// Mechanisms.
const (
	MechRSAKeyPairGen = 0x0
	MechRSAPKCS       = 0x1
	MechRSAX509       = 0x3
	MechRSAPSS        = 0xD
	MechSHA256RSAPKCS = 0x40
	MechSHA384RSAPKCS = 0x41
	MechSHA512RSAPKCS = 0x42
	MechSHA256RSAPSS  = 0x43
	MechSHA384RSAPSS  = 0x44
	MechSHA512RSAPSS  = 0x45
	MechSHA256        = 0x250
	MechSHA384        = 0x260
	MechSHA512        = 0x270
	MGF1SHA256        = 2
	MGF1SHA384        = 3
	MGF1SHA512        = 4
	MechECKeyPairGen  = 0x1040
	MechECDSA         = 0x1041
	MechECDSASHA256   = 0x1044
	MechECDSASHA384   = 0x1045
	MechECDSASHA512   = 0x1046
)

// Return values.
const (
	OK                         = 0x0
	SlotIDInvalid              = 0x3
	GeneralError               = 0x5
	FunctionFailed             = 0x6
	AttributeSensitive         = 0x11
	AttributeTypeInvalid       = 0x12
	DeviceError                = 0x30
	DeviceMemory               = 0x31
	DeviceRemoved              = 0x32
	FunctionCanceled           = 0x50
	FunctionNotSupported       = 0x54
	KeyHandleInvalid           = 0x60
	KeySizeRange               = 0x62
	KeyTypeInconsistent        = 0x63
	KeyFunctionNotPermitted    = 0x68
	MechanismInvalid           = 0x70
	MechanismParamInvalid      = 0x71
	ObjectHandleInvalid        = 0x82
	PINIncorrect               = 0xA0
	PINInvalid                 = 0xA1
	PINLenRange                = 0xA2
	PINExpired                 = 0xA3
	PINLocked                  = 0xA4
	SessionClosed              = 0xB0
	SessionHandleInvalid       = 0xB3
	SessionReadOnly            = 0xB5
	SessionExists              = 0xB6
	SessionReadOnlyExists      = 0xB7
	SessionReadWriteSOExists   = 0xB8
	TokenNotPresent            = 0xE0
	TokenNotRecognized         = 0xE1
	TokenWriteProtected        = 0xE2
	UserAlreadyLoggedIn        = 0x100
	UserNotLoggedIn            = 0x101
	UserPINNotInitialized      = 0x102
	UserAnotherAlreadyLoggedIn = 0x104
	UserTooManyTypes           = 0x105
	DomainParamsInvalid        = 0x130
	CurveNotSupported          = 0x140
	CryptokiNotInitialized     = 0x190
	CryptokiAlreadyInitialized = 0x191
	PINTooWeak                 = 0x1B8
)
