/* SPDX-License-Identifier: MIT */
/* Queues: the three orders, waiting on both sides, being done, shutting down;
 * and at each wait a cancel and a timeout before and after the wake. */
#include <coppice/queue.h>

#include "base/alloc.h"
#include "core/sched.h"

#include "support/check_main.h"
#include "support/dies.h"
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

struct job {
    int priority;
    int number;
    long double aligned; /* and so it has to be in the queue */
};

static int compare_jobs(const void *a, const void *b, void *arg)
{
    ck_assert_uint_eq((uintptr_t)a % _Alignof(struct job), 0);
    ck_assert_uint_eq((uintptr_t)b % _Alignof(struct job), 0);
    return compare_ints(a, b, arg); /* their first members */
}

CO_TASK_TEST(equal_priorities_come_in_the_order_they_were_put)
{
    co_queue_options options = {
        .size = sizeof(options),
        .element_bytes = sizeof(struct job),
        .kind = CO_PRIORITY,
        .compare = compare_jobs,
    };
    co_queue *queue = co_queue_new(&options);
    struct co_test_random random = {7};
    struct job job, last = {-1, -1, 0};

    ck_assert_ptr_nonnull(queue);
    for (int i = 0; i < 1000; i++) {
        job = (struct job){(int)co_test_random_below(&random, 5), i, i};
        ck_assert_int_eq(co_queue_put(queue, &job), 0);
    }
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(co_queue_get(queue, &job), 0);
        ck_assert(job.priority > last.priority ||
                  (job.priority == last.priority && job.number > last.number));
        ck_assert_int_eq((int)job.aligned, job.number);
        last = job;
    }
    co_queue_free(queue);
}

static int count_calls(const void *a, const void *b, void *arg)
{
    ++*(int *)arg;
    ck_assert_uint_eq((uintptr_t)a % 8, 0);
    ck_assert_uint_eq((uintptr_t)b % 8, 0);
    return compare_ints(a, b, NULL);
}

CO_TASK_TEST(compare_gets_its_argument_and_aligned_elements)
{
    int calls = 0, n;
    co_queue_options options = {
        .size = sizeof(options),
        .element_bytes = 12,
        .kind = CO_PRIORITY,
        .compare = count_calls,
        .compare_arg = &calls,
    };
    co_queue *queue = co_queue_new(&options);
    _Alignas(8) int element[3] = {0};

    for (n = 20; n > 0; n--) {
        element[0] = n;
        ck_assert_int_eq(co_queue_put(queue, element), 0);
    }
    for (n = 1; n <= 20; n++) {
        ck_assert_int_eq(co_queue_get(queue, element), 0);
        ck_assert_int_eq(element[0], n);
    }
    ck_assert_int_gt(calls, 20);
    co_queue_free(queue);
}

/* Every kind against an array in which everything is looked for. */
struct model {
    int value[256];
    int count;
};

static int model_take(struct model *model, enum co_queue_kind kind)
{
    int at = kind == CO_LIFO ? model->count - 1 : 0, value;

    for (int i = 1; kind == CO_PRIORITY && i < model->count; i++)
        if (model->value[i] / 8 < model->value[at] / 8)
            at = i;
    value = model->value[at];
    model->count--;
    memmove(&model->value[at], &model->value[at + 1],
            (size_t)(model->count - at) * sizeof(int));
    return value;
}

static int compare_eighths(const void *a, const void *b, void *arg)
{
    (void)arg;
    return *(const int *)a / 8 - *(const int *)b / 8;
}

START_TEST(random_programs_agree_with_a_simple_model)
{
    enum co_queue_kind kind = (enum co_queue_kind)_i;
    struct co_test_random random = {(uint64_t)(11 + _i)};
    co_queue_options options = {
        .size = sizeof(options),
        .element_bytes = sizeof(int),
        .max_count = 200,
        .kind = kind,
        .compare = kind == CO_PRIORITY ? compare_eighths : NULL,
    };
    co_queue *queue = co_queue_new(&options);
    struct model model = {.count = 0};
    int value;

    for (int step = 0; step < co_test_scale(100000, 20000); step++) {
        /* Waves, so that it is often full, often empty. */
        int filling = step / 300 % 2;

        if (co_test_random_below(&random, 10) < (filling ? 7u : 3u)) {
            value = (int)co_test_random_below(&random, 400);
            if (model.count == 200) {
                ck_assert_int_eq(co_queue_try_put(queue, &value), -EAGAIN);
                continue;
            }
            ck_assert_int_eq(co_queue_try_put(queue, &value), 0);
            model.value[model.count++] = value;
        } else if (!model.count) {
            ck_assert_int_eq(co_queue_try_get(queue, &value), -EAGAIN);
        } else {
            ck_assert_int_eq(co_queue_try_get(queue, &value), 0);
            ck_assert_int_eq(value, model_take(&model, kind));
        }
        ck_assert_uint_eq(co_queue_count(queue), (size_t)model.count);
        ck_assert_int_eq(co_queue_empty(queue), !model.count);
        ck_assert_int_eq(co_queue_full(queue), model.count == 200);
    }
    co_queue_free(queue);
}
END_TEST

CO_TASK_TEST(elements_of_any_size_arrive_whole)
{
    static const size_t sizes[] = {1, 2, 3, 4, 7, 8, 9, 16, 100, 1000};
    unsigned char in[1000], out[1000];

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        co_queue *queue = co_queue_new_fifo(sizes[i], 0);

        for (int n = 0; n < 20; n++) {
            memset(in, n + 1, sizeof(in));
            ck_assert_int_eq(co_queue_put(queue, in), 0);
        }
        for (int n = 0; n < 20; n++) {
            memset(in, n + 1, sizes[i]);
            memset(out, 0, sizeof(out));
            ck_assert_int_eq(co_queue_get(queue, out), 0);
            ck_assert_int_eq(memcmp(in, out, sizes[i]), 0);
            if (sizes[i] < sizeof(out))
                ck_assert_uint_eq(out[sizes[i]], 0);
        }
        co_queue_free(queue);
    }
}

CO_TASK_TEST(elements_of_no_bytes_are_counted)
{
    co_queue *queue = co_queue_new_fifo(0, 2);

    ck_assert_int_eq(co_queue_put(queue, NULL), 0);
    ck_assert_int_eq(co_queue_put(queue, NULL), 0);
    ck_assert_int_eq(co_queue_try_put(queue, NULL), -EAGAIN);
    ck_assert_int_eq(co_queue_get(queue, NULL), 0);
    ck_assert_uint_eq(co_queue_count(queue), 1);
    co_queue_free(queue);
}

CO_TASK_TEST(limit_is_kept_and_told)
{
    co_queue *queue = make_fifo(2);
    int n = 0;

    ck_assert_uint_eq(co_queue_max(queue), 2);
    ck_assert_int_eq(co_queue_full(queue), 0);
    put(queue, 1);
    put(queue, 2);
    ck_assert_int_eq(co_queue_full(queue), 1);
    ck_assert_int_eq(co_queue_try_put(queue, &n), -EAGAIN);
    ck_assert_int_eq(get(queue), 1);
    ck_assert_int_eq(co_queue_full(queue), 0);
    co_queue_free(queue);
    queue = make_fifo(0);
    ck_assert_uint_eq(co_queue_max(queue), 0);
    for (int i = 0; i < 10000; i++)
        put(queue, i);
    ck_assert_int_eq(co_queue_full(queue), 0);
    co_queue_free(queue);
}

/* ---- memory -------------------------------------------------------------- */

static void check_steady(enum co_queue_kind kind)
{
    co_queue *queue = make(kind, 0);

    for (int i = 0; i < 100; i++)
        put(queue, i);
    co__fault_after(0);
    for (int i = 0; i < 1000; i++) {
        put(queue, i);
        get(queue);
    }
    ck_assert_uint_eq(co__fault_after(0), 0);
    co_queue_free(queue);
}

CO_TASK_TEST(steady_state_allocates_nothing)
{
    check_steady(CO_FIFO);
    check_steady(CO_LIFO);
    check_steady(CO_PRIORITY);
}

CO_TASK_TEST(no_memory_to_grow_is_enomem_and_loses_nothing)
{
    for (int kind = CO_FIFO; kind <= CO_PRIORITY; kind++) {
        co_queue *queue = make((enum co_queue_kind)kind, 0);
        int expected = 0, n = 0, failed = 0;

        for (int i = 0; i < 100; i++) {
            co__fault_after(1);
            if (co_queue_put(queue, &i) == -ENOMEM) {
                failed++;
                ck_assert_uint_eq(co_queue_count(queue), (size_t)i);
                co__fault_after(0);
                put(queue, i);
            }
        }
        co__fault_after(0);
        ck_assert_int_eq(failed, 5); /* 8, 16, ... 128 */
        for (int i = 0; i < 100; i++) {
            expected = kind == CO_LIFO ? 99 - i : i;
            n = get(queue);
            ck_assert_int_eq(n, expected);
            ck_assert_int_eq(co_queue_task_done(queue), 0);
        }
        ck_assert_int_eq(co_queue_join(queue), 0);
        co_queue_free(queue);
    }
}

CO_TASK_TEST(ring_that_has_wrapped_grows_in_order)
{
    co_queue *queue = make_fifo(0);
    int next_in = 0, next_out = 0;

    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < round + 3; i++)
            put(queue, next_in++);
        for (int i = 0; i < round; i++)
            ck_assert_int_eq(get(queue), next_out++);
    }
    while (next_out < next_in)
        ck_assert_int_eq(get(queue), next_out++);
    co_queue_free(queue);
}

/* ---- waiting ------------------------------------------------------------- */

/* What a task does, and what came of it. */
struct call {
    co_queue *queue;
    co_time limit; /* 0: none */
    struct co_test_log *log;
    int value;
    int expired;
};

static int limited(struct call *call, int (*fn)(struct call *call))
{
    co_scope scope = {0};
    int r = -1;

    if (!call->limit) {
        r = fn(call);
    } else {
        co_timeout_in(&scope, call->limit)
            r = fn(call);
    }
    call->expired = co_scope_expired(&scope);
    if (call->log)
        co_test_log_add(call->log, (char)('a' + call->value));
    return r;
}

static int put_it(struct call *call)
{
    return co_queue_put(call->queue, &call->value);
}

static int get_it(struct call *call)
{
    return co_queue_get(call->queue, &call->value);
}

static int join_it(struct call *call)
{
    return co_queue_join(call->queue);
}

static int putter(void *call)
{
    return limited(call, put_it);
}

static int getter(void *call)
{
    return limited(call, get_it);
}

static int joiner(void *call)
{
    return limited(call, join_it);
}

CO_TASK_TEST(getters_are_served_in_the_order_they_came)
{
    co_queue *queue = make_fifo(0);
    struct call call[5];
    co_task *task[5];

    for (int i = 0; i < 5; i++) {
        call[i] = (struct call){.queue = queue, .value = -1};
        task[i] = co_test_spawn(getter, &call[i]);
    }
    co_test_yield();
    for (int i = 0; i < 5; i++)
        put(queue, i);
    ck_assert_uint_eq(co_queue_count(queue), 0);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(co_test_result(task[i]), 0);
        ck_assert_int_eq(call[i].value, i);
    }
    co_queue_free(queue);
}

CO_TASK_TEST(putters_are_let_in_in_the_order_they_came)
{
    co_queue *queue = make_fifo(1);
    struct call call[5];
    co_task *task[5];

    put(queue, 0);
    for (int i = 0; i < 5; i++) {
        call[i] = (struct call){.queue = queue, .value = i + 1};
        task[i] = co_test_spawn(putter, &call[i]);
    }
    co_test_yield();
    for (int i = 0; i < 6; i++) {
        ck_assert_uint_eq(co_queue_count(queue), 1);
        ck_assert_int_eq(get(queue), i);
    }
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(co_test_result(task[i]), 0);
    ck_assert_int_eq(co_queue_empty(queue), 1);
    co_queue_free(queue);
}

CO_TASK_TEST(newcomer_does_not_overtake_who_waits)
{
    co_queue *queue = make_fifo(1);
    struct call call = {.queue = queue, .value = 2};
    co_task *task;
    int n = 3;

    put(queue, 1);
    task = co_test_spawn(putter, &call);
    co_test_yield();
    ck_assert_int_eq(get(queue), 1);
    /* The room that there is is the waiter's, who has not run yet. */
    ck_assert_int_eq(co_queue_try_put(queue, &n), -EAGAIN);
    ck_assert_int_eq(get(queue), 2);
    ck_assert_int_eq(co_test_result(task), 0);
    /* And the other way: what was put is the waiting getter's. */
    task = co_test_spawn(getter, &call);
    co_test_yield();
    put(queue, 4);
    ck_assert_int_eq(co_queue_try_get(queue, &n), -EAGAIN);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(call.value, 4);
    co_queue_free(queue);
}

CO_TASK_TEST(element_of_a_waiting_putter_takes_its_place_by_priority)
{
    co_queue *queue = make(CO_PRIORITY, 2);
    struct call call = {.queue = queue, .value = 1};
    co_task *task;

    put(queue, 5);
    put(queue, 7);
    task = co_test_spawn(putter, &call);
    co_test_yield();
    ck_assert_int_eq(get(queue), 5);
    ck_assert_int_eq(get(queue), 1);
    ck_assert_int_eq(get(queue), 7);
    ck_assert_int_eq(co_test_result(task), 0);
    co_queue_free(queue);
}

CO_TASK_TEST(pending_cancel_tries_nothing)
{
    co_queue *queue = make_fifo(0);
    int n = 5;

    put(queue, 1);
    ck_assert_int_eq(co_cancel(co_self()), 1);
    ck_assert_int_eq(co_queue_put(queue, &n), -ECANCELED);
    ck_assert_int_eq(co_queue_get(queue, &n), -ECANCELED);
    ck_assert_int_eq(co_queue_join(queue), -ECANCELED);
    ck_assert_int_eq(co_queue_try_put(queue, &n), 0);
    ck_assert_int_eq(co_uncancel(co_self()), 0);
    ck_assert_uint_eq(co_queue_count(queue), 2);
    co_timeout(0) {
        ck_assert_int_eq(co_queue_put(queue, &n), -ETIMEDOUT);
        ck_assert_int_eq(co_queue_get(queue, &n), -ETIMEDOUT);
        ck_assert_int_eq(co_queue_join(queue), -ETIMEDOUT);
    }
    ck_assert_uint_eq(co_queue_count(queue), 2);
    co_queue_free(queue);
}

/* ---- a wait that ends in two ways at once -------------------------------- */

/*
 * A task waits to get, to put or to join, is woken, and is cancelled or runs
 * out of time, in the same turn, in either order.
 */
enum waiting {
    GET,
    PUT,
    JOIN
};
enum limit {
    CANCEL,
    TIMEOUT
};

static struct call first, second;
static co_task *first_task, *second_task;

static void wake(enum waiting wait)
{
    if (wait == GET)
        put(first.queue, 7);
    else if (wait == PUT)
        ck_assert_int_eq(get(first.queue), 1);
    else
        ck_assert_int_eq(co_queue_task_done(first.queue), 0);
}

/* Two tasks are to wait for the same. They have not run yet. */
static void begin_two(enum co_queue_kind kind, enum waiting wait,
                      enum limit limit)
{
    static const co_task_fn fns[] = {getter, putter, joiner};
    co_queue *queue = make(kind, 1);

    if (wait != GET)
        put(queue, 1);
    if (wait == JOIN)
        ck_assert_int_eq(get(queue), 1);
    first = (struct call){.queue = queue, .value = 2};
    second = (struct call){.queue = queue, .value = 3};
    if (limit == TIMEOUT)
        first.limit = CO_SEC;
    first_task = co_test_spawn(fns[wait], &first);
    second_task = co_test_spawn(fns[wait], &second);
}

static void wake_comes_first_in(enum co_queue_kind kind, enum waiting wait,
                                enum limit limit)
{
    begin_two(kind, wait, limit);
    co_test_yield();
    wake(wait);
    if (limit == CANCEL)
        ck_assert_int_eq(co_cancel(first_task), 1);
    else
        co_test_clock_pass(2 * CO_SEC);
    ck_assert_int_eq(co_test_result(first_task), 0);
    ck_assert_int_eq(first.expired, 0);
    if (wait == GET) {
        ck_assert_int_eq(first.value, 7);
        put(second.queue, 8);
        ck_assert_int_eq(co_test_result(second_task), 0);
        ck_assert_int_eq(second.value, 8);
    } else if (wait == PUT) {
        ck_assert_int_eq(get(first.queue), 2);
        ck_assert_int_eq(get(first.queue), 3);
        ck_assert_int_eq(co_test_result(second_task), 0);
    } else {
        ck_assert_int_eq(co_test_result(second_task), 0);
    }
    ck_assert_uint_eq(co_queue_count(first.queue), 0);
    co_queue_free(first.queue);
}

static void wake_comes_first(enum waiting wait, enum limit limit)
{
    for (int kind = CO_FIFO; kind <= CO_PRIORITY; kind++)
        wake_comes_first_in((enum co_queue_kind)kind, wait, limit);
}

static void limit_comes_first_in(enum co_queue_kind kind, enum waiting wait,
                                 enum limit limit)
{
    begin_two(kind, wait, limit);
    if (limit == CANCEL) {
        co_test_yield();
        ck_assert_int_eq(co_cancel(first_task), 1);
    } else {
        /* Its timer is armed after this one, for the same time. */
        ck_assert_int_eq(co_sleep(CO_SEC), 0);
    }
    wake(wait);
    ck_assert_int_eq(co_test_result(first_task),
                     limit == CANCEL ? -ECANCELED : -ETIMEDOUT);
    ck_assert_int_eq(first.expired, limit == TIMEOUT);
    ck_assert_int_eq(first.value, 2);
    ck_assert_int_eq(co_test_result(second_task), 0);
    if (wait == GET)
        ck_assert_int_eq(second.value, 7);
    else if (wait == PUT)
        ck_assert_int_eq(get(first.queue), 3);
    ck_assert_uint_eq(co_queue_count(first.queue), 0);
    co_queue_free(first.queue);
}

static void limit_comes_first(enum waiting wait, enum limit limit)
{
    for (int kind = CO_FIFO; kind <= CO_PRIORITY; kind++)
        limit_comes_first_in((enum co_queue_kind)kind, wait, limit);
}

CO_TASK_TEST(element_got_before_a_cancel_is_kept)
{
    wake_comes_first(GET, CANCEL);
}

CO_TASK_TEST(element_got_before_a_timeout_is_kept)
{
    wake_comes_first(GET, TIMEOUT);
}

CO_TASK_TEST(element_let_in_before_a_cancel_stays)
{
    wake_comes_first(PUT, CANCEL);
}

CO_TASK_TEST(element_let_in_before_a_timeout_stays)
{
    wake_comes_first(PUT, TIMEOUT);
}

CO_TASK_TEST(join_that_ended_before_a_cancel_is_0)
{
    wake_comes_first(JOIN, CANCEL);
}

CO_TASK_TEST(join_that_ended_before_a_timeout_is_0)
{
    wake_comes_first(JOIN, TIMEOUT);
}

CO_TASK_TEST(cancelled_getter_takes_nothing_and_the_next_gets_it)
{
    limit_comes_first(GET, CANCEL);
}

CO_TASK_TEST(late_getter_takes_nothing_and_the_next_gets_it)
{
    limit_comes_first(GET, TIMEOUT);
}

CO_TASK_TEST(cancelled_putter_puts_nothing_and_the_next_is_let_in)
{
    limit_comes_first(PUT, CANCEL);
}

CO_TASK_TEST(late_putter_puts_nothing_and_the_next_is_let_in)
{
    limit_comes_first(PUT, TIMEOUT);
}

CO_TASK_TEST(cancelled_joiner_fails_and_the_next_does_not)
{
    limit_comes_first(JOIN, CANCEL);
}

CO_TASK_TEST(late_joiner_fails_and_the_next_does_not)
{
    limit_comes_first(JOIN, TIMEOUT);
}

/* asyncio's get_cancel_drop_many_pending_readers. */
CO_TASK_TEST(cancelled_getters_in_the_middle_are_passed_over)
{
    co_queue *queue = make_fifo(0);
    struct call call[6];
    co_task *task[6];
    int n = 10;

    for (int i = 0; i < 6; i++) {
        call[i] = (struct call){.queue = queue, .value = -1};
        task[i] = co_test_spawn(getter, &call[i]);
    }
    co_test_yield();
    for (int i = 0; i < 6; i += 2)
        ck_assert_int_eq(co_cancel(task[i]), 1);
    for (int i = 1; i < 6; i += 2)
        put(queue, n++);
    put(queue, n);
    n = 10;
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(co_test_result(task[i]), i % 2 ? 0 : -ECANCELED);
        if (i % 2)
            ck_assert_int_eq(call[i].value, n++);
    }
    ck_assert_int_eq(get(queue), n);
    co_queue_free(queue);
}

/* ---- being done ---------------------------------------------------------- */

CO_TASK_TEST(join_of_a_new_queue_is_over_at_once)
{
    co_queue *queue = make_fifo(0);

    ck_assert_int_eq(co_queue_join(queue), 0);
    co_queue_free(queue);
}

CO_TASK_TEST(done_once_too_often_is_einval)
{
    co_queue *queue = make_fifo(0);

    ck_assert_int_eq(co_queue_task_done(queue), -EINVAL);
    put(queue, 1);
    /* Nobody can be done with what nobody has taken. */
    ck_assert_int_eq(co_queue_task_done(queue), -EINVAL);
    get(queue);
    ck_assert_int_eq(co_queue_task_done(queue), 0);
    ck_assert_int_eq(co_queue_task_done(queue), -EINVAL);
    co_queue_free(queue);
}

static int worker(void *arg)
{
    struct call *call = arg;
    int n;

    while (co_queue_get(call->queue, &n) == 0) {
        ck_assert_int_eq(co_sleep((n % 7) * CO_MS), 0);
        call->value += n;
        ck_assert_int_eq(co_queue_task_done(call->queue), 0);
    }
    return 0;
}

/* asyncio's test_task_done. */
CO_TASK_TEST(join_waits_until_the_workers_are_done)
{
    for (int kind = CO_FIFO; kind <= CO_PRIORITY; kind++) {
        co_queue *queue = make((enum co_queue_kind)kind, 0);
        struct call call[2] = {{.queue = queue}, {.queue = queue}};
        co_task *task[2];

        for (int i = 0; i < 100; i++)
            put(queue, i);
        for (int i = 0; i < 2; i++)
            task[i] = co_test_spawn(worker, &call[i]);
        ck_assert_int_eq(co_queue_join(queue), 0);
        ck_assert_int_eq(call[0].value + call[1].value, 99 * 100 / 2);
        ck_assert_int_eq(co_queue_shutdown(queue, 0), 0);
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(co_test_result(task[i]), 0);
        co_queue_free(queue);
    }
}

CO_TASK_TEST(what_went_from_hand_to_hand_has_to_be_done_too)
{
    co_queue *queue = make_fifo(0);
    struct call get_call = {.queue = queue}, join_call = {.queue = queue};
    co_task *gets = co_test_spawn(getter, &get_call), *joins;

    co_test_yield();
    put(queue, 1);
    ck_assert_int_eq(co_test_result(gets), 0);
    joins = co_test_spawn(joiner, &join_call);
    co_test_yield();
    ck_assert_int_eq(co_detach(joins), 0);
    ck_assert_int_eq(co_queue_task_done(queue), 0);
    co_test_yield();
    ck_assert_int_eq(co_queue_join(queue), 0);
    co_queue_free(queue);
}

CO_TASK_TEST(join_counts_what_putters_wait_with_when_it_is_let_in)
{
    co_queue *queue = make_fifo(1);
    struct call put_call = {.queue = queue, .value = 2};
    co_task *puts;

    put(queue, 1);
    puts = co_test_spawn(putter, &put_call);
    co_test_yield();
    ck_assert_int_eq(get(queue), 1);
    ck_assert_int_eq(co_queue_task_done(queue), 0);
    ck_assert_int_eq(co_queue_task_done(queue), -EINVAL);
    co_timeout(CO_SEC)
        ck_assert_int_eq(co_queue_join(queue), -ETIMEDOUT);
    ck_assert_int_eq(get(queue), 2);
    ck_assert_int_eq(co_queue_task_done(queue), 0);
    ck_assert_int_eq(co_queue_join(queue), 0);
    ck_assert_int_eq(co_test_result(puts), 0);
    co_queue_free(queue);
}

/* ---- shutting down ------------------------------------------------------- */

static void check_shut(co_queue *queue)
{
    int n = 0;

    ck_assert_int_eq(co_queue_put(queue, &n), -ESHUTDOWN);
    ck_assert_int_eq(co_queue_try_put(queue, &n), -ESHUTDOWN);
    ck_assert_int_eq(co_queue_get(queue, &n), -ESHUTDOWN);
    ck_assert_int_eq(co_queue_try_get(queue, &n), -ESHUTDOWN);
}

CO_TASK_TEST(empty_queue_that_is_shut_down_fails_at_once)
{
    for (int immediate = 0; immediate < 2; immediate++) {
        co_queue *queue = make_fifo(0);

        ck_assert_int_eq(co_queue_shutdown(queue, immediate), 0);
        check_shut(queue);
        ck_assert_int_eq(co_queue_join(queue), 0);
        ck_assert_int_eq(co_queue_shutdown(queue, 1), 0);
        ck_assert_int_eq(co_queue_shutdown(queue, 0), 0);
        co_queue_free(queue);
    }
}

CO_TASK_TEST(what_was_in_comes_out_after_a_shutdown)
{
    co_queue *queue = make_fifo(0);
    int n = 3;

    put(queue, 1);
    put(queue, 2);
    ck_assert_int_eq(co_queue_shutdown(queue, 0), 0);
    ck_assert_int_eq(co_queue_put(queue, &n), -ESHUTDOWN);
    ck_assert_int_eq(get(queue), 1);
    ck_assert_int_eq(co_queue_try_get(queue, &n), 0);
    ck_assert_int_eq(n, 2);
    check_shut(queue);
    ck_assert_int_eq(co_queue_task_done(queue), 0);
    ck_assert_int_eq(co_queue_task_done(queue), 0);
    ck_assert_int_eq(co_queue_join(queue), 0);
    co_queue_free(queue);
}

CO_TASK_TEST(immediate_shutdown_drops_what_is_in_and_counts_it_as_done)
{
    for (int kind = CO_FIFO; kind <= CO_PRIORITY; kind++) {
        co_queue *queue = make((enum co_queue_kind)kind, 0);
        struct call call = {.queue = queue};
        co_task *joins;

        for (int i = 0; i < 20; i++)
            put(queue, i);
        joins = co_test_spawn(joiner, &call);
        co_test_yield();
        ck_assert_int_eq(co_queue_shutdown(queue, 1), 0);
        ck_assert_uint_eq(co_queue_count(queue), 0);
        ck_assert_int_eq(co_test_result(joins), 0);
        check_shut(queue);
        ck_assert_int_eq(co_queue_task_done(queue), -EINVAL);
        co_queue_free(queue);
    }
}

/* asyncio's test_shutdown_immediate_with_unfinished. */
CO_TASK_TEST(join_waits_after_an_immediate_shutdown_for_what_was_taken)
{
    co_queue *queue = make_fifo(0);
    struct call call = {.queue = queue, .limit = CO_SEC};
    co_task *joins;

    put(queue, 1);
    put(queue, 2);
    get(queue);
    joins = co_test_spawn(joiner, &call);
    co_test_yield();
    ck_assert_int_eq(co_queue_shutdown(queue, 1), 0);
    ck_assert_int_eq(co_test_result(joins), -ETIMEDOUT);
    ck_assert_int_eq(co_queue_task_done(queue), 0);
    ck_assert_int_eq(co_queue_join(queue), 0);
    co_queue_free(queue);
}

CO_TASK_TEST(shutdown_wakes_waiting_getters)
{
    for (int immediate = 0; immediate < 2; immediate++) {
        co_queue *queue = make_fifo(0);
        struct call call[2] = {{.queue = queue, .value = 5},
                               {.queue = queue, .value = 6}};
        co_task *task[2];

        for (int i = 0; i < 2; i++)
            task[i] = co_test_spawn(getter, &call[i]);
        co_test_yield();
        ck_assert_int_eq(co_queue_shutdown(queue, immediate), 0);
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(co_test_result(task[i]), -ESHUTDOWN);
        ck_assert_int_eq(call[0].value, 5);
        co_queue_free(queue);
    }
}

CO_TASK_TEST(shutdown_wakes_waiting_putters_whose_elements_stay_out)
{
    for (int immediate = 0; immediate < 2; immediate++) {
        co_queue *queue = make_fifo(1);
        struct call call[2] = {{.queue = queue, .value = 5},
                               {.queue = queue, .value = 6}};
        co_task *task[2];

        put(queue, 1);
        for (int i = 0; i < 2; i++)
            task[i] = co_test_spawn(putter, &call[i]);
        co_test_yield();
        ck_assert_int_eq(co_queue_shutdown(queue, immediate), 0);
        if (!immediate)
            ck_assert_int_eq(get(queue), 1);
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(co_test_result(task[i]), -ESHUTDOWN);
        check_shut(queue);
        co_queue_free(queue);
    }
}

CO_TASK_TEST(element_got_before_a_shutdown_is_kept)
{
    co_queue *queue = make_fifo(0);
    struct call call = {.queue = queue};
    co_task *task = co_test_spawn(getter, &call);

    co_test_yield();
    put(queue, 7);
    ck_assert_int_eq(co_queue_shutdown(queue, 1), 0);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(call.value, 7);
    ck_assert_int_eq(co_queue_task_done(queue), 0);
    co_queue_free(queue);
}

CO_TASK_TEST(drained_and_then_dropped)
{
    co_queue *queue = make_fifo(0);

    put(queue, 1);
    put(queue, 2);
    ck_assert_int_eq(co_queue_shutdown(queue, 0), 0);
    ck_assert_int_eq(get(queue), 1);
    ck_assert_int_eq(co_queue_shutdown(queue, 1), 0);
    check_shut(queue);
    ck_assert_int_eq(co_queue_task_done(queue), 0);
    ck_assert_int_eq(co_queue_join(queue), 0);
    co_queue_free(queue);
}

/* ---- outside tasks, in callbacks, in other loops ------------------------- */

START_TEST(outside_a_task_works_what_need_not_wait)
{
    co_queue *queue = make_fifo(1);
    int n = 1;

    ck_assert_int_eq(co_queue_get(queue, &n), -EPERM);
    ck_assert_int_eq(co_queue_put(queue, &n), 0);
    ck_assert_int_eq(co_queue_put(queue, &n), -EPERM);
    ck_assert_int_eq(co_queue_join(queue), -EPERM);
    n = 0;
    ck_assert_int_eq(co_queue_get(queue, &n), 0);
    ck_assert_int_eq(n, 1);
    ck_assert_int_eq(co_queue_task_done(queue), 0);
    ck_assert_int_eq(co_queue_join(queue), 0);
    co_timeout(0)
        ck_assert_int_eq(co_queue_put(queue, &n), -ETIMEDOUT);
    co_queue_free(queue);
}
END_TEST

static int in_callback_seen;

static void in_callback(void *arg)
{
    co_queue *queue = arg;
    int n = 4;

    ck_assert_int_eq(co_queue_get(queue, &n), -EPERM);
    ck_assert_int_eq(co_queue_put(queue, &n), 0);
    ck_assert_int_eq(co_queue_put(queue, &n), -EPERM);
    ck_assert_int_eq(co_queue_join(queue), -EPERM);
    ck_assert_int_eq(co_queue_get(queue, &n), 0);
    ck_assert_int_eq(co_queue_task_done(queue), 0);
    in_callback_seen = 1;
}

CO_TASK_TEST(loop_callback_works_what_need_not_wait)
{
    co_queue *queue = make_fifo(1);
    co_call call = {.fn = in_callback, .arg = queue};

    in_callback_seen = 0;
    ck_assert_int_eq(co_call_soon_threadsafe(co_loop_running(), &call), 0);
    while (!in_callback_seen)
        co_test_yield();
    co_queue_free(queue);
}

static int use_elsewhere(void *arg)
{
    co_queue *queue = arg;
    int n = 0;

    ck_assert_int_eq(co_queue_put(queue, &n), -EPERM);
    ck_assert_int_eq(co_queue_get(queue, &n), -EPERM);
    ck_assert_int_eq(co_queue_try_put(queue, &n), -EPERM);
    ck_assert_int_eq(co_queue_try_get(queue, &n), -EPERM);
    ck_assert_int_eq(co_queue_task_done(queue), -EPERM);
    ck_assert_int_eq(co_queue_join(queue), -EPERM);
    ck_assert_int_eq(co_queue_shutdown(queue, 0), -EPERM);
    return 0;
}

static void *other_thread(void *queue)
{
    use_elsewhere(queue);
    ck_assert_int_eq(co_run(use_elsewhere, queue), 0);
    return NULL;
}

CO_TASK_TEST(queue_that_another_loops_tasks_wait_for_is_eperm)
{
    co_queue *queue = make_fifo(0);
    struct call call = {.queue = queue};
    co_task *task = co_test_spawn(getter, &call);
    pthread_t thread;

    co_test_yield();
    ck_assert_int_eq(pthread_create(&thread, NULL, other_thread, queue), 0);
    pthread_join(thread, NULL);
    put(queue, 1);
    ck_assert_int_eq(co_test_result(task), 0);
    co_queue_free(queue);
}

static int put_one(void *queue)
{
    put(queue, 9);
    return 0;
}

START_TEST(queue_goes_from_loop_to_loop_while_nobody_waits)
{
    co_queue *queue = make_fifo(0);
    int n = 0;

    ck_assert_int_eq(co_run(put_one, queue), 0);
    ck_assert_int_eq(co_run(put_one, queue), 0);
    ck_assert_int_eq(co_queue_get(queue, &n), 0);
    ck_assert_int_eq(n, 9);
    co_queue_free(queue);
}
END_TEST

/* ---- mistakes ------------------------------------------------------------ */

static int free_under_getter(void *arg)
{
    struct call call = {.queue = make_fifo(0)};
    co_task *task = co_test_spawn(getter, &call);

    (void)arg;
    co_task_set_name(task, "consumer");
    co_test_yield();
    co_queue_free(call.queue);
    return 0;
}

static int free_under_putter(void *arg)
{
    struct call call = {.queue = make_fifo(1)};
    co_task *task = co_test_spawn(putter, &call);

    (void)arg;
    co_task_set_name(task, "producer");
    put(call.queue, 1);
    co_test_yield();
    co_queue_free(call.queue);
    return 0;
}

static int free_under_joiner(void *arg)
{
    struct call call = {.queue = make_fifo(1)};
    co_task *task = co_test_spawn(joiner, &call);

    (void)arg;
    co_task_set_name(task, "main");
    put(call.queue, 1);
    co_test_yield();
    co_queue_free(call.queue);
    return 0;
}

START_TEST(freeing_a_queue_that_a_task_waits_for_stops_the_program)
{
    const char *text = co_test_dies(free_under_getter, NULL);

    ck_assert_ptr_nonnull(strstr(text, "co_queue_free"));
    ck_assert_ptr_nonnull(strstr(text, "\"consumer\""));
    ck_assert_ptr_nonnull(strstr(text, "to get from"));
    text = co_test_dies(free_under_putter, NULL);
    ck_assert_ptr_nonnull(strstr(text, "\"producer\""));
    ck_assert_ptr_nonnull(strstr(text, "to put into"));
    text = co_test_dies(free_under_joiner, NULL);
    ck_assert_ptr_nonnull(strstr(text, "\"main\""));
    ck_assert_ptr_nonnull(strstr(text, "to join"));
}
END_TEST

/* ---- everything at once -------------------------------------------------- */

#define CROWD   12
#define PER_ONE 40

static struct crowd {
    co_queue *queue;
    struct co_test_random random;
    int put[CROWD * PER_ONE]; /* how often each number went in */
    int got[CROWD * PER_ONE];
    int producers;
} crowd;

static void put_within(int number)
{
    co_time limit = (co_time)co_test_random_below(&crowd.random, 5) * CO_MS;
    int r;

    do {
        r = 1;
        co_timeout(limit)
            r = co_queue_put(crowd.queue, &number);
        ck_assert(r == 0 || r == -ETIMEDOUT || r == -ECANCELED);
        if (r == -ECANCELED)
            co_uncancel(co_self());
        limit += CO_MS;
    } while (r < 0);
    crowd.put[number]++;
}

static int produce(void *which)
{
    int first_number = (int)(intptr_t)which * PER_ONE;

    for (int i = 0; i < PER_ONE; i++) {
        put_within(first_number + i);
        if (!co_test_random_below(&crowd.random, 4))
            (void)co_sleep(CO_MS);
    }
    if (!--crowd.producers)
        ck_assert_int_eq(co_queue_shutdown(crowd.queue, 0), 0);
    return 0;
}

static int consume(void *unused)
{
    int number, r;

    (void)unused;
    do {
        co_time limit = (co_time)co_test_random_below(&crowd.random, 5) * CO_MS;

        r = 1;
        co_timeout(limit)
            r = co_queue_get(crowd.queue, &number);
        if (r == -ECANCELED)
            co_uncancel(co_self());
        if (r == 0) {
            crowd.got[number]++;
            ck_assert_int_eq(co_queue_task_done(crowd.queue), 0);
        } else if (r == -ETIMEDOUT) {
            (void)co_sleep(CO_MS);
        }
    } while (r != -ESHUTDOWN);
    return 0;
}

static void run_crowd(void)
{
    co_task *task[2 * CROWD];
    int live = 2 * CROWD;

    crowd.queue = make_fifo(3);
    crowd.producers = CROWD;
    for (intptr_t i = 0; i < live; i++)
        task[i] =
            co_test_spawn(i % 2 ? consume : produce, co_test_number(i / 2));
    while (crowd.producers) {
        uint32_t i = co_test_random_below(&crowd.random, 2 * CROWD);

        (void)co_cancel(task[i]);
        (void)co_sleep((co_time)co_test_random_below(&crowd.random, 2) * CO_MS);
    }
    ck_assert_int_eq(co_queue_join(crowd.queue), 0);
    for (int i = 0; i < live; i++)
        ck_assert_int_eq(co_test_result(task[i]), 0);
    for (int i = 0; i < CROWD * PER_ONE; i++) {
        ck_assert_int_eq(crowd.put[i], 1);
        ck_assert_int_eq(crowd.got[i], 1);
    }
    co_queue_free(crowd.queue);
}

/* Cancels and timeouts rain on producers and consumers, which try again: each
 * element still comes out once. */
START_TEST(nothing_is_lost_or_doubled_whoever_is_interrupted)
{
    memset(&crowd, 0, sizeof(crowd));
    crowd.random.state = (uint64_t)_i;
    co__sched_seed = _i % 2 ? (uint64_t)(_i + 1) * 0x9e3779b97f4a7c15u : 0;
    co_test_in_task(run_crowd);
    co__sched_seed = 0;
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("sync.queue");
    TCase *tc;

    tc = tcase_create("making");
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, options_out_of_range_are_einval);
    tcase_add_test(tc, null_is_einval_everywhere);
    tcase_add_test(tc, null_element_is_einval_and_changes_nothing);
    tcase_add_test(tc, no_memory_for_a_queue_is_enomem);
    suite_add_tcase(s, tc);

    tc = tcase_create("order");
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, first_in_is_first_out);
    tcase_add_test(tc, last_in_is_first_out);
    tcase_add_test(tc, the_least_comes_first);
    tcase_add_test(tc, equal_priorities_come_in_the_order_they_were_put);
    tcase_add_test(tc, compare_gets_its_argument_and_aligned_elements);
    tcase_add_loop_test(tc, random_programs_agree_with_a_simple_model, 0, 3);
    tcase_add_test(tc, elements_of_any_size_arrive_whole);
    tcase_add_test(tc, elements_of_no_bytes_are_counted);
    tcase_add_test(tc, limit_is_kept_and_told);
    suite_add_tcase(s, tc);

    tc = tcase_create("memory");
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, steady_state_allocates_nothing);
    tcase_add_test(tc, no_memory_to_grow_is_enomem_and_loses_nothing);
    tcase_add_test(tc, ring_that_has_wrapped_grows_in_order);
    suite_add_tcase(s, tc);

    tc = tcase_create("waiting");
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, getters_are_served_in_the_order_they_came);
    tcase_add_test(tc, putters_are_let_in_in_the_order_they_came);
    tcase_add_test(tc, newcomer_does_not_overtake_who_waits);
    tcase_add_test(tc, element_of_a_waiting_putter_takes_its_place_by_priority);
    tcase_add_test(tc, pending_cancel_tries_nothing);
    suite_add_tcase(s, tc);

    tc = tcase_create("two ways");
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, element_got_before_a_cancel_is_kept);
    tcase_add_test(tc, element_got_before_a_timeout_is_kept);
    tcase_add_test(tc, element_let_in_before_a_cancel_stays);
    tcase_add_test(tc, element_let_in_before_a_timeout_stays);
    tcase_add_test(tc, join_that_ended_before_a_cancel_is_0);
    tcase_add_test(tc, join_that_ended_before_a_timeout_is_0);
    tcase_add_test(tc, cancelled_getter_takes_nothing_and_the_next_gets_it);
    tcase_add_test(tc, late_getter_takes_nothing_and_the_next_gets_it);
    tcase_add_test(tc, cancelled_putter_puts_nothing_and_the_next_is_let_in);
    tcase_add_test(tc, late_putter_puts_nothing_and_the_next_is_let_in);
    tcase_add_test(tc, cancelled_joiner_fails_and_the_next_does_not);
    tcase_add_test(tc, late_joiner_fails_and_the_next_does_not);
    tcase_add_test(tc, cancelled_getters_in_the_middle_are_passed_over);
    suite_add_tcase(s, tc);

    tc = tcase_create("done");
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, join_of_a_new_queue_is_over_at_once);
    tcase_add_test(tc, done_once_too_often_is_einval);
    tcase_add_test(tc, join_waits_until_the_workers_are_done);
    tcase_add_test(tc, what_went_from_hand_to_hand_has_to_be_done_too);
    tcase_add_test(tc, join_counts_what_putters_wait_with_when_it_is_let_in);
    suite_add_tcase(s, tc);

    tc = tcase_create("shutdown");
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, empty_queue_that_is_shut_down_fails_at_once);
    tcase_add_test(tc, what_was_in_comes_out_after_a_shutdown);
    tcase_add_test(tc,
                   immediate_shutdown_drops_what_is_in_and_counts_it_as_done);
    tcase_add_test(tc,
                   join_waits_after_an_immediate_shutdown_for_what_was_taken);
    tcase_add_test(tc, shutdown_wakes_waiting_getters);
    tcase_add_test(tc, shutdown_wakes_waiting_putters_whose_elements_stay_out);
    tcase_add_test(tc, element_got_before_a_shutdown_is_kept);
    tcase_add_test(tc, drained_and_then_dropped);
    suite_add_tcase(s, tc);

    tc = tcase_create("elsewhere");
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, outside_a_task_works_what_need_not_wait);
    tcase_add_test(tc, loop_callback_works_what_need_not_wait);
    tcase_add_test(tc, queue_that_another_loops_tasks_wait_for_is_eperm);
    tcase_add_test(tc, queue_goes_from_loop_to_loop_while_nobody_waits);
    suite_add_tcase(s, tc);

    tc = tcase_create("mistakes");
    co_test_check_fds(tc);
    tcase_add_test(tc, freeing_a_queue_that_a_task_waits_for_stops_the_program);
    suite_add_tcase(s, tc);

    tc = tcase_create("everything");
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_loop_test(tc, nothing_is_lost_or_doubled_whoever_is_interrupted,
                        0, co_test_scale(200, 20));
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
