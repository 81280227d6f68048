/* SPDX-License-Identifier: MIT */
/* What a stream tells of itself. */
#include <coppice/stream_info.h>
#include <coppice/stream_ops.h>

#include "io_support.h"

#include <netinet/in.h>
#include <sys/un.h>

static co_stream *stream_of(int fd, size_t write_buffer)
{
    co_stream_options options = {.size = sizeof(options),
                                 .write_buffer = write_buffer};
    co_stream *stream = co_stream_new(fd, &options);

    ck_assert_ptr_nonnull(stream);
    return stream;
}

static const char *text_of(const co_addr *addr)
{
    static char text[CO_ADDR_TEXT_MAX];

    ck_assert_int_gt(
        co_addr_format(&addr->as.any, addr->len, text, sizeof(text)), 0);
    return text;
}

static void check_addresses(const char *listen_on)
{
    co_stream *server, *client;
    co_addr here, there;
    char text[CO_ADDR_TEXT_MAX];
    int fds[2];

    tcp_pair_at(listen_on, fds);
    server = stream_of(fds[0], 0);
    client = stream_of(fds[1], 0);
    ck_assert_int_eq(co_stream_local_address(client, &here), 0);
    ck_assert_int_eq(co_stream_peer_address(server, &there), 0);
    snprintf(text, sizeof(text), "%s", text_of(&here));
    ck_assert_str_eq(text_of(&there), text);
    ck_assert_str_eq(text, bound_to(fds[1]));
    ck_assert_int_eq(co_stream_peer_address(client, &there), 0);
    ck_assert_str_eq(text_of(&there), bound_to(fds[0]));
    ck_assert_int_eq(co_stream_close(server), 0);
    ck_assert_int_eq(co_stream_close(client), 0);
}

CO_TASK_TEST(one_ends_own_address_is_the_others_peer)
{
    check_addresses("127.0.0.1:0");
    check_addresses("[::1]:0");
}

CO_TASK_TEST(unix_socket_that_was_listened_on_has_a_name)
{
    char path[] = "/tmp/coppice-info-XXXXXX", name[64];
    co_stream *server, *client;
    int listener, fd;
    co_addr addr;

    ck_assert_ptr_nonnull(mkdtemp(path));
    snprintf(name, sizeof(name), "%s/socket", path);
    listener = co_unix_listen(name, 0);
    ck_assert_int_ge(listener, 0);
    fd = co_unix_dial(name);
    ck_assert_int_ge(fd, 0);
    client = stream_of(fd, 0);
    server = stream_of(co_accept(listener, NULL, NULL), 0);
    ck_assert_int_eq(co_stream_peer_address(client, &addr), 0);
    ck_assert_str_eq(text_of(&addr), name);
    ck_assert_int_eq(co_stream_local_address(server, &addr), 0);
    ck_assert_str_eq(text_of(&addr), name);
    ck_assert_int_eq(co_stream_peer_address(server, &addr), 0);
    ck_assert_uint_eq(addr.len, offsetof(struct sockaddr_un, sun_path));
    ck_assert_int_eq(addr.as.any.sa_family, AF_UNIX);
    ck_assert_int_eq(co_stream_close(server), 0);
    ck_assert_int_eq(co_stream_close(client), 0);
    ck_assert_int_eq(co_close(listener), 0);
    ck_assert_int_eq(unlink(name), 0);
    ck_assert_int_eq(rmdir(path), 0);
}

CO_TASK_TEST(what_has_no_address_says_so_and_writes_none)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    co_addr addr = {.len = 77};
    co_stream *stream;
    char byte;
    int fds[2];

    pipe_pair(fds);
    stream = stream_of(fds[0], 0);
    ck_assert_int_eq(co_stream_peer_address(stream, &addr), -ENOTSOCK);
    ck_assert_int_eq(co_stream_local_address(stream, &addr), -ENOTSOCK);
    ck_assert_int_eq(co_stream_peer_address(NULL, &addr), -EINVAL);
    ck_assert_int_eq(co_stream_local_address(stream, NULL), -EINVAL);
    ck_assert_int_eq(co_stream_close(stream), 0);
    ck_assert_int_eq(co_close(fds[1]), 0);

    tcp_pair(fds);
    stream = stream_of(fds[0], 0);
    ck_assert_int_eq(setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &at_once,
                                sizeof(at_once)),
                     0);
    ck_assert_int_eq(co_close(fds[1]), 0);
    ck_assert_int_eq(co_stream_read(stream, &byte, 1), -ECONNRESET);
    ck_assert_int_eq(co_stream_peer_address(stream, &addr), -ENOTCONN);
    ck_assert_int_eq(co_stream_close(stream), 0);
    ck_assert_uint_eq(addr.len, 77);
}

/* ---- layers -------------------------------------------------------------- */

static ssize_t no_bytes(void *arg, void *buffer, size_t len)
{
    (void)arg;
    (void)buffer;
    (void)len;
    return 0;
}

static ssize_t all_taken(void *arg, const struct iovec *iov, int count)
{
    (void)arg;
    (void)count;
    return (ssize_t)iov->iov_len;
}

static int nothing_behind(void *arg)
{
    (void)arg;
    return 0;
}

static co_stream *itself(void *arg)
{
    return arg;
}

static const co_stream_ops layer = {.size = sizeof(layer),
                                    .read = no_bytes,
                                    .writev = all_taken,
                                    .close = nothing_behind,
                                    .below = itself};
static const co_stream_ops bottom = {.size = sizeof(bottom),
                                     .read = no_bytes,
                                     .writev = all_taken,
                                     .close = nothing_behind};

CO_TASK_TEST(descriptor_is_found_below_layers)
{
    co_stream *plain, *over, *over_that, *nowhere, *over_nothing;
    co_addr addr;
    int fds[2];

    tcp_pair(fds);
    plain = stream_of(fds[0], 0);
    over = co_stream_over(&layer, plain, NULL);
    over_that = co_stream_over(&layer, over, NULL);
    nowhere = co_stream_over(&bottom, NULL, NULL);
    over_nothing = co_stream_over(&layer, NULL, NULL);
    ck_assert_int_eq(co_stream_fd(NULL), -EINVAL);
    ck_assert_int_eq(co_stream_fd(plain), fds[0]);
    ck_assert_int_eq(co_stream_fd(over_that), fds[0]);
    ck_assert_int_eq(co_stream_peer_address(over_that, &addr), 0);
    ck_assert_str_eq(text_of(&addr), bound_to(fds[1]));
    ck_assert_int_eq(co_stream_fd(nowhere), -ENOTSUP);
    ck_assert_int_eq(co_stream_local_address(nowhere, &addr), -ENOTSUP);
    ck_assert_int_eq(co_stream_fd(over_nothing), -EBADF);
    ck_assert_int_eq(co_stream_close(over_nothing), 0);
    ck_assert_int_eq(co_stream_close(nowhere), 0);
    ck_assert_int_eq(co_stream_close(over_that), 0);
    ck_assert_int_eq(co_stream_close(over), 0);
    ck_assert_int_eq(co_stream_close(plain), 0);
    ck_assert_int_eq(co_close(fds[1]), 0);
}

/* ---- counts -------------------------------------------------------------- */

static void check_stats(const co_stream *stream, uint64_t bytes_read,
                        size_t read_ahead, uint64_t bytes_written,
                        size_t held_back)
{
    co_stream_stats stats = {.size = sizeof(stats)};

    ck_assert_int_eq(co_stream_stats_get(stream, &stats), 0);
    ck_assert_uint_eq(stats.bytes_read, bytes_read);
    ck_assert_uint_eq(stats.read_ahead, read_ahead);
    ck_assert_uint_eq(stats.bytes_written, bytes_written);
    ck_assert_uint_eq(stats.held_back, held_back);
}

CO_TASK_TEST(what_passes_is_counted)
{
    static char much[20000];
    co_stream *reader, *writer;
    char byte;
    int fds[2];

    tcp_pair(fds);
    reader = stream_of(fds[0], 0);
    writer = stream_of(fds[1], 100);
    check_stats(reader, 0, 0, 0, 0);
    ck_assert_int_eq(co_stream_write(writer, "12345678", 8, NULL), 0);
    check_stats(writer, 0, 0, 0, 8);
    ck_assert_int_eq(co_stream_flush(writer), 0);
    check_stats(writer, 0, 0, 8, 0);
    ck_assert_int_eq(co_stream_read(reader, &byte, 1), 1);
    check_stats(reader, 8, 7, 0, 0);
    ck_assert_int_eq(co_stream_skip(reader, 7), 0);
    check_stats(reader, 8, 0, 0, 0);
    ck_assert_int_eq(co_stream_write(writer, much, sizeof(much), NULL), 0);
    check_stats(writer, 0, 0, 20008, 0);
    ck_assert_int_eq(co_stream_read_exactly(reader, much, sizeof(much), NULL),
                     0);
    check_stats(reader, 20008, 0, 0, 0);
    ck_assert_int_eq(co_stream_close(writer), 0);
    ck_assert_int_eq(co_stream_read(reader, &byte, 1), 0);
    check_stats(reader, 20008, 0, 0, 0);
    ck_assert_int_eq(co_stream_close(reader), 0);
}

CO_TASK_TEST(bad_arguments_are_refused)
{
    co_stream_stats stats = {.size = sizeof(stats) - 1};
    co_stream *stream = co_stream_over(&bottom, NULL, NULL);

    ck_assert_int_eq(co_stream_stats_get(stream, &stats), -EINVAL);
    ck_assert_int_eq(co_stream_stats_get(stream, NULL), -EINVAL);
    stats.size = sizeof(stats);
    ck_assert_int_eq(co_stream_stats_get(NULL, &stats), -EINVAL);
    ck_assert_int_eq(co_stream_stats_get(stream, &stats), 0);
    ck_assert_int_eq(co_stream_close(stream), 0);
}

static Suite *suite(void)
{
    Suite *s = suite_create("io.stream_info");
    TCase *tc = tcase_create("info");

    co_test_check_fds(tc);
    tcase_add_test(tc, one_ends_own_address_is_the_others_peer);
    tcase_add_test(tc, unix_socket_that_was_listened_on_has_a_name);
    tcase_add_test(tc, what_has_no_address_says_so_and_writes_none);
    tcase_add_test(tc, descriptor_is_found_below_layers);
    tcase_add_test(tc, what_passes_is_counted);
    tcase_add_test(tc, bad_arguments_are_refused);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
