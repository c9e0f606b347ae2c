/* SPDX-License-Identifier: Apache-2.0
 *
 * A PKCS#11 module that makes smartcards of the tokens of another: readers with
 * fixed slot ids that a card is in or isn't, PINs that lock at the third wrong try
 * and stay locked, sessions that die with the card. */
#define _GNU_SOURCE
#include "tray.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER;
static pid_t started; /* the process that C_Initialize was called in, or 0 */
static unsigned ends; /* counts C_Finalize */

static int running(void) { return __atomic_load_n(&started, __ATOMIC_ACQUIRE) == getpid(); }

/* enter holds the reader as its record says that it is now. */
static void enter(reader *r) {
	for (;;) {
		pthread_rwlock_rdlock(&r->lock);
		if (r->seq == current(r) && r->gen) return;
		pthread_rwlock_unlock(&r->lock);
		pthread_rwlock_wrlock(&r->lock);
		if (r->seq != current(r) || !r->gen) bring(r, running());
		int broken = r->broken;
		pthread_rwlock_unlock(&r->lock);
		if (broken) { /* don't spin on a record that can't be read */
			pthread_rwlock_rdlock(&r->lock);
			return;
		}
	}
}

/* leave ends a call; if the card was pulled during it, the call failed. */
static ck_ulong leave(reader *r, ck_ulong rv) {
	int pulled = r->seq != current(r);
	pthread_rwlock_unlock(&r->lock);
	return pulled ? CKR_DEVICE_REMOVED : rv;
}

/* by_slot enters the reader of a slot that must have a card. */
static ck_ulong by_slot(ck_ulong slot, reader **out) {
	if (!running()) return CKR_CRYPTOKI_NOT_INITIALIZED;
	if (slot >= (ck_ulong)reader_count) return CKR_SLOT_ID_INVALID;
	reader *r = *out = &readers[slot];
	ck_ulong rv = suffer(r, running);
	if (rv) return rv;
	enter(r);
	if (r->up) return CKR_OK;
	rv = !running() ? CKR_CRYPTOKI_NOT_INITIALIZED : r->broken ? CKR_DEVICE_ERROR : CKR_TOKEN_NOT_PRESENT;
	pthread_rwlock_unlock(&r->lock);
	return rv;
}

static ck_ulong by_session(ck_ulong h, reader **out, ck_ulong *s) {
	if (!running()) return CKR_CRYPTOKI_NOT_INITIALIZED;
	ck_ulong i = h >> 32 & 0xff;
	if (i >= (ck_ulong)reader_count) return CKR_SESSION_HANDLE_INVALID;
	reader *r = *out = &readers[i];
	ck_ulong rv = suffer(r, running);
	if (rv) return rv;
	enter(r);
	if (r->up && session_find(r, h, s)) return CKR_OK;
	int never = h >> 40 == 0 || h >> 40 > r->gen; /* such a session never was */
	rv = !running() ? CKR_CRYPTOKI_NOT_INITIALIZED : r->up || never ? CKR_SESSION_HANDLE_INVALID : r->broken ? CKR_DEVICE_ERROR : CKR_DEVICE_REMOVED;
	pthread_rwlock_unlock(&r->lock);
	return rv;
}

#define PASS(name, n)                                        \
	static ck_ulong name(PARAMS##n) {                        \
		reader *r;                                           \
		ck_ulong s, rv = by_session(h, &r, &s);              \
		if (rv) return rv;                                   \
		rv = refuse(r, #name, (ck_ulong[]){ARGS##n});        \
		return leave(r, rv ? rv : r->in->name(ARGS##n));     \
	}
OPERATION_STATE(PASS)
PASSED_ON(PASS)
LEGACY(PASS)

static ck_ulong C_CloseSession(ck_ulong h) {
	reader *r;
	ck_ulong s, rv = by_session(h, &r, &s);
	if (rv) return rv;
	rv = r->in->C_CloseSession(s);
	if (!rv) session_drop(r, h);
	return leave(r, rv);
}

/* C_Logout is passed on to who is logged in; SoftHSM lets others log out too. */
static ck_ulong C_Logout(ck_ulong h) {
	reader *r;
	ck_session_info info;
	ck_ulong s, rv = by_session(h, &r, &s);
	if (rv) return rv;
	if (!(rv = r->in->C_GetSessionInfo(s, &info)))
		rv = info.state == CKS_RO_PUBLIC_SESSION || info.state == CKS_RW_PUBLIC_SESSION ? CKR_USER_NOT_LOGGED_IN : r->in->C_Logout(s);
	return leave(r, rv);
}

static void pad(ck_byte *to, size_t n, const char *text) {
	memset(to, ' ', n);
	memcpy(to, text, strlen(text) < n ? strlen(text) : n);
}

/* end ends everything; others are running no more. All readers are held, so that
 * nobody is inside a module that ends. */
static void end(void) {
	for (int i = 0; i < reader_count; i++) {
		pthread_rwlock_wrlock(&readers[i].lock);
		bring(&readers[i], 0);
	}
	inner_end();
	for (int i = 0; i < reader_count; i++) pthread_rwlock_unlock(&readers[i].lock);
}

/* forked forgets the sessions and logins of the process that this one was forked
 * from; its locks may be held by threads that aren't here. */
static void forked(void) {
	for (int i = 0; i < reader_count; i++) init_locks(&readers[i]);
	end();
	started = 0;
}

static ck_ulong C_Initialize(ck_initialize_args *args) {
	if (args && args->reserved) return CKR_ARGUMENTS_BAD;
	pthread_mutex_lock(&starting);
	if (started && !running()) forked();
	ck_ulong rv = started ? CKR_CRYPTOKI_ALREADY_INITIALIZED : tray_open() ? CKR_DEVICE_ERROR : inner_start();
	for (int i = 0; !rv && i < reader_count; i++)
		readers[i].told = __atomic_load_n(&record_of(&readers[i])->events, __ATOMIC_ACQUIRE);
	if (!rv) __atomic_store_n(&started, getpid(), __ATOMIC_RELEASE);
	pthread_mutex_unlock(&starting);
	return rv;
}

static ck_ulong C_Finalize(void *reserved) {
	if (reserved) return CKR_ARGUMENTS_BAD;
	pthread_mutex_lock(&starting);
	ck_ulong rv = running() ? CKR_OK : CKR_CRYPTOKI_NOT_INITIALIZED;
	if (!rv) {
		__atomic_add_fetch(&ends, 1, __ATOMIC_RELEASE);
		__atomic_store_n(&started, 0, __ATOMIC_RELEASE);
		end();
	}
	pthread_mutex_unlock(&starting);
	return rv;
}

static ck_ulong C_GetInfo(ck_info *info) {
	if (!running()) return CKR_CRYPTOKI_NOT_INITIALIZED;
	if (!info) return CKR_ARGUMENTS_BAD;
	memset(info, 0, sizeof *info);
	info->cryptoki = (ck_version){2, 40};
	pad(info->manufacturer, 32, "Wardkey");
	pad(info->description, 32, "Wardkey virtual smartcards");
	return CKR_OK;
}

static ck_ulong C_GetSlotList(ck_byte present, ck_ulong *slots, ck_ulong *count) {
	if (!running()) return CKR_CRYPTOKI_NOT_INITIALIZED;
	if (!count) return CKR_ARGUMENTS_BAD;
	ck_ulong found[MAX_READERS], n = 0;
	for (int i = 0; i < reader_count; i++) {
		enter(&readers[i]);
		if (!present || readers[i].up) found[n++] = i;
		pthread_rwlock_unlock(&readers[i].lock);
	}
	ck_ulong room = *count;
	*count = n;
	if (!slots) return CKR_OK;
	if (room < n) return CKR_BUFFER_TOO_SMALL;
	memcpy(slots, found, n * sizeof *slots);
	return CKR_OK;
}

static ck_ulong C_GetSlotInfo(ck_ulong slot, ck_slot_info *info) {
	if (!running()) return CKR_CRYPTOKI_NOT_INITIALIZED;
	if (!info) return CKR_ARGUMENTS_BAD;
	if (slot >= (ck_ulong)reader_count) return CKR_SLOT_ID_INVALID;
	reader *r = &readers[slot];
	char text[32];
	snprintf(text, sizeof text, "Virtual reader %d", (int)slot);
	memset(info, 0, sizeof *info);
	pad(info->description, 64, text);
	pad(info->manufacturer, 32, "Wardkey");
	info->flags = CKF_REMOVABLE_DEVICE;
	enter(r);
	/* A card whose module failed is there, and fails at the next call. */
	if (r->up || r->broken) info->flags |= CKF_TOKEN_PRESENT;
	pthread_rwlock_unlock(&r->lock);
	return CKR_OK;
}

static ck_ulong pin_flags(int wrong, ck_ulong low, ck_ulong final, ck_ulong locked) {
	return wrong >= TRIES ? locked : wrong == TRIES - 1 ? low | final : wrong > 0 ? low : 0;
}

/* own_idea are the flags of the module's own counters, which aren't believed: low
 * and final try. That a wrapped module has locked a PIN is believed, because it is
 * so; SoftHSM never has, and says it of tokens that aren't initialised. */
static ck_ulong own_idea(const ck_token_info *info) {
	ck_ulong idea = CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_SO_PIN_COUNT_LOW | CKF_SO_PIN_FINAL_TRY;
	return wraps() && info->flags & CKF_TOKEN_INITIALIZED ? idea : idea | CKF_USER_PIN_LOCKED | CKF_SO_PIN_LOCKED;
}

static ck_ulong C_GetTokenInfo(ck_ulong slot, ck_token_info *info) {
	reader *r;
	ck_ulong rv = by_slot(slot, &r);
	if (rv) return rv;
	tries t;
	if (tries_lock(r, &t)) return leave(r, CKR_DEVICE_ERROR);
	rv = r->in->C_GetTokenInfo(r->slot, info);
	tries_unlock(r, &t);
	if (rv) return leave(r, rv);
	info->flags &= ~own_idea(info);
	if (behaves(r, READ_ONLY)) info->flags |= CKF_WRITE_PROTECTED;
	if (behaves(r, PIN_PAD)) info->flags |= CKF_PROTECTED_AUTHENTICATION_PATH;
	if (info->flags & CKF_TOKEN_INITIALIZED) {
		info->flags |= pin_flags(t.user, CKF_USER_PIN_COUNT_LOW, CKF_USER_PIN_FINAL_TRY, CKF_USER_PIN_LOCKED);
		info->flags |= pin_flags(t.so, CKF_SO_PIN_COUNT_LOW, CKF_SO_PIN_FINAL_TRY, CKF_SO_PIN_LOCKED);
	}
	if (!wraps()) {
		pad(info->serial, 16, r->serial);
		pad(info->manufacturer, 32, "Wardkey");
		pad(info->model, 16, "Virtual card");
	}
	return leave(r, CKR_OK);
}

static ck_ulong C_GetMechanismList(ck_ulong slot, ck_ulong *list, ck_ulong *count) {
	reader *r;
	ck_ulong rv = by_slot(slot, &r);
	return rv ? rv : leave(r, r->in->C_GetMechanismList(r->slot, list, count));
}

static ck_ulong C_GetMechanismInfo(ck_ulong slot, ck_ulong type, void *info) {
	reader *r;
	ck_ulong rv = by_slot(slot, &r);
	return rv ? rv : leave(r, r->in->C_GetMechanismInfo(r->slot, type, info));
}

static ck_ulong C_OpenSession(ck_ulong slot, ck_ulong flags, void *app, void *notify, ck_ulong *session) {
	reader *r;
	if (!session) return CKR_ARGUMENTS_BAD;
	ck_ulong s, rv = by_slot(slot, &r);
	if (rv) return rv;
	if (behaves(r, READ_ONLY) && flags & CKF_RW_SESSION) return leave(r, CKR_TOKEN_WRITE_PROTECTED);
	(void)app, (void)notify; /* a callback would be told a handle that the caller doesn't know */
	rv = r->in->C_OpenSession(r->slot, flags, 0, 0, &s);
	if (rv) return leave(r, rv);
	*session = session_add(r, s);
	if (*session) return leave(r, CKR_OK);
	r->in->C_CloseSession(s);
	return leave(r, CKR_HOST_MEMORY);
}

static ck_ulong C_CloseAllSessions(ck_ulong slot) {
	reader *r;
	ck_ulong rv = by_slot(slot, &r);
	if (rv) return rv;
	if (!(rv = r->in->C_CloseAllSessions(r->slot))) session_drop_all(r);
	return leave(r, rv);
}

static ck_ulong C_GetSessionInfo(ck_ulong h, ck_session_info *info) {
	reader *r;
	ck_ulong s, rv = by_session(h, &r, &s);
	if (rv) return rv;
	rv = r->in->C_GetSessionInfo(s, info);
	if (!rv) info->slot = r - readers;
	return leave(r, rv);
}

/* begin counts a try before it is made, as cards do: whoever stops the process
 * in between has used it up. */
static ck_ulong begin(reader *r, tries *t, int so) {
	if (tries_lock(r, t)) return CKR_DEVICE_ERROR;
	int *wrong = so ? &t->so : &t->user;
	ck_ulong rv = *wrong >= TRIES ? CKR_PIN_LOCKED : CKR_OK;
	if (!rv) ++*wrong, rv = tries_save(t) || tries_keep(r, t) ? CKR_DEVICE_ERROR : CKR_OK;
	if (rv) tries_unlock(r, t);
	return rv;
}

/* finish keeps the try if the PIN was wrong, clears the count if it was right, and
 * gives the try back if the card never looked at the PIN. A wrapped module that
 * locks by itself is locked here too. */
static ck_ulong finish(reader *r, tries *t, int so, ck_ulong rv) {
	int *wrong = so ? &t->so : &t->user;
	if (rv == CKR_OK) *wrong = 0;
	else if (rv == CKR_PIN_LOCKED) *wrong = TRIES;
	else if (rv != CKR_PIN_INCORRECT) --*wrong;
	int failed = tries_save(t);
	failed |= tries_unlock(r, t);
	return failed ? CKR_DEVICE_ERROR : rv;
}

/* from_pad is the PIN typed at the reader, if the caller gave none and the reader
 * has a pad. */
static ck_ulong from_pad(const reader *r, typed *t, ck_byte **pin, ck_ulong *len) {
	if (*pin || !behaves(r, PIN_PAD)) return CKR_OK;
	ck_ulong rv = pad_read(r, t);
	if (!rv) *pin = t->pin, *len = t->len;
	return rv;
}

static ck_ulong C_Login(ck_ulong h, ck_ulong user, ck_byte *pin, ck_ulong pin_len) {
	reader *r;
	tries t;
	typed pad;
	ck_ulong s, rv = by_session(h, &r, &s);
	if (rv) return rv;
	if ((rv = from_pad(r, &pad, &pin, &pin_len))) return leave(r, rv);
	if ((rv = begin(r, &t, user == CKU_SO))) return leave(r, rv);
	rv = r->in->C_Login(s, user, pin, pin_len);
	ck_ulong told = finish(r, &t, user == CKU_SO, rv);
	if (!rv && told) r->in->C_Logout(s);
	return leave(r, told);
}

/* hold makes the lock on a reader this thread's alone, unless its card left, or
 * came again, in between. */
static ck_ulong hold(reader *r) {
	ck_ulong gen = r->gen;
	pthread_rwlock_unlock(&r->lock);
	pthread_rwlock_wrlock(&r->lock);
	if (r->up && r->gen == gen && r->seq == current(r)) return CKR_OK;
	pthread_rwlock_unlock(&r->lock);
	return CKR_DEVICE_REMOVED;
}

/* by_puk is C_SetPIN of cards that take their PUK for the old PIN where nobody is
 * logged in. The PUK is the security officer's PIN; it holds the reader alone,
 * so that nobody else sees that login. */
static ck_ulong by_puk(reader *r, ck_ulong s, ck_byte *puk, ck_ulong puk_len, ck_byte *pin, ck_ulong pin_len) {
	tries t;
	ck_ulong rv = hold(r);
	if (rv) return rv;
	if ((rv = begin(r, &t, 1))) return leave(r, rv);
	rv = r->in->C_Login(s, CKU_SO, puk, puk_len);
	if (!rv) {
		rv = r->in->C_InitPIN(s, pin, pin_len);
		if (!rv) t.user = 0;
		r->in->C_Logout(s);
	}
	return leave(r, finish(r, &t, 1, rv));
}

static ck_ulong C_SetPIN(ck_ulong h, ck_byte *old, ck_ulong old_len, ck_byte *pin, ck_ulong pin_len) {
	reader *r;
	tries t;
	typed before, after;
	ck_session_info info;
	ck_ulong s, rv = by_session(h, &r, &s);
	if (rv) return rv;
	if ((rv = r->in->C_GetSessionInfo(s, &info))) return leave(r, rv);
	if ((rv = from_pad(r, &before, &old, &old_len)) || (rv = from_pad(r, &after, &pin, &pin_len))) return leave(r, rv);
	if (info.state == CKS_RW_PUBLIC_SESSION && behaves(r, PUK)) return by_puk(r, s, old, old_len, pin, pin_len);
	int so = info.state == CKS_RW_SO_FUNCTIONS;
	if ((rv = begin(r, &t, so))) return leave(r, rv);
	return leave(r, finish(r, &t, so, r->in->C_SetPIN(s, old, old_len, pin, pin_len)));
}

static ck_ulong C_InitPIN(ck_ulong h, ck_byte *pin, ck_ulong pin_len) {
	reader *r;
	tries t;
	typed pad;
	ck_ulong s, rv = by_session(h, &r, &s);
	if (rv) return rv;
	if ((rv = from_pad(r, &pad, &pin, &pin_len))) return leave(r, rv);
	if (tries_lock(r, &t)) return leave(r, CKR_DEVICE_ERROR);
	rv = tries_keep(r, &t) ? CKR_DEVICE_ERROR : r->in->C_InitPIN(s, pin, pin_len);
	if (!rv) t.user = 0, rv = tries_save(&t) ? CKR_DEVICE_ERROR : CKR_OK;
	if (tries_unlock(r, &t)) rv = CKR_DEVICE_ERROR;
	return leave(r, rv);
}

/* C_InitToken holds the reader alone, because the other processes at this tray
 * must look at the card again and this one need not. */
static ck_ulong C_InitToken(ck_ulong slot, ck_byte *pin, ck_ulong pin_len, ck_byte *label) {
	reader *r;
	tries t;
	typed pad;
	ck_ulong rv = by_slot(slot, &r);
	if (rv) return rv;
	if (behaves(r, READ_ONLY)) return leave(r, CKR_TOKEN_WRITE_PROTECTED);
	if ((rv = from_pad(r, &pad, &pin, &pin_len))) return leave(r, rv);
	if ((rv = hold(r))) return rv;
	if ((rv = begin(r, &t, 1))) goto out;
	rv = r->in->C_InitToken(r->slot, pin, pin_len, label);
	if (!rv) t.user = 0;
	rv = finish(r, &t, 1, rv);
	if (!rv && (find_token(r) || moved(r))) rv = CKR_DEVICE_ERROR;
out:
	return leave(r, rv);
}

/* C_WaitForSlotEvent tells of each reader once what happened since it told of it
 * last, or since C_Initialize. Who waits is woken by C_Finalize. */
static ck_ulong C_WaitForSlotEvent(ck_ulong flags, ck_ulong *slot, void *reserved) {
	if (!slot || reserved) return CKR_ARGUMENTS_BAD;
	unsigned life = __atomic_load_n(&ends, __ATOMIC_ACQUIRE);
	while (running() && life == __atomic_load_n(&ends, __ATOMIC_ACQUIRE)) {
		for (int i = 0; i < reader_count; i++) {
			uint32_t was = __atomic_load_n(&readers[i].told, __ATOMIC_ACQUIRE);
			uint32_t now = __atomic_load_n(&record_of(&readers[i])->events, __ATOMIC_ACQUIRE);
			/* Of two who see it, one tells of it. */
			if (was == now || !__atomic_compare_exchange_n(&readers[i].told, &was, now, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) continue;
			*slot = i;
			return CKR_OK;
		}
		if (flags & CKF_DONT_BLOCK) return CKR_NO_EVENT;
		usleep(5000);
	}
	return CKR_CRYPTOKI_NOT_INITIALIZED;
}

#define ENTRY(name, n) name,
EXPORT ck_ulong C_GetFunctionList(ck_functions **list);
static ck_functions functions = {
	{2, 40}, C_Initialize, C_Finalize, C_GetInfo, C_GetFunctionList, C_GetSlotList, C_GetSlotInfo, C_GetTokenInfo,
	C_GetMechanismList, C_GetMechanismInfo, C_InitToken, C_InitPIN, C_SetPIN, C_OpenSession, C_CloseSession,
	C_CloseAllSessions, C_GetSessionInfo, OPERATION_STATE(ENTRY) C_Login, C_Logout, PASSED_ON(ENTRY) LEGACY(ENTRY)
	C_WaitForSlotEvent,
};

EXPORT ck_ulong C_GetFunctionList(ck_functions **list) {
	if (!list) return CKR_ARGUMENTS_BAD;
	*list = &functions;
	return CKR_OK;
}
