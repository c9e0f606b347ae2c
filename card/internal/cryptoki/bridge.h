// SPDX-License-Identifier: Apache-2.0
//
// The few declarations of PKCS#11 v2.40 that the bridge needs: the head of
// CK_FUNCTION_LIST, in the order that the standard fixes. Structures are packed
// on Windows and nowhere else; CK_ULONG is unsigned long everywhere, which has
// 32 bits on Windows.
#ifndef WARDKEY_BRIDGE_H
#define WARDKEY_BRIDGE_H

typedef unsigned long ulong_t; // CK_ULONG, CK_RV and every handle
typedef unsigned char byte_t;

#ifdef _WIN32
#pragma pack(push, 1)
#endif
typedef struct {
	byte_t version[2];
	void *initialize, *finalize;
	ulong_t (*getInfo)(void *info);
	void *getFunctionList;
	void *getSlotList, *getSlotInfo, *getTokenInfo, *getMechanismList, *getMechanismInfo;
	ulong_t (*initToken)(ulong_t slot, byte_t *pin, ulong_t pinLen, byte_t *label);
	ulong_t (*initPIN)(ulong_t session, byte_t *pin, ulong_t pinLen);
	ulong_t (*setPIN)(ulong_t session, byte_t *old, ulong_t oldLen, byte_t *new_, ulong_t newLen);
	void *openSession, *closeSession, *closeAllSessions, *getSessionInfo;
	void *getOperationState, *setOperationState;
	ulong_t (*login)(ulong_t session, ulong_t user, byte_t *pin, ulong_t pinLen);
	void *logoutToCancelFunction[48];
	ulong_t (*waitForSlotEvent)(ulong_t flags, ulong_t *slot, void *reserved);
} functions;
#ifdef _WIN32
#pragma pack(pop)
#endif

typedef ulong_t (*getFunctionList_t)(functions **list);

static inline ulong_t bridge_list(void *getFunctionList, functions **list) {
	*list = 0;
	return ((getFunctionList_t)getFunctionList)(list);
}
static inline ulong_t bridge_getInfo(functions *f) {
	ulong_t info[16]; // CK_INFO has 72 bytes, and at most 88 with its padding
	return f->getInfo(info);
}
static inline ulong_t bridge_initToken(functions *f, ulong_t slot, byte_t *pin, ulong_t n, byte_t *label) {
	return f->initToken(slot, pin, n, label);
}
static inline ulong_t bridge_initPIN(functions *f, ulong_t session, byte_t *pin, ulong_t n) {
	return f->initPIN(session, pin, n);
}
static inline ulong_t bridge_setPIN(functions *f, ulong_t session, byte_t *old, ulong_t oldLen, byte_t *new_, ulong_t newLen) {
	return f->setPIN(session, old, oldLen, new_, newLen);
}
static inline ulong_t bridge_waitForSlotEvent(functions *f, ulong_t flags, ulong_t *slot) {
	*slot = 0;
	return f->waitForSlotEvent(flags, slot, 0);
}
static inline ulong_t bridge_login(functions *f, ulong_t session, ulong_t user, byte_t *pin, ulong_t n) {
	return f->login(session, user, pin, n);
}
#endif
