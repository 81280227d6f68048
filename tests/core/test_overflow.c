/* SPDX-License-Identifier: MIT */
/*
 * Each overflow happens in a child of its own, whose stderr is read through a
 * pipe and whose end is looked at.
 *
 * The sanitizers have handlers of their own, which would print more and end the
 * child in another way. So it begins with the default action, but for one test
 * that looks at AddressSanitizer's handler behind ours.
 */
#include "core/overflow.h"

#include "base/compiler.h"
#include "base/sanitize.h"
#include "core/loop.h"
#include "core/stack.h"

#include <coppice.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#ifdef CO__VALGRIND
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#include "support/check_main.h"

#define TEXT_MAX 65536

/* Exported, so that backtraces name them. */
int dig(volatile char *above);
int leap(int index);

struct outcome {
    int status;
    char text[TEXT_MAX];
};

static struct outcome outcome;

static void read_all(int fd)
{
    size_t len = 0;
    ssize_t n;

    while (len < TEXT_MAX - 1 &&
           (n = read(fd, outcome.text + len, TEXT_MAX - 1 - len)) > 0)
        len += (size_t)n;
    outcome.text[len] = '\0';
}

/* Run fn in a child; its end and its words are in `outcome`. */
static void in_new_child(void (*fn)(void), int as_it_is)
{
    const struct rlimit none = {0, 0};
    int fds[2];
    pid_t pid;

    ck_assert_int_eq(pipe(fds), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &none);
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        if (!as_it_is) {
            signal(SIGSEGV, SIG_DFL);
            signal(SIGBUS, SIG_DFL);
        }
        fn();
        _exit(0);
    }
    close(fds[1]);
    read_all(fds[0]);
    close(fds[0]);
    ck_assert_int_eq(waitpid(pid, &outcome.status, 0), pid);
}

static void in_child(void (*fn)(void))
{
    in_new_child(fn, 0);
}

static void assert_died_of(int sig)
{
    /* Valgrind ends a program that it has complained of in its own way. */
    if (RUNNING_ON_VALGRIND && WIFEXITED(outcome.status) &&
        WEXITSTATUS(outcome.status) == 99)
        return;
    ck_assert_msg(
        WIFSIGNALED(outcome.status) && WTERMSIG(outcome.status) == sig,
        "status %#x\n%.1000s", (unsigned)outcome.status, outcome.text);
}

static void assert_says(const char *words)
{
    ck_assert_msg(strstr(outcome.text, words) != NULL, "no \"%s\" in:\n%.1000s",
                  words, outcome.text);
}

static void assert_does_not_say(const char *words)
{
    ck_assert_msg(strstr(outcome.text, words) == NULL, "\"%s\" in:\n%.1000s",
                  words, outcome.text);
}

/* ---- ways to overflow ---------------------------------------------------- */

static volatile int bottomless = 1;

CO_NOINLINE int dig(volatile char *above)
{
    volatile char here[500];

    here[0] = above ? above[0] : 1;
    if (!bottomless)
        return here[0];
    return dig(here) + here[0];
}

static int digger(void *arg)
{
    (void)arg;
    return dig(NULL);
}

/* One frame that is larger than a stack and its guard, and that is touched at
 * its far end only. */
CO_NOINLINE int leap(int index)
{
    volatile char wide[(256 << 10) + (128 << 10)];

    wide[index] = 1;
    return wide[index];
}

static int leaper(void *arg)
{
    (void)arg;
    return leap(0);
}

/* The site is given by hand: with folders, and known to the tests. */
static int spawn_digger(void *arg)
{
    co_spawn_options options = {.size = sizeof(options), .name = "reader"};
    const size_t *stack_size = arg;
    co_task *task;

    options.stack_size = stack_size ? *stack_size : 0;
    task = co_spawn_with_at("net/server.c:41", &options, digger, NULL);
    return task ? co_join(task, NULL) : -1;
}

static void run_digger(void)
{
    _exit(co_run(spawn_digger, NULL) < 0 ? 1 : 2);
}

#define REPORT(size)                                                           \
    "coppice: task \"reader\" (server.c:41) overflowed its " size " stack\n"

/* ---- the report ---------------------------------------------------------- */

START_TEST(overflow_names_task_place_and_size_and_kills_by_sigsegv)
{
    in_child(run_digger);
    assert_says(REPORT("256 KiB") "  #0 0x");
    assert_died_of(SIGSEGV);
}
END_TEST

START_TEST(report_shows_the_stack_from_the_fault_on_and_no_more_than_32_frames)
{
    const char *line;
    unsigned lines = 0;

    in_child(run_digger);
    line = strstr(outcome.text, "  #0 0x");
    ck_assert_ptr_nonnull(line);
    /* The innermost is the overflowing function, not the handler. */
    ck_assert_msg(strstr(line, " dig+0x") < strchr(line, '\n'), "%.1000s",
                  line);
    for (; line && strncmp(line, "  #", 3) == 0; lines++) {
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    ck_assert_uint_eq(lines, 32);
}
END_TEST

static void run_large_digger(void)
{
    size_t stack_size = 1 << 20;

    _exit(co_run(spawn_digger, &stack_size) < 0 ? 1 : 2);
}

START_TEST(size_is_that_of_the_tasks_own_stack)
{
    in_child(run_large_digger);
    assert_says(REPORT("1024 KiB"));
    assert_died_of(SIGSEGV);
}
END_TEST

static void run_unnamed(void)
{
    _exit(co_run(digger, NULL) < 0 ? 1 : 2);
}

START_TEST(task_without_a_name_is_told_by_its_place)
{
    in_child(run_unnamed);
    assert_says("coppice: task (test_overflow.c:");
    assert_says(") overflowed its 256 KiB stack\n");
    assert_died_of(SIGSEGV);
}
END_TEST

static void *thread_of_digger(void *arg)
{
    (void)arg;
    run_digger();
    return NULL;
}

static int idle_then_join(void *arg)
{
    return co_sleep(CO_MS) == 0 && pthread_join(*(pthread_t *)arg, NULL) == 0;
}

static void run_on_second_thread(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, thread_of_digger, NULL) != 0)
        _exit(3);
    co_run(idle_then_join, &thread);
    _exit(4);
}

START_TEST(overflow_on_a_second_thread_is_reported)
{
    in_child(run_on_second_thread);
    assert_says(REPORT("256 KiB"));
    assert_died_of(SIGSEGV);
}
END_TEST

static void dig_in_callback(void *arg)
{
    (void)arg;
    dig(NULL);
}

static int call_digger(void *arg)
{
    static co_call call = {.fn = dig_in_callback};

    (void)arg;
    if (co_call_soon_threadsafe(co_loop_running(), &call) < 0)
        return -1;
    return co_sleep(CO_SEC);
}

static void run_callback(void)
{
    _exit(co_run(call_digger, NULL) < 0 ? 1 : 2);
}

START_TEST(overflow_in_a_loop_callback_is_reported)
{
    in_child(run_callback);
    assert_says("coppice: loop callbacks overflowed its 256 KiB stack\n");
    assert_died_of(SIGSEGV);
}
END_TEST

static int sleeper(void *arg)
{
    (void)arg;
    return co_sleep(100 * CO_SEC);
}

/* Both neighbours' stacks are in use and accessible. */
static int spawn_leaper(void *arg)
{
    co_task *tasks[5];

    (void)arg;
    for (int i = 0; i < 5; i++)
        if (!(tasks[i] = co_spawn(i == 3 ? leaper : sleeper, NULL)))
            return -1;
    co_task_set_name(tasks[3], "leaper");
    return co_join(tasks[3], NULL);
}

static void run_leaper(void)
{
    _exit(co_run(spawn_leaper, NULL) < 0 ? 1 : 2);
}

START_TEST(big_frame_cannot_jump_over_the_guard)
{
    in_child(run_leaper);
    assert_says("coppice: task \"leaper\" (test_overflow.c:");
    assert_says(") overflowed its 256 KiB stack\n");
    assert_died_of(SIGSEGV);
}
END_TEST

/* Locked memory refuses MADV_GUARD_INSTALL. Not touched, not locked: the slab
 * would be all resident. A size that no other test uses: a fresh slab. */
static size_t locked_stack_size = 512 << 10;

static int check_protected(void *arg)
{
    co_spawn_options options = {.size = sizeof(options),
                                .stack_size = *(size_t *)arg};
    co_task *task = co_spawn_with(&options, sleeper, NULL);
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    int found = 0;
    unsigned long from, to, guard;
    char mode[5];

    if (!task || !maps)
        return -1;
    guard = (unsigned long)co__stack_bottom(task) - 1;
    while (fgets(line, sizeof(line), maps))
        if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) == 3 &&
            guard >= from && guard < to)
            found = strcmp(mode, "---p") == 0;
    fclose(maps);
    if (!found)
        return -2;
    return spawn_digger(arg);
}

static void run_locked(void)
{
    if (CO__TSAN) /* it ignores the call */
        _exit(77);
    if (mlockall(MCL_FUTURE | MCL_ONFAULT) < 0)
        _exit(77);
    _exit(co_run(check_protected, &locked_stack_size) == -2 ? 5 : 2);
}

START_TEST(overflow_into_a_guard_made_by_mprotect_is_reported)
{
    in_child(run_locked);
    if (WIFEXITED(outcome.status) && WEXITSTATUS(outcome.status) == 77) {
        fprintf(stderr, "skipped: memory may not be locked here\n");
        return;
    }
    assert_says(REPORT("512 KiB"));
    assert_died_of(SIGSEGV);
}
END_TEST

/* ---- what is no overflow ------------------------------------------------- */

static char *volatile nowhere;

/* UBSan would stop the program before the processor does. */
__attribute__((no_sanitize("undefined"))) static int read_nowhere(void *arg)
{
    (void)arg;
    return *nowhere;
}

static void run_null(void)
{
    _exit(co_run(read_nowhere, NULL) < 0 ? 1 : 2);
}

START_TEST(null_pointer_is_not_reported_as_an_overflow)
{
    in_child(run_null);
    assert_does_not_say("coppice:");
    assert_died_of(SIGSEGV);
}
END_TEST

static int stray(void *arg)
{
    char *victim = arg;

    victim[-1] = 1;
    return 0;
}

static int spawn_stray(void *arg)
{
    co_task *owner = co_spawn(sleeper, NULL);
    co_task *task;

    (void)arg;
    if (!owner || !(task = co_spawn(stray, co__stack_bottom(owner))))
        return -1;
    co_task_set_name(owner, "owner");
    co_task_set_name(task, "stray");
    return co_join(task, NULL);
}

static void run_stray(void)
{
    _exit(co_run(spawn_stray, NULL) < 0 ? 1 : 2);
}

START_TEST(access_to_anothers_guard_is_told_from_an_overflow)
{
    in_child(run_stray);
    assert_says("coppice: task \"stray\" (test_overflow.c:");
    assert_says(") touched the guard below the stack of task \"owner\" "
                "(test_overflow.c:");
    assert_does_not_say("overflowed");
    assert_died_of(SIGSEGV);
}
END_TEST

/* A page of the stack that is not its guard. */
static int touch_closed_page(void *arg)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *bottom = co__stack_bottom(co_self());

    (void)arg;
    if (mprotect(bottom, page, PROT_NONE) < 0)
        return -1;
    bottom[page - 1] = 1;
    return 0;
}

static void run_closed_page(void)
{
    _exit(co_run(touch_closed_page, NULL) < 0 ? 1 : 2);
}

START_TEST(fault_above_the_guard_is_not_reported_as_an_overflow)
{
    in_child(run_closed_page);
    assert_does_not_say("coppice:");
    assert_died_of(SIGSEGV);
}
END_TEST

static int raise_it(void *arg)
{
    (void)arg;
    return raise(SIGSEGV);
}

static void run_raise(void)
{
    _exit(co_run(raise_it, NULL) < 0 ? 1 : 2);
}

START_TEST(signal_that_was_sent_has_its_default_action)
{
    in_child(run_raise);
    assert_does_not_say("coppice:");
    assert_died_of(SIGSEGV);
}
END_TEST

/* ---- other people's handlers --------------------------------------------- */

static void say(const char *words)
{
    if (write(STDERR_FILENO, words, strlen(words)) < 0)
        _exit(9);
}

static void users_handler(int sig)
{
    say(sig == SIGSEGV ? "user's handler\n" : "user's, wrong signal\n");
    _exit(42);
}

static void users_info_handler(int sig, siginfo_t *info, void *context)
{
    int in_guard = 0;

    co__stack_owner(info->si_addr, &in_guard);
    say(sig == SIGSEGV && in_guard && context ? "user's info handler\n"
                                              : "user's, wrong arguments\n");
    _exit(43);
}

static void run_with_users_handler(void)
{
    struct sigaction action = {.sa_handler = users_handler};

    sigaction(SIGSEGV, &action, NULL);
    run_digger();
}

static void run_with_users_info_handler(void)
{
    struct sigaction action = {.sa_sigaction = users_info_handler,
                               .sa_flags = SA_SIGINFO};

    sigaction(SIGSEGV, &action, NULL);
    run_digger();
}

START_TEST(users_handler_gets_the_signal_after_the_report)
{
    const char *report;

    in_child(run_with_users_handler);
    report = strstr(outcome.text, ") overflowed its 256 KiB stack\n");
    ck_assert_ptr_nonnull(report);
    ck_assert_ptr_nonnull(strstr(report, "user's handler\n"));
    ck_assert(WIFEXITED(outcome.status));
    ck_assert_int_eq(WEXITSTATUS(outcome.status), 42);
}
END_TEST

START_TEST(users_handler_gets_the_fault_address_and_context)
{
    in_child(run_with_users_info_handler);
    assert_says(") overflowed its 256 KiB stack\n");
    assert_says("user's info handler\n");
    ck_assert(WIFEXITED(outcome.status));
    ck_assert_int_eq(WEXITSTATUS(outcome.status), 43);
}
END_TEST

static void run_null_with_users_handler(void)
{
    struct sigaction action = {.sa_handler = users_handler};

    sigaction(SIGSEGV, &action, NULL);
    run_null();
}

START_TEST(users_handler_gets_what_is_no_overflow)
{
    in_child(run_null_with_users_handler);
    assert_does_not_say("coppice:");
    assert_says("user's handler\n");
}
END_TEST

static void count_once(int sig)
{
    (void)sig;
    say("once\n");
}

static void run_with_reset_handler(void)
{
    struct sigaction action = {.sa_handler = count_once,
                               .sa_flags = (int)SA_RESETHAND};

    sigaction(SIGSEGV, &action, NULL);
    run_null();
}

START_TEST(handler_that_is_for_one_signal_gets_one)
{
    in_child(run_with_reset_handler);
    assert_says("once\n");
    assert_does_not_say("once\nonce");
    assert_died_of(SIGSEGV);
}
END_TEST

static int raise_then_dig(void *arg)
{
    (void)arg;
    raise(SIGSEGV);
    say("still here\n");
    return dig(NULL);
}

static void run_ignoring(void)
{
    signal(SIGSEGV, SIG_IGN);
    _exit(co_run(raise_then_dig, NULL) < 0 ? 1 : 2);
}

START_TEST(ignored_signal_stays_ignored_when_sent_but_an_overflow_kills)
{
    in_child(run_ignoring);
    assert_says("still here\n");
    assert_says(") overflowed its 256 KiB stack\n");
    assert_died_of(SIGSEGV);
}
END_TEST

START_TEST(address_sanitizer_gets_the_signal_after_the_report)
{
    struct sigaction action;
    const char *report;

    /* It has a handler unless its options forbid it. */
    ck_assert_int_eq(sigaction(SIGSEGV, NULL, &action), 0);
    if (!CO__ASAN || action.sa_handler == SIG_DFL)
        return;
    in_new_child(run_digger, 1);
    report = strstr(outcome.text, REPORT("256 KiB"));
    ck_assert_ptr_nonnull(report);
    ck_assert_ptr_nonnull(strstr(report, "ERROR: AddressSanitizer: "));
}
END_TEST

/* ---- switching it off ---------------------------------------------------- */

static int just_return(void *arg)
{
    (void)arg;
    return 0;
}

static const co_loop_options no_report = {.size = sizeof(no_report),
                                          .no_overflow_report = 1};

static void run_without_report(void)
{
    struct sigaction before, after;
    stack_t stack, stack_after;

    sigaction(SIGSEGV, NULL, &before);
    sigaltstack(NULL, &stack);
    if (co_run_with(&no_report, just_return, NULL, NULL) < 0)
        _exit(1);
    sigaction(SIGSEGV, NULL, &after);
    sigaltstack(NULL, &stack_after);
    if (before.sa_handler == after.sa_handler)
        say("no handler\n");
    if (stack.ss_sp == stack_after.ss_sp &&
        stack.ss_flags == stack_after.ss_flags)
        say("no stack\n");
    _exit(co_run_with(&no_report, spawn_digger, NULL, NULL) < 0 ? 1 : 2);
}

START_TEST(loop_that_does_not_want_reports_installs_nothing_and_gets_none)
{
    in_child(run_without_report);
    assert_says("no handler\n");
    assert_says("no stack\n");
    assert_does_not_say("coppice:");
    assert_died_of(SIGSEGV);
}
END_TEST

static void run_one_of_each(void)
{
    if (co_run(just_return, NULL) != 0)
        _exit(1);
    _exit(co_run_with(&no_report, spawn_digger, NULL, NULL) < 0 ? 1 : 2);
}

START_TEST(option_of_one_loop_holds_though_another_has_the_handler)
{
    in_child(run_one_of_each);
    assert_does_not_say("coppice:");
    assert_died_of(SIGSEGV);
}
END_TEST

/* ---- the stack for handlers ---------------------------------------------- */

static void *run_twice(void *arg)
{
    stack_t first, second;

    (void)arg;
    ck_assert_int_eq(co_run(just_return, NULL), 0);
    ck_assert_int_eq(sigaltstack(NULL, &first), 0);
    ck_assert_int_eq(first.ss_flags & SS_DISABLE, 0);
    ck_assert_int_eq(co_run(just_return, NULL), 0);
    ck_assert_int_eq(sigaltstack(NULL, &second), 0);
    ck_assert_ptr_eq(first.ss_sp, second.ss_sp);
    if (CO__SANITIZED) /* the stack is the sanitizer's */
        return first.ss_sp;
    second.ss_flags = SS_DISABLE;
    ck_assert_int_eq(sigaltstack(&second, NULL), 0);
    ck_assert_int_eq(co_run(just_return, NULL), 0);
    ck_assert_int_eq(sigaltstack(NULL, &second), 0);
    ck_assert_int_eq(second.ss_flags & SS_DISABLE, 0);
    ck_assert_ptr_eq(first.ss_sp, second.ss_sp);
    return first.ss_sp;
}

/* Whether memory is mapped: asks the kernel, touches nothing. */
static int mapped(void *p)
{
    unsigned char in_core;

    return mincore(p, 1, &in_core) == 0;
}

START_TEST(thread_keeps_its_handler_stack_between_runs_and_frees_it_at_its_end)
{
    pthread_t thread;
    void *stack;

    ck_assert_int_eq(pthread_create(&thread, NULL, run_twice, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, &stack), 0);
    ck_assert_ptr_nonnull(stack);
    if (!CO__SANITIZED) /* there the stack is the sanitizer's */
        ck_assert(!mapped(stack));
}
END_TEST

static char own_stack[128 << 10];

static void use_own_stack(void)
{
    stack_t stack = {.ss_sp = own_stack, .ss_size = sizeof(own_stack)};

    ck_assert_int_eq(sigaltstack(&stack, NULL), 0);
}

static void *run_on_own_stack(void *arg)
{
    stack_t stack;

    use_own_stack();
    ck_assert_int_eq(co_run(just_return, NULL), 0);
    ck_assert_int_eq(sigaltstack(NULL, &stack), 0);
    ck_assert_ptr_eq(stack.ss_sp, own_stack);
    ck_assert_uint_eq(stack.ss_size, sizeof(own_stack));
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, NULL);
    return arg;
}

START_TEST(handler_stack_of_the_threads_own_is_kept)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, run_on_own_stack, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

static void run_digger_on_own_stack(void)
{
    use_own_stack();
    run_digger();
}

START_TEST(report_is_made_on_a_handler_stack_of_the_threads_own)
{
    in_child(run_digger_on_own_stack);
    assert_says(REPORT("256 KiB") "  #0 0x");
    assert_died_of(SIGSEGV);
}
END_TEST

static void disable_and_dig(void)
{
    stack_t stack = {.ss_flags = SS_DISABLE};

    co_run(just_return, NULL);
    sigaltstack(&stack, NULL);
    run_digger();
}

START_TEST(handler_stack_that_was_disabled_is_enabled_by_the_next_run)
{
    in_child(disable_and_dig);
    assert_says(REPORT("256 KiB"));
    assert_died_of(SIGSEGV);
}
END_TEST

static TCase *reports(void)
{
    TCase *tc = tcase_create("reports");

    co_test_check_fds(tc);
    tcase_add_test(tc, overflow_names_task_place_and_size_and_kills_by_sigsegv);
    tcase_add_test(
        tc,
        report_shows_the_stack_from_the_fault_on_and_no_more_than_32_frames);
    tcase_add_test(tc, size_is_that_of_the_tasks_own_stack);
    tcase_add_test(tc, task_without_a_name_is_told_by_its_place);
    tcase_add_test(tc, overflow_on_a_second_thread_is_reported);
    tcase_add_test(tc, overflow_in_a_loop_callback_is_reported);
    tcase_add_test(tc, big_frame_cannot_jump_over_the_guard);
    tcase_add_test(tc, overflow_into_a_guard_made_by_mprotect_is_reported);
    tcase_add_test(tc, null_pointer_is_not_reported_as_an_overflow);
    tcase_add_test(tc, fault_above_the_guard_is_not_reported_as_an_overflow);
    tcase_add_test(tc, access_to_anothers_guard_is_told_from_an_overflow);
    tcase_add_test(tc, signal_that_was_sent_has_its_default_action);
    return tc;
}

static TCase *neighbours(void)
{
    TCase *tc = tcase_create("neighbours");

    co_test_check_fds(tc);
    tcase_add_test(tc, users_handler_gets_the_signal_after_the_report);
    tcase_add_test(tc, users_handler_gets_the_fault_address_and_context);
    tcase_add_test(tc, users_handler_gets_what_is_no_overflow);
    tcase_add_test(tc, handler_that_is_for_one_signal_gets_one);
    tcase_add_test(
        tc, ignored_signal_stays_ignored_when_sent_but_an_overflow_kills);
    tcase_add_test(tc, address_sanitizer_gets_the_signal_after_the_report);
    tcase_add_test(
        tc, loop_that_does_not_want_reports_installs_nothing_and_gets_none);
    tcase_add_test(tc, option_of_one_loop_holds_though_another_has_the_handler);
    tcase_add_test(
        tc,
        thread_keeps_its_handler_stack_between_runs_and_frees_it_at_its_end);
    tcase_add_test(tc, handler_stack_of_the_threads_own_is_kept);
    tcase_add_test(tc, report_is_made_on_a_handler_stack_of_the_threads_own);
    tcase_add_test(tc,
                   handler_stack_that_was_disabled_is_enabled_by_the_next_run);
    return tc;
}

static Suite *suite(void)
{
    Suite *s = suite_create("overflow");

    suite_add_tcase(s, reports());
    suite_add_tcase(s, neighbours());
    return s;
}

/* A process a case: in one process the handler would be installed already. */
CO_TEST_MAIN_FORKED(suite)
