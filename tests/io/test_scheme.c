/* SPDX-License-Identifier: MIT */
/* Schemes of others in co_dial: what they are given, what becomes of their
 * failures, and who may be registered. */
#include <coppice/dial.h>

#include <coppice/cancel.h>

#include "io_support.h"

/* ---- a scheme ------------------------------------------------------------ */

/* What the wrap of a scheme was given, and what it is to do. */
static struct {
    int calls;
    char host[256];
    const co_stream_options *options;
    void *arg;
    co_stream *plain;
    int error;     /* refuse */
    co_time sleep; /* wait first */
} seen;

static co_stream *look(co_stream *plain, const char *host,
                       const co_stream_options *options, void *arg)
{
    int r = seen.sleep ? co_sleep(seen.sleep) : 0;

    seen.calls++;
    snprintf(seen.host, sizeof(seen.host), "%s", host);
    seen.options = options;
    seen.arg = arg;
    seen.plain = plain;
    errno = r < 0 ? -r : seen.error;
    return errno ? NULL : plain;
}

static int its_arg;
static const co_dial_scheme scheme = {sizeof(scheme), "x-test+1.0", look,
                                      &its_arg};

static int listener;
static char url[320];

static const char *url_with(const char *prefix)
{
    snprintf(url, sizeof(url), "%s:%s", prefix,
             strrchr(bound_to(listener), ':') + 1);
    return url;
}

static void listen_at(const char *address)
{
    memset(&seen, 0, sizeof(seen));
    listener = co_tcp_listen(address, 8);
    ck_assert_int_ge(listener, 0);
}

static co_dial_options with_scheme(void)
{
    return (co_dial_options){.size = sizeof(co_dial_options),
                             .scheme = &scheme};
}

/* ---- dialling ------------------------------------------------------------ */

CO_TASK_TEST(scheme_makes_the_stream_of_one_that_is_connected)
{
    co_stream_options how = {.size = sizeof(how), .buffer_max = 100};
    co_dial_options options = with_scheme();
    co_stream *stream = NULL;

    listen_at("127.0.0.1:0");
    options.stream = &how;
    ck_assert_int_eq(
        co_dial(url_with("x-test+1.0://127.0.0.1"), &options, &stream), 0);
    ck_assert_int_eq(seen.calls, 1);
    ck_assert_str_eq(seen.host, "127.0.0.1");
    ck_assert_ptr_eq(seen.options, &how);
    ck_assert_ptr_eq(seen.arg, &its_arg);
    ck_assert_ptr_eq(stream, seen.plain);
    ck_assert_int_eq(co_stream_close(stream), 0);
    ck_assert_int_eq(co_close(listener), 0);
}

CO_TASK_TEST(scheme_gets_an_address_without_its_brackets)
{
    co_dial_options options = with_scheme();
    co_stream *stream = NULL;

    listen_at("[::1]:0");
    ck_assert_int_eq(co_dial(url_with("x-test+1.0://[::1]"), &options, &stream),
                     0);
    ck_assert_str_eq(seen.host, "::1");
    ck_assert_ptr_null(seen.options);
    ck_assert_int_eq(co_stream_close(stream), 0);
    ck_assert_int_eq(co_close(listener), 0);
}

CO_TASK_TEST(scheme_that_refuses_leaves_nothing_open)
{
    co_dial_options options = with_scheme();
    co_stream *stream = NULL;

    listen_at("127.0.0.1:0");
    seen.error = EKEYREJECTED;
    ck_assert_int_eq(co_dial(url_with("x-test+1.0://127.0.0.1"), &options,
                             &stream),
                     -EKEYREJECTED);
    ck_assert_int_eq(seen.calls, 1);
    ck_assert_ptr_null(stream);
    ck_assert_int_eq(co_close(listener), 0);
}

CO_TASK_TEST(scheme_is_within_the_limits_of_the_caller)
{
    co_dial_options options = with_scheme();
    co_stream *stream = NULL;

    listen_at("127.0.0.1:0");
    seen.sleep = 100 * CO_SEC;
    co_timeout(5 * CO_MS) {
        ck_assert_int_eq(co_dial(url_with("x-test+1.0://127.0.0.1"), &options,
                                 &stream),
                         -ETIMEDOUT);
    }
    ck_assert_int_eq(seen.calls, 1);
    ck_assert_int_eq(co_close(listener), 0);
}

CO_TASK_TEST(scheme_is_not_asked_if_nobody_is_connected)
{
    char address[32];
    co_dial_options options = with_scheme();
    co_stream *stream = NULL;

    snprintf(address, sizeof(address), "127.0.0.1:%d", co_test_port());
    listen_at(address);
    (void)url_with("x-test+1.0://127.0.0.1");
    ck_assert_int_eq(co_close(listener), 0);
    ck_assert_int_eq(co_dial(url, &options, &stream), -ECONNREFUSED);
    ck_assert_int_eq(seen.calls, 0);
}

CO_TASK_TEST(scheme_has_no_descriptor_to_give)
{
    co_dial_options options = with_scheme();

    memset(&seen, 0, sizeof(seen));
    ck_assert_int_eq(co_dial_fd("x-test+1.0://127.0.0.1:1", &options),
                     -EPROTONOSUPPORT);
    ck_assert_int_eq(seen.calls, 0);
}

CO_TASK_TEST(bad_schemes_are_refused)
{
    static const char *const bad[] = {"", "X", "1x", "a b", "a:", "a/", "a_b"};
    co_dial_scheme other = scheme;
    co_dial_options options = with_scheme();
    co_stream *stream = NULL;

    options.scheme = &other;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        other.name = bad[i];
        ck_assert_int_eq(co_dial_register(&other), -EINVAL);
        ck_assert_int_eq(co_dial("tcp://127.0.0.1:1", &options, &stream),
                         -EINVAL);
    }
    other = scheme;
    other.name = NULL;
    ck_assert_int_eq(co_dial_register(&other), -EINVAL);
    other = scheme;
    other.wrap = NULL;
    ck_assert_int_eq(co_dial_register(&other), -EINVAL);
    other = scheme;
    other.size--;
    ck_assert_int_eq(co_dial_register(&other), -EINVAL);
    ck_assert_int_eq(co_dial_register(NULL), -EINVAL);
    options = with_scheme();
    ck_assert_int_eq(co_dial("x-test+1.0://nowhere", &options, &stream),
                     -EINVAL);
    ck_assert_int_eq(co_dial("x-test+1.0:nowhere", &options, &stream), -EINVAL);
    ck_assert_int_eq(co_dial("x-test+1://a:1", &options, &stream),
                     -EPROTONOSUPPORT);
    ck_assert_int_eq(co_dial("x-test+1.00://a:1", &options, &stream),
                     -EPROTONOSUPPORT);
}

/* ---- registered ---------------------------------------------------------- */

static const co_dial_scheme many[] = {
    {sizeof(scheme), "a0", look, NULL}, {sizeof(scheme), "a1", look, NULL},
    {sizeof(scheme), "a2", look, NULL}, {sizeof(scheme), "a3", look, NULL},
    {sizeof(scheme), "a4", look, NULL}, {sizeof(scheme), "a5", look, NULL},
    {sizeof(scheme), "a6", look, NULL}, {sizeof(scheme), "a7", look, NULL},
    {sizeof(scheme), "a8", look, NULL},
};

/* In one test, since it is for good. */
CO_TASK_TEST(registered_schemes_are_known_to_all)
{
    static const char *const ours[] = {"tcp", "udp", "unix"};
    co_dial_scheme other = scheme;
    co_dial_options options = with_scheme();
    co_stream *stream = NULL;

    for (size_t i = 0; i < 3; i++) {
        other.name = ours[i];
        ck_assert_int_eq(co_dial_register(&other), -EEXIST);
    }
    listen_at("127.0.0.1:0");
    ck_assert_int_eq(co_dial(url_with("a7://127.0.0.1"), NULL, &stream),
                     -EPROTONOSUPPORT);
    for (size_t i = 0; i < 8; i++)
        ck_assert_int_eq(co_dial_register(&many[i]), 0);
    ck_assert_int_eq(co_dial_register(&many[8]), -ENOSPC);
    other.name = "a7";
    ck_assert_int_eq(co_dial_register(&other), -EEXIST);
    ck_assert_int_eq(co_dial(url_with("a7://127.0.0.1"), NULL, &stream), 0);
    ck_assert_ptr_null(seen.arg);
    ck_assert_int_eq(co_stream_close(stream), 0);
    ck_assert_int_eq(co_dial("a8://127.0.0.1:1", NULL, &stream),
                     -EPROTONOSUPPORT);

    /* What is in the options comes first. */
    options.scheme = &other;
    ck_assert_int_eq(co_dial(url_with("a7://127.0.0.1"), &options, &stream), 0);
    ck_assert_ptr_eq(seen.arg, &its_arg);
    ck_assert_int_eq(co_stream_close(stream), 0);
    ck_assert_int_eq(co_close(listener), 0);
}

static Suite *suite(void)
{
    Suite *s = suite_create("io.scheme");
    TCase *tc = tcase_create("schemes");

    co_test_check_fds(tc);
    tcase_add_test(tc, scheme_makes_the_stream_of_one_that_is_connected);
    tcase_add_test(tc, scheme_gets_an_address_without_its_brackets);
    tcase_add_test(tc, scheme_that_refuses_leaves_nothing_open);
    tcase_add_test(tc, scheme_is_within_the_limits_of_the_caller);
    tcase_add_test(tc, scheme_is_not_asked_if_nobody_is_connected);
    tcase_add_test(tc, scheme_has_no_descriptor_to_give);
    tcase_add_test(tc, bad_schemes_are_refused);
    tcase_add_test(tc, registered_schemes_are_known_to_all);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
