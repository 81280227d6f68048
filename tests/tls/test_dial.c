/* SPDX-License-Identifier: MIT */
/* ctest: timeout=120 */
/* "tls://" in co_dial: whose certificate is wanted, what is refused, and every
 * stage at which it may be given up. */
#include <coppice/tls_dial.h>

#include <coppice/server.h>
#include <coppice/threadpool.h>

#include "io/dns_server.h"
#include "tls_support.h"

/* ---- a server ------------------------------------------------------------ */

static co_server *its_server;
static co_tls_context *its_context;
static int its_port;
static char asked_for[64]; /* the name in the last handshake, "" if none */

static int port_of(const co_addr *addr)
{
    return ntohs(((const struct sockaddr_in *)&addr->as)->sin_port);
}

static int echo(co_stream *stream, void *arg)
{
    const char *name = info_of(stream).server_name;
    char buffer[64];
    ssize_t n;

    (void)arg;
    snprintf(asked_for, sizeof(asked_for), "%s", name ? name : "");
    while ((n = co_stream_read(stream, buffer, sizeof(buffer))) > 0)
        if (co_stream_write(stream, buffer, (size_t)n, NULL) < 0)
            break;
    return 0;
}

static void start_server(const char *certificate)
{
    static const char *const address = "127.0.0.1:0";
    co_server_options options = {.size = sizeof(options), .wrap = co_tls_wrap};
    co_addr at;

    options.wrap_arg = its_context =
        server_context(TLS_OPTIONS(.certificate_file = cert_file(certificate)));
    its_server = co_server_start(&address, 1, echo, NULL, &options);
    ck_assert_ptr_nonnull(its_server);
    ck_assert_int_eq(co_server_address(its_server, 0, &at), 0);
    its_port = port_of(&at);
}

static void stop_server(void)
{
    ck_assert_int_eq(co_server_close(its_server, CO_SEC), 0);
    co_tls_context_free(its_context);
}

static const char *url_of(const char *host)
{
    static char url[128];

    snprintf(url, sizeof(url), "tls://%s:%d", host, its_port);
    return url;
}

static void expect_echo(co_stream *stream)
{
    say(stream, stream, "there and back");
    ck_assert_int_eq(co_stream_close(stream), 0);
}

/* ---- who is there -------------------------------------------------------- */

/* The first of localhost's addresses may be ::1, where nobody listens. */
CO_TASK_TEST(dial_verifies_the_host_of_the_url)
{
    static const char *const hosts[][2] = {{"localhost", "localhost"},
                                           {"127.0.0.1", ""}};
    co_tls_context *context = good_client();
    co_stream *stream = NULL;

    start_server("good");
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        ck_assert_int_eq(
            co_tls_dial(url_of(hosts[i][0]), context, NULL, &stream), 0);
        ck_assert_str_eq(info_of(stream).verified, "ok");
        expect_echo(stream);
        ck_assert_str_eq(asked_for, hosts[i][1]);
    }
    stop_server();
    co_tls_context_free(context);
}

CO_TASK_TEST(dot_at_the_end_of_a_host_is_not_in_its_certificate)
{
    struct dns_server names;
    co_dns_options dns = {.size = sizeof(dns), .search = ""};
    co_dial_options options = {.size = sizeof(options), .dns = &dns};
    co_tls_context *context = good_client();
    co_stream *stream = NULL;

    dns_start(&names);
    dns.servers = names.address;
    start_server("other");
    ck_assert_int_eq(co_tls_dial(url_of("l-1.wild.example."), context, &options,
                                 &stream),
                     0);
    expect_echo(stream);
    ck_assert_str_eq(asked_for, "l-1.wild.example");
    stop_server();
    co_tls_context_free(context);
    dns_stop(&names);
}

CO_TASK_TEST(certificates_are_refused_as_by_connect)
{
    static const struct {
        const char *certificate;
        int error;
    } refused[] = {
        {"other", -EREMCHG},
        {"expired", -EKEYEXPIRED},
        {"future", -EKEYEXPIRED},
        {"strays", -ENOKEY},
    };
    co_tls_context *context = good_client();

    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        co_dial_attempt tried[4];
        co_dial_attempts attempts = {.list = tried, .max = 4};
        co_dial_options options = {.size = sizeof(options),
                                   .attempts = &attempts};
        co_stream *stream = NULL;

        start_server(refused[i].certificate);
        ck_assert_int_eq(co_tls_dial(url_of("127.0.0.1"), context, &options,
                                     &stream),
                         refused[i].error);
        ck_assert_str_ne(co_tls_error_text(), "");
        ck_assert_ptr_null(stream);
        /* The address has answered. */
        ck_assert_uint_eq(attempts.count, 1);
        ck_assert_int_eq(tried[0].error, 0);
        stop_server();
    }
    co_tls_context_free(context);
}

static int do_nothing(co_stream *stream, void *arg)
{
    (void)stream;
    (void)arg;
    return 0;
}

CO_TASK_TEST(other_urls_are_dialled_as_ever)
{
    static const char *const address = "127.0.0.1:0";
    co_tls_context *context = good_client();
    co_stream *stream = NULL;
    char url[64];
    co_addr at;

    its_server = co_server_start(&address, 1, do_nothing, NULL, NULL);
    ck_assert_int_eq(co_server_address(its_server, 0, &at), 0);
    snprintf(url, sizeof(url), "tcp://127.0.0.1:%d", port_of(&at));
    ck_assert_int_eq(co_tls_dial(url, context, NULL, &stream), 0);
    ck_assert_int_eq(co_stream_close(stream), 0);
    ck_assert_int_eq(co_server_close(its_server, CO_SEC), 0);
    ck_assert_int_eq(co_tls_dial("ssl://a:1", context, NULL, &stream),
                     -EPROTONOSUPPORT);
    ck_assert_int_eq(co_tls_dial("tls://a", context, NULL, &stream), -EINVAL);
    ck_assert_int_eq(co_tls_dial("tls:a", context, NULL, &stream), -EINVAL);
    ck_assert_int_eq(co_tls_dial(NULL, context, NULL, &stream), -EINVAL);
    co_tls_context_free(context);
}

CO_TASK_TEST(bad_arguments_of_a_dial_are_refused)
{
    co_tls_context *context = good_client(), *wrong = good_server();
    co_dial_scheme scheme = {.size = sizeof(scheme)};
    co_dial_options options = {.size = sizeof(options), .scheme = &scheme};
    co_stream *stream = NULL;

    its_port = 1;
    ck_assert_int_eq(co_tls_dial(url_of("a"), NULL, NULL, &stream), -EINVAL);
    ck_assert_int_eq(co_tls_dial(url_of("a"), wrong, NULL, &stream), -EINVAL);
    ck_assert_int_eq(co_tls_dial(url_of("a"), context, NULL, NULL), -EINVAL);
    ck_assert_int_eq(co_tls_dial(url_of("a"), context, &options, &stream),
                     -EINVAL);
    options = (co_dial_options){.size = 1};
    ck_assert_int_eq(co_tls_dial(url_of("a"), context, &options, &stream),
                     -EINVAL);
    co_tls_context_free(context);
    co_tls_context_free(wrong);
}

/* In one test, since it is for good. */
CO_TASK_TEST(dial_knows_tls_once_it_is_registered)
{
    co_tls_context *context = good_client(), *wrong = good_server();
    co_stream *stream = NULL;

    start_server("good");
    ck_assert_int_eq(co_dial(url_of("localhost"), NULL, &stream),
                     -EPROTONOSUPPORT);
    ck_assert_int_eq(co_tls_register(wrong), -EINVAL);
    ck_assert_int_eq(co_tls_register(context), 0);
    ck_assert_int_eq(co_tls_register(context), -EEXIST);
    ck_assert_int_eq(co_tls_register(NULL), -EEXIST);
    co_tls_context_free(context);
    ck_assert_int_eq(co_dial(url_of("localhost"), NULL, &stream), 0);
    expect_echo(stream);
    ck_assert_int_eq(co_dial_fd(url_of("localhost"), NULL), -EPROTONOSUPPORT);

    /* Another context for one call: it trusts others. */
    context = client_context(TLS_OPTIONS(.ca_file = cert_file("untrusted_ca")));
    ck_assert_int_eq(co_tls_dial(url_of("localhost"), context, NULL, &stream),
                     -ENOKEY);
    co_tls_context_free(context);
    co_tls_context_free(wrong);
    stop_server();
}

/* Outside a task everything waits by blocking. */
static int dial_in_thread(void *context)
{
    co_stream *stream = NULL;
    char byte = 'x';
    int r = co_tls_dial(url_of("127.0.0.1"), context, NULL, &stream);

    if (r == 0)
        r = co_stream_write(stream, &byte, 1, NULL);
    if (r == 0)
        r = (int)co_stream_read(stream, &byte, 1);
    return r < 0 ? r : co_stream_close(stream);
}

CO_TASK_TEST(thread_without_a_loop_dials)
{
    co_tls_context *context = good_client();

    start_server("good");
    ck_assert_int_eq(co_offload(dial_in_thread, context), 0);
    stop_server();
    co_tls_context_free(context);
}

/* ---- given up ------------------------------------------------------------ */

struct dialling {
    const char *url;
    co_tls_context *context;
    const co_dial_options *options;
    co_stream *stream;
    int result, after;
};

static int dial_in_task(void *arg)
{
    struct dialling *it = arg;

    it->result = co_tls_dial(it->url, it->context, it->options, &it->stream);
    it->after = co_yield_now();
    return 0;
}

/* A dial that cannot end is ended by a cancel, and by a timeout. */
static void give_up(const char *url, const co_dial_options *options)
{
    struct dialling it = {.url = url, .options = options};
    co_task *task;

    it.context = good_client();
    task = co_test_spawn(dial_in_task, &it);
    ck_assert_int_eq(co_sleep(20 * CO_MS), 0); /* well into it */
    ck_assert_int_eq(co_cancel(task), 1);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(it.result, -ECANCELED);
    ck_assert_ptr_null(it.stream);
    co_timeout(20 * CO_MS) {
        ck_assert_int_eq(co_tls_dial(url, it.context, options, &it.stream),
                         -ETIMEDOUT);
    }
    ck_assert_ptr_null(it.stream);
    co_tls_context_free(it.context);
}

CO_TASK_TEST(dial_is_given_up_in_the_lookup)
{
    struct dns_server names;
    co_dns_options dns = {.size = sizeof(dns), .search = ""};
    co_dial_options options = {.size = sizeof(options), .dns = &dns};

    dns_start(&names);
    dns.servers = names.address;
    give_up("tls://never.test:1", &options);
    dns_stop(&names);
}

/* The backlog is full: what is sent there is dropped. */
CO_TASK_TEST(dial_is_given_up_in_the_connect)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), filler[4];
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, len), 0);
    ck_assert_int_eq(listen(fd, 0), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    its_port = ntohs(at.sin_port);
    for (int i = 0; i < 4; i++) {
        filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(filler[i], (struct sockaddr *)&at, len);
    }
    give_up(url_of("127.0.0.1"), NULL);
    for (int i = 0; i < 4; i++)
        close(filler[i]);
    close(fd);
}

/* It is connected to, and says nothing. */
CO_TASK_TEST(dial_is_given_up_in_the_handshake)
{
    int fd = co_tcp_listen("127.0.0.1:0", 8);

    its_port = atoi(strrchr(bound_to(fd), ':') + 1);
    give_up(url_of("127.0.0.1"), NULL);
    ck_assert_int_eq(co_close(fd), 0);
}

CO_TASK_TEST(stream_that_was_made_before_the_cancel_is_kept)
{
    struct dialling it = {.context = good_client()};
    co_task *task;

    start_server("good");
    it.url = url_of("127.0.0.1");
    task = co_test_spawn(dial_in_task, &it);
    it.result = 1;
    while (it.result == 1)
        co_test_yield();
    (void)co_cancel(task);
    ck_assert_int_eq(co_test_result(task), 0);
    ck_assert_int_eq(it.result, 0);
    expect_echo(it.stream);
    stop_server();
    co_tls_context_free(it.context);
}

CO_TASK_TEST(cancelled_task_dials_nobody)
{
    co_tls_context *context = good_client();
    co_stream *stream = NULL;

    its_port = 1;
    ck_assert_int_eq(co_cancel(co_self()), 1);
    ck_assert_int_eq(co_tls_dial(url_of("127.0.0.1"), context, NULL, &stream),
                     -ECANCELED);
    ck_assert_int_eq(co_uncancel(co_self()), 0);
    co_tls_context_free(context);
}

static int resets; /* or else it hangs up */

/* A server that ends connections before it has said anything. */
static int end_it(void *arg)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    int fd = co_accept(*(int *)arg, NULL, NULL);
    char byte;

    ck_assert_int_eq(co_read(fd, &byte, 1), 1);
    if (resets)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    else
        while (recv(fd, &(char[512]){0}, 512, MSG_DONTWAIT) > 0)
            continue; /* or it would be a reset, too */
    return co_close(fd);
}

CO_TASK_TEST(server_that_ends_the_handshake_is_an_error)
{
    co_tls_context *context = good_client();
    int fd = co_tcp_listen("127.0.0.1:0", 8);

    its_port = atoi(strrchr(bound_to(fd), ':') + 1);
    for (resets = 0; resets < 2; resets++) {
        co_task *task = co_test_spawn(end_it, &fd);
        co_stream *stream = NULL;

        ck_assert_int_eq(co_tls_dial(url_of("127.0.0.1"), context, NULL,
                                     &stream),
                         resets ? -ECONNRESET : -ECONNABORTED);
        ck_assert_int_eq(co_test_result(task), 0);
    }
    ck_assert_int_eq(co_close(fd), 0);
    co_tls_context_free(context);
}

static Suite *suite(void)
{
    co_dns_options options = {.size = sizeof(options), .servers = "nonsense"};
    co_addrinfo *info;
    int has_dns = co_getaddrinfo("a", NULL, &options, &info) != -ENOTSUP;
    Suite *s = suite_create("tls.dial");
    TCase *tc = tcase_create("dial");

    tcase_add_unchecked_fixture(tc, cert_make_all, cert_remove_all);
    co_test_check_fds(tc);
    tcase_add_test(tc, dial_verifies_the_host_of_the_url);
    if (has_dns)
        tcase_add_test(tc, dot_at_the_end_of_a_host_is_not_in_its_certificate);
    tcase_add_test(tc, certificates_are_refused_as_by_connect);
    tcase_add_test(tc, other_urls_are_dialled_as_ever);
    tcase_add_test(tc, bad_arguments_of_a_dial_are_refused);
    tcase_add_test(tc, dial_knows_tls_once_it_is_registered);
    tcase_add_test(tc, thread_without_a_loop_dials);
    if (has_dns)
        tcase_add_test(tc, dial_is_given_up_in_the_lookup);
    tcase_add_test(tc, dial_is_given_up_in_the_connect);
    tcase_add_test(tc, dial_is_given_up_in_the_handshake);
    tcase_add_test(tc, stream_that_was_made_before_the_cancel_is_kept);
    tcase_add_test(tc, cancelled_task_dials_nobody);
    tcase_add_test(tc, server_that_ends_the_handshake_is_an_error);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
