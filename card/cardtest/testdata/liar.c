/* SPDX-License-Identifier: Apache-2.0
 *
 * A PKCS#11 module that passes each call on to another, and answers otherwise
 * where the file RULES says so, a line a rule, in hexadecimal:
 *
 *	C_Logout * 0         answers 0 and does nothing
 *	C_Login a0 a4        answers a4 where the module does a0
 *	token-flags 4 8      takes these flags of a token away, and adds those
 *	slot-flags 4 8       as well of a slot
 *	state 3 1            has the session state 3 for 1
 *	token 2 0            spoils the second answer about a token; one rule each
 *	slots 1 0            lists so many of the slots with a card each second time
 *	find 0 2             finds so many objects, whichever
 *	signature 0 0        spoils each signature */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pkcs11.h"

static ck_functions *inner, ours;

typedef struct { char name[40], from[20]; ck_ulong to; } rule;

static rule rules[16];
static int count;

static int read_rules(void) {
	FILE *f = fopen(RULES, "r");
	if (!f) return -1;
	count = 0;
	for (rule *r = rules; count < 16 && fscanf(f, "%39s %19s %lx", r->name, r->from, &r->to) == 3; r++) count++;
	fclose(f);
	return 0;
}

/* has is the first rule of the name. */
static const rule *has(const char *name) {
	for (const rule *r = rules; r < rules + count; r++)
		if (!strcmp(r->name, name)) return r;
	return 0;
}

/* changed is what the rules of the name make of a value. */
static ck_ulong changed(const char *name, ck_ulong value) {
	for (const rule *r = rules; r < rules + count; r++)
		if (!strcmp(r->name, name) && r->from[0] != '*' && strtoul(r->from, 0, 16) == value) return r->to;
	return value;
}

/* spoil changes what a call answered into. */
static void spoil(const char *name, const ck_ulong *args) {
	const rule *r;
	if (!strcmp(name, "C_GetTokenInfo") && (r = has("token-flags"))) {
		ck_token_info *info = (void *)args[1];
		info->flags = (info->flags & ~strtoul(r->from, 0, 16)) | r->to;
	}
	if (!strcmp(name, "C_GetTokenInfo")) {
		static ck_ulong answers;
		answers++;
		if (changed("token", answers) != answers) memset((void *)args[1], '1', sizeof(ck_token_info));
	}
	if (!strcmp(name, "C_GetSlotList") && args[1] && (args[0] & 1) && (r = has("slots"))) {
		static int times;
		if (++times % 2 == 0) *(ck_ulong *)args[2] = r->to;
	}
	if (!strcmp(name, "C_GetSlotInfo") && (r = has("slot-flags"))) {
		ck_slot_info *info = (void *)args[1];
		info->flags = (info->flags & ~strtoul(r->from, 0, 16)) | r->to;
	}
	if (!strcmp(name, "C_GetSessionInfo")) {
		ck_session_info *info = (void *)args[1];
		info->state = changed("state", info->state);
	}
	static __thread int searched; /* since C_FindObjectsInit */
	if (!strcmp(name, "C_FindObjectsInit")) searched = 0;
	if (!strcmp(name, "C_FindObjects") && (r = has("find"))) *(ck_ulong *)args[3] = searched++ ? 0 : r->to;
	if (!strcmp(name, "C_Sign") && args[3] && has("signature")) ((ck_byte *)args[3])[0] ^= 1;
}

#define MINE(name, n)                                                     \
	static ck_ulong my_##name(PARAMS##n) {                                \
		ck_ulong s = h, args[] = {ARGS##n};                               \
		const rule *r = has(#name);                                       \
		if (r && r->from[0] == '*') return r->to;                         \
		ck_ulong (*name)(PARAMS##n) = (void *)inner->name;                \
		ck_ulong rv = name(ARGS##n);                                      \
		if (rv == CKR_OK) spoil(#name, args);                             \
		return changed(#name, rv);                                        \
	}
#define OTHERS(F) \
	F(C_Initialize, 1) F(C_GetSlotList, 3) F(C_GetSlotInfo, 2) F(C_GetTokenInfo, 2) F(C_InitPIN, 3) F(C_SetPIN, 5) \
	F(C_OpenSession, 5) F(C_CloseSession, 1) F(C_GetSessionInfo, 2) F(C_Login, 4) F(C_Logout, 1) F(C_WaitForSlotEvent, 3)
OTHERS(MINE)
PASSED_ON(MINE)

ck_ulong C_GetFunctionList(ck_functions **list) {
	ck_ulong (*get)(ck_functions **);
	void *module = dlopen(INNER, RTLD_NOW | RTLD_LOCAL);
	if (!module || read_rules()) return CKR_HOST_MEMORY;
	*(void **)&get = dlsym(module, "C_GetFunctionList");
	if (!get || get(&inner) != CKR_OK) return CKR_HOST_MEMORY;
	ours = *inner;
	ours.C_GetFunctionList = C_GetFunctionList;
#define OURS(name, n) ours.name = (void *)my_##name;
	OTHERS(OURS)
	PASSED_ON(OURS)
	*list = &ours;
	return CKR_OK;
}
