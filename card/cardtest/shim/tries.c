/* SPDX-License-Identifier: Apache-2.0
 *
 * The tries of each card's PINs. */
#define _GNU_SOURCE
#include "tray.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* each calls visit for every token folder of the card: one, or none if it is
 * blank or a wrapped module's. */
static int each(const reader *r, int (*visit)(const char *object, const char *copy)) {
	char path[2200], object[2600], copy[2600];
	if (wraps()) return 0;
	card_file(r, "tokens", path, sizeof path);
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
	card_file(r, "tries", path, sizeof path);
	t->kept = 0;
	t->fd = open(path, O_RDWR | O_CLOEXEC);
	if (t->fd < 0) return -1;
	if (!lock_file(t->fd, LOCK_EX) && !each(r, put_back) && pread(t->fd, text, 4, 0) == 4 && text[1] == ' ' && text[3] == '\n') {
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

int tries_unlock(const reader *r, tries *t) {
	int failed = t->kept && each(r, let_go);
	close(t->fd);
	return failed ? -1 : 0;
}
