/* SPDX-License-Identifier: Apache-2.0
 *
 * The modules that the cards are made of. */
#define _GNU_SOURCE
#include "tray.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* The wrapped module, if there is one. It is one for all readers, so it is
 * initialised as long as the shim is, unless somebody else of this process did
 * that before. */
static char wrapped_path[2048], wrapped_args[2048];
static ck_functions *wrapped;
static int adopted;

int wraps(void) { return wrapped_path[0] != 0; }

static ck_functions *functions_of(const char *path) {
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	ck_ulong (*get)(ck_functions **) = handle ? (ck_ulong(*)(ck_functions **))dlsym(handle, "C_GetFunctionList") : 0;
	ck_functions *in = 0;
	return get && get(&in) == CKR_OK ? in : 0;
}

/* read_wrapped reads the file `wrapped`, which lies beside the shim where one is
 * wrapped: its path, and what it wants to be initialised with, a line each. */
static int read_wrapped(void) {
	char path[2200], *ends[2] = {wrapped_path, wrapped_args};
	library_file("wrapped", path, sizeof path);
	FILE *f = fopen(path, "re");
	if (!f) return access(path, F_OK) ? 0 : -1;
	int ok = 1;
	for (int i = 0; ok && i < 2; i++) {
		char *end = fgets(ends[i], sizeof wrapped_path, f) ? strchr(ends[i], '\n') : 0;
		ok = end != 0;
		if (ok) *end = 0;
	}
	fclose(f);
	return ok ? 0 : -1;
}

/* alone makes the process's trays initialise their modules one after another, and
 * returns what ends that: SoftHSM reads its configuration with strtok, which has
 * one place to remember for the whole process, however many copies there are. The
 * trays share no memory, but this file, which each process has for itself. Without
 * it they go on. A SoftHSM that the program initialises by other ways isn't held
 * back. */
static int alone(void) {
	int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
	if (fd >= 0) lock_file(fd, LOCK_EX);
	return fd;
}

static ck_ulong initialize(ck_functions *in, ck_initialize_args *args) {
	int fd = alone();
	ck_ulong rv = in->C_Initialize(args);
	if (fd >= 0) close(fd);
	return rv;
}

ck_ulong inner_start(void) {
	if (!wraps() && read_wrapped()) return CKR_DEVICE_ERROR;
	if (!wraps()) return CKR_OK;
	if (!wrapped && !(wrapped = functions_of(wrapped_path))) return CKR_DEVICE_ERROR;
	ck_initialize_args args = {.flags = CKF_OS_LOCKING_OK, .reserved = wrapped_args[0] ? wrapped_args : 0};
	ck_ulong rv = initialize(wrapped, &args);
	adopted = rv == CKR_CRYPTOKI_ALREADY_INITIALIZED;
	return adopted ? CKR_OK : rv;
}

void inner_end(void) {
	if (wraps() && !adopted) wrapped->C_Finalize(0);
}

/* load gives the reader its own copy of SoftHSM, once. The name of the variable
 * that this copy takes its configuration from is its own too, so neither other
 * trays nor the installed SoftHSM ever see it. */
static int load(reader *r) {
	if (r->in) return 0;
	char path[2200], file[32], name[14] = "";
	snprintf(file, sizeof file, "softhsm-%d.name", (int)(r - readers));
	library_file(file, path, sizeof path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) return -1;
	ssize_t n = read(fd, name, 13);
	close(fd);
	if (n != 13) return -1;
	snprintf(file, sizeof file, "softhsm-%d.so", (int)(r - readers));
	library_file(file, path, sizeof path);
	ck_functions *in = functions_of(path);
	if (!in) return -1;
	snprintf(r->env, sizeof r->env, "%s=", name);
	r->in = in;
	return 0;
}

/* put is putenv, except that the array of before is never freed: other threads may
 * be reading it, as the SoftHSM of another tray does when its card comes. */
static int put(char *entry) {
	for (;;) {
		char **was = __atomic_load_n(&environ, __ATOMIC_ACQUIRE);
		size_t n = 0;
		for (; was && was[n]; n++)
			if (was[n] == entry) return 0;
		char **next = malloc((n + 2) * sizeof *next);
		if (!next) return -1;
		if (n) memcpy(next, was, n * sizeof *next);
		next[n] = entry, next[n + 1] = 0;
		if (__atomic_compare_exchange_n(&environ, &was, next, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) return 0;
		free(next);
	}
}

/* configure points the reader's SoftHSM at the card. */
static int configure(reader *r) {
	char tokens[2300], path[2300], next[2400];
	card_file(r, "tokens", tokens, sizeof tokens);
	card_file(r, "softhsm2.conf", path, sizeof path);
	snprintf(next, sizeof next, "%s.%d.%d", path, (int)getpid(), (int)(r - readers));
	FILE *f = fopen(next, "we");
	if (!f) return -1;
	fprintf(f, "directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n", tokens);
	if (fclose(f) || rename(next, path)) return -1;
	char *value = strchr(r->env, '=') + 1;
	snprintf(value, r->env + sizeof r->env - value, "%s", path);
	return put(r->env);
}

int inner_up(reader *r) {
	if (wraps()) {
		r->in = wrapped;
		return find_token(r);
	}
	ck_initialize_args args = {.flags = CKF_OS_LOCKING_OK};
	if (load(r) || configure(r) || initialize(r->in, &args)) return -1;
	if (!find_token(r)) return 0;
	r->in->C_Finalize(0);
	return -1;
}

void inner_down(reader *r) {
	if (wraps()) r->in->C_CloseAllSessions(r->slot);
	else r->in->C_Finalize(0);
}

/* is_card says whether a token of the wrapped module is the card: it has PINs, as
 * NSS's token for sums has not, and the card's serial, which modules pad with
 * blanks or zeros. */
static int is_card(const reader *r, const ck_token_info *info) {
	char serial[17] = "";
	memcpy(serial, info->serial, 16);
	char *begin = serial, *end = serial + strlen(serial);
	while (*begin == ' ') begin++;
	while (end > begin && end[-1] == ' ') end--;
	const ck_ulong both = CKF_TOKEN_INITIALIZED | CKF_LOGIN_REQUIRED;
	return (info->flags & both) == both && strlen(r->serial) == (size_t)(end - begin) && !memcmp(begin, r->serial, end - begin);
}

int find_token(reader *r) {
	ck_ulong n = 0, found = 0;
	if (r->in->C_GetSlotList(wraps(), 0, &n) || n == 0) return -1;
	ck_ulong *slots = calloc(n, sizeof *slots);
	if (!slots || r->in->C_GetSlotList(wraps(), slots, &n)) n = 0;
	/* A blank card is the free slot that SoftHSM always has. */
	if (n && !wraps()) r->slot = slots[0], found = 1;
	for (ck_ulong i = 0; i < n; i++) {
		ck_token_info info;
		if (r->in->C_GetTokenInfo(slots[i], &info)) continue; /* not this one, then */
		if (wraps() ? is_card(r, &info) : (info.flags & CKF_TOKEN_INITIALIZED) != 0) r->slot = slots[i], found = 1;
	}
	free(slots);
	return found ? 0 : -1;
}
