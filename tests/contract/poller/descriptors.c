/* SPDX-License-Identifier: MIT */
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* ---- an own descriptor --------------------------------------------------- */

START_TEST(what_is_ready_already_is_reported)
{
    int fds[2];

    pair_make(fds);
    put(fds[1]);
    ck_assert_int_eq(await(fds[0], 7, CO_BOTH), 0);
    ck_assert_int_ge(look(), 1);
    ck_assert_uint_eq(reports[fds[0]].gen, 7);
    ck_assert_uint_eq(reports[fds[0]].mask & ~CO__POLL_PRI, CO_BOTH);
    ops->unwatch(poller, fds[0]);
    pair_close(fds);
}
END_TEST

/* Both ways, or the one that there is. */
static void check_refused(int fd, int error)
{
    ck_assert_int_eq(ops->arm(poller, fd, 1, CO__POLL_IN), error);
    ck_assert_int_eq(ops->arm(poller, fd, 1, CO__POLL_OUT), error);
    ck_assert_int_eq(await(fd, 1, CO_BOTH), error);
}

START_TEST(what_cannot_be_waited_for_says_so)
{
    FILE *regular = tmpfile();
    int file = fileno(regular);
    int fds[2];

    check_refused(file, -EPERM);
    fclose(regular);
    file = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    check_refused(file, -EPERM);
    close(file);
    check_refused(file, -EBADF);
    check_refused(-1, -EBADF);
    pair_make(fds); /* the numbers are free for others */
    ck_assert_int_eq(await(fds[0], 1, CO_BOTH), 0);
    ck_assert_int_eq(look(), 1);
    ops->unwatch(poller, fds[0]);
    pair_close(fds);
}
END_TEST

START_TEST(unwatch_is_harmless)
{
    int fds[2];

    pair_make(fds);
    ops->unwatch(poller, fds[0]); /* never watched */
    ops->unwatch(poller, -1);
    ops->unwatch(poller, FDS_MAX - 1); /* not open */
    ck_assert_int_eq(await(fds[0], 1, CO_BOTH), 0);
    put(fds[1]);
    ops->unwatch(poller, fds[0]);
    ops->unwatch(poller, fds[0]);
    ck_assert_int_eq(look(), 0);
    pair_close(fds);
    ops->unwatch(poller, fds[0]);
    ck_assert_int_eq(look(), 0);
}
END_TEST

START_TEST(many_that_were_unwatched_do_not_hide_one_that_is_ready)
{
    int fds[2];

    for (int i = 0; i < 100; i++) {
        pair_make(fds);
        ck_assert_int_eq(await(fds[0], 1, CO_BOTH), 0);
        put(fds[1]);
        ops->unwatch(poller, fds[0]);
        pair_close(fds);
    }
    pair_make(fds);
    put(fds[1]);
    ck_assert_int_eq(await(fds[0], 1, CO_BOTH), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert_uint_eq(reports[fds[0]].mask, CO_BOTH);
    ops->unwatch(poller, fds[0]);
    pair_close(fds);
}
END_TEST

/* An event that nobody has been told of yet holds nothing open. */
START_TEST(a_descriptor_that_was_unwatched_is_closed_for_its_peer)
{
    char byte;
    int fds[2];

    for (int i = 0; i < 50; i++) {
        pair_make(fds);
        ck_assert_int_eq(await(fds[0], 1, CO_BOTH), 0);
        ck_assert_int_eq(look(), 1);
        put(fds[1]);
        ops->unwatch(poller, fds[0]);
        close(fds[0]);
        ck_assert_int_le(recv(fds[1], &byte, 1, MSG_DONTWAIT), 0);
        ck_assert_int_ne(errno, EAGAIN);
        errno = 0;
        close(fds[1]);
    }
}
END_TEST

START_TEST(the_generation_is_carried)
{
    static const uint32_t gens[] = {0, 1, 0x7fffffff, 0x80000000, UINT32_MAX};
    int fds[2];

    pair_make(fds);
    for (size_t i = 0; i < CO_ARRAY_LEN(gens); i++) {
        ck_assert_int_eq(await(fds[0], gens[i], CO_BOTH), 0);
        ck_assert_int_eq(look(), 1);
        ck_assert_uint_eq(reports[fds[0]].gen, gens[i]);
        ops->unwatch(poller, fds[0]);
        ck_assert_int_eq(ops->arm(poller, fds[0], gens[i], CO__POLL_OUT), 0);
        ck_assert_int_eq(look(), 1);
        ck_assert_uint_eq(reports[fds[0]].gen, gens[i]);
        ops->unwatch(poller, fds[0]);
    }
    pair_close(fds);
}
END_TEST

/* ---- arm ----------------------------------------------------------------- */

START_TEST(an_armed_descriptor_reports_once)
{
    int fds[2];

    pair_make(fds);
    put(fds[1]);
    ck_assert_int_eq(ops->arm(poller, fds[0], 3, CO__POLL_IN), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert_uint_eq(reports[fds[0]].mask, CO__POLL_IN);
    ck_assert_uint_eq(reports[fds[0]].gen, 3);
    put(fds[1]);
    ck_assert_int_eq(look(), 0);
    ck_assert_int_eq(ops->arm(poller, fds[0], 4, CO__POLL_IN), 0);
    ck_assert_int_eq(look(), 1); /* it is a level: what is there counts */
    ck_assert_uint_eq(reports[fds[0]].gen, 4);
    ops->unwatch(poller, fds[0]);
    pair_close(fds);
}
END_TEST

START_TEST(arming_again_replaces_the_mask)
{
    int fds[2];

    pair_make(fds);
    ck_assert_int_eq(ops->arm(poller, fds[0], 1, CO__POLL_IN), 0);
    ck_assert_int_eq(look(), 0);
    ck_assert_int_eq(ops->arm(poller, fds[0], 1, CO_BOTH), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert_uint_eq(reports[fds[0]].mask, CO__POLL_OUT);
    ck_assert_int_eq(ops->arm(poller, fds[0], 1, CO__POLL_OUT), 0);
    ck_assert_int_eq(ops->arm(poller, fds[0], 1, CO__POLL_IN), 0);
    ck_assert_int_eq(look(), 0);
    put(fds[1]);
    ck_assert_int_eq(look(), 1);
    ck_assert_uint_eq(reports[fds[0]].mask, CO__POLL_IN);
    ops->unwatch(poller, fds[0]);
    pair_close(fds);
}
END_TEST

START_TEST(an_event_of_one_direction_spends_both)
{
    int fds[2];

    pair_make(fds);
    ck_assert_int_eq(ops->arm(poller, fds[0], 1, CO_BOTH), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert_uint_eq(reports[fds[0]].mask, CO__POLL_OUT);
    put(fds[1]);
    ck_assert_int_eq(look(), 0);
    fill(fds[0]);
    ck_assert_int_eq(ops->arm(poller, fds[0], 2, CO_BOTH), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert_uint_eq(reports[fds[0]].mask, CO__POLL_IN);
    drain(fds[1]);
    ck_assert_int_eq(look(), 0);
    ops->unwatch(poller, fds[0]);
    pair_close(fds);
}
END_TEST

START_TEST(a_reused_number_can_be_armed_again)
{
    int fds[2], again[2];

    pair_make(fds);
    ck_assert_int_eq(ops->arm(poller, fds[0], 1, CO__POLL_IN), 0);
    pair_close(fds); /* without unwatch: it is not ours */
    pair_make(again);
    ck_assert_int_eq(again[0], fds[0]);
    put(again[1]);
    ck_assert_int_eq(ops->arm(poller, again[0], 2, CO__POLL_IN), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert_uint_eq(reports[again[0]].gen, 2);
    ops->unwatch(poller, again[0]);
    pair_close(again);
}
END_TEST

/* ---- masks --------------------------------------------------------------- */

START_TEST(the_end_of_the_peers_side_is_readable_and_rdhup)
{
    int fds[2];

    pair_make(fds);
    ck_assert_int_eq(await(fds[0], 1, CO_BOTH), 0);
    look();
    ck_assert_int_eq(await_more(fds[0], 1, CO__POLL_IN), 0);
    shutdown(fds[1], SHUT_WR);
    ck_assert_int_eq(look(), 1);
    ck_assert(reports[fds[0]].mask & CO__POLL_IN);
    ck_assert(reports[fds[0]].mask & CO__POLL_RDHUP);
    ck_assert(!(reports[fds[0]].mask & CO__POLL_HUP));
    ops->unwatch(poller, fds[0]);
    ck_assert_int_eq(ops->arm(poller, fds[0], 1, CO__POLL_IN), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert(reports[fds[0]].mask & CO__POLL_IN);
    ops->unwatch(poller, fds[0]);
    pair_close(fds);
}
END_TEST

START_TEST(a_hangup_wakes_both_directions)
{
    const uint32_t both = CO_BOTH | CO__POLL_HUP;
    int fds[2], other[2];

    pair_make(fds);
    ck_assert_int_eq(await(fds[0], 1, CO_BOTH), 0);
    fill(fds[0]);
    ck_assert_int_eq(look(), 0);
    close(fds[1]);
    ck_assert_int_ge(look(), 1);
    ck_assert_uint_eq(reports[fds[0]].mask & both, both);
    ops->unwatch(poller, fds[0]);
    close(fds[0]);

    pair_make(other); /* armed for one direction, too */
    fill(other[0]);
    ck_assert_int_eq(ops->arm(poller, other[0], 1, CO__POLL_OUT), 0);
    ck_assert_int_eq(look(), 0);
    close(other[1]);
    ck_assert_int_eq(look(), 1);
    ck_assert(reports[other[0]].mask & CO__POLL_OUT);
    ops->unwatch(poller, other[0]);
    close(other[0]);
}
END_TEST

START_TEST(a_pipe_without_readers_is_an_error_to_its_writer)
{
    int fds[2];

    ck_assert_int_eq(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    fill(fds[1]);
    ck_assert_int_eq(await(fds[1], 1, CO_BOTH), 0);
    ck_assert_int_eq(look(), 0);
    close(fds[0]);
    ck_assert_int_ge(look(), 1);
    ck_assert(reports[fds[1]].mask & CO__POLL_ERR);
    ck_assert(reports[fds[1]].mask & CO__POLL_OUT);
    ops->unwatch(poller, fds[1]);
    close(fds[1]);
}
END_TEST

START_TEST(a_pipe_that_had_lost_its_readers_already_is_an_error_to_its_writer)
{
    const uint32_t broken = CO__POLL_OUT | CO__POLL_ERR;
    int fds[2];

    ck_assert_int_eq(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    fill(fds[1]);
    close(fds[0]);
    ck_assert_int_eq(await(fds[1], 1, CO_BOTH), 0);
    ck_assert_int_ge(look(), 1);
    ck_assert_uint_eq(reports[fds[1]].gen, 1);
    ck_assert_uint_eq(reports[fds[1]].mask & broken, broken);
    ck_assert_int_eq(look(), 0);
    ck_assert_int_eq(ops->arm(poller, fds[1], 2, CO__POLL_OUT), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert_uint_eq(reports[fds[1]].gen, 2);
    ck_assert_uint_eq(reports[fds[1]].mask & broken, broken);
    ck_assert_int_eq(ops->arm(poller, fds[1], 3, CO__POLL_OUT), 0);
    ops->unwatch(poller, fds[1]);
    ck_assert_int_eq(look(), 0);
    close(fds[1]);
}
END_TEST

static void reset(int fd)
{
    struct linger now = {.l_onoff = 1};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
}

START_TEST(a_reset_wakes_both_directions)
{
    const uint32_t both = CO_BOTH | CO__POLL_ERR;
    int fds[2], armed[2];

    tcp_make(fds);
    ck_assert_int_eq(await(fds[0], 1, CO_BOTH), 0);
    look();
    ck_assert_int_eq(await_more(fds[0], 1, CO__POLL_IN), 0);
    reset(fds[1]);
    ck_assert_int_ge(wait_for(5 * CO_SEC), 1);
    ck_assert_uint_eq(reports[fds[0]].mask & both, both);
    ops->unwatch(poller, fds[0]);
    close(fds[0]);

    tcp_make(armed); /* for one direction, too */
    ck_assert_int_eq(ops->arm(poller, armed[0], 1, CO__POLL_IN), 0);
    reset(armed[1]);
    ck_assert_int_eq(wait_for(5 * CO_SEC), 1);
    ck_assert_uint_eq(reports[armed[0]].mask & both, both);
    ops->unwatch(poller, armed[0]);
    close(armed[0]);
}
END_TEST

/* ---- many ---------------------------------------------------------------- */

/* All ready, all the time: each must have its turn. */
START_TEST(none_of_a_thousand_ready_descriptors_starves)
{
    enum {
        MANY = 1000,
    };
    static int fds[MANY][2];
    static int seen[MANY];
    struct rlimit limit;
    int left = MANY;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    memset(seen, 0, sizeof(seen));
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(pipe2(fds[i], O_NONBLOCK | O_CLOEXEC), 0);
        put(fds[i][1]);
        ck_assert_int_eq(await(fds[i][0], (uint32_t)i, CO_BOTH), 0);
    }
    for (int rounds = 0; left > 0; rounds++) {
        ck_assert_int_lt(rounds, 100);
        look();
        for (int i = 0; i < MANY; i++) {
            if (!reports[fds[i][0]].count)
                continue;
            ck_assert_uint_eq(reports[fds[i][0]].gen, (uint32_t)i);
            if (!seen[i]++)
                left--;
            put(fds[i][1]); /* a new edge at once */
            ck_assert_int_eq(await_more(fds[i][0], (uint32_t)i, CO__POLL_IN),
                             0);
        }
    }
    for (int i = 0; i < MANY; i++) {
        ops->unwatch(poller, fds[i][0]);
        pair_close(fds[i]);
    }
}
END_TEST

void add_descriptors(TCase *tc)
{
    tcase_add_test(tc, what_is_ready_already_is_reported);
    tcase_add_test(tc, what_cannot_be_waited_for_says_so);
    tcase_add_test(tc, unwatch_is_harmless);
    tcase_add_test(tc, many_that_were_unwatched_do_not_hide_one_that_is_ready);
    tcase_add_test(tc, a_descriptor_that_was_unwatched_is_closed_for_its_peer);
    tcase_add_test(tc, the_generation_is_carried);
    tcase_add_test(tc, an_armed_descriptor_reports_once);
    tcase_add_test(tc, arming_again_replaces_the_mask);
    tcase_add_test(tc, an_event_of_one_direction_spends_both);
    tcase_add_test(tc, a_reused_number_can_be_armed_again);
    tcase_add_test(tc, the_end_of_the_peers_side_is_readable_and_rdhup);
    tcase_add_test(tc, a_hangup_wakes_both_directions);
    tcase_add_test(tc, a_pipe_without_readers_is_an_error_to_its_writer);
    tcase_add_test(
        tc, a_pipe_that_had_lost_its_readers_already_is_an_error_to_its_writer);
    tcase_add_test(tc, a_reset_wakes_both_directions);
    tcase_add_test(tc, none_of_a_thousand_ready_descriptors_starves);
}
