/* SPDX-License-Identifier: MIT */
/* Transports and protocols. What a protocol is called with is recorded as text,
 * a word for each call. */
#include "io/pairs.h"

#include <coppice/callback.h>
#include <coppice/cancel.h>
#include <coppice/clock.h>
#include <coppice/error.h>
#include <coppice/event.h>
#include <coppice/scope.h>
#include <coppice/transport.h>

#include "base/alloc.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <sys/uio.h>

struct seen {
    char text[512];
    co_event over;
    co_transport *transport;
    int stays; /* what eof_received returns */
    int pause; /* after so many calls of data_received */
    int close; /* 1: close in data_received; 2: abort; 3: in made */
    int calls; /* of data_received */
    int echo;  /* write back what comes */
    int error; /* of connection_lost */
    size_t bytes;
    char buffer[8];
    size_t room; /* of buffer, for get_buffer */
    int waited;  /* what a call that waits returned in a callback */
};

static void say(struct seen *s, const char *format, ...)
{
    size_t len = strlen(s->text);
    va_list args;

    va_start(args, format);
    vsnprintf(s->text + len, sizeof(s->text) - len, format, args);
    va_end(args);
}

static void on_made(co_transport *transport, void *arg)
{
    struct seen *s = arg;

    s->transport = transport;
    say(s, "made ");
    s->waited = co_sleep(CO_MS);
    if (s->close == 3)
        co_transport_close(transport);
}

static void on_data(co_transport *transport, void *arg, const void *data,
                    size_t len)
{
    struct seen *s = arg;

    s->calls++;
    s->bytes += len;
    if (len < 32)
        say(s, "%.*s ", (int)len, (const char *)data);
    if (s->echo)
        ck_assert_int_eq(co_transport_write(transport, data, len), 0);
    if (s->calls == s->pause)
        ck_assert_int_eq(co_transport_pause_reading(transport), 0);
    if (s->close == 1)
        co_transport_close(transport);
    if (s->close == 2)
        co_transport_abort(transport);
}

static int on_eof(co_transport *transport, void *arg)
{
    struct seen *s = arg;

    (void)transport;
    say(s, "eof ");
    return s->stays;
}

static void on_lost(co_transport *transport, void *arg, int error)
{
    struct seen *s = arg;

    ck_assert(co_transport_is_closing(transport));
    ck_assert_int_eq(co_transport_write(transport, "x", 1),
                     co_transport_stream(transport) ? -EPIPE : -EINVAL);
    s->transport = NULL;
    s->error = error;
    say(s, error ? "lost:%s" : "lost", co_error_name(error));
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

static void on_datagram(co_transport *transport, void *arg, const void *data,
                        size_t len, const struct sockaddr *from,
                        socklen_t from_len)
{
    struct seen *s = arg;

    say(s, "%.*s ", (int)len, (const char *)data);
    if (s->echo)
        ck_assert_int_eq(
            co_transport_sendto(transport, data, len, from, from_len), 0);
    if (++s->calls == s->pause)
        ck_assert_int_eq(co_transport_pause_reading(transport), 0);
    if (s->close == 1)
        co_transport_close(transport);
}

static void on_error(co_transport *transport, void *arg, int error)
{
    (void)transport;
    say(arg, "%s ", co_error_name(error));
}

static const co_protocol recorder = {
    .size = sizeof(recorder),
    .connection_made = on_made,
    .connection_lost = on_lost,
    .data_received = on_data,
    .eof_received = on_eof,
    .pause_writing = on_pause,
    .resume_writing = on_resume,
    .datagram_received = on_datagram,
    .error_received = on_error,
};

/* One end of a pair of unix sockets is the transport's; returns the other. */
static int start(struct seen *s)
{
    co_stream *stream;
    int fds[2];

    unix_pair(fds);
    stream = co_stream_new(fds[0], NULL);
    ck_assert_ptr_nonnull(stream);
    s->transport = co_transport_start(stream, &recorder, s);
    ck_assert_ptr_nonnull(s->transport);
    return fds[1];
}

static void put(int fd, const char *text)
{
    ck_assert_int_eq(co_write_all(fd, text, strlen(text), NULL), 0);
}

/* Until connection_lost. */
static void await_end(struct seen *s)
{
    ck_assert_int_eq(co_event_wait(&s->over), 0);
}

/* All that can be done without the other side is done. */
static void settle(void)
{
    for (int i = 0; i < 8; i++)
        co_test_yield();
}

static void settle_io(void)
{
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(co_sleep(0), 0);
        settle();
    }
}

/* ---- reading ------------------------------------------------------------- */

CO_TASK_TEST(a_protocol_is_told_of_data_and_of_the_end)
{
    struct seen s = {.waited = 1};
    int fd = start(&s);

    ck_assert_str_eq(s.text, ""); /* not before the next turn */
    settle();
    ck_assert_str_eq(s.text, "made ");
    ck_assert_int_eq(s.waited, -EPERM);
    put(fd, "one");
    while (s.calls < 1)
        settle_io();
    put(fd, "two");
    ck_assert_int_eq(co_close(fd), 0);
    await_end(&s);
    ck_assert_str_eq(s.text, "made one two eof lost");
}

CO_TASK_TEST(nothing_is_told_of_while_reading_is_paused)
{
    struct seen s = {.pause = 1};
    int fd = start(&s);
    co_transport *t;

    put(fd, "one");
    while (s.calls < 1)
        settle_io();
    t = s.transport;
    ck_assert(!co_transport_is_reading(t));
    ck_assert_int_eq(co_transport_pause_reading(t), -EALREADY);
    put(fd, "two");
    settle_io();
    ck_assert_str_eq(s.text, "made one ");
    ck_assert_int_eq(co_transport_resume_reading(t), 0);
    ck_assert_int_eq(co_transport_resume_reading(t), -EALREADY);
    ck_assert(co_transport_is_reading(t));
    ck_assert_int_eq(co_close(fd), 0);
    await_end(&s);
    ck_assert_str_eq(s.text, "made one two eof lost");
}

/* Paused by somebody else while the read is under way. */
CO_TASK_TEST(what_arrives_in_the_turn_of_a_pause_is_kept)
{
    struct seen s = {0};
    int fd = start(&s);

    settle();
    ck_assert_int_eq(co_transport_pause_reading(s.transport), 0);
    put(fd, "kept");
    settle_io();
    ck_assert_str_eq(s.text, "made ");
    ck_assert_int_eq(co_transport_resume_reading(s.transport), 0);
    while (s.calls < 1)
        settle_io();
    ck_assert_str_eq(s.text, "made kept ");
    co_transport_close(s.transport);
    await_end(&s);
    ck_assert_int_eq(co_close(fd), 0);
}

static void *give_buffer(co_transport *transport, void *arg, size_t hint,
                         size_t *room)
{
    struct seen *s = arg;

    (void)transport;
    ck_assert_uint_gt(hint, 0);
    *room = s->room;
    return s->buffer;
}

static void buffer_filled(co_transport *transport, void *arg, size_t len)
{
    struct seen *s = arg;

    (void)transport;
    s->bytes += len;
    say(s, "%.*s ", (int)len, s->buffer);
}

CO_TASK_TEST(a_buffered_protocol_says_where_data_go)
{
    struct seen s = {.room = 4};
    co_protocol buffered = recorder;
    int fd = start(&s);

    buffered.get_buffer = give_buffer;
    ck_assert_int_eq(co_transport_set_protocol(s.transport, &buffered, &s),
                     -EINVAL);
    buffered.buffer_updated = buffer_filled;
    ck_assert_int_eq(co_transport_set_protocol(s.transport, &buffered, &s), 0);
    put(fd, "123456");
    while (s.bytes < 6)
        settle_io();
    s.room = 0;
    put(fd, "7");
    await_end(&s);
    ck_assert_str_eq(s.text, "made 1234 56 lost:ENOBUFS");
    ck_assert_int_eq(co_close(fd), 0);
}

CO_TASK_TEST(a_connection_that_is_reset_is_lost_with_the_error)
{
    struct seen s = {0};
    co_stream *stream;
    int fds[2];

    tcp_pair(fds);
    stream = co_stream_new(fds[0], NULL);
    ck_assert_ptr_nonnull(co_transport_start(stream, &recorder, &s));
    settle();
    co_stream_abort(co_stream_new(fds[1], NULL));
    await_end(&s);
    ck_assert_str_eq(s.text, "made lost:ECONNRESET");
}

/* ---- writing ------------------------------------------------------------- */

CO_TASK_TEST(writes_go_out_at_once_and_in_order)
{
    struct seen s = {.echo = 1};
    struct iovec parts[] = {{"a", 1}, {NULL, 0}, {"bc", 2}};
    char got[16];
    size_t done;
    int fd = start(&s);

    ck_assert_int_eq(co_transport_write(s.transport, "0", 1), 0);
    ck_assert_int_eq(co_transport_writev(s.transport, parts, 3), 0);
    ck_assert_int_eq(co_transport_write(s.transport, NULL, 0), 0);
    ck_assert_uint_eq(co_transport_buffered(s.transport), 0);
    put(fd, "echo");
    ck_assert_int_eq(co_read_full(fd, got, 8, &done), 0);
    ck_assert_mem_eq(got, "0abcecho", 8);
    ck_assert_int_eq(co_close(fd), 0);
    await_end(&s);
    ck_assert_str_eq(s.text, "made echo eof lost");
}

/* Read `len` bytes that count up from *next on. */
static void read_counted(int fd, size_t len, unsigned char *next)
{
    static unsigned char block[65536];

    while (len) {
        ssize_t n =
            co_read(fd, block, len < sizeof(block) ? len : sizeof(block));
        int wrong = 0;

        ck_assert_int_gt(n, 0);
        for (ssize_t i = 0; i < n; i++)
            wrong |= block[i] != (*next)++;
        ck_assert_int_eq(wrong, 0);
        len -= (size_t)n;
    }
}

static const unsigned char *counted(size_t len, unsigned char *next)
{
    static unsigned char block[1 << 20];

    for (size_t i = 0; i < len; i++)
        block[i] = (*next)++;
    return block;
}

CO_TASK_TEST(what_has_no_room_is_buffered_and_the_protocol_told)
{
    struct seen s = {0};
    unsigned char in = 0, out = 0;
    size_t all = 0;
    int fd = start(&s);

    settle();
    for (int i = 0; i < 40; i++) {
        size_t len = (size_t)i * 997 % 30000 + 1;

        ck_assert_int_eq(
            co_transport_write(s.transport, counted(len, &in), len), 0);
        all += len;
    }
    ck_assert_str_eq(s.text, "made pause ");
    ck_assert_uint_gt(co_transport_buffered(s.transport), 64 * 1024);
    read_counted(fd, all, &out);
    settle_io();
    ck_assert_str_eq(s.text, "made pause resume ");
    ck_assert_uint_eq(co_transport_buffered(s.transport), 0);
    ck_assert_int_eq(co_transport_write(s.transport, counted(5, &in), 5), 0);
    read_counted(fd, 5, &out);
    ck_assert_int_eq(co_close(fd), 0);
    await_end(&s);
}

CO_TASK_TEST(limits_of_the_buffer_can_be_set)
{
    struct seen s = {0};
    unsigned char in = 0, out = 0;
    int fd = start(&s);
    size_t held;

    ck_assert_int_eq(co_transport_set_write_limits(s.transport, 1, 2), -EINVAL);
    ck_assert_int_eq(co_transport_set_write_limits(s.transport, 1 << 20, 0), 0);
    ck_assert_int_eq(
        co_transport_write(s.transport, counted(1 << 19, &in), 1 << 19), 0);
    held = co_transport_buffered(s.transport);
    ck_assert_uint_gt(held, 0);
    ck_assert_str_eq(s.text, "");
    ck_assert_int_eq(co_transport_set_write_limits(s.transport, 0, 0), 0);
    ck_assert_str_eq(s.text, "pause ");
    read_counted(fd, 1 << 19, &out);
    settle_io();
    ck_assert_str_eq(s.text, "pause made resume ");
    co_transport_close(s.transport);
    await_end(&s);
    ck_assert_int_eq(co_close(fd), 0);
}

CO_TASK_TEST(closing_writes_what_is_buffered)
{
    struct seen s = {0};
    unsigned char in = 0, out = 0;
    char end;
    int fd = start(&s);

    ck_assert_int_eq(
        co_transport_write(s.transport, counted(1 << 20, &in), 1 << 20), 0);
    ck_assert_int_eq(co_transport_close(s.transport), 0);
    ck_assert_int_eq(co_transport_close(s.transport), 0);
    ck_assert(co_transport_is_closing(s.transport));
    ck_assert_int_eq(co_transport_write(s.transport, "x", 1), -EPIPE);
    ck_assert_int_eq(co_transport_write_eof(s.transport), -EPIPE);
    ck_assert_int_eq(co_transport_pause_reading(s.transport), -EPIPE);
    put(fd, "is not read");
    settle_io();
    ck_assert_ptr_nonnull(s.transport);
    read_counted(fd, 1 << 20, &out);
    /* The peer's bytes that were not read make it a reset. */
    ck_assert_int_le(co_read(fd, &end, 1), 0);
    await_end(&s);
    ck_assert_int_eq(s.error, 0);
    ck_assert_int_eq(s.calls, 0);
    ck_assert_int_eq(co_close(fd), 0);
}

CO_TASK_TEST(aborting_drops_what_is_buffered)
{
    struct seen s = {0};
    unsigned char in = 0;
    int fd = start(&s);

    settle();
    ck_assert_int_eq(
        co_transport_write(s.transport, counted(1 << 20, &in), 1 << 20), 0);
    settle(); /* the writer is under way */
    ck_assert_int_eq(co_transport_close(s.transport), 0);
    ck_assert_int_eq(co_transport_abort(s.transport), 0);
    ck_assert_int_eq(co_transport_abort(s.transport), 0);
    await_end(&s);
    ck_assert_str_eq(s.text, "made pause lost");
    ck_assert_int_eq(co_close(fd), 0);
}

CO_TASK_TEST(a_peer_that_has_gone_is_told_by_the_end)
{
    struct seen s = {.stays = 1};
    unsigned char in = 0;
    int fd = start(&s);

    settle();
    ck_assert_int_eq(
        co_transport_write(s.transport, counted(1 << 20, &in), 1 << 20), 0);
    ck_assert_int_eq(co_close(fd), 0); /* with the writer waiting */
    await_end(&s);
    ck_assert(s.error == -EPIPE || s.error == -ECONNRESET);

    s = (struct seen){.stays = 1};
    fd = start(&s);
    ck_assert_int_eq(co_close(fd), 0);
    while (!strstr(s.text, "eof"))
        settle_io();
    ck_assert_int_eq(co_transport_write(s.transport, "x", 1), 0);
    await_end(&s);
    ck_assert_str_eq(s.text, "made eof lost:EPIPE");
}

CO_TASK_TEST(either_half_may_be_closed_first)
{
    struct seen s = {.stays = 1};
    char got[8];
    int fd = start(&s);

    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    while (!strstr(s.text, "eof"))
        settle_io();
    ck_assert_int_eq(co_transport_write(s.transport, "still", 5), 0);
    ck_assert_int_eq(co_read(fd, got, sizeof(got)), 5);
    co_transport_close(s.transport);
    await_end(&s);
    ck_assert_str_eq(s.text, "made eof lost");
    ck_assert_int_eq(co_close(fd), 0);

    s = (struct seen){0};
    fd = start(&s);
    ck_assert_int_eq(co_transport_write(s.transport, "last", 4), 0);
    ck_assert_int_eq(co_transport_write_eof(s.transport), 0);
    ck_assert_int_eq(co_transport_write_eof(s.transport), -EPIPE);
    ck_assert_int_eq(co_transport_write(s.transport, "x", 1), -EPIPE);
    ck_assert_int_eq(co_read(fd, got, sizeof(got)), 4);
    ck_assert_int_eq(co_read(fd, got, sizeof(got)), 0);
    put(fd, "answer");
    while (s.calls < 1)
        settle_io();
    ck_assert_int_eq(co_close(fd), 0);
    await_end(&s);
    ck_assert_str_eq(s.text, "made answer eof lost");
}

/* ---- in callbacks -------------------------------------------------------- */

CO_TASK_TEST(a_protocol_may_close_its_transport)
{
    static const char *const texts[] = {"made eof lost", "made one lost",
                                        "made one lost", "made lost"};

    for (int how = 1; how <= 3; how++) {
        struct seen s = {.close = how};
        int fd = start(&s);

        if (how < 3)
            put(fd, "one");
        await_end(&s);
        ck_assert_str_eq(s.text, texts[how]);
        ck_assert_int_eq(co_close(fd), 0);
    }
}

CO_TASK_TEST(a_writer_that_is_cancelled_writes_all_the_same)
{
    struct seen s = {0};
    char got[8];
    int fd = start(&s);

    co_cancel(co_self());
    ck_assert_int_eq(co_transport_write(s.transport, "sent", 4), 0);
    co_uncancel(co_self());
    ck_assert_int_eq(co_read(fd, got, sizeof(got)), 4);
    co_timeout(0) {
        ck_assert_int_eq(co_transport_write(s.transport, "too", 3), 0);
    }
    ck_assert_int_eq(co_read(fd, got, sizeof(got)), 3);
    co_transport_abort(s.transport);
    await_end(&s);
    ck_assert_int_eq(co_close(fd), 0);
}

/* ---- the loop ends ------------------------------------------------------- */

static int leave_it(void *arg)
{
    struct seen *s = arg;

    s->calls = start(s);
    settle();
    if (s->pause)
        ck_assert_int_eq(co_transport_pause_reading(s->transport), 0);
    if (s->echo) {
        static char block[1 << 20];

        ck_assert_int_eq(co_transport_write(s->transport, block, sizeof(block)),
                         0);
    }
    settle();
    return 0;
}

START_TEST(the_end_of_the_loop_is_the_end_of_its_transports)
{
    for (int way = 0; way < 4; way++) {
        struct seen s = {.pause = way & 1, .echo = way & 2};

        ck_assert_int_eq(co_run(leave_it, &s), 0);
        ck_assert_ptr_nonnull(strstr(s.text, "lost:ECANCELED"));
        ck_assert_int_eq(co_close(s.calls), 0);
    }
}
END_TEST

/* ---- starting ------------------------------------------------------------ */

START_TEST(outside_a_loop_nothing_is_started)
{
    struct seen s = {0};
    int fds[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
    errno = 0;
    ck_assert_ptr_null(co_transport_start_datagrams(fds[0], &recorder, &s));
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(close(fds[0]), 0);
    ck_assert_int_eq(close(fds[1]), 0);
    ck_assert_int_eq(co_transport_write(NULL, "x", 1), -EINVAL);
    ck_assert_int_eq(co_transport_write_eof(NULL), -EINVAL);
    ck_assert_int_eq(co_transport_sendto(NULL, "x", 1, NULL, 0), -EINVAL);
    ck_assert_int_eq(co_transport_close(NULL), -EINVAL);
    ck_assert_int_eq(co_transport_abort(NULL), -EINVAL);
    ck_assert_int_eq(co_transport_pause_reading(NULL), -EINVAL);
    ck_assert_int_eq(co_transport_resume_reading(NULL), -EINVAL);
    ck_assert_int_eq(co_transport_set_protocol(NULL, &recorder, &s), -EINVAL);
    ck_assert_int_eq(co_transport_set_write_limits(NULL, 0, 0), -EINVAL);
    ck_assert_int_eq(co_transport_is_reading(NULL), 0);
    ck_assert_int_eq(co_transport_is_closing(NULL), 1);
    ck_assert_uint_eq(co_transport_buffered(NULL), 0);
    ck_assert_ptr_null(co_transport_stream(NULL));
    ck_assert_int_eq(co_transport_fd(NULL), -EINVAL);
}
END_TEST

CO_TASK_TEST(bad_protocols_are_refused_and_nothing_is_taken)
{
    co_protocol bad = recorder;
    co_stream *stream;
    int fds[2];

    unix_pair(fds);
    stream = co_stream_new(fds[0], NULL);
    errno = 0;
    ck_assert_ptr_null(co_transport_start(NULL, &recorder, NULL));
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_ptr_null(co_transport_start(stream, NULL, NULL));
    ck_assert_int_eq(errno, EINVAL);
    bad.size--;
    errno = 0;
    ck_assert_ptr_null(co_transport_start(stream, &bad, NULL));
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_ptr_null(co_transport_start_datagrams(-1, &recorder, NULL));
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(co_stream_close(stream), 0);
    ck_assert_int_eq(co_close(fds[1]), 0);
}

CO_TASK_TEST(no_memory_takes_nothing)
{
    struct seen s = {0};
    static char block[1 << 20];
    co_stream *stream;
    int fds[2];

    unix_pair(fds);
    stream = co_stream_new(fds[0], NULL);
    co__fault_after(1);
    errno = 0;
    ck_assert_ptr_null(co_transport_start(stream, &recorder, &s));
    ck_assert_int_eq(errno, ENOMEM);
    co__fault_after(0);
    ck_assert_ptr_nonnull(co_transport_start(stream, &recorder, &s));
    settle();
    co__fault_after(1); /* a part of it is sent: it is lost */
    ck_assert_int_eq(co_transport_write(s.transport, block, sizeof(block)), 0);
    co__fault_after(0);
    await_end(&s);
    ck_assert_str_eq(s.text, "made lost:ENOMEM");
    ck_assert_int_eq(co_close(fds[1]), 0);
}

/* ---- datagrams ----------------------------------------------------------- */

static int udp(struct sockaddr_in *addr)
{
    socklen_t len = sizeof(*addr);
    int fd = co_socket(AF_INET, SOCK_DGRAM, 0);

    *addr = (struct sockaddr_in){.sin_family = AF_INET};
    addr->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)addr, len), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)addr, &len), 0);
    return fd;
}

CO_TASK_TEST(datagrams_come_one_by_one_with_their_sender)
{
    struct seen s = {.echo = 1};
    struct sockaddr_in server, client;
    int at = udp(&server), fd = udp(&client);
    co_transport *t = co_transport_start_datagrams(at, &recorder, &s);
    char got[16];

    ck_assert_ptr_nonnull(t);
    ck_assert_int_eq(co_transport_fd(t), at);
    ck_assert_ptr_null(co_transport_stream(t));
    ck_assert_int_eq(co_transport_write(t, "x", 1), -EINVAL);
    ck_assert_int_eq(co_transport_write_eof(t), -EINVAL);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(co_sendto(fd, "abc", (size_t)i + 1, 0,
                                   (struct sockaddr *)&server, sizeof(server)),
                         i + 1);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(co_read(fd, got, sizeof(got)), i + 1);
    ck_assert_str_eq(s.text, "made a ab abc ");
    co_transport_close(t);
    await_end(&s);
    ck_assert_str_eq(s.text, "made a ab abc lost");
    ck_assert_int_eq(co_close(fd), 0);
}

CO_TASK_TEST(an_error_of_a_datagram_ends_nothing)
{
    struct seen s = {0};
    struct sockaddr_in nobody, addr;
    static const char large[70000];
    int fd = udp(&nobody), at;
    co_transport *t;

    at = udp(&addr); /* another port than nobody's */
    ck_assert_int_eq(co_close(fd), 0);
    ck_assert_int_eq(co_connect(at, (struct sockaddr *)&nobody, sizeof(nobody)),
                     0);
    t = co_transport_start_datagrams(at, &recorder, &s);
    ck_assert_ptr_nonnull(t);
    settle();
    ck_assert_int_eq(co_transport_sendto(t, "x", 1, NULL, 0), 0);
    while (!strstr(s.text, "ECONNREFUSED"))
        settle_io();
    ck_assert_int_eq(co_transport_sendto(t, large, sizeof(large), NULL, 0), 0);
    ck_assert_ptr_nonnull(strstr(s.text, "EMSGSIZE"));
    ck_assert(!co_transport_is_closing(t));
    ck_assert_int_eq(co_transport_sendto(t, NULL, 1, NULL, 0), -EINVAL);
    ck_assert_int_eq(
        co_transport_sendto(t, "x", 1, NULL, sizeof(struct sockaddr)), -EINVAL);
    co_transport_abort(t);
    ck_assert_int_eq(co_transport_sendto(t, "x", 1, NULL, 0), -EPIPE);
    await_end(&s);
}

CO_TASK_TEST(datagrams_without_room_wait_in_order)
{
    struct seen s = {0};
    co_transport *t;
    char got[16];
    int fds[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
    t = co_transport_start_datagrams(fds[0], &recorder, &s);
    ck_assert_ptr_nonnull(t);
    for (int i = 0; i < 2000; i++)
        ck_assert_int_eq(co_transport_sendto(t, &i, sizeof(i), NULL, 0), 0);
    ck_assert_uint_gt(co_transport_buffered(t), 0);
    co_transport_close(t);
    for (int i = 0; i < 2000; i++) {
        int number;

        ck_assert_int_eq(co_read(fds[1], got, sizeof(got)), sizeof(number));
        memcpy(&number, got, sizeof(number));
        ck_assert_int_eq(number, i);
    }
    await_end(&s);
    ck_assert_str_eq(s.text, "made lost");
    ck_assert_int_eq(close(fds[1]), 0);
}

CO_TASK_TEST(datagrams_stay_in_the_socket_while_reading_is_paused)
{
    struct seen s = {.pause = 1};
    struct sockaddr_in server, client;
    int at = udp(&server), fd = udp(&client);
    co_transport *t = co_transport_start_datagrams(at, &recorder, &s);

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(co_sendto(fd, "abc", (size_t)i + 1, 0,
                                   (struct sockaddr *)&server, sizeof(server)),
                         i + 1);
    while (s.calls < 1)
        settle_io();
    settle_io();
    ck_assert_str_eq(s.text, "made a ");
    s.close = 0;
    ck_assert_int_eq(co_transport_resume_reading(t), 0);
    while (s.calls < 3)
        settle_io();
    ck_assert_str_eq(s.text, "made a ab abc ");
    co_transport_close(t);
    await_end(&s);
    ck_assert_int_eq(co_close(fd), 0);
}

static Suite *suite(void)
{
    Suite *s = suite_create("event.transport");
    TCase *tc = tcase_create("streams");

    co_test_check_fds(tc);
    tcase_add_test(tc, a_protocol_is_told_of_data_and_of_the_end);
    tcase_add_test(tc, nothing_is_told_of_while_reading_is_paused);
    tcase_add_test(tc, what_arrives_in_the_turn_of_a_pause_is_kept);
    tcase_add_test(tc, a_buffered_protocol_says_where_data_go);
    tcase_add_test(tc, a_connection_that_is_reset_is_lost_with_the_error);
    tcase_add_test(tc, writes_go_out_at_once_and_in_order);
    tcase_add_test(tc, what_has_no_room_is_buffered_and_the_protocol_told);
    tcase_add_test(tc, limits_of_the_buffer_can_be_set);
    tcase_add_test(tc, closing_writes_what_is_buffered);
    tcase_add_test(tc, aborting_drops_what_is_buffered);
    tcase_add_test(tc, a_peer_that_has_gone_is_told_by_the_end);
    tcase_add_test(tc, either_half_may_be_closed_first);
    tcase_add_test(tc, a_protocol_may_close_its_transport);
    tcase_add_test(tc, a_writer_that_is_cancelled_writes_all_the_same);
    tcase_add_test(tc, the_end_of_the_loop_is_the_end_of_its_transports);
    tcase_add_test(tc, outside_a_loop_nothing_is_started);
    tcase_add_test(tc, bad_protocols_are_refused_and_nothing_is_taken);
    tcase_add_test(tc, no_memory_takes_nothing);
    suite_add_tcase(s, tc);

    tc = tcase_create("datagrams");
    co_test_check_fds(tc);
    tcase_add_test(tc, datagrams_come_one_by_one_with_their_sender);
    tcase_add_test(tc, an_error_of_a_datagram_ends_nothing);
    tcase_add_test(tc, datagrams_without_room_wait_in_order);
    tcase_add_test(tc, datagrams_stay_in_the_socket_while_reading_is_paused);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
