/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "tray.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

reader readers[MAX_READERS];
int reader_count;

static char folder[2048]; /* of the tray */
static char library[2048]; /* of the shim and what it needs */
static const record *records;

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

void init_locks(reader *r) {
	pthread_rwlock_init(&r->lock, 0);
	pthread_mutex_init(&r->listing, 0);
}

int tray_open(void) {
	if (records) return 0;
	if (find_folder()) return -1;
	char path[2100];
	tray_file("readers", path, sizeof path);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) return -1;
	struct stat st;
	if (fstat(fd, &st) || st.st_size < (off_t)sizeof(record)) goto failed;
	int count = st.st_size / sizeof(record);
	if (count > MAX_READERS) goto failed;
	void *map = mmap(0, count * sizeof(record), PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) goto failed;
	for (int i = 0; i < count; i++) init_locks(&readers[i]);
	reader_count = count, records = map;
	close(fd);
	return 0;
failed:
	close(fd);
	return -1;
}

uint64_t current(const reader *r) {
	return __atomic_load_n(&records[r - readers].seq, __ATOMIC_ACQUIRE);
}

const record *record_of(const reader *r) { return &records[r - readers]; }

void tray_file(const char *name, char *path, unsigned long size) { snprintf(path, size, "%s/%s", folder, name); }

void library_file(const char *name, char *path, unsigned long size) { snprintf(path, size, "%s/%s", library, name); }

/* A serial of letters and digits names the card's folder, another one does so in
 * hexadecimal: see cards.go. */
void card_file(const reader *r, const char *name, char *path, unsigned long size) {
	char hex[2 * sizeof r->serial + 5] = "hex-";
	int plain = 1;
	for (int i = 0; r->serial[i]; i++) {
		char c = r->serial[i];
		plain &= (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
		snprintf(hex + 4 + 2 * i, 3, "%02x", (unsigned char)c);
	}
	snprintf(path, size, "%s/cards/%s/%s", folder, plain ? r->serial : hex, name);
}

int lock_file(int fd, int how) {
	int rv;
	do rv = flock(fd, how);
	while (rv && errno == EINTR);
	return rv;
}

/* read_record reads under the lock that the tray writes under. A new file
 * description each time, because flock is a description's. */
static int read_record(const reader *r, record *rec) {
	char path[2100];
	tray_file("readers", path, sizeof path);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) return -1;
	int ok = !lock_file(fd, LOCK_SH) && pread(fd, rec, sizeof *rec, (r - readers) * sizeof *rec) == sizeof *rec;
	close(fd);
	return ok ? 0 : -1;
}

void bring(reader *r, int running) {
	record rec;
	if (r->up) inner_down(r);
	session_drop_all(r);
	r->up = 0, r->gen++;
	r->broken = !running || read_record(r, &rec);
	r->seq = ~(uint64_t)0; /* the next call looks again */
	if (r->broken) return;
	r->seq = rec.seq;
	memcpy(r->serial, rec.serial, 32);
	r->serial[32] = 0;
	if (!r->serial[0]) return;
	/* This puts back what a killed process left, and keeps other processes from
	 * showing a PIN, which SoftHSM writes into the file that is read now. */
	tries t;
	r->broken = tries_lock(r, &t);
	if (r->broken) return;
	r->broken = inner_up(r);
	r->up = !r->broken;
	tries_unlock(r, &t);
}

int moved(reader *r) {
	uint64_t next = r->seq + 1;
	off_t at = (r - readers) * sizeof(record);
	record rec;
	int done = -1;
	char path[2100];
	tray_file("readers", path, sizeof path);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) return -1;
	if (!lock_file(fd, LOCK_EX) && pread(fd, &rec, sizeof rec, at) == sizeof rec) {
		/* Pulled meanwhile: the next call looks again, nothing to tell. */
		done = rec.seq != r->seq || pwrite(fd, &next, sizeof next, at) == sizeof next ? 0 : -1;
		if (rec.seq == r->seq && !done) r->seq = next;
	}
	close(fd);
	return done;
}
