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
	uint32_t events;    /* counts insertions and removals */
	uint32_t behaviour; /* counts the changes of what follows */
	uint32_t flags;     /* HANGS, … */
	uint32_t slow;      /* milliseconds before each call */
	uint32_t fail;      /* this call answers CKR_DEVICE_ERROR; 0 for none */
	uint32_t unused;
} record;

/* How a card behaves, beyond what it must. */
enum { HANGS = 1, FULL = 2, READ_ONLY = 4, NO_DIGESTS = 8, NO_HASHING = 16, PUK = 32, PIN_PAD = 64 };

/* A session as the caller and as the module know it. */
typedef struct { ck_ulong outer, inner; } session;

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
	ck_functions *in;  /* SoftHSM's, this reader's own copy; or the wrapped module's */
	char env[4200];    /* NAME=path of its configuration, part of the environment */
	pthread_mutex_t listing; /* guards what is below, until calls */
	session *sessions; /* those that are open */
	size_t open, room;
	uint32_t opened;   /* counts the sessions; part of each session handle */
	uint64_t calls;    /* since which change of behaviour, and how many */
	uint32_t told;     /* the events that C_WaitForSlotEvent told of */
} reader;

extern reader readers[MAX_READERS];
extern int reader_count;

/* tray_open finds the tray's folder from where the shim lies; idempotent. */
int tray_open(void);
/* init_locks makes a reader's locks, held by nobody. */
void init_locks(reader *r);
/* bring makes the reader what its record says, or empties it if nobody is
 * running; lock is held for writing. */
void bring(reader *r, int running);
/* tray_file is the path of a file of the tray. */
void tray_file(const char *name, char *path, unsigned long size);
/* lock_file is flock, whatever signals come meanwhile. */
int lock_file(int fd, int how);
/* library_file is the path of a file that lies beside the shim. */
void library_file(const char *name, char *path, unsigned long size);
/* current is the seq in the reader's record. */
uint64_t current(const reader *r);
const record *record_of(const reader *r);
/* card_file is the path of a file of the card in the reader. */
void card_file(const reader *r, const char *name, char *path, unsigned long size);

int behaves(const reader *r, uint32_t flag);
/* suffer comes before each call, while nothing is locked: it hangs, waits, and
 * answers what the call fails with. */
ck_ulong suffer(reader *r, int (*running)(void));
/* refuse is what a call that is passed on fails with. */
ck_ulong refuse(const reader *r, const char *name, const ck_ulong *args);
/* pad_read takes the next PIN that was typed at the reader. */
typedef struct { ck_byte pin[256]; ck_ulong len; } typed;
ck_ulong pad_read(const reader *r, typed *t);
/* moved tells other processes to look again, after the card was initialised. */
int moved(reader *r);

/* What the cards are made of: a copy of SoftHSM for each reader, which is
 * initialised while a card is in; or one module that is wrapped, whose tokens
 * are the cards. */
int wraps(void);
/* inner_start and inner_end are C_Initialize and C_Finalize of the wrapped module;
 * all readers are held for writing, and have no card at the end. */
ck_ulong inner_start(void);
void inner_end(void);
/* inner_up makes the module show the reader's card, inner_down ends its sessions
 * and its login. */
int inner_up(reader *r);
void inner_down(reader *r);
/* find_token is where the module shows the card. */
int find_token(reader *r);

/* Session handles. A handle is the reader's generation, the reader, and the number
 * of the session: none comes back to life with a card that is inserted again.
 * session_add gives the new session's handle, or 0 without memory. */
ck_ulong session_add(reader *r, ck_ulong inner);
int session_find(reader *r, ck_ulong outer, ck_ulong *inner);
void session_drop(reader *r, ck_ulong outer);
void session_drop_all(reader *r);

/* The counters of one card, locked against every thread and process between
 * tries_lock and tries_unlock. Errors are -1: then no PIN is tried.
 *
 * SoftHSM rewrites the token's own file in place at each PIN, and a process that
 * is killed meanwhile leaves half of it. So tries_keep sets a copy aside before
 * the PIN is sent, tries_unlock takes it away, and tries_lock puts back one that
 * a killed process left: the card is then as before that PIN, less the try. So a
 * call whose copy can't be taken away has failed. What a wrapped module keeps is
 * its own business. */
typedef struct { int fd, user, so, kept; } tries;
int tries_lock(const reader *r, tries *t);
int tries_keep(const reader *r, tries *t);
int tries_save(tries *t);
int tries_unlock(const reader *r, tries *t);
#endif
