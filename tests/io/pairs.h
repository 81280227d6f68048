/* SPDX-License-Identifier: MIT */
/* Tests that are made over every kind of connected pair, in a task. */
#ifndef CO_TESTS_IO_PAIRS_H
#define CO_TESTS_IO_PAIRS_H

#include "io_support.h"

static inline void tcp6_pair(int fds[2])
{
    tcp_pair_at("[::1]:0", fds);
}

static inline void adopted_tcp_pair(int fds[2])
{
    tcp_pair(fds);
    ck_assert_int_eq(co_fd_release(fds[0]), 0);
    ck_assert_int_eq(co_fd_release(fds[1]), 0);
    adopt_pair(fds);
}

/* Released, so foreign, and non-blocking all the same. */
static inline void released_pair(int fds[2])
{
    unix_pair(fds);
    ck_assert_int_eq(co_fd_release(fds[0]), 0);
    ck_assert_int_eq(co_fd_release(fds[1]), 0);
}

static pair_fn *const pairs[] = {
    tcp_pair,  tcp6_pair,    adopted_tcp_pair,    pipe_pair,
    unix_pair, foreign_pipe, foreign_socket_pair, released_pair,
};
#define PAIRS ((int)(sizeof(pairs) / sizeof(pairs[0])))

/* A test of one pair, in a task. */
static int current;
static inline void make_pair(int fds[2])
{
    pairs[current](fds);
}

#define PAIR_TEST(name)                                                        \
    static void name##_in_task(void);                                          \
    START_TEST(name)                                                           \
    {                                                                          \
        current = _i;                                                          \
        co_test_in_task(name##_in_task);                                       \
    }                                                                          \
    END_TEST                                                                   \
    static void name##_in_task(void)

/* Whether the pair goes one way only. */
static inline int is_pipe(void)
{
    return pairs[current] == pipe_pair || pairs[current] == foreign_pipe;
}

#define ADD_PAIR_TEST(tc, name) tcase_add_loop_test(tc, name, 0, PAIRS)

#endif
