/* SPDX-License-Identifier: Apache-2.0
 *
 * The sessions of a reader. Some modules give addresses for session handles, so
 * theirs don't fit into ours beside the reader; a list holds both. */
#include "tray.h"

#include <stdlib.h>

ck_ulong session_add(reader *r, ck_ulong inner) {
	ck_ulong outer = 0;
	pthread_mutex_lock(&r->listing);
	if (r->open == r->room) {
		size_t room = r->room ? 2 * r->room : 16;
		session *more = realloc(r->sessions, room * sizeof *more);
		if (!more) goto out;
		r->sessions = more, r->room = room;
	}
	outer = r->gen << 40 | (ck_ulong)(r - readers) << 32 | ++r->opened;
	r->sessions[r->open++] = (session){outer, inner};
out:
	pthread_mutex_unlock(&r->listing);
	return outer;
}

static size_t at(const reader *r, ck_ulong outer) {
	size_t i = 0;
	while (i < r->open && r->sessions[i].outer != outer) i++;
	return i;
}

int session_find(reader *r, ck_ulong outer, ck_ulong *inner) {
	pthread_mutex_lock(&r->listing);
	size_t i = at(r, outer);
	int found = i < r->open;
	if (found) *inner = r->sessions[i].inner;
	pthread_mutex_unlock(&r->listing);
	return found;
}

void session_drop(reader *r, ck_ulong outer) {
	pthread_mutex_lock(&r->listing);
	size_t i = at(r, outer);
	if (i < r->open) r->sessions[i] = r->sessions[--r->open];
	pthread_mutex_unlock(&r->listing);
}

void session_drop_all(reader *r) {
	pthread_mutex_lock(&r->listing);
	r->open = 0;
	pthread_mutex_unlock(&r->listing);
}
