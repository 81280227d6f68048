/* SPDX-License-Identifier: MIT */
/* The watchdog. A task that blocks does so until it has been reported, so that
 * no test depends on how long anything takes. */
#include "base/sanitize.h"

#include <coppice.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/check_main.h"
#include "support/tasks.h"

#define LIMIT (2 * CO_MS)

/* An emulator's threads, and memcheck's, wait for what ours do not. */
#define SEES_CALLS (!CO_TEST_EMULATED && !CO_TEST_MEMCHECK)

/* ---- what is reported ---------------------------------------------------- */

/* The first report that was waited for, and what lets the task go on. */
static struct {
    enum co_blocked_by by;
    atomic_int blocks; /* from now on; before, it was slow */
    const co_task *_Atomic task;
    atomic_int reported;
    co_watchdog_report report;
    char text[512], name[64], site[128], call[64];
    unsigned own_frames;
    int pipe[2];
    pthread_mutex_t lock;
} seen;

static int read_for_ever(void *unused);

static void let_go(void)
{
    ck_assert_int_eq(write(seen.pipe[1], "", 1), 1);
}

static void on_blocked(const co_watchdog_report *report, void *arg)
{
    uintptr_t code = (uintptr_t)read_for_ever;

    ck_assert_ptr_eq(arg, &seen);
    if (!seen.blocks || seen.reported || report->task != seen.task ||
        (SEES_CALLS && report->by != seen.by))
        return;
    seen.report = *report;
    stpcpy(seen.text, report->text);
    stpcpy(seen.name, report->name);
    stpcpy(seen.site, report->site);
    stpcpy(seen.call, report->call);
    for (unsigned i = 0; i < report->frame_count; i++) {
        uintptr_t frame = (uintptr_t)report->frames[i];

        seen.own_frames += frame >= code && frame < code + 512;
    }
    seen.reported = 1;
    let_go();
}

static int started(int signo)
{
    co_watchdog_options options = {.size = sizeof(options),
                                   .limit = LIMIT,
                                   .signal = signo,
                                   .handler = on_blocked,
                                   .arg = &seen};
    int r = co_watchdog_start(&options);

    ck_assert(r == 0 || r == -ENOSYS);
    return r == 0;
}

/* Run fn as a task that blocks by something, until it is reported. 0 where
 * there is no watchdog. */
static int watch(int (*fn)(void *), enum co_blocked_by by, int signo)
{
    memset(&seen, 0, sizeof(seen));
    pthread_mutex_init(&seen.lock, NULL);
    seen.by = by;
    ck_assert_int_eq(pipe(seen.pipe), 0);
    if (!started(signo))
        return 0;
    ck_assert_int_eq(co_run(fn, NULL), 0);
    ck_assert_int_eq(co_watchdog_stop(), 0);
    close(seen.pipe[0]);
    close(seen.pipe[1]);
    ck_assert_int_ge(seen.report.blocked, LIMIT);
    ck_assert_uint_eq(seen.report.size, sizeof(seen.report));
    if (SEES_CALLS)
        ck_assert_int_eq(seen.report.by, by);
    return SEES_CALLS;
}

static void begin_to_block(void)
{
    seen.task = co_self();
    seen.blocks = 1;
}

static int read_for_ever(void *unused)
{
    char byte;

    (void)unused;
    co_task_set_name(co_self(), "reader");
    begin_to_block();
    ck_assert_int_eq(read(seen.pipe[0], &byte, 1), 1);
    ck_assert(seen.reported);
    ck_assert_ptr_eq(seen.report.task, co_self());
    ck_assert_ptr_eq(seen.report.loop, co_loop_running());
    return 0;
}

START_TEST(task_that_reads_is_named_with_its_call_and_descriptor)
{
    if (!watch(read_for_ever, CO_BLOCKED_IO, 0))
        return;
    ck_assert_str_eq(seen.name, "reader");
    ck_assert_ptr_nonnull(strstr(seen.site, "test_watchdog.c:"));
    ck_assert_str_eq(seen.call, "read");
    ck_assert_int_eq(seen.report.fd, seen.pipe[0]);
    ck_assert_int_le(seen.report.call_blocked, seen.report.blocked);
    ck_assert_uint_eq(seen.report.frame_count, 0);
    ck_assert_ptr_nonnull(
        strstr(seen.text, "task \"reader\" (test_watchdog.c"));
    ck_assert_ptr_nonnull(strstr(seen.text, " blocks its loop for "));
    ck_assert_ptr_nonnull(strstr(seen.text, ": in read on descriptor "));
}
END_TEST

/* The read(2) that was interrupted goes on. */
START_TEST(signal_gives_a_backtrace)
{
    struct sigaction before, after;

    sigaction(SIGURG, NULL, &before);
    /* ThreadSanitizer calls handlers later, not from what they interrupt. */
    if (watch(read_for_ever, CO_BLOCKED_IO, SIGURG) && !CO__TSAN) {
        ck_assert_uint_ge(seen.report.frame_count, 2);
        ck_assert_uint_ge(seen.own_frames, 1);
    }
    sigaction(SIGURG, NULL, &after);
    ck_assert(before.sa_handler == after.sa_handler);
}
END_TEST

static int compute(void *unused)
{
    (void)unused;
    begin_to_block();
    while (!atomic_load(&seen.reported))
        continue;
    return 0;
}

START_TEST(task_that_computes_is_reported_as_running)
{
    if (!watch(compute, CO_BLOCKED_RUNNING, 0))
        return;
    ck_assert_str_eq(seen.call, "");
    ck_assert_int_eq(seen.report.fd, -1);
    ck_assert_ptr_nonnull(strstr(seen.text, ": running for "));
}
END_TEST

static void *hold(void *held)
{
    char byte;

    pthread_mutex_lock(&seen.lock);
    atomic_store((atomic_int *)held, 1);
    ck_assert_int_eq(read(seen.pipe[0], &byte, 1), 1);
    pthread_mutex_unlock(&seen.lock);
    return NULL;
}

static int lock_what_is_held(void *unused)
{
    atomic_int held = 0;
    pthread_t thread;

    (void)unused;
    ck_assert_int_eq(pthread_create(&thread, NULL, hold, &held), 0);
    while (!atomic_load(&held))
        sched_yield();
    begin_to_block();
    pthread_mutex_lock(&seen.lock);
    pthread_mutex_unlock(&seen.lock);
    pthread_join(thread, NULL);
    return 0;
}

START_TEST(task_that_waits_for_a_lock_is_reported)
{
    if (!watch(lock_what_is_held, CO_BLOCKED_LOCK, 0))
        return;
    ck_assert_str_eq(seen.call, "futex");
}
END_TEST

static int sleep_often(void *unused)
{
    struct timespec while_ = {0, 20000000};

    (void)unused;
    begin_to_block();
    while (!atomic_load(&seen.reported))
        nanosleep(&while_, NULL);
    return 0;
}

START_TEST(task_that_sleeps_is_reported)
{
    if (!watch(sleep_often, CO_BLOCKED_SLEEP, 0))
        return;
    ck_assert_ptr_nonnull(strstr(seen.call, "nanosleep"));
}
END_TEST

static int wait_for_child(void *unused)
{
    char byte;
    pid_t child = fork();
    int status;

    (void)unused;
    if (child == 0)
        _exit(read(seen.pipe[0], &byte, 1) == 1 ? 0 : 1);
    begin_to_block();
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    return 0;
}

START_TEST(task_that_waits_for_a_process_is_reported)
{
    if (!watch(wait_for_child, CO_BLOCKED_PROCESS, 0))
        return;
    ck_assert_str_eq(seen.call, "wait4");
}
END_TEST

static void read_in_a_call(void *done)
{
    char byte;

    seen.blocks = 1; /* not in a task of ours */
    ck_assert_int_eq(read(seen.pipe[0], &byte, 1), 1);
    *(int *)done = 1;
}

static int call_soon(void *unused)
{
    co_handle handle = {0};
    int done = 0;

    (void)unused;
    ck_assert_int_eq(co_call_soon(&handle, read_in_a_call, &done), 0);
    while (!done)
        co_test_yield();
    return 0;
}

START_TEST(callback_that_blocks_is_reported)
{
    if (!watch(call_soon, CO_BLOCKED_IO, 0))
        return;
    ck_assert_ptr_null(seen.report.task);
    ck_assert_ptr_nonnull(strstr(seen.text, "a callback blocks its loop"));
}
END_TEST

/* ---- how often, and how long --------------------------------------------- */

#define TIMES 4

static co_time times[TIMES];
static int times_count;

static void on_each(const co_watchdog_report *report, void *unused)
{
    (void)unused;
    if (!seen.blocks || report->task != seen.task || times_count == TIMES)
        return;
    times[times_count++] = report->blocked;
    if (times_count == TIMES) {
        atomic_store(&seen.reported, 1);
        let_go();
    }
}

static int read_a_byte(void *unused)
{
    char byte;

    (void)unused;
    begin_to_block();
    ck_assert_int_eq(read(seen.pipe[0], &byte, 1), 1);
    return 0;
}

START_TEST(report_comes_again_when_the_time_has_doubled)
{
    co_watchdog_options options = {
        .size = sizeof(options), .limit = LIMIT, .handler = on_each};
    co_watchdog_stats stats = {.size = sizeof(stats)};

    memset(&seen, 0, sizeof(seen));
    times_count = 0;
    ck_assert_int_eq(pipe(seen.pipe), 0);
    if (co_watchdog_start(&options) == -ENOSYS)
        return;
    ck_assert_int_eq(co_run(read_a_byte, NULL), 0);
    ck_assert_int_eq(co_watchdog_stop(), 0);
    for (int i = 1; i < TIMES; i++)
        ck_assert_int_ge(times[i], 2 * times[i - 1]);
    ck_assert_int_eq(co_watchdog_stats_get(&stats), 0);
    ck_assert_uint_eq(stats.size, sizeof(stats));
    ck_assert_uint_ge(stats.blocked, 1);
    ck_assert_int_ge(stats.longest, times[TIMES - 1]);
    if (SEES_CALLS) {
        ck_assert_uint_ge(stats.by[CO_BLOCKED_IO].count, 1);
        ck_assert_int_ge(stats.by[CO_BLOCKED_IO].longest, LIMIT);
        ck_assert_int_le(stats.by[CO_BLOCKED_IO].longest, stats.longest);
    }
    close(seen.pipe[0]);
    close(seen.pipe[1]);
}
END_TEST

static uint64_t looks(void)
{
    co_watchdog_stats stats = {.size = sizeof(stats)};

    ck_assert_int_eq(co_watchdog_stats_get(&stats), 0);
    return stats.looks;
}

static void never_called(const co_watchdog_report *report, void *unused)
{
    (void)unused;
    ck_abort_msg("%s", report->text);
}

static int wait_for_looks(void *unused)
{
    uint64_t before = looks();

    while (looks() < before + 20)
        sched_yield();
    return unused != NULL;
}

static int yield_for_looks(void *unused)
{
    uint64_t before = looks();

    (void)unused;
    while (looks() < before + 20)
        co_test_yield();
    /* And while the loop waits for another thread. */
    ck_assert_int_eq(co_offload(wait_for_looks, NULL), 0);
    return 0;
}

/* A loop that is looked at often, with a limit that no machine is too slow
 * for. Without a watchdog the numbers are 0. */
static co_watchdog_stats stats_of_run(co_task_fn fn, uint64_t looks_min)
{
    co_watchdog_options options = {.size = sizeof(options),
                                   .limit = 3600 * CO_SEC,
                                   .period = CO_MS / 4,
                                   .handler = never_called};
    co_watchdog_stats stats = {.size = sizeof(stats)};

    if (co_watchdog_start(&options) == -ENOSYS)
        return stats;
    ck_assert_int_eq(co_run(fn, NULL), 0);
    ck_assert_int_eq(co_watchdog_stop(), 0);
    ck_assert_int_eq(co_watchdog_stats_get(&stats), 0);
    ck_assert_uint_ge(stats.looks, looks_min);
    return stats;
}

START_TEST(loop_that_goes_on_is_not_blocked)
{
    co_watchdog_stats stats = stats_of_run(yield_for_looks, 40);

    ck_assert_uint_eq(stats.blocked, 0);
    for (int by = 0; by < CO_BLOCKED_BY_COUNT; by++)
        ck_assert_uint_eq(stats.by[by].count, 0);
}
END_TEST

static int sleep_for_looks(void *unused)
{
    co_time limit = 20 * CO_MS;
    uint64_t before = looks();

    (void)unused;
    /* A wait in one piece, of which there is one that has seen many looks. */
    do {
        before = looks();
        ck_assert_int_eq(co_sleep(limit), 0);
        limit *= 2;
    } while (looks() < before + 20);
    return 0;
}

/* A loop that waits is in no step, however long it waits. */
START_TEST(loop_that_waits_is_not_blocked)
{
    co_watchdog_stats stats = stats_of_run(sleep_for_looks, 20);

    if (SEES_CALLS)
        ck_assert_int_eq(stats.by[CO_BLOCKED_IO].longest, 0);
}
END_TEST

/* ---- loops that come and go ---------------------------------------------- */

static int nothing(void *unused)
{
    co_test_yield();
    return unused != NULL;
}

static void *make_loops(void *done)
{
    while (!atomic_load((atomic_int *)done))
        ck_assert_int_eq(co_run(nothing, NULL), 0);
    return NULL;
}

START_TEST(loops_are_made_and_freed_while_it_looks)
{
    co_watchdog_options options = {.size = sizeof(options),
                                   .limit = CO_US,
                                   .period = CO_US,
                                   .handler = on_each};
    pthread_t threads[2];
    atomic_int done = 0;

    times_count = TIMES; /* says nothing */
    if (co_watchdog_start(&options) == -ENOSYS)
        return;
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, make_loops, &done),
                         0);
    wait_for_looks(NULL);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(co_watchdog_stop(), 0);
        ck_assert_int_eq(co_watchdog_start(&options), 0);
    }
    atomic_store(&done, 1);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(co_watchdog_stop(), 0);
}
END_TEST

static int start_in_child(void *unused)
{
    pid_t child = fork();
    int status;

    (void)unused;
    if (child == 0) {
        int ok = co_watchdog_stop() == -EALREADY &&
                 co_watchdog_start(NULL) == 0 && co_watchdog_stop() == 0;

        _exit(!ok);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    return 0;
}

START_TEST(child_has_none_and_may_start_one)
{
    if (co_watchdog_start(NULL) == -ENOSYS)
        return;
    ck_assert_int_eq(co_run(start_in_child, NULL), 0);
    ck_assert_int_eq(co_watchdog_stop(), 0);
}
END_TEST

/* The report ends what it reports. */
START_TEST(environment_starts_it)
{
    static const char *const name = "COPPICE_WATCHDOG";
    co_watchdog_options options = {.size = sizeof(options)};
    int error = dup(STDERR_FILENO), line[2];
    co_loop *loop;

    if (co_watchdog_start(&options) == -ENOSYS)
        return;
    ck_assert_int_eq(co_watchdog_stop(), 0);
    ck_assert_int_eq(pipe(line), 0);
    setenv(name, "2", 1);
    loop = co_loop_new(NULL);
    ck_assert_ptr_nonnull(loop);
    unsetenv(name);
    ck_assert_int_eq(co_watchdog_start(&options), -EALREADY);
    seen.pipe[0] = line[0];
    dup2(line[1], STDERR_FILENO);
    ck_assert_int_eq(co_loop_run_until(loop, read_a_byte, NULL, NULL), 0);
    dup2(error, STDERR_FILENO);
    ck_assert_int_eq(co_watchdog_stop(), 0);
    co_loop_free(loop);
    close(line[0]);
    close(line[1]);
    close(error);
}
END_TEST

/* ---- errors -------------------------------------------------------------- */

START_TEST(bad_options_are_refused)
{
    const co_watchdog_options bad[] = {
        {.size = 1},
        {.size = sizeof(bad[0]), .limit = -1},
        {.size = sizeof(bad[0]), .period = -1},
        {.size = sizeof(bad[0]), .signal = -1},
        {.size = sizeof(bad[0]), .signal = 1000},
        {.size = sizeof(bad[0]), .signal = SIGKILL},
    };
    co_watchdog_stats stats = {.size = 1};

    if (co_watchdog_start(NULL) == -ENOSYS)
        return;
    ck_assert_int_eq(co_watchdog_start(NULL), -EALREADY);
    ck_assert_int_eq(co_watchdog_stop(), 0);
    ck_assert_int_eq(co_watchdog_stop(), -EALREADY);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_int_eq(co_watchdog_start(&bad[i]), -EINVAL);
    ck_assert_int_eq(co_watchdog_stop(), -EALREADY);
    ck_assert_int_eq(co_watchdog_stats_get(&stats), -EINVAL);
    ck_assert_int_eq(co_watchdog_stats_get(NULL), -EINVAL);
}
END_TEST

static int stopped;

static void on_blocked_stop(const co_watchdog_report *report, void *unused)
{
    (void)report;
    (void)unused;
    stopped = co_watchdog_stop();
    if (!atomic_exchange(&seen.reported, 1))
        let_go();
}

START_TEST(handler_cannot_end_it)
{
    co_watchdog_options options = {
        .size = sizeof(options), .limit = LIMIT, .handler = on_blocked_stop};

    stopped = 0;
    atomic_store(&seen.reported, 0);
    ck_assert_int_eq(pipe(seen.pipe), 0);
    if (co_watchdog_start(&options) == -ENOSYS)
        return;
    ck_assert_int_eq(co_run(read_a_byte, NULL), 0);
    ck_assert_int_eq(co_watchdog_stop(), 0);
    ck_assert_int_eq(stopped, -EDEADLK);
    close(seen.pipe[0]);
    close(seen.pipe[1]);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("debug.watchdog");
    TCase *tc = tcase_create("reports");

    tcase_add_test(tc, task_that_reads_is_named_with_its_call_and_descriptor);
    tcase_add_test(tc, signal_gives_a_backtrace);
    tcase_add_test(tc, task_that_computes_is_reported_as_running);
    tcase_add_test(tc, task_that_waits_for_a_lock_is_reported);
    tcase_add_test(tc, task_that_sleeps_is_reported);
    tcase_add_test(tc, task_that_waits_for_a_process_is_reported);
    tcase_add_test(tc, callback_that_blocks_is_reported);
    tcase_add_test(tc, report_comes_again_when_the_time_has_doubled);
    tcase_add_test(tc, loop_that_goes_on_is_not_blocked);
    tcase_add_test(tc, loop_that_waits_is_not_blocked);
    suite_add_tcase(s, tc);

    tc = tcase_create("life");
    tcase_add_test(tc, loops_are_made_and_freed_while_it_looks);
    if (!CO__TSAN) /* which forbids threads after a fork */
        tcase_add_test(tc, child_has_none_and_may_start_one);
    tcase_add_test(tc, environment_starts_it);
    tcase_add_test(tc, bad_options_are_refused);
    tcase_add_test(tc, handler_cannot_end_it);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
