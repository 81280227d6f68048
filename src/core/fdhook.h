/* SPDX-License-Identifier: MIT */
/*
 * core/fdhook.h - what a loop asks of its descriptors (loop->fds). Implemented
 * in io/, which this layer does not include.
 */
#ifndef CO_CORE_FDHOOK_H
#define CO_CORE_FDHOOK_H

struct co_loop;

/* Make loop->fds: 0, or -ENOMEM, -EMFILE (too many loops at a time). */
int co__fds_open(struct co_loop *loop);

/* Free it; the loop's own descriptors stay open, and the next loop that uses
 * one may have it. The poller may be gone by now: it is not asked. */
void co__fds_close(struct co_loop *loop);

/*
 * After fork in the child: no loop of the parent owns a descriptor here. `loop`
 * is the one that the forking task ran in, or NULL; its memory is left as it
 * is, nothing is asked of its poller.
 */
void co__fds_abandon(struct co_loop *loop);

#endif
