/* SPDX-License-Identifier: MIT */
/*
 * Clients that mean harm, or have bad luck, and a server that has to survive
 * them. The cases are the same over TCP and over TLS: who includes this says
 * what the wire is (test_hostile.c, here and in tests/tls).
 *
 * A message is its length, in four bytes, and so many bytes, which come back.
 * With PUSH in the length the server sends so many unasked. After each case
 * everything that it took is back: descriptors, memory, connections.
 */
#ifndef CO_TESTS_IO_HOSTILE_H
#define CO_TESTS_IO_HOSTILE_H

#include <coppice/server.h>

#include "io/buffer.h"
#include "io_support.h"

#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>

#define PUSH    0x80000000U
#define CHUNK   ((size_t)64 * 1024)
#define MIB     ((size_t)1024 * 1024)
#define CLIENTS 16

#ifndef TCP_REPAIR
#define TCP_REPAIR 19
#endif

/* ---- the wire ------------------------------------------------------------ */

static struct {
    co_stream *(*wrap)(int fd, void *arg); /* the server's; NULL: TCP */
    void *wrap_arg;
    co_stream *(*client)(int fd); /* the other end of it */
} wire;

/* ---- the server ---------------------------------------------------------- */

static co_server *victim;
static co_time patience;      /* of the handler, for each message */
static co_time push_patience; /* and for each push, from its beginning */
static int begun, ended, last_error;
static int pushes;       /* that have begun */
static co_task *pushing; /* the handler that began a push last, and is in it */
static char zeros[CHUNK];

static int push(co_stream *stream, size_t len)
{
    int r = 0;

    pushes++;
    pushing = co_self();
    co_timeout(push_patience) {
        while (r == 0 && len) {
            size_t part = len < CHUNK ? len : CHUNK;

            r = co_stream_write(stream, zeros, part, NULL);
            len -= part;
        }
    }
    if (pushing == co_self())
        pushing = NULL;
    return r;
}

static int echo(co_stream *stream, size_t len, char *chunk)
{
    int r = 0;

    while (r == 0 && len) {
        size_t part = len < CHUNK ? len : CHUNK;
        ssize_t n = co_stream_read(stream, chunk, part);

        if (n <= 0)
            return n < 0 ? (int)n : -ENODATA;
        r = co_stream_write(stream, chunk, (size_t)n, NULL);
        len -= (size_t)n;
    }
    return r;
}

/* 1 to go on, 0 at the end, or an error. */
static int serve_message(co_stream *stream, char *chunk)
{
    unsigned len;
    size_t done;
    int r = co_stream_read_exactly(stream, &len, sizeof(len), &done);

    if (r < 0)
        return r == -ENODATA && !done ? 0 : r;
    if (len & PUSH)
        r = push(stream, len & ~PUSH);
    else
        r = co_stream_write(stream, &len, sizeof(len), NULL);
    if (r == 0 && !(len & PUSH))
        r = echo(stream, len, chunk);
    return r < 0 ? r : 1;
}

static int serve(co_stream *stream, void *arg)
{
    char *chunk = malloc(CHUNK);
    int r = 1;

    (void)arg;
    begun++;
    ck_assert_ptr_nonnull(chunk);
    while (r > 0) {
        co_timeout(patience)
            r = serve_message(stream, chunk);
    }
    free(chunk);
    ended++;
    if (r < 0)
        last_error = r;
    return r;
}

static size_t heap_before;

/* But for the buffers that the loop keeps, which are limited. */
static size_t heap_now(void)
{
#if defined(__GLIBC__)
    size_t kept = co_loop_running()->fds->buffers_count * CO__BUFFER_BYTES;
    struct mallinfo2 info = mallinfo2();
    size_t used = info.uordblks + info.hblkhd;

    return used > kept ? used - kept : 0; /* a debugger's heap tells 0 */
#else
    return 0;
#endif
}

static co_server_stats stats_of_server(void)
{
    co_server_stats stats = {.size = sizeof(stats)};

    ck_assert_int_eq(co_server_stats_get(victim, &stats), 0);
    return stats;
}

/* ---- clients ------------------------------------------------------------- */

static int dial(void)
{
    char text[CO_ADDR_TEXT_MAX];
    co_addr addr;
    int fd;

    ck_assert_int_eq(co_server_address(victim, 0, &addr), 0);
    ck_assert_int_gt(co_addr_format(&addr.as.any, addr.len, text, sizeof(text)),
                     0);
    fd = co_tcp_dial(text);
    ck_assert_int_ge(fd, 0);
    return fd;
}

struct peer {
    int fd;
    co_stream *stream;
};

/* Connected, with hands shaken. */
static struct peer meet(void)
{
    struct peer peer = {.fd = dial()};

    peer.stream = wire.client(peer.fd);
    ck_assert_ptr_nonnull(peer.stream);
    return peer;
}

static void ask(const struct peer *peer, unsigned len)
{
    ck_assert_int_eq(co_stream_write(peer->stream, &len, sizeof(len), NULL), 0);
}

static void expect_length(const struct peer *peer, unsigned len)
{
    unsigned got;

    ck_assert_int_eq(
        co_stream_read_exactly(peer->stream, &got, sizeof(got), NULL), 0);
    ck_assert_uint_eq(got, len);
}

/* Whoever means well is served, as fast as ever. */
static void expect_served(void)
{
    struct peer peer = meet();
    char got[5];

    ask(&peer, 5);
    ck_assert_int_eq(co_stream_write(peer.stream, "hello", 5, NULL), 0);
    expect_length(&peer, 5);
    ck_assert_int_eq(co_stream_read_exactly(peer.stream, got, 5, NULL), 0);
    ck_assert_mem_eq(got, "hello", 5);
    ck_assert_int_eq(co_stream_close(peer.stream), 0);
}

/* The server is done with the connection, and the peer learns of it. */
static void expect_cut(struct peer *peer)
{
    char chunk[4096];
    ssize_t n;

    do
        n = co_stream_read(peer->stream, chunk, sizeof(chunk));
    while (n > 0);
    ck_assert(n == 0 || n == -ECONNRESET || n == -ECONNABORTED);
    co_stream_abort(peer->stream);
}

/* ---- before and after ---------------------------------------------------- */

static void until_no_connections(void)
{
    while (stats_of_server().connections)
        ck_assert_int_eq(co_sleep(CO_MS / 4), 0);
}

/* A handler is counted after its goodbye, which may take a while. */
static void expect_failed(unsigned count)
{
    until_no_connections();
    ck_assert_uint_eq(stats_of_server().failed, count);
}

static void open_server(const co_server_options *with)
{
    static const char *const address = "127.0.0.1:0";
    co_server_options options = {.size = sizeof(options)};

    if (with)
        options = *with;
    options.wrap = wire.wrap;
    options.wrap_arg = wire.wrap_arg;
    patience = push_patience = 100 * CO_SEC;
    victim = co_server_start(&address, 1, serve, NULL, &options);
    ck_assert_ptr_nonnull(victim);
    expect_served(); /* what is made once, and stays, is there now */
    until_no_connections();
    begun = ended = last_error = 0;
    heap_before = heap_now();
}

/* What the kernel, libc and OpenSSL keep for later is a few KiB. */
static void close_server(void)
{
    expect_served();
    until_no_connections();
    ck_assert_uint_le(heap_now(), heap_before + 64 * 1024);
    ck_assert_int_eq(co_server_close(victim, CO_SEC), 0);
    ck_assert_int_eq(begun, ended);
}

static void until_ended(int count)
{
    while (ended < count)
        ck_assert_int_eq(co_sleep(CO_MS / 4), 0);
}

static void until_begun(int count)
{
    while (begun < count)
        ck_assert_int_eq(co_sleep(CO_MS / 4), 0);
}

/* ---- slow ---------------------------------------------------------------- */

/* A byte now and then, which is too slow for the patience of a handler. */
static int drip(void *arg)
{
    co_stream *stream = arg;
    int r = 0;

    for (int i = 0; r == 0 && i < 3; i++) {
        r = co_stream_write(stream, "", 1, NULL);
        if (r == 0)
            r = co_sleep(40 * CO_MS);
    }
    return 0;
}

CO_TASK_TEST(slow_loris_is_out_of_time_and_others_are_served)
{
    struct peer slow[CLIENTS];
    co_task *tasks[CLIENTS];

    open_server(NULL);
    for (int i = 0; i < CLIENTS; i++)
        slow[i] = meet();
    until_begun(CLIENTS);
    /* Of messages to come: those that wait already have another one. */
    for (int i = 0; i < CLIENTS; i++) {
        ask(&slow[i], 0);
        expect_length(&slow[i], 0);
    }
    patience = 50 * CO_MS;
    for (int i = 0; i < CLIENTS; i++) {
        ask(&slow[i], 0);
        expect_length(&slow[i], 0);
        tasks[i] = co_test_spawn(drip, slow[i].stream);
    }
    patience = 100 * CO_SEC;
    for (int i = 0; i < 4; i++)
        expect_served();
    until_ended(CLIENTS + 4);
    for (int i = 0; i < CLIENTS; i++) {
        ck_assert_int_eq(co_test_result(tasks[i]), 0);
        expect_cut(&slow[i]);
    }
    expect_failed(CLIENTS);
    close_server();
}

/* ---- half of a connection ------------------------------------------------ */

/* Its machine has lost power: no FIN, no RST. Without the right to do that it
 * is as silent, but still there. */
static void vanish(struct peer *peer)
{
    int one = 1;

    if (setsockopt(peer->fd, IPPROTO_TCP, TCP_REPAIR, &one, sizeof(one)) < 0)
        return;
    co_stream_abort(peer->stream);
    peer->stream = NULL;
}

CO_TASK_TEST(client_that_vanished_is_given_up)
{
    struct peer peer;

    open_server(NULL);
    patience = 30 * CO_MS;
    peer = meet();
    until_begun(1);
    vanish(&peer);
    patience = 100 * CO_SEC;
    expect_served();
    until_ended(2);
    expect_failed(1);
    co_stream_abort(peer.stream);
    close_server();
}

CO_TASK_TEST(client_that_writes_no_more_gets_its_answer)
{
    struct peer peer;
    char got[3];

    open_server(NULL);
    peer = meet();
    ask(&peer, 3);
    ck_assert_int_eq(co_stream_write(peer.stream, "bye", 3, NULL), 0);
    ck_assert_int_eq(co_stream_write_eof(peer.stream), 0);
    expect_length(&peer, 3);
    ck_assert_int_eq(co_stream_read_exactly(peer.stream, got, 3, NULL), 0);
    ck_assert_int_eq(co_stream_read(peer.stream, got, 1), 0);
    ck_assert_int_eq(co_stream_close(peer.stream), 0);
    until_ended(1);
    ck_assert_int_eq(last_error, 0);
    close_server();
}

CO_TASK_TEST(message_that_ends_early_is_an_error_of_one_connection)
{
    struct peer peer;

    open_server(NULL);
    peer = meet();
    ask(&peer, 100);
    ck_assert_int_eq(co_stream_write(peer.stream, "less", 4, NULL), 0);
    ck_assert_int_eq(co_stream_write_eof(peer.stream), 0);
    until_ended(1);
    ck_assert_int_eq(last_error, -ENODATA);
    expect_cut(&peer);
    close_server();
}

/* ---- resets -------------------------------------------------------------- */

static int is_reset(int error)
{
    return error == -ECONNRESET || error == -EPIPE;
}

/* Nothing was said yet: it is in the backlog, or just accepted. */
CO_TASK_TEST(reset_before_a_word)
{
    struct linger now = {.l_onoff = 1};

    open_server(NULL);
    for (int i = 0; i < CLIENTS; i++) {
        int fd = dial();

        ck_assert_int_eq(
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
        ck_assert_int_eq(co_close(fd), 0);
    }
    close_server();
}

CO_TASK_TEST(reset_while_it_reads)
{
    open_server(NULL);
    for (int i = 0; i < 2; i++) {
        struct peer peer = meet();

        /* Between messages, and in one. */
        ask(&peer, 0);
        expect_length(&peer, 0);
        if (i == 1) {
            ask(&peer, 100);
            expect_length(&peer, 100);
        }
        co_stream_abort(peer.stream);
        until_ended(i + 1);
        ck_assert_msg(is_reset(last_error), "%d", last_error);
    }
    expect_failed(2);
    close_server();
}

/* A client that asks for much and reads nothing: until the kernel has taken
 * what it takes, and the handler waits, or has waited long enough. */
static struct peer refuse_to_read(void)
{
    struct peer peer = meet();
    int before = pushes;

    ask(&peer, PUSH | (unsigned)(64 * MIB));
    while (pushes == before || (pushing && pushing->state != CO__TASK_PARKED))
        ck_assert_int_eq(co_sleep(CO_MS / 4), 0);
    return peer;
}

CO_TASK_TEST(reset_while_it_writes)
{
    struct peer peer;

    open_server(NULL);
    peer = refuse_to_read();
    expect_served();
    co_stream_abort(peer.stream);
    until_ended(2);
    ck_assert_msg(is_reset(last_error), "%d", last_error);
    close_server();
}

/* The handler has given up, and the server cannot say goodbye. */
CO_TASK_TEST(reset_while_it_closes)
{
    struct peer peer;

    open_server(NULL);
    push_patience = 30 * CO_MS;
    peer = refuse_to_read();
    until_ended(1);
    ck_assert_int_eq(last_error, -ETIMEDOUT);
    expect_served();
    co_stream_abort(peer.stream);
    until_no_connections();
    close_server();
}

/* ---- a client that never reads ------------------------------------------- */

CO_TASK_TEST(client_that_never_reads_is_out_of_time)
{
    co_server_options options = {.size = sizeof(options),
                                 .close_max = 30 * CO_MS};
    struct peer peers[4];

    open_server(&options);
    push_patience = 30 * CO_MS;
    for (int i = 0; i < 4; i++) {
        peers[i] = refuse_to_read();
        expect_served();
    }
    until_ended(8);
    expect_failed(4);
    for (int i = 0; i < 4; i++)
        co_stream_abort(peers[i].stream);
    close_server();
}

/* What it asks for, and has no room for, takes no memory here. */
CO_TASK_TEST(client_that_never_reads_takes_no_memory)
{
    struct peer peer;

    open_server(NULL);
    peer = refuse_to_read();
    ck_assert_uint_le(heap_now(), heap_before + 1 * MIB);
    ck_assert_int_eq(co_server_abort_clients(victim), 1);
    until_ended(1);
    until_no_connections();
    co_stream_abort(peer.stream);
    close_server();
}

/* ---- sizes --------------------------------------------------------------- */

CO_TASK_TEST(messages_without_bytes_are_answered)
{
    struct peer peer;

    open_server(NULL);
    /* None at all. */
    peer = meet();
    ck_assert_int_eq(co_stream_close(peer.stream), 0);
    until_ended(1);
    ck_assert_int_eq(last_error, 0);
    peer = meet();
    for (int i = 0; i < 1000; i++) {
        ck_assert_int_eq(co_stream_write(peer.stream, zeros, 0, NULL), 0);
        ask(&peer, 0);
    }
    for (int i = 0; i < 1000; i++)
        expect_length(&peer, 0);
    ask(&peer, PUSH);
    ck_assert_int_eq(co_stream_close(peer.stream), 0);
    until_ended(2);
    ck_assert_int_eq(last_error, 0);
    close_server();
}

/* Each place has its own bytes, over and over again. */
#define PERIOD ((size_t)65521)
static unsigned char pattern[PERIOD + CHUNK];
static unsigned large;

static int send_large(void *arg)
{
    const struct peer *peer = arg;

    ask(peer, large);
    for (size_t done = 0; done < large; done += CHUNK)
        ck_assert_int_eq(co_stream_write(peer->stream, pattern + done % PERIOD,
                                         CHUNK, NULL),
                         0);
    return 0;
}

static long peak_kib(void)
{
    char line[128];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");

    while (file && fgets(line, sizeof(line), file))
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = atol(line + 6);
    if (file)
        fclose(file);
    return kib;
}

CO_TASK_TEST(message_of_64_mib_comes_back_and_takes_no_memory)
{
    unsigned char *chunk = malloc(CHUNK);
    struct peer peer;
    co_task *task;
    size_t done = 0;
    long peak;

    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (unsigned char)(i % PERIOD * 31 + (i % PERIOD >> 8));
    large = (unsigned)((size_t)co_test_scale(64, 2) * MIB);
    open_server(NULL);
    peer = meet();
    peak = peak_kib();
    task = co_test_spawn(send_large, &peer);
    expect_length(&peer, large);
    while (done < large) {
        ssize_t n = co_stream_read(peer.stream, chunk, CHUNK);

        ck_assert_int_gt(n, 0);
        ck_assert_int_eq(memcmp(chunk, pattern + done % PERIOD, (size_t)n), 0);
        done += (size_t)n;
    }
    ck_assert_int_eq(co_test_result(task), 0);
    if (!CO_TEST_SLOW)
        ck_assert_int_le(peak_kib(), peak + 4096);
    free(chunk);
    ck_assert_int_eq(co_stream_close(peer.stream), 0);
    close_server();
}

/* ---- all of them --------------------------------------------------------- */

static void hostile_add(TCase *tc)
{
    co_test_check_fds(tc);
    tcase_add_test(tc, slow_loris_is_out_of_time_and_others_are_served);
    tcase_add_test(tc, client_that_vanished_is_given_up);
    tcase_add_test(tc, client_that_writes_no_more_gets_its_answer);
    tcase_add_test(tc, message_that_ends_early_is_an_error_of_one_connection);
    tcase_add_test(tc, reset_before_a_word);
    tcase_add_test(tc, reset_while_it_reads);
    tcase_add_test(tc, reset_while_it_writes);
    tcase_add_test(tc, reset_while_it_closes);
    tcase_add_test(tc, client_that_never_reads_is_out_of_time);
    tcase_add_test(tc, client_that_never_reads_takes_no_memory);
    tcase_add_test(tc, messages_without_bytes_are_answered);
    tcase_add_test(tc, message_of_64_mib_comes_back_and_takes_no_memory);
}

#endif
