/* SPDX-License-Identifier: MIT */
/* Processes behind transports. What the protocol is called with is recorded as
 * text, a word for each call; what is not in a fixed order is made so by what
 * the programs do. */
#include "io/process_support.h"

#include <coppice/callback.h>
#include <coppice/cancel.h>
#include <coppice/clock.h>
#include <coppice/error.h>
#include <coppice/event.h>
#include <coppice/loop.h>
#include <coppice/transport.h>

#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>

struct seen {
    char text[512];
    co_event change, over;
    co_transport *transport;
    char data[2][1 << 10]; /* the first bytes of what was written */
    size_t bytes[2];
    size_t pipe_bytes; /* of all of it, of 1 */
    int close_at;      /* close it when so many bytes have come */
    int write_at_made;
    int code; /* how it ended */
    int error;
};

static void say(struct seen *s, const char *format, ...)
{
    size_t len = strlen(s->text);
    va_list args;

    va_start(args, format);
    vsnprintf(s->text + len, sizeof(s->text) - len, format, args);
    va_end(args);
    co_event_set(&s->change);
}

static void on_made(co_transport *transport, void *arg)
{
    struct seen *s = arg;

    say(s, "made ");
    if (s->write_at_made)
        ck_assert_int_eq(
            co_transport_write(co_transport_pipe(transport, 0), "early", 5), 0);
}

static void on_pipe_data(co_transport *transport, void *arg, int which,
                         const void *data, size_t len)
{
    struct seen *s = arg;
    size_t *have = &s->bytes[which - 1];
    size_t room = sizeof(s->data[0]) - *have - 1;
    size_t part = len < room ? len : room;

    ck_assert_int_eq(co_sleep(CO_MS), -EPERM);
    ck_assert_ptr_nonnull(co_transport_pipe(transport, which));
    memcpy(s->data[which - 1] + *have, data, part);
    *have += part;
    s->pipe_bytes += len;
    co_event_set(&s->change);
    if (s->close_at && s->pipe_bytes >= (size_t)s->close_at)
        co_transport_close(transport);
}

static void on_pipe_lost(co_transport *transport, void *arg, int which,
                         int error)
{
    ck_assert_ptr_null(co_transport_pipe(transport, which));
    say(arg, error ? "lost%d:%s " : "lost%d ", which, co_error_name(error));
}

static void on_exited(co_transport *transport, void *arg)
{
    struct seen *s = arg;

    ck_assert_int_eq(
        co_process_try_wait(co_transport_process(transport), &s->code), 0);
    say(s, "exited:%d ", s->code);
}

static void on_lost(co_transport *transport, void *arg, int error)
{
    struct seen *s = arg;

    ck_assert(co_transport_is_closing(transport));
    ck_assert_ptr_null(co_transport_process(transport));
    s->error = error;
    s->transport = NULL;
    say(s, error ? "lost:%s" : "lost", co_error_name(error));
    co_event_set(&s->over);
}

static void on_pause(co_transport *transport, void *arg)
{
    ck_assert_ptr_eq(transport, ((struct seen *)arg)->transport);
    say(arg, "pause ");
}

static void on_resume(co_transport *transport, void *arg)
{
    ck_assert_ptr_eq(transport, ((struct seen *)arg)->transport);
    say(arg, "resume ");
}

static const co_protocol recorder = {
    .size = sizeof(recorder),
    .connection_made = on_made,
    .connection_lost = on_lost,
    .pause_writing = on_pause,
    .resume_writing = on_resume,
    .pipe_data_received = on_pipe_data,
    .pipe_connection_lost = on_pipe_lost,
    .process_exited = on_exited,
};

static co_transport *run_process(struct seen *s, co_process *process)
{
    s->transport = co_transport_start_process(process, &recorder, s);
    ck_assert_ptr_nonnull(s->transport);
    return s->transport;
}

static co_transport *run_shell(struct seen *s, const char *line)
{
    return run_process(s, start_shell(line, &pipes));
}

/* Until the text has a word. */
static void await_word(struct seen *s, const char *word)
{
    while (!strstr(s->text, word)) {
        co_event_clear(&s->change);
        ck_assert_int_eq(co_event_wait(&s->change), 0);
    }
}

static void await_bytes(struct seen *s, size_t bytes)
{
    while (s->pipe_bytes < bytes) {
        co_event_clear(&s->change);
        ck_assert_int_eq(co_event_wait(&s->change), 0);
    }
}

static void await_end(struct seen *s)
{
    ck_assert_int_eq(co_event_wait(&s->over), 0);
    no_children();
}

static int in_order(const char *text, const char *first, const char *second)
{
    const char *one = strstr(text, first), *two = strstr(text, second);

    return one && two && one < two;
}

/* ---- what it is told ----------------------------------------------------- */

CO_TASK_TEST(a_protocol_is_told_of_both_outputs_and_of_all_ends)
{
    struct seen s = {.text = ""};

    run_shell(&s, "echo out; echo err >&2; exit 3");
    ck_assert_str_eq(s.text, ""); /* not before the next turn */
    await_end(&s);
    ck_assert_str_eq(s.data[0], "out\n");
    ck_assert_str_eq(s.data[1], "err\n");
    ck_assert_int_eq(s.code, 3);
    ck_assert_int_eq(strncmp(s.text, "made ", 5), 0);
    for (int which = 0; which < 3; which++) {
        char word[] = {'l', 'o', 's', 't', (char)('0' + which), ' ', 0};

        ck_assert_msg(strstr(s.text, word), "%s", s.text);
    }
    ck_assert_ptr_nonnull(strstr(s.text, "exited:3 "));
    ck_assert_str_eq(s.text + strlen(s.text) - 5, " lost");
}

CO_TASK_TEST(what_is_written_reaches_it_and_comes_back)
{
    struct seen s = {.write_at_made = 1};
    co_transport *t = run_shell(&s, "cat"), *in;

    in = co_transport_pipe(t, 0);
    ck_assert_ptr_nonnull(in);
    await_bytes(&s, 5);
    ck_assert_int_eq(co_transport_write(in, " late", 5), 0);
    ck_assert_int_eq(co_transport_write_eof(in), 0);
    await_end(&s);
    ck_assert_str_eq(s.data[0], "early late");
    ck_assert_int_eq(s.code, 0);
    ck_assert(in_order(s.text, "lost0 ", "lost1 "));
}

CO_TASK_TEST(its_pipes_may_end_before_it_does)
{
    struct seen s = {.text = ""};
    co_transport *t = run_shell(&s, "exec <&- >&- 2>&-; exec sleep 1000");

    await_word(&s, "lost0 ");
    await_word(&s, "lost1 ");
    await_word(&s, "lost2 ");
    ck_assert_ptr_null(strstr(s.text, "exited"));
    ck_assert(!co_transport_is_closing(t));
    ck_assert_int_eq(co_process_terminate(co_transport_process(t)), 0);
    await_end(&s);
    ck_assert_ptr_nonnull(strstr(s.text, "exited:-15 lost"));
}

CO_TASK_TEST(it_may_end_before_its_pipes_do)
{
    struct seen s = {.text = ""};
    co_process_options options = pipes;
    co_transport *t;
    int fds[2];

    /* A child of its that has them open waits for a line. */
    foreign_pipe(fds); /* which waits where it is */
    options.in = CO_PROCESS_FD(fds[0]);
    t = run_process(&s,
                    start_shell("exec 3<&0; (read end <&3; echo $end) & exit 7",
                                &options));
    ck_assert_ptr_null(co_transport_pipe(t, 0));
    await_word(&s, "exited:7 ");
    ck_assert_str_eq(s.text, "made exited:7 ");
    ck_assert(!co_transport_is_closing(t));
    ck_assert_int_eq(co_process_signal(co_transport_process(t), SIGTERM),
                     -ESRCH);
    ck_assert_int_eq(co_write(fds[1], "bye\n", 4), 4);
    ck_assert_int_eq(co_event_wait(&s.over), 0);
    ck_assert_str_eq(s.data[0], "bye\n");
    ck_assert(in_order(s.text, "exited:7 ", "lost1 "));
    ck_assert(in_order(s.text, "exited:7 ", "lost2 "));
    close_pair(fds);
}

CO_TASK_TEST(one_without_pipes_just_ends)
{
    struct seen s = {.text = ""};
    const char *argv[] = {"true", NULL};
    co_transport *t = run_process(&s, start(argv, NULL));

    for (int which = -1; which < 4; which++)
        ck_assert_ptr_null(co_transport_pipe(t, which));
    await_end(&s);
    ck_assert_str_eq(s.text, "made exited:0 lost");
}

CO_TASK_TEST(one_that_has_ended_before_is_told_all_the_same)
{
    struct seen s = {.text = ""};
    co_process *process = start_shell("echo there", &pipes);
    char first;

    ck_assert_int_eq(co_process_wait(process, NULL), 0);
    /* And what its stream has read ahead. */
    ck_assert_int_eq(co_stream_read(co_process_stream(process, 1), &first, 1),
                     1);
    run_process(&s, process);
    await_end(&s);
    ck_assert_str_eq(s.data[0], "here\n");
    ck_assert_int_eq(s.code, 0);
}

CO_TASK_TEST(one_that_the_program_has_reaped_has_ended)
{
    struct seen s = {.text = ""};
    co_protocol plain = recorder;
    const char *argv[] = {"true", NULL};
    co_process *process = start(argv, NULL);

    plain.process_exited = NULL;
    ck_assert_int_gt(waitpid(co_process_pid(process), NULL, 0), 0);
    s.transport = co_transport_start_process(process, &plain, &s);
    ck_assert_ptr_nonnull(s.transport);
    await_end(&s);
    ck_assert_str_eq(s.text, "made lost");
}

/* ---- flow ---------------------------------------------------------------- */

CO_TASK_TEST(more_than_it_reads_is_buffered_and_the_protocol_told)
{
    static char block[1 << 20];
    struct seen s = {.text = ""};
    co_transport *t = run_shell(&s, "read go; exec wc -c");

    await_word(&s, "made ");
    ck_assert_int_eq(
        co_transport_write(co_transport_pipe(t, 0), block, sizeof(block)), 0);
    ck_assert_str_eq(s.text, "made pause ");
    ck_assert_uint_gt(co_transport_buffered(co_transport_pipe(t, 0)), 65536);
    ck_assert_int_eq(co_process_kill(co_transport_process(t)), 0);
    await_end(&s);
    ck_assert_ptr_nonnull(strstr(s.text, "lost0:EPIPE "));
    ck_assert_int_eq(s.error, 0);

    s = (struct seen){.text = ""};
    t = run_shell(&s, "exec wc -c");
    await_word(&s, "made ");
    ck_assert_int_eq(
        co_transport_write(co_transport_pipe(t, 0), block, sizeof(block)), 0);
    ck_assert_int_eq(co_transport_write_eof(co_transport_pipe(t, 0)), 0);
    await_end(&s);
    ck_assert_str_eq(s.data[0], "1048576\n");
    ck_assert(in_order(s.text, "pause ", "resume "));
}

CO_TASK_TEST(an_output_that_is_paused_stays_in_its_pipe)
{
    struct seen s = {.text = ""};
    co_transport *t = run_shell(&s, "read go; echo out; echo err >&2");
    co_transport *out = co_transport_pipe(t, 1);

    ck_assert_int_eq(co_transport_pause_reading(t), -EBADF);
    ck_assert_int_eq(co_transport_pause_reading(co_transport_pipe(t, 0)),
                     -EBADF);
    ck_assert_int_eq(co_transport_pause_reading(out), 0);
    ck_assert_int_eq(co_transport_write(co_transport_pipe(t, 0), "go\n", 3), 0);
    await_word(&s, "exited:0 ");
    await_word(&s, "lost2 ");
    ck_assert_str_eq(s.data[0], "");
    ck_assert_str_eq(s.data[1], "err\n");
    ck_assert_int_eq(co_transport_resume_reading(out), 0);
    await_end(&s);
    ck_assert_str_eq(s.data[0], "out\n");
}

/* ---- closing ------------------------------------------------------------- */

CO_TASK_TEST(closing_kills_what_runs)
{
    for (int way = 0; way < 2; way++) {
        struct seen s = {.text = ""};
        co_transport *t = run_shell(&s, "echo; trap '' TERM; exec sleep 1000");

        await_bytes(&s, 1);
        ck_assert_int_eq(way ? co_transport_close(t) : co_transport_abort(t),
                         0);
        ck_assert(co_transport_is_closing(t));
        ck_assert_int_eq(co_transport_close(t), 0);
        await_end(&s);
        ck_assert_ptr_nonnull(strstr(s.text, "lost0 "));
        ck_assert_ptr_nonnull(strstr(s.text, "lost2 "));
        ck_assert_ptr_nonnull(strstr(s.text, "exited:-9 lost"));
    }
}

CO_TASK_TEST(it_may_be_closed_before_it_has_begun_and_in_a_call)
{
    struct seen s = {.text = ""};

    ck_assert_int_eq(co_transport_close(run_shell(&s, "exec sleep 1000")), 0);
    await_end(&s);
    ck_assert_int_eq(strncmp(s.text, "made ", 5), 0);
    ck_assert_int_eq(s.code, -SIGKILL);

    s = (struct seen){.close_at = 100000};
    run_shell(&s, "exec yes");
    await_end(&s);
    ck_assert_uint_ge(s.pipe_bytes, 100000);
    ck_assert_int_eq(s.code, -SIGKILL);
}

CO_TASK_TEST(one_that_has_ended_is_closed_with_the_pipes_that_others_hold)
{
    struct seen s = {.text = ""};
    co_transport *t = run_shell(&s, "sleep 1000 & echo $!; exit 0");

    await_word(&s, "exited:0 ");
    await_bytes(&s, 2);
    ck_assert_ptr_nonnull(co_transport_pipe(t, 1));
    ck_assert_int_eq(co_transport_close(t), 0);
    await_end(&s);
    ck_assert_int_eq(kill(atoi(s.data[0]), SIGKILL), 0);
    ck_assert(in_order(s.text, "exited:0 ", "lost1 "));
}

CO_TASK_TEST(a_single_pipe_may_be_closed)
{
    struct seen s = {.text = ""};
    co_transport *t = run_shell(&s, "cat >/dev/null; echo end >&2");

    ck_assert_int_eq(co_transport_close(co_transport_pipe(t, 1)), 0);
    await_word(&s, "lost1 ");
    ck_assert_int_eq(co_transport_close(co_transport_pipe(t, 0)), 0);
    await_end(&s);
    ck_assert_str_eq(s.data[1], "end\n");
    ck_assert_int_eq(s.code, 0);
}

/* ---- the loop ends ------------------------------------------------------- */

static int leave_it(void *arg)
{
    struct seen *s = arg;

    run_shell(s, "echo; exec sleep 1000");
    if (s->write_at_made)
        await_bytes(s, 1);
    return 0;
}

START_TEST(the_end_of_the_loop_is_the_end_of_its_processes)
{
    for (int begun = 0; begun < 2; begun++) {
        struct seen s = {.write_at_made = begun};

        ck_assert_int_eq(co_run(leave_it, &s), 0);
        no_children();
        ck_assert_ptr_nonnull(strstr(s.text, "exited:-9 lost:ECANCELED"));
    }
}
END_TEST

/* ---- starting ------------------------------------------------------------ */

CO_TASK_TEST(what_cannot_be_started_is_still_the_callers)
{
    struct seen s = {.text = ""};
    co_protocol bad = recorder;
    co_process *process = start_shell("cat", &pipes);

    errno = 0;
    ck_assert_ptr_null(co_transport_start_process(NULL, &recorder, &s));
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_ptr_null(co_transport_start_process(process, NULL, &s));
    ck_assert_int_eq(errno, EINVAL);
    bad.size--;
    errno = 0;
    ck_assert_ptr_null(co_transport_start_process(process, &bad, &s));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(co_process_close(process, 0), 0);
    ck_assert_int_eq(co_process_wait(process, NULL), 0);
    co_process_free(process);
}

/* At every allocation that a start makes; what is left behind would take what
 * the process writes. */
CO_TASK_TEST(without_memory_nothing_is_taken_wherever_that_is)
{
    struct seen s = {.text = ""};
    unsigned refusals = 0;

    while (!s.transport) {
        co_process *process = start_shell("cat; cat >&2", &pipes);
        co_process_output output;

        co__fault_after(refusals + 1);
        s.transport = co_transport_start_process(process, &recorder, &s);
        co__fault_after(0);
        if (s.transport)
            break;
        refusals++;
        ck_assert_int_eq(errno, ENOMEM);
        ck_assert_int_eq(co_process_communicate(process, "all", 3, 0, &output),
                         0);
        ck_assert_str_eq(output.out, "all");
        ck_assert_int_eq(output.code, 0);
        co_process_output_free(&output);
        co_process_free(process);
        ck_assert_str_eq(s.text, "");
        ck_assert_uint_eq(co_loop_task_count(co_loop_running()), 1);
    }
    ck_assert_uint_ge(refusals, 4);
    co_transport_close(s.transport);
    await_end(&s);
}

CO_TASK_TEST(the_calls_of_other_kinds_are_refused)
{
    struct seen s = {.text = ""};
    co_transport *t = run_shell(&s, "exec sleep 1000");
    co_transport *in = co_transport_pipe(t, 0);

    ck_assert_int_eq(co_transport_write(t, "x", 1), -EINVAL);
    ck_assert_int_eq(co_transport_write_eof(t), -EINVAL);
    ck_assert_int_eq(co_transport_sendto(t, "x", 1, NULL, 0), -EINVAL);
    ck_assert_int_eq(co_transport_sendto(in, "x", 1, NULL, 0), -EINVAL);
    ck_assert_int_eq(co_transport_fd(t), -EINVAL);
    ck_assert_ptr_null(co_transport_stream(t));
    ck_assert_ptr_nonnull(co_transport_stream(in));
    ck_assert_ptr_null(co_transport_process(in));
    ck_assert_ptr_null(co_transport_process(NULL));
    ck_assert_ptr_null(co_transport_pipe(NULL, 0));
    ck_assert_ptr_null(co_transport_pipe(in, 0));
    ck_assert_int_eq(co_transport_set_protocol(in, &recorder, &s), -EINVAL);
    ck_assert_int_eq(co_transport_set_protocol(t, &recorder, &s), 0);
    ck_assert(!co_transport_is_reading(t));
    co_transport_close(t);
    await_end(&s);
}

static Suite *suite(void)
{
    Suite *s = suite_create("event.subprocess");
    TCase *tc = tcase_create("processes");

    co_test_check_fds(tc);
    suite_add_tcase(s, tc);
    if (!can_watch(tc))
        return s;
    tcase_add_test(tc, a_protocol_is_told_of_both_outputs_and_of_all_ends);
    tcase_add_test(tc, what_is_written_reaches_it_and_comes_back);
    tcase_add_test(tc, its_pipes_may_end_before_it_does);
    tcase_add_test(tc, it_may_end_before_its_pipes_do);
    tcase_add_test(tc, one_without_pipes_just_ends);
    tcase_add_test(tc, one_that_has_ended_before_is_told_all_the_same);
    tcase_add_test(tc, one_that_the_program_has_reaped_has_ended);
    tcase_add_test(tc, more_than_it_reads_is_buffered_and_the_protocol_told);
    tcase_add_test(tc, an_output_that_is_paused_stays_in_its_pipe);
    tcase_add_test(tc, closing_kills_what_runs);
    tcase_add_test(tc, it_may_be_closed_before_it_has_begun_and_in_a_call);
    tcase_add_test(
        tc, one_that_has_ended_is_closed_with_the_pipes_that_others_hold);
    tcase_add_test(tc, a_single_pipe_may_be_closed);
    tcase_add_test(tc, the_end_of_the_loop_is_the_end_of_its_processes);
    tcase_add_test(tc, what_cannot_be_started_is_still_the_callers);
    tcase_add_test(tc, without_memory_nothing_is_taken_wherever_that_is);
    tcase_add_test(tc, the_calls_of_other_kinds_are_refused);
    return s;
}

CO_TEST_MAIN(suite)
