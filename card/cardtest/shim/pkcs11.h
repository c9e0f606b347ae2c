/* SPDX-License-Identifier: Apache-2.0
 *
 * As much of PKCS#11 v2.40 as the shim uses, declared by us. The shim runs on
 * LP64 systems only: there CK_ULONG, every handle and every pointer have 64
 * bits, which is why functions that are only passed on take ck_ulong for all of
 * their parameters. */
#ifndef WARDKEY_PKCS11_H
#define WARDKEY_PKCS11_H

typedef unsigned long ck_ulong;
typedef unsigned char ck_byte;
_Static_assert(sizeof(ck_ulong) == 8 && sizeof(void *) == 8, "the shim needs an LP64 system");

typedef struct { ck_byte major, minor; } ck_version;

typedef struct {
	ck_version cryptoki;
	ck_byte manufacturer[32];
	ck_ulong flags;
	ck_byte description[32];
	ck_version library;
} ck_info;

typedef struct {
	ck_byte description[64], manufacturer[32];
	ck_ulong flags;
	ck_version hardware, firmware;
} ck_slot_info;

typedef struct {
	ck_byte label[32], manufacturer[32], model[16], serial[16];
	ck_ulong flags;
	ck_ulong max_sessions, sessions, max_rw_sessions, rw_sessions, max_pin, min_pin;
	ck_ulong total_public, free_public, total_private, free_private;
	ck_version hardware, firmware;
	ck_byte utc[16];
} ck_token_info;

typedef struct { ck_ulong slot, state, flags, device_error; } ck_session_info;

typedef struct {
	void *create_mutex, *destroy_mutex, *lock_mutex, *unlock_mutex;
	ck_ulong flags;
	void *reserved;
} ck_initialize_args;

/* Functions that belong to a session and are passed on, with the number of
 * their parameters; in the order of CK_FUNCTION_LIST, in three stretches,
 * because others stand between them. */
#define OPERATION_STATE(F) F(C_GetOperationState, 3) F(C_SetOperationState, 5)
#define PASSED_ON(F) \
	F(C_CreateObject, 4) F(C_CopyObject, 5) F(C_DestroyObject, 2) F(C_GetObjectSize, 3) \
	F(C_GetAttributeValue, 4) F(C_SetAttributeValue, 4) F(C_FindObjectsInit, 3) F(C_FindObjects, 4) \
	F(C_FindObjectsFinal, 1) F(C_EncryptInit, 3) F(C_Encrypt, 5) F(C_EncryptUpdate, 5) F(C_EncryptFinal, 3) \
	F(C_DecryptInit, 3) F(C_Decrypt, 5) F(C_DecryptUpdate, 5) F(C_DecryptFinal, 3) F(C_DigestInit, 2) \
	F(C_Digest, 5) F(C_DigestUpdate, 3) F(C_DigestKey, 2) F(C_DigestFinal, 3) F(C_SignInit, 3) F(C_Sign, 5) \
	F(C_SignUpdate, 3) F(C_SignFinal, 3) F(C_SignRecoverInit, 3) F(C_SignRecover, 5) F(C_VerifyInit, 3) \
	F(C_Verify, 5) F(C_VerifyUpdate, 3) F(C_VerifyFinal, 3) F(C_VerifyRecoverInit, 3) F(C_VerifyRecover, 5) \
	F(C_DigestEncryptUpdate, 5) F(C_DecryptDigestUpdate, 5) F(C_SignEncryptUpdate, 5) F(C_DecryptVerifyUpdate, 5) \
	F(C_GenerateKey, 5) F(C_GenerateKeyPair, 8) F(C_WrapKey, 6) F(C_UnwrapKey, 8) F(C_DeriveKey, 6) \
	F(C_SeedRandom, 3) F(C_GenerateRandom, 3)
#define LEGACY(F) F(C_GetFunctionStatus, 1) F(C_CancelFunction, 1)

#define PARAMS1 ck_ulong h
#define PARAMS2 PARAMS1, ck_ulong a
#define PARAMS3 PARAMS2, ck_ulong b
#define PARAMS4 PARAMS3, ck_ulong c
#define PARAMS5 PARAMS4, ck_ulong d
#define PARAMS6 PARAMS5, ck_ulong e
#define PARAMS8 PARAMS6, ck_ulong f, ck_ulong g
#define ARGS1 s
#define ARGS2 ARGS1, a
#define ARGS3 ARGS2, b
#define ARGS4 ARGS3, c
#define ARGS5 ARGS4, d
#define ARGS6 ARGS5, e
#define ARGS8 ARGS6, f, g

typedef struct ck_functions ck_functions;
#define MEMBER(name, n) ck_ulong (*name)(PARAMS##n);
struct ck_functions {
	ck_version version;
	ck_ulong (*C_Initialize)(ck_initialize_args *args);
	ck_ulong (*C_Finalize)(void *reserved);
	ck_ulong (*C_GetInfo)(ck_info *info);
	ck_ulong (*C_GetFunctionList)(ck_functions **list);
	ck_ulong (*C_GetSlotList)(ck_byte present, ck_ulong *slots, ck_ulong *count);
	ck_ulong (*C_GetSlotInfo)(ck_ulong slot, ck_slot_info *info);
	ck_ulong (*C_GetTokenInfo)(ck_ulong slot, ck_token_info *info);
	ck_ulong (*C_GetMechanismList)(ck_ulong slot, ck_ulong *list, ck_ulong *count);
	ck_ulong (*C_GetMechanismInfo)(ck_ulong slot, ck_ulong type, void *info);
	ck_ulong (*C_InitToken)(ck_ulong slot, ck_byte *pin, ck_ulong pin_len, ck_byte *label);
	ck_ulong (*C_InitPIN)(ck_ulong session, ck_byte *pin, ck_ulong pin_len);
	ck_ulong (*C_SetPIN)(ck_ulong session, ck_byte *old, ck_ulong old_len, ck_byte *pin, ck_ulong pin_len);
	ck_ulong (*C_OpenSession)(ck_ulong slot, ck_ulong flags, void *app, void *notify, ck_ulong *session);
	ck_ulong (*C_CloseSession)(ck_ulong session);
	ck_ulong (*C_CloseAllSessions)(ck_ulong slot);
	ck_ulong (*C_GetSessionInfo)(ck_ulong session, ck_session_info *info);
	OPERATION_STATE(MEMBER)
	ck_ulong (*C_Login)(ck_ulong session, ck_ulong user, ck_byte *pin, ck_ulong pin_len);
	ck_ulong (*C_Logout)(ck_ulong session);
	PASSED_ON(MEMBER)
	LEGACY(MEMBER)
	ck_ulong (*C_WaitForSlotEvent)(ck_ulong flags, ck_ulong *slot, void *reserved);
};
#undef MEMBER

enum {
	CKR_OK = 0x0, CKR_HOST_MEMORY = 0x2, CKR_SLOT_ID_INVALID = 0x3, CKR_ARGUMENTS_BAD = 0x7, CKR_NO_EVENT = 0x8, CKR_DEVICE_ERROR = 0x30,
	CKR_DEVICE_MEMORY = 0x31, CKR_DEVICE_REMOVED = 0x32, CKR_FUNCTION_CANCELED = 0x50,
	CKR_MECHANISM_INVALID = 0x70, CKR_PIN_INCORRECT = 0xa0, CKR_PIN_LOCKED = 0xa4, CKR_TOKEN_WRITE_PROTECTED = 0xe2,
	CKR_SESSION_HANDLE_INVALID = 0xb3, CKR_TOKEN_NOT_PRESENT = 0xe0, CKR_BUFFER_TOO_SMALL = 0x150,
	CKR_USER_NOT_LOGGED_IN = 0x101, CKR_CRYPTOKI_NOT_INITIALIZED = 0x190, CKR_CRYPTOKI_ALREADY_INITIALIZED = 0x191,

	CKF_DONT_BLOCK = 0x1, CKF_WRITE_PROTECTED = 0x2, CKF_RW_SESSION = 0x2, CKF_PROTECTED_AUTHENTICATION_PATH = 0x100,
	CKF_TOKEN_PRESENT = 0x1, CKF_REMOVABLE_DEVICE = 0x2, CKF_OS_LOCKING_OK = 0x2, CKF_LOGIN_REQUIRED = 0x4, CKF_TOKEN_INITIALIZED = 0x400,
	CKF_USER_PIN_COUNT_LOW = 0x10000, CKF_USER_PIN_FINAL_TRY = 0x20000, CKF_USER_PIN_LOCKED = 0x40000,
	CKF_SO_PIN_COUNT_LOW = 0x100000, CKF_SO_PIN_FINAL_TRY = 0x200000, CKF_SO_PIN_LOCKED = 0x400000,
	CKU_SO = 0, CKS_RO_PUBLIC_SESSION = 0, CKS_RW_PUBLIC_SESSION = 2, CKS_RW_SO_FUNCTIONS = 4,
};
#endif
