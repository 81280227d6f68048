/* SPDX-License-Identifier: MIT */
/* Servers: addresses, handlers, limits, lack of descriptors, and every way to
 * end them. */
#include <coppice/server.h>

#include <coppice/alloc.h>
#include <coppice/cancel.h>
#include <coppice/event.h>

#include "base/alloc.h"
#include "io/server.h"
#include "io_support.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

/* ---- what accept(2) says ------------------------------------------------- */

static int accept_error; /* for so many calls... */
static int accept_errors_left;

/* By its name for the linker: glibc declares it with a type of its own. */
int accept_or_fail(int fd, struct sockaddr *addr, socklen_t *len,
                   int flags) __asm__("accept4");

int accept_or_fail(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    if (accept_errors_left > 0) {
        accept_errors_left--;
        errno = accept_error;
        return -1;
    }
    return (int)syscall(SYS_accept4, fd, addr, len, flags);
}

/* ---- servers and clients ------------------------------------------------- */

static const char *const loopback[] = {"127.0.0.1:0"};

/* What handlers have done. */
static int begun, ended;
static int last_result;

static co_server *start_with(co_server_fn fn, const co_server_options *options)
{
    co_server *server = co_server_start(loopback, 1, fn, NULL, options);

    begun = ended = 0;
    last_result = 0;
    ck_assert_ptr_nonnull(server);
    return server;
}

static co_server *start(co_server_fn fn)
{
    return start_with(fn, NULL);
}

static int dial_at(const co_server *server, size_t index)
{
    char text[CO_ADDR_TEXT_MAX];
    co_addr addr;
    int fd;

    ck_assert_int_eq(co_server_address(server, index, &addr), 0);
    ck_assert_int_gt(co_addr_format(&addr.as.any, addr.len, text, sizeof(text)),
                     0);
    fd = addr.as.any.sa_family == AF_UNIX ? co_unix_dial(text)
                                          : co_tcp_dial(text);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static int dial(const co_server *server)
{
    return dial_at(server, 0);
}

/* The same without giving way: nothing is accepted meanwhile. */
static int dial_at_once(const co_server *server)
{
    co_addr addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(co_server_address(server, 0, &addr), 0);
    ck_assert_int_eq(connect(fd, &addr.as.any, addr.len), 0);
    ck_assert_int_eq(co_adopt(fd), 0);
    return fd;
}

static void close_well(co_server *server)
{
    ck_assert_int_eq(co_server_close(server, 0), 0);
}

static co_server_stats stats_of(const co_server *server)
{
    co_server_stats stats = {.size = sizeof(stats)};

    ck_assert_int_eq(co_server_stats_get(server, &stats), 0);
    return stats;
}

static void until_begun(int count)
{
    while (begun < count)
        ck_assert_int_eq(co_sleep(CO_MS / 4), 0);
}

/* Every byte comes back. */
static int echo(co_stream *stream, void *arg)
{
    char buffer[4096];
    ssize_t n;

    (void)arg;
    begun++;
    while ((n = co_stream_read(stream, buffer, sizeof(buffer))) > 0)
        if ((n = co_stream_write(stream, buffer, (size_t)n, NULL)) < 0)
            break;
    ended++;
    last_result = (int)n;
    return (int)n;
}

static int hold_on(co_stream *stream, void *arg)
{
    int r;

    (void)stream;
    (void)arg;
    begun++;
    r = co_sleep_until(CO_NEVER);
    ended++;
    last_result = r;
    return r;
}

/* Holds every cancel back. */
static int read_shielded(co_stream *stream, void *arg)
{
    char byte;
    ssize_t n = 0;

    (void)arg;
    begun++;
    co_shield
        n = co_stream_read(stream, &byte, 1);
    ended++;
    last_result = (int)n;
    return 0;
}

static int fail_at_once(co_stream *stream, void *arg)
{
    (void)stream;
    (void)arg;
    begun++;
    return -EPROTO;
}

static void exchange(int fd)
{
    char got[5];

    ck_assert_int_eq(co_write_all(fd, "hello", 5, NULL), 0);
    ck_assert_int_eq(co_read_full(fd, got, 5, NULL), 0);
    ck_assert_mem_eq(got, "hello", 5);
}

static void expect_served(const co_server *server)
{
    int fd = dial(server);

    exchange(fd);
    ck_assert_int_eq(co_close(fd), 0);
}

/* The other side has hung up: the end, or a reset. */
static void expect_hung_up(int fd)
{
    char byte;
    ssize_t n = co_read(fd, &byte, 1);

    ck_assert(n == 0 || n == -ECONNRESET);
    ck_assert_int_eq(co_close(fd), 0);
}

/* Close so that the other side gets a reset. */
static void reset(int fd)
{
    struct linger at_once = {.l_onoff = 1};

    ck_assert_int_eq(
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    ck_assert_int_eq(co_close(fd), 0);
}

/* ---- serving ------------------------------------------------------------- */

CO_TASK_TEST(each_connection_has_a_task)
{
    co_server *server = start(echo);
    int fds[16];

    for (int i = 0; i < 16; i++)
        fds[i] = dial(server);
    for (int i = 15; i >= 0; i--)
        exchange(fds[i]);
    ck_assert_uint_eq(stats_of(server).connections, 16);
    for (int i = 0; i < 16; i++)
        ck_assert_int_eq(co_close(fds[i]), 0);
    while (ended < 16)
        co_test_yield();
    ck_assert_uint_eq(stats_of(server).accepted, 16);
    ck_assert_uint_eq(stats_of(server).connections, 0);
    ck_assert_uint_eq(stats_of(server).failed, 0);
    close_well(server);
}

CO_TASK_TEST(server_listens_on_all_of_its_addresses)
{
    char path[64];
    const char *const addresses[] = {
        "127.0.0.1:0", "[::1]:0", "tcp://127.0.0.1:0", "*:0", "[::]:0", path};
    co_server *server;
    co_addr addr;

    snprintf(path, sizeof(path), "unix:%s", own_name("server"));
    server = co_server_start(addresses, 6, echo, NULL, NULL);
    ck_assert_ptr_nonnull(server);
    for (size_t i = 0; i < 6; i++) {
        int fd;

        ck_assert_int_eq(co_server_address(server, i, &addr), 0);
        if (i == 3) { /* both families */
            struct sockaddr_in6 any;
            char text[64];

            memcpy(&any, &addr.as.storage, sizeof(any));
            snprintf(text, sizeof(text), "127.0.0.1:%d", ntohs(any.sin6_port));
            fd = co_tcp_dial(text);
            ck_assert_int_ge(fd, 0);
            exchange(fd);
            ck_assert_int_eq(co_close(fd), 0);
        }
        fd = dial_at(server, i);
        exchange(fd);
        ck_assert_int_eq(co_close(fd), 0);
    }
    ck_assert_int_eq(co_server_address(server, 6, &addr), -ENOENT);
    ck_assert_int_ge(co_server_close(server, CO_SEC), 0);
}

/* "[::]" and "0.0.0.0" are two, and do not get into each other's way. */
CO_TASK_TEST(ipv6_address_is_ipv6_alone)
{
    char v4[64], v6[64];
    const char *const addresses[] = {v4, v6};
    int port = co_test_port();
    co_server *server;

    snprintf(v4, sizeof(v4), "0.0.0.0:%d", port);
    snprintf(v6, sizeof(v6), "[::]:%d", port);
    server = co_server_start(addresses, 2, echo, NULL, NULL);
    ck_assert_ptr_nonnull(server);
    close_well(server);
}

CO_TASK_TEST(all_addresses_or_none)
{
    co_server *other = start(echo);
    char taken[CO_ADDR_TEXT_MAX];
    const char *addresses[] = {"127.0.0.1:0", taken};
    co_addr addr;

    ck_assert_int_eq(co_server_address(other, 0, &addr), 0);
    co_addr_format(&addr.as.any, addr.len, taken, sizeof(taken));
    errno = 0;
    ck_assert_ptr_null(co_server_start(addresses, 2, echo, NULL, NULL));
    ck_assert_int_eq(errno, EADDRINUSE);
    close_well(other);
}

CO_TASK_TEST(port_is_shared_by_option)
{
    co_server_options options = {.size = sizeof(options), .reuse_port = 1};
    co_server *first = start_with(echo, &options), *second;
    char text[CO_ADDR_TEXT_MAX];
    const char *address = text;
    co_addr addr;

    ck_assert_int_eq(co_server_address(first, 0, &addr), 0);
    co_addr_format(&addr.as.any, addr.len, text, sizeof(text));
    second = co_server_start(&address, 1, echo, NULL, &options);
    ck_assert_ptr_nonnull(second);
    for (int i = 0; i < 32; i++)
        expect_served(first);
    ck_assert_int_ge(co_server_close(second, CO_SEC), 0);
    ck_assert_int_ge(co_server_close(first, CO_SEC), 0);
}

CO_TASK_TEST(bad_arguments_are_refused)
{
    static const char *const bad[] = {NULL,
                                      "",
                                      "127.0.0.1",
                                      "tcp://",
                                      "unix:",
                                      "localhost:80",
                                      "127.0.0.1:65536"};
    co_stream_options stream = {.size = 1};
    co_server_options options[] = {
        {.size = 1},
        {.size = sizeof(options[0]), .backlog = -1},
        {.size = sizeof(options[0]), .stack_size = 1},
        {.size = sizeof(options[0]), .stream = &stream},
        {.size = sizeof(options[0]), .connection_max = SIZE_MAX},
        {.size = sizeof(options[0]), .wrap_max = -1},
        {.size = sizeof(options[0]), .close_max = -1},
    };
    co_server_stats stats = {.size = sizeof(stats)};
    co_addr addr;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        errno = 0;
        ck_assert_ptr_null(co_server_start(&bad[i], 1, echo, NULL, NULL));
        ck_assert_int_eq(errno, EINVAL);
    }
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        errno = 0;
        ck_assert_ptr_null(
            co_server_start(loopback, 1, echo, NULL, &options[i]));
        ck_assert_int_eq(errno, EINVAL);
    }
    errno = 0;
    ck_assert_ptr_null(co_server_start(NULL, 1, echo, NULL, NULL));
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_ptr_null(co_server_start(loopback, 0, echo, NULL, NULL));
    ck_assert_ptr_null(co_server_start(loopback, 1, NULL, NULL, NULL));
    ck_assert_ptr_null(
        co_server_start(loopback, SIZE_MAX / 2, echo, NULL, NULL));
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_int_eq(co_server_stop(NULL), -EINVAL);
    ck_assert_int_eq(co_server_cancel_clients(NULL), -EINVAL);
    ck_assert_int_eq(co_server_abort_clients(NULL), -EINVAL);
    ck_assert_int_eq(co_server_wait_closed(NULL), -EINVAL);
    ck_assert_int_eq(co_server_address(NULL, 0, &addr), -EINVAL);
    ck_assert_int_eq(co_server_stats_get(NULL, &stats), -EINVAL);
    ck_assert_int_eq(co_server_close(NULL, 0), 0);
}

START_TEST(no_server_without_a_loop)
{
    errno = 0;
    ck_assert_ptr_null(co_server_start(loopback, 1, echo, NULL, NULL));
    ck_assert_int_eq(errno, EPERM);
}
END_TEST

static int start_and_leave(void *arg)
{
    *(co_server **)arg = start(echo);
    return 0;
}

START_TEST(end_of_the_loop_stops_the_server)
{
    co_server *server;

    ck_assert_int_eq(co_run(start_and_leave, &server), 0);
    ck_assert_int_eq(stats_of(server).listening, 0);
    ck_assert_int_eq(co_server_close(server, CO_SEC), 0);
}
END_TEST

CO_TASK_TEST(no_memory_leaves_nothing_behind)
{
    for (unsigned n = 1;; n++) {
        co_server *server;

        co__fault_after(n);
        server = co_server_start(loopback, 1, echo, NULL, NULL);
        if (co__fault_after(0) < n) {
            ck_assert_ptr_nonnull(server);
            close_well(server);
            break;
        }
        if (server) {
            close_well(server);
        } else {
            ck_assert(errno == ENOMEM || errno == EAGAIN);
            co_test_yield();
        }
    }
    co_test_yield();
}

/* ---- unix sockets -------------------------------------------------------- */

#define PATH "coppice-test-server.sock"
static const char *const unix_path[] = {"unix:" PATH};

CO_TASK_TEST(path_is_removed_when_the_server_stops)
{
    co_server *server = co_server_start(unix_path, 1, echo, NULL, NULL);

    ck_assert_ptr_nonnull(server);
    expect_served(server);
    ck_assert_int_eq(co_server_stop(server), 0);
    ck_assert_int_lt(access(PATH, F_OK), 0);
    ck_assert_int_ge(co_server_close(server, CO_SEC), 0);
}

CO_TASK_TEST(path_of_a_dead_server_is_replaced)
{
    int dead = co_unix_listen(PATH, 0);
    co_server *server;

    ck_assert_int_eq(co_close(dead), 0);
    ck_assert_int_eq(access(PATH, F_OK), 0);
    server = co_server_start(unix_path, 1, echo, NULL, NULL);
    ck_assert_ptr_nonnull(server);
    expect_served(server);
    ck_assert_int_ge(co_server_close(server, CO_SEC), 0);
    ck_assert_int_lt(access(PATH, F_OK), 0);
}

CO_TASK_TEST(path_of_a_server_that_lives_is_taken)
{
    co_server *server = co_server_start(unix_path, 1, echo, NULL, NULL);
    int full;

    ck_assert_ptr_nonnull(server);
    errno = 0;
    ck_assert_ptr_null(co_server_start(unix_path, 1, echo, NULL, NULL));
    ck_assert_int_eq(errno, EADDRINUSE);
    expect_served(server);
    ck_assert_int_ge(co_server_close(server, CO_SEC), 0);

    full = co_unix_listen(PATH, 1); /* it accepts nobody */
    for (int i = 0; i < 3; i++) {
        ck_assert_ptr_null(co_server_start(unix_path, 1, echo, NULL, NULL));
        ck_assert_int_eq(errno, EADDRINUSE);
    }
    ck_assert_int_eq(co_close(full), 0);
    ck_assert_int_eq(unlink(PATH), 0);
}

CO_TASK_TEST(path_that_is_no_socket_is_left_alone)
{
    struct stat st;
    int fd = open(PATH, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    ck_assert_int_eq(write(fd, "x", 1), 1);
    close(fd);
    errno = 0;
    ck_assert_ptr_null(co_server_start(unix_path, 1, echo, NULL, NULL));
    ck_assert_int_eq(errno, EADDRINUSE);
    ck_assert_int_eq(stat(PATH, &st), 0);
    ck_assert_int_eq(st.st_size, 1);
    ck_assert_int_eq(unlink(PATH), 0);
}

CO_TASK_TEST(path_that_another_one_has_taken_over_stays)
{
    co_server *server = co_server_start(unix_path, 1, echo, NULL, NULL);
    int other;

    ck_assert_ptr_nonnull(server);
    ck_assert_int_eq(rename(PATH, PATH "2"), 0);
    other = co_unix_listen(PATH, 0);
    ck_assert_int_ge(other, 0);
    close_well(server);
    ck_assert_int_eq(access(PATH, F_OK), 0);
    ck_assert_int_eq(co_close(other), 0);
    ck_assert_int_eq(unlink(PATH), 0);
    ck_assert_int_eq(unlink(PATH "2"), 0);
}

/* ---- handlers ------------------------------------------------------------ */

CO_TASK_TEST(handler_that_fails_is_counted_and_no_more)
{
    co_server *server = start(fail_at_once);
    co_server_stats stats;

    for (int i = 0; i < 3; i++)
        expect_hung_up(dial(server));
    stats = stats_of(server);
    ck_assert_uint_eq(stats.failed, 3);
    ck_assert_uint_eq(stats.accepted, 3);
    ck_assert_int_eq(stats.listening, 1);
    close_well(server);
}

static int close_early(co_stream *stream, void *arg)
{
    begun++;
    if (arg)
        co_stream_abort(stream);
    else if (co_stream_close(stream) < 0)
        return -EIO;
    ended++;
    return co_sleep(CO_MS);
}

CO_TASK_TEST(handler_may_close_its_stream)
{
    co_server *server = co_server_start(loopback, 1, close_early, NULL, NULL);

    expect_hung_up(dial(server));
    ck_assert_int_eq(co_server_close(server, CO_SEC), 0);
    server = co_server_start(loopback, 1, close_early, &begun, NULL);
    expect_hung_up(dial(server));
    ck_assert_int_eq(co_server_close(server, CO_SEC), 0);
}

static int buffer_a_word(co_stream *stream, void *arg)
{
    (void)arg;
    return co_stream_write(stream, "word", 4, NULL);
}

CO_TASK_TEST(what_a_handler_has_buffered_is_flushed)
{
    co_stream_options stream = {.size = sizeof(stream), .write_buffer = 4096};
    co_server_options options = {.size = sizeof(options), .stream = &stream};
    co_server *server = start_with(buffer_a_word, &options);
    int fd;
    char got[5];

    stream.size = 0; /* it was copied */
    fd = dial(server);
    ck_assert_int_eq(co_read_full(fd, got, 4, NULL), 0);
    ck_assert_mem_eq(got, "word", 4);
    expect_hung_up(fd);
    ck_assert_int_eq(co_server_close(server, CO_SEC), 0);
}

/* A handshake: a byte that has to come first. */
static co_stream *shake_hands(int fd, void *arg)
{
    char byte;
    ssize_t n;

    ck_assert_ptr_eq(arg, &begun);
    begun++;
    n = co_read(fd, &byte, 1);
    if (n == 1 && byte == 'h')
        return co_stream_new(fd, NULL);
    errno = n < 0 ? (int)-n : EPROTO;
    return NULL;
}

CO_TASK_TEST(slow_and_failed_handshakes_disturb_nobody)
{
    co_server_options options = {
        .size = sizeof(options), .wrap = shake_hands, .wrap_arg = &begun};
    co_server *server = start_with(echo, &options);
    int slow = dial(server), wrong = dial(server), right = dial(server);

    ck_assert_int_eq(co_write(wrong, "x", 1), 1);
    expect_hung_up(wrong);
    ck_assert_int_eq(co_write(right, "h", 1), 1);
    exchange(right);
    ck_assert_int_eq(co_close(right), 0);
    ck_assert_uint_eq(stats_of(server).errors, 1);
    ck_assert_uint_eq(stats_of(server).failed, 0);
    ck_assert_int_ge(co_server_abort_clients(server), 1);
    expect_hung_up(slow);
    close_well(server);
}

CO_TASK_TEST(handshake_that_is_out_of_time_is_hung_up_on)
{
    co_server_options options = {.size = sizeof(options),
                                 .wrap = shake_hands,
                                 .wrap_arg = &begun,
                                 .wrap_max = 20 * CO_MS};
    co_server *server = start_with(echo, &options);
    co_time before = co_now();
    int slow = dial(server), right;

    expect_hung_up(slow);
    ck_assert_int_ge(co_now() - before, 20 * CO_MS);
    ck_assert_uint_eq(stats_of(server).errors, 1);

    /* The limit ends with the handshake. */
    right = dial(server);
    ck_assert_int_eq(co_write(right, "h", 1), 1);
    ck_assert_int_eq(co_sleep(30 * CO_MS), 0);
    exchange(right);
    ck_assert_int_eq(co_close(right), 0);
    ck_assert_int_eq(co_server_close(server, CO_SEC), 0);
}

static char excess[8 << 20]; /* more than the kernel takes */

static int buffer_much(co_stream *stream, void *arg)
{
    (void)arg;
    begun++;
    return co_stream_write(stream, excess, sizeof(excess), NULL);
}

CO_TASK_TEST(close_that_is_out_of_time_loses_what_is_buffered)
{
    co_stream_options stream = {.size = sizeof(stream),
                                .write_buffer = sizeof(excess) + 1};
    co_server_options options = {
        .size = sizeof(options), .stream = &stream, .close_max = 20 * CO_MS};
    co_server *server = start_with(buffer_much, &options);
    int fd = dial(server);

    until_begun(1);
    while (stats_of(server).connections)
        ck_assert_int_eq(co_sleep(CO_MS), 0);
    ck_assert_int_eq(co_close(fd), 0);
    close_well(server);
}

/* Shielded from cancels, and then cut. */
static co_stream *wrap_late(int fd, void *arg)
{
    co_shield {
        ck_assert_int_eq(co_event_wait(arg), 0);
    }
    return co_stream_new(fd, NULL);
}

CO_TASK_TEST(connection_that_is_aborted_while_it_is_wrapped_is_cut)
{
    co_event go = {0};
    co_server_options options = {
        .size = sizeof(options), .wrap = wrap_late, .wrap_arg = &go};
    co_server *server = start_with(read_shielded, &options);
    int fd = dial(server);

    while (!stats_of(server).connections)
        ck_assert_int_eq(co_sleep(CO_MS / 4), 0);
    co_test_yield();
    ck_assert_int_eq(co_server_abort_clients(server), 1);
    ck_assert_int_eq(co_event_set(&go), 0);
    expect_hung_up(fd);
    close_well(server);
    ck_assert_int_eq(last_result, -EBADF);
}

/* ---- limits -------------------------------------------------------------- */

CO_TASK_TEST(connections_beyond_the_limit_wait)
{
    static const char *const two[] = {"127.0.0.1:0", "127.0.0.1:0"};
    co_server_options options = {.size = sizeof(options), .connection_max = 2};
    co_server *server = co_server_start(two, 2, echo, NULL, &options);
    int fds[8];

    ck_assert_ptr_nonnull(server);
    for (int i = 0; i < 8; i++)
        fds[i] = dial_at(server, i % 2);
    for (int i = 0; i < 8; i++) {
        int one = 0;

        /* Whoever is served next: one of those that are not yet. */
        ck_assert_int_eq(co_write(fds[i], "x", 1), 1);
        for (int tries = 0; !one && tries < 200; tries++) {
            char byte;

            ck_assert_uint_le(stats_of(server).connections, 2);
            one = co_recv(fds[i], &byte, 1, MSG_DONTWAIT) == 1;
            if (!one && tries == 20)
                break;
            ck_assert_int_eq(co_sleep(CO_MS / 2), 0);
        }
        ck_assert_int_eq(co_close(fds[i]), 0);
    }
    ck_assert_int_ge(co_server_close(server, CO_SEC), 0);
}

CO_TASK_TEST(address_without_connections_keeps_no_room)
{
    static const char *const two[] = {"127.0.0.1:0", "127.0.0.1:0"};
    co_server_options options = {.size = sizeof(options), .connection_max = 1};
    co_server *server = co_server_start(two, 2, echo, NULL, &options);

    ck_assert_ptr_nonnull(server);
    for (int i = 0; i < 4; i++) {
        int fd = dial_at(server, 1);

        exchange(fd);
        ck_assert_int_eq(co_close(fd), 0);
    }
    ck_assert_int_ge(co_server_close(server, CO_SEC), 0);
}

CO_TASK_TEST(server_at_its_limit_ends_with_a_connection_in_hand)
{
    static const char *const two[] = {"127.0.0.1:0", "127.0.0.1:0"};
    co_server_options options = {.size = sizeof(options), .connection_max = 1};
    co_server *server = co_server_start(two, 2, hold_on, NULL, &options);
    int a, b;

    ck_assert_ptr_nonnull(server);
    begun = 0;
    a = dial_at(server, 0);
    b = dial_at(server, 1);
    until_begun(1);
    ck_assert_int_eq(co_sleep(CO_MS), 0);
    ck_assert_int_eq(co_server_close(server, 0), 1);
    expect_hung_up(a);
    expect_hung_up(b);
}

CO_TASK_TEST(slow_loris_holds_its_own_task_alone)
{
    co_server *server = start(echo);
    int slow[64];

    for (int i = 0; i < 64; i++) {
        slow[i] = dial(server);
        if (i % 2)
            exchange(slow[i]);
    }
    for (int i = 0; i < 8; i++)
        expect_served(server);
    until_begun(72);
    while (ended < 8)
        ck_assert_int_eq(co_sleep(CO_MS / 4), 0);
    ck_assert_int_eq(co_server_close(server, 0), 64);
    for (int i = 0; i < 64; i++)
        expect_hung_up(slow[i]);
}

CO_TASK_TEST(resets_are_errors_of_one_connection)
{
    co_server *server = start(echo);
    int fd;

    /* Before it is accepted, while it is read from, and with bytes unread. */
    reset(dial(server));
    fd = dial(server);
    exchange(fd);
    reset(fd);
    fd = dial(server);
    ck_assert_int_eq(co_write_all(fd, "unread", 6, NULL), 0);
    reset(fd);
    until_begun(3);
    while (ended < 3)
        ck_assert_int_eq(co_sleep(CO_MS / 4), 0);
    expect_served(server);
    ck_assert_uint_ge(stats_of(server).failed, 2);
    ck_assert_int_ge(co_server_close(server, CO_SEC), 0);
}

static int write_much(co_stream *stream, void *arg)
{
    size_t len = (size_t)4 << 20;
    char *much = calloc(1, len);

    (void)arg;
    begun++;
    ck_assert_ptr_nonnull(much);
    while ((last_result = co_stream_write(stream, much, len, NULL)) == 0)
        continue;
    free(much);
    ended++;
    return last_result;
}

CO_TASK_TEST(client_that_never_reads_is_cut_off_in_the_end)
{
    co_server *server = start(write_much);
    int fd = dial(server);

    until_begun(1);
    ck_assert_int_eq(co_server_close(server, 5 * CO_MS), 1);
    ck_assert_int_eq(ended, 1);
    ck_assert_int_eq(co_close(fd), 0);
}

/* ---- lack of descriptors, and other errors ------------------------------- */

/* Let this process open so many more. Before anything is accepted: the kernel
 * may go by the limit that was when it was told to accept. */
static rlim_t allow(int more)
{
    struct rlimit limit;
    rlim_t before;
    int fds[32];

    for (int i = 0; i < more; i++)
        fds[i] = dup(0);
    for (int i = 0; i < more; i++)
        close(fds[i]);
    getrlimit(RLIMIT_NOFILE, &limit);
    before = limit.rlim_cur;
    limit.rlim_cur = (rlim_t)fds[more - 1] + 1;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return before;
}

static void allow_again(rlim_t before)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = before;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

CO_TASK_TEST(without_descriptors_clients_are_hung_up_on)
{
    /* Its address and its reserve, eight connections, and one more. */
    rlim_t before = allow(2 + 2 * 8 + 1);
    co_server *server = start(echo);
    int clients[8];

    /* Connected, and not accepted: this task has not waited. */
    for (int i = 0; i < 8; i++) {
        clients[i] = dial(server);
        ck_assert_uint_eq(stats_of(server).shed, 0);
        if (i == 1)
            exchange(clients[1]);
    }
    until_begun(2);
    (void)stats_of(server);
    for (int i = 0; i < 2; i++)
        exchange(clients[i]);
    while (stats_of(server).accepted < 8)
        ck_assert_int_eq(co_sleep(CO_MS / 4), 0);

    for (int i = 0; i < 5; i++) {
        int fd = dial(server); /* takes the last one */

        expect_hung_up(fd);
    }
    ck_assert_uint_eq(stats_of(server).shed, 5);
    exchange(clients[7]);
    ck_assert_int_eq(co_close(clients[7]), 0);
    allow_again(before);
    expect_served(server);
    for (int i = 0; i < 7; i++)
        ck_assert_int_eq(co_close(clients[i]), 0);
    ck_assert_int_ge(co_server_close(server, CO_SEC), 0);
}

/* Somebody else was quicker to take the descriptor that was kept. */
CO_TASK_TEST(server_without_its_reserve_goes_on)
{
    rlim_t before = allow(3);
    co_server *server = start(echo);
    int fd, last;

    co_test_yield();
    close(server->reserve);
    server->reserve = -1;
    fd = dial_at_once(server);
    last = dup(0);
    ck_assert_int_ge(last, 0);
    while (!stats_of(server).errors)
        ck_assert_int_eq(co_sleep(CO_MS / 4), 0);
    allow_again(before);
    close(last);
    exchange(fd);
    ck_assert_int_eq(co_close(fd), 0);
    ck_assert_int_ge(co_server_close(server, CO_SEC), 0);
}

static int current_error;

static void served_after_errors(void)
{
    co_server *server = start(echo);

    accept_error = current_error;
    /* Of no descriptors the last try is the one with the reserve. */
    accept_errors_left = 2;
    expect_served(server);
    ck_assert_int_eq(accept_errors_left, 0);
    ck_assert_int_ge(co_server_close(server, CO_SEC), 0);
}

START_TEST(server_goes_on_after_any_error_of_accept)
{
    static const int errors[] = {EMFILE, ENFILE, ECONNABORTED, EPROTO, ENOBUFS,
                                 ENOMEM, EPERM,  ENETDOWN,     EINTR,  EIO};

    current_error = errors[_i];
    co_test_in_task(served_after_errors);
}
END_TEST

CO_TASK_TEST(without_memory_clients_are_hung_up_on)
{
    co_server *server = start(echo);
    int fd;

    expect_served(server); /* what is allocated once is there */
    fd = dial(server);
    co__fault_after(1);
    expect_hung_up(fd);
    co__fault_after(0);
    ck_assert_uint_ge(stats_of(server).shed + stats_of(server).errors, 1);
    expect_served(server);
    ck_assert_int_ge(co_server_close(server, CO_SEC), 0);
}

/* ---- the end ------------------------------------------------------------- */

CO_TASK_TEST(stop_ends_listening_and_nothing_else)
{
    char text[CO_ADDR_TEXT_MAX];
    const char *address = text;
    co_server *server;
    co_addr addr;
    int fd;

    snprintf(text, sizeof(text), "127.0.0.1:%d", co_test_port());
    begun = ended = 0;
    server = co_server_start(&address, 1, echo, NULL, NULL);
    ck_assert_ptr_nonnull(server);
    fd = dial(server);
    exchange(fd);
    ck_assert_int_eq(co_server_stop(server), 0);
    ck_assert_int_eq(co_server_stop(server), 0);
    ck_assert_int_eq(stats_of(server).listening, 0);
    ck_assert_int_eq(co_server_address(server, 0, &addr), 0);
    co_addr_format(&addr.as.any, addr.len, text, sizeof(text));
    ck_assert_int_eq(co_tcp_dial(text), -ECONNREFUSED);
    exchange(fd);
    ck_assert_int_eq(co_close(fd), 0);
    ck_assert_int_eq(co_server_wait_closed(server), 0);
    ck_assert_int_eq(ended, 1);
    close_well(server);
}

CO_TASK_TEST(server_that_is_closed_at_once_leaves_nothing)
{
    for (int i = 0; i < 3; i++) {
        co_server *server = start(echo);
        int fd = i ? dial_at_once(server) : -1;

        ck_assert_int_eq(co_server_close(server, i == 2 ? CO_SEC : 0), 0);
        if (fd >= 0)
            expect_hung_up(fd);
    }
}

static int wait_closed(void *server)
{
    return co_server_wait_closed(server);
}

CO_TASK_TEST(several_tasks_wait_for_the_end)
{
    co_server *server = start(echo);
    int fd = dial(server);
    co_task *waiters[3];

    for (int i = 0; i < 3; i++)
        waiters[i] = co_test_spawn(wait_closed, server);
    exchange(fd);
    ck_assert_int_eq(co_cancel(waiters[1]), 1);
    ck_assert_int_eq(co_test_result(waiters[1]), -ECANCELED);
    ck_assert_int_eq(co_server_stop(server), 0);
    co_timeout(CO_MS) {
        ck_assert_int_eq(co_server_wait_closed(server), -ETIMEDOUT);
    }
    ck_assert_int_eq(co_close(fd), 0);
    ck_assert_int_eq(co_test_result(waiters[0]), 0);
    ck_assert_int_eq(co_test_result(waiters[2]), 0);
    close_well(server);
}

static int close_with_a_second(void *server)
{
    return co_server_close(server, CO_SEC);
}

CO_TASK_TEST(waiter_is_served_although_the_server_is_freed_then)
{
    co_server *server = start(echo);
    int fd = dial(server);
    co_task *closer, *waiter;

    exchange(fd);
    closer = co_test_spawn(close_with_a_second, server);
    co_test_yield();
    waiter = co_test_spawn(wait_closed, server);
    co_test_yield();
    ck_assert_int_eq(co_server_close(server, 0), -EBUSY);
    ck_assert_int_eq(co_close(fd), 0);
    ck_assert_int_eq(co_test_result(closer), 0);
    ck_assert_int_eq(co_test_result(waiter), 0);
}

CO_TASK_TEST(grace_period_lets_handlers_end)
{
    co_server *server = start(echo);
    int fd = dial(server);
    co_task *closer;

    exchange(fd);
    closer = co_test_spawn(close_with_a_second, server);
    co_test_yield();
    exchange(fd);
    ck_assert_int_eq(co_close(fd), 0);
    ck_assert_int_eq(co_test_result(closer), 0);
    ck_assert_int_eq(last_result, 0);
}

CO_TASK_TEST(grace_period_ends_and_the_rest_is_cut_off)
{
    co_server *server = start(hold_on);
    int fds[3];

    for (int i = 0; i < 3; i++)
        fds[i] = dial(server);
    until_begun(3);
    ck_assert_int_eq(co_server_close(server, 5 * CO_MS), 3);
    ck_assert_int_eq(ended, 3);
    ck_assert_int_eq(last_result, -ECANCELED);
    for (int i = 0; i < 3; i++) {
        char byte;

        ck_assert_int_eq(co_read(fds[i], &byte, 1), -ECONNRESET);
        ck_assert_int_eq(co_close(fds[i]), 0);
    }
}

CO_TASK_TEST(handler_that_holds_cancels_back_loses_its_connection)
{
    co_server *server = start(read_shielded);
    int fd = dial(server);

    until_begun(1);
    ck_assert_int_eq(co_server_cancel_clients(server), 1);
    co_test_yield();
    ck_assert_int_eq(ended, 0);
    ck_assert_int_eq(co_server_close(server, 0), 1);
    ck_assert_int_eq(last_result, -EBADF);
    expect_hung_up(fd);
}

CO_TASK_TEST(clients_are_cancelled_and_the_server_goes_on)
{
    co_server *server = start(hold_on);
    int fd = dial(server);

    until_begun(1);
    ck_assert_int_eq(co_server_cancel_clients(server), 1);
    expect_hung_up(fd);
    ck_assert_int_eq(last_result, -ECANCELED);
    ck_assert_uint_eq(stats_of(server).failed, 0);
    ck_assert_int_eq(co_server_cancel_clients(server), 0);
    fd = dial(server);
    until_begun(2);
    ck_assert_int_eq(co_server_abort_clients(server), 1);
    expect_hung_up(fd);
    ck_assert_int_eq(co_server_stop(server), 0);
    ck_assert_int_eq(co_server_wait_closed(server), 0);
    close_well(server);
}

CO_TASK_TEST(closer_that_is_cancelled_closes_at_once)
{
    co_server *server = start(hold_on);
    int fd = dial(server);
    co_task *closer;

    until_begun(1);
    closer = co_test_spawn(close_with_a_second, server);
    co_test_yield();
    ck_assert_int_eq(co_cancel(closer), 1);
    ck_assert_int_eq(co_test_result(closer), -ECANCELED);
    ck_assert_int_eq(ended, 1);
    expect_hung_up(fd);

    server = start(hold_on);
    fd = dial(server);
    until_begun(1);
    co_timeout(CO_MS) {
        ck_assert_int_eq(co_server_close(server, CO_SEC), -ETIMEDOUT);
    }
    ck_assert_int_eq(ended, 1);
    expect_hung_up(fd);
}

static int end_in_handler(co_stream *stream, void *arg)
{
    co_server *server = *(co_server **)arg;

    (void)stream;
    ck_assert_int_eq(co_server_close(server, 0), -EDEADLK);
    ck_assert_int_eq(co_server_wait_closed(server), -EDEADLK);
    return co_server_stop(server);
}

CO_TASK_TEST(handler_may_stop_its_server_but_not_wait_for_it)
{
    co_server *server = NULL;
    int fd;

    server = co_server_start(loopback, 1, end_in_handler, &server, NULL);
    ck_assert_ptr_nonnull(server);
    fd = dial(server);
    ck_assert_int_eq(co_server_wait_closed(server), 0);
    close_well(server);
    expect_hung_up(fd);
}

/* The connection is accepted and the server stopped in the same turn. */
CO_TASK_TEST(connection_accepted_in_the_turn_of_a_stop_is_not_lost)
{
    co_server *server = start(echo);
    int fd;

    co_test_yield();
    fd = dial_at_once(server);
    while (server->listeners[0].task->state == CO__TASK_PARKED)
        collect_events();
    ck_assert_int_eq(co_server_stop(server), 0);
    ck_assert_int_ge(co_server_close(server, CO_SEC), 0);
    expect_hung_up(fd);
}

static int other_loop(void *server)
{
    ck_assert_int_eq(co_server_stop(server), -EPERM);
    ck_assert_int_eq(co_server_cancel_clients(server), -EPERM);
    ck_assert_int_eq(co_server_wait_closed(server), -EPERM);
    ck_assert_int_eq(co_server_close(server, 0), -EPERM);
    return 0;
}

static void *other_thread(void *server)
{
    return co_test_number(co_run(other_loop, server));
}

CO_TASK_TEST(server_belongs_to_one_loop)
{
    co_server *server = start(echo);
    pthread_t thread;
    void *result;

    ck_assert_int_eq(pthread_create(&thread, NULL, other_thread, server), 0);
    ck_assert_int_eq(pthread_join(thread, &result), 0);
    ck_assert_ptr_null(result);
    close_well(server);
}

static Suite *suite(void)
{
    Suite *s = suite_create("io.server");
    TCase *tc = tcase_create("serving");

    co_test_check_fds(tc);
    tcase_add_test(tc, each_connection_has_a_task);
    tcase_add_test(tc, server_listens_on_all_of_its_addresses);
    tcase_add_test(tc, ipv6_address_is_ipv6_alone);
    tcase_add_test(tc, all_addresses_or_none);
    tcase_add_test(tc, port_is_shared_by_option);
    tcase_add_test(tc, bad_arguments_are_refused);
    tcase_add_test(tc, no_server_without_a_loop);
    tcase_add_test(tc, end_of_the_loop_stops_the_server);
    tcase_add_test(tc, no_memory_leaves_nothing_behind);
    suite_add_tcase(s, tc);

    tc = tcase_create("unix");
    co_test_check_fds(tc);
    tcase_add_test(tc, path_is_removed_when_the_server_stops);
    tcase_add_test(tc, path_of_a_dead_server_is_replaced);
    tcase_add_test(tc, path_of_a_server_that_lives_is_taken);
    tcase_add_test(tc, path_that_is_no_socket_is_left_alone);
    tcase_add_test(tc, path_that_another_one_has_taken_over_stays);
    suite_add_tcase(s, tc);

    tc = tcase_create("handlers");
    co_test_check_fds(tc);
    tcase_add_test(tc, handler_that_fails_is_counted_and_no_more);
    tcase_add_test(tc, handler_may_close_its_stream);
    tcase_add_test(tc, what_a_handler_has_buffered_is_flushed);
    tcase_add_test(tc, slow_and_failed_handshakes_disturb_nobody);
    tcase_add_test(tc, handshake_that_is_out_of_time_is_hung_up_on);
    tcase_add_test(tc, close_that_is_out_of_time_loses_what_is_buffered);
    tcase_add_test(tc, connection_that_is_aborted_while_it_is_wrapped_is_cut);
    suite_add_tcase(s, tc);

    tc = tcase_create("limits");
    co_test_check_fds(tc);
    tcase_add_test(tc, connections_beyond_the_limit_wait);
    tcase_add_test(tc, address_without_connections_keeps_no_room);
    tcase_add_test(tc, server_at_its_limit_ends_with_a_connection_in_hand);
    tcase_add_test(tc, slow_loris_holds_its_own_task_alone);
    tcase_add_test(tc, resets_are_errors_of_one_connection);
    tcase_add_test(tc, client_that_never_reads_is_cut_off_in_the_end);
    suite_add_tcase(s, tc);

    tc = tcase_create("errors");
    co_test_check_fds(tc);
    /* valgrind's own limit closes what was accepted beyond it. */
    if (!CO_TEST_MEMCHECK) {
        tcase_add_test(tc, without_descriptors_clients_are_hung_up_on);
        tcase_add_test(tc, server_without_its_reserve_goes_on);
    }
    tcase_add_loop_test(tc, server_goes_on_after_any_error_of_accept, 0, 10);
    tcase_add_test(tc, without_memory_clients_are_hung_up_on);
    suite_add_tcase(s, tc);

    tc = tcase_create("the end");
    co_test_check_fds(tc);
    tcase_add_test(tc, stop_ends_listening_and_nothing_else);
    tcase_add_test(tc, server_that_is_closed_at_once_leaves_nothing);
    tcase_add_test(tc, several_tasks_wait_for_the_end);
    tcase_add_test(tc, waiter_is_served_although_the_server_is_freed_then);
    tcase_add_test(tc, grace_period_lets_handlers_end);
    tcase_add_test(tc, grace_period_ends_and_the_rest_is_cut_off);
    tcase_add_test(tc, handler_that_holds_cancels_back_loses_its_connection);
    tcase_add_test(tc, clients_are_cancelled_and_the_server_goes_on);
    tcase_add_test(tc, closer_that_is_cancelled_closes_at_once);
    tcase_add_test(tc, handler_may_stop_its_server_but_not_wait_for_it);
    tcase_add_test(tc, connection_accepted_in_the_turn_of_a_stop_is_not_lost);
    tcase_add_test(tc, server_belongs_to_one_loop);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
