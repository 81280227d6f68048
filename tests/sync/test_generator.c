/* SPDX-License-Identifier: MIT */
/* Generators: values out and in, delegation, waiting while a consumer waits,
 * and each way to end before the end. */
#include <coppice/generator.h>

#include <coppice.h>

#include "base/alloc.h"
#include "core/sched.h"

#include "support/check_main.h"
#include "support/dies.h"
#include "support/random.h"
#include "support/reports.h"
#include "support/tasks.h"
#include "support/virtual_clock.h"

#include <pthread.h>
#include <string.h>

static struct co_test_log events;

static void add(char event)
{
    co_test_log_add(&events, event);
}

static void start_log(void)
{
    events = (struct co_test_log){.length = 0};
}

static co_gen *make(co_gen_fn fn, intptr_t number)
{
    co_gen *gen = co_gen_new(fn, co_test_number(number));

    ck_assert_ptr_nonnull(gen);
    return gen;
}

/* The next value, which has to come. */
static intptr_t next(co_gen *gen)
{
    void *value = NULL;

    ck_assert_int_eq(co_gen_next(gen, &value), 1);
    return (intptr_t)value;
}

static intptr_t send_to(co_gen *gen, intptr_t number)
{
    void *value = NULL;

    ck_assert_int_eq(co_gen_send(gen, co_test_number(number), &value), 1);
    return (intptr_t)value;
}

/* 1, 2 ... up to arg; the result is 100. */
static int count_to(co_gen *gen, void *arg)
{
    int limit = (int)(intptr_t)arg, r;

    for (int i = 1; i <= limit; i++)
        if ((r = co_gen_yield(gen, co_test_number(i), NULL)) < 0)
            return r;
    return 100;
}

/* ---- values out ---------------------------------------------------------- */

CO_TASK_TEST(values_come_in_order_and_then_the_end)
{
    co_gen *gen = make(count_to, 3);
    void *value = co_test_number(77);

    for (int i = 1; i <= 3; i++)
        ck_assert_int_eq(next(gen), i);
    ck_assert_int_eq(co_gen_result(gen), -EAGAIN);
    ck_assert_int_eq(co_gen_next(gen, &value), 0);
    ck_assert_int_eq(co_gen_next(gen, &value), 0);
    ck_assert_int_eq((intptr_t)value, 77);
    ck_assert_int_eq(co_gen_result(gen), 100);
    co_gen_free(gen);
}

CO_TASK_TEST(each_runs_its_block_for_each_value)
{
    co_gen *gen = make(count_to, 10000);
    long sum = 0;

    co_gen_each(gen, value)
        sum += (intptr_t)value;
    ck_assert_int_eq(sum, 10000 * 10001 / 2);
    ck_assert_int_eq(co_gen_result(gen), 100);
    co_gen_free(gen);
}

CO_TASK_TEST(each_can_be_left_and_gone_on_with)
{
    co_gen *gen = make(count_to, 5);
    int sum = 0;

    co_gen_each(gen, value) {
        if ((intptr_t)value == 3)
            break;
        sum += (int)(intptr_t)value;
    }
    ck_assert_int_eq(sum, 3);
    co_gen_each(gen, value) {
        if ((intptr_t)value == 4)
            continue;
        sum += (int)(intptr_t)value;
    }
    ck_assert_int_eq(sum, 8);
    co_gen_free(gen);
}

CO_TASK_TEST(value_that_nobody_wants_is_dropped)
{
    co_gen *gen = make(count_to, 3);

    ck_assert_int_eq(co_gen_next(gen, NULL), 1);
    ck_assert_int_eq(next(gen), 2);
    co_gen_free(gen);
}

static int log_and_yield(co_gen *gen, void *unused)
{
    int r;

    (void)unused;
    add('a');
    r = co_gen_yield(gen, NULL, NULL);
    add(r < 0 ? 'x' : 'b');
    return r;
}

CO_TASK_TEST(generator_runs_when_it_is_asked_and_not_before)
{
    co_gen *gen;

    start_log();
    gen = make(log_and_yield, 0);
    co_test_yield();
    ck_assert_str_eq(events.text, "");
    next(gen);
    co_test_yield();
    ck_assert_str_eq(events.text, "a");
    ck_assert_int_eq(co_gen_next(gen, NULL), 0);
    ck_assert_str_eq(events.text, "ab");
    co_gen_free(gen);
}

static int fail_after_one(co_gen *gen, void *error)
{
    int r = co_gen_yield(gen, NULL, NULL);

    return r < 0 ? r : (int)(intptr_t)error;
}

CO_TASK_TEST(error_that_a_generator_returns_ends_the_sequence)
{
    co_gen *gen = make(fail_after_one, -EIO);
    int count = 0;

    co_gen_each(gen, value)
        count++;
    ck_assert_int_eq(count, 1);
    ck_assert_int_eq(co_gen_result(gen), -EIO);
    ck_assert_int_eq(co_gen_next(gen, NULL), -EIO);
    ck_assert_int_eq(co_gen_send(gen, gen, NULL), -EIO);
    co_gen_free(gen);
}

/* In order, by plain recursion: co_gen_yield may be called from any depth. */
static int walk(co_gen *gen, int low, int high)
{
    int middle = (low + high) / 2, r;

    if (low > high)
        return 0;
    r = walk(gen, low, middle - 1);
    if (r == 0)
        r = co_gen_yield(gen, co_test_number(middle), NULL);
    return r < 0 ? r : walk(gen, middle + 1, high);
}

static int walk_tree(co_gen *gen, void *count)
{
    return walk(gen, 1, (int)(intptr_t)count);
}

CO_TASK_TEST(values_come_from_any_depth_of_calls)
{
    co_gen *gen = make(walk_tree, 500);
    int expected = 1;

    co_gen_each(gen, value)
        ck_assert_int_eq((intptr_t)value, expected++);
    ck_assert_int_eq(expected, 501);
    co_gen_free(gen);
}

/* Numbers that no number before them divides: each filter is a generator. */
struct filter {
    co_gen *source;
    intptr_t prime;
};

static int naturals(co_gen *gen, void *unused)
{
    int r = 0;

    (void)unused;
    for (intptr_t i = 2; r == 0; i++)
        r = co_gen_yield(gen, co_test_number(i), NULL);
    return r;
}

static int not_divided(co_gen *gen, void *arg)
{
    struct filter *filter = arg;
    int r = 0;

    co_gen_each(filter->source, value) {
        if ((intptr_t)value % filter->prime == 0)
            continue;
        r = co_gen_yield(gen, value, NULL);
        if (r < 0)
            break;
    }
    return r < 0 ? r : co_gen_result(filter->source);
}

CO_TASK_TEST(generators_make_pipelines)
{
    static const int primes[] = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29};
    struct filter filter[10];
    co_gen *gen[11];

    gen[0] = make(naturals, 0);
    for (int i = 0; i < 10; i++) {
        filter[i] = (struct filter){gen[i], next(gen[i])};
        ck_assert_int_eq(filter[i].prime, primes[i]);
        gen[i + 1] = co_gen_new(not_divided, &filter[i]);
    }
    ck_assert_int_eq(next(gen[10]), 31);
    for (int i = 10; i >= 0; i--)
        co_gen_free(gen[i]);
}

static int keep_rounding(co_gen *gen, void *unused)
{
    volatile double x = 1.0;
    int r = 0;

    (void)unused;
    while (r == 0) {
        x = x / 3.0 + 1.0;
        r = co_gen_yield(gen, (void *)&x, NULL);
    }
    return r;
}

CO_TASK_TEST(numbers_in_registers_survive_on_both_sides)
{
    co_gen *gen = make(keep_rounding, 0);
    double mine = 1.0, sum = 0.0, other = 1.0;

    for (int i = 0; i < 100; i++) {
        other = other / 3.0 + 1.0;
        mine = mine * 1.5 - 0.25;
        void *value = NULL;
        ck_assert_int_eq(co_gen_next(gen, &value), 1);
        ck_assert_double_eq(*(double *)value, other);
        sum += mine;
    }
    ck_assert(sum > 1.0);
    co_gen_free(gen);
}

/* ---- values in ----------------------------------------------------------- */

/* Yields its running total, and adds what it is sent. */
static int accumulate(co_gen *gen, void *arg)
{
    intptr_t total = (intptr_t)arg;
    void *sent;
    int r;

    while ((r = co_gen_yield(gen, co_test_number(total), &sent)) == 0)
        total += (intptr_t)sent;
    return r;
}

CO_TASK_TEST(accumulator_adds_what_it_is_sent)
{
    co_gen *gen = make(accumulate, 10);

    ck_assert_int_eq(next(gen), 10);
    ck_assert_int_eq(send_to(gen, 5), 15);
    ck_assert_int_eq(send_to(gen, -20), -5);
    ck_assert_int_eq(next(gen), -5); /* that sends NULL, 0 */
    ck_assert_int_eq(send_to(gen, 105), 100);
    co_gen_free(gen);
}

CO_TASK_TEST(sending_to_a_generator_that_has_not_begun_is_einval)
{
    co_gen *gen = make(accumulate, 0);

    ck_assert_int_eq(co_gen_send(gen, gen, NULL), -EINVAL);
    ck_assert_int_eq(co_gen_send(gen, NULL, NULL), 1);
    ck_assert_int_eq(send_to(gen, 3), 3);
    co_gen_free(gen);
}

CO_TASK_TEST(what_is_sent_to_who_does_not_look_is_dropped)
{
    co_gen *gen = make(count_to, 3);

    ck_assert_int_eq(next(gen), 1);
    ck_assert_int_eq(send_to(gen, 1000), 2);
    co_gen_free(gen);
}

/* ---- delegation ---------------------------------------------------------- */

struct two {
    co_gen *inner[2];
    int result[2];
    int log;
};

static int chain(co_gen *gen, void *arg)
{
    struct two *two = arg;
    int r = 0;

    for (int i = 0; i < 2 && r >= 0; i++)
        two->result[i] = r = co_gen_delegate(gen, two->inner[i]);
    return r;
}

CO_TASK_TEST(chain_yields_what_its_two_generators_yield)
{
    struct two two = {{make(count_to, 3), make(count_to, 2)}, {0}, 0};
    static const int expected[] = {1, 2, 3, 1, 2};
    co_gen *gen = co_gen_new(chain, &two);
    int i = 0;

    co_gen_each(gen, value)
        ck_assert_int_eq((intptr_t)value, expected[i++]);
    ck_assert_int_eq(i, 5);
    ck_assert_int_eq(two.result[0], 100);
    ck_assert_int_eq(two.result[1], 100);
    ck_assert_int_eq(co_gen_result(gen), 100);
    co_gen_free(gen);
    co_gen_free(two.inner[0]);
    co_gen_free(two.inner[1]);
}

CO_TASK_TEST(what_is_sent_goes_through_to_the_inner_generator)
{
    struct two two = {{make(accumulate, 0), NULL}, {0}, 0};
    co_gen *gen = co_gen_new(chain, &two);

    ck_assert_int_eq(next(gen), 0);
    ck_assert_int_eq(send_to(gen, 5), 5);
    ck_assert_int_eq(send_to(gen, 6), 11);
    co_gen_free(gen);
    /* The inner one is not the outer one's: it goes on. */
    ck_assert_int_eq(send_to(two.inner[0], 1), 12);
    co_gen_free(two.inner[0]);
    ck_assert_int_eq(two.result[0], -ECANCELED);
}

CO_TASK_TEST(error_of_the_inner_generator_is_the_result)
{
    struct two two = {{make(fail_after_one, -EIO), make(count_to, 1)}, {0}, 0};
    co_gen *gen = co_gen_new(chain, &two);

    ck_assert_int_eq(next(gen), 0);
    ck_assert_int_eq(co_gen_next(gen, NULL), -EIO);
    ck_assert_int_eq(two.result[1], 0);
    co_gen_free(gen);
    co_gen_free(two.inner[0]);
    co_gen_free(two.inner[1]);
}

static int delegate_wrongly(co_gen *gen, void *other)
{
    ck_assert_int_eq(co_gen_delegate(gen, NULL), -EINVAL);
    ck_assert_int_eq(co_gen_delegate(NULL, gen), -EINVAL);
    ck_assert_int_eq(co_gen_delegate(gen, gen), -EDEADLK);
    ck_assert_int_eq(co_gen_delegate(other, gen), -EPERM);
    return 0;
}

CO_TASK_TEST(delegating_to_nothing_or_to_oneself_fails)
{
    co_gen *other = make(count_to, 1);
    co_gen *gen = co_gen_new(delegate_wrongly, other);

    ck_assert_int_eq(co_gen_next(gen, NULL), 0);
    ck_assert_int_eq(co_gen_delegate(gen, other), -EPERM);
    co_gen_free(gen);
    ck_assert_int_eq(next(other), 1);
    co_gen_free(other);
}

/* ---- who may ask, and where ---------------------------------------------- */

START_TEST(null_is_einval_everywhere)
{
    errno = 0;
    ck_assert_ptr_null(co_gen_new(NULL, NULL));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(co_gen_next(NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_gen_send(NULL, NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_gen_yield(NULL, NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_gen_delegate(NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_gen_result(NULL), -EINVAL);
    co_gen_free(NULL);
}
END_TEST

START_TEST(making_one_outside_a_loop_is_eperm)
{
    errno = 0;
    ck_assert_ptr_null(co_gen_new(count_to, NULL));
    ck_assert_int_eq(errno, EPERM);
}
END_TEST

CO_TASK_TEST(no_memory_is_enomem_and_leaves_nothing)
{
    unsigned failures = 0;

    for (unsigned n = 1;; n++) {
        co_gen *gen[100];
        int made = 0;

        co__fault_after(n);
        errno = 0;
        while (made < 100 && (gen[made] = co_gen_new(count_to, NULL)))
            made++;
        co__fault_after(0);
        if (made < 100) {
            ck_assert_int_eq(errno, ENOMEM);
            failures++;
        }
        for (int i = 0; i < made; i++)
            co_gen_free(gen[i]);
        if (made == 100)
            break;
    }
    ck_assert_uint_gt(failures, 2);
}

static int made_errno;

static int make_when_cancelled(void *unused)
{
    int r = co_test_sleep_for_ever(unused);

    errno = 0;
    if (!co_gen_new(count_to, NULL))
        made_errno = errno;
    return r;
}

static void leave_one_that_makes(void)
{
    ck_assert_int_eq(co_detach(co_test_spawn(make_when_cancelled, NULL)), 0);
    co_test_yield();
}

START_TEST(making_one_while_the_loop_ends_is_eshutdown)
{
    made_errno = 0;
    co_test_in_task(leave_one_that_makes);
    ck_assert_int_eq(made_errno, ESHUTDOWN);
}
END_TEST

static int ask_itself(co_gen *gen, void *unused)
{
    void *value;

    (void)unused;
    ck_assert_int_eq(co_gen_next(gen, &value), -EDEADLK);
    return co_gen_yield(gen, co_test_number(4), NULL);
}

CO_TASK_TEST(asking_a_generator_from_within_is_edeadlk)
{
    co_gen *gen = make(ask_itself, 0);

    ck_assert_int_eq(next(gen), 4);
    co_gen_free(gen);
}

/* Two generators that ask each other. */
static int ask_other(co_gen *gen, void *arg)
{
    co_gen **other = arg;
    int r = co_gen_next(*other, NULL);

    ck_assert_int_eq(r, -EDEADLK);
    return co_gen_yield(gen, NULL, NULL);
}

static int ask_first(co_gen *gen, void *arg)
{
    co_gen **inner = arg;
    int r = co_gen_next(*inner, NULL);

    return r < 0 ? r : co_gen_yield(gen, NULL, NULL);
}

CO_TASK_TEST(asking_in_a_circle_is_edeadlk)
{
    co_gen *a, *b;

    a = co_gen_new(ask_first, &b);
    b = co_gen_new(ask_other, &a);
    ck_assert_int_eq(co_gen_next(a, NULL), 1);
    co_gen_free(a);
    co_gen_free(b);
}

static int yield_elsewhere(co_gen *gen, void *other)
{
    ck_assert_int_eq(co_gen_yield(other, NULL, NULL), -EPERM);
    return co_gen_yield(gen, NULL, NULL);
}

CO_TASK_TEST(yielding_for_another_is_eperm)
{
    co_gen *other = make(count_to, 1);
    co_gen *gen = co_gen_new(yield_elsewhere, other);

    ck_assert_int_eq(co_gen_yield(gen, NULL, NULL), -EPERM);
    ck_assert_int_eq(co_gen_next(gen, NULL), 1);
    ck_assert_int_eq(co_gen_yield(gen, NULL, NULL), -EPERM);
    co_gen_free(gen);
    co_gen_free(other);
}

/* Sleep for a second before each value; an error is yielded, negative. */
static int sleeper(co_gen *gen, void *unused)
{
    int r = 0;

    (void)unused;
    for (intptr_t i = 1; r == 0; i++) {
        r = co_sleep(CO_SEC);
        r = co_gen_yield(gen, co_test_number(r < 0 ? r : i), NULL);
    }
    return r;
}

static int ask_task(void *gen)
{
    void *value = NULL;
    int r = co_gen_next(gen, &value);

    return r == 1 ? (int)(intptr_t)value : r;
}

static int ask_within_a_second(void *gen)
{
    int r = -1;

    co_timeout(CO_SEC)
        r = ask_task(gen);
    return r;
}

CO_TASK_TEST(two_tasks_at_once_are_ebusy)
{
    co_gen *gen = make(sleeper, 0);
    co_task *task = co_test_spawn(ask_task, gen);

    co_test_yield();
    ck_assert_int_eq(co_gen_next(gen, NULL), -EBUSY);
    ck_assert_int_eq(co_gen_send(gen, gen, NULL), -EBUSY);
    ck_assert_int_eq(co_test_result(task), 1);
    ck_assert_int_eq(next(gen), 2);
    co_gen_free(gen);
}

CO_TASK_TEST(tasks_may_ask_one_after_the_other)
{
    co_gen *gen = make(count_to, 3);

    ck_assert_int_eq(co_test_result(co_test_spawn(ask_task, gen)), 1);
    ck_assert_int_eq(next(gen), 2);
    ck_assert_int_eq(co_test_result(co_test_spawn(ask_task, gen)), 3);
    co_gen_free(gen);
}

static void *ask_in_thread(void *gen)
{
    ck_assert_int_eq(co_gen_next(gen, NULL), -EPERM);
    ck_assert_int_eq(co_gen_yield(gen, NULL, NULL), -EPERM);
    ck_assert_int_eq(co_run(ask_task, gen), -EPERM);
    return NULL;
}

CO_TASK_TEST(other_threads_and_loops_are_eperm)
{
    co_gen *gen = make(count_to, 1);
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, ask_in_thread, gen), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(next(gen), 1);
    co_gen_free(gen);
}

struct callback {
    co_call call;
    co_gen *gen;
    int result;
    int done;
};

static void ask_in_callback(void *arg)
{
    struct callback *callback = arg;

    callback->result = co_gen_next(callback->gen, NULL);
    callback->done = 1;
}

static void free_in_callback(void *arg)
{
    struct callback *callback = arg;

    co_gen_free(callback->gen);
    callback->done = 1;
}

static int call_back(void (*fn)(void *), co_gen *gen)
{
    struct callback callback = {.gen = gen};

    callback.call.fn = fn;
    callback.call.arg = &callback;
    ck_assert_int_eq(co_call_soon_threadsafe(co_loop_running(), &callback.call),
                     0);
    while (!callback.done)
        co_test_yield();
    return callback.result;
}

CO_TASK_TEST(asking_in_a_loop_callback_is_eperm_unless_it_has_ended)
{
    co_gen *gen = make(count_to, 1);

    ck_assert_int_eq(call_back(ask_in_callback, gen), -EPERM);
    ck_assert_int_eq(next(gen), 1);
    ck_assert_int_eq(call_back(ask_in_callback, gen), -EPERM);
    ck_assert_int_eq(co_gen_next(gen, NULL), 0);
    ck_assert_int_eq(call_back(ask_in_callback, gen), 0);
    co_gen_free(gen);
}

/* ---- a consumer that may not wait ---------------------------------------- */

CO_TASK_TEST(pending_cancel_asks_for_nothing)
{
    co_gen *gen = make(count_to, 3);
    int count = 0;

    ck_assert_int_eq(next(gen), 1);
    ck_assert_int_eq(co_cancel(co_self()), 1);
    ck_assert_int_eq(co_gen_next(gen, NULL), -ECANCELED);
    co_gen_each(gen, value)
        count++;
    ck_assert_int_eq(count, 0);
    ck_assert_int_eq(co_gen_result(gen), -ECANCELED);
    ck_assert_int_eq(co_uncancel(co_self()), 0);
    co_timeout(0) {
        ck_assert_int_eq(co_gen_next(gen, NULL), -ETIMEDOUT);
    }
    ck_assert_int_eq(co_gen_result(gen), -ETIMEDOUT);
    ck_assert_int_eq(next(gen), 2);
    co_gen_free(gen);
}

/* ---- waiting ------------------------------------------------------------- */

static int count_yields(void *count)
{
    while (co_yield_now() == 0)
        ++*(int *)count;
    return 0;
}

CO_TASK_TEST(consumer_waits_while_its_generator_does_and_others_run)
{
    co_gen *gen = make(sleeper, 0);
    co_time before = co_now();
    int other = 0;
    co_task *task;

    ck_assert_int_eq(next(gen), 1);
    ck_assert_int_eq(co_now() - before, CO_SEC);
    task = co_test_spawn(ask_task, gen);
    for (int i = 0; i < 5; i++, other++)
        co_test_yield();
    ck_assert_int_eq(other, 5);
    ck_assert_int_eq(co_test_result(task), 2);
    co_gen_free(gen);
}

CO_TASK_TEST(cancel_of_the_consumer_interrupts_what_the_generator_waits_for)
{
    co_gen *gen = make(sleeper, 0);
    co_task *task = co_test_spawn(ask_task, gen);

    co_test_yield();
    ck_assert_int_eq(co_cancel(task), 1);
    /* The value that it yields all the same is delivered. */
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    ck_assert_int_eq(co_test_clock_elapsed(), 0);
    /* And the next consumer is not cancelled. */
    ck_assert_int_eq(next(gen), 2);
    co_gen_free(gen);
}

/* What a generator's waits returned while its consumer was under a limit. */
static int waits[4];

static int wait_again_and_again(co_gen *gen, void *unused)
{
    (void)unused;
    for (int i = 0; i < 3; i++)
        waits[i] = co_sleep(CO_SEC);
    co_shield
        waits[3] = co_sleep(CO_SEC);
    return co_gen_yield(gen, co_test_number(co_cancelling(co_self())), NULL);
}

CO_TASK_TEST(cancel_of_the_consumer_is_a_level_until_the_generator_yields)
{
    co_gen *gen = make(wait_again_and_again, 0);
    co_task *task = co_test_spawn(ask_task, gen);

    co_test_yield();
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_cancel(task), 2);
    ck_assert_int_eq(co_test_result(task), 1);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(waits[i], -ECANCELED);
    ck_assert_int_eq(waits[3], 0);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_SEC);
    ck_assert_int_eq(co_gen_next(gen, NULL), 0);
    co_gen_free(gen);
}

CO_TASK_TEST(timeout_of_the_consumer_interrupts_what_the_generator_waits_for)
{
    co_gen *gen = make(sleeper, 0);
    co_scope scope = {0};

    co_timeout_in(&scope, 100 * CO_MS) {
        ck_assert_int_eq(next(gen), -ETIMEDOUT);
        ck_assert_int_eq(co_gen_next(gen, NULL), -ETIMEDOUT);
    }
    ck_assert_int_eq(co_scope_expired(&scope), 1);
    ck_assert_int_eq(co_test_clock_elapsed(), 100 * CO_MS);
    ck_assert_int_eq(next(gen), 2);
    ck_assert_int_eq(co_test_clock_elapsed(), 1100 * CO_MS);
    co_timeout(100 * CO_MS) {
        ck_assert_int_eq(next(gen), -ETIMEDOUT);
    }
    ck_assert_int_eq(next(gen), 4);
    co_gen_free(gen);
}

CO_TASK_TEST(timeout_of_the_consumer_is_a_level_until_the_generator_yields)
{
    co_gen *gen = make(wait_again_and_again, 0);

    co_timeout(100 * CO_MS)
        ck_assert_int_eq(next(gen), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(waits[i], -ETIMEDOUT);
    ck_assert_int_eq(waits[3], 0);
    ck_assert_int_eq(co_test_clock_elapsed(), 1100 * CO_MS);
    co_gen_free(gen);
}

static int scoped_sleeper(co_gen *gen, void *unused)
{
    co_scope scope = {0};
    int r = 0;

    (void)gen;
    (void)unused;
    co_timeout_in(&scope, 10 * CO_SEC)
        r = co_sleep(CO_SEC);
    ck_assert_int_eq(r, -ETIMEDOUT);
    ck_assert_int_eq(co_scope_expired(&scope), 0);
    return r;
}

CO_TASK_TEST(consumers_timeout_is_not_that_of_a_scope_of_the_generators)
{
    co_gen *gen = make(scoped_sleeper, 0);

    co_timeout(CO_MS)
        ck_assert_int_eq(co_gen_next(gen, NULL), -ETIMEDOUT);
    ck_assert_int_eq(co_gen_result(gen), -ETIMEDOUT);
    co_gen_free(gen);
}

static int relay(co_gen *gen, void *inner)
{
    return co_gen_delegate(gen, inner);
}

CO_TASK_TEST(limits_reach_the_innermost_of_several_generators)
{
    co_gen *inner = make(sleeper, 0), *middle = co_gen_new(relay, inner),
           *outer = co_gen_new(relay, middle);
    co_task *task = co_test_spawn(ask_task, outer);

    co_test_yield();
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    co_timeout(CO_MS)
        ck_assert_int_eq(next(outer), -ETIMEDOUT);
    ck_assert_int_eq(next(outer), 3);
    ck_assert_int_eq(co_test_clock_elapsed(), CO_SEC + CO_MS);
    co_gen_free(outer);
    co_gen_free(middle);
    co_gen_free(inner);
}

static int cancel_before_it_begins(void *unused)
{
    co_gen *gen = make(sleeper, (intptr_t)unused);
    co_task *task = co_test_spawn(ask_task, gen);

    /* In debug mode every switch goes through the queue: the task has asked,
     * and the generator has not run. */
    co_test_yield();
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    ck_assert_int_eq(co_gen_result(gen), -EAGAIN);
    ck_assert_int_eq(next(gen), 2);
    co_gen_free(gen);
    gen = make(sleeper, 0);
    task = co_test_spawn(ask_within_a_second, gen);
    co_test_yield();
    co_test_clock_pass(2 * CO_SEC);
    ck_assert_int_eq(co_test_result(task), -ETIMEDOUT);
    ck_assert_int_eq(next(gen), 2);
    co_gen_free(gen);
    return 0;
}

START_TEST(limit_that_comes_before_the_generator_begins_does_not_end_it)
{
    ck_assert_int_eq(co_test_run_reported(cancel_before_it_begins, NULL), 0);
}
END_TEST

CO_TASK_TEST(cancel_after_a_timeout_reaches_the_generator_too)
{
    co_gen *gen = make(wait_again_and_again, 0);
    co_task *task;

    /* While it waits shielded, after its consumer has run out of time. */
    task = co_test_spawn(ask_task, gen);
    co_test_yield();
    ck_assert_int_eq(co_cancel(task), 1);
    co_test_yield();
    ck_assert_int_eq(co_uncancel(task), 0);
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), 1);
    co_gen_free(gen);
}

/* ---- a wait that ends in two ways at once -------------------------------- */

/* Yield what comes out of a queue, or the error, negative. */
static int from_queue(co_gen *gen, void *queue)
{
    int n, r = 0;

    while (r == 0) {
        r = co_queue_get(queue, &n);
        r = co_gen_yield(gen, co_test_number(r < 0 ? r : n), NULL);
    }
    return r;
}

static co_queue *queue;

static void put(int n)
{
    ck_assert_int_eq(co_queue_put(queue, &n), 0);
}

static void check_race(int by_timeout, int wake_first)
{
    co_gen *gen;
    co_task *task;

    queue = co_queue_new_fifo(sizeof(int), 0);
    gen = co_gen_new(from_queue, queue);
    task = co_test_spawn(by_timeout ? ask_within_a_second : ask_task, gen);
    if (by_timeout && !wake_first)
        /* Its timer is armed after this one, for the same time. */
        ck_assert_int_eq(co_sleep_until(CO_TEST_EPOCH + CO_SEC), 0);
    else
        co_test_yield();
    if (wake_first)
        put(7);
    if (!by_timeout)
        ck_assert_int_eq(co_cancel(task), 1);
    else if (wake_first)
        co_test_clock_pass(2 * CO_SEC);
    if (!wake_first)
        put(7);
    if (wake_first)
        ck_assert_int_eq(co_test_result(task), 7);
    else
        ck_assert_int_eq(co_test_result(task),
                         by_timeout ? -ETIMEDOUT : -ECANCELED);
    if (!wake_first)
        ck_assert_int_eq(next(gen), 7);
    put(8);
    ck_assert_int_eq(next(gen), 8);
    co_gen_free(gen);
    co_queue_free(queue);
}

CO_TASK_TEST(what_a_generator_got_before_a_cancel_is_delivered)
{
    check_race(0, 1);
}

CO_TASK_TEST(what_a_generator_got_before_a_timeout_is_delivered)
{
    check_race(1, 1);
}

CO_TASK_TEST(cancelled_wait_of_a_generator_loses_nothing)
{
    check_race(0, 0);
}

CO_TASK_TEST(late_wait_of_a_generator_loses_nothing)
{
    check_race(1, 0);
}

/* ---- limits of a generator's own ----------------------------------------- */

/* Yields 1 within a second of its own, then the error, then 3. */
static int impatient(co_gen *gen, void *unused)
{
    int r = 0;

    (void)unused;
    co_timeout(CO_SEC)
        r = co_gen_yield(gen, co_test_number(1), NULL);
    add('x');
    r = co_gen_yield(gen, co_test_number(r), NULL);
    if (r < 0)
        return r;
    return co_gen_yield(gen, co_test_number(3), NULL);
}

CO_TASK_TEST(scope_around_a_yield_ends_it_and_the_next_value_waits)
{
    co_gen *gen = make(impatient, 0);

    start_log();
    ck_assert_int_eq(next(gen), 1);
    ck_assert_int_eq(co_sleep(2 * CO_SEC), 0);
    ck_assert_str_eq(events.text, "x"); /* nobody had to ask */
    ck_assert_int_eq(next(gen), -ETIMEDOUT);
    ck_assert_int_eq(next(gen), 3);
    ck_assert_int_eq(co_gen_next(gen, NULL), 0);
    co_gen_free(gen);
}

CO_TASK_TEST(value_that_waits_can_be_left_and_freed)
{
    co_gen *gen = make(impatient, 0);

    start_log();
    ck_assert_int_eq(next(gen), 1);
    ck_assert_int_eq(co_sleep(2 * CO_SEC), 0);
    co_gen_free(gen);
}

/* Offers two values that nobody asks for, each for a second. */
static int offers(co_gen *gen, void *unused)
{
    int r;

    (void)unused;
    for (int i = 1; i <= 3; i++)
        co_timeout(CO_SEC)
            r = co_gen_yield(gen, co_test_number(i), NULL);
    r = co_gen_yield(gen, co_test_number(4), NULL);
    return r;
}

CO_TASK_TEST(value_that_waits_goes_when_its_yield_fails)
{
    co_gen *gen = make(offers, 0);

    ck_assert_int_eq(next(gen), 1);
    ck_assert_int_eq(co_sleep(1500 * CO_MS), 0); /* 2 is there */
    ck_assert_int_eq(co_sleep(CO_SEC), 0);       /* and gone */
    ck_assert_int_eq(next(gen), 3);
    ck_assert_int_eq(next(gen), 4);
    co_gen_free(gen);
}

static int withdraws(co_gen *gen, void *unused)
{
    int r = 0;

    (void)unused;
    for (int i = 1; i <= 2; i++)
        co_timeout(CO_SEC)
            r = co_gen_yield(gen, co_test_number(i), NULL);
    r = co_sleep(10 * CO_SEC);
    return r < 0 ? r : co_gen_yield(gen, co_test_number(3), NULL);
}

CO_TASK_TEST(value_that_was_taken_back_is_not_given_to_who_comes_later)
{
    co_gen *gen = make(withdraws, 0);

    ck_assert_int_eq(next(gen), 1);
    ck_assert_int_eq(co_sleep(3 * CO_SEC), 0);
    ck_assert_int_eq(next(gen), 3);
    ck_assert_int_eq(co_test_clock_elapsed(), 12 * CO_SEC);
    co_gen_free(gen);
}

static int own_timeout_at_work(co_gen *gen, void *unused)
{
    int r = 0, s = 0;

    (void)unused;
    co_timeout(CO_SEC) {
        r = co_sleep(2 * CO_SEC);
        s = co_gen_yield(gen, co_test_number(1), NULL);
    }
    ck_assert_int_eq(r, -ETIMEDOUT);
    ck_assert_int_eq(s, -ETIMEDOUT);
    return co_gen_yield(gen, co_test_number(2), NULL);
}

CO_TASK_TEST(yield_within_a_scope_that_has_run_out_yields_nothing)
{
    co_gen *gen = make(own_timeout_at_work, 0);

    ck_assert_int_eq(next(gen), 2);
    co_gen_free(gen);
}

CO_TASK_TEST(yield_that_fails_leaves_the_consumers_limit_in_force)
{
    co_gen *gen = make(own_timeout_at_work, 0);

    /* Both run out: the generator's sleep ends with the consumer's. */
    co_timeout(CO_SEC)
        ck_assert_int_eq(next(gen), 2);
    co_gen_free(gen);
}

static int work_after_a_timeout(co_gen *gen, void *unused)
{
    int r = 0;

    (void)unused;
    co_timeout(CO_SEC)
        r = co_gen_yield(gen, co_test_number(1), NULL);
    ck_assert_int_eq(r, -ETIMEDOUT);
    r = co_sleep(10 * CO_SEC);
    return co_gen_yield(gen, co_test_number(r < 0 ? r : 2), NULL);
}

CO_TASK_TEST(consumer_may_come_while_the_generator_works_on_its_own)
{
    co_gen *gen = make(work_after_a_timeout, 0);
    co_task *task;

    ck_assert_int_eq(next(gen), 1);
    ck_assert_int_eq(co_sleep(2 * CO_SEC), 0);
    task = co_test_spawn(ask_task, gen);
    co_test_yield();
    ck_assert_int_eq(co_gen_next(gen, NULL), -EBUSY);
    ck_assert_int_eq(co_test_result(task), 2);
    ck_assert_int_eq(co_test_clock_elapsed(), 11 * CO_SEC);
    co_gen_free(gen);
}

CO_TASK_TEST(generator_that_works_on_its_own_can_be_interrupted_and_freed)
{
    co_gen *gen = make(work_after_a_timeout, 0);

    ck_assert_int_eq(next(gen), 1);
    ck_assert_int_eq(co_sleep(2 * CO_SEC), 0);
    co_timeout(CO_SEC)
        ck_assert_int_eq(next(gen), -ETIMEDOUT);
    co_gen_free(gen);
    gen = make(work_after_a_timeout, 0);
    ck_assert_int_eq(next(gen), 1);
    ck_assert_int_eq(co_sleep(2 * CO_SEC), 0);
    co_gen_free(gen);
    ck_assert_int_eq(co_test_clock_elapsed(), 5 * CO_SEC);
}

static co_task *generator_task;

static int tells_its_task(co_gen *gen, void *unused)
{
    int r;

    generator_task = co_self();
    r = count_to(gen, unused);
    add(r < 0 ? 'c' : 'e');
    return r;
}

CO_TASK_TEST(task_of_a_generator_can_be_cancelled_but_not_joined)
{
    co_gen *gen = make(tells_its_task, 10);

    start_log();
    ck_assert_int_eq(next(gen), 1);
    ck_assert_int_eq(co_join(generator_task, NULL), -EINVAL);
    ck_assert_int_eq(co_detach(generator_task), -EINVAL);
    ck_assert_int_eq(co_cancel(generator_task), 1);
    ck_assert_int_eq(co_gen_next(gen, NULL), -ECANCELED);
    ck_assert_str_eq(events.text, "c");
    ck_assert_int_eq(co_gen_result(gen), -ECANCELED);
    co_gen_free(gen);
}

/* ---- freeing ------------------------------------------------------------- */

static int cleans_up(co_gen *gen, void *arg)
{
    int r = count_to(gen, co_test_number(10)), s;

    ck_assert_int_eq(r, -ECANCELED);
    s = co_sleep(CO_SEC);
    ck_assert_int_eq(s, -ECANCELED);
    ck_assert_int_eq(co_gen_yield(gen, NULL, NULL), -ECANCELED);
    co_shield {
        ck_assert_int_eq(co_sleep((co_time)(intptr_t)arg), 0);
        ck_assert_int_eq(co_gen_yield(gen, NULL, NULL), -ECANCELED);
    }
    add('c');
    return 0;
}

CO_TASK_TEST(early_free_runs_the_clean_up)
{
    co_gen *gen = make(cleans_up, 0);

    start_log();
    ck_assert_int_eq(next(gen), 1);
    co_gen_free(gen);
    ck_assert_str_eq(events.text, "c");
}

CO_TASK_TEST(free_waits_for_a_clean_up_that_waits_shielded)
{
    co_gen *gen = make(cleans_up, CO_SEC);

    start_log();
    ck_assert_int_eq(next(gen), 1);
    co_gen_free(gen);
    ck_assert_str_eq(events.text, "c");
    ck_assert_int_eq(co_test_clock_elapsed(), CO_SEC);
}

static int free_task(void *gen)
{
    co_gen_free(gen);
    add('f');
    return co_yield_now();
}

CO_TASK_TEST(cancelled_task_frees_to_the_end_all_the_same)
{
    co_gen *gen = make(cleans_up, CO_SEC);
    co_task *task;

    start_log();
    ck_assert_int_eq(next(gen), 1);
    task = co_test_spawn(free_task, gen);
    ck_assert_int_eq(co_cancel(task), 1);
    co_test_yield();
    ck_assert_int_eq(co_cancel(task), 2);
    ck_assert_int_eq(co_test_result(task), -ECANCELED);
    ck_assert_str_eq(events.text, "cf");
    gen = make(cleans_up, CO_SEC);
    ck_assert_int_eq(next(gen), 1);
    co_timeout(CO_MS)
        co_gen_free(gen);
    ck_assert_str_eq(events.text, "cfc");
}

CO_TASK_TEST(generator_that_was_never_asked_never_runs)
{
    co_gen *gen = make(log_and_yield, 0);

    start_log();
    co_gen_free(gen);
    co_test_yield();
    ck_assert_str_eq(events.text, "");
}

static int yield_shielded(co_gen *gen, void *unused)
{
    int r = 0;

    (void)unused;
    co_shield
        r = co_gen_yield(gen, NULL, NULL);
    add(r == -ECANCELED ? 'c' : '?');
    return r;
}

CO_TASK_TEST(shield_does_not_keep_a_generator_from_ending)
{
    co_gen *gen = make(yield_shielded, 0);

    start_log();
    ck_assert_int_eq(co_gen_next(gen, NULL), 1);
    co_gen_free(gen);
    ck_assert_str_eq(events.text, "c");
}

CO_TASK_TEST(free_in_a_loop_callback_ends_it_in_a_turn_of_its_own)
{
    start_log();
    co_gen *gen = make(cleans_up, CO_SEC);

    ck_assert_int_eq(next(gen), 1);
    call_back(free_in_callback, gen);
    ck_assert_int_eq(co_sleep(2 * CO_SEC), 0);
    ck_assert_str_eq(events.text, "c");
    call_back(free_in_callback, make(log_and_yield, 0));
    co_test_yield();
    ck_assert_str_eq(events.text, "c");
    /* One that has ended, and one that is at work on its own. */
    gen = make(count_to, 0);
    ck_assert_int_eq(co_gen_next(gen, NULL), 0);
    call_back(free_in_callback, gen);
    gen = make(work_after_a_timeout, 0);
    ck_assert_int_eq(next(gen), 1);
    ck_assert_int_eq(co_sleep(2 * CO_SEC), 0);
    call_back(free_in_callback, gen);
    co_test_yield();
    ck_assert_uint_eq(co_loop_task_count(co_loop_running()), 1);
}

CO_TASK_TEST(variable_can_free_its_generator_with_its_block)
{
    start_log();
    {
        CO_CLEANUP(co_gen_freep) co_gen *gen = make(cleans_up, 0);
        CO_CLEANUP(co_gen_freep) co_gen *none = NULL;

        (void)none;
        ck_assert_int_eq(next(gen), 1);
    }
    ck_assert_str_eq(events.text, "c");
}

CO_TASK_TEST(generator_freed_while_its_cancel_is_on_its_way)
{
    co_gen *gen = make(tells_its_task, 10);

    start_log();
    ck_assert_int_eq(next(gen), 1);
    ck_assert_int_eq(co_cancel(generator_task), 1);
    co_gen_free(gen);
    ck_assert_str_eq(events.text, "c");
}

static int free_itself(co_gen *gen, void *unused)
{
    (void)unused;
    co_gen_free(gen);
    return 0;
}

static int dies_in_itself(void *unused)
{
    return co_gen_next(make(free_itself, (intptr_t)unused), NULL);
}

static int dies_under_a_consumer(void *unused)
{
    co_gen *gen = make(sleeper, (intptr_t)unused);
    co_task *task = co_test_spawn(ask_task, gen);

    co_task_set_name(task, "consumer");
    co_test_yield();
    co_gen_free(gen);
    return 0;
}

static co_gen *kept;

static int make_kept(void *unused)
{
    (void)unused;
    kept = make(count_to, 5);
    return (int)next(kept);
}

static int dies_elsewhere(void *unused)
{
    (void)unused;
    co_gen_free(kept);
    return 0;
}

static int leave_a_scope_open(co_gen *gen, void *scope)
{
    (void)gen;
    co__scope_timeout(scope, CO_SEC);
    return 0;
}

static int dies_of_a_scope(void *unused)
{
    static co_scope scope;

    (void)unused;
    return co_gen_next(co_gen_new(leave_a_scope_open, &scope), NULL);
}

START_TEST(misuse_stops_the_program_and_says_which)
{
    const char *text = co_test_dies(dies_in_itself, NULL);
    co_loop *loop = co_loop_new(NULL);

    ck_assert_ptr_nonnull(strstr(text, "co_gen_free"));
    ck_assert_ptr_nonnull(strstr(text, "from within itself"));
    text = co_test_dies(dies_under_a_consumer, NULL);
    ck_assert_ptr_nonnull(strstr(text, "co_gen_free"));
    ck_assert_ptr_nonnull(strstr(text, "\"consumer\""));
    ck_assert_int_eq(co_loop_run_until(loop, make_kept, NULL, NULL), 0);
    text = co_test_dies(dies_elsewhere, NULL);
    ck_assert_ptr_nonnull(strstr(text, "another loop's generator"));
    co_loop_free(loop);
    text = co_test_dies(dies_of_a_scope, NULL);
    ck_assert_ptr_nonnull(strstr(text, "from inside a scope"));
}
END_TEST

static int free_in_child(void *unused)
{
    co_gen *gen = make(count_to, 5);
    int status = -1;
    pid_t pid;

    (void)unused;
    ck_assert_int_eq(next(gen), 1);
    pid = fork();
    if (pid == 0) {
        if (co_gen_next(gen, NULL) != -EPERM)
            _exit(1);
        co_gen_free(gen);
        _exit(7);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(WEXITSTATUS(status), 7);
    ck_assert_int_eq(next(gen), 2);
    co_gen_free(gen);
    return 0;
}

static int fork_within(co_gen *gen, void *unused)
{
    int status = -1;
    pid_t pid = fork();

    (void)gen;
    (void)unused;
    if (pid == 0)
        return 9;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

START_TEST(forked_child_leaves_generators_behind)
{
    ck_assert_int_eq(co_run(free_in_child, NULL), 0);
}
END_TEST

static int fork_in_generator(void *unused)
{
    co_gen *gen = make(fork_within, (intptr_t)unused);
    int r;

    ck_assert_int_eq(co_gen_next(gen, NULL), 0);
    r = co_gen_result(gen);
    co_gen_free(gen);
    return r;
}

START_TEST(child_forked_in_a_generator_ends_with_its_function)
{
    ck_assert_int_eq(co_run(fork_in_generator, NULL), 9);
}
END_TEST

/* ---- the end of the loop ------------------------------------------------- */

static int leave_all_kinds(void *unused)
{
    (void)unused;
    next(make(cleans_up, CO_SEC));
    make(log_and_yield, 0); /* not begun */
    ck_assert_int_eq(co_gen_next(make(yield_shielded, 0), NULL), 1);
    ck_assert_int_eq(co_gen_next(make(count_to, 0), NULL), 0);
    /* One that is waited for, one of whom another is the consumer. */
    ck_assert_int_eq(co_detach(co_test_spawn(ask_task, make(sleeper, 0))), 0);
    next(co_gen_new(relay, make(count_to, 5)));
    next(make(impatient, 0));
    co_test_yield();
    return 5;
}

START_TEST(what_is_left_at_the_end_of_the_loop_is_ended_and_freed)
{
    start_log();
    ck_assert_int_eq(co_run(leave_all_kinds, NULL), 5);
    ck_assert_uint_eq(events.length, 3);
    ck_assert_ptr_nonnull(strchr(events.text, 'x'));
    ck_assert_ptr_null(strchr(events.text, '?'));
    ck_assert_ptr_null(strchr(events.text, 'a'));
}
END_TEST

START_TEST(generators_that_are_left_are_not_reported)
{
    start_log();
    ck_assert_int_eq(co_test_run_reported(leave_all_kinds, NULL), 5);
    ck_assert_int_eq(co_test_reported.count, 0);
}
END_TEST

static int free_at_the_end(void *gen)
{
    (void)co_test_sleep_for_ever(NULL);
    co_gen_free(gen); /* it may have ended already */
    return 0;
}

static int leave_to_another(void *unused)
{
    co_gen *gen = make(count_to, 5);

    (void)unused;
    next(gen);
    ck_assert_int_eq(co_detach(co_test_spawn(free_at_the_end, gen)), 0);
    gen = make(cleans_up, CO_SEC);
    ck_assert_int_eq(co_detach(co_test_spawn(free_at_the_end, gen)), 0);
    next(gen);
    co_test_yield();
    return 0;
}

START_TEST(task_that_ends_with_the_loop_can_free_its_generator)
{
    start_log();
    ck_assert_int_eq(co_run(leave_to_another, NULL), 0);
    ck_assert_str_eq(events.text, "c");
}
END_TEST

static int use_kept(void *unused)
{
    (void)unused;
    return (int)next(kept);
}

START_TEST(generator_lives_from_run_to_run_of_its_loop)
{
    co_loop *loop = co_loop_new(NULL);
    int result = 0;

    ck_assert_int_eq(co_loop_run_until(loop, make_kept, NULL, &result), 0);
    ck_assert_int_eq(result, 1);
    ck_assert_int_eq(co_gen_next(kept, NULL), -EPERM);
    ck_assert_int_eq(co_loop_run_until(loop, use_kept, NULL, &result), 0);
    ck_assert_int_eq(result, 2);
    co_loop_free(loop);
}
END_TEST

static int finished;

static int sum_up(void *unused)
{
    co_gen *gen = make(count_to, 1000);
    int sum = 0;

    (void)unused;
    co_gen_each(gen, value)
        sum += (int)(intptr_t)value;
    co_gen_free(gen);
    finished = sum;
    return sum;
}

START_TEST(generators_run_in_the_turns_of_an_embedded_loop)
{
    co_loop *loop = co_loop_new(NULL);
    int turns = 0;

    finished = 0;
    ck_assert_ptr_nonnull(co_loop_spawn(loop, sum_up, NULL));
    while (!finished && turns++ < 10000)
        ck_assert_int_ge(co_loop_turn(loop, 0), 0);
    ck_assert_int_eq(finished, 500500);
    co_loop_free(loop);
}
END_TEST

/* ---- cost ---------------------------------------------------------------- */

CO_TASK_TEST(steady_state_allocates_nothing)
{
    for (int i = 0; i < 200; i++)
        co_gen_free(make(count_to, 1));
    co__fault_after(0);
    for (int i = 0; i < 100; i++) {
        co_gen *gen = make(count_to, 3);

        co_gen_each(gen, value)
            ck_assert_int_le((intptr_t)value, 3);
        co_gen_free(gen);
    }
    ck_assert_uint_eq(co__fault_after(0), 0);
}

CO_TASK_TEST(busy_generator_does_not_starve_other_tasks)
{
    co_gen *gen = make(accumulate, 0);
    int others = 0, mine = 0;
    co_task *task = co_test_spawn(count_yields, &others);

    while (others < 20) {
        next(gen);
        ck_assert_int_lt(mine++, 20000);
    }
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), 0);
    co_gen_free(gen);
}

static int end_at_once(co_gen *gen, void *unused)
{
    (void)gen;
    (void)unused;
    return 0;
}

CO_TASK_TEST(short_generators_do_not_starve_other_tasks)
{
    int others = 0, mine = 0;
    co_task *task = co_test_spawn(count_yields, &others);

    while (others < 20) {
        co_gen *gen = make(end_at_once, 0);

        ck_assert_int_eq(co_gen_next(gen, NULL), 0);
        co_gen_free(gen);
        ck_assert_int_lt(mine++, 20000);
    }
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), 0);
}

/* ---- what is said -------------------------------------------------------- */

static co_mutex lock;

static int locks(co_gen *gen, void *unused)
{
    int r = co_mutex_lock(&lock);

    (void)unused;
    if (r < 0)
        return r;
    r = co_gen_yield(gen, NULL, NULL);
    co_mutex_unlock(&lock);
    return r;
}

static int lock_against_itself(void *unused)
{
    co_gen *gen;
    int r;

    (void)unused;
    memset(&lock, 0, sizeof(lock));
    ck_assert_int_eq(co_mutex_lock(&lock), 0);
    gen = make(locks, 0);
    r = co_gen_next(gen, NULL);
    co_mutex_unlock(&lock);
    co_gen_free(gen);
    return r;
}

START_TEST(generator_that_waits_for_its_consumer_is_a_deadlock)
{
    co_loop_options options = {.size = sizeof(options), .debug = 1};
    int result = 0;

    ck_assert_int_eq(co_run_with(&options, lock_against_itself, NULL, &result),
                     -EDEADLK);
}
END_TEST

/* ---- everything at once -------------------------------------------------- */

#define CROWD 8
#define TURNS 60

static struct co_test_random noise;

/* 0, 1, 2 ... whatever happens on the way. */
static int stubborn(co_gen *gen, void *unused)
{
    int r = 0;

    (void)unused;
    for (intptr_t i = 0; r == 0; i++) {
        switch (co_test_random_below(&noise, 4)) {
        case 0:
            (void)co_sleep((co_time)co_test_random_below(&noise, 3) * CO_MS);
            break;
        case 1:
            (void)co_yield_now();
            break;
        case 2:
            co_timeout((co_time)co_test_random_below(&noise, 2) * CO_MS)
                (void)co_sleep(CO_MS);
            break;
        default:
            break;
        }
        r = co_gen_yield(gen, co_test_number(i), NULL);
    }
    return r;
}

/* The same, by way of another generator. */
static int stubborn_relay(co_gen *gen, void *unused)
{
    co_gen *inner = make(stubborn, (intptr_t)unused);
    void *value;
    int r = 0;

    while (r == 0) {
        co_shield
            r = co_gen_next(inner, &value);
        r = r == 1 ? co_gen_yield(gen, value, NULL) : -EIO;
    }
    co_gen_free(inner);
    return r;
}

static int count_on(void *arg)
{
    co_gen *gen = make(arg ? stubborn_relay : stubborn, 0);
    intptr_t expected = 0;

    while (expected < TURNS) {
        void *value = NULL;
        int r = 0;

        co_timeout((co_time)co_test_random_below(&noise, 4) * CO_MS)
            r = co_gen_next(gen, &value);
        if (r == 1)
            ck_assert_int_eq((intptr_t)value, expected++);
        else
            ck_assert(r == -ECANCELED || r == -ETIMEDOUT);
        while (co_cancelling(co_self()))
            co_uncancel(co_self());
        if (r < 0)
            (void)co_yield_now();
    }
    co_gen_free(gen);
    return 0;
}

static void run_crowd(void)
{
    co_task *task[CROWD];
    co_loop *loop = co_loop_running();

    for (int i = 0; i < CROWD; i++)
        task[i] = co_test_spawn(count_on, i % 2 ? &noise : NULL);
    for (int i = 0; i < 300; i++) {
        co_task *victim = task[co_test_random_below(&noise, CROWD)];

        (void)co_cancel(victim);
        (void)co_sleep((co_time)co_test_random_below(&noise, 2) * CO_MS);
    }
    for (int i = 0; i < CROWD; i++)
        ck_assert_int_eq(co_test_result(task[i]), 0);
    ck_assert_uint_eq(co_loop_task_count(loop), 1);
}

/* Cancels and timeouts rain on consumers, whose generators count on: no value
 * is lost, none comes twice. */
START_TEST(no_value_is_lost_or_doubled_whoever_is_interrupted)
{
    noise.state = (uint64_t)_i;
    co__sched_seed = _i % 2 ? (uint64_t)(_i + 1) * 0x9e3779b97f4a7c15u : 0;
    co_test_in_task(run_crowd);
    co__sched_seed = 0;
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("sync.generator");
    TCase *tc;

    tc = tcase_create("out");
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, values_come_in_order_and_then_the_end);
    tcase_add_test(tc, each_runs_its_block_for_each_value);
    tcase_add_test(tc, each_can_be_left_and_gone_on_with);
    tcase_add_test(tc, value_that_nobody_wants_is_dropped);
    tcase_add_test(tc, generator_runs_when_it_is_asked_and_not_before);
    tcase_add_test(tc, error_that_a_generator_returns_ends_the_sequence);
    tcase_add_test(tc, values_come_from_any_depth_of_calls);
    tcase_add_test(tc, generators_make_pipelines);
    tcase_add_test(tc, numbers_in_registers_survive_on_both_sides);
    suite_add_tcase(s, tc);

    tc = tcase_create("in");
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, accumulator_adds_what_it_is_sent);
    tcase_add_test(tc, sending_to_a_generator_that_has_not_begun_is_einval);
    tcase_add_test(tc, what_is_sent_to_who_does_not_look_is_dropped);
    suite_add_tcase(s, tc);

    tc = tcase_create("delegation");
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, chain_yields_what_its_two_generators_yield);
    tcase_add_test(tc, what_is_sent_goes_through_to_the_inner_generator);
    tcase_add_test(tc, error_of_the_inner_generator_is_the_result);
    tcase_add_test(tc, delegating_to_nothing_or_to_oneself_fails);
    suite_add_tcase(s, tc);

    tc = tcase_create("who");
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, null_is_einval_everywhere);
    tcase_add_test(tc, making_one_outside_a_loop_is_eperm);
    tcase_add_test(tc, no_memory_is_enomem_and_leaves_nothing);
    tcase_add_test(tc, making_one_while_the_loop_ends_is_eshutdown);
    tcase_add_test(tc, asking_a_generator_from_within_is_edeadlk);
    tcase_add_test(tc, asking_in_a_circle_is_edeadlk);
    tcase_add_test(tc, yielding_for_another_is_eperm);
    tcase_add_test(tc, two_tasks_at_once_are_ebusy);
    tcase_add_test(tc, tasks_may_ask_one_after_the_other);
    tcase_add_test(tc, other_threads_and_loops_are_eperm);
    tcase_add_test(tc, asking_in_a_loop_callback_is_eperm_unless_it_has_ended);
    suite_add_tcase(s, tc);

    tc = tcase_create("limits");
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, pending_cancel_asks_for_nothing);
    suite_add_tcase(s, tc);

    tc = tcase_create("waiting");
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, consumer_waits_while_its_generator_does_and_others_run);
    tcase_add_test(
        tc, cancel_of_the_consumer_interrupts_what_the_generator_waits_for);
    tcase_add_test(
        tc, cancel_of_the_consumer_is_a_level_until_the_generator_yields);
    tcase_add_test(
        tc, timeout_of_the_consumer_interrupts_what_the_generator_waits_for);
    tcase_add_test(
        tc, timeout_of_the_consumer_is_a_level_until_the_generator_yields);
    tcase_add_test(tc,
                   consumers_timeout_is_not_that_of_a_scope_of_the_generators);
    tcase_add_test(tc, limits_reach_the_innermost_of_several_generators);
    tcase_add_test(
        tc, limit_that_comes_before_the_generator_begins_does_not_end_it);
    tcase_add_test(tc, cancel_after_a_timeout_reaches_the_generator_too);
    suite_add_tcase(s, tc);

    tc = tcase_create("two ways");
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, what_a_generator_got_before_a_cancel_is_delivered);
    tcase_add_test(tc, what_a_generator_got_before_a_timeout_is_delivered);
    tcase_add_test(tc, cancelled_wait_of_a_generator_loses_nothing);
    tcase_add_test(tc, late_wait_of_a_generator_loses_nothing);
    suite_add_tcase(s, tc);

    tc = tcase_create("own");
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, scope_around_a_yield_ends_it_and_the_next_value_waits);
    tcase_add_test(tc, value_that_waits_can_be_left_and_freed);
    tcase_add_test(tc, value_that_waits_goes_when_its_yield_fails);
    tcase_add_test(tc,
                   value_that_was_taken_back_is_not_given_to_who_comes_later);
    tcase_add_test(tc, yield_within_a_scope_that_has_run_out_yields_nothing);
    tcase_add_test(tc, yield_that_fails_leaves_the_consumers_limit_in_force);
    tcase_add_test(tc, consumer_may_come_while_the_generator_works_on_its_own);
    tcase_add_test(
        tc, generator_that_works_on_its_own_can_be_interrupted_and_freed);
    tcase_add_test(tc, task_of_a_generator_can_be_cancelled_but_not_joined);
    suite_add_tcase(s, tc);

    tc = tcase_create("freeing");
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, early_free_runs_the_clean_up);
    tcase_add_test(tc, free_waits_for_a_clean_up_that_waits_shielded);
    tcase_add_test(tc, cancelled_task_frees_to_the_end_all_the_same);
    tcase_add_test(tc, generator_that_was_never_asked_never_runs);
    tcase_add_test(tc, shield_does_not_keep_a_generator_from_ending);
    tcase_add_test(tc, free_in_a_loop_callback_ends_it_in_a_turn_of_its_own);
    tcase_add_test(tc, variable_can_free_its_generator_with_its_block);
    tcase_add_test(tc, generator_freed_while_its_cancel_is_on_its_way);
    tcase_add_test(tc, misuse_stops_the_program_and_says_which);
    tcase_add_test(tc, forked_child_leaves_generators_behind);
    tcase_add_test(tc, child_forked_in_a_generator_ends_with_its_function);
    suite_add_tcase(s, tc);

    tc = tcase_create("end");
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, what_is_left_at_the_end_of_the_loop_is_ended_and_freed);
    tcase_add_test(tc, generators_that_are_left_are_not_reported);
    tcase_add_test(tc, task_that_ends_with_the_loop_can_free_its_generator);
    tcase_add_test(tc, generator_lives_from_run_to_run_of_its_loop);
    tcase_add_test(tc, generators_run_in_the_turns_of_an_embedded_loop);
    suite_add_tcase(s, tc);

    tc = tcase_create("cost");
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, steady_state_allocates_nothing);
    tcase_add_test(tc, busy_generator_does_not_starve_other_tasks);
    tcase_add_test(tc, short_generators_do_not_starve_other_tasks);
    suite_add_tcase(s, tc);

    tc = tcase_create("said");
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_test(tc, generator_that_waits_for_its_consumer_is_a_deadlock);
    suite_add_tcase(s, tc);

    tc = tcase_create("everything");
    co_test_check_fds(tc);
    co_test_virtual_clock(tc);
    tcase_add_loop_test(tc, no_value_is_lost_or_doubled_whoever_is_interrupted,
                        0, co_test_scale(200, 20));
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
