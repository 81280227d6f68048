/* SPDX-License-Identifier: MIT */
#include "core/unwind.h"

#include "arch/switch.h"
#include "base/compiler.h"
#include "core/loop.h"

#include <coppice.h>
#include <dlfcn.h>
#include <regex.h>
#include <string.h>

#ifdef CO__VALGRIND
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#include "support/check_main.h"

#define MAX 64

/* Exported, so that dladdr(3) knows them. */
int inner_nap(void *arg);
int middle_nap(void *arg);
int outer_nap(void *arg);
int give_way(void *arg);
int do_nothing(void *arg);
unsigned look_at_self(void **frames);

static volatile int calls; /* counting after a call keeps it from the tail */

CO_NOINLINE int inner_nap(void *arg)
{
    int r = co_sleep(*(co_time *)arg);

    calls++;
    return r;
}

CO_NOINLINE int middle_nap(void *arg)
{
    int r = inner_nap(arg);

    calls++;
    return r;
}

CO_NOINLINE int outer_nap(void *arg)
{
    int r = middle_nap(arg);

    calls++;
    return r;
}

CO_NOINLINE int give_way(void *arg)
{
    int r = 0;

    while (r == 0 && !*(volatile int *)arg) {
        r = co_yield_now();
        calls++;
    }
    return r;
}

CO_NOINLINE int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

CO_NOINLINE unsigned look_at_self(void **frames)
{
    unsigned count = co__unwind_here(frames, MAX);

    /* Inside of the call that we return from, not behind it. */
    ck_assert_ptr_eq((char *)frames[1] + 1, __builtin_return_address(0));
    calls++;
    return count;
}

static int is_in(void *frame, const char *function)
{
    Dl_info info;

    return dladdr(frame, &info) && info.dli_sname &&
           strcmp(info.dli_sname, function) == 0;
}

/* The index of a function's first frame, or -1. */
static int find(void *const *frames, unsigned count, const char *function)
{
    for (unsigned i = 0; i < count; i++)
        if (is_in(frames[i], function))
            return (int)i;
    return -1;
}

static int is_entry(void *frame)
{
    uintptr_t entry = (uintptr_t)co__switch_entry;
    uintptr_t address = (uintptr_t)frame;

    return address >= entry && address < entry + 32;
}

static void in_a_run(co_task_fn fn)
{
    ck_assert_int_eq(co_run(fn, NULL), 0);
}

static co_task *parked_napper(co_time *ns)
{
    co_task *task = co_spawn(outer_nap, ns);

    ck_assert_ptr_nonnull(task);
    for (int i = 0; i < 3 && task->state != CO__TASK_PARKED; i++)
        ck_assert_int_eq(co_yield_now(), 0);
    ck_assert_int_eq(task->state, CO__TASK_PARKED);
    return task;
}

static void end_it(co_task *task)
{
    co_cancel(task);
    ck_assert_int_eq(co_join(task, NULL), 0);
}

static int parked(void *arg)
{
    co_time ns = 100 * CO_SEC;
    co_task *task = parked_napper(&ns);
    void *frames[MAX];
    unsigned count = co__unwind_task(task, frames, MAX);
    int inner = find(frames, count, "inner_nap");

    (void)arg;
    ck_assert_int_ge(inner, 0);
    ck_assert(is_in(frames[inner + 1], "middle_nap"));
    ck_assert(is_in(frames[inner + 2], "outer_nap"));
    ck_assert(is_entry(frames[count - 1]));
    ck_assert_uint_le(count, (unsigned)inner + 5);
    /* Of this side nothing is to be seen. */
    ck_assert_int_lt(find(frames, count, "parked"), 0);
    end_it(task);
    return 0;
}

START_TEST(backtrace_of_a_parked_task_goes_from_its_wait_to_its_entry)
{
    in_a_run(parked);
}
END_TEST

static int untouched(void *arg)
{
    co_time ns = 100 * CO_SEC;
    co_task *task = parked_napper(&ns);
    size_t bytes = (size_t)((char *)task - (char *)task->sp);
    char *copy = malloc(bytes);
    void *sp = task->sp;
    void *frames[MAX];

    (void)arg;
    ck_assert_ptr_nonnull(copy);
    /* ASan and memcheck would rather not have a whole stack read. */
    int readable = !CO__ASAN && !RUNNING_ON_VALGRIND;

    if (readable)
        memcpy(copy, sp, bytes);
    ck_assert_uint_gt(co__unwind_task(task, frames, MAX), 3);
    ck_assert_ptr_eq(task->sp, sp);
    if (readable)
        ck_assert_mem_eq(copy, sp, bytes);
    free(copy);
    end_it(task);
    return 0;
}

START_TEST(looking_at_a_parked_task_leaves_its_stack_alone)
{
    in_a_run(untouched);
}
END_TEST

static int ready(void *arg)
{
    volatile int stop = 0;
    co_task *task = co_spawn(give_way, (void *)&stop);
    void *frames[MAX];
    unsigned count;

    (void)arg;
    ck_assert_ptr_nonnull(task);
    ck_assert_int_eq(co_yield_now(), 0);
    ck_assert_int_eq(task->state, CO__TASK_READY);
    count = co__unwind_task(task, frames, MAX);
    ck_assert_int_ge(find(frames, count, "give_way"), 0);
    ck_assert(is_entry(frames[count - 1]));
    stop = 1;
    ck_assert_int_eq(co_join(task, NULL), 0);
    return 0;
}

START_TEST(backtrace_of_a_ready_task_shows_where_it_gave_way)
{
    in_a_run(ready);
}
END_TEST

static int not_started(void *arg)
{
    /* An odd size: a stack that no task has used. */
    co_spawn_options options = {.size = sizeof(options),
                                .stack_size = 128 << 10};
    co_task *task = co_spawn_with(&options, do_nothing, NULL);
    void *frames[MAX];
    unsigned count;

    (void)arg;
    ck_assert_ptr_nonnull(task);
    count = co__unwind_task(task, frames, MAX);
    ck_assert_uint_eq(count, 0);
    ck_assert_int_eq(co_join(task, NULL), 0);
    return 0;
}

START_TEST(task_that_has_not_started_has_no_frames)
{
    in_a_run(not_started);
}
END_TEST

static int started_anew(void *arg)
{
    void *frames[MAX];

    (void)arg;
    /* More than lie in quarantine, so that stacks are used again. */
    for (int i = 0; i < 200; i++) {
        co_task *task = co_spawn(do_nothing, NULL);
        unsigned count;

        ck_assert_ptr_nonnull(task);
        count = co__unwind_task(task, frames, MAX);
        ck_assert_uint_eq(count, 0);
        ck_assert_int_eq(co_join(task, NULL), 0);
    }
    return 0;
}

START_TEST(task_on_a_used_stack_shows_nothing_of_the_last_one)
{
    in_a_run(started_anew);
}
END_TEST

static int running(void *arg)
{
    void *frames[MAX];
    unsigned count = look_at_self(frames);

    (void)arg;
    ck_assert(is_in(frames[0], "look_at_self"));
    ck_assert(is_entry(frames[count - 1]));
    count = co__unwind_task(co_self(), frames, MAX);
    ck_assert_uint_ge(count, 2);
    ck_assert(is_entry(frames[count - 1]));
    return 0;
}

START_TEST(backtrace_of_the_running_task_begins_with_its_caller)
{
    in_a_run(running);
}
END_TEST

static int limited(void *arg)
{
    co_time ns = 100 * CO_SEC;
    co_task *task = parked_napper(&ns);
    void *frames[MAX] = {NULL};
    unsigned count = co__unwind_task(task, frames, MAX);
    void *few[3] = {NULL, NULL, NULL};

    (void)arg;
    ck_assert_uint_gt(count, 2);
    ck_assert_uint_eq(co__unwind_task(task, few, 2), 2);
    ck_assert_ptr_eq(few[0], frames[0]);
    ck_assert_ptr_eq(few[1], frames[1]);
    ck_assert_ptr_null(few[2]);
    ck_assert_uint_eq(co__unwind_task(task, few, 0), 0);
    ck_assert_uint_eq(co__unwind_here(few, 1), 1);
    end_it(task);
    return 0;
}

START_TEST(no_more_frames_are_stored_than_there_is_room_for)
{
    in_a_run(limited);
}
END_TEST

START_TEST(frames_are_printed_with_symbol_and_module)
{
    void *frames[2] = {(char *)(uintptr_t)inner_nap + 1, (void *)(uintptr_t)1};
    char text[1024];
    regex_t re;
    ssize_t n;
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    co__unwind_print(fds[1], frames, 2);
    n = read(fds[0], text, sizeof(text) - 1);
    ck_assert_int_gt((int)n, 0);
    text[n] = '\0';
    ck_assert_int_eq(regcomp(&re,
                             "^  #0 0x[0-9a-f]+ inner_nap\\+0x1 "
                             "\\([^/ ]+\\+0x[0-9a-f]+\\)\n  #1 0x1\n$",
                             REG_EXTENDED | REG_NOSUB),
                     0);
    ck_assert_msg(regexec(&re, text, 0, NULL, 0) == 0, "%s", text);
    regfree(&re);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("unwind");
    TCase *tc = tcase_create("unwind");

    co_test_check_fds(tc);
    tcase_add_test(tc,
                   backtrace_of_a_parked_task_goes_from_its_wait_to_its_entry);
    tcase_add_test(tc, looking_at_a_parked_task_leaves_its_stack_alone);
    tcase_add_test(tc, backtrace_of_a_ready_task_shows_where_it_gave_way);
    tcase_add_test(tc, task_that_has_not_started_has_no_frames);
    tcase_add_test(tc, task_on_a_used_stack_shows_nothing_of_the_last_one);
    tcase_add_test(tc, backtrace_of_the_running_task_begins_with_its_caller);
    tcase_add_test(tc, no_more_frames_are_stored_than_there_is_room_for);
    tcase_add_test(tc, frames_are_printed_with_symbol_and_module);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
