/* SPDX-License-Identifier: MIT */
/* co_run and co_run_with: results, errors, and what becomes of leftovers. */
#include <coppice/cancel.h>
#include <coppice/error.h>
#include <coppice/loop.h>
#include <coppice/scope.h>
#include <coppice/task.h>

#include "base/clock.h"
#include "core/loop.h"
#include "core/stack.h"
#include "support/check_main.h"
#include "support/stderr.h"

#include <pthread.h>
#include <string.h>
#include <sys/resource.h>

/* ---- support ------------------------------------------------------------- */

static int count_one(struct co_task *task, void *arg)
{
    (void)task;
    ++*(size_t *)arg;
    return 0;
}

/* Stacks that the loops of this thread have not given back. */
static size_t stacks_in_use(void)
{
    struct co__stack_pool *pool = co__stack_pool_get();
    size_t count = 0;

    co__stack_pool_each(pool, count_one, &count);
    co__stack_pool_put(pool);
    return count;
}

static void virtual_on(void)
{
    co__clock_virtual = 1;
    co__clock_virtual_now = CO_SEC;
}

static void virtual_off(void)
{
    co__clock_virtual = 0;
}

static void nothing_left(void)
{
    ck_assert_ptr_null(co_loop_running());
    ck_assert_ptr_null(co_self());
    ck_assert_uint_eq(stacks_in_use(), 0);
}

/* ---- tasks --------------------------------------------------------------- */

static int seven(void *arg)
{
    (void)arg;
    return 7;
}

static int give(void *arg)
{
    return *(int *)arg;
}

static int sleep_for_ever(void *arg)
{
    int *result = arg;
    int r = co_sleep_until(CO_NEVER);

    if (result)
        *result = r;
    return r;
}

/* ---- results and errors -------------------------------------------------- */

START_TEST(co_run_returns_what_its_function_returned)
{
    int values[] = {0, 1, 255, 256, INT32_MAX, -1, -EIO, INT32_MIN};

    for (size_t i = 0; i < CO_ARRAY_LEN(values); i++)
        ck_assert_int_eq(co_run(give, &values[i]), values[i]);
}
END_TEST

START_TEST(co_run_with_tells_a_result_from_its_own_error)
{
    int failure = -EINVAL, result = 99;

    ck_assert_int_eq(co_run_with(NULL, give, &failure, &result), 0);
    ck_assert_int_eq(result, -EINVAL);
    result = 99;
    ck_assert_int_eq(co_run_with(NULL, NULL, NULL, &result), -EINVAL);
    ck_assert_int_eq(result, 99);
}
END_TEST

START_TEST(the_result_may_be_dropped)
{
    ck_assert_int_eq(co_run_with(NULL, seven, NULL, NULL), 0);
}
END_TEST

START_TEST(a_null_function_is_refused)
{
    ck_assert_int_eq(co_run(NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_run_with(NULL, NULL, NULL, NULL), -EINVAL);
}
END_TEST

START_TEST(options_of_a_wrong_size_are_refused)
{
    co_loop_options options = {0};
    size_t sizes[] = {0, 1, sizeof(options) - 1, sizeof(options) + 1, SIZE_MAX};

    for (size_t i = 0; i < CO_ARRAY_LEN(sizes); i++) {
        options.size = sizes[i];
        ck_assert_int_eq(co_run_with(&options, seven, NULL, NULL), -EINVAL);
    }
}
END_TEST

START_TEST(an_unknown_backend_is_refused)
{
    co_loop_options options = {.size = sizeof(options), .backend = "teapot"};
    int result = 99;

    ck_assert_int_eq(co_run_with(&options, seven, NULL, &result), -ENOSYS);
    ck_assert_int_eq(result, 99);
    options.backend = "";
    ck_assert_int_eq(co_run_with(&options, seven, NULL, &result), -ENOSYS);
}
END_TEST

START_TEST(every_backend_of_the_build_runs_by_name)
{
    for (size_t i = 0; co__pollers[i]; i++) {
        co_loop_options options = {.size = sizeof(options),
                                   .backend = co__pollers[i]->name};
        int result = 0;

        ck_assert_int_eq(co_run_with(&options, seven, NULL, &result), 0);
        ck_assert_int_eq(result, 7);
    }
}
END_TEST

/* Tests that were meant for another reactor prove nothing. */
START_TEST(these_tests_run_on_the_backend_that_was_asked_for)
{
    const char *name = getenv("COPPICE_BACKEND");
    co_loop *loop = co_loop_new(NULL);

    ck_assert_ptr_nonnull(loop);
    if (name && *name)
        ck_assert_str_eq(co_loop_backend(loop), name);
    co_loop_free(loop);
}
END_TEST

START_TEST(absurd_stack_sizes_are_refused)
{
    size_t sizes[] = {1, CO_STACK_SIZE_MIN - 1, CO_STACK_SIZE_MAX + 1,
                      SIZE_MAX / 2, SIZE_MAX};

    for (size_t i = 0; i < CO_ARRAY_LEN(sizes); i++) {
        co_loop_options options = {.size = sizeof(options),
                                   .stack_size = sizes[i]};

        ck_assert_int_eq(co_run_with(&options, seven, NULL, NULL), -EINVAL);
    }
}
END_TEST

START_TEST(the_least_and_the_greatest_stack_size_run)
{
    size_t sizes[] = {CO_STACK_SIZE_MIN, CO_STACK_SIZE_MIN + 1,
                      CO_STACK_SIZE_MAX};

    for (size_t i = 0; i < CO_ARRAY_LEN(sizes); i++) {
        co_loop_options options = {.size = sizeof(options),
                                   .stack_size = sizes[i]};
        int result = 0;

        ck_assert_int_eq(co_run_with(&options, seven, NULL, &result), 0);
        ck_assert_int_eq(result, 7);
    }
}
END_TEST

static int run_nested(void *arg)
{
    co_loop_options options = {.size = sizeof(options)};
    int result = 99;

    (void)arg;
    ck_assert_int_eq(co_run(seven, NULL), -EDEADLK);
    ck_assert_int_eq(co_run_with(&options, seven, NULL, &result), -EDEADLK);
    ck_assert_int_eq(result, 99);
    ck_assert_int_eq(co_run(NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_sleep(CO_MS), 0); /* no harm was done */
    return 3;
}

START_TEST(a_run_inside_a_run_is_a_deadlock)
{
    ck_assert_int_eq(co_run(run_nested, NULL), 3);
}
END_TEST

START_TEST(runs_can_follow_each_other)
{
    for (int i = 0; i < co_test_scale(1000, 50); i++)
        ck_assert_int_eq(co_run(give, &i), i);
}
END_TEST

START_TEST(calls_that_need_a_loop_fail_outside_of_one)
{
    errno = 0;
    ck_assert_ptr_null(co_spawn(seven, NULL));
    ck_assert_int_eq(errno, EPERM);
    errno = 0;
    ck_assert_ptr_null(co_spawn_with(NULL, seven, NULL));
    ck_assert_int_eq(errno, EPERM);
    errno = 0;
    ck_assert_ptr_null(co_spawn(NULL, NULL));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_ptr_null(co_self());
    ck_assert_ptr_null(co_loop_running());
    ck_assert_int_eq(co_yield_now(), 0); /* these two serve the thread */
    ck_assert_int_eq(co_sleep(CO_US), 0);
}
END_TEST

START_TEST(no_descriptor_for_the_reactor_is_emfile)
{
    struct rlimit old, none;
    int before = co_test_fds_open();
    int lowest = dup(STDERR_FILENO); /* the number that is free next */
    int failures = 0;

    close(lowest);
    ck_assert_int_eq(co_run(seven, NULL), 7); /* probes have been made */
    getrlimit(RLIMIT_NOFILE, &old);
    none = old;
    /* From none at all up to enough: each step fails cleanly. */
    for (int spare = 0; spare < 10; spare++) {
        int r, result = 99;

        none.rlim_cur = (rlim_t)(lowest + spare);
        setrlimit(RLIMIT_NOFILE, &none);
        r = co_run_with(NULL, seven, NULL, &result);
        setrlimit(RLIMIT_NOFILE, &old);
        ck_assert_int_eq(co_test_fds_open(), before);
        if (r == 0) {
            ck_assert_int_eq(result, 7);
        } else {
            ck_assert_int_eq(r, -EMFILE);
            ck_assert_int_eq(result, 99);
            failures++;
        }
    }
    ck_assert_int_ge(failures, 1);
    ck_assert_int_lt(failures, 10);
}
END_TEST

/* ---- what a run's task sees ---------------------------------------------- */

static int look_around(void *arg)
{
    co_task *self = co_self();

    ck_assert_ptr_nonnull(self);
    ck_assert_ptr_nonnull(co_loop_running());
    ck_assert_uint_eq(co_loop_task_count(co_loop_running()), 1);
    ck_assert_ptr_nonnull(strstr(co_task_site(self), "test_run.c:"));
    ck_assert_str_eq(co_task_name(self), "");
    ck_assert_int_eq(co_cancelling(self), 0);
    *(int *)arg = 1;
    return 0;
}

START_TEST(the_first_task_knows_where_it_is)
{
    int seen = 0;

    ck_assert_int_eq(co_run(look_around, &seen), 0);
    ck_assert_int_eq(seen, 1);
}
END_TEST

/* The run owns its first task: its handle is nobody's to give away. */
static int misuse_the_first_task(void *arg)
{
    (void)arg;
    ck_assert_int_eq(co_join(co_self(), NULL), -EDEADLK);
    ck_assert_int_lt(co_detach(co_self()), 0);
    return 5;
}

START_TEST(the_first_task_cannot_be_detached)
{
    ck_assert_int_eq(co_run(misuse_the_first_task, NULL), 5);
    nothing_left();
}
END_TEST

struct first {
    co_task *task;
    int join_result;
};

static int join_the_first(void *arg)
{
    struct first *first = arg;

    first->join_result = co_join(first->task, NULL);
    return 0;
}

static int be_joined(void *arg)
{
    struct first *first = arg;

    first->task = co_self();
    ck_assert_ptr_nonnull(co_spawn(join_the_first, first));
    ck_assert_int_eq(co_yield_now(), 0);
    return 6;
}

START_TEST(the_first_task_cannot_be_joined)
{
    struct first first = {NULL, 0};

    ck_assert_int_eq(co_run(be_joined, &first), 6);
    ck_assert_int_eq(first.join_result, -EBUSY);
    nothing_left();
}
END_TEST

static int cancel_oneself(void *arg)
{
    (void)arg;
    ck_assert_int_eq(co_cancel(co_self()), 1);
    ck_assert_int_eq(co_sleep(CO_SEC), -ECANCELED);
    ck_assert_int_eq(co_yield_now(), -ECANCELED);
    return -ECANCELED;
}

START_TEST(the_first_task_can_be_cancelled)
{
    ck_assert_int_eq(co_run(cancel_oneself, NULL), -ECANCELED);
}
END_TEST

/* ---- leftovers ----------------------------------------------------------- */

static int leave_sleepers(void *arg)
{
    int *results = arg;

    for (int i = 0; i < 10; i++) {
        co_task *task = co_spawn(sleep_for_ever, &results[i]);

        ck_assert_ptr_nonnull(task);
        if (i & 1)
            ck_assert_int_eq(co_detach(task), 0);
    }
    ck_assert_int_eq(co_yield_now(), 0);
    return 1;
}

START_TEST(tasks_that_are_left_are_cancelled_and_waited_for)
{
    int results[10] = {0};

    ck_assert_int_eq(co_run(leave_sleepers, results), 1);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(results[i], -ECANCELED);
    nothing_left();
}
END_TEST

static int leave_unstarted(void *arg)
{
    ck_assert_ptr_nonnull(co_spawn(sleep_for_ever, arg));
    return 0;
}

START_TEST(a_task_that_had_not_started_starts_cancelled)
{
    int result = 0;

    ck_assert_int_eq(co_run(leave_unstarted, &result), 0);
    ck_assert_int_eq(result, -ECANCELED);
    nothing_left();
}
END_TEST

static int clean_up_slowly(void *arg)
{
    int *steps = arg;

    if (co_sleep_until(CO_NEVER) == -ECANCELED)
        co_shield {
            for (int i = 0; i < 5; i++) {
                ck_assert_int_eq(co_sleep(CO_SEC), 0);
                ck_assert_int_eq(co_yield_now(), 0);
                ++*steps;
            }
        }
    return 0;
}

static int leave_slow_cleaner(void *arg)
{
    ck_assert_ptr_nonnull(co_spawn(clean_up_slowly, arg));
    return co_yield_now();
}

START_TEST(shielded_clean_up_is_waited_for)
{
    int steps = 0;

    ck_assert_int_eq(co_run(leave_slow_cleaner, &steps), 0);
    ck_assert_int_eq(steps, 5);
    nothing_left();
}
END_TEST

static int spawn_while_ending(void *arg)
{
    int *error = arg;

    ck_assert_int_eq(co_sleep_until(CO_NEVER), -ECANCELED);
    errno = 0;
    if (co_spawn(seven, NULL))
        return 1;
    *error = errno;
    errno = 0;
    ck_assert_ptr_null(co_spawn_with(NULL, seven, NULL));
    ck_assert_int_eq(errno, ESHUTDOWN);
    errno = 0;
    ck_assert_ptr_null(co_loop_spawn(co_loop_running(), seven, NULL));
    ck_assert_int_eq(errno, ESHUTDOWN);
    return 0;
}

static int leave_spawner(void *arg)
{
    ck_assert_ptr_nonnull(co_spawn(spawn_while_ending, arg));
    return co_yield_now();
}

START_TEST(a_loop_that_ends_takes_no_new_tasks)
{
    int error = 0;

    ck_assert_int_eq(co_run(leave_spawner, &error), 0);
    ck_assert_int_eq(error, ESHUTDOWN);
    nothing_left();
}
END_TEST

static int leave_ended(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++)
        ck_assert_ptr_nonnull(co_spawn(seven, NULL));
    return co_yield_now();
}

START_TEST(tasks_that_ended_unjoined_are_freed)
{
    ck_assert_int_eq(co_run(leave_ended, NULL), 0);
    nothing_left();
}
END_TEST

struct family {
    co_task *child;
    int child_ended;
    int join_result;
    int child_result;
    int order_right;
};

static int yield_once(void *arg)
{
    struct family *f = arg;

    co_yield_now();
    f->child_ended = 1;
    return 11;
}

static int join_child(void *arg)
{
    struct family *f = arg;

    f->join_result = co_join(f->child, &f->child_result);
    return 0;
}

static int leave_a_join_half_done(void *arg)
{
    struct family *f = arg;

    f->child = co_spawn(yield_once, f);
    ck_assert_ptr_nonnull(co_spawn(join_child, f));
    co_yield_now(); /* the child has yielded, the other joins it */
    co_yield_now(); /* the child has ended, its joiner is ready */
    ck_assert_int_eq(f->child_ended, 1);
    ck_assert_int_eq(f->join_result, 99);
    return 0;
}

/* The joiner was granted the result before the end began. */
START_TEST(a_join_that_was_granted_before_the_end_is_kept)
{
    struct family f = {.join_result = 99};

    ck_assert_int_eq(co_run(leave_a_join_half_done, &f), 0);
    ck_assert_int_eq(f.join_result, 0);
    ck_assert_int_eq(f.child_result, 11);
    nothing_left();
}
END_TEST

static int slow_child(void *arg)
{
    struct family *f = arg;

    ck_assert_int_eq(co_sleep_until(CO_NEVER), -ECANCELED);
    co_shield {
        ck_assert_int_eq(co_sleep(CO_SEC), 0);
    }
    f->child_ended = 1;
    return 12;
}

static int careful_parent(void *arg)
{
    struct family *f = arg;

    f->child = co_spawn(slow_child, f);
    ck_assert_int_eq(co_sleep_until(CO_NEVER), -ECANCELED);
    co_shield {
        f->join_result = co_join(f->child, &f->child_result);
    }
    f->order_right = f->child_ended;
    return 0;
}

static int leave_a_family(void *arg)
{
    ck_assert_ptr_nonnull(co_spawn(careful_parent, arg));
    ck_assert_int_eq(co_yield_now(), 0);
    return co_yield_now();
}

/* Its children use its memory: it must be able to wait for them. */
START_TEST(a_task_that_is_left_can_still_join_its_children)
{
    struct family f = {.join_result = 99};

    ck_assert_int_eq(co_run(leave_a_family, &f), 0);
    ck_assert_int_eq(f.join_result, 0);
    ck_assert_int_eq(f.child_result, 12);
    ck_assert_int_eq(f.order_right, 1);
    nothing_left();
}
END_TEST

static int parent_of_ended(void *arg)
{
    struct family *f = arg;

    f->child = co_spawn(seven, NULL);
    ck_assert_int_eq(co_sleep_until(CO_NEVER), -ECANCELED);
    co_shield {
        f->join_result = co_join(f->child, &f->child_result);
    }
    return 0;
}

static int leave_an_ended_child(void *arg)
{
    ck_assert_ptr_nonnull(co_spawn(parent_of_ended, arg));
    ck_assert_int_eq(co_yield_now(), 0);
    return co_yield_now();
}

START_TEST(a_task_that_is_left_can_still_take_an_ended_childs_result)
{
    struct family f = {.join_result = 99};

    ck_assert_int_eq(co_run(leave_an_ended_child, &f), 0);
    ck_assert_int_eq(f.join_result, 0);
    ck_assert_int_eq(f.child_result, 7);
    nothing_left();
}
END_TEST

static int leave_a_chain(void *arg)
{
    struct family *links = arg;
    co_task *last = co_spawn(sleep_for_ever, NULL);

    for (int i = 0; i < 10; i++) {
        links[i].child = last;
        links[i].join_result = 99;
        last = co_spawn(join_child, &links[i]);
    }
    return co_yield_now();
}

START_TEST(a_chain_of_joiners_that_is_left_ends)
{
    struct family links[10] = {{0}};

    ck_assert_int_eq(co_run(leave_a_chain, links), 0);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(links[i].join_result, -ECANCELED);
    nothing_left();
}
END_TEST

/* ---- debug mode ---------------------------------------------------------- */

static int left_line;

static int leave_named(void *arg)
{
    co_spawn_options reader = {.size = sizeof(reader), .name = "reader"};
    co_spawn_options quiet = {
        .size = sizeof(quiet), .name = "quiet", .detached = 1};
    co_spawn_options ended = {.size = sizeof(ended), .name = "ended"};

    (void)arg;
    left_line = __LINE__ + 1;
    ck_assert_ptr_nonnull(co_spawn_with(&reader, sleep_for_ever, NULL));
    ck_assert_ptr_nonnull(co_spawn_with(&quiet, sleep_for_ever, NULL));
    ck_assert_ptr_nonnull(co_spawn_with(&ended, seven, NULL));
    return co_yield_now();
}

START_TEST(debug_mode_names_what_was_left_and_where_it_began)
{
    co_loop_options options = {.size = sizeof(options), .debug = 1};
    FILE *file = co_test_stderr_catch();
    int r = co_run_with(&options, leave_named, NULL, NULL);
    const char *text = co_test_stderr_caught(file);
    char site[64];

    snprintf(site, sizeof(site), "test_run.c:%d", left_line);
    ck_assert_int_eq(r, 0);
    ck_assert_msg(strstr(text, "task \"reader\"") && strstr(text, site) &&
                      strstr(text, "task \"ended\"") &&
                      !strstr(text, "task \"quiet\""),
                  "stderr was: %s", text);
}
END_TEST

START_TEST(a_plain_run_says_nothing)
{
    FILE *file;
    int r;
    const char *text;

    unsetenv("COPPICE_DEBUG");
    file = co_test_stderr_catch();
    r = co_run(leave_named, NULL);
    text = co_test_stderr_caught(file);
    ck_assert_int_eq(r, 0);
    ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(the_environment_turns_debug_mode_on_and_off)
{
    static const char *const values[] = {"1", "yes", "0", ""};

    for (int i = 0; i < 4; i++) {
        FILE *file;
        const char *text;

        setenv("COPPICE_DEBUG", values[i], 1);
        file = co_test_stderr_catch();
        co_run(leave_named, NULL);
        text = co_test_stderr_caught(file);
        unsetenv("COPPICE_DEBUG");
        ck_assert_msg((strstr(text, "reader") != NULL) == (i < 2),
                      "COPPICE_DEBUG=%s gave: %s", values[i], text);
    }
}
END_TEST

/* ---- threads ------------------------------------------------------------- */

enum {
    THREADS = 8,
    ROUNDS = 20,
};

static int sum_of_children(void *arg)
{
    co_task *tasks[10];
    int values[10], sum = 0;

    (void)arg;
    for (int i = 0; i < 10; i++) {
        values[i] = i;
        tasks[i] = co_spawn(give, &values[i]);
        if (!tasks[i])
            return -errno;
    }
    if (co_sleep(10 * CO_US) < 0)
        return -1;
    for (int i = 0; i < 10; i++) {
        int r = -1;

        if (co_join(tasks[i], &r) < 0)
            return -2;
        sum += r;
    }
    return sum;
}

static void *run_rounds(void *arg)
{
    int *good = arg;

    for (int i = 0; i < ROUNDS; i++)
        if (co_run(sum_of_children, NULL) == 45)
            ++*good;
    return NULL;
}

START_TEST(threads_run_loops_side_by_side)
{
    pthread_t threads[THREADS];
    int good[THREADS] = {0};

    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(
            pthread_create(&threads[i], NULL, run_rounds, &good[i]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(good[i], ROUNDS);
}
END_TEST

/* A task of another thread's loop is out of reach. */
struct stranger {
    co_task *task;
    int join, cancel, detach, uncancel;
};

static int touch_stranger(void *arg)
{
    struct stranger *s = arg;

    s->join = co_join(s->task, NULL);
    s->cancel = co_cancel(s->task);
    s->uncancel = co_uncancel(s->task);
    s->detach = co_detach(s->task);
    return 0;
}

static void *run_stranger(void *arg)
{
    co_run(touch_stranger, arg);
    return NULL;
}

static int own_a_task(void *arg)
{
    struct stranger *s = arg;
    pthread_t thread;

    s->task = co_spawn(sleep_for_ever, NULL);
    ck_assert_int_eq(co_yield_now(), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, run_stranger, s), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(co_cancelling(s->task), 0);
    ck_assert_int_eq(co_cancel(s->task), 1);
    return co_join(s->task, NULL);
}

START_TEST(tasks_of_another_threads_loop_are_out_of_reach)
{
    struct stranger s = {0};

    ck_assert_int_eq(co_run(own_a_task, &s), 0);
    ck_assert_int_eq(s.join, -EPERM);
    ck_assert_int_eq(s.cancel, -EPERM);
    ck_assert_int_eq(s.uncancel, -EPERM);
    ck_assert_int_eq(s.detach, -EPERM);
    nothing_left();
}
END_TEST

/* ---- many ---------------------------------------------------------------- */

static int crowd_size(void)
{
    return co_test_scale(100000, 1000);
}

static int crowd(void *arg)
{
    int n = crowd_size();
    co_task **tasks = malloc((size_t)n * sizeof(*tasks));
    int *results = calloc((size_t)n, sizeof(*results));
    int wrong = 0;

    (void)arg;
    for (int i = 0; i < n; i++)
        if (!(tasks[i] = co_spawn(sleep_for_ever, &results[i])))
            wrong++;
    ck_assert_int_eq(wrong, 0);
    ck_assert_int_eq(co_yield_now(), 0);
    ck_assert_uint_eq(co_loop_task_count(co_loop_running()), (size_t)n + 1);
    for (int i = 0; i < n; i++)
        if (co_cancel(tasks[i]) != 1)
            wrong++;
    for (int i = 0; i < n; i++)
        if (co_join(tasks[i], NULL) != 0 || results[i] != -ECANCELED)
            wrong++;
    free(tasks);
    free(results);
    return wrong;
}

START_TEST(a_hundred_thousand_parked_tasks_are_woken)
{
    co_loop_options options = {.size = sizeof(options),
                               .stack_size = CO_STACK_SIZE_MIN};
    int result = -1;

    ck_assert_int_eq(co_run_with(&options, crowd, NULL, &result), 0);
    ck_assert_int_eq(result, 0);
    nothing_left();
}
END_TEST

static int leave_a_crowd(void *arg)
{
    int n = crowd_size(), wrong = 0;

    (void)arg;
    for (int i = 0; i < n; i++)
        if (!co_spawn(sleep_for_ever, NULL))
            wrong++;
    if (co_yield_now() < 0)
        wrong++;
    return wrong;
}

START_TEST(a_crowd_that_is_left_is_ended)
{
    ck_assert_int_eq(co_run(leave_a_crowd, NULL), 0);
    nothing_left();
}
END_TEST

static TCase *case_of(Suite *s, const char *name)
{
    TCase *tc = tcase_create(name);

    co_test_check_fds(tc);
    tcase_set_timeout(tc, 170);
    suite_add_tcase(s, tc);
    return tc;
}

static void add_leftovers(TCase *tc)
{
    tcase_add_checked_fixture(tc, virtual_on, virtual_off);
    tcase_add_test(tc, tasks_that_are_left_are_cancelled_and_waited_for);
    tcase_add_test(tc, a_task_that_had_not_started_starts_cancelled);
    tcase_add_test(tc, shielded_clean_up_is_waited_for);
    tcase_add_test(tc, a_loop_that_ends_takes_no_new_tasks);
    tcase_add_test(tc, tasks_that_ended_unjoined_are_freed);
    tcase_add_test(tc, a_join_that_was_granted_before_the_end_is_kept);
    tcase_add_test(tc, a_task_that_is_left_can_still_join_its_children);
    tcase_add_test(tc,
                   a_task_that_is_left_can_still_take_an_ended_childs_result);
    tcase_add_test(tc, a_chain_of_joiners_that_is_left_ends);
    tcase_add_test(tc, debug_mode_names_what_was_left_and_where_it_began);
    tcase_add_test(tc, a_plain_run_says_nothing);
    tcase_add_test(tc, the_environment_turns_debug_mode_on_and_off);
}

static Suite *suite(void)
{
    Suite *s = suite_create("run");
    TCase *tc = case_of(s, "result");

    tcase_add_test(tc, co_run_returns_what_its_function_returned);
    tcase_add_test(tc, co_run_with_tells_a_result_from_its_own_error);
    tcase_add_test(tc, the_result_may_be_dropped);
    tcase_add_test(tc, a_null_function_is_refused);
    tcase_add_test(tc, options_of_a_wrong_size_are_refused);
    tcase_add_test(tc, an_unknown_backend_is_refused);
    tcase_add_test(tc, every_backend_of_the_build_runs_by_name);
    tcase_add_test(tc, these_tests_run_on_the_backend_that_was_asked_for);
    tcase_add_test(tc, absurd_stack_sizes_are_refused);
    tcase_add_test(tc, the_least_and_the_greatest_stack_size_run);
    tcase_add_test(tc, a_run_inside_a_run_is_a_deadlock);
    tcase_add_test(tc, runs_can_follow_each_other);
    tcase_add_test(tc, calls_that_need_a_loop_fail_outside_of_one);
    tcase_add_test(tc, no_descriptor_for_the_reactor_is_emfile);
    tcase_add_test(tc, the_first_task_knows_where_it_is);
    tcase_add_test(tc, the_first_task_cannot_be_detached);
    tcase_add_test(tc, the_first_task_cannot_be_joined);
    tcase_add_test(tc, the_first_task_can_be_cancelled);
    add_leftovers(case_of(s, "leftovers"));
    tc = case_of(s, "threads");
    tcase_add_test(tc, threads_run_loops_side_by_side);
    tcase_add_test(tc, tasks_of_another_threads_loop_are_out_of_reach);
    tc = case_of(s, "many");
    tcase_add_test(tc, a_hundred_thousand_parked_tasks_are_woken);
    tcase_add_test(tc, a_crowd_that_is_left_is_ended);
    return s;
}

CO_TEST_MAIN(suite)
