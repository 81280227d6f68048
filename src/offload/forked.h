/* SPDX-License-Identifier: MIT */
/*
 * offload/forked.h - what has threads or descriptors that a child of fork(2)
 * must not share. Each such thing is on one list of the process.
 */
#ifndef CO_OFFLOAD_FORKED_H
#define CO_OFFLOAD_FORKED_H

struct co__forked {
    /* Around a fork in the parent, with the list locked: take the lock and let
     * go of it. */
    void (*hold)(struct co__forked *forked);
    void (*release)(struct co__forked *forked);
    /* In the child, which has one thread and holds the lock: become as new,
     * and let go of it. */
    void (*reset)(struct co__forked *forked);
    struct co__forked *next, *prev;
};

/* Returns 0 or -ENOMEM. */
int co__forked_add(struct co__forked *forked);
void co__forked_remove(struct co__forked *forked);

#endif
