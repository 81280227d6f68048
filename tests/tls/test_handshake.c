/* SPDX-License-Identifier: MIT */
/* ctest: timeout=120 */
/* Handshakes: whom either side accepts, what they agree upon, and how they end
 * otherwise. */
#include "tls_support.h"

#include <coppice/group.h>

/* A server that shows this certificate, and a client that trusts the CA. The
 * client's error, and the server's in `server`. */
static int shake_with(const char *certificate, const char *host)
{
    co_tls_context *for_server =
        server_context(TLS_OPTIONS(.certificate_file = cert_file(certificate)));
    co_tls_context *for_client = client_context(
        TLS_OPTIONS(.ca_file = cert_file("ca"), .crl_file = cert_file("crl")));
    int r = shake(for_client, for_server, host);

    co_tls_context_free(for_server);
    co_tls_context_free(for_client);
    return r;
}

CO_TASK_TEST(client_and_server_talk)
{
    connect_ends();
    say(client.stream, server.stream, "hello");
    say(server.stream, client.stream, "world");
    ck_assert_str_eq(info_of(client.stream).version, "TLSv1.3");
    ck_assert_str_eq(info_of(client.stream).verified, "ok");
    ck_assert_str_eq(info_of(client.stream).peer_subject, "CN=good");
    ck_assert_str_eq(info_of(server.stream).server_name, "localhost");
    ck_assert_ptr_null(info_of(server.stream).peer_subject);
    ck_assert_ptr_null(info_of(server.stream).alpn);
    ck_assert_ptr_nonnull(info_of(server.stream).cipher);
    ends_close();
}

CO_TASK_TEST(address_is_verified_too)
{
    ck_assert_int_eq(shake_with("good", "127.0.0.1"), 0);
    ck_assert_ptr_null(info_of(server.stream).server_name);
    ends_close();
    ck_assert_int_eq(shake_with("good", "127.0.0.2"), -EREMCHG);
}

/* Each in its own way; and the server learns of it by an alert. */
CO_TASK_TEST(certificates_are_refused_with_distinct_errors)
{
    static const struct {
        const char *certificate, *host;
        int error;
    } cases[] = {
        {"good", "elsewhere.example", -EREMCHG},
        {"other", "localhost", -EREMCHG},
        {"expired", "localhost", -EKEYEXPIRED},
        {"future", "localhost", -EKEYEXPIRED},
        {"strays", "localhost", -ENOKEY},
        {"untrusted_ca", "localhost", -ENOKEY},
        {"revoked", "localhost", -EKEYREVOKED},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int r = shake_with(cases[i].certificate, cases[i].host);

        ck_assert_msg(r == cases[i].error, "%s: %d, %s", cases[i].certificate,
                      r, co_tls_error_text());
        ck_assert_str_ne(co_tls_error_text(), "");
        ck_assert_int_eq(server.error, -EREMOTEIO);
    }
}

CO_TASK_TEST(verification_can_be_switched_off)
{
    co_tls_context *for_server =
        server_context(TLS_OPTIONS(.certificate_file = cert_file("expired")));
    co_tls_context *for_client =
        client_context(TLS_OPTIONS(.verify = CO_TLS_VERIFY_NONE));

    ck_assert_int_eq(shake(for_client, for_server, NULL), 0);
    ck_assert_str_ne(info_of(client.stream).verified, "ok");
    ends_close();
    co_tls_context_free(for_client);
    co_tls_context_free(for_server);
}

/* ---- mutual -------------------------------------------------------------- */

static int shake_mutual(const char *certificate)
{
    co_tls_context *for_server = server_context(
        TLS_OPTIONS(.certificate_file = cert_file("good"),
                    .ca_file = cert_file("ca"), .verify = CO_TLS_VERIFY_PEER));
    co_tls_context *for_client = client_context(
        TLS_OPTIONS(.ca_file = cert_file("ca"),
                    .certificate_file =
                        certificate ? cert_file(certificate) : NULL));
    int r = shake(for_client, for_server, "localhost");

    co_tls_context_free(for_server);
    co_tls_context_free(for_client);
    return r;
}

CO_TASK_TEST(server_may_want_a_certificate)
{
    ck_assert_int_eq(shake_mutual("client"), 0);
    ck_assert_int_eq(server.error, 0);
    ck_assert_str_eq(info_of(server.stream).peer_subject, "CN=client");
    say(client.stream, server.stream, "it is me");
    ends_close();
}

/* In TLS 1.3 the client has finished by then, and is told when it reads. */
CO_TASK_TEST(client_without_a_good_certificate_is_refused)
{
    static const struct {
        const char *certificate;
        int error;
    } cases[] = {
        {NULL, -ENOKEY}, {"strays", -ENOKEY}, {"expired", -EKEYEXPIRED}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char byte;

        ck_assert_int_eq(shake_mutual(cases[i].certificate), 0);
        ck_assert_int_eq(server.error, cases[i].error);
        ck_assert_int_eq(co_stream_read(client.stream, &byte, 1), -EREMOTEIO);
        ck_assert_int_eq(co_stream_write(client.stream, "a", 1, NULL),
                         -EREMOTEIO);
        co_stream_abort(client.stream);
    }
}

/* ---- what is agreed upon ------------------------------------------------- */

static const char *const h2_and_http[] = {"h2", "http/1.1", NULL};
static const char *const http_and_h2[] = {"http/1.1", "h2", NULL};
static const char *const another[] = {"another", NULL};

static int shake_alpn(const char *const *ours, const char *const *theirs)
{
    co_tls_context *for_server = server_context(
        TLS_OPTIONS(.certificate_file = cert_file("good"), .alpn = theirs));
    co_tls_context *for_client =
        client_context(TLS_OPTIONS(.ca_file = cert_file("ca"), .alpn = ours));
    int r = shake(for_client, for_server, "localhost");

    co_tls_context_free(for_server);
    co_tls_context_free(for_client);
    return r;
}

CO_TASK_TEST(protocol_is_the_first_that_the_server_likes)
{
    ck_assert_int_eq(shake_alpn(h2_and_http, http_and_h2), 0);
    ck_assert_str_eq(info_of(client.stream).alpn, "http/1.1");
    ck_assert_str_eq(info_of(server.stream).alpn, "http/1.1");
    ends_close();
    ck_assert_int_eq(shake_alpn(NULL, http_and_h2), 0);
    ck_assert_ptr_null(info_of(client.stream).alpn);
    ends_close();
    ck_assert_int_eq(shake_alpn(h2_and_http, another), -EREMOTEIO);
    ck_assert_int_eq(server.error, -EPROTO);
}

static int shake_versions(int client_max, int server_min)
{
    co_tls_context *for_server =
        server_context(TLS_OPTIONS(.certificate_file = cert_file("good"),
                                   .version_min = server_min));
    co_tls_context *for_client = client_context(
        TLS_OPTIONS(.ca_file = cert_file("ca"), .version_max = client_max));
    int r = shake(for_client, for_server, "localhost");

    co_tls_context_free(for_server);
    co_tls_context_free(for_client);
    return r;
}

CO_TASK_TEST(versions_are_limited)
{
    ck_assert_int_eq(shake_versions(CO_TLS_1_2, 0), 0);
    ck_assert_str_eq(info_of(client.stream).version, "TLSv1.2");
    say(client.stream, server.stream, "hello");
    ends_close();
    ck_assert_int_eq(shake_versions(CO_TLS_1_2, CO_TLS_1_3), -EREMOTEIO);
    ck_assert_int_eq(server.error, -EPROTO);
}

static int shake_ciphers(const char *ciphers, const char *ciphersuites)
{
    co_tls_context *for_server = good_server();
    co_tls_context *for_client = client_context(
        TLS_OPTIONS(.ca_file = cert_file("ca"), .ciphers = ciphers,
                    .ciphersuites = ciphersuites,
                    .version_max = ciphers ? CO_TLS_1_2 : CO_TLS_1_3));
    int r = shake(for_client, for_server, "localhost");

    co_tls_context_free(for_server);
    co_tls_context_free(for_client);
    return r;
}

CO_TASK_TEST(ciphers_can_be_chosen)
{
    ck_assert_int_eq(shake_ciphers("ECDHE-ECDSA-CHACHA20-POLY1305", NULL), 0);
    ck_assert_str_eq(info_of(server.stream).cipher,
                     "ECDHE-ECDSA-CHACHA20-POLY1305");
    ends_close();
    ck_assert_int_eq(shake_ciphers(NULL, "TLS_AES_128_GCM_SHA256"), 0);
    ck_assert_str_eq(info_of(server.stream).cipher, "TLS_AES_128_GCM_SHA256");
    ends_close();
}

/* ---- several certificates ------------------------------------------------ */

static void expect_subject(co_tls_context *for_server, const char *host,
                           const char *subject)
{
    co_tls_context *for_client = client_context(
        TLS_OPTIONS(.verify = CO_TLS_VERIFY_NONE, .no_resumption = 1));

    ck_assert_int_eq(shake(for_client, for_server, host), 0);
    ck_assert_str_eq(info_of(client.stream).peer_subject, subject);
    ends_close();
    co_tls_context_free(for_client);
}

CO_TASK_TEST(certificate_is_chosen_by_the_name_that_is_asked_for)
{
    co_tls_context *context = good_server();

    ck_assert_int_eq(co_tls_server_add(context, "other.example",
                                       cert_file("other"), NULL),
                     0);
    ck_assert_int_eq(co_tls_server_add(context, "*.wild.example",
                                       cert_file("client"), NULL),
                     0);
    expect_subject(context, "localhost", "CN=good");
    expect_subject(context, "other.example", "CN=other");
    expect_subject(context, "OTHER.example", "CN=other");
    expect_subject(context, "a.wild.example", "CN=client");
    expect_subject(context, "a.b.wild.example", "CN=good");
    expect_subject(context, "wild.example", "CN=good");
    expect_subject(context, NULL, "CN=good");
    co_tls_context_free(context);
}

CO_TASK_TEST(reload_is_for_handshakes_from_then_on)
{
    co_tls_context *context = good_server();
    co_tls_context *for_client = good_client();
    struct end old_client, old_server;

    ck_assert_int_eq(shake(for_client, context, "localhost"), 0);
    old_client = client;
    old_server = server;
    ck_assert_int_eq(co_tls_server_add(context, "other.example",
                                       cert_file("other"), NULL),
                     0);
    ck_assert_int_eq(co_tls_reload(context, cert_file("client"), NULL), 0);
    ck_assert_int_eq(co_tls_server_add(context, "other.example",
                                       cert_file("future"), NULL),
                     0);
    expect_subject(context, "localhost", "CN=client");
    expect_subject(context, "other.example", "CN=future");
    say(old_client.stream, old_server.stream, "still here");
    ck_assert_int_lt(co_tls_reload(context, cert_file("empty"), NULL), 0);
    expect_subject(context, "localhost", "CN=client");
    client = old_client;
    server = old_server;
    ends_close();
    co_tls_context_free(context);
    co_tls_context_free(for_client);
}

/* ---- resumption ---------------------------------------------------------- */

static void resume(int version, int no_resumption, int expected)
{
    co_tls_context *for_server = good_server();
    co_tls_context *for_client = client_context(
        TLS_OPTIONS(.ca_file = cert_file("ca"), .version_max = version,
                    .no_resumption = no_resumption));

    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(shake(for_client, for_server, "localhost"), 0);
        ck_assert_int_eq(info_of(client.stream).resumed, i > 0 && expected);
        ck_assert_int_eq(info_of(server.stream).resumed, i > 0 && expected);
        ck_assert_str_eq(info_of(client.stream).verified, "ok");
        say(server.stream, client.stream, "with a ticket before it");
        ends_close();
    }
    ck_assert_int_eq(shake(for_client, for_server, "127.0.0.1"), 0);
    ck_assert_int_eq(info_of(client.stream).resumed, 0);
    ends_close();
    co_tls_context_free(for_client);
    co_tls_context_free(for_server);
}

CO_TASK_TEST(client_resumes_its_sessions_with_a_host)
{
    resume(CO_TLS_1_2, 0, 1);
    resume(CO_TLS_1_3, 0, 1);
}

CO_TASK_TEST(resumption_can_be_switched_off)
{
    resume(CO_TLS_1_2, 1, 0);
    resume(CO_TLS_1_3, 1, 0);
}

CO_TASK_TEST(oldest_sessions_are_forgotten)
{
    co_tls_context *for_server = good_server();
    co_tls_context *for_client =
        client_context(TLS_OPTIONS(.verify = CO_TLS_VERIFY_NONE));
    char host[32];

    for (int i = 0; i < 258; i++) {
        snprintf(host, sizeof(host), "host%d.example", i % 257);
        ck_assert_int_eq(shake(for_client, for_server, host), 0);
        ck_assert_int_eq(info_of(client.stream).resumed, 0);
        say(server.stream, client.stream, "with a ticket before it");
        ends_close();
    }
    ck_assert_int_eq(shake(for_client, for_server, "host256.example"), 0);
    ck_assert_int_eq(info_of(client.stream).resumed, 1);
    ends_close();
    co_tls_context_free(for_client);
    co_tls_context_free(for_server);
}

/* ---- how it ends otherwise ----------------------------------------------- */

static void expect_error(int error)
{
    ck_assert_int_eq(co_test_result(server.task), 0);
    ck_assert_int_eq(server.error, error);
    ck_assert_int_eq(co_stream_close(server.plain), 0);
}

static void server_alone(void)
{
    co_tls_context *context = good_server();

    pair_up(NULL, context, NULL);
    server.task = co_test_spawn(end_shakes, &server);
    co_test_yield();
    co_tls_context_free(context);
}

CO_TASK_TEST(garbage_is_a_protocol_error)
{
    server_alone();
    ck_assert_int_eq(
        co_stream_write(client.plain, "GET / HTTP/1.0\r\n\r\n", 18, NULL), 0);
    expect_error(-EPROTO);
    ck_assert_int_eq(co_stream_close(client.plain), 0);
}

CO_TASK_TEST(end_in_the_middle_of_a_handshake)
{
    server_alone();
    ck_assert_int_eq(co_stream_close(client.plain), 0);
    expect_error(-ECONNABORTED);
    server_alone();
    ck_assert_int_eq(co_stream_write(client.plain, "\x16\x03", 2, NULL), 0);
    ck_assert_int_eq(co_stream_close(client.plain), 0);
    expect_error(-ECONNABORTED);
}

CO_TASK_TEST(reset_in_the_middle_of_a_handshake)
{
    server_alone();
    co_stream_abort(client.plain);
    expect_error(-ECONNRESET);
}

CO_TASK_TEST(handshake_obeys_cancels_and_timeouts)
{
    co_tls_context *context = good_client();

    server_alone();
    ck_assert_int_eq(co_cancel(server.task), 1);
    expect_error(-ECANCELED);
    ck_assert_int_eq(co_stream_close(client.plain), 0);

    pair_up(context, NULL, "localhost");
    co_timeout(CO_MS)
        ck_assert_ptr_null(
            co_tls_connect(client.plain, context, "localhost", NULL));
    ck_assert_int_eq(errno, ETIMEDOUT);
    ck_assert_int_eq(co_stream_close(client.plain), 0);
    ck_assert_int_eq(co_stream_close(server.plain), 0);
    co_tls_context_free(context);
}

/* What wakes it first decides: what has come is looked at before the cancel. */
CO_TASK_TEST(garbage_before_a_cancel)
{
    server_alone();
    ck_assert_int_eq(co_stream_write(client.plain, "garbage", 7, NULL), 0);
    ck_assert_int_eq(co_cancel(server.task), 1);
    ck_assert_int_eq(co_test_result(server.task), 0);
    ck_assert_int_lt(server.error, 0);
    ck_assert_int_eq(co_stream_close(server.plain), 0);
    ck_assert_int_eq(co_stream_close(client.plain), 0);
}

CO_TASK_TEST(tls_may_start_after_a_greeting)
{
    co_tls_context *for_client = good_client();
    co_tls_context *for_server = good_server();
    char line[32];

    pair_up(for_client, for_server, "localhost");
    ck_assert_int_eq(co_stream_write(server.plain, "220 hello\r\n", 11, NULL),
                     0);
    ck_assert_int_eq(co_stream_read_line(client.plain, line, sizeof(line)), 9);
    ck_assert_int_eq(co_stream_write(client.plain, "STARTTLS\r\n", 10, NULL),
                     0);
    client.task = co_test_spawn(end_shakes, &client);
    co_test_yield(); /* its first words may be behind the line */
    ck_assert_int_eq(co_stream_read_line(server.plain, line, sizeof(line)), 8);
    end_shakes(&server);
    ck_assert_int_eq(co_test_result(client.task), 0);
    ck_assert_int_eq(client.error, 0);
    ck_assert_int_eq(server.error, 0);
    say(client.stream, server.stream, "secret");
    ends_close();
    co_tls_context_free(for_client);
    co_tls_context_free(for_server);
}

/* The program's errors, and those of other tasks, stay where they are, and
 * nobody takes them for his. */
CO_TASK_TEST(error_queue_is_left_as_it_was)
{
    unsigned long one = ERR_PACK(ERR_LIB_USER, 0, 1);
    unsigned long two = ERR_PACK(ERR_LIB_USER, 0, 2);

    ERR_raise(ERR_LIB_USER, 1);
    ERR_raise(ERR_LIB_USER, 2);
    connect_ends();
    say(client.stream, server.stream, "hello");
    ends_close();
    ck_assert_int_eq(shake_with("expired", "localhost"), -EKEYEXPIRED);
    ck_assert_uint_eq(ERR_get_error(), one);
    ck_assert_uint_eq(ERR_get_error(), two);
    ck_assert_uint_eq(ERR_get_error(), 0);
    ck_assert_int_eq(shake_with("expired", "localhost"), -EKEYEXPIRED);
    ck_assert_uint_eq(ERR_get_error(), 0);
}

/* ---- many ---------------------------------------------------------------- */

static struct many {
    co_tls_context *for_client, *for_server;
    int done;
} many;

static int one_of_many(void *arg)
{
    struct end ends[2] = {
        {.context = many.for_client, .host = "localhost"},
        {.context = many.for_server, .is_server = 1},
    };
    int fds[2];

    (void)arg;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
        return -errno;
    ends[0].plain = plain_of(fds[0]);
    ends[1].plain = plain_of(fds[1]);
    ends[1].task = co_test_spawn(end_shakes, &ends[1]);
    end_shakes(&ends[0]);
    ck_assert_int_eq(co_test_result(ends[1].task), 0);
    ck_assert_int_eq(ends[0].error, 0);
    ck_assert_int_eq(ends[1].error, 0);
    say(ends[0].stream, ends[1].stream, "one of many");
    many.done++;
    ck_assert_int_eq(co_stream_close(ends[0].stream), 0);
    return co_stream_close(ends[1].stream);
}

CO_TASK_TEST(thousand_handshakes_at_once)
{
    int count = co_test_scale(1000, CO_TEST_MEMCHECK ? 10 : 100);
    co_group group = {0};

    many = (struct many){good_client(), good_server(), 0};
    for (int i = 0; i < count; i++)
        ck_assert_ptr_nonnull(co_group_spawn(&group, one_of_many, NULL));
    ck_assert_int_eq(co_group_wait(&group), 0);
    ck_assert_int_eq(many.done, count);
    co_group_fini(&group);
    co_tls_context_free(many.for_client);
    co_tls_context_free(many.for_server);
}

static Suite *suite(void)
{
    Suite *s = suite_create("handshake");
    TCase *tc = tcase_create("handshake");

    tcase_add_unchecked_fixture(tc, cert_make_all, cert_remove_all);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, client_and_server_talk);
    tcase_add_test(tc, address_is_verified_too);
    tcase_add_test(tc, certificates_are_refused_with_distinct_errors);
    tcase_add_test(tc, verification_can_be_switched_off);
    tcase_add_test(tc, server_may_want_a_certificate);
    tcase_add_test(tc, client_without_a_good_certificate_is_refused);
    tcase_add_test(tc, protocol_is_the_first_that_the_server_likes);
    tcase_add_test(tc, versions_are_limited);
    tcase_add_test(tc, ciphers_can_be_chosen);
    tcase_add_test(tc, certificate_is_chosen_by_the_name_that_is_asked_for);
    tcase_add_test(tc, reload_is_for_handshakes_from_then_on);
    tcase_add_test(tc, client_resumes_its_sessions_with_a_host);
    tcase_add_test(tc, resumption_can_be_switched_off);
    tcase_add_test(tc, oldest_sessions_are_forgotten);
    tcase_add_test(tc, garbage_is_a_protocol_error);
    tcase_add_test(tc, end_in_the_middle_of_a_handshake);
    tcase_add_test(tc, reset_in_the_middle_of_a_handshake);
    tcase_add_test(tc, handshake_obeys_cancels_and_timeouts);
    tcase_add_test(tc, garbage_before_a_cancel);
    tcase_add_test(tc, tls_may_start_after_a_greeting);
    tcase_add_test(tc, error_queue_is_left_as_it_was);
    tcase_add_test(tc, thousand_handshakes_at_once);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
