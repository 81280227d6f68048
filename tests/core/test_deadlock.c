/* SPDX-License-Identifier: MIT */
/* When every task waits for another: what is said in debug mode, how the run
 * ends, and that nothing else is taken for it. */
#include <coppice.h>

#include "core/loop.h"

#include "support/check_main.h"
#include "support/counting.h"
#include "support/tasks.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

/* ---- runs in debug mode -------------------------------------------------- */

static char said[16384];  /* what the run wrote to standard error */
static co_task *named[3]; /* tasks of the test; ended after the run */
static int ended[3];      /* what they returned */
static co_mutex mutex[3];

static int run_body(void *fn)
{
    void (*body)(void);

    memcpy(&body, fn, sizeof(void *));
    body();
    return 17;
}

/* Run body in a loop in debug mode, and return what co_run_with did. */
static int run_with(void (*body)(void), const co_loop_options *options,
                    int *result)
{
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO), r;
    void *fn;
    size_t n;

    ck_assert_ptr_nonnull(file);
    memset(mutex, 0, sizeof(mutex));
    memset(ended, 0, sizeof(ended));
    memcpy(&fn, &body, sizeof(fn));
    dup2(fileno(file), STDERR_FILENO);
    r = co_run_with(options, run_body, &fn, result);
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(file);
    n = fread(said, 1, sizeof(said) - 1, file);
    said[n] = '\0';
    fclose(file);
    return r;
}

static int run_in_debug(void (*body)(void), int *result)
{
    const co_loop_options options = {.size = sizeof(options), .debug = 1};

    return run_with(body, &options, result);
}

static void says(const char *words)
{
    ck_assert_msg(strstr(said, words) != NULL, "no \"%s\" in:\n%s", words,
                  said);
}

static void does_not_say(const char *words)
{
    ck_assert_msg(strstr(said, words) == NULL, "\"%s\" in:\n%s", words, said);
}

/* `task "name" (test_deadlock.c:…) waits for <what> of task "other" (…)`. */
static void says_that(const char *name, const char *what, const char *other)
{
    char start[64], *line, *end;

    snprintf(start, sizeof(start), "  task \"%s\" (test_deadlock.c:", name);
    line = strstr(said, "coppice: the cycle:\n");
    ck_assert_msg(line != NULL, "no cycle in:\n%s", said);
    line = strstr(line, start);
    ck_assert_msg(line != NULL, "no \"%s\" in:\n%s", start, said);
    end = strchr(line, '\n');
    ck_assert_ptr_nonnull(end);
    snprintf(start, sizeof(start), ") waits for %s of task \"%s\" (", what,
             other);
    line = strstr(line, start);
    ck_assert_msg(line && line < end, "no \"%s\" in:\n%s", start, said);
}

/* Twice: the second time must not need more memory than the first. */
static void is_deadlock(void (*body)(void))
{
    int result = 5, before, after;

    ck_assert_int_eq(run_in_debug(body, &result), -EDEADLK);
    before = atomic_load(&co_test_blocks);
    ck_assert_int_eq(run_in_debug(body, &result), -EDEADLK);
    after = atomic_load(&co_test_blocks);
    ck_assert_int_eq(after, before);
    ck_assert_int_eq(result, 5);
    ck_assert_ptr_null(co_self());
    says("deadlock:");
    says(" on loop 0x"); /* the dump */
    says("parked, waiting for ");
    does_not_say("running");
    does_not_say("not joined");
    does_not_say("had not ended");
}

static void is_no_deadlock(void (*body)(void))
{
    int result = 5, r = run_in_debug(body, &result);

    ck_assert_msg(r == 0, "%d:\n%s", r, said);
    ck_assert_int_eq(result, 17);
    does_not_say("deadlock:");
}

static co_task *spawn_named(const char *name, co_task_fn fn, void *arg)
{
    co_spawn_options options = {.size = sizeof(options), .name = name};
    co_task *task = co_spawn_with(&options, fn, arg);

    ck_assert_ptr_nonnull(task);
    return task;
}

/* ---- deadlocks ----------------------------------------------------------- */

/* Lock one mutex, let the others do so, lock the next. */
static int lock_two_of(int count, int i)
{
    int r = co_mutex_lock(&mutex[i]);

    ck_assert_int_eq(r, 0);
    co_test_yield();
    r = co_mutex_lock(&mutex[(i + 1) % count]);
    if (r == 0)
        co_mutex_unlock(&mutex[(i + 1) % count]);
    co_mutex_unlock(&mutex[i]);
    ended[i] = r;
    return r;
}

static int lock_two(void *i)
{
    return lock_two_of(2, (int)(intptr_t)i);
}

static int lock_two_of_three(void *i)
{
    return lock_two_of(3, (int)(intptr_t)i);
}

static void two_tasks(void)
{
    named[0] = spawn_named("left", lock_two, co_test_number(0));
    named[1] = spawn_named("right", lock_two, co_test_number(1));
    ck_assert_int_eq(co_join(named[0], NULL), -ECANCELED);
    ck_assert_int_eq(co_join(named[1], NULL), -ECANCELED);
}

START_TEST(two_tasks_and_two_mutexes_are_a_deadlock)
{
    is_deadlock(two_tasks);
    says_that("left", "mutex", "right");
    says_that("right", "mutex", "left");
    ck_assert_int_eq(ended[0], -ECANCELED);
    ck_assert_int_eq(ended[1], -ECANCELED);
    ck_assert_int_eq(co_mutex_is_locked(&mutex[0]), 0);
    ck_assert_int_eq(co_mutex_is_locked(&mutex[1]), 0);
}
END_TEST

/* The task that waits for the cycle is not part of it. */
START_TEST(cycle_alone_is_printed_and_once)
{
    const char *cycle;

    is_deadlock(two_tasks);
    cycle = strstr(said, "coppice: the cycle:\n");
    ck_assert_ptr_nonnull(cycle);
    ck_assert_ptr_null(strstr(cycle + 10, "the cycle:"));
    for (int i = 0; i < 3; i++) {
        cycle = strchr(cycle, '\n');
        ck_assert_ptr_nonnull(cycle);
        ck_assert_int_eq(strncmp(++cycle, "  task \"", 8) == 0, i < 2);
    }
}
END_TEST

static void three_tasks(void)
{
    named[0] = spawn_named("one", lock_two_of_three, co_test_number(0));
    named[1] = spawn_named("two", lock_two_of_three, co_test_number(1));
    named[2] = spawn_named("three", lock_two_of_three, co_test_number(2));
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(co_detach(named[i]), 0);
    ck_assert_int_eq(co_sleep_until(CO_NEVER), -ECANCELED);
}

START_TEST(cycle_of_three_is_found_from_any_task)
{
    is_deadlock(three_tasks);
    says_that("one", "mutex", "two");
    says_that("two", "mutex", "three");
    says_that("three", "mutex", "one");
}
END_TEST

static int lock_first(void *unused)
{
    int r = co_mutex_lock(&mutex[0]);

    (void)unused;
    if (r == 0)
        co_mutex_unlock(&mutex[0]);
    return r;
}

static void join_with_the_mutex(void)
{
    co_task *child;

    co_task_set_name(co_self(), "main");
    ck_assert_int_eq(co_mutex_lock(&mutex[0]), 0);
    child = spawn_named("child", lock_first, NULL);
    ck_assert_int_eq(co_join(child, NULL), -ECANCELED);
    co_mutex_unlock(&mutex[0]);
}

START_TEST(join_of_who_waits_for_the_joiners_mutex_is_a_deadlock)
{
    is_deadlock(join_with_the_mutex);
    says_that("main", "join", "child");
    says_that("child", "mutex", "main");
}
END_TEST

static int join_the_other(void *other)
{
    co_test_yield();
    return co_join(*(co_task **)other, NULL);
}

static void join_each_other(void)
{
    named[0] = spawn_named("left", join_the_other, &named[1]);
    named[1] = spawn_named("right", join_the_other, &named[0]);
    ck_assert_int_eq(co_sleep_until(CO_NEVER), -ECANCELED);
}

START_TEST(tasks_that_join_each_other_are_a_deadlock)
{
    is_deadlock(join_each_other);
    says_that("left", "join", "right");
    says_that("right", "join", "left");
}
END_TEST

/* The second in line waits for whom the mutex has come to, not for whom had it
 * when it began to wait. */
static int lock_first_then_second(void *unused)
{
    int r = co_mutex_lock(&mutex[0]);

    (void)unused;
    if (r < 0)
        return r;
    r = co_mutex_lock(&mutex[1]);
    if (r == 0)
        co_mutex_unlock(&mutex[1]);
    co_mutex_unlock(&mutex[0]);
    return r;
}

static int lock_second_then_first(void *unused)
{
    int r = co_mutex_lock(&mutex[1]);

    (void)unused;
    ck_assert_int_eq(r, 0);
    r = co_mutex_lock(&mutex[0]);
    if (r == 0)
        co_mutex_unlock(&mutex[0]);
    co_mutex_unlock(&mutex[1]);
    return r;
}

static void hand_over(void)
{
    ck_assert_int_eq(co_mutex_lock(&mutex[0]), 0);
    named[0] = spawn_named("heir", lock_first_then_second, NULL);
    named[1] = spawn_named("last", lock_second_then_first, NULL);
    co_test_yield();
    co_mutex_unlock(&mutex[0]);
    ck_assert_int_eq(co_join(named[0], NULL), -ECANCELED);
    ck_assert_int_eq(co_join(named[1], NULL), -ECANCELED);
}

START_TEST(owner_that_came_later_is_the_one_that_is_waited_for)
{
    is_deadlock(hand_over);
    says_that("heir", "mutex", "last");
    says_that("last", "mutex", "heir");
}
END_TEST

static co_rwlock rwlock;
static co_once once;

static int lock_first_once(void *unused)
{
    return lock_first(unused);
}

static int do_once(void *unused)
{
    (void)unused;
    return co_once_do(&once, lock_first_once, NULL);
}

static int write_then_do_once(void *unused)
{
    int r = co_rwlock_write_lock(&rwlock);

    (void)unused;
    ck_assert_int_eq(r, 0);
    r = do_once(NULL);
    co_rwlock_write_unlock(&rwlock);
    return r;
}

static void mixed(void)
{
    memset(&rwlock, 0, sizeof(rwlock));
    memset(&once, 0, sizeof(once));
    co_task_set_name(co_self(), "main");
    ck_assert_int_eq(co_mutex_lock(&mutex[0]), 0);
    named[0] = spawn_named("runner", do_once, NULL);
    named[1] = spawn_named("writer", write_then_do_once, NULL);
    co_test_yield();
    ck_assert_int_eq(co_rwlock_read_lock(&rwlock), -ECANCELED);
    co_mutex_unlock(&mutex[0]);
}

START_TEST(cycle_goes_through_locks_of_several_kinds)
{
    is_deadlock(mixed);
    says_that("main", "rwlock", "writer");
    says_that("writer", "once", "runner");
    says_that("runner", "mutex", "main");
}
END_TEST

/* Nobody is known to be waited for, but nobody else is there. */
static void wait_for_nobody(void)
{
    co_event event = {0};

    ck_assert_int_eq(co_event_wait(&event), -ECANCELED);
}

START_TEST(wait_for_what_nobody_can_do_is_a_deadlock_without_a_cycle)
{
    is_deadlock(wait_for_nobody);
    does_not_say("the cycle");
    says("waiting for event");
}
END_TEST

static int end_at_once(void *unused)
{
    (void)unused;
    return 0;
}

/* The task that ends last finds it, in the root context. */
static void wait_beside_one_that_ends(void)
{
    ck_assert_int_eq(co_detach(co_test_spawn(end_at_once, NULL)), 0);
    wait_for_nobody();
}

START_TEST(deadlock_is_found_when_a_task_ends)
{
    is_deadlock(wait_beside_one_that_ends);
}
END_TEST

static void wait_and_recover(void)
{
    wait_for_nobody();
    ck_assert_int_eq(co_cancelling(co_self()), 1);
    ck_assert_int_eq(co_uncancel(co_self()), 0);
    ended[0] = co_sleep(1); /* clean-up may wait */
    ended[1] = 1;
}

START_TEST(tasks_clean_up_after_a_deadlock)
{
    is_deadlock(wait_and_recover);
    ck_assert_int_eq(ended[0], 0);
    ck_assert_int_eq(ended[1], 1);
}
END_TEST

START_TEST(environment_turns_it_on)
{
    setenv("COPPICE_DEBUG", "1", 1);
    ck_assert_int_eq(run_with(wait_for_nobody, NULL, NULL), -EDEADLK);
    unsetenv("COPPICE_DEBUG");
    says("deadlock:");
}
END_TEST

static int run_wait_for_nobody(void *unused)
{
    (void)unused;
    wait_for_nobody();
    return 0;
}

START_TEST(co_run_returns_edeadlk)
{
    int saved = dup(STDERR_FILENO), r;
    FILE *file = tmpfile();

    dup2(fileno(file), STDERR_FILENO);
    setenv("COPPICE_DEBUG", "1", 1);
    r = co_run(run_wait_for_nobody, NULL);
    unsetenv("COPPICE_DEBUG");
    dup2(saved, STDERR_FILENO);
    close(saved);
    fclose(file);
    ck_assert_int_eq(r, -EDEADLK);
}
END_TEST

/* ---- without a way out --------------------------------------------------- */

static int wait_shielded(void *unused)
{
    co_event event = {0};
    int r = 0;

    (void)unused;
    co_shield {
        r = co_event_wait(&event);
    }
    return r;
}

static void shielded(void)
{
    wait_shielded(NULL);
}

static void leave_one_shielded(void)
{
    spawn_named("left over", wait_shielded, NULL);
    co_test_yield();
}

/* What a child that runs body in debug mode dies of; it says why. */
static int dies_of(void (*body)(void))
{
    const struct rlimit none = {0, 0};
    const co_loop_options options = {.size = sizeof(options), .debug = 1};
    int status, fds[2];
    size_t length = 0;
    ssize_t n;
    void *fn;
    pid_t pid;

    memcpy(&fn, &body, sizeof(fn));
    ck_assert_int_eq(pipe(fds), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        dup2(fds[1], STDERR_FILENO);
        _exit(co_run_with(&options, run_body, &fn, NULL) < 0);
    }
    close(fds[1]);
    while ((n = read(fds[0], said + length, sizeof(said) - 1 - length)) > 0)
        length += (size_t)n;
    said[length] = '\0';
    close(fds[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

START_TEST(deadlock_that_cancelling_does_not_end_stops_the_program)
{
    ck_assert_int_eq(dies_of(shielded), SIGABRT);
    says("cancelling the tasks does not end");
    ck_assert_int_eq(dies_of(leave_one_shielded), SIGABRT);
    says("task \"left over\" (");
    says("cancelling the tasks does not end");
}
END_TEST

/* ---- what is none -------------------------------------------------------- */

static int cancel_later(void *task)
{
    int r = co_sleep(CO_MS);

    ck_assert_int_eq(co_cancel(task), 1);
    return r;
}

static void wait_beside_a_sleeper(void)
{
    co_task *task = co_test_spawn(cancel_later, co_self());

    wait_for_nobody();
    ck_assert_int_eq(co_uncancel(co_self()), 0);
    ck_assert_int_eq(co_test_result(task), 0);
}

START_TEST(sleeping_task_is_no_deadlock)
{
    is_no_deadlock(wait_beside_a_sleeper);
}
END_TEST

static void wait_for_a_while(void)
{
    co_event event = {0};

    co_timeout(CO_MS) {
        ck_assert_int_eq(co_event_wait(&event), -ETIMEDOUT);
    }
}

START_TEST(time_limit_is_no_deadlock)
{
    is_no_deadlock(wait_for_a_while);
}
END_TEST

static co_event later;

static void set_later(void *unused)
{
    (void)unused;
    co_event_set(&later);
}

static void wait_for_a_callback(void)
{
    co_handle handle = {0};

    memset(&later, 0, sizeof(later));
    ck_assert_int_eq(co_call_later(&handle, CO_MS, set_later, NULL), 0);
    ck_assert_int_eq(co_event_wait(&later), 0);
}

START_TEST(callback_to_come_is_no_deadlock)
{
    is_no_deadlock(wait_for_a_callback);
}
END_TEST

/* Something that another thread does, some milliseconds from now, when the loop
 * has long gone to sleep; if it should not have, the test passes all the same.
 */
static void *after_a_while(void *fn)
{
    const struct timespec while_ = {.tv_nsec = 5000000};
    void (*action)(void);

    nanosleep(&while_, NULL);
    memcpy(&action, fn, sizeof(void *));
    action();
    return NULL;
}

static pthread_t thread;

static void have_a_thread_do(void (*action)(void))
{
    static void *fn;

    memcpy(&fn, &action, sizeof(fn));
    ck_assert_int_eq(pthread_create(&thread, NULL, after_a_while, &fn), 0);
}

static int ends[2];

static void write_a_byte(void)
{
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
}

static void wait_for_a_byte(void)
{
    char byte;

    ck_assert_int_eq(pipe(ends), 0);
    have_a_thread_do(write_a_byte);
    ck_assert_int_eq(co_read(ends[0], &byte, 1), 1);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(co_close(ends[0]), 0);
    ck_assert_int_eq(co_close(ends[1]), 0);
}

START_TEST(descriptor_waited_for_is_no_deadlock)
{
    is_no_deadlock(wait_for_a_byte);
}
END_TEST

static co_future *future;

static void resolve(void)
{
    ck_assert_int_eq(co_future_resolve(future, 3, NULL), 0);
}

static void wait_for_a_future(void)
{
    future = co_future_new_threadsafe();
    ck_assert_ptr_nonnull(future);
    have_a_thread_do(resolve);
    ck_assert_int_eq(co_wait(future, NULL), 3);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    co_future_unref(future);
}

START_TEST(thread_safe_future_waited_for_is_no_deadlock)
{
    is_no_deadlock(wait_for_a_future);
}
END_TEST

static void wait_for_a_plain_future(void)
{
    future = co_future_new();
    ck_assert_ptr_nonnull(future);
    ck_assert_int_eq(co_wait(future, NULL), -ECANCELED);
    co_future_unref(future);
}

START_TEST(future_of_one_loop_waited_for_is_a_deadlock)
{
    is_deadlock(wait_for_a_plain_future);
    says("waiting for future");
}
END_TEST

static co_chan *chan;

static void send_a_byte(void)
{
    ck_assert_int_eq(co_chan_send(chan, "x"), 0);
}

static void wait_for_another_threads_channel(void)
{
    char byte;

    chan = co_chan_new_threadsafe(1, 0);
    ck_assert_ptr_nonnull(chan);
    have_a_thread_do(send_a_byte);
    ck_assert_int_eq(co_chan_recv(chan, &byte), 1);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    co_chan_free(chan);
}

START_TEST(thread_safe_channel_waited_for_is_no_deadlock)
{
    is_no_deadlock(wait_for_another_threads_channel);
}
END_TEST

static int sleep_in_a_thread(void *unused)
{
    const struct timespec while_ = {.tv_nsec = 5000000};

    (void)unused;
    return nanosleep(&while_, NULL) == 0 ? 4 : -EINTR;
}

static void wait_for_a_job(void)
{
    ck_assert_int_eq(co_offload(sleep_in_a_thread, NULL), 4);
}

START_TEST(offloaded_job_is_no_deadlock)
{
    is_no_deadlock(wait_for_a_job);
}
END_TEST

static co_loop *loop;
static co_call call;

static void post(void)
{
    ck_assert_int_eq(co_call_soon_threadsafe(loop, &call), 0);
}

static void wait_for_who_knows_the_loop(void)
{
    memset(&later, 0, sizeof(later));
    loop = co_loop_running();
    call = (co_call){.fn = set_later};
    have_a_thread_do(post);
    ck_assert_int_eq(co_event_wait(&later), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

START_TEST(loop_that_others_may_know_is_no_deadlock)
{
    is_no_deadlock(wait_for_who_knows_the_loop);
}
END_TEST

/* ---- what is none, for a task that waits for one of several things ------- */

/* Wait in co_select for what a thread does, or for time. The second case never
 * happens. */
static void select_first(co_case first)
{
    co_case cases[] = {first, CO_CASE_RECV(NULL, NULL)};

    ck_assert_int_eq(co_select(cases, 2), 0);
    ck_assert_int_ge(cases[0].result, 0);
}

static void select_what_a_thread_does(co_case first, void (*action)(void))
{
    have_a_thread_do(action);
    select_first(first);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

static void select_a_descriptor(void)
{
    ck_assert_int_eq(pipe(ends), 0);
    select_what_a_thread_does(CO_CASE_FD(ends[0], CO_READABLE), write_a_byte);
    ck_assert_int_eq(co_close(ends[0]), 0);
    ck_assert_int_eq(co_close(ends[1]), 0);
}

static void select_another_threads_channel(void)
{
    char byte;

    chan = co_chan_new_threadsafe(1, 0);
    ck_assert_ptr_nonnull(chan);
    select_what_a_thread_does(CO_CASE_RECV(chan, &byte), send_a_byte);
    co_chan_free(chan);
}

static void select_another_threads_future(void)
{
    future = co_future_new_threadsafe();
    ck_assert_ptr_nonnull(future);
    select_what_a_thread_does(CO_CASE_FUTURE(future, NULL), resolve);
    co_future_unref(future);
}

static void select_a_time(void)
{
    select_first(CO_CASE_AFTER(CO_MS));
    select_first(CO_CASE_AT(co_now() + CO_MS));
}

START_TEST(select_of_what_comes_from_outside_is_no_deadlock)
{
    is_no_deadlock(select_a_descriptor);
    is_no_deadlock(select_another_threads_channel);
    is_no_deadlock(select_another_threads_future);
    is_no_deadlock(select_a_time);
}
END_TEST

static void select_what_nobody_does(void)
{
    co_case cases[] = {CO_CASE_RECV(NULL, NULL), CO_CASE_FUTURE(NULL, NULL)};

    future = co_future_new();
    ck_assert_ptr_nonnull(future);
    cases[1] = CO_CASE_FUTURE(future, NULL);
    ck_assert_int_eq(co_select(cases, 2), -ECANCELED);
    co_future_unref(future);
}

START_TEST(select_of_this_loops_things_alone_is_a_deadlock)
{
    is_deadlock(select_what_nobody_does);
    says("waiting for select");
}
END_TEST

/* ---- what is none: functions that are called ----------------------------- */

static void read_and_set(int fd, void *unused)
{
    char byte;

    (void)unused;
    ck_assert_int_eq(read(fd, &byte, 1), 1);
    co_event_set(&later);
}

/* co__loop: to ask for the loop is to say that others may know it. */
static void wait_for_a_reader(void)
{
    memset(&later, 0, sizeof(later));
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(co_loop_add_reader(co__loop, ends[0], read_and_set, NULL),
                     0);
    have_a_thread_do(write_a_byte);
    ck_assert_int_eq(co_event_wait(&later), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(co_close(ends[0]), 0);
    ck_assert_int_eq(co_close(ends[1]), 0);
}

START_TEST(reader_is_no_deadlock)
{
    is_no_deadlock(wait_for_a_reader);
}
END_TEST

static void set_on_signal(int signo, void *unused)
{
    (void)signo;
    set_later(unused);
}

static void send_a_signal(void)
{
    ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);
}

static void wait_for_a_signal_callback(void)
{
    memset(&later, 0, sizeof(later));
    ck_assert_int_eq(co_loop_add_signal(co__loop, SIGUSR1, set_on_signal, NULL),
                     0);
    have_a_thread_do(send_a_signal);
    ck_assert_int_eq(co_event_wait(&later), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(co_loop_remove_signal(co__loop, SIGUSR1), 1);
}

START_TEST(signal_callback_is_no_deadlock)
{
    is_no_deadlock(wait_for_a_signal_callback);
}
END_TEST

/* Without them the same wait is one again. */
static void wait_after_the_last_callback(void)
{
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(co_loop_add_reader(co__loop, ends[0], read_and_set, NULL),
                     0);
    ck_assert_int_eq(co_loop_remove_reader(co__loop, ends[0]), 1);
    ck_assert_int_eq(co_loop_add_signal(co__loop, SIGUSR1, set_on_signal, NULL),
                     0);
    ck_assert_int_eq(co_loop_remove_signal(co__loop, SIGUSR1), 1);
    wait_for_nobody();
    ck_assert_int_eq(co_close(ends[0]), 0);
    ck_assert_int_eq(co_close(ends[1]), 0);
}

START_TEST(wait_without_the_callbacks_is_a_deadlock_again)
{
    is_deadlock(wait_after_the_last_callback);
}
END_TEST

static void set_when_done(co_future *done, void *unused)
{
    ck_assert_int_eq(co_future_done(done), 1);
    set_later(unused);
}

/* Nobody waits for the future itself. */
static void wait_for_what_a_future_calls(void)
{
    memset(&later, 0, sizeof(later));
    future = co_future_new_threadsafe();
    ck_assert_ptr_nonnull(future);
    ck_assert_int_eq(co_future_on_done(future, set_when_done, NULL), 0);
    have_a_thread_do(resolve);
    ck_assert_int_eq(co_event_wait(&later), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    co_future_unref(future);
}

START_TEST(function_of_a_thread_safe_future_is_no_deadlock)
{
    is_no_deadlock(wait_for_what_a_future_calls);
}
END_TEST

/* ---- what is none: jobs elsewhere ---------------------------------------- */

static void wait_for_a_submitted_job(void)
{
    co_future *job = co_executor_submit(NULL, sleep_in_a_thread, NULL);

    ck_assert_ptr_nonnull(job);
    ck_assert_int_eq(co_wait(job, NULL), 4);
    co_future_unref(job);
}

START_TEST(submitted_job_is_no_deadlock)
{
    is_no_deadlock(wait_for_a_submitted_job);
}
END_TEST

static void wait_for_the_pool_to_empty(void)
{
    co_future *job = co_executor_submit(NULL, sleep_in_a_thread, NULL);

    ck_assert_ptr_nonnull(job);
    ck_assert_int_eq(co_loop_shutdown_executor(), 0);
    ck_assert_int_eq(co_future_result(job, NULL), 4);
    co_future_unref(job);
}

START_TEST(wait_for_the_end_of_jobs_is_no_deadlock)
{
    is_no_deadlock(wait_for_the_pool_to_empty);
}
END_TEST

static int sleep_in_a_process(const void *in, size_t in_bytes, void **out,
                              size_t *out_bytes)
{
    (void)in, (void)in_bytes, (void)out, (void)out_bytes;
    return sleep_in_a_thread(NULL);
}

static int call_in_a_process(void *pool)
{
    return co_procpool_call(pool, 0, NULL, 0, NULL, NULL);
}

/* A call waits for its answer, another one for its turn. */
static void wait_for_another_process(void)
{
    static const co_procpool_fn functions[] = {sleep_in_a_process};
    const co_procpool_options options = {.size = sizeof(options),
                                         .functions = functions,
                                         .function_count = 1,
                                         .workers_max = 1};
    co_procpool *pool = co_procpool_new(&options);
    co_task *task;

    ck_assert_ptr_nonnull(pool);
    ck_assert_int_eq(call_in_a_process(pool), 4);
    task = co_test_spawn(call_in_a_process, pool);
    ck_assert_int_eq(call_in_a_process(pool), 4);
    ck_assert_int_eq(co_test_result(task), 4);
    ck_assert_int_eq(co_procpool_shutdown(pool, 1), 0);
    co_procpool_free(pool);
}

START_TEST(call_in_another_process_is_no_deadlock)
{
    is_no_deadlock(wait_for_another_process);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("core/deadlock");
    TCase *tc = tcase_create("deadlock");

    if (co_set_allocator(&co_test_counting) < 0)
        abort();
    unsetenv("COPPICE_DEBUG");
    co_test_check_fds(tc);
    tcase_add_test(tc, two_tasks_and_two_mutexes_are_a_deadlock);
    tcase_add_test(tc, cycle_alone_is_printed_and_once);
    tcase_add_test(tc, cycle_of_three_is_found_from_any_task);
    tcase_add_test(tc, join_of_who_waits_for_the_joiners_mutex_is_a_deadlock);
    tcase_add_test(tc, tasks_that_join_each_other_are_a_deadlock);
    tcase_add_test(tc, owner_that_came_later_is_the_one_that_is_waited_for);
    tcase_add_test(tc, cycle_goes_through_locks_of_several_kinds);
    tcase_add_test(tc,
                   wait_for_what_nobody_can_do_is_a_deadlock_without_a_cycle);
    tcase_add_test(tc, deadlock_is_found_when_a_task_ends);
    tcase_add_test(tc, tasks_clean_up_after_a_deadlock);
    tcase_add_test(tc, environment_turns_it_on);
    tcase_add_test(tc, co_run_returns_edeadlk);
    tcase_add_test(tc, future_of_one_loop_waited_for_is_a_deadlock);
    tcase_add_test(tc, select_of_this_loops_things_alone_is_a_deadlock);
    tcase_add_test(tc, wait_without_the_callbacks_is_a_deadlock_again);
    tcase_add_test(tc, deadlock_that_cancelling_does_not_end_stops_the_program);
    suite_add_tcase(s, tc);

    tc = tcase_create("none");
    co_test_check_fds(tc);
    tcase_add_test(tc, sleeping_task_is_no_deadlock);
    tcase_add_test(tc, time_limit_is_no_deadlock);
    tcase_add_test(tc, callback_to_come_is_no_deadlock);
    tcase_add_test(tc, descriptor_waited_for_is_no_deadlock);
    tcase_add_test(tc, thread_safe_future_waited_for_is_no_deadlock);
    tcase_add_test(tc, thread_safe_channel_waited_for_is_no_deadlock);
    tcase_add_test(tc, offloaded_job_is_no_deadlock);
    tcase_add_test(tc, loop_that_others_may_know_is_no_deadlock);
    tcase_add_test(tc, select_of_what_comes_from_outside_is_no_deadlock);
    tcase_add_test(tc, reader_is_no_deadlock);
    tcase_add_test(tc, signal_callback_is_no_deadlock);
    tcase_add_test(tc, function_of_a_thread_safe_future_is_no_deadlock);
    tcase_add_test(tc, submitted_job_is_no_deadlock);
    tcase_add_test(tc, wait_for_the_end_of_jobs_is_no_deadlock);
    tcase_add_test(tc, call_in_another_process_is_no_deadlock);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
