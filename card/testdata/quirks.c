/* SPDX-License-Identifier: Apache-2.0
 *
 * A PKCS#11 module for the tests of package card: it passes each call on to
 * another module, and differs where the file QUIRKS says so, a line a quirk, as
 * makes of card and middleware do that no test machine has. What was called
 * stands in the file TRACE, a line a call, without what was sent. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pkcs11.h"

static ck_functions *inner, ours;

static char *slurp(void) {
	static __thread char text[512];
	FILE *f = fopen(QUIRKS, "r");
	size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
	if (f) fclose(f);
	text[n] = 0;
	return text;
}

/* quirk is the rest of the line that begins with the name, or NULL. */
static const char *quirk(const char *name) {
	size_t n = strlen(name);
	char *rest;
	for (char *line = strtok_r(slurp(), "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (!strncmp(line, name, n) && (line[n] == 0 || line[n] == ' ')) return line + n;
	return NULL;
}

static void trace(const char *text) {
	FILE *f = fopen(TRACE, "a");
	if (!f) abort();
	fprintf(f, "%s\n", text);
	fclose(f);
}

/* fails is the return value that a function is to answer instead of working. */
static ck_ulong fails(const char *function) {
	char name[64];
	if (quirk("dead")) return CKR_DEVICE_ERROR;
	snprintf(name, sizeof name, "fail %s", function);
	const char *rv = quirk(name);
	return rv ? strtoul(rv, NULL, 16) : CKR_OK;
}

/* stop waits at the call of this number, counted since the quirk is there, until
 * the test took the file away again that says so. */
static int calls;
static void stop(void) {
	const char *at = quirk("stop");
	if (!at) calls = 0;
	if (!at || ++calls != atoi(at)) return;
	FILE *f = fopen(TRACE ".stopped", "w");
	if (!f) abort();
	fclose(f);
	while (access(TRACE ".stopped", F_OK) == 0) usleep(1000);
}

#define BEGIN(name)                           \
	trace(name);                              \
	while (quirk("hang " name)) usleep(1000); \
	stop();                                   \
	if (fails(name) != CKR_OK) return fails(name)

static ck_ulong get_info(ck_info *info) {
	BEGIN("C_GetInfo");
	return inner->C_GetInfo(info);
}

/* What "remembers" answers from while the card is out, as OpenSC does: it is
 * forgotten when a call asks the reader. */
static int remembered;
static ck_session_info last_session;
static ck_token_info last_token;

static int from_memory(ck_ulong rv) { return rv != CKR_OK && remembered && quirk("remembers"); }

static ck_ulong get_slot_list(ck_byte present, ck_ulong *slots, ck_ulong *count) {
	BEGIN("C_GetSlotList");
	remembered = 0;
	if (quirk("unplugged")) {
		*count = 0;
		return CKR_OK;
	}
	return inner->C_GetSlotList(present, slots, count);
}

static ck_ulong get_slot_info(ck_ulong slot, ck_slot_info *info) {
	BEGIN("C_GetSlotInfo");
	remembered = 0;
	if (quirk("unplugged")) return CKR_SLOT_ID_INVALID;
	if (quirk("bad-reader") && slot == 1) return CKR_DEVICE_ERROR;
	return inner->C_GetSlotInfo(slot, info);
}

static ck_ulong get_token_info(ck_ulong slot, ck_token_info *info) {
	BEGIN("C_GetTokenInfo");
	while (quirk("hanging-card") && slot == 1) usleep(1000);
	if (quirk("unplugged")) return CKR_SLOT_ID_INVALID;
	ck_ulong rv = inner->C_GetTokenInfo(slot, info);
	if (rv == CKR_OK) last_token = *info;
	if (from_memory(rv)) {
		*info = last_token;
		return CKR_OK;
	}
	if (rv == CKR_OK && quirk("no-flags")) info->flags &= ~0xff0000UL;
	if (rv == CKR_OK && quirk("to-be-changed")) info->flags |= 0x80000;
	if (rv == CKR_OK && quirk("one-serial")) memset(info->serial, '0', sizeof info->serial);
	return rv;
}

static ck_ulong get_mechanism_list(ck_ulong slot, ck_ulong *list, ck_ulong *count) {
	BEGIN("C_GetMechanismList");
	ck_ulong rv = inner->C_GetMechanismList(slot, list, count), left = 0;
	if (rv != CKR_OK || !list) return rv;
	for (ck_ulong i = 0; i < *count; i++) {
		char name[32];
		snprintf(name, sizeof name, "no-mechanism 0x%lx", list[i]);
		if (!quirk(name)) list[left++] = list[i];
	}
	*count = left;
	return rv;
}

static ck_ulong open_session(ck_ulong slot, ck_ulong flags, void *app, void *notify, ck_ulong *session) {
	BEGIN("C_OpenSession");
	return inner->C_OpenSession(slot, flags, app, notify, session);
}

static ck_ulong close_session(ck_ulong session) {
	BEGIN("C_CloseSession");
	return inner->C_CloseSession(session);
}

static ck_ulong get_session_info(ck_ulong session, ck_session_info *info) {
	BEGIN("C_GetSessionInfo");
	ck_ulong rv = inner->C_GetSessionInfo(session, info);
	if (rv == CKR_OK) remembered = 1, last_session = *info;
	if (!from_memory(rv)) return rv;
	*info = last_session;
	return CKR_OK;
}

static ck_ulong login(ck_ulong session, ck_ulong user, ck_byte *pin, ck_ulong n) {
	trace(user == CKU_SO ? "SO:" : user == 1 ? "user:" : "signature:");
	BEGIN("C_Login");
	ck_ulong rv = inner->C_Login(session, user, pin, n);
	if (rv == CKR_OK && user != CKU_SO && quirk("login-expired")) {
		inner->C_Logout(session);
		return 0xa3; /* CKR_PIN_EXPIRED */
	}
	if (rv == CKR_PIN_INCORRECT && quirk("locks-at-once")) {
		ck_session_info s;
		ck_token_info t;
		if (inner->C_GetSessionInfo(session, &s) == CKR_OK && inner->C_GetTokenInfo(s.slot, &t) == CKR_OK && t.flags & CKF_USER_PIN_LOCKED)
			return CKR_PIN_LOCKED;
	}
	return rv;
}

static ck_ulong logout(ck_ulong session) {
	BEGIN("C_Logout");
	return inner->C_Logout(session);
}

static ck_ulong init_pin(ck_ulong session, ck_byte *pin, ck_ulong n) {
	BEGIN("C_InitPIN");
	return inner->C_InitPIN(session, pin, n);
}

static ck_ulong set_pin(ck_ulong session, ck_byte *old, ck_ulong m, ck_byte *pin, ck_ulong n) {
	BEGIN("C_SetPIN");
	return inner->C_SetPIN(session, old, m, pin, n);
}

static ck_ulong find_init(ck_ulong session, ck_ulong template, ck_ulong n) {
	BEGIN("C_FindObjectsInit");
	ck_ulong rv = inner->C_FindObjectsInit(session, template, n);
	return from_memory(rv) ? CKR_OK : rv;
}

static ck_ulong find(ck_ulong session, ck_ulong list, ck_ulong most, ck_ulong count) {
	BEGIN("C_FindObjects");
	ck_ulong rv = inner->C_FindObjects(session, list, most, count);
	if (!from_memory(rv)) return rv;
	*(ck_ulong *)count = 0;
	return CKR_OK;
}

static ck_ulong find_final(ck_ulong session) {
	BEGIN("C_FindObjectsFinal");
	ck_ulong rv = inner->C_FindObjectsFinal(session);
	return from_memory(rv) ? CKR_OK : rv;
}

/* The point: bare, and without the byte 04. */
static ck_ulong get_attributes(ck_ulong session, ck_ulong object, ck_ulong template, ck_ulong n) {
	BEGIN("C_GetAttributeValue");
	struct { ck_ulong type; ck_byte *value; ck_ulong length; } *a = (void *)template;
	ck_ulong rv = inner->C_GetAttributeValue(session, object, template, n);
	int cut = quirk("point-bare") ? 2 : quirk("point-no-04") ? 3 : 0;
	for (ck_ulong i = 0; rv == CKR_OK && cut && i < n; i++) {
		if (a[i].type != 0x181 || !a[i].value) continue; /* CKA_EC_POINT */
		a[i].length -= cut;
		memmove(a[i].value, a[i].value + cut, a[i].length);
	}
	return rv;
}

static ck_ulong sign_init(ck_ulong session, ck_ulong mechanism, ck_ulong key) {
	BEGIN("C_SignInit");
	ck_ulong type = *(ck_ulong *)mechanism;
	char name[32];
	snprintf(name, sizeof name, "no-mechanism 0x%lx", type);
	if (quirk(name)) return CKR_MECHANISM_INVALID;
	if (quirk("swapped")) key = strtoul(quirk("swapped"), NULL, 10); /* another card's key answers */
	return inner->C_SignInit(session, mechanism, key);
}

/* number is one of r and s as a DER INTEGER. */
static ck_ulong number(ck_byte *out, const ck_byte *b, ck_ulong n) {
	while (n && !*b) b++, n--;
	ck_ulong pad = *b >> 7;
	out[0] = 2, out[1] = n + pad, out[2] = 0;
	memcpy(out + 2 + pad, b, n);
	return 2 + pad + n;
}

static ck_ulong sign(ck_ulong session, ck_ulong data, ck_ulong n, ck_ulong signature, ck_ulong count) {
	BEGIN("C_Sign");
	ck_byte *out = (void *)signature, body[160];
	ck_ulong *length = (void *)count, rv = inner->C_Sign(session, data, n, signature, count);
	if (rv != CKR_OK || *length > 96) return rv;
	if (!out && (quirk("signature-der") || quirk("signature-long"))) *length += 16;
	if (!out) return rv;
	if (quirk("signature-der")) {
		ck_ulong half = *length / 2, r = number(body, out, half), all = r + number(body + r, out + half, half);
		out[0] = 0x30, out[1] = all, *length = all + 2;
		memcpy(out + 2, body, all);
	}
	if (quirk("signature-long")) { /* zeros in front of both */
		ck_ulong half = *length / 2;
		memmove(out + half + 16, out + half, half);
		memset(out + half + 8, 0, 8);
		memmove(out + 8, out, half);
		memset(out, 0, 8);
		*length += 16;
	}
	return rv;
}

ck_ulong C_GetFunctionList(ck_functions **list) {
	ck_ulong (*get)(ck_functions **);
	void *module = dlopen(INNER, RTLD_NOW | RTLD_LOCAL);
	if (!module) return CKR_HOST_MEMORY;
	*(void **)&get = dlsym(module, "C_GetFunctionList");
	if (!get || get(&inner) != CKR_OK) return CKR_HOST_MEMORY;
	ours = *inner;
	ours.C_GetFunctionList = C_GetFunctionList;
	ours.C_GetInfo = get_info;
	ours.C_GetSlotList = get_slot_list;
	ours.C_GetSlotInfo = get_slot_info;
	ours.C_GetTokenInfo = get_token_info;
	ours.C_GetMechanismList = get_mechanism_list;
	ours.C_OpenSession = open_session;
	ours.C_CloseSession = close_session;
	ours.C_GetSessionInfo = get_session_info;
	ours.C_Login = login;
	ours.C_Logout = logout;
	ours.C_InitPIN = init_pin;
	ours.C_SetPIN = set_pin;
	ours.C_FindObjectsInit = find_init;
	ours.C_FindObjects = find;
	ours.C_FindObjectsFinal = find_final;
	ours.C_GetAttributeValue = get_attributes;
	ours.C_SignInit = sign_init;
	ours.C_Sign = sign;
	*list = &ours;
	return CKR_OK;
}
