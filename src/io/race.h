/* SPDX-License-Identifier: MIT */
/* io/race.h - several addresses, of which the first that is connected wins. */
#ifndef CO_IO_RACE_H
#define CO_IO_RACE_H

#include <coppice/dial.h>

struct co__race {
    co_time delay;
    const co_addr *local;       /* or NULL */
    co_dial_attempts *attempts; /* or NULL */
};

/* The index-th attempt, as the caller is to see it. */
void co__race_note(const struct co__race *race, size_t index,
                   const co_addr *addr, int error);

/* Connect to one of the addresses, of TCP, in a task: a descriptor of ours, or
 * an error. */
int co__race_run(const struct co__race *race, const co_addr *addrs,
                 size_t count);

#endif
