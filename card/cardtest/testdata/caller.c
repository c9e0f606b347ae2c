/* SPDX-License-Identifier: Apache-2.0
 *
 * A program above the shim, for what Go programs can't do: NULL for what a call
 * answers into, and fork. It names the line of the first answer that is another
 * than wanted. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pkcs11.h"

enum { SERIAL_SESSION = 4, USER = 1, RW_PUBLIC = 2, RW_USER = 3 };

static ck_functions *f;
static ck_byte pin[] = "123456";

static void wants(int line, ck_ulong got, ck_ulong want) {
	if (got == want) return;
	printf("caller.c:%d: 0x%lx instead of 0x%lx\n", line, got, want);
	fflush(stdout);
	_exit(1);
}
#define IS(call, want) wants(__LINE__, call, want)

static ck_ulong state(ck_ulong session) {
	ck_session_info info = {0};
	IS(f->C_GetSessionInfo(session, &info), CKR_OK);
	return info.state;
}

/* Before C_Initialize, and after C_Finalize. */
static void nothing_works(ck_ulong session) {
	ck_ulong n = 0;
	ck_info info;
	ck_token_info token;
	IS(f->C_GetInfo(&info), CKR_CRYPTOKI_NOT_INITIALIZED);
	IS(f->C_GetSlotList(0, 0, &n), CKR_CRYPTOKI_NOT_INITIALIZED);
	IS(f->C_GetTokenInfo(0, &token), CKR_CRYPTOKI_NOT_INITIALIZED);
	IS(f->C_OpenSession(0, SERIAL_SESSION, 0, 0, &n), CKR_CRYPTOKI_NOT_INITIALIZED);
	IS(f->C_Login(session, USER, pin, 6), CKR_CRYPTOKI_NOT_INITIALIZED);
	IS(f->C_FindObjectsFinal(session), CKR_CRYPTOKI_NOT_INITIALIZED);
	IS(f->C_WaitForSlotEvent(0, &n, 0), CKR_CRYPTOKI_NOT_INITIALIZED);
	IS(f->C_Finalize(0), CKR_CRYPTOKI_NOT_INITIALIZED);
}

static void nowhere_to_answer(ck_ulong session) {
	ck_ulong n = 0;
	IS(f->C_Initialize(&(ck_initialize_args){.reserved = &n}), CKR_ARGUMENTS_BAD);
	IS(f->C_Finalize(&n), CKR_ARGUMENTS_BAD);
	IS(f->C_GetFunctionList(0), CKR_ARGUMENTS_BAD);
	IS(f->C_GetInfo(0), CKR_ARGUMENTS_BAD);
	IS(f->C_GetSlotList(0, 0, 0), CKR_ARGUMENTS_BAD);
	IS(f->C_GetSlotInfo(0, 0), CKR_ARGUMENTS_BAD);
	IS(f->C_GetTokenInfo(0, 0), CKR_ARGUMENTS_BAD);
	IS(f->C_GetMechanismList(0, 0, 0), CKR_ARGUMENTS_BAD);
	IS(f->C_GetMechanismInfo(0, 1, 0), CKR_ARGUMENTS_BAD);
	IS(f->C_OpenSession(0, SERIAL_SESSION, 0, 0, 0), CKR_ARGUMENTS_BAD);
	IS(f->C_GetSessionInfo(session, 0), CKR_ARGUMENTS_BAD);
	IS(f->C_SignInit(session, 0, 0), CKR_ARGUMENTS_BAD);
	IS(f->C_WaitForSlotEvent(1, 0, 0), CKR_ARGUMENTS_BAD);
	IS(f->C_Login(session, USER, 0, 0), CKR_ARGUMENTS_BAD); /* and no try is spent: */
	ck_token_info token;
	IS(f->C_GetTokenInfo(0, &token), CKR_OK);
	IS(token.flags & (CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED), 0);
	/* Too little room is no loss. */
	ck_ulong slots[8];
	n = 0;
	IS(f->C_GetSlotList(0, slots, &n), CKR_BUFFER_TOO_SMALL);
	IS(f->C_GetSlotList(0, slots, &n), CKR_OK);
}

int main(int argc, char **argv) {
	ck_ulong (*get)(ck_functions **), session = 1;
	void *module = argc == 2 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : 0;
	*(void **)&get = module ? dlsym(module, "C_GetFunctionList") : 0;
	if (!get) return 2;
	IS(get(&f), CKR_OK);
	nothing_works(session);
	IS(f->C_Initialize(0), CKR_OK);
	IS(f->C_Initialize(0), CKR_CRYPTOKI_ALREADY_INITIALIZED);
	IS(f->C_OpenSession(0, SERIAL_SESSION | CKF_RW_SESSION, 0, 0, &session), CKR_OK);
	nowhere_to_answer(session);
	IS(f->C_Login(session, USER, pin, 6), CKR_OK);

	pid_t child = fork();
	if (child == 0) {
		/* It has nothing of its parent's, whose login stays. */
		nothing_works(session);
		IS(f->C_Initialize(0), CKR_OK);
		ck_session_info info;
		IS(f->C_GetSessionInfo(session, &info), CKR_SESSION_HANDLE_INVALID);
		IS(f->C_OpenSession(0, SERIAL_SESSION | CKF_RW_SESSION, 0, 0, &session), CKR_OK);
		IS(state(session), RW_PUBLIC);
		IS(f->C_Login(session, USER, pin, 6), CKR_OK);
		IS(state(session), RW_USER);
		IS(f->C_Finalize(0), CKR_OK);
		_exit(0);
	}
	int status = 1;
	if (child < 0 || waitpid(child, &status, 0) != child || status) return 1;
	IS(state(session), RW_USER);
	IS(f->C_Finalize(0), CKR_OK);
	nothing_works(session);
	return 0;
}
