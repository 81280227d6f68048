/* SPDX-License-Identifier: MIT */
/* What the tests of TLS share: contexts, and two ends that shake hands. */
#ifndef CO_TESTS_TLS_SUPPORT_H
#define CO_TESTS_TLS_SUPPORT_H

#include <coppice/cancel.h>
#include <coppice/stream_ops.h>
#include <coppice/tls.h>

#include "certificates.h"
#include "io/io_support.h"

#include <openssl/err.h>

#define TLS_OPTIONS(...)                                                       \
    &(co_tls_options)                                                          \
    {                                                                          \
        .size = sizeof(co_tls_options), __VA_ARGS__                            \
    }

static inline co_tls_context *server_context(const co_tls_options *options)
{
    co_tls_context *context = co_tls_server_new(options);

    ck_assert_msg(context != NULL, "%s", co_tls_error_text());
    return context;
}

static inline co_tls_context *client_context(const co_tls_options *options)
{
    co_tls_context *context = co_tls_client_new(options);

    ck_assert_msg(context != NULL, "%s", co_tls_error_text());
    return context;
}

static inline co_tls_context *good_server(void)
{
    return server_context(TLS_OPTIONS(.certificate_file = cert_file("good")));
}

static inline co_tls_context *good_client(void)
{
    return client_context(TLS_OPTIONS(.ca_file = cert_file("ca")));
}

/* One end of a connection, which shakes hands as a task. */
struct end {
    co_stream *plain, *stream;
    co_tls_context *context;
    const char *host; /* a client's */
    int is_server, error;
    co_task *task;
};

static inline int end_shakes(void *arg)
{
    struct end *end = arg;

    end->stream = end->is_server ? co_tls_accept(end->plain, end->context, NULL)
                                 : co_tls_connect(end->plain, end->context,
                                                  end->host, NULL);
    end->error = end->stream ? 0 : -errno;
    return 0;
}

/* The two ends of one connection. */
static struct end client, server;

static inline co_stream *plain_of(int fd)
{
    co_stream *stream = co_stream_new(fd, NULL);

    ck_assert_ptr_nonnull(stream);
    return stream;
}

static int small_buffers; /* of the kernel, in connections to come */

static inline void make_small(int fd)
{
    int bytes = 8192;

    ck_assert_int_eq(
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
    ck_assert_int_eq(
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
}

/* Connected, with no word said. */
static inline void pair_up(co_tls_context *for_client,
                           co_tls_context *for_server, const char *host)
{
    int fds[2];

    tcp_pair(fds);
    if (small_buffers) {
        make_small(fds[0]);
        make_small(fds[1]);
    }
    client = (struct end){
        .plain = plain_of(fds[1]), .context = for_client, .host = host};
    server = (struct end){
        .plain = plain_of(fds[0]), .context = for_server, .is_server = 1};
}

/* Both shake hands; who fails hangs up. The client's error. */
static inline int shake(co_tls_context *for_client, co_tls_context *for_server,
                        const char *host)
{
    pair_up(for_client, for_server, host);
    server.task = co_test_spawn(end_shakes, &server);
    end_shakes(&client);
    if (!client.stream)
        ck_assert_int_eq(co_stream_close(client.plain), 0);
    ck_assert_int_eq(co_test_result(server.task), 0);
    if (!server.stream)
        ck_assert_int_eq(co_stream_close(server.plain), 0);
    return client.error;
}

static inline void ends_close(void)
{
    if (client.stream)
        ck_assert_int_eq(co_stream_close(client.stream), 0);
    if (server.stream)
        co_stream_abort(server.stream);
    client.stream = server.stream = NULL;
}

/* A connection that works. */
static inline void connect_ends(void)
{
    co_tls_context *for_client = good_client();
    co_tls_context *for_server = good_server();

    ck_assert_msg(shake(for_client, for_server, "localhost") == 0, "%s",
                  co_tls_error_text());
    ck_assert_int_eq(server.error, 0);
    co_tls_context_free(for_client);
    co_tls_context_free(for_server);
}

static inline co_tls_info info_of(const co_stream *stream)
{
    co_tls_info info = {.size = sizeof(info)};

    ck_assert_int_eq(co_tls_info_get(stream, &info), 0);
    return info;
}

/* Text from one end arrives at the other. */
static inline void say(co_stream *from, co_stream *to, const char *text)
{
    char got[256];
    size_t len = strlen(text);

    ck_assert_int_eq(co_stream_write(from, text, len, NULL), 0);
    ck_assert_int_eq(co_stream_read_exactly(to, got, len, NULL), 0);
    ck_assert_mem_eq(got, text, len);
}

#endif
