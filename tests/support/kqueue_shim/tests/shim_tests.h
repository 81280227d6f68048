/* SPDX-License-Identifier: MIT */
/*
 * What the shim's tests share. Each test is a sentence of the BSDs' kqueue(2),
 * or of macOS's where the two differ.
 */
#ifndef CO_TESTS_SHIM_TESTS_H
#define CO_TESTS_SHIM_TESTS_H

#include "support/check_main.h"

#include <errno.h>
#include <string.h>

#include <sys/event.h>

enum {
    EVENTS = 16,
};

extern int kq;                       /* the queue under test */
extern struct kevent events[EVENTS]; /* of the last look */

/* One change; 0, or a negative errno. */
int change(uintptr_t ident, short filter, unsigned flags, unsigned fflags,
           void *udata);
/* What there is now, or within five seconds. Returns how many events. */
int look(void);
int await(void);
/* The event of a pair among those of the last look, or NULL. */
const struct kevent *event_of(uintptr_t ident, short filter, int count);

void pair_make(int fds[2]);
void pipe_make(int fds[2]);
void tcp_make(int fds[2], int *listener); /* listener: NULL: closed */
void close_both(int fds[2]);
void put(int fd, size_t bytes);
void fill(int fd);

void add_queue(TCase *tc);
void add_flags(TCase *tc);
void add_descriptors(TCase *tc);
void add_others(TCase *tc);

#endif
