/* SPDX-License-Identifier: MIT */
/* Queues: the three orders, waiting on both sides, being done, shutting down;
 * and at each wait a cancel and a timeout before and after the wake. */
#include <coppice/queue.h>

#include "base/alloc.h"

#include "support/check_main.h"
#include "support/random.h"
#include "support/tasks.h"
#include "support/virtual_clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static co_queue *make_fifo(size_t max)
{
    co_queue *queue = co_queue_new_fifo(sizeof(int), max);

    ck_assert_ptr_nonnull(queue);
    return queue;
}

static void put(co_queue *queue, int n)
{
    ck_assert_int_eq(co_queue_put(queue, &n), 0);
}

static int get(co_queue *queue)
{
    int n = -1;

    ck_assert_int_eq(co_queue_get(queue, &n), 0);
    return n;
}

/* ---- making -------------------------------------------------------------- */

static int compare_ints(const void *a, const void *b, void *arg)
{
    int x = *(const int *)a, y = *(const int *)b;

    (void)arg;
    return (x > y) - (x < y);
}

static co_queue *make(enum co_queue_kind kind, size_t max)
{
    co_queue_options options = {
        .size = sizeof(options),
        .element_bytes = sizeof(int),
        .max_count = max,
        .kind = kind,
        .compare = kind == CO_PRIORITY ? compare_ints : NULL,
    };
    co_queue *queue = co_queue_new(&options);

    ck_assert_ptr_nonnull(queue);
    return queue;
}

static void check_einval(const co_queue_options *options)
{
    errno = 0;
    ck_assert_ptr_null(co_queue_new(options));
    ck_assert_int_eq(errno, EINVAL);
}

START_TEST(options_out_of_range_are_einval)
{
    co_queue_options options = {.size = sizeof(options), .element_bytes = 4};

    check_einval(NULL);
    options.size--;
    check_einval(&options);
    options.size = sizeof(options);
    options.kind = (enum co_queue_kind)3;
    check_einval(&options);
    options.kind = (enum co_queue_kind) - 1;
    check_einval(&options);
    options.kind = CO_PRIORITY;
    check_einval(&options);
    options.kind = CO_LIFO;
    options.compare = compare_ints;
    check_einval(&options);
    options.compare = NULL;
    options.element_bytes = SIZE_MAX;
    check_einval(&options);
}
END_TEST

START_TEST(null_is_einval_everywhere)
{
    int n = 0;

    ck_assert_int_eq(co_queue_put(NULL, &n), -EINVAL);
    ck_assert_int_eq(co_queue_get(NULL, &n), -EINVAL);
    ck_assert_int_eq(co_queue_try_put(NULL, &n), -EINVAL);
    ck_assert_int_eq(co_queue_try_get(NULL, &n), -EINVAL);
    ck_assert_int_eq(co_queue_task_done(NULL), -EINVAL);
    ck_assert_int_eq(co_queue_join(NULL), -EINVAL);
    ck_assert_int_eq(co_queue_shutdown(NULL, 0), -EINVAL);
    ck_assert_uint_eq(co_queue_count(NULL), 0);
    ck_assert_uint_eq(co_queue_max(NULL), 0);
    ck_assert_int_eq(co_queue_empty(NULL), 1);
    ck_assert_int_eq(co_queue_full(NULL), 0);
    co_queue_free(NULL);
}
END_TEST

CO_TASK_TEST(null_element_is_einval_and_changes_nothing)
{
    co_queue *queue = make_fifo(0);

    ck_assert_int_eq(co_queue_put(queue, NULL), -EINVAL);
    ck_assert_int_eq(co_queue_try_put(queue, NULL), -EINVAL);
    put(queue, 1);
    ck_assert_int_eq(co_queue_get(queue, NULL), -EINVAL);
    ck_assert_int_eq(co_queue_try_get(queue, NULL), -EINVAL);
    ck_assert_uint_eq(co_queue_count(queue), 1);
    co_queue_free(queue);
}

START_TEST(no_memory_for_a_queue_is_enomem)
{
    co__fault_after(1);
    errno = 0;
    ck_assert_ptr_null(co_queue_new_fifo(4, 0));
    ck_assert_int_eq(errno, ENOMEM);
    co__fault_after(0);
}
END_TEST

/* ---- order --------------------------------------------------------------- */

CO_TASK_TEST(first_in_is_first_out)
{
    co_queue *queue = make_fifo(0);

    for (int i = 0; i < 100; i++)
        put(queue, i);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(get(queue), i);
    ck_assert_int_eq(co_queue_empty(queue), 1);
    co_queue_free(queue);
}

CO_TASK_TEST(last_in_is_first_out)
{
    co_queue *queue = make(CO_LIFO, 0);

    for (int i = 0; i < 100; i++)
        put(queue, i);
    for (int i = 99; i >= 0; i--)
        ck_assert_int_eq(get(queue), i);
    co_queue_free(queue);
}

CO_TASK_TEST(the_least_comes_first)
{
    static const int in[] = {5, 3, 9, 1, 1, 7, 0, 9, 2};
    static const int out[] = {0, 1, 1, 2, 3, 5, 7, 9, 9};
    co_queue *queue = make(CO_PRIORITY, 0);

    for (size_t i = 0; i < 9; i++)
        put(queue, in[i]);
    for (size_t i = 0; i < 9; i++)
        ck_assert_int_eq(get(queue), out[i]);
    co_queue_free(queue);
}

static Suite *suite(void)
{
    Suite *s = suite_create("sync.queue");
    TCase *tc = tcase_create("making");

    co_test_check_fds(tc);
    tcase_add_test(tc, options_out_of_range_are_einval);
    tcase_add_test(tc, null_is_einval_everywhere);
    tcase_add_test(tc, null_element_is_einval_and_changes_nothing);
    tcase_add_test(tc, no_memory_for_a_queue_is_enomem);
    suite_add_tcase(s, tc);

    tc = tcase_create("order");
    co_test_check_fds(tc);
    tcase_add_test(tc, first_in_is_first_out);
    tcase_add_test(tc, last_in_is_first_out);
    tcase_add_test(tc, the_least_comes_first);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
