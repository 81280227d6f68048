/* SPDX-License-Identifier: MIT */
/*
 * poll/wake.h - how another thread, or a signal handler, ends a wait in the
 * kernel: a descriptor that the backend waits for beside the others. One file a
 * system implements it.
 */
#ifndef CO_POLL_WAKE_H
#define CO_POLL_WAKE_H

#include <coppice/base.h>

struct co__wake {
    int fd;   /* readable from a send until the next take */
    int into; /* what a send writes to; it may be the same */
};

/* 0, or -EMFILE, -ENFILE. */
int co__wake_open(struct co__wake *wake);
void co__wake_close(struct co__wake *wake);

/* Any thread, async-signal-safe, keeps errno; many sends may become one. */
void co__wake_send(const struct co__wake *wake);

/* Use up what was sent. */
void co__wake_take(const struct co__wake *wake);

/* Sleep until a send, for at most `limit` nanoseconds, and use it up. The same
 * on all systems: wake.c. */
void co__wake_pause(const struct co__wake *wake, co_time limit);

#endif
