/* SPDX-License-Identifier: MIT */
/* Waiting for one of several things. */
#include <coppice.h>

#include "base/alloc.h"
#include "support/check_main.h"
#include "support/random.h"
#include "support/tasks.h"
#include "support/virtual_clock.h"

#include <string.h>
#include <unistd.h>

static co_chan *chan[4];

static void make(size_t capacity)
{
    for (int i = 0; i < 4; i++) {
        chan[i] = co_chan_new(sizeof(int), capacity);
        ck_assert_ptr_nonnull(chan[i]);
    }
}

static void done(void)
{
    for (int i = 0; i < 4; i++)
        co_chan_free(chan[i]);
}

/* Send number to channel number / 100. */
static int send_number(void *arg)
{
    int number = (int)(intptr_t)arg;

    return co_chan_send(chan[number / 100], &number);
}

/* A select over receiving from all four; what it returned and received. */
struct four {
    int index, value, result;
};

static int recv_four(void *arg)
{
    struct four *four = arg;
    int value[4] = {-1, -1, -1, -1};
    co_case cases[4];

    for (int i = 0; i < 4; i++)
        cases[i] = CO_CASE_RECV(chan[i], &value[i]);
    four->index = co_select(cases, 4);
    if (four->index < 0)
        return four->index;
    four->value = value[four->index];
    four->result = cases[four->index].result;
    return 0;
}

CO_TASK_TEST(ready_case_happens_without_waiting)
{
    struct four four;
    int value = 5;

    make(1);
    ck_assert_int_eq(co_chan_send(chan[2], &value), 0);
    ck_assert_int_eq(recv_four(&four), 0);
    ck_assert_int_eq(four.index, 2);
    ck_assert_int_eq(four.value, 5);
    ck_assert_int_eq(four.result, 1);
    done();
}

CO_TASK_TEST(select_waits_for_the_first_to_be_ready)
{
    for (int i = 0; i < 4; i++) {
        struct four four;
        co_task *task;

        make(0);
        task = co_test_spawn(recv_four, &four);
        co_test_yield();
        ck_assert_int_eq(send_number(co_test_number(100 * i + 7)), 0);
        ck_assert_int_eq(co_test_result(task), 0);
        ck_assert_int_eq(four.index, i);
        ck_assert_int_eq(four.value, 100 * i + 7);
        ck_assert_int_eq(four.result, 1);
        done();
    }
}

CO_TASK_TEST(one_case_happens_and_no_other)
{
    struct four four;
    co_task *task, *late;

    make(0);
    task = co_test_spawn(recv_four, &four);
    co_test_yield();
    ck_assert_int_eq(send_number(co_test_number(101)), 0);
    late = co_test_spawn(send_number, co_test_number(301));
    co_test_yield();
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(four.index, 1);
    ck_assert_int_eq(recv_four(&four), 0);
    ck_assert_int_eq(four.index, 3);
    ck_assert_int_eq(four.value, 301);
    ck_assert_int_eq(co_test_result(late), 0);
    done();
}

CO_TASK_TEST(times_futures_and_descriptors_end_a_select)
{
    co_future *future = co_future_new();
    int fds[2], value = 0;
    void *pointer = NULL;

    make(0);
    ck_assert_int_eq(pipe(fds), 0);
    for (int round = 0; round < 4; round++) {
        co_case cases[] = {
            CO_CASE_RECV(chan[0], &value),
            CO_CASE_FUTURE(future, &pointer),
            CO_CASE_FD(fds[0], CO_READABLE),
            CO_CASE_AFTER(CO_SEC),
        };
        co_task *task = NULL;
        co_time start = co_now();
        int r;

        if (round == 0)
            task = co_test_spawn(send_number, co_test_number(7));
        if (round == 1)
            ck_assert_int_eq(write(fds[1], "x", 1), 1);
        if (round == 3)
            ck_assert_int_eq(co_future_resolve(future, 3, &value), 0);
        r = co_select(cases, 4);
        if (round == 0) {
            ck_assert_int_eq(r, 0);
            ck_assert_int_eq(value, 7);
            ck_assert_int_eq(co_test_result(task), 0);
        } else if (round == 1) {
            char c;

            ck_assert_int_eq(r, 2);
            ck_assert_int_eq(cases[r].result, CO_READABLE);
            ck_assert_int_eq(read(fds[0], &c, 1), 1);
        } else if (round == 2) {
            ck_assert_int_eq(r, 3);
            ck_assert_int_eq(cases[r].result, 0);
            ck_assert_int_eq(co_now() - start, CO_SEC);
        } else {
            ck_assert_int_eq(r, 1);
            ck_assert_int_eq(cases[r].result, 3);
            ck_assert_ptr_eq(pointer, &value);
        }
    }
    co_future_unref(future);
    ck_assert_int_eq(co_close(fds[0]), 0);
    ck_assert_int_eq(co_close(fds[1]), 0);
    done();
}

static Suite *suite(void)
{
    Suite *s = suite_create("select");
    TCase *tc = tcase_create("select");

    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, ready_case_happens_without_waiting);
    tcase_add_test(tc, select_waits_for_the_first_to_be_ready);
    tcase_add_test(tc, one_case_happens_and_no_other);
    tcase_add_test(tc, times_futures_and_descriptors_end_a_select);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
