/* SPDX-License-Identifier: MIT */
/* Priority queues by co_queue_compare_int64, which are heaps of their own: they
 * do what a compare function of the user's does, whatever the elements' size.
 */
#include <coppice/queue.h>

#include "support/check_main.h"
#include "support/random.h"
#include "support/tasks.h"

#include <errno.h>
#include <string.h>

#define ELEMENT_MAX 48
#define HELD        200

/* An element: its priority, then which one it is, if there is room. */
struct element {
    int64_t priority;
    int64_t number;
    char rest[ELEMENT_MAX - 16];
};

static int compare(const void *a, const void *b, void *arg)
{
    (void)arg;
    return co_queue_compare_int64(a, b, NULL);
}

static co_queue *make(size_t bytes, co_queue_compare by)
{
    co_queue_options options = {.size = sizeof(options),
                                .element_bytes = bytes,
                                .kind = CO_PRIORITY,
                                .compare = by};
    co_queue *queue = co_queue_new(&options);

    ck_assert_ptr_nonnull(queue);
    return queue;
}

START_TEST(less_equal_and_more)
{
    const int64_t least = INT64_MIN, most = INT64_MAX, zero = 0;

    ck_assert_int_lt(co_queue_compare_int64(&least, &most, NULL), 0);
    ck_assert_int_gt(co_queue_compare_int64(&most, &least, NULL), 0);
    ck_assert_int_lt(co_queue_compare_int64(&least, &zero, NULL), 0);
    ck_assert_int_eq(co_queue_compare_int64(&zero, &zero, NULL), 0);
}
END_TEST

START_TEST(elements_without_room_for_it_are_einval)
{
    co_queue_options options = {.size = sizeof(options),
                                .element_bytes = 7,
                                .kind = CO_PRIORITY,
                                .compare = co_queue_compare_int64};

    errno = 0;
    ck_assert_ptr_null(co_queue_new(&options));
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

/* Random puts and gets give the same from both. */
static void agree(size_t bytes, uint32_t priorities)
{
    struct co_test_random random = {bytes + priorities};
    co_queue *ours = make(bytes, co_queue_compare_int64);
    co_queue *model = make(bytes, compare);
    struct element a, b;

    for (int i = 0; i < co_test_crawl(20000, 1000); i++) {
        size_t count = co_queue_count(model);

        if (count < HELD && (!count || co_test_random_below(&random, 2))) {
            memset(&a, i & 127, sizeof(a));
            a.priority = (int64_t)co_test_random_below(&random, priorities) -
                         priorities / 2;
            a.number = i;
            ck_assert_int_eq(co_queue_put(ours, &a), 0);
            ck_assert_int_eq(co_queue_put(model, &a), 0);
            continue;
        }
        ck_assert_int_eq(co_queue_get(ours, &a), 0);
        ck_assert_int_eq(co_queue_get(model, &b), 0);
        ck_assert_mem_eq(&a, &b, bytes);
    }
    co_queue_free(ours);
    co_queue_free(model);
}

CO_TASK_TEST(any_order_agrees_with_a_compare_function)
{
    for (size_t bytes = 8; bytes <= ELEMENT_MAX; bytes += 4)
        agree(bytes, 1u << 20);
}

CO_TASK_TEST(equal_ones_agree_with_a_compare_function)
{
    for (size_t bytes = 8; bytes <= ELEMENT_MAX; bytes += 4)
        agree(bytes, 3);
}

CO_TASK_TEST(equal_ones_come_first_in_first_out)
{
    co_queue *queue = make(16, co_queue_compare_int64);
    struct element element = {.priority = -1};

    for (int i = 0; i < HELD; i++) {
        element.number = i;
        ck_assert_int_eq(co_queue_put(queue, &element), 0);
    }
    for (int i = 0; i < HELD; i++) {
        ck_assert_int_eq(co_queue_get(queue, &element), 0);
        ck_assert_int_eq(element.number, i);
    }
    co_queue_free(queue);
}

static Suite *suite(void)
{
    Suite *s = suite_create("sync.queue_int64");
    TCase *tc = tcase_create("by int64");

    co_test_check_fds(tc);
    tcase_add_test(tc, less_equal_and_more);
    tcase_add_test(tc, elements_without_room_for_it_are_einval);
    tcase_add_test(tc, any_order_agrees_with_a_compare_function);
    tcase_add_test(tc, equal_ones_agree_with_a_compare_function);
    tcase_add_test(tc, equal_ones_come_first_in_first_out);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
