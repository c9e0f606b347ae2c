/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "tray.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Mechanisms that C_SignInit can be told to lack. */
static int takes_digest(ck_ulong m) { return m == 0x1 /* RSA_PKCS */ || m == 0xd /* RSA_PKCS_PSS */ || m == 0x1041 /* ECDSA */; }
static int hashes(ck_ulong m) { return (m >= 0x40 && m <= 0x45) || (m >= 0x1042 && m <= 0x1046); }

int behaves(const reader *r, uint32_t flag) {
	return (__atomic_load_n(&record_of(r)->flags, __ATOMIC_ACQUIRE) & flag) != 0;
}

/* count is which call since the behaviour was set this one is. */
static uint32_t count(reader *r, uint32_t behaviour) {
	uint64_t was = __atomic_load_n(&r->calls, __ATOMIC_RELAXED), next;
	do next = was >> 32 == behaviour ? was + 1 : ((uint64_t)behaviour << 32) + 1;
	while (!__atomic_compare_exchange_n(&r->calls, &was, next, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return (uint32_t)next;
}

ck_ulong suffer(reader *r, int (*running)(void)) {
	const record *rec = record_of(r);
	uint32_t behaviour = __atomic_load_n(&rec->behaviour, __ATOMIC_ACQUIRE);
	if (!behaviour) return CKR_OK;
	while (behaves(r, HANGS) && running()) usleep(1000);
	if (rec->slow) usleep(rec->slow * 1000);
	if (!running()) return CKR_CRYPTOKI_NOT_INITIALIZED;
	return rec->fail && count(r, behaviour) == rec->fail ? CKR_DEVICE_ERROR : CKR_OK;
}

ck_ulong refuse(const reader *r, const char *name, const ck_ulong *args) {
	if (!record_of(r)->flags) return CKR_OK;
	static const char *const writes[] = {"C_CreateObject", "C_CopyObject", "C_GenerateKey", "C_GenerateKeyPair", "C_UnwrapKey", "C_DeriveKey"};
	for (size_t i = 0; behaves(r, FULL) && i < sizeof writes / sizeof *writes; i++)
		if (!strcmp(name, writes[i])) return CKR_DEVICE_MEMORY;
	if (!strcmp(name, "C_SignInit") && args[1]) {
		ck_ulong mechanism = *(const ck_ulong *)args[1];
		if (behaves(r, NO_DIGESTS) && takes_digest(mechanism)) return CKR_MECHANISM_INVALID;
		if (behaves(r, NO_HASHING) && hashes(mechanism)) return CKR_MECHANISM_INVALID;
	}
	return CKR_OK;
}

ck_ulong pad_read(const reader *r, typed *t) {
	char path[2200], text[1024];
	card_file(r, "pad", path, sizeof path);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) return CKR_FUNCTION_CANCELED;
	ssize_t n = lock_file(fd, LOCK_EX) ? -1 : read(fd, text, sizeof text);
	char *end = n > 0 ? memchr(text, '\n', n) : 0;
	ck_ulong rv = CKR_FUNCTION_CANCELED;
	if (end && (size_t)(end - text) <= sizeof t->pin) {
		t->len = end - text;
		memcpy(t->pin, text, t->len);
		size_t rest = n - t->len - 1;
		rv = pwrite(fd, end + 1, rest, 0) == (ssize_t)rest && !ftruncate(fd, rest) ? CKR_OK : CKR_DEVICE_ERROR;
	}
	close(fd);
	return rv;
}
