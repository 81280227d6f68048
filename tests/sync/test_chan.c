/* SPDX-License-Identifier: MIT */
/* Channels between the tasks of one loop. */
#include "sync/chan.h"

#include <coppice.h>

#include "base/alloc.h"
#include "support/check_main.h"
#include "support/random.h"
#include "support/tasks.h"
#include "support/virtual_clock.h"

#include <string.h>

/* ---- what the tasks of these tests do ------------------------------------ */

struct call {
    co_chan *chan;
    int value; /* sent, or received */
    struct co_test_log *log;
};

static int send_value(void *arg)
{
    struct call *call = arg;

    return co_chan_send(call->chan, &call->value);
}

static int recv_value(void *arg)
{
    struct call *call = arg;

    return co_chan_recv(call->chan, &call->value);
}

static co_chan *chan;

static void make(size_t capacity)
{
    chan = co_chan_new(sizeof(int), capacity);
    ck_assert_ptr_nonnull(chan);
}

/* The channel of the test is freed, and so nobody waits for it. */
static void done(void)
{
    co_chan_free(chan);
    chan = NULL;
}

static int try_send(int value)
{
    return co_chan_try_send(chan, &value);
}

static int must_recv(void)
{
    int value = -1;

    ck_assert_int_eq(co_chan_recv(chan, &value), 1);
    return value;
}

/* ---- making -------------------------------------------------------------- */

START_TEST(new_channel_is_open_and_empty)
{
    make(3);
    ck_assert_uint_eq(co_chan_len(chan), 0);
    ck_assert_uint_eq(co_chan_capacity(chan), 3);
    ck_assert_int_eq(co_chan_closed(chan), 0);
    done();
}
END_TEST

START_TEST(no_memory_or_too_large_is_enomem)
{
    co__fault_after(1);
    errno = 0;
    ck_assert_ptr_null(co_chan_new(8, 8));
    ck_assert_int_eq(errno, ENOMEM);
    co__fault_after(1);
    errno = 0;
    ck_assert_ptr_null(co_chan_new_threadsafe(8, 8));
    ck_assert_int_eq(errno, ENOMEM);
    co__fault_after(0);
    errno = 0;
    ck_assert_ptr_null(co_chan_new(SIZE_MAX / 2, 3));
    ck_assert_int_eq(errno, ENOMEM);
    errno = 0;
    ck_assert_ptr_null(co_chan_new(1, SIZE_MAX));
    ck_assert_int_eq(errno, ENOMEM);
}
END_TEST

START_TEST(null_arguments_are_einval)
{
    int value = 0;

    make(1);
    co_chan_free(NULL);
    ck_assert_int_eq(co_chan_send(NULL, &value), -EINVAL);
    ck_assert_int_eq(co_chan_recv(NULL, &value), -EINVAL);
    ck_assert_int_eq(co_chan_try_send(NULL, &value), -EINVAL);
    ck_assert_int_eq(co_chan_try_recv(NULL, &value), -EINVAL);
    ck_assert_int_eq(co_chan_send(chan, NULL), -EINVAL);
    ck_assert_int_eq(co_chan_recv(chan, NULL), -EINVAL);
    ck_assert_int_eq(co_chan_try_send(chan, NULL), -EINVAL);
    ck_assert_int_eq(co_chan_try_recv(chan, NULL), -EINVAL);
    ck_assert_int_eq(co_chan_close(NULL), -EINVAL);
    ck_assert_uint_eq(co_chan_len(NULL), 0);
    ck_assert_uint_eq(co_chan_capacity(NULL), 0);
    ck_assert_int_eq(co_chan_closed(NULL), 0);
    done();
}
END_TEST

/* ---- unbuffered ---------------------------------------------------------- */

CO_TASK_TEST(sender_waits_for_a_receiver)
{
    struct call call = {.value = 7};
    co_task *task;

    make(0);
    call.chan = chan;
    task = co_test_spawn(send_value, &call);
    co_test_yield();
    ck_assert_uint_eq(co_chan_len(chan), 0);
    ck_assert_int_eq(must_recv(), 7);
    ck_assert_int_eq(co_test_result(task), 0);
    done();
}

CO_TASK_TEST(receiver_waits_for_a_sender)
{
    struct call call = {.value = 0};
    int value = 9;
    co_task *task;

    make(0);
    call.chan = chan;
    task = co_test_spawn(recv_value, &call);
    co_test_yield();
    ck_assert_int_eq(co_chan_send(chan, &value), 0);
    ck_assert_int_eq(call.value, 9);
    ck_assert_int_eq(co_test_result(task), 1);
    done();
}

static Suite *suite(void)
{
    Suite *s = suite_create("chan");
    TCase *tc = tcase_create("making");

    co_test_check_fds(tc);
    tcase_add_test(tc, new_channel_is_open_and_empty);
    tcase_add_test(tc, no_memory_or_too_large_is_enomem);
    tcase_add_test(tc, null_arguments_are_einval);
    suite_add_tcase(s, tc);

    tc = tcase_create("unbuffered");
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, sender_waits_for_a_receiver);
    tcase_add_test(tc, receiver_waits_for_a_sender);
    suite_add_tcase(s, tc);
    (void)try_send;
    return s;
}

CO_TEST_MAIN(suite)
