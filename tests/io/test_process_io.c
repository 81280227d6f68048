/* SPDX-License-Identifier: MIT */
/* ctest: timeout=300 labels=slow */
/* Processes: what they are given, and talking to them. */
#include "process_support.h"

#include <coppice/copy.h>
#include <coppice/pipe.h>
#include <coppice/stream.h>

#include <pthread.h>

/* ---- support ------------------------------------------------------------- */

/* What a process writes, by communicate; it has to end with 0. */
static void expect_of(co_process *process, const char *input, const char *out)
{
    co_process_output output = {.code = -1};

    ck_assert_int_eq(
        co_process_communicate(process, input, strlen(input), 0, &output), 0);
    ck_assert_int_eq(output.code, 0);
    ck_assert_str_eq(output.out, out);
    co_process_output_free(&output);
    co_process_free(process);
}

static co_process *start_out(const char *line, co_process_options options)
{
    options.size = sizeof(options);
    options.out = CO_PROCESS_PIPE;
    return start_shell(line, &options);
}

/* ---- the three descriptors ----------------------------------------------- */

CO_TASK_TEST(pipes_go_both_ways)
{
    co_process *process = start_with("cat", CO_PROCESS_PIPE);
    char got[5];

    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(co_write(co_process_fd(process, 0), "hello", 5), 5);
        ck_assert_int_eq(co_read_full(co_process_fd(process, 1), got, 5, NULL),
                         0);
        ck_assert_mem_eq(got, "hello", 5);
    }
    ck_assert_int_eq(co_process_close(process, 0), 0);
    ck_assert_int_eq(co_process_close(process, 0), -EBADF);
    ck_assert_int_eq(co_read(co_process_fd(process, 1), got, 5), 0);
    ck_assert_int_eq(end_of(process), 0);
}

CO_TASK_TEST(streams_are_made_of_the_pipes)
{
    co_process *process =
        start_shell("while read x; do echo \"<$x>\"; echo e >&2; done", &pipes);
    co_stream *in = co_process_stream(process, 0);
    co_stream *out = co_process_stream(process, 1);
    char line[64];

    ck_assert_ptr_nonnull(in);
    ck_assert_ptr_eq(co_process_stream(process, 1), out);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(co_stream_write(in, "word\n", 5, NULL), 0);
        ck_assert_int_eq(co_stream_read_line(out, line, sizeof(line)), 6);
        ck_assert_str_eq(line, "<word>");
    }
    ck_assert_int_eq(co_stream_close(in), 0); /* as co_process_close */
    ck_assert_int_eq(co_process_fd(process, 0), -EBADF);
    ck_assert_ptr_null(co_process_stream(process, 0));
    ck_assert_int_eq(co_stream_read_line(out, line, sizeof(line)), -ENODATA);
    ck_assert_int_eq(co_process_close(process, 1), 0);
    ck_assert_int_eq(co_process_fd(process, 1), -EBADF);
    ck_assert_int_eq(co_stream_read_exactly(co_process_stream(process, 2), line,
                                            6, NULL),
                     0);
    ck_assert_mem_eq(line, "e\ne\ne\n", 6);
    ck_assert_int_eq(end_of(process), 0);
}

CO_TASK_TEST(nothing_comes_of_the_null_device)
{
    co_process_options options = {
        .size = sizeof(options), .in = CO_PROCESS_NULL, .err = CO_PROCESS_NULL};

    expect_of(start_out("cat; echo lost >&2", options), "", "");
}

CO_TASK_TEST(errors_may_go_where_output_goes)
{
    co_process_options options = {.err = CO_PROCESS_STDOUT};

    expect_of(start_out("echo one; echo two >&2; echo three", options), "",
              "one\ntwo\nthree\n");
}

CO_TASK_TEST(descriptors_are_given_and_stay_ours)
{
    co_process_options options = {.size = sizeof(options)};
    char got[16];
    int fds[2];

    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    options.in = CO_PROCESS_FD(fds[0]);
    options.out = CO_PROCESS_FD(fds[1]);
    options.err = CO_PROCESS_FD(fds[1]);
    ck_assert_int_eq(write(fds[1], "x\n", 2), 2);
    ck_assert_int_eq(
        end_of(start_shell("read x; echo $x$x; echo err >&2", &options)), 0);
    ck_assert_int_eq(read(fds[0], got, sizeof(got)), 7);
    ck_assert_mem_eq(got, "xx\nerr\n", 7);
    ck_assert_int_eq(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
    close(fds[0]);
    close(fds[1]);
}

/* Says so if the pipe that is its standard input is open elsewhere, too. */
#define NO_COPY                                                                \
    "i=$(readlink /proc/$$/fd/0); for f in /proc/$$/fd/*; do "                 \
    "case $f in */[012]) ;; *) "                                               \
    "[ \"$(readlink $f)\" != \"$i\" ] || echo copy;; esac; done"

/* Our own 0 and 1, exchanged. */
CO_TASK_TEST(low_numbers_do_not_get_in_the_way)
{
    co_process_options options = {.size = sizeof(options),
                                  .in = CO_PROCESS_FD(1),
                                  .out = CO_PROCESS_FD(0),
                                  .err = CO_PROCESS_FD(0)};
    int saved[2] = {dup(0), dup(1)};
    char got[16];
    int fds[2], code;

    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    ck_assert_int_eq(dup2(fds[1], 0), 0);
    ck_assert_int_eq(dup2(fds[0], 1), 1);
    ck_assert_int_eq(write(0, "x\n", 2), 2);
    code =
        end_of(start_shell("read x; echo $x; echo y >&2; " NO_COPY, &options));
    dup2(saved[0], 0);
    dup2(saved[1], 1);
    ck_assert_int_eq(code, 0);
    ck_assert_int_eq(read(fds[0], got, sizeof(got)), 4);
    ck_assert_mem_eq(got, "x\ny\n", 4);
    for (int i = 0; i < 2; i++) {
        close(saved[i]);
        close(fds[i]);
    }
}

/* The pipes of a program whose own 0 to 2 are closed have these numbers. */
CO_TASK_TEST(standard_descriptors_of_ours_may_be_closed)
{
    co_process_output output = {.code = -1};
    int saved[3];
    co_process *process;

    for (int i = 0; i < 3; i++) {
        saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
        close(i);
    }
    process = start_shell("cat; echo e >&2", &pipes);
    ck_assert_int_eq(co_process_communicate(process, "x", 1, 0, &output), 0);
    co_process_free(process);
    for (int i = 0; i < 3; i++) {
        if (saved[i] < 0)
            continue;
        dup2(saved[i], i);
        close(saved[i]);
    }
    ck_assert_str_eq(output.out, "x");
    ck_assert_str_eq(output.err, "e\n");
    co_process_output_free(&output);
}

/* ---- the rest that it is given ------------------------------------------- */

CO_TASK_TEST(directory_and_environment_are_given)
{
    const char *env[] = {"WORD=some", "PATH=/usr/bin:/bin", NULL};
    co_process_options options = {.cwd = "/usr"};

    expect_of(start_out("pwd", options), "", "/usr\n");
    options.env = env;
    ck_assert_int_eq(setenv("OTHER", "ours", 1), 0);
    expect_of(start_out("echo $WORD-$OTHER", options), "", "some-\n");
    options.env = NULL;
    expect_of(start_out("echo $WORD-$OTHER", options), "", "-ours\n");
    ck_assert_int_eq(unsetenv("OTHER"), 0);
}

CO_TASK_TEST(what_has_spaces_is_one_argument)
{
    const char *argv[] = {"printf", "<%s>", "a b", "$HOME", "", NULL};
    co_process_options options = {.size = sizeof(options),
                                  .out = CO_PROCESS_PIPE};

    expect_of(start(argv, &options), "", "<a b><$HOME><>");
}

/* Whether it leads what a call tells of it. An emulator, to which vfork is but
 * a fork, may be too early to say. */
static int leads(pid_t pid, pid_t (*of)(pid_t))
{
    for (int i = 0; i < co_test_scale(0, 10000) && of(pid) != pid; i++)
        ck_assert_int_eq(co_sleep(CO_MS), 0);
    return of(pid) == pid;
}

CO_TASK_TEST(it_may_lead_a_group_or_a_session)
{
    co_process_options options = {.size = sizeof(options)};
    const char *argv[] = {"sleep", "1000", NULL};
    co_process *process = start(argv, &options);
    pid_t pid = co_process_pid(process);

    ck_assert_int_eq(getpgid(pid), getpgrp());
    co_process_free(process);
    options.new_group = 1;
    process = start(argv, &options);
    pid = co_process_pid(process);
    ck_assert(leads(pid, getpgid));
    ck_assert_int_ne(getsid(pid), pid);
    co_process_free(process);
    options.new_session = 1;
    process = start(argv, &options);
    pid = co_process_pid(process);
    ck_assert(leads(pid, getsid));
    co_process_free(process);
}

/* A line for the shell that counts which of some descriptors it has. */
static const char *count_of(const int *fds, int count)
{
    static char line[1024];
    size_t len = 0;

    for (int i = 0; i < count; i++)
        len += (size_t)snprintf(line + len, sizeof(line) - len,
                                "test -e /proc/$$/fd/%d && echo %d;", fds[i],
                                fds[i]);
    snprintf(line + len, sizeof(line) - len, "true");
    return line;
}

CO_TASK_TEST(it_has_none_of_our_descriptors)
{
    co_process *other = start_shell("cat", &pipes);
    int fds[64], count = 0, plain;
    co_process_options options = {.size = sizeof(options)};
    char expected[16];

    ck_assert_int_eq(co_pipe(fds), 0);
    unix_pair(fds + 2);
    tcp_pair(fds + 4);
    for (count = 6; count < 9; count++)
        fds[count] = co_process_fd(other, count - 6);
    /* And what the loop keeps: numbers that ours lie between. */
    for (int fd = 3; fd < 40; fd++)
        if (fcntl(fd, F_GETFD) == FD_CLOEXEC)
            fds[count++] = fd;
    expect_of(start_out(count_of(fds, count), options), "", "");
    plain = dup(fds[0]); /* the program's business */
    snprintf(expected, sizeof(expected), "%d\n", plain);
    expect_of(start_out(count_of(&plain, 1), options), "", expected);
    options.close_others = 1;
    expect_of(start_out(count_of(&plain, 1), options), "", "");
    close(plain);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(co_close(fds[i]), 0);
    co_process_free(other);
}

/* Not by a shell: some clear their mask. */
static int expect_mask(void *mask)
{
    const char *argv[] = {"sed", "-n", "s/SigBlk:[^0-9]*//p",
                          "/proc/self/status", NULL};
    co_process_options options = {.size = sizeof(options),
                                  .out = CO_PROCESS_PIPE};
    char expected[64];

    snprintf(expected, sizeof(expected), "%016x\n", (unsigned)(uintptr_t)mask);
    expect_of(start(argv, &options), "", expected);
    return 0;
}

START_TEST(its_mask_is_that_from_before_the_run)
{
    sigset_t set, old;

    sigemptyset(&set);
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &set, &old), 0);
    ck_assert_int_eq(co_run(expect_mask, NULL), 0); /* SIGPIPE is not blocked */
    sigaddset(&set, SIGUSR1);
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &set, NULL), 0);
    ck_assert_int_eq(co_run(expect_mask, co_test_number(1 << (SIGUSR1 - 1))),
                     0);
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &old, NULL), 0);
}
END_TEST

/* ---- communicate --------------------------------------------------------- */

CO_TASK_TEST(much_goes_both_ways)
{
    size_t len = (size_t)co_test_scale(64, 4) << 20;
    co_process *process = start_with("cat", CO_PROCESS_PIPE);
    co_process_output output = {.code = -1};
    unsigned *data = malloc(len);

    ck_assert_ptr_nonnull(data);
    for (size_t i = 0; i < len / sizeof(*data); i++)
        data[i] = (unsigned)i * 2654435761u;
    ck_assert_int_eq(co_process_communicate(process, data, len, 0, &output), 0);
    ck_assert_int_eq(output.code, 0);
    ck_assert_uint_eq(output.out_len, len);
    ck_assert(memcmp(output.out, data, len) == 0);
    ck_assert_ptr_null(output.err);
    co_process_output_free(&output);
    co_process_free(process);
    free(data);
}

CO_TASK_TEST(both_outputs_are_read_at_once)
{
    co_process *process = start_shell(
        "head -c 300000 /dev/zero >&2; head -c 500000 /dev/zero; cat >&2",
        &pipes);
    co_process_output output = {.code = -1};

    ck_assert_int_eq(co_process_communicate(process, "end", 3, 500000, &output),
                     0);
    ck_assert_uint_eq(output.out_len, 500000);
    ck_assert_uint_eq(output.err_len, 300003);
    ck_assert_mem_eq(output.err + 300000, "end", 4);
    co_process_output_free(&output);
    co_process_free(process);
}

CO_TASK_TEST(it_need_not_read_what_it_is_given)
{
    static char much[1000000];
    co_process_output output = {.code = -1};
    co_process *process = start_shell("exec <&-; echo enough", &pipes);

    ck_assert_int_eq(
        co_process_communicate(process, much, sizeof(much), 0, &output), 0);
    ck_assert_int_eq(output.code, 0);
    ck_assert_str_eq(output.out, "enough\n");
    ck_assert_str_eq(output.err, "");
    co_process_output_free(&output);
    co_process_free(process);
}

CO_TASK_TEST(without_pipes_it_just_waits)
{
    co_process_output output = {.out = (char *)"x", .code = -1};
    co_process *process = start_shell("exit 6", NULL);

    ck_assert_int_eq(co_process_communicate(process, NULL, 0, 0, &output), 0);
    ck_assert_int_eq(output.code, 6);
    ck_assert_ptr_null(output.out);
    ck_assert_ptr_null(output.err);
    ck_assert_int_eq(co_process_communicate(process, NULL, 0, 0, NULL), 0);
    co_process_free(process);
}

CO_TASK_TEST(what_a_stream_has_read_ahead_comes_first)
{
    co_process *process =
        start_with("echo first; read x; echo second", CO_PROCESS_PIPE);
    co_stream *out = co_process_stream(process, 1);
    const void *data;

    ck_assert_int_ge(co_stream_peek(out, 1, &data), 1);
    expect_of(process, "\n", "first\nsecond\n");
}

CO_TASK_TEST(what_a_copy_has_left_comes_first)
{
    co_process *process =
        start_with("seq 100000; read x; echo last", CO_PROCESS_PIPE);
    co_stream *out = co_process_stream(process, 1);
    co_process_output output = {.code = 77};
    uint64_t copied;
    co_stream *to;
    int fds[2];
    char *got;

    ck_assert_int_eq(co_pipe(fds), 0);
    to = co_stream_new(fds[1], NULL);
    ck_assert_ptr_nonnull(to);
    co_timeout(50 * CO_MS) /* nobody reads */
        ck_assert_int_eq(co_stream_copy(to, out, CO_COPY_ALL, &copied),
                         -ETIMEDOUT);
    ck_assert_int_eq(co_process_communicate(process, "\n", 1, 0, &output), 0);
    got = calloc(1, copied + output.out_len + 1);
    ck_assert_int_eq(co_read_full(fds[0], got, copied, NULL), 0);
    memcpy(got + copied, output.out, output.out_len);
    ck_assert_uint_eq(copied + output.out_len, 588895 + 5);
    ck_assert_str_eq(got + 588895, "last\n");
    for (int line = 1, at = 0; line <= 100000; line++) {
        char text[16];
        int len = snprintf(text, sizeof(text), "%d\n", line);

        ck_assert_mem_eq(got + at, text, len);
        at += len;
    }
    free(got);
    co_process_output_free(&output);
    co_process_free(process);
    ck_assert_int_eq(co_stream_close(to), 0);
    ck_assert_int_eq(co_close(fds[0]), 0);
}

CO_TASK_TEST(more_than_the_limit_is_an_error_and_not_lost)
{
    co_process *process = start_with("printf 12345678", CO_PROCESS_PIPE);
    co_process_output output = {.code = 77};

    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(co_process_communicate(process, NULL, 0, 7, &output),
                         -EMSGSIZE);
    ck_assert_int_eq(output.code, 77);
    ck_assert_int_eq(co_process_communicate(process, NULL, 0, 8, &output), 0);
    ck_assert_str_eq(output.out, "12345678");
    co_process_output_free(&output);
    co_process_free(process);
}

static int communicates(void *arg)
{
    struct waiter *w = arg;
    co_process_output output;
    int r = co_process_communicate(w->process, "in\n", 3, 0, &output);

    if (r == 0)
        co_process_output_free(&output);
    return r;
}

static void start_communicating(struct waiter *w)
{
    w->task = co_test_spawn(communicates, w);
    co_test_yield();
    ck_assert_int_eq(w->task->state, CO__TASK_PARKED);
}

/* It reads what it waits for from its standard error. */
CO_TASK_TEST(what_was_interrupted_goes_on)
{
    co_process_options options = {
        .size = sizeof(options), .in = CO_PROCESS_PIPE, .out = CO_PROCESS_PIPE};
    struct waiter w;
    int fds[2];

    foreign_pipe(fds);
    options.err = CO_PROCESS_FD(fds[0]);
    w.process = start_shell("read x; echo $x; read y <&2; echo $y", &options);
    start_communicating(&w);
    ck_assert_int_eq(co_process_communicate(w.process, "in\n", 3, 0, NULL),
                     -EBUSY);
    co_cancel(w.task);
    ck_assert_int_eq(co_test_result(w.task), -ECANCELED);
    co_timeout(5 * CO_MS) {
        ck_assert_int_eq(co_process_communicate(w.process, "in\n", 3, 0, NULL),
                         -ETIMEDOUT);
    }
    ck_assert_int_eq(write(fds[1], "more\n", 5), 5);
    expect_of(w.process, "in\n", "in\nmore\n");
    close(fds[0]);
    close(fds[1]);
}

CO_TASK_TEST(a_process_that_is_freed_ends_the_talk)
{
    struct waiter w = {.process =
                           start_with("exec sleep 1000", CO_PROCESS_PIPE)};

    start_communicating(&w);
    co_process_free(w.process);
    ck_assert_int_eq(co_test_result(w.task), -EBADF);
    w.process = start_with("exec >&- <&-; exec sleep 1000", CO_PROCESS_PIPE);
    w.task = co_test_spawn(communicates, &w);
    while (w.task->state != CO__TASK_PARKED || w.task->reason != CO__WAIT_EXIT)
        ck_assert_int_eq(co_sleep(CO_MS / 10), 0);
    co_process_free(w.process);
    ck_assert_int_eq(co_test_result(w.task), -EBADF);
}

/* -------------------------------------------------------------------------- */

static void add_all(TCase *tc)
{
    tcase_add_test(tc, pipes_go_both_ways);
    tcase_add_test(tc, streams_are_made_of_the_pipes);
    tcase_add_test(tc, nothing_comes_of_the_null_device);
    tcase_add_test(tc, errors_may_go_where_output_goes);
    tcase_add_test(tc, descriptors_are_given_and_stay_ours);
    tcase_add_test(tc, low_numbers_do_not_get_in_the_way);
    tcase_add_test(tc, standard_descriptors_of_ours_may_be_closed);
    tcase_add_test(tc, directory_and_environment_are_given);
    tcase_add_test(tc, what_has_spaces_is_one_argument);
    tcase_add_test(tc, it_may_lead_a_group_or_a_session);
    tcase_add_test(tc, it_has_none_of_our_descriptors);
    tcase_add_test(tc, its_mask_is_that_from_before_the_run);
    tcase_add_test(tc, much_goes_both_ways);
    tcase_add_test(tc, both_outputs_are_read_at_once);
    tcase_add_test(tc, it_need_not_read_what_it_is_given);
    tcase_add_test(tc, without_pipes_it_just_waits);
    tcase_add_test(tc, what_a_stream_has_read_ahead_comes_first);
    tcase_add_test(tc, what_a_copy_has_left_comes_first);
    tcase_add_test(tc, more_than_the_limit_is_an_error_and_not_lost);
    tcase_add_test(tc, what_was_interrupted_goes_on);
    tcase_add_test(tc, a_process_that_is_freed_ends_the_talk);
}

static Suite *suite(void)
{
    Suite *s = suite_create("process_io");
    TCase *tc = tcase_create("process_io");

    tcase_set_timeout(tc, 250);
    co_test_check_fds(tc);
    tcase_add_checked_fixture(tc, NULL, no_children);
    if (can_watch(tc))
        add_all(tc);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
