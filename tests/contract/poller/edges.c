/* SPDX-License-Identifier: MIT */
/* What holds where descriptors are watched, and not armed for each wait. */
#include "suite.h"

#include <sys/socket.h>

START_TEST(an_edge_is_reported_once)
{
    int fds[2];

    pair_make(fds);
    ck_assert_int_eq(ops->watch(poller, fds[0], 1), 0);
    ck_assert_int_eq(look(), 1); /* writable */
    ck_assert_uint_eq(reports[fds[0]].mask, CO__POLL_OUT);
    ck_assert_int_eq(look(), 0);
    put(fds[1]);
    ck_assert_int_eq(look(), 1);
    ck_assert(reports[fds[0]].mask & CO__POLL_IN);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(look(), 0); /* though it is still readable */
    put(fds[1]);
    ck_assert_int_eq(look(), 1); /* the next edge */
    ops->unwatch(poller, fds[0]);
    pair_close(fds);
}
END_TEST

START_TEST(room_to_write_is_an_edge)
{
    int fds[2];

    pair_make(fds);
    fill(fds[0]);
    ck_assert_int_eq(ops->watch(poller, fds[0], 1), 0);
    look();
    ck_assert(!(reports[fds[0]].mask & CO__POLL_OUT));
    drain(fds[1]);
    ck_assert_int_eq(look(), 1);
    ck_assert(reports[fds[0]].mask & CO__POLL_OUT);
    ck_assert(!(reports[fds[0]].mask & CO__POLL_IN));
    ops->unwatch(poller, fds[0]);
    pair_close(fds);
}
END_TEST

START_TEST(watching_again_replaces_the_generation)
{
    int fds[2];

    pair_make(fds);
    ck_assert_int_eq(ops->watch(poller, fds[0], 1), 0);
    ck_assert_int_eq(ops->watch(poller, fds[0], 2), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert_uint_eq(reports[fds[0]].gen, 2);
    ck_assert_int_eq(look(), 0);
    ops->unwatch(poller, fds[0]);
    ck_assert_int_eq(ops->watch(poller, fds[0], 3), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert_uint_eq(reports[fds[0]].gen, 3);
    ops->unwatch(poller, fds[0]);
    pair_close(fds);
}
END_TEST

/* A descriptor changes hands without being closed. */
START_TEST(what_was_armed_can_be_watched)
{
    int fds[2];

    pair_make(fds);
    ck_assert_int_eq(ops->arm(poller, fds[0], 1, CO_BOTH), 0);
    ck_assert_int_eq(ops->watch(poller, fds[0], 2), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert_uint_eq(reports[fds[0]].gen, 2);
    for (int i = 0; i < 2; i++) { /* each edge, not one event */
        put(fds[1]);
        ck_assert_int_eq(look(), 1);
        ck_assert(reports[fds[0]].mask & CO__POLL_IN);
    }
    ops->unwatch(poller, fds[0]);
    pair_close(fds);
}
END_TEST

START_TEST(what_was_watched_can_be_armed)
{
    int fds[2];

    pair_make(fds);
    ck_assert_int_eq(ops->watch(poller, fds[0], 1), 0);
    ck_assert_int_eq(ops->arm(poller, fds[0], 2, CO__POLL_IN), 0);
    ck_assert_int_eq(look(), 0);
    put(fds[1]);
    ck_assert_int_eq(look(), 1);
    ck_assert_uint_eq(reports[fds[0]].gen, 2);
    put(fds[1]);
    ck_assert_int_eq(look(), 0);
    ops->unwatch(poller, fds[0]);
    pair_close(fds);
}
END_TEST

/* At the latest with the data that comes with it: see the drain rule in io/. */
START_TEST(urgent_data_is_reported)
{
    uint32_t mask = 0;
    int fds[2];

    tcp_make(fds);
    ck_assert_int_eq(ops->watch(poller, fds[0], 1), 0);
    look();
    put(fds[1]);
    ck_assert_int_eq((int)send(fds[1], "!", 1, MSG_OOB), 1);
    while (!(mask & CO__POLL_PRI)) {
        ck_assert_int_ge(wait_for(5 * CO_SEC), 1);
        mask |= reports[fds[0]].mask;
    }
    ck_assert(mask & CO__POLL_IN);
    ops->unwatch(poller, fds[0]);
    pair_close(fds);
}
END_TEST

void add_edges(TCase *tc)
{
    tcase_add_test(tc, an_edge_is_reported_once);
    tcase_add_test(tc, room_to_write_is_an_edge);
    tcase_add_test(tc, watching_again_replaces_the_generation);
    tcase_add_test(tc, what_was_armed_can_be_watched);
    tcase_add_test(tc, what_was_watched_can_be_armed);
    tcase_add_test(tc, urgent_data_is_reported);
}
