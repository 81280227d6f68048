/* SPDX-License-Identifier: MIT */
/*
 * The contract of core/poller.h, which every backend of the build must pass
 * unchanged: the program's run for one backend is the test contract.<name>.
 *
 * co__fd_ready is this program's own: the archive's is not linked, since
 * nothing here asks for the loop.
 */
#ifndef CO_TESTS_CONTRACT_POLLER_SUITE_H
#define CO_TESTS_CONTRACT_POLLER_SUITE_H

#include "core/poller.h"

#include "base/clock.h"
#include "base/compiler.h"
#include "support/check_main.h"

#include <errno.h>
#include <string.h>

enum {
    FDS_MAX = 4096,
};

struct report {
    int count;
    uint32_t gen;
    uint32_t mask; /* of all together */
};

extern const struct co__poller_ops *ops; /* the backend under test */
extern struct co__poller *poller;
extern int fds_without_poller;         /* descriptors open before it was made */
extern int lends;                      /* whether co__lend has memory */
extern int lent;                       /* what it has given so far */
extern struct report reports[FDS_MAX]; /* since the last forget */

/* What the backend hands on to co__fd_ready. */
struct co_loop *loop_of_nobody(void);

/* wait() for at most so long, or not at all; what it reported is in
 * `reports`. */
int wait_for(co_time ns);
int look(void);
void forget(void);

/*
 * What io/ does before a task waits for a descriptor of Coppice's own in the
 * given directions: watches it, or where the backend knows levels alone arms
 * it; and what it does before each later wait.
 */
int await(int fd, uint32_t gen, uint32_t mask);
int await_more(int fd, uint32_t gen, uint32_t mask);

#define CO_BOTH (CO__POLL_IN | CO__POLL_OUT)

void pair_make(int fds[2]);
void pair_close(int fds[2]);
void tcp_make(int fds[2]);
void put(int fd);   /* one byte */
void fill(int fd);  /* until it would block */
void drain(int fd); /* until it would block */

int is_readable(int fd); /* as a foreign loop sees it */

/* The parts, one file each. */
void add_edges(TCase *tc); /* where there is watch */
/* In a forked child: abandon the poller; whether all that it had open is closed
 * then. `before` is how many descriptors the parent had, `own` how many of them
 * are the test's. */
int abandoned_well(int before, int own);

void add_descriptors(TCase *tc);
void add_waits(TCase *tc);
void add_processes(TCase *tc);
void add_signals(TCase *tc);
void add_accepts(TCase *tc); /* where there is submit */
void add_lends(TCase *tc);   /* where there is submit */
void add_lapses(TCase *tc);  /* where there is lapse */
void add_whole(TCase *tc);

#endif
