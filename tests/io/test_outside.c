/* SPDX-License-Identifier: MIT */
/* Outside a task the calls block the thread, and signals do not matter. */
#include "io_support.h"

#include "support/alarms.h"

#include <coppice/scope.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/uio.h>

static pair_fn *const pairs[] = {
    tcp_pair, pipe_pair, unix_pair, foreign_pipe, foreign_socket_pair,
};
#define PAIRS ((int)(sizeof(pairs) / sizeof(pairs[0])))

/* ---- a thread at the other end ------------------------------------------- */

struct peer {
    pthread_t thread;
    int fd;
    size_t len;
    char *data;
    size_t done;
    int result;
};

static void *peer_write(void *arg)
{
    struct peer *peer = arg;

    usleep(2000);
    peer->result = co_write_all(peer->fd, peer->data, peer->len, &peer->done);
    return NULL;
}

static void *peer_read(void *arg)
{
    struct peer *peer = arg;

    usleep(2000);
    peer->result = co_read_full(peer->fd, peer->data, peer->len, &peer->done);
    return NULL;
}

static void peer_start(struct peer *peer, void *(*fn)(void *))
{
    ck_assert_int_eq(pthread_create(&peer->thread, NULL, fn, peer), 0);
}

static void peer_join(struct peer *peer)
{
    pthread_join(peer->thread, NULL);
    ck_assert_int_eq(peer->result, 0);
    ck_assert_uint_eq(peer->done, peer->len);
}

START_TEST(thread_waits_for_data_and_for_room)
{
    size_t len = (size_t)co_test_scale(4 << 20, 1 << 19);
    struct peer peer = {.len = len, .data = malloc(len)};
    char *mine = malloc(len);
    size_t done;
    int fds[2];

    for (size_t i = 0; i < len; i++)
        mine[i] = (char)(i * 13);
    pairs[_i](fds);
    peer.fd = fds[0];
    peer_start(&peer, peer_read);
    ck_assert_int_eq(co_write_all(fds[1], mine, len, &done), 0);
    ck_assert_uint_eq(done, len);
    peer_join(&peer);
    ck_assert_int_eq(memcmp(mine, peer.data, len), 0);

    memset(mine, 0, len);
    peer.fd = fds[1];
    peer_start(&peer, peer_write);
    ck_assert_int_eq(co_read_full(fds[0], mine, len, &done), 0);
    peer_join(&peer);
    ck_assert_int_eq(memcmp(mine, peer.data, len), 0);
    free(mine);
    free(peer.data);
    close_pair(fds);
}
END_TEST

START_TEST(scopes_limit_the_thread)
{
    char buffer[8] = "";
    size_t done = 99;
    int fds[2];

    pairs[_i](fds);
    co_timeout(CO_MS) {
        ck_assert_int_eq(co_read(fds[0], buffer, 8), -ETIMEDOUT);
        ck_assert_int_eq(co_wait_fd(fds[0], CO_READABLE), -ETIMEDOUT);
    }
    ck_assert_int_eq(co_write(fds[1], "abc", 3), 3);
    co_timeout(0)
        ck_assert_int_eq(co_read(fds[0], buffer, 8), -ETIMEDOUT);
    /* Again, if it was over before what is there was read. */
    do {
        co_timeout(10 * CO_MS)
            ck_assert_int_eq(co_read_full(fds[0], buffer, 8, &done),
                             -ETIMEDOUT);
    } while (done == 0);
    ck_assert_uint_eq(done, 3);
    fill(fds[1]);
    co_timeout(CO_MS)
        ck_assert_int_eq(co_write_all(fds[1], buffer, 8, &done), -ETIMEDOUT);
    ck_assert_uint_eq(done, 0);
    ck_assert_int_eq(fcntl(fds[0], F_GETFL) & O_NONBLOCK,
                     _i < 3 ? O_NONBLOCK : 0);
    close_pair(fds);
}
END_TEST

START_TEST(wait_fd_tells_the_thread)
{
    char byte = 'x';
    struct peer peer = {.len = 1, .data = &byte};
    int fds[2];

    pairs[_i](fds);
    ck_assert_int_eq(co_wait_fd(fds[1], CO_WRITABLE), CO_WRITABLE);
    peer.fd = fds[1];
    peer_start(&peer, peer_write);
    ck_assert_int_eq(co_wait_fd(fds[0], CO_READABLE), CO_READABLE);
    peer_join(&peer);
    ck_assert_int_eq(co_close(fds[1]), 0);
    ck_assert_int_eq(co_read(fds[0], &byte, 1), 1);
    ck_assert_int_eq(co_read(fds[0], &byte, 1), 0);
    ck_assert_int_eq(co_close(fds[0]), 0);
    ck_assert_int_eq(co_wait_fd(fds[0], CO_READABLE), -EBADF);
    ck_assert_int_eq(co_wait_fd(-1, CO_READABLE), -EBADF);
    ck_assert_int_eq(co_read(-1, &byte, 1), -EBADF);
    ck_assert_int_eq(co_write(fds[0], &byte, 1), -EBADF);
}
END_TEST

START_TEST(connecting_and_accepting_block_the_thread)
{
    const char *name = own_name("outside");
    int listener, conns[8], n = 0, conn;

    listener = co_tcp_listen("127.0.0.1:0", 0);
    co_timeout(CO_MS)
        ck_assert_int_eq(co_accept(listener, NULL, NULL), -ETIMEDOUT);
    ck_assert_int_eq(co_close(listener), 0);

    listener = co_unix_listen(name, 1);
    ck_assert_int_ge(listener, 0);
    conns[n++] = co_unix_dial(name);
    ck_assert_int_ge(conns[0], 0);
    co_timeout(20 * CO_MS)
        while (n < 8 && (conns[n] = co_unix_dial(name)) >= 0)
            n++;
    ck_assert_int_lt(n, 8);
    ck_assert_int_eq(conns[n], -ETIMEDOUT);
    while (n-- > 0) {
        conn = co_accept(listener, NULL, NULL);
        ck_assert_int_ge(conn, 0);
        ck_assert_int_eq(co_close(conn), 0);
        ck_assert_int_eq(co_close(conns[n]), 0);
    }
    ck_assert_int_eq(co_close(listener), 0);
}
END_TEST

START_TEST(files_do_not_wait)
{
    char name[] = "/tmp/coppice-file-XXXXXX";
    char buffer[5000];
    int fd = mkstemp(name);

    unlink(name);
    memset(buffer, 'a', sizeof(buffer));
    ck_assert_int_eq(co_write(fd, buffer, sizeof(buffer)), sizeof(buffer));
    ck_assert_int_eq(fdatasync(fd), 0);
    ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    ck_assert_int_eq(co_read_full(fd, buffer, sizeof(buffer), NULL), 0);
    ck_assert_int_eq(co_read(fd, buffer, 1), 0);
    ck_assert_int_eq(co_close(fd), 0);
}
END_TEST

/* ---- SIGPIPE ------------------------------------------------------------- */

static volatile sig_atomic_t pipes;

static void on_sigpipe(int number)
{
    (void)number;
    pipes++;
}

static int pending(void)
{
    sigset_t set;

    sigpending(&set);
    return sigismember(&set, SIGPIPE);
}

START_TEST(sigpipe_is_never_raised)
{
    struct sigaction action = {.sa_handler = on_sigpipe}, old;
    struct iovec iov = {.iov_base = (void *)"x", .iov_len = 1};
    sigset_t before, after, pipe_only;
    int fds[2];

    pairs[_i](fds);
    sigaction(SIGPIPE, &action, &old);
    pipes = 0;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    memset(&before, 0, sizeof(before));
    memset(&after, 0, sizeof(after));
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    ck_assert_int_eq(co_close(fds[0]), 0);
    for (int i = 0; i < 20; i++)
        (void)!co_write(fds[1], "x", 1);
    ck_assert_int_eq(co_write(fds[1], "x", 1), -EPIPE);
    ck_assert_int_eq(co_writev(fds[1], &iov, 1), -EPIPE);
    ck_assert_int_eq(co_write_all(fds[1], "x", 1, NULL), -EPIPE);
    ck_assert_int_eq(pipes, 0);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    ck_assert_int_eq(memcmp(&before, &after, sizeof(before)), 0);

    /* One that was pending is not ours to take. */
    pthread_sigmask(SIG_BLOCK, &pipe_only, NULL);
    ck_assert_int_eq(co_write(fds[1], "x", 1), -EPIPE);
    ck_assert_int_eq(pending(), 0);
    raise(SIGPIPE);
    ck_assert_int_eq(co_write(fds[1], "x", 1), -EPIPE);
    ck_assert_int_eq(pending(), 1);
    ck_assert_int_eq(pipes, 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    ck_assert_int_eq(pipes, 1);
    sigaction(SIGPIPE, &old, NULL);
    ck_assert_int_eq(co_close(fds[1]), 0);
}
END_TEST

/* ---- interrupted all the time -------------------------------------------- */

static atomic_int alarms;

static void on_alarm(int number)
{
    (void)number;
    alarms++;
}

static void storm_start(void)
{
    alarms = 0;
    /* Not faster than valgrind can call the handler. */
    co_test_alarms_start(on_alarm, co_test_scale(70, 2000));
}

struct stream {
    int fds[2];
    size_t len;
    char *out, *in;
    int result;
};

static int stream_write(void *arg)
{
    struct stream *s = arg;

    return co_write_all(s->fds[1], s->out, s->len, NULL);
}

static int stream_both(void *arg)
{
    struct stream *s = arg;
    co_task *writer = co_test_spawn(stream_write, s);

    s->result = co_read_full(s->fds[0], s->in, s->len, NULL);
    ck_assert_int_eq(co_test_result(writer), 0);
    return 0;
}

static void *stream_thread(void *arg)
{
    struct stream *s = arg;

    s->result = stream_write(s);
    return NULL;
}

static void stream_once(struct stream *s, int outside)
{
    pthread_t thread;

    memset(s->in, 0, s->len);
    if (outside) {
        ck_assert_int_eq(pthread_create(&thread, NULL, stream_thread, s), 0);
        ck_assert_int_eq(co_read_full(s->fds[0], s->in, s->len, NULL), 0);
        pthread_join(thread, NULL);
    } else {
        ck_assert_int_eq(co_run(stream_both, s), 0);
    }
    ck_assert_int_eq(s->result, 0);
    ck_assert_int_eq(memcmp(s->in, s->out, s->len), 0);
}

START_TEST(signals_disturb_nothing)
{
    struct stream s = {.len = (size_t)co_test_scale(8 << 20, 1 << 19)};

    s.out = malloc(s.len);
    s.in = malloc(s.len);
    for (size_t i = 0; i < s.len; i++)
        s.out[i] = (char)(i * 7 + i / 65537);
    pairs[_i](s.fds);
    for (int outside = 0; outside < 2; outside++) {
        storm_start();
        do
            stream_once(&s, outside);
        while (alarms < 10);
        co_test_alarms_stop();
    }
    close_pair(s.fds);
    free(s.out);
    free(s.in);
}
END_TEST

static int dial_often(void *arg)
{
    int listener = co_tcp_listen("127.0.0.1:0", 0);
    const char *address = bound_to(listener);

    (void)arg;
    for (int i = 0; i < co_test_scale(300, 50); i++) {
        int a = co_tcp_dial(address);
        int b = co_accept(listener, NULL, NULL);

        ck_assert_int_ge(a, 0);
        ck_assert_int_ge(b, 0);
        ck_assert_int_eq(co_close(a), 0);
        ck_assert_int_eq(co_close(b), 0);
    }
    return co_close(listener);
}

START_TEST(signals_do_not_disturb_connecting)
{
    storm_start();
    ck_assert_int_eq(co_run(dial_often, NULL), 0);
    ck_assert_int_eq(dial_often(NULL), 0);
    co_test_alarms_stop();
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("outside");
    TCase *tc = tcase_create("outside");

    co_test_check_fds(tc);
    tcase_add_loop_test(tc, thread_waits_for_data_and_for_room, 0, PAIRS);
    tcase_add_loop_test(tc, scopes_limit_the_thread, 0, PAIRS);
    tcase_add_loop_test(tc, wait_fd_tells_the_thread, 0, PAIRS);
    tcase_add_test(tc, connecting_and_accepting_block_the_thread);
    tcase_add_test(tc, files_do_not_wait);
    tcase_add_loop_test(tc, sigpipe_is_never_raised, 0, PAIRS);
    tcase_add_loop_test(tc, signals_disturb_nothing, 0, PAIRS);
    tcase_add_test(tc, signals_do_not_disturb_connecting);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
