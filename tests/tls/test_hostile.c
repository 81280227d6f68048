/* SPDX-License-Identifier: MIT */
/* ctest: timeout=120 */
/* Clients that mean harm, over TLS: the cases of io/hostile.h, and what can be
 * done to a handshake. */
#include "tls_support.h"

#include "io/hostile.h"
#include "io/server.h"

#include <openssl/ssl.h>

static co_tls_context *our_client;

static co_stream *secure(int fd)
{
    return co_tls_connect(plain_of(fd), our_client, "localhost", NULL);
}

/* What a client says first. */
static unsigned char hello[4096];
static size_t hello_len;

static void make_hello(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    int n;

    SSL_set_bio(ssl, in, out);
    ck_assert_int_lt(SSL_connect(ssl), 0);
    ERR_clear_error();
    n = BIO_read(out, hello, sizeof(hello));
    ck_assert_int_gt(n, 10);
    hello_len = (size_t)n;
    SSL_free(ssl);
    SSL_CTX_free(context);
}

/* Handshakes that the server has begun, each with a limit of its own. */
static uint64_t shaken;

static co_stream *wrap(int fd, void *arg)
{
    shaken++;
    return co_tls_wrap(fd, arg);
}

static void make_wire(void)
{
    cert_make_all();
    make_hello();
    our_client = good_client();
    wire.client = secure;
    wire.wrap = wrap;
    wire.wrap_arg = good_server();
}

static void leave_wire(void)
{
    co_tls_context_free(our_client);
    co_tls_context_free(wire.wrap_arg);
    cert_remove_all();
}

/* ---- handshakes ---------------------------------------------------------- */

/* How far a client comes before it stops. */
static const struct stage {
    size_t num, den; /* so much of its hello is sent */
    int answered;    /* and the answer waited for */
} stages[] = {{0, 1, 0}, {1, 2, 0}, {1, 1, 0}, {1, 1, 1}};

#define STAGES (sizeof(stages) / sizeof(stages[0]))

/* -1: it was hung up on meanwhile. */
static int come_to(const struct stage *stage)
{
    size_t len = hello_len * stage->num / stage->den;
    int fd = dial();
    char byte;

    if (len)
        ck_assert_int_eq(co_write_all(fd, hello, len, NULL), 0);
    if (stage->answered && co_read(fd, &byte, 1) != 1) {
        ck_assert_int_eq(co_close(fd), 0);
        return -1;
    }
    return fd;
}

static void expect_hung_up(int fd)
{
    char chunk[4096];
    ssize_t n;

    do
        n = co_read(fd, chunk, sizeof(chunk));
    while (n > 0);
    ck_assert(n == 0 || n == -ECONNRESET);
    ck_assert_int_eq(co_close(fd), 0);
}

static void until_errors(uint64_t count)
{
    while (stats_of_server().errors < count)
        ck_assert_int_eq(co_sleep(CO_MS / 4), 0);
}

CO_TASK_TEST(handshake_that_stops_is_out_of_time_and_others_are_served)
{
    int fds[STAGES];
    uint64_t tries = 0;

    open_server(NULL);
    shaken = 0;
    victim->options.wrap_max = 50 * CO_MS;
    for (size_t i = 0; i < STAGES; i++) {
        tries++;
        /* Where everything is slow, it takes longer to come so far. */
        while ((fds[i] = come_to(&stages[i])) < 0) {
            tries++;
            victim->options.wrap_max *= 2;
        }
    }
    while (shaken < tries)
        ck_assert_int_eq(co_sleep(CO_MS / 4), 0);
    victim->options.wrap_max = 100 * CO_SEC;
    for (int i = 0; i < 4; i++)
        expect_served();
    until_errors(tries);
    for (size_t i = 0; i < STAGES; i++)
        expect_hung_up(fds[i]);
    ck_assert_int_eq(begun, 4);
    expect_failed(0);
    close_server();
}

/* A byte now and then does not make it longer. */
CO_TASK_TEST(handshake_byte_by_byte_is_out_of_time)
{
    int fd, r = 0;

    open_server(NULL);
    victim->options.wrap_max = 100 * CO_MS;
    fd = dial();
    for (size_t i = 0; r >= 0 && stats_of_server().errors == 0; i++) {
        if (i < hello_len - 1)
            r = (int)co_write(fd, &hello[i], 1);
        ck_assert_int_eq(co_sleep(5 * CO_MS), 0);
    }
    until_errors(1);
    expect_hung_up(fd);
    ck_assert_int_eq(begun, 0);
    victim->options.wrap_max = 100 * CO_SEC;
    close_server();
}

CO_TASK_TEST(reset_in_the_handshake)
{
    struct linger now = {.l_onoff = 1};

    open_server(NULL);
    for (size_t i = 0; i < STAGES; i++) {
        int fd = come_to(&stages[i]);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
        ck_assert_int_eq(co_close(fd), 0);
        expect_served();
    }
    until_errors(STAGES);
    ck_assert_int_eq(begun, (int)STAGES);
    close_server();
}

CO_TASK_TEST(end_in_the_handshake)
{
    open_server(NULL);
    for (size_t i = 0; i < STAGES; i++) {
        int fd = come_to(&stages[i]);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
        until_errors(i + 1);
        expect_hung_up(fd);
    }
    ck_assert_int_eq(begun, 0);
    close_server();
}

CO_TASK_TEST(garbage_in_the_handshake)
{
    static const char *const garbage[] = {
        "GET / HTTP/1.1\r\n\r\n",
        "\x16\x03\x01\xff\xff\x01\xff\xff\xff", /* longer than a record is */
        "\x16\x03\x01\x00\x04\x01\x00\x00\x00", /* an empty hello */
        "\x15\x03\x01\x00\x02\x02\x28",         /* an alert */
    };
    static const size_t lens[] = {18, 9, 9, 7};

    open_server(NULL);
    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        int fd = dial();

        ck_assert_int_eq(co_write_all(fd, garbage[i], lens[i], NULL), 0);
        until_errors(i + 1);
        expect_hung_up(fd);
        expect_served();
    }
    close_server();
}

/* TCP ends, with no goodbye of TLS: that is not the end of the messages. */
CO_TASK_TEST(connection_that_is_cut_is_an_error)
{
    struct peer peer;

    open_server(NULL);
    peer = meet();
    ask(&peer, 0);
    expect_length(&peer, 0);
    ck_assert_int_eq(shutdown(peer.fd, SHUT_WR), 0);
    until_ended(1);
    ck_assert_int_eq(last_error, -ECONNABORTED);
    co_stream_abort(peer.stream);
    close_server();
}

static Suite *suite(void)
{
    Suite *s = suite_create("tls.hostile");
    TCase *tc = tcase_create("TLS");

    tcase_add_unchecked_fixture(tc, make_wire, leave_wire);
    hostile_add(tc);
    tcase_add_test(tc,
                   handshake_that_stops_is_out_of_time_and_others_are_served);
    tcase_add_test(tc, handshake_byte_by_byte_is_out_of_time);
    tcase_add_test(tc, reset_in_the_handshake);
    tcase_add_test(tc, end_in_the_handshake);
    tcase_add_test(tc, garbage_in_the_handshake);
    tcase_add_test(tc, connection_that_is_cut_is_an_error);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
