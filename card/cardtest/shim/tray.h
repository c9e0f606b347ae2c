/* SPDX-License-Identifier: Apache-2.0
 *
 * The tray: readers, the card in each, and the tries of each card's PINs. */
#ifndef WARDKEY_TRAY_H
#define WARDKEY_TRAY_H

#include <pthread.h>
#include <stdint.h>

#include "pkcs11.h"

enum { MAX_READERS = 16, SERIAL_MAX = 16, TRIES = 3 };

/* One reader in the file `readers`. The tray writes serial, then seq; any other
 * seq than the one seen before means: look again. */
typedef struct {
	uint64_t seq;
	char serial[32]; /* "" for no card */
	char unused[24];
} record;

/* One reader in this process. Calls hold lock for reading while they are inside
 * the module, so that a card is taken out only between them. */
typedef struct {
	pthread_rwlock_t lock;
	uint64_t seq;      /* the state of the record that this reader was brought to */
	ck_ulong gen;      /* counts the changes; part of each session handle */
	int up;            /* a card is in and its module is initialised */
	int broken;        /* a card is in and its module failed */
	char serial[33];
	ck_ulong slot;     /* where the module shows the card */
	ck_functions *in;  /* SoftHSM's, this reader's own copy */
	char env[4200];    /* NAME=path of its configuration, part of the environment */
} reader;

extern reader readers[MAX_READERS];
extern int reader_count;

/* tray_open finds the tray's folder from where the shim lies; idempotent. */
int tray_open(void);
/* bring makes the reader what its record says; lock is held for writing. */
void bring(reader *r);
/* current is the seq in the reader's record. */
uint64_t current(const reader *r);
/* moved tells other processes to look again, after the card was initialised. */
int moved(reader *r);
/* find_token is where the module shows the card. */
int find_token(reader *r);

/* The counters of one card, locked against every thread and process between
 * tries_lock and tries_unlock. Errors are -1: then no PIN is tried.
 *
 * SoftHSM rewrites the token's own file in place at each PIN, and a process that
 * is killed meanwhile leaves half of it. So tries_keep sets a copy aside before
 * the PIN is sent, tries_unlock takes it away, and tries_lock puts back one that
 * a killed process left: the card is then as before that PIN, less the try. */
typedef struct { int fd, user, so, kept; } tries;
int tries_lock(const reader *r, tries *t);
int tries_keep(const reader *r, tries *t);
int tries_save(tries *t);
void tries_unlock(const reader *r, tries *t);
#endif
