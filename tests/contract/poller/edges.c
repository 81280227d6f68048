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

START_TEST(a_descriptor_is_watched_once)
{
    int fds[2];

    pair_make(fds);
    ck_assert_int_eq(ops->watch(poller, fds[0], 1), 0);
    ck_assert_int_eq(ops->watch(poller, fds[0], 2), -EEXIST);
    look();
    ck_assert_uint_eq(reports[fds[0]].gen, 1);
    ops->unwatch(poller, fds[0]);
    ck_assert_int_eq(ops->watch(poller, fds[0], 2), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert_uint_eq(reports[fds[0]].gen, 2);
    ops->unwatch(poller, fds[0]);
    pair_close(fds);
}
END_TEST

START_TEST(urgent_data_is_reported)
{
    int fds[2];

    tcp_make(fds);
    ck_assert_int_eq(ops->watch(poller, fds[0], 1), 0);
    look();
    ck_assert_int_eq((int)send(fds[1], "!", 1, MSG_OOB), 1);
    ck_assert_int_eq(wait_for(5 * CO_SEC), 1);
    ck_assert(reports[fds[0]].mask & CO__POLL_PRI);
    ck_assert(reports[fds[0]].mask & CO__POLL_IN);
    ops->unwatch(poller, fds[0]);
    pair_close(fds);
}
END_TEST

void add_edges(TCase *tc)
{
    tcase_add_test(tc, an_edge_is_reported_once);
    tcase_add_test(tc, room_to_write_is_an_edge);
    tcase_add_test(tc, a_descriptor_is_watched_once);
    tcase_add_test(tc, urgent_data_is_reported);
}
