/* SPDX-License-Identifier: MIT */
/* io/ahead.h - listeners of a loop whose backend carries commands out. See
 * ahead.c. */
#ifndef CO_IO_AHEAD_H
#define CO_IO_AHEAD_H

#include "io/fdtable.h"

/*
 * See to it that a connection wakes the first of the readers in line: by having
 * it accepted where the backend does that, else as co__fd_await does. Returns
 * what that does.
 */
int co__ahead_await(struct co_loop *loop, struct co__fd_slot *slot, int fd);

/* A slot is dropped whose `ahead` is set: nothing is accepted ahead any
 * more, and what was accepted is closed. */
void co__ahead_forget(struct co_loop *loop, struct co__fd_slot *slot);

/* Nothing is left with the backend of any listener; what was accepted ahead
 * stays for the next run. */
void co__ahead_rest(struct co_loop *loop);

/* Close what was accepted ahead; the backend may be gone by now. */
void co__ahead_close(struct co__fd_table *table);

#endif
