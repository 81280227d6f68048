/* SPDX-License-Identifier: MIT */
/* ctest: timeout=120 */
/* What goes over a connection once it is there: all of it, in both directions
 * at once, however calls end; and how a connection ends. */
#include <coppice/stream_info.h>

#include "tls_support.h"

#include <sys/uio.h>

/* Each place has its own bytes, over and over again. */
#define PERIOD ((size_t)128 * 1024)
#define MOST   ((size_t)256 * 1024)
static unsigned char pattern[PERIOD + MOST];

static void make_pattern(void)
{
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (unsigned char)(i * 31 + (i % PERIOD >> 9));
}

static const unsigned char *bytes_at(size_t from)
{
    return pattern + from % PERIOD;
}

/* ---- much ---------------------------------------------------------------- */

static size_t much;

static int write_much(void *arg)
{
    size_t done = 0;

    while (done < much) {
        size_t len = much - done < MOST ? much - done : MOST;

        ck_assert_int_eq(co_stream_write(arg, bytes_at(done), len, NULL), 0);
        done += len;
    }
    return co_stream_write_eof(arg);
}

static int read_much(void *arg)
{
    unsigned char *data = malloc(100000);
    size_t done = 0;
    ssize_t n;

    while ((n = co_stream_read(arg, data, 100000)) > 0) {
        ck_assert_int_eq(memcmp(data, bytes_at(done), (size_t)n), 0);
        done += (size_t)n;
    }
    free(data);
    ck_assert_int_eq(n, 0);
    ck_assert_uint_eq(done, much);
    return 0;
}

CO_TASK_TEST(much_goes_both_ways_at_once)
{
    co_task *tasks[4];

    much = (size_t)co_test_scale(64, 2) * 1024 * 1024;
    make_pattern();
    connect_ends();
    tasks[0] = co_test_spawn(read_much, client.stream);
    tasks[1] = co_test_spawn(read_much, server.stream);
    tasks[2] = co_test_spawn(write_much, client.stream);
    tasks[3] = co_test_spawn(write_much, server.stream);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(co_test_result(tasks[i]), 0);
    ends_close();
}

CO_TASK_TEST(vectors_arrive_in_order)
{
    static char large[40000];
    struct iovec iov[5] = {
        {(void *)"a", 1},       {NULL, 0},        {(void *)"bc", 2},
        {large, sizeof(large)}, {(void *)"d", 1},
    };
    static char got[sizeof(large) + 4];
    size_t done;

    connect_ends();
    memset(large, 'x', sizeof(large));
    ck_assert_int_eq(co_stream_writev(client.stream, iov, 5, &done), 0);
    ck_assert_uint_eq(done, sizeof(got));
    ck_assert_int_eq(
        co_stream_read_exactly(server.stream, got, sizeof(got), NULL), 0);
    ck_assert_mem_eq(got, "abcx", 4);
    ck_assert_mem_eq(got + 3, large, sizeof(large));
    ck_assert_int_eq(got[sizeof(got) - 1], 'd');
    ends_close();
}

CO_TASK_TEST(lines_are_read)
{
    char line[16];

    connect_ends();
    ck_assert_int_eq(
        co_stream_write(client.stream, "one\ntwo\nthree", 13, NULL), 0);
    ck_assert_int_eq(co_stream_write_eof(client.stream), 0);
    ck_assert_int_eq(co_stream_read_line(server.stream, line, 16), 3);
    ck_assert_int_eq(co_stream_read_line(server.stream, line, 16), 3);
    ck_assert_int_eq(co_stream_read_line(server.stream, line, 16), 5);
    ck_assert_str_eq(line, "three");
    ck_assert_int_eq(co_stream_read_line(server.stream, line, 16), -ENODATA);
    say(server.stream, client.stream, "the other direction goes on");
    ck_assert_int_eq(co_stream_write(client.stream, "a", 1, NULL), -EPIPE);
    ends_close();
}

CO_TASK_TEST(addresses_are_those_of_the_stream_below)
{
    co_stream_stats stats = {.size = sizeof(stats)};
    co_addr ours, theirs;

    connect_ends();
    ck_assert_int_ge(co_stream_fd(client.stream), 0);
    ck_assert_int_eq(co_stream_local_address(client.stream, &ours), 0);
    ck_assert_int_eq(co_stream_peer_address(server.stream, &theirs), 0);
    ck_assert_uint_eq(ours.len, theirs.len);
    ck_assert_mem_eq(&ours.as, &theirs.as, ours.len);
    say(client.stream, server.stream, "plain text counts");
    ck_assert_int_eq(co_stream_stats_get(client.stream, &stats), 0);
    ck_assert_uint_eq(stats.bytes_written, strlen("plain text counts"));
    ck_assert_int_eq(co_stream_stats_get(server.stream, &stats), 0);
    ck_assert_uint_eq(stats.bytes_read, strlen("plain text counts"));
    ends_close();
}

/* ---- the end ------------------------------------------------------------- */

static char byte;

CO_TASK_TEST(goodbye_is_a_clean_end)
{
    connect_ends();
    ck_assert_int_eq(co_stream_write(client.stream, "bye", 3, NULL), 0);
    ck_assert_int_eq(co_stream_close(client.stream), 0);
    client.stream = NULL;
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(co_stream_read(server.stream, &byte, 1), 1);
    ck_assert_int_eq(co_stream_read(server.stream, &byte, 1), 0);
    ck_assert_int_eq(co_stream_read(server.stream, &byte, 1), 0);
    ends_close();
}

/* What it did not ask for must not be unread when it closes: the kernel would
 * reset the connection, with what is still on its way. */
CO_TASK_TEST(client_that_only_writes_is_read_to_the_end)
{
    co_task *reader;

    small_buffers = 1;
    make_pattern();
    much = MOST;
    connect_ends();
    reader = co_test_spawn(read_much, server.stream);
    ck_assert_int_eq(co_stream_write(client.stream, pattern, much, NULL), 0);
    ck_assert_int_eq(co_stream_close(client.stream), 0);
    client.stream = NULL;
    ck_assert_int_eq(co_test_result(reader), 0);
    ends_close();
}

/* Who cuts a connection must not pass for the peer. */
CO_TASK_TEST(end_without_goodbye_is_an_error)
{
    connect_ends();
    ck_assert_int_eq(co_stream_write(client.stream, "bye", 3, NULL), 0);
    ck_assert_int_eq(co_stream_write_eof(client.plain), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(co_stream_read(server.stream, &byte, 1), 1);
    ck_assert_int_eq(co_stream_read(server.stream, &byte, 1), -ECONNABORTED);
    ck_assert_int_eq(co_stream_read(server.stream, &byte, 1), -ECONNABORTED);
    ck_assert_int_eq(co_stream_write(server.stream, "a", 1, NULL),
                     -ECONNABORTED);
    ck_assert_int_eq(co_stream_close(server.stream), -ECONNABORTED);
    server.stream = NULL;
    co_stream_abort(client.stream);
    client.stream = NULL;
}

CO_TASK_TEST(reset_is_an_error)
{
    connect_ends();
    co_stream_abort(client.stream);
    client.stream = NULL;
    ck_assert_int_eq(co_stream_read(server.stream, &byte, 1), -ECONNRESET);
    ends_close();
}

CO_TASK_TEST(garbage_ends_a_connection)
{
    connect_ends();
    ck_assert_int_eq(co_stream_write(client.plain, "garbage", 7, NULL), 0);
    ck_assert_int_eq(co_stream_read(server.stream, &byte, 1), -EPROTO);
    ck_assert_str_ne(co_tls_error_text(), "");
    ck_assert_int_eq(co_stream_read(client.stream, &byte, 1), -EREMOTEIO);
    co_stream_abort(client.stream);
    client.stream = NULL;
    ends_close();
}

/* A record that somebody has changed on its way. */
CO_TASK_TEST(forged_record_ends_a_connection)
{
    static const char forged[] = "\x17\x03\x03\x00\x20"
                                 "0123456789abcdef0123456789abcdef";

    connect_ends();
    ck_assert_int_eq(
        co_stream_write(client.plain, forged, sizeof(forged) - 1, NULL), 0);
    ck_assert_int_eq(co_stream_read(server.stream, &byte, 1), -EPROTO);
    co_stream_abort(client.stream);
    client.stream = NULL;
    ends_close();
}

static int read_byte(void *arg)
{
    return (int)co_stream_read(arg, &byte, 1);
}

CO_TASK_TEST(close_and_abort_wake_a_reader)
{
    for (int aborted = 0; aborted < 2; aborted++) {
        co_task *reader;

        connect_ends();
        reader = co_test_spawn(read_byte, client.stream);
        co_test_yield();
        if (aborted)
            co_stream_abort(client.stream);
        else
            ck_assert_int_eq(co_stream_close(client.stream), 0);
        client.stream = NULL;
        ck_assert_int_eq(co_test_result(reader), -EBADF);
        ends_close();
    }
}

/* ---- limits -------------------------------------------------------------- */

CO_TASK_TEST(read_that_is_interrupted_loses_nothing)
{
    co_task *reader;

    connect_ends();
    co_timeout(CO_MS)
        ck_assert_int_eq(co_stream_read(server.stream, &byte, 1), -ETIMEDOUT);
    reader = co_test_spawn(read_byte, server.stream);
    co_test_yield();
    ck_assert_int_eq(co_cancel(reader), 1);
    ck_assert_int_eq(co_test_result(reader), -ECANCELED);
    say(client.stream, server.stream, "all of it");

    /* Woken first, then cancelled: what was read is returned. */
    reader = co_test_spawn(read_byte, server.stream);
    co_test_yield();
    ck_assert_int_eq(co_stream_write(client.stream, "xy", 2, NULL), 0);
    co_test_yield();
    co_cancel(reader);
    if (co_test_result(reader) == 1)
        ck_assert_int_eq(byte, 'x');
    else
        ck_assert_int_eq(co_stream_read(server.stream, &byte, 1), 1);
    ck_assert_int_eq(co_stream_read(server.stream, &byte, 1), 1);
    ck_assert_int_eq(byte, 'y');
    ends_close();
}

/* More than any buffer on the way holds. */
#define TOO_MUCH MOST

static size_t write_too_much(void)
{
    size_t done;

    small_buffers = 1;
    make_pattern();
    connect_ends();
    co_timeout(200 * CO_MS)
        ck_assert_int_eq(co_stream_write(client.stream, pattern, TOO_MUCH,
                                         &done),
                         -ETIMEDOUT);
    ck_assert_uint_gt(done, 0);
    ck_assert_uint_lt(done, TOO_MUCH);
    return done;
}

/* Only what was taken arrives, and all of it, in order. */
CO_TASK_TEST(write_that_is_interrupted_tells_what_was_taken)
{
    size_t done = write_too_much(), more;
    co_task *reader;

    co_timeout(CO_MS)
        ck_assert_int_eq(co_stream_write(client.stream, pattern + done, 1000,
                                         &more),
                         -ETIMEDOUT);
    ck_assert_uint_eq(more, 0);
    much = done + 1000;
    reader = co_test_spawn(read_much, server.stream);
    ck_assert_int_eq(co_stream_write(client.stream, pattern + done, 1000, NULL),
                     0);
    ck_assert_int_eq(co_stream_write_eof(client.stream), 0);
    ck_assert_int_eq(co_test_result(reader), 0);
    ends_close();
}

/* What is encrypted and not sent yet goes before the goodbye. */
CO_TASK_TEST(close_sends_what_an_interrupted_write_left)
{
    co_task *reader;

    much = write_too_much();
    reader = co_test_spawn(read_much, server.stream);
    ck_assert_int_eq(co_stream_close(client.stream), 0);
    client.stream = NULL;
    ck_assert_int_eq(co_test_result(reader), 0);
    ends_close();
}

CO_TASK_TEST(close_obeys_a_timeout)
{
    (void)write_too_much();
    co_timeout(CO_MS)
        ck_assert_int_eq(co_stream_close(client.stream), -ETIMEDOUT);
    client.stream = NULL;
    ends_close();
}

/* ---- arguments ----------------------------------------------------------- */

#define REFUSED(what, call)                                                    \
    do {                                                                       \
        errno = 0;                                                             \
        ck_assert_ptr_null(call);                                              \
        ck_assert_int_eq(errno, what);                                         \
    } while (0)

static const char *const empty_name[] = {"", NULL};

START_TEST(contexts_check_their_options)
{
    const char *good = cert_file("good");

    REFUSED(EINVAL, co_tls_server_new(NULL));
    REFUSED(EINVAL, co_tls_client_new(&(co_tls_options){.size = 1}));
    REFUSED(EINVAL, co_tls_server_new(TLS_OPTIONS(.ca_file = good)));
    REFUSED(EINVAL, co_tls_client_new(TLS_OPTIONS(.key_file = good)));
    REFUSED(EINVAL, co_tls_client_new(TLS_OPTIONS(.verify = 7)));
    REFUSED(EINVAL, co_tls_client_new(TLS_OPTIONS(.version_min = 0x301)));
    REFUSED(EINVAL, co_tls_client_new(TLS_OPTIONS(.version_max = 1)));
    REFUSED(EINVAL, co_tls_client_new(TLS_OPTIONS(.version_min = CO_TLS_1_3,
                                                  .version_max = CO_TLS_1_2)));
    REFUSED(EINVAL, co_tls_client_new(TLS_OPTIONS(.ciphers = "NONESUCH")));
    REFUSED(EINVAL, co_tls_client_new(TLS_OPTIONS(.alpn = empty_name)));
    REFUSED(ENOENT, co_tls_client_new(TLS_OPTIONS(.ca_file = "/none")));
    REFUSED(ENOENT, co_tls_client_new(TLS_OPTIONS(.crl_file = "/none")));
    REFUSED(ENOENT,
            co_tls_server_new(TLS_OPTIONS(.certificate_file = "/none")));
    REFUSED(EBADMSG, co_tls_server_new(
                         TLS_OPTIONS(.certificate_file = cert_file("empty"))));
    REFUSED(EBADMSG,
            co_tls_client_new(TLS_OPTIONS(.ca_file = cert_file("empty"))));
    REFUSED(EBADMSG,
            co_tls_server_new(TLS_OPTIONS(.certificate_file = good,
                                          .key_file = cert_file("crl"))));
    REFUSED(EKEYREJECTED,
            co_tls_server_new(TLS_OPTIONS(.certificate_file = good,
                                          .key_file = cert_file("other"))));
    ck_assert_str_ne(co_tls_error_text(), "");
    co_tls_context_free(NULL);
}
END_TEST

CO_TASK_TEST(arguments_are_checked)
{
    co_tls_context *for_client = good_client();
    co_tls_context *for_server = good_server();
    co_stream_options wrong = {0};
    co_tls_info info = {0};

    pair_up(for_client, for_server, NULL);
    REFUSED(EINVAL, co_tls_connect(NULL, for_client, "localhost", NULL));
    REFUSED(EINVAL, co_tls_connect(client.plain, NULL, "localhost", NULL));
    REFUSED(EINVAL, co_tls_connect(client.plain, for_client, NULL, NULL));
    REFUSED(EINVAL, co_tls_connect(client.plain, for_client, "", NULL));
    REFUSED(EINVAL, co_tls_connect(client.plain, for_server, "a", NULL));
    REFUSED(EINVAL, co_tls_connect(client.plain, for_client, "a", &wrong));
    REFUSED(EINVAL, co_tls_accept(client.plain, for_client, NULL));
    REFUSED(EINVAL, co_tls_accept(NULL, for_server, NULL));
    ck_assert_int_eq(
        co_tls_server_add(for_client, "a", cert_file("good"), NULL), -EINVAL);
    ck_assert_int_eq(
        co_tls_server_add(for_server, NULL, cert_file("good"), NULL), -EINVAL);
    ck_assert_int_eq(co_tls_server_add(for_server, "a", NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_tls_reload(for_server, NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_tls_reload(for_server, "/none", NULL), -ENOENT);
    ck_assert_int_eq(co_tls_info_get(client.plain, &info), -EINVAL);
    info.size = sizeof(info);
    ck_assert_int_eq(co_tls_info_get(client.plain, &info), -ENOTSUP);
    ck_assert_int_eq(co_tls_info_get(NULL, &info), -EINVAL);
    ck_assert_int_eq(co_stream_close(client.plain), 0);
    ck_assert_int_eq(co_stream_close(server.plain), 0);
    co_tls_context_free(for_client);
    co_tls_context_free(for_server);
}

static Suite *suite(void)
{
    Suite *s = suite_create("connection");
    TCase *tc = tcase_create("connection");

    tcase_add_unchecked_fixture(tc, cert_make_all, cert_remove_all);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, much_goes_both_ways_at_once);
    tcase_add_test(tc, vectors_arrive_in_order);
    tcase_add_test(tc, lines_are_read);
    tcase_add_test(tc, addresses_are_those_of_the_stream_below);
    tcase_add_test(tc, goodbye_is_a_clean_end);
    tcase_add_test(tc, client_that_only_writes_is_read_to_the_end);
    tcase_add_test(tc, end_without_goodbye_is_an_error);
    tcase_add_test(tc, reset_is_an_error);
    tcase_add_test(tc, garbage_ends_a_connection);
    tcase_add_test(tc, forged_record_ends_a_connection);
    tcase_add_test(tc, close_and_abort_wake_a_reader);
    tcase_add_test(tc, read_that_is_interrupted_loses_nothing);
    tcase_add_test(tc, write_that_is_interrupted_tells_what_was_taken);
    tcase_add_test(tc, close_sends_what_an_interrupted_write_left);
    tcase_add_test(tc, close_obeys_a_timeout);
    tcase_add_test(tc, contexts_check_their_options);
    tcase_add_test(tc, arguments_are_checked);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
