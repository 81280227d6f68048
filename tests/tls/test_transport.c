/* SPDX-License-Identifier: MIT */
/* ctest: timeout=120 */
/* Transports over TLS: what a protocol is told, and writes, is no different;
 * though a write that does not wait may leave what it has encrypted behind. */
#include "tls_support.h"

#include <coppice/event.h>
#include <coppice/stream_info.h>
#include <coppice/transport.h>

/* More than the kernel takes for both ends. */
#define MUCH   ((size_t)4 * 1024 * 1024)
#define BUFFER (128 * 1024)

/* Sends back what comes, and reads no more while that waits. */
struct echo {
    co_event over;
    size_t bytes;
    int pauses, resumes, eofs;
    int error;
};

static void on_data(co_transport *transport, void *arg, const void *data,
                    size_t len)
{
    struct echo *echo = arg;

    echo->bytes += len;
    ck_assert_int_eq(co_transport_write(transport, data, len), 0);
}

static int on_eof(co_transport *transport, void *arg)
{
    struct echo *echo = arg;

    (void)transport;
    echo->eofs++;
    return 0; /* what is buffered is written first */
}

static void on_pause(co_transport *transport, void *arg)
{
    struct echo *echo = arg;

    echo->pauses++;
    ck_assert_int_eq(co_transport_pause_reading(transport), 0);
}

static void on_resume(co_transport *transport, void *arg)
{
    struct echo *echo = arg;

    echo->resumes++;
    ck_assert_int_eq(co_transport_resume_reading(transport), 0);
}

static void on_lost(co_transport *transport, void *arg, int error)
{
    struct echo *echo = arg;

    (void)transport;
    echo->error = error;
    co_event_set(&echo->over);
}

static const co_protocol echo_protocol = {
    .size = sizeof(echo_protocol),
    .data_received = on_data,
    .eof_received = on_eof,
    .pause_writing = on_pause,
    .resume_writing = on_resume,
    .connection_lost = on_lost,
};

/* The server's end is the transport's. */
static co_transport *start(struct echo *echo)
{
    co_transport *transport =
        co_transport_start(server.stream, &echo_protocol, echo);

    ck_assert_ptr_nonnull(transport);
    server.stream = NULL;
    return transport;
}

static void limit_buffers(const co_stream *stream)
{
    int fd = co_stream_fd(stream);
    int bytes = BUFFER;

    ck_assert_int_eq(
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
    ck_assert_int_eq(
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
}

static int write_all(void *arg)
{
    unsigned char block[4096];

    (void)arg;
    for (size_t done = 0; done < MUCH; done += sizeof(block)) {
        for (size_t i = 0; i < sizeof(block); i++)
            block[i] = (unsigned char)((done + i) * 31 >> 3);
        ck_assert_int_eq(
            co_stream_write(client.stream, block, sizeof(block), NULL), 0);
    }
    return co_stream_write_eof(client.stream);
}

static void read_all(void)
{
    unsigned char block[3000];
    size_t done = 0;
    ssize_t n;

    while ((n = co_stream_read(client.stream, block, sizeof(block))) > 0) {
        int wrong = 0;

        for (size_t i = 0; i < (size_t)n; i++)
            wrong |= block[i] != (unsigned char)((done + i) * 31 >> 3);
        ck_assert_int_eq(wrong, 0);
        done += (size_t)n;
    }
    ck_assert_int_eq(n, 0);
    ck_assert_uint_eq(done, MUCH);
}

CO_TASK_TEST(much_comes_back_through_a_protocol)
{
    struct echo echo = {.bytes = 0};
    co_task *writer;

    connect_ends();
    limit_buffers(client.stream);
    limit_buffers(server.stream);
    start(&echo);
    writer = co_test_spawn(write_all, NULL);
    /* Nobody reads what comes back, until the protocol had to pause. */
    while (!echo.pauses)
        ck_assert_int_eq(co_sleep(CO_MS), 0);
    read_all();
    ck_assert_int_eq(co_test_result(writer), 0);
    ck_assert_int_eq(co_event_wait(&echo.over), 0);
    ck_assert_int_eq(echo.error, 0);
    ck_assert_uint_eq(echo.bytes, MUCH);
    ck_assert_int_eq(echo.eofs, 1);
    ck_assert_int_gt(echo.resumes, 0);
    ends_close();
}

CO_TASK_TEST(writing_may_end_before_reading_does)
{
    struct echo echo = {.bytes = 0};
    co_transport *transport;
    char got[16];

    connect_ends();
    transport = start(&echo);
    ck_assert_int_eq(co_transport_write(transport, "goodbye", 7), 0);
    ck_assert_int_eq(co_transport_write_eof(transport), 0);
    ck_assert_int_eq(co_stream_read_exactly(client.stream, got, 7, NULL), 0);
    ck_assert_int_eq(co_stream_read(client.stream, got, sizeof(got)), 0);
    ck_assert_int_eq(co_stream_write_eof(client.stream), 0);
    ck_assert_int_eq(co_event_wait(&echo.over), 0);
    ck_assert_int_eq(echo.error, 0);
    ck_assert_int_eq(echo.eofs, 1);
    ends_close();
}

CO_TASK_TEST(end_without_goodbye_is_an_error_of_the_transport)
{
    struct echo echo = {.bytes = 0};

    connect_ends();
    start(&echo);
    ck_assert_int_eq(co_sleep(CO_MS), 0);
    co_stream_abort(client.stream);
    client.stream = NULL;
    ck_assert_int_eq(co_event_wait(&echo.over), 0);
    ck_assert_int_lt(echo.error, 0);
    ck_assert_int_eq(echo.eofs, 0);
}

static Suite *suite(void)
{
    Suite *s = suite_create("tls.transport");
    TCase *tc = tcase_create("transports");

    tcase_add_unchecked_fixture(tc, cert_make_all, cert_remove_all);
    co_test_check_fds(tc);
    tcase_add_test(tc, much_comes_back_through_a_protocol);
    tcase_add_test(tc, writing_may_end_before_reading_does);
    tcase_add_test(tc, end_without_goodbye_is_an_error_of_the_transport);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
