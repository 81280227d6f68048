/* SPDX-License-Identifier: MIT */
/* Transports over the ends of pipes: one reads, the other one writes. */
#include "io/io_support.h"

#include <coppice/cancel.h>
#include <coppice/clock.h>
#include <coppice/error.h>
#include <coppice/event.h>
#include <coppice/transport.h>

#include <stdio.h>

struct seen {
    char text[256];
    co_event over;
};

static void say(struct seen *s, const char *text)
{
    ck_assert_uint_lt(strlen(s->text) + strlen(text), sizeof(s->text));
    strcat(s->text, text);
}

static void on_made(co_transport *transport, void *arg)
{
    (void)transport;
    say(arg, "made ");
}

static void on_data(co_transport *transport, void *arg, const void *data,
                    size_t len)
{
    char text[16];

    (void)transport;
    snprintf(text, sizeof(text), "%.*s ", (int)len, (const char *)data);
    say(arg, text);
}

static int on_eof(co_transport *transport, void *arg)
{
    (void)transport;
    say(arg, "eof ");
    return 0;
}

static void on_lost(co_transport *transport, void *arg, int error)
{
    struct seen *s = arg;

    (void)transport;
    say(s, "lost:");
    say(s, co_error_name(error));
    co_event_set(&s->over);
}

static void on_pause(co_transport *transport, void *arg)
{
    (void)transport;
    say(arg, "pause ");
}

static void on_resume(co_transport *transport, void *arg)
{
    (void)transport;
    say(arg, "resume ");
}

static const co_protocol recorder = {
    .size = sizeof(recorder),
    .connection_made = on_made,
    .connection_lost = on_lost,
    .data_received = on_data,
    .eof_received = on_eof,
    .pause_writing = on_pause,
    .resume_writing = on_resume,
};

static co_transport *start(int fd, struct seen *s)
{
    co_stream *stream = co_stream_new(fd, NULL);
    co_transport *t;

    ck_assert_ptr_nonnull(stream);
    t = co_transport_start(stream, &recorder, s);
    ck_assert_ptr_nonnull(t);
    return t;
}

static void settle(void)
{
    for (int i = 0; i < 8; i++)
        ck_assert_int_eq(co_sleep(0), 0);
}

static void await_end(struct seen *s)
{
    ck_assert_int_eq(co_event_wait(&s->over), 0);
}

static char large[1 << 20];

/* ---- the end that reads -------------------------------------------------- */

CO_TASK_TEST(the_end_that_reads_brings_data_and_cannot_be_written_to)
{
    struct seen s = {.text = ""};
    co_transport *t;
    int fds[2];

    pipe_pair(fds);
    t = start(fds[0], &s);
    ck_assert(co_transport_is_reading(t));
    ck_assert_int_eq(co_transport_write(t, "x", 1), -EBADF);
    ck_assert_int_eq(co_transport_write_eof(t), -EBADF);
    ck_assert_int_eq(co_write(fds[1], "data", 4), 4);
    while (!strstr(s.text, "data"))
        settle();
    ck_assert_int_eq(co_transport_pause_reading(t), 0);
    ck_assert_int_eq(co_write(fds[1], "more", 4), 4);
    settle();
    ck_assert_str_eq(s.text, "made data ");
    ck_assert_int_eq(co_transport_resume_reading(t), 0);
    ck_assert_int_eq(co_close(fds[1]), 0);
    await_end(&s);
    ck_assert_str_eq(s.text, "made data more eof lost:OK");
}

/* ---- the end that writes ------------------------------------------------- */

CO_TASK_TEST(the_end_that_writes_does_not_read)
{
    struct seen s = {.text = ""};
    char got[8];
    co_transport *t;
    int fds[2];

    pipe_pair(fds);
    t = start(fds[1], &s);
    ck_assert(!co_transport_is_reading(t));
    ck_assert_int_eq(co_transport_pause_reading(t), -EBADF);
    ck_assert_int_eq(co_transport_resume_reading(t), -EBADF);
    ck_assert_int_eq(co_transport_write(t, "sent", 4), 0);
    settle();
    ck_assert_str_eq(s.text, "made ");
    ck_assert_int_eq(co_read(fds[0], got, sizeof(got)), 4);
    ck_assert_int_eq(co_transport_close(t), 0);
    await_end(&s);
    ck_assert_str_eq(s.text, "made lost:OK");
    ck_assert_int_eq(co_read(fds[0], got, sizeof(got)), 0);
    ck_assert_int_eq(co_close(fds[0]), 0);
}

CO_TASK_TEST(to_end_what_is_written_closes_the_pipe_when_all_is_written)
{
    struct seen s = {.text = ""};
    co_transport *t;
    size_t done;
    int fds[2];
    char end;

    pipe_pair(fds);
    t = start(fds[1], &s);
    settle();
    ck_assert_int_eq(co_transport_write(t, large, sizeof(large)), 0);
    ck_assert_str_eq(s.text, "made pause ");
    ck_assert_int_eq(co_transport_write_eof(t), 0);
    ck_assert_int_eq(co_transport_write_eof(t), -EPIPE);
    ck_assert_int_eq(co_transport_write(t, "x", 1), -EPIPE);
    ck_assert_int_eq(co_read_full(fds[0], large, sizeof(large), &done), 0);
    ck_assert_int_eq(co_read(fds[0], &end, 1), 0);
    await_end(&s);
    ck_assert_str_eq(s.text, "made pause resume lost:OK");
    ck_assert_int_eq(co_close(fds[0]), 0);
}

CO_TASK_TEST(a_reader_that_leaves_is_noticed_without_a_write)
{
    struct seen s = {.text = ""};
    int fds[2];

    pipe_pair(fds);
    start(fds[1], &s);
    settle();
    ck_assert_int_eq(co_close(fds[0]), 0);
    await_end(&s);
    ck_assert_str_eq(s.text, "made lost:OK");

    s = (struct seen){.text = ""};
    pipe_pair(fds);
    ck_assert_int_eq(co_close(fds[0]), 0);
    start(fds[1], &s);
    await_end(&s);
    ck_assert_str_eq(s.text, "made lost:OK");
}

CO_TASK_TEST(a_reader_that_leaves_early_is_an_error)
{
    struct seen s = {.text = ""};
    co_transport *t;
    int fds[2];

    pipe_pair(fds);
    t = start(fds[1], &s);
    settle();
    ck_assert_int_eq(co_transport_write(t, large, sizeof(large)), 0);
    settle(); /* the writer waits */
    ck_assert_int_eq(co_close(fds[0]), 0);
    await_end(&s);
    ck_assert_str_eq(s.text, "made pause lost:EPIPE");
}

CO_TASK_TEST(aborting_drops_what_waits_for_the_reader)
{
    struct seen s = {.text = ""};
    co_transport *t;
    int fds[2];

    pipe_pair(fds);
    t = start(fds[1], &s);
    settle();
    ck_assert_int_eq(co_transport_write(t, large, sizeof(large)), 0);
    settle();
    ck_assert_int_eq(co_transport_close(t), 0);
    settle();
    ck_assert_str_eq(s.text, "made pause ");
    ck_assert_int_eq(co_transport_abort(t), 0);
    await_end(&s);
    ck_assert_str_eq(s.text, "made pause lost:OK");
    ck_assert_int_eq(co_close(fds[0]), 0);
}

/* Nobody can be seen to leave; it is just written to. */
CO_TASK_TEST(what_is_no_pipe_is_written_to_until_it_is_closed)
{
    for (int way = 0; way < 2; way++) {
        struct seen s = {.text = ""};
        int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        co_transport *t;

        ck_assert_int_ge(fd, 0);
        t = start(fd, &s);
        settle();
        ck_assert_int_eq(co_transport_write(t, large, sizeof(large)), 0);
        settle();
        ck_assert_str_eq(s.text, "made ");
        ck_assert_int_eq(way ? co_transport_close(t) : co_transport_abort(t),
                         0);
        await_end(&s);
        ck_assert_str_eq(s.text, "made lost:OK");
    }
}

/* ---- the loop ends ------------------------------------------------------- */

struct left {
    struct seen s;
    int what; /* 0: a pipe; 1: with something buffered; 2: no pipe */
    int other;
};

static int leave_it(void *arg)
{
    struct left *left = arg;
    co_transport *t;
    int fds[2];

    if (left->what < 2) {
        pipe_pair(fds);
    } else {
        fds[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        fds[1] = open("/dev/null", O_WRONLY | O_CLOEXEC);
    }
    left->other = fds[0];
    t = start(fds[1], &left->s);
    settle();
    if (left->what == 1)
        ck_assert_int_eq(co_transport_write(t, large, sizeof(large)), 0);
    settle();
    return 0;
}

START_TEST(the_end_of_the_loop_ends_what_writes)
{
    for (int what = 0; what < 3; what++) {
        struct left left = {.what = what};

        ck_assert_int_eq(co_run(leave_it, &left), 0);
        ck_assert_ptr_nonnull(strstr(left.s.text, "lost:ECANCELED"));
        ck_assert_int_eq(co_close(left.other), 0);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("event.transpipe");
    TCase *tc = tcase_create("pipes");

    co_test_check_fds(tc);
    tcase_add_test(tc, the_end_that_reads_brings_data_and_cannot_be_written_to);
    tcase_add_test(tc, the_end_that_writes_does_not_read);
    tcase_add_test(tc,
                   to_end_what_is_written_closes_the_pipe_when_all_is_written);
    tcase_add_test(tc, a_reader_that_leaves_is_noticed_without_a_write);
    tcase_add_test(tc, a_reader_that_leaves_early_is_an_error);
    tcase_add_test(tc, aborting_drops_what_waits_for_the_reader);
    tcase_add_test(tc, what_is_no_pipe_is_written_to_until_it_is_closed);
    tcase_add_test(tc, the_end_of_the_loop_ends_what_writes);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
