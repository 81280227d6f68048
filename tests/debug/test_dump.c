/* SPDX-License-Identifier: MIT */
/* ctest: timeout=120 */
#include "core/loop.h"

#include "base/alloc.h"
#include "base/text.h"

#include <coppice.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "support/check_main.h"
#include "support/virtual_clock.h"

/* What the last dump wrote; in_test_run() frees it. */
static char *text;

static void in_test_run(co_task_fn fn)
{
    ck_assert_int_eq(co_run(fn, NULL), 0);
    free(text);
    text = NULL;
}

static void dump(void)
{
    int fd = memfd_create("dump", 0);
    off_t size;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(co_dump_tasks(fd), 0);
    size = lseek(fd, 0, SEEK_CUR);
    free(text);
    text = malloc((size_t)size + 1);
    ck_assert_ptr_nonnull(text);
    ck_assert_int_eq(pread(fd, text, (size_t)size, 0), size);
    text[size] = '\0';
    close(fd);
}

static void assert_matches(const char *pattern)
{
    regex_t re;

    ck_assert_int_eq(
        regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB | REG_NEWLINE), 0);
    ck_assert_msg(regexec(&re, text, 0, NULL, 0) == 0,
                  "nothing matches %s in:\n%.20000s", pattern, text);
    regfree(&re);
}

static void print(const co_task *task)
{
    int fd = memfd_create("stack", 0);
    off_t size;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(co_task_print_stack(task, fd), 0);
    size = lseek(fd, 0, SEEK_CUR);
    free(text);
    text = malloc((size_t)size + 1);
    ck_assert_ptr_nonnull(text);
    ck_assert_int_eq(pread(fd, text, (size_t)size, 0), size);
    text[size] = '\0';
    close(fd);
}

/* How many lines contain a word. */
static int lines_with(const char *word)
{
    int count = 0;

    for (const char *p = text; (p = strstr(p, word)); count++)
        p += strcspn(p, "\n");
    return count;
}

/* `text` without backtraces, times and spawn sites. */
static void assert_outline(const char *expected)
{
    char *to = text;

    for (char *p = strchr(text, '\n') + 1; *p;) {
        char *end = strchr(p, '\n') + 1;
        char *first = p + strspn(p, " ");

        if (*first != '#') {
            char *close = strchr(p, '"');

            close = close ? strchr(close + 1, '"') : NULL;
            if (close && close < end) {
                memmove(to, p, (size_t)(close + 1 - p));
                to += close + 1 - p;
                *to++ = '\n';
            } else {
                memmove(to, p, (size_t)(end - p));
                to += end - p;
            }
        }
        p = end;
    }
    *to = '\0';
    ck_assert_str_eq(text, expected);
}

static int wait_for_ever(void *arg)
{
    (void)arg;
    return co_sleep_until(CO_NEVER);
}

static co_task *start(const char *name, co_task_fn fn, void *arg)
{
    co_spawn_options options = {.size = sizeof(options), .name = name};
    co_task *task = co_spawn_with_at("a/folder/of.c:77", &options, fn, arg);

    ck_assert_ptr_nonnull(task);
    return task;
}

static void let_run(void)
{
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(co_yield_now(), 0);
}

/* ---- what a line says ---------------------------------------------------- */

static int yield_for_ever(void *arg)
{
    int r;

    (void)arg;
    while ((r = co_yield_now()) == 0)
        continue;
    return r;
}

static int join_it(void *arg)
{
    return co_join(arg, NULL);
}

static int read_one(void *arg)
{
    char byte;

    return (int)co_read(*(int *)arg, &byte, 1);
}

static int return_at_once(void *arg)
{
    (void)arg;
    return 0;
}

static int all_states(void *arg)
{
    co_task *sleeper, *reader;
    char pattern[128];
    int fds[2];

    (void)arg;
    co_task_set_name(co_self(), "main");
    sleeper = start("sleeper", wait_for_ever, NULL);
    start("joiner", join_it, sleeper);
    ck_assert_int_eq(pipe(fds), 0);
    reader = start("reader", read_one, &fds[0]);
    start("yielder", yield_for_ever, NULL);
    start("ended", return_at_once, NULL);
    let_run();
    start("fresh", wait_for_ever, NULL);
    ck_assert_int_eq(co_sleep(12 * CO_MS), 0);
    start("newest", wait_for_ever, NULL);
    dump();
    assert_matches("^coppice: 8 tasks on loop 0x[0-9a-f]+$");
    assert_matches("^task \"main\" \\(test_dump\\.c:[0-9]+\\) running$");
    assert_matches("^  task \"sleeper\" \\(of\\.c:77\\) parked, waiting for "
                   "sleep for [0-9]+ ms$");
    assert_matches("^  task \"joiner\" \\(of\\.c:77\\) parked, waiting for "
                   "join of task \"sleeper\" \\(of\\.c:77\\) for [0-9]+ ms$");
    snprintf(pattern, sizeof(pattern),
             "^  task \"reader\" \\(of\\.c:77\\) parked, waiting for read on "
             "fd %d for [0-9]+ ms$",
             fds[0]);
    assert_matches(pattern);
    assert_matches("^  task \"yielder\" \\(of\\.c:77\\) ready$");
    assert_matches("^  task \"ended\" \\(of\\.c:77\\) done$");
    assert_matches("^  task \"newest\" \\(of\\.c:77\\) ready$");
    co_cancel(reader);
    ck_assert_int_eq(co_join(reader, NULL), 0);
    co_close(fds[0]);
    co_close(fds[1]);
    return 0;
}

START_TEST(each_task_is_shown_with_its_place_state_and_wait)
{
    in_test_run(all_states);
}
END_TEST

static int backtraces(void *arg)
{
    (void)arg;
    start("sleeper", wait_for_ever, NULL);
    start("yielder", yield_for_ever, NULL);
    let_run();
    dump();
    /* Under its task, whole, and for the parked one only. */
    assert_matches("sleep for [0-9.]+ .?s$");
    ck_assert_int_eq(lines_with("      #0 0x"), 1);
    ck_assert_int_eq(lines_with("#0 0x"), 1);
    ck_assert_ptr_nonnull(strstr(strstr(text, "\"sleeper\""), "#1 0x"));
    ck_assert(strstr(text, "#0 0x") < strstr(text, "\"yielder\""));
    return 0;
}

START_TEST(parked_task_is_shown_with_its_backtrace)
{
    in_test_run(backtraces);
}
END_TEST

static int durations(void *arg)
{
    static const struct {
        co_time ns;
        const char *pattern;
    } cases[] = {
        {7 * CO_US, "sleep for 7 us$"},
        {5 * CO_MS, "sleep for 5 ms$"},
        {2 * CO_SEC + 300 * CO_MS, "sleep for 2\\.3 s$"},
        {200 * CO_SEC, "sleep for 200 s$"},
    };
    co_task *task = start("sleeper", wait_for_ever, NULL);

    (void)arg;
    let_run();
    for (size_t i = 0; i < CO_ARRAY_LEN(cases); i++) {
        task->since = co_now() - cases[i].ns;
        dump();
        assert_matches(cases[i].pattern);
    }
    task->since = co_now() + CO_SEC; /* a clock read late */
    dump();
    assert_matches("sleep for 0 us$");
    return 0;
}

START_TEST(time_is_shown_in_a_fitting_unit)
{
    co_test_clock_start();
    in_test_run(durations);
    co_test_clock_stop();
}
END_TEST

static void dump_in_callback(void *arg)
{
    (void)arg;
    dump();
}

static int callbacks(void *arg)
{
    co_call call = {.fn = dump_in_callback};

    (void)arg;
    co_task_set_name(co_self(), "main");
    ck_assert_int_eq(co_call_soon_threadsafe(co_loop_running(), &call), 0);
    while (!text)
        ck_assert_int_eq(co_sleep(CO_MS), 0);
    assert_matches("^coppice: 1 task on loop 0x[0-9a-f]+$");
    assert_matches("^loop callbacks running$");
    assert_matches("^task \"main\" .* parked, waiting for sleep");
    dump();
    assert_matches("^loop callbacks parked, waiting for calls for ");
    return 0;
}

START_TEST(callback_task_is_shown_as_the_loops)
{
    in_test_run(callbacks);
}
END_TEST

/* ---- the tree ------------------------------------------------------------ */

static int parent_of_two(void *arg)
{
    (void)arg;
    start("grandchild 1", wait_for_ever, NULL);
    start("grandchild 2", wait_for_ever, NULL);
    return co_sleep_until(CO_NEVER);
}

static int parent_that_ends(void *arg)
{
    (void)arg;
    start("orphan", wait_for_ever, NULL);
    return 0;
}

static int tree(void *arg)
{
    co_task *ended;

    (void)arg;
    co_task_set_name(co_self(), "main");
    start("first", parent_of_two, NULL);
    ended = start("ended", parent_that_ends, NULL);
    start("last", wait_for_ever, NULL);
    let_run();
    dump();
    assert_outline("task \"main\"\n"
                   "  task \"first\"\n"
                   "    task \"grandchild 1\"\n"
                   "    task \"grandchild 2\"\n"
                   "  task \"ended\"\n"
                   "    task \"orphan\"\n"
                   "  task \"last\"\n");
    ck_assert_int_eq(co_join(ended, NULL), 0);
    dump();
    assert_outline("task \"main\"\n"
                   "  task \"first\"\n"
                   "    task \"grandchild 1\"\n"
                   "    task \"grandchild 2\"\n"
                   "  task \"last\"\n"
                   "task \"orphan\"\n");
    return 0;
}

START_TEST(tasks_are_shown_below_who_spawned_them)
{
    in_test_run(tree);
}
END_TEST

static int flat(void *arg)
{
    (void)arg;
    co_task_set_name(co_self(), "main");
    start("first", parent_of_two, NULL);
    let_run();
    co__fault_after(1);
    dump();
    co__fault_after(0);
    assert_matches("^coppice: 4 tasks on loop");
    assert_matches("^\\(no memory to sort them\\)$");
    assert_matches("^task \"main\" ");
    assert_matches("^task \"first\" ");
    assert_matches("^task \"grandchild 1\" ");
    assert_matches("^task \"grandchild 2\" ");
    return 0;
}

START_TEST(without_memory_the_tasks_are_listed_flat)
{
    in_test_run(flat);
}
END_TEST

/* Each task of the chain is spawned by the one before. */
static int links_left;

static int link_of_chain(void *arg)
{
    if (--links_left > 0)
        start("link", link_of_chain, arg);
    return co_sleep_until(CO_NEVER);
}

static int chain(void *arg)
{
    links_left = *(int *)arg;
    start("link", link_of_chain, NULL);
    while (links_left > 0)
        ck_assert_int_eq(co_yield_now(), 0);
    let_run();
    dump();
    return 0;
}

START_TEST(chain_of_100000_tasks_is_shown_from_the_smallest_stack)
{
    co_loop_options options = {.size = sizeof(options),
                               .stack_size = CO_STACK_SIZE_MIN};
    int length = co_test_scale(100000, 500);
    char words[64];
    int r;

    ck_assert_int_eq(co_run_with(&options, chain, &length, &r), 0);
    ck_assert_int_eq(r, 0);
    snprintf(words, sizeof(words), "coppice: %d tasks on loop", length + 1);
    ck_assert_ptr_eq(strstr(text, words), text);
    ck_assert_int_eq(lines_with("task \"link\""), length);
    snprintf(words, sizeof(words), " [depth %d] task \"link\"", length);
    ck_assert_ptr_nonnull(strstr(text, words));
    /* It must not grow with the square of the length. */
    ck_assert_uint_lt(strlen(text), (size_t)length * 2000);
    free(text);
    text = NULL;
}
END_TEST

static int crowd(void *arg)
{
    int count = co_test_scale(10000, 1200);
    co_time before;

    (void)arg;
    for (int i = 0; i < count; i++)
        start("one of many", wait_for_ever, NULL);
    let_run();
    before = co_now();
    dump();
    ck_assert_int_lt(co_now() - before, (CO_TEST_SLOW ? 60 : 5) * CO_SEC);
    ck_assert_int_eq(lines_with("one of many"), count);
    ck_assert_int_eq(lines_with("#0 0x"), 1000);
    ck_assert_int_eq(lines_with("(no more backtraces after 1000)"), 1);
    return 0;
}

START_TEST(of_10000_parked_tasks_the_first_1000_have_backtraces)
{
    in_test_run(crowd);
}
END_TEST

/* ---- errors -------------------------------------------------------------- */

static int bad_descriptors(void *arg)
{
    int fds[2];
    char page[4096] = {0};
    ssize_t n;

    (void)arg;
    ck_assert_int_eq(co_dump_tasks(-1), -EBADF);
    ck_assert_int_eq(co_dump_tasks(1000000), -EBADF);
    ck_assert_int_eq(pipe2(fds, O_NONBLOCK), 0);
    ck_assert_int_eq(co_dump_tasks(fds[0]), -EBADF); /* to be read only */
    do {
        n = write(fds[1], page, sizeof(page));
    } while (n > 0);
    ck_assert_int_eq(co_dump_tasks(fds[1]), -EAGAIN);
    close(fds[0]);
    ck_assert_int_eq(co_dump_tasks(fds[1]), -EPIPE);
    close(fds[1]);
    return 0;
}

START_TEST(errors_of_the_descriptor_are_returned)
{
    in_test_run(bad_descriptors);
}
END_TEST

/* The limit makes the first write a short one. */
START_TEST(short_write_is_continued)
{
    struct rlimit before, limit;
    struct co__text out;
    char buffer[1000];
    FILE *file = tmpfile(); /* a memfd knows no such limit */
    int fd;

    ck_assert_ptr_nonnull(file);
    fd = fileno(file);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 600;
    co__text_init(&out, fd, buffer, sizeof(buffer));
    co__text_spaces(&out, sizeof(buffer));
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(co__text_flush(&out), -EFBIG);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    ck_assert_int_eq(lseek(fd, 0, SEEK_END), 600);
    ck_assert_int_eq(co__text_flush(&out), -EFBIG); /* it stays */
    fclose(file);
}
END_TEST

START_TEST(outside_a_loop_there_is_nothing_to_dump)
{
    ck_assert_int_eq(co_dump_tasks(STDERR_FILENO), -EPERM);
    ck_assert_int_eq(co_dump_tasks(-1), -EBADF);
}
END_TEST

/* ---- each task ----------------------------------------------------------- */

struct visits {
    int count;
    int stop_at;
    co_task *seen[16];
};

static int note(co_task *task, void *arg)
{
    struct visits *visits = arg;

    ck_assert_int_lt(visits->count, 16);
    visits->seen[visits->count++] = task;
    return visits->count == visits->stop_at ? 4711 : 0;
}

static int has_seen(const struct visits *visits, const co_task *task)
{
    int times = 0;

    for (int i = 0; i < visits->count; i++)
        times += visits->seen[i] == task;
    return times;
}

static void set_flag(void *arg)
{
    *(int *)arg = 1;
}

static int each(void *arg)
{
    co_spawn_options large = {.size = sizeof(large), .stack_size = 1 << 20};
    struct visits visits = {0};
    int called = 0;
    co_call call = {.fn = set_flag, .arg = &called};
    co_task *tasks[3];

    (void)arg;
    tasks[0] = start("parked", wait_for_ever, NULL);
    tasks[1] = co_spawn_with(&large, yield_for_ever, NULL);
    ck_assert_ptr_nonnull(tasks[1]);
    start("ended", return_at_once, NULL);
    ck_assert_int_eq(co_call_soon_threadsafe(co_loop_running(), &call), 0);
    while (!called)
        ck_assert_int_eq(co_sleep(CO_MS), 0);
    tasks[2] = start("fresh", wait_for_ever, NULL);

    /* Neither the ended one nor the loop's own. */
    ck_assert_int_eq(co_loop_each_task(NULL, note, &visits), 0);
    ck_assert_int_eq(visits.count, 4);
    ck_assert_int_eq(has_seen(&visits, co_self()), 1);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(has_seen(&visits, tasks[i]), 1);

    visits = (struct visits){.stop_at = 2};
    ck_assert_int_eq(co_loop_each_task(co_loop_running(), note, &visits), 4711);
    ck_assert_int_eq(visits.count, 2);
    ck_assert_int_eq(co_loop_each_task(NULL, NULL, NULL), -EINVAL);
    return 0;
}

START_TEST(each_living_task_is_visited_once_until_the_visitor_ends_it)
{
    in_test_run(each);
}
END_TEST

static int cancel_others(co_task *task, void *arg)
{
    (void)arg;
    if (task != co_self())
        ck_assert_int_eq(co_cancel(task), 1);
    return 0;
}

static int cancel_all(void *arg)
{
    co_task *tasks[10];
    int r;

    (void)arg;
    for (int i = 0; i < 10; i++)
        tasks[i] = start("one", wait_for_ever, NULL);
    let_run();
    ck_assert_int_eq(co_loop_each_task(NULL, cancel_others, NULL), 0);
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(co_join(tasks[i], &r), 0);
        ck_assert_int_eq(r, -ECANCELED);
    }
    return 0;
}

START_TEST(visitor_may_cancel)
{
    in_test_run(cancel_all);
}
END_TEST

START_TEST(loop_that_does_not_run_can_be_visited)
{
    struct visits visits = {0};
    co_loop *loop = co_loop_new(NULL);
    co_task *task;

    ck_assert_ptr_nonnull(loop);
    ck_assert_int_eq(co_loop_each_task(NULL, note, &visits), -EPERM);
    ck_assert_int_eq(co_loop_each_task(loop, note, &visits), 0);
    ck_assert_int_eq(visits.count, 0);
    task = co_loop_spawn(loop, return_at_once, NULL);
    ck_assert_ptr_nonnull(task);
    ck_assert_int_eq(co_loop_each_task(loop, note, &visits), 0);
    ck_assert_int_eq(visits.count, 1);
    ck_assert_int_eq(has_seen(&visits, task), 1);
    co_loop_free(loop);
}
END_TEST

/* ---- stacks -------------------------------------------------------------- */

static int count_stacks(void *arg)
{
    co_loop *loop = co_loop_running();
    co_stack_stats before = {.size = sizeof(before)};
    co_stack_stats after = {.size = sizeof(after)};
    co_task *task;
    int trimmed;

    (void)arg;
    ck_assert_int_eq(co_loop_stack_stats(loop, &before), 0);
    ck_assert_uint_eq(before.in_use, 1);
    ck_assert_uint_eq(before.spawned_warm + before.spawned_cold, 1);
    ck_assert_uint_ge(before.slab_count, 1);
    ck_assert_uint_ge(before.slab_bytes, 256 << 10);
    task = start("one", wait_for_ever, NULL);
    ck_assert_int_eq(co_loop_stack_stats(loop, &after), 0);
    ck_assert_uint_eq(after.in_use, 2);
    ck_assert_uint_eq(after.spawned_warm + after.spawned_cold, 2);
    co_cancel(task);
    ck_assert_int_eq(co_join(task, NULL), 0);
    trimmed = co_loop_trim(loop);
    ck_assert_int_ge(trimmed, 0);
    ck_assert_int_eq(co_loop_stack_stats(loop, &after), 0);
    ck_assert_uint_eq(after.size, sizeof(after));
    ck_assert_uint_eq(after.in_use, 1);
    ck_assert_uint_eq(after.warm, 0);
    return 0;
}

START_TEST(stacks_are_counted_and_trimmed)
{
    in_test_run(count_stacks);
}
END_TEST

static int bad_stats(void *arg)
{
    co_stack_stats stats = {.size = sizeof(stats) - 1, .in_use = 99};

    (void)arg;
    ck_assert_int_eq(co_loop_stack_stats(co_loop_running(), &stats), -EINVAL);
    ck_assert_uint_eq(stats.in_use, 99);
    ck_assert_int_eq(co_loop_stack_stats(co_loop_running(), NULL), -EINVAL);
    stats.size = sizeof(stats);
    ck_assert_int_eq(co_loop_stack_stats(NULL, &stats), -EINVAL);
    ck_assert_int_eq(co_loop_trim(NULL), -EINVAL);
    return 0;
}

START_TEST(bad_arguments_of_stats_and_trim_are_refused)
{
    in_test_run(bad_stats);
}
END_TEST

/* ---- one task ------------------------------------------------------------ */

static int sleep_for_ever(void *arg)
{
    (void)arg;
    return co_sleep_until(CO_NEVER);
}

static int print_one_of_each_kind(void *arg)
{
    co_task *parked = co_spawn(sleep_for_ever, NULL);
    co_task *fresh;

    (void)arg;
    ck_assert_ptr_nonnull(parked);
    ck_assert_int_eq(co_task_set_name(parked, "sleeper"), 0);
    ck_assert_int_eq(co_yield_now(), 0);
    fresh = co_spawn(sleep_for_ever, NULL);
    ck_assert_ptr_nonnull(fresh);

    print(parked);
    assert_matches("^task \"sleeper\" \\(test_dump.c:[0-9]+\\) parked, "
                   "waiting for sleep for");
    assert_matches("^    #0 0x");
    print(fresh);
    assert_matches("^task \\(test_dump.c:[0-9]+\\) ready$");
    ck_assert_int_eq(lines_with("#0"), 0); /* it has not begun */
    print(co_self());
    assert_matches("^task \\(test_dump.c:[0-9]+\\) running$");
    assert_matches("^    #0 0x");
    ck_assert_int_gt(co_cancel(parked), 0);
    print(parked);
    assert_matches("ready$");
    assert_matches("^    #0 0x");
    ck_assert_int_eq(co_yield_now(), 0);
    print(parked);
    assert_matches("done$");
    ck_assert_int_eq(lines_with("#0"), 0);
    ck_assert_int_eq(co_join(parked, NULL), 0);
    ck_assert_int_gt(co_cancel(fresh), 0);
    ck_assert_int_eq(co_join(fresh, NULL), 0);
    return 0;
}

START_TEST(one_task_can_be_printed)
{
    in_test_run(print_one_of_each_kind);
}
END_TEST

static void *print_elsewhere(void *task)
{
    return co_task_print_stack(task, STDERR_FILENO) == -EPERM ? task : NULL;
}

static int print_wrongly(void *arg)
{
    pthread_t thread;
    void *refused = NULL;

    (void)arg;
    ck_assert_int_eq(co_task_print_stack(NULL, 2), -EINVAL);
    ck_assert_int_eq(co_task_print_stack(co_self(), -1), -EBADF);
    ck_assert_int_eq(pthread_create(&thread, NULL, print_elsewhere, co_self()),
                     0);
    pthread_join(thread, &refused);
    ck_assert_ptr_nonnull(refused);
    return 0;
}

START_TEST(what_cannot_be_printed_is_told)
{
    in_test_run(print_wrongly);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("dump");
    TCase *tc = tcase_create("dump");

    co_test_check_fds(tc);
    tcase_add_test(tc, each_task_is_shown_with_its_place_state_and_wait);
    tcase_add_test(tc, parked_task_is_shown_with_its_backtrace);
    tcase_add_test(tc, time_is_shown_in_a_fitting_unit);
    tcase_add_test(tc, callback_task_is_shown_as_the_loops);
    tcase_add_test(tc, tasks_are_shown_below_who_spawned_them);
    tcase_add_test(tc, without_memory_the_tasks_are_listed_flat);
    tcase_add_test(tc, chain_of_100000_tasks_is_shown_from_the_smallest_stack);
    tcase_add_test(tc, of_10000_parked_tasks_the_first_1000_have_backtraces);
    tcase_add_test(tc, errors_of_the_descriptor_are_returned);
    tcase_add_test(tc, short_write_is_continued);
    tcase_add_test(tc, outside_a_loop_there_is_nothing_to_dump);
    tcase_add_test(tc,
                   each_living_task_is_visited_once_until_the_visitor_ends_it);
    tcase_add_test(tc, visitor_may_cancel);
    tcase_add_test(tc, loop_that_does_not_run_can_be_visited);
    tcase_add_test(tc, stacks_are_counted_and_trimmed);
    tcase_add_test(tc, bad_arguments_of_stats_and_trim_are_refused);
    tcase_add_test(tc, one_task_can_be_printed);
    tcase_add_test(tc, what_cannot_be_printed_is_told);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
