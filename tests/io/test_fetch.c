/* SPDX-License-Identifier: MIT */
/* What is fetched ahead: whatever the numbers are, nothing changes. */
#include "pairs.h"

#include "core/sched.h"

#include <limits.h>

static void expect_all(const int *fds, unsigned count)
{
    for (unsigned n = 0; n <= count; n++)
        co__fds_expect(co_loop_running(), fds, n);
}

CO_TASK_TEST(numbers_that_mean_nothing_are_passed_over)
{
    int fds[CO__EXPECT_MAX];

    for (unsigned i = 0; i < CO__EXPECT_MAX; i++)
        fds[i] = i % 4 == 0   ? -(int)i - 1
                 : i % 4 == 1 ? INT_MAX - (int)i
                              : (int)i;
    expect_all(fds, CO__EXPECT_MAX);
}

PAIR_TEST(who_waits_goes_on_waiting)
{
    struct call reader = {.len = 1};
    int fds[2], twice[CO__EXPECT_MAX];

    make_pair(fds);
    reader.fd = fds[0];
    call_start(&reader, call_read);
    ck_assert(call_waits(&reader));
    for (unsigned i = 0; i < CO__EXPECT_MAX; i++)
        twice[i] = fds[i % 2]; /* the other has nobody in line */
    expect_all(twice, CO__EXPECT_MAX);
    ck_assert(call_waits(&reader));
    ck_assert_int_eq(co_write(fds[1], "x", 1), 1);
    ck_assert_int_eq(call_result(&reader), 1);
    close_pair(fds);
}

/* More at once than are taken from the kernel in one go. */
PAIR_TEST(many_that_are_ready_at_once_all_go_on)
{
    enum {
        MANY = 3 * CO__EXPECT_MAX + 1,
    };
    static struct call reader[MANY];
    static int fds[MANY][2];

    for (int i = 0; i < MANY; i++) {
        make_pair(fds[i]);
        reader[i] = (struct call){.fd = fds[i][0], .len = 1};
        call_start(&reader[i], call_read);
    }
    ck_assert(call_waits(&reader[MANY - 1]));
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(co_write(fds[i][1], "x", 1), 1);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(call_result(&reader[i]), 1);
        close_pair(fds[i]);
    }
}

static Suite *suite(void)
{
    Suite *s = suite_create("io/fetch");
    TCase *tc = tcase_create("fetch");

    co_test_check_fds(tc);
    tcase_add_test(tc, numbers_that_mean_nothing_are_passed_over);
    ADD_PAIR_TEST(tc, who_waits_goes_on_waiting);
    ADD_PAIR_TEST(tc, many_that_are_ready_at_once_all_go_on);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
