/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "tray.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

reader readers[MAX_READERS];
int reader_count;

static char folder[2048]; /* of the tray */
static char library[2048]; /* of the shim and its copies of SoftHSM */
static const record *records;
static int records_fd = -1;

/* The shim lies in TRAY/lib/HASH/cardshim.so. */
static int find_folder(void) {
	Dl_info self;
	if (!dladdr((void *)find_folder, &self) || !self.dli_fname || self.dli_fname[0] != '/') return -1;
	if (strlen(self.dli_fname) >= sizeof library) return -1;
	strcpy(library, self.dli_fname);
	for (int up = 0; up < 3; up++) {
		char *slash = strrchr(up ? folder : library, '/');
		if (!slash) return -1;
		*slash = 0;
		if (!up) strcpy(folder, library);
	}
	return 0;
}

int tray_open(void) {
	if (records) return 0;
	if (find_folder()) return -1;
	char path[2100];
	snprintf(path, sizeof path, "%s/readers", folder);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) return -1;
	struct stat st;
	if (fstat(fd, &st) || st.st_size < (off_t)sizeof(record)) goto failed;
	int count = st.st_size / sizeof(record);
	if (count > MAX_READERS) goto failed;
	void *map = mmap(0, count * sizeof(record), PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) goto failed;
	for (int i = 0; i < count; i++) pthread_rwlock_init(&readers[i].lock, 0);
	records_fd = fd, reader_count = count, records = map;
	return 0;
failed:
	close(fd);
	return -1;
}

uint64_t current(const reader *r) {
	return __atomic_load_n(&records[r - readers].seq, __ATOMIC_ACQUIRE);
}

const record *record_of(const reader *r) { return &records[r - readers]; }

void card_file(const reader *r, const char *name, char *path, unsigned long size) {
	snprintf(path, size, "%s/cards/%s/%s", folder, r->serial, name);
}

/* read_record reads under the lock that the tray writes under. A new file
 * description each time, because flock is a description's. */
static int read_record(const reader *r, record *rec) {
	char path[2100];
	snprintf(path, sizeof path, "%s/readers", folder);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) return -1;
	int ok = !flock(fd, LOCK_SH) && pread(fd, rec, sizeof *rec, (r - readers) * sizeof *rec) == sizeof *rec;
	close(fd);
	return ok ? 0 : -1;
}

/* load gives the reader its own copy of SoftHSM, once. The name of the variable
 * that this copy takes its configuration from is its own too, so neither other
 * trays nor the installed SoftHSM ever see it. */
static int load(reader *r) {
	if (r->in) return 0;
	char path[2200], name[14] = "";
	snprintf(path, sizeof path, "%s/softhsm-%d.name", library, (int)(r - readers));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) return -1;
	ssize_t n = read(fd, name, 13);
	close(fd);
	if (n != 13) return -1;
	snprintf(path, sizeof path, "%s/softhsm-%d.so", library, (int)(r - readers));
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	ck_ulong (*get)(ck_functions **) = handle ? (ck_ulong(*)(ck_functions **))dlsym(handle, "C_GetFunctionList") : 0;
	ck_functions *in = 0;
	if (!get || get(&in) != CKR_OK || !in) return -1;
	snprintf(r->env, sizeof r->env, "%s=", name);
	if (putenv(r->env)) return -1;
	r->in = in;
	return 0;
}

/* configure points the reader's SoftHSM at the card. */
static int configure(reader *r) {
	char path[2200], next[2300];
	snprintf(path, sizeof path, "%s/cards/%s/softhsm2.conf", folder, r->serial);
	snprintf(next, sizeof next, "%s.%d.%d", path, (int)getpid(), (int)(r - readers));
	FILE *f = fopen(next, "we");
	if (!f) return -1;
	fprintf(f, "directories.tokendir = %s/cards/%s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n", folder, r->serial);
	if (fclose(f) || rename(next, path)) return -1;
	char *value = strchr(r->env, '=') + 1;
	snprintf(value, r->env + sizeof r->env - value, "%s", path);
	return 0;
}

int find_token(reader *r) {
	ck_ulong slots[8], n = 8;
	if (r->in->C_GetSlotList(0, 0, &n) || n > 8 || r->in->C_GetSlotList(0, slots, &n) || n == 0) return -1;
	r->slot = slots[0]; /* a blank card is the free slot that SoftHSM always has */
	for (ck_ulong i = 0; i < n; i++) {
		ck_token_info info;
		if (r->in->C_GetTokenInfo(slots[i], &info)) return -1;
		if (info.flags & CKF_TOKEN_INITIALIZED) r->slot = slots[i];
	}
	return 0;
}

void bring(reader *r) {
	record rec;
	if (r->up) r->in->C_Finalize(0); /* ends every session and login */
	r->up = 0, r->gen++;
	r->broken = read_record(r, &rec) != 0;
	if (r->broken) return;
	r->seq = rec.seq;
	memcpy(r->serial, rec.serial, 32);
	r->serial[32] = 0;
	if (!r->serial[0]) return;
	tries t; /* puts back what a killed process left, before SoftHSM reads it */
	r->broken = tries_lock(r, &t);
	if (r->broken) return;
	tries_unlock(r, &t);
	ck_initialize_args args = {.flags = CKF_OS_LOCKING_OK};
	r->broken = load(r) || configure(r) || r->in->C_Initialize(&args);
	if (r->broken) return;
	r->up = 1;
	if (find_token(r)) r->in->C_Finalize(0), r->up = 0, r->broken = 1;
}

int moved(reader *r) {
	uint64_t next = r->seq + 1;
	off_t at = (r - readers) * sizeof(record);
	record rec;
	int done = -1;
	char path[2100];
	snprintf(path, sizeof path, "%s/readers", folder);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) return -1;
	if (!flock(fd, LOCK_EX) && pread(fd, &rec, sizeof rec, at) == sizeof rec) {
		/* Pulled meanwhile: the next call looks again, nothing to tell. */
		done = rec.seq != r->seq || pwrite(fd, &next, sizeof next, at) == sizeof next ? 0 : -1;
		if (rec.seq == r->seq && !done) r->seq = next;
	}
	close(fd);
	return done;
}

/* each calls visit for every token folder of the card: one, or none if blank. */
static int each(const reader *r, int (*visit)(const char *object, const char *copy)) {
	char path[2200], object[2600], copy[2600];
	snprintf(path, sizeof path, "%s/cards/%s/tokens", folder, r->serial);
	DIR *dir = opendir(path);
	if (!dir) return -1;
	int failed = 0;
	for (struct dirent *e; (e = readdir(dir));) {
		if (e->d_name[0] == '.') continue;
		snprintf(object, sizeof object, "%s/%s/token.object", path, e->d_name);
		snprintf(copy, sizeof copy, "%s/%s/token.kept", path, e->d_name);
		failed |= visit(object, copy);
	}
	closedir(dir);
	return failed;
}

static int keep(const char *object, const char *copy) {
	char bytes[16384], part[2700];
	int in = open(object, O_RDONLY | O_CLOEXEC);
	if (in < 0) return -1;
	ssize_t n = read(in, bytes, sizeof bytes);
	close(in);
	if (n <= 0 || n == sizeof bytes) return -1;
	snprintf(part, sizeof part, "%s.part", copy);
	int out = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (out < 0) return -1;
	int ok = write(out, bytes, n) == n;
	return close(out) || !ok || rename(part, copy) ? -1 : 0;
}

static int put_back(const char *object, const char *copy) {
	return rename(copy, object) && errno != ENOENT ? -1 : 0;
}

static int let_go(const char *object, const char *copy) {
	(void)object;
	return unlink(copy) && errno != ENOENT ? -1 : 0;
}

int tries_lock(const reader *r, tries *t) {
	char path[2200], text[4];
	snprintf(path, sizeof path, "%s/cards/%s/tries", folder, r->serial);
	t->kept = 0;
	t->fd = open(path, O_RDWR | O_CLOEXEC);
	if (t->fd < 0) return -1;
	if (!flock(t->fd, LOCK_EX) && !each(r, put_back) && pread(t->fd, text, 4, 0) == 4 && text[1] == ' ' && text[3] == '\n') {
		t->user = text[0] - '0', t->so = text[2] - '0';
		if (t->user >= 0 && t->user <= TRIES && t->so >= 0 && t->so <= TRIES) return 0;
	}
	close(t->fd);
	return -1;
}

int tries_keep(const reader *r, tries *t) {
	t->kept = 1;
	return each(r, keep);
}

int tries_save(tries *t) {
	char text[4] = {'0' + t->user, ' ', '0' + t->so, '\n'};
	return pwrite(t->fd, text, 4, 0) == 4 ? 0 : -1;
}

void tries_unlock(const reader *r, tries *t) {
	if (t->kept) each(r, let_go);
	close(t->fd);
}
