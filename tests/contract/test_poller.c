/* SPDX-License-Identifier: MIT */
/* ctest: labels=contract */
/*
 * The contract of core/poller.h, which every backend of the build must pass
 * unchanged: a test case per backend, contract.<name>.
 *
 * co__fd_ready is this file's own: the archive's is not linked, since nothing
 * here asks for the loop.
 */
#include "core/poller.h"

#include "base/clock.h"
#include "base/compiler.h"
#include "support/alarms.h"
#include "support/check_main.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

/* ---- support ------------------------------------------------------------- */

enum {
    FDS_MAX = 4096,
};

static const struct co__poller_ops *ops; /* the backend under test */
static struct co__poller *poller;
static char loop_of_nobody; /* the backend only hands the pointer on */

static struct report {
    int count;
    uint32_t gen;
    uint32_t mask; /* of the last */
} reports[FDS_MAX];

void co__fd_ready(struct co_loop *loop, int fd, uint32_t gen, uint32_t mask)
{
    ck_assert_ptr_eq(loop, (struct co_loop *)(void *)&loop_of_nobody);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_lt(fd, FDS_MAX);
    reports[fd].count++;
    reports[fd].gen = gen;
    reports[fd].mask = mask;
}

static void forget(void)
{
    memset(reports, 0, sizeof(reports));
}

static int wait_for(co_time ns)
{
    co_time now = co__clock_read();

    forget();
    return ops->wait(poller, now, ns == CO_NEVER ? CO_NEVER : now + ns);
}

static int look(void)
{
    forget();
    return ops->wait(poller, co__clock_read(), 0);
}

static void poller_made(void)
{
    poller = NULL;
    ck_assert_int_eq(
        ops->open((struct co_loop *)(void *)&loop_of_nobody, &poller), 0);
    ck_assert_ptr_nonnull(poller);
}

static void poller_closed(void)
{
    ops->close(poller);
    poller = NULL;
}

static void use_backend_0(void)
{
    ops = co__pollers[0];
}

static void use_backend_1(void)
{
    ops = co__pollers[1];
}

static void use_backend_2(void)
{
    ops = co__pollers[2];
}

static void (*const use_backend[])(void) = {use_backend_0, use_backend_1,
                                            use_backend_2};

static void pair_make(int fds[2])
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds),
                     0);
}

static void pair_close(int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

static void put(int fd)
{
    ck_assert_int_eq((int)write(fd, "x", 1), 1);
}

static void fill(int fd)
{
    char block[4096] = "";

    while (write(fd, block, sizeof(block)) > 0)
        continue;
    ck_assert_int_eq(errno, EAGAIN);
}

static void drain(int fd)
{
    char block[4096];

    while (read(fd, block, sizeof(block)) > 0)
        continue;
}

/* ---- watch --------------------------------------------------------------- */

START_TEST(an_edge_before_watch_is_reported)
{
    int fds[2];

    pair_make(fds);
    put(fds[1]);
    ck_assert_int_eq(ops->watch(poller, fds[0], 7), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert_int_eq(reports[fds[0]].count, 1);
    ck_assert_uint_eq(reports[fds[0]].gen, 7);
    ck_assert_uint_eq(reports[fds[0]].mask, CO__POLL_IN | CO__POLL_OUT);
    ops->unwatch(poller, fds[0]);
    pair_close(fds);
}
END_TEST

START_TEST(an_edge_is_reported_once)
{
    int fds[2];

    pair_make(fds);
    ck_assert_int_eq(ops->watch(poller, fds[0], 1), 0);
    ck_assert_int_eq(look(), 1); /* writable */
    ck_assert_uint_eq(reports[fds[0]].mask, CO__POLL_OUT);
    ck_assert_int_eq(look(), 0);
    put(fds[1]);
    ck_assert_int_eq(look(), 1);
    ck_assert(reports[fds[0]].mask & CO__POLL_IN);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(look(), 0); /* though it is still readable */
    put(fds[1]);
    ck_assert_int_eq(look(), 1); /* the next edge */
    ops->unwatch(poller, fds[0]);
    pair_close(fds);
}
END_TEST

START_TEST(room_to_write_is_an_edge)
{
    int fds[2];

    pair_make(fds);
    fill(fds[0]);
    ck_assert_int_eq(ops->watch(poller, fds[0], 1), 0);
    look();
    ck_assert(!(reports[fds[0]].mask & CO__POLL_OUT));
    drain(fds[1]);
    ck_assert_int_eq(look(), 1);
    ck_assert(reports[fds[0]].mask & CO__POLL_OUT);
    ck_assert(!(reports[fds[0]].mask & CO__POLL_IN));
    ops->unwatch(poller, fds[0]);
    pair_close(fds);
}
END_TEST

START_TEST(a_descriptor_is_watched_once)
{
    int fds[2];

    pair_make(fds);
    ck_assert_int_eq(ops->watch(poller, fds[0], 1), 0);
    ck_assert_int_eq(ops->watch(poller, fds[0], 2), -EEXIST);
    look();
    ck_assert_uint_eq(reports[fds[0]].gen, 1);
    ops->unwatch(poller, fds[0]);
    ck_assert_int_eq(ops->watch(poller, fds[0], 2), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert_uint_eq(reports[fds[0]].gen, 2);
    ops->unwatch(poller, fds[0]);
    pair_close(fds);
}
END_TEST

START_TEST(what_cannot_be_watched_says_so)
{
    FILE *regular = tmpfile();
    int file = fileno(regular);
    int fds[2];

    ck_assert_int_eq(ops->watch(poller, file, 1), -EPERM);
    ck_assert_int_eq(ops->arm(poller, file, 1, CO__POLL_IN), -EPERM);
    fclose(regular);
    file = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_eq(ops->watch(poller, file, 1), -EPERM);
    ck_assert_int_eq(ops->arm(poller, file, 1, CO__POLL_IN), -EPERM);
    close(file);
    ck_assert_int_eq(ops->watch(poller, file, 1), -EBADF);
    ck_assert_int_eq(ops->arm(poller, file, 1, CO__POLL_IN), -EBADF);
    ck_assert_int_eq(ops->watch(poller, -1, 1), -EBADF);
    ck_assert_int_eq(ops->arm(poller, -1, 1, CO__POLL_OUT), -EBADF);
    pair_make(fds); /* the numbers are free for others */
    ck_assert_int_eq(ops->watch(poller, fds[0], 1), 0);
    ops->unwatch(poller, fds[0]);
    pair_close(fds);
}
END_TEST

START_TEST(unwatch_is_harmless)
{
    int fds[2];

    pair_make(fds);
    ops->unwatch(poller, fds[0]); /* never watched */
    ops->unwatch(poller, -1);
    ops->unwatch(poller, FDS_MAX - 1); /* not open */
    ck_assert_int_eq(ops->watch(poller, fds[0], 1), 0);
    put(fds[1]);
    ops->unwatch(poller, fds[0]);
    ops->unwatch(poller, fds[0]);
    ck_assert_int_eq(look(), 0);
    pair_close(fds);
    ops->unwatch(poller, fds[0]);
    ck_assert_int_eq(look(), 0);
}
END_TEST

START_TEST(the_generation_is_carried)
{
    static const uint32_t gens[] = {0, 1, 0x7fffffff, 0x80000000, UINT32_MAX};
    int fds[2];

    pair_make(fds);
    for (size_t i = 0; i < CO_ARRAY_LEN(gens); i++) {
        ck_assert_int_eq(ops->watch(poller, fds[0], gens[i]), 0);
        ck_assert_int_eq(look(), 1);
        ck_assert_uint_eq(reports[fds[0]].gen, gens[i]);
        ops->unwatch(poller, fds[0]);
        ck_assert_int_eq(ops->arm(poller, fds[0], gens[i], CO__POLL_OUT), 0);
        ck_assert_int_eq(look(), 1);
        ck_assert_uint_eq(reports[fds[0]].gen, gens[i]);
        ops->unwatch(poller, fds[0]);
    }
    pair_close(fds);
}
END_TEST

/* ---- arm ----------------------------------------------------------------- */

START_TEST(an_armed_descriptor_reports_once)
{
    int fds[2];

    pair_make(fds);
    put(fds[1]);
    ck_assert_int_eq(ops->arm(poller, fds[0], 3, CO__POLL_IN), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert_uint_eq(reports[fds[0]].mask, CO__POLL_IN);
    ck_assert_uint_eq(reports[fds[0]].gen, 3);
    put(fds[1]);
    ck_assert_int_eq(look(), 0);
    ck_assert_int_eq(ops->arm(poller, fds[0], 4, CO__POLL_IN), 0);
    ck_assert_int_eq(look(), 1); /* it is a level: what is there counts */
    ck_assert_uint_eq(reports[fds[0]].gen, 4);
    ops->unwatch(poller, fds[0]);
    pair_close(fds);
}
END_TEST

START_TEST(arming_again_replaces_the_mask)
{
    int fds[2];

    pair_make(fds);
    ck_assert_int_eq(ops->arm(poller, fds[0], 1, CO__POLL_IN), 0);
    ck_assert_int_eq(look(), 0);
    ck_assert_int_eq(ops->arm(poller, fds[0], 1, CO__POLL_IN | CO__POLL_OUT),
                     0);
    ck_assert_int_eq(look(), 1);
    ck_assert_uint_eq(reports[fds[0]].mask, CO__POLL_OUT);
    ck_assert_int_eq(ops->arm(poller, fds[0], 1, CO__POLL_OUT), 0);
    ck_assert_int_eq(ops->arm(poller, fds[0], 1, CO__POLL_IN), 0);
    ck_assert_int_eq(look(), 0);
    put(fds[1]);
    ck_assert_int_eq(look(), 1);
    ck_assert_uint_eq(reports[fds[0]].mask, CO__POLL_IN);
    ops->unwatch(poller, fds[0]);
    pair_close(fds);
}
END_TEST

START_TEST(a_reused_number_can_be_armed_again)
{
    int fds[2], again[2];

    pair_make(fds);
    ck_assert_int_eq(ops->arm(poller, fds[0], 1, CO__POLL_IN), 0);
    pair_close(fds); /* without unwatch: it is not ours */
    pair_make(again);
    ck_assert_int_eq(again[0], fds[0]);
    put(again[1]);
    ck_assert_int_eq(ops->arm(poller, again[0], 2, CO__POLL_IN), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert_uint_eq(reports[again[0]].gen, 2);
    ops->unwatch(poller, again[0]);
    pair_close(again);
}
END_TEST

/* ---- masks --------------------------------------------------------------- */

START_TEST(the_end_of_the_peers_side_is_readable_and_rdhup)
{
    int fds[2];

    pair_make(fds);
    ck_assert_int_eq(ops->watch(poller, fds[0], 1), 0);
    look();
    shutdown(fds[1], SHUT_WR);
    ck_assert_int_eq(look(), 1);
    ck_assert(reports[fds[0]].mask & CO__POLL_IN);
    ck_assert(reports[fds[0]].mask & CO__POLL_RDHUP);
    ck_assert(!(reports[fds[0]].mask & CO__POLL_HUP));
    ops->unwatch(poller, fds[0]);
    ck_assert_int_eq(ops->arm(poller, fds[0], 1, CO__POLL_IN), 0);
    ck_assert_int_eq(look(), 1);
    ck_assert(reports[fds[0]].mask & CO__POLL_IN);
    ops->unwatch(poller, fds[0]);
    pair_close(fds);
}
END_TEST

START_TEST(a_hangup_wakes_both_directions)
{
    const uint32_t both = CO__POLL_IN | CO__POLL_OUT | CO__POLL_HUP;
    int fds[2], other[2];

    pair_make(fds);
    ck_assert_int_eq(ops->watch(poller, fds[0], 1), 0);
    fill(fds[0]);
    look();
    close(fds[1]);
    ck_assert_int_eq(look(), 1);
    ck_assert_uint_eq(reports[fds[0]].mask & both, both);
    ops->unwatch(poller, fds[0]);
    close(fds[0]);

    pair_make(other); /* armed for one direction, too */
    fill(other[0]);
    ck_assert_int_eq(ops->arm(poller, other[0], 1, CO__POLL_OUT), 0);
    ck_assert_int_eq(look(), 0);
    close(other[1]);
    ck_assert_int_eq(look(), 1);
    ck_assert(reports[other[0]].mask & CO__POLL_OUT);
    ops->unwatch(poller, other[0]);
    close(other[0]);
}
END_TEST

START_TEST(a_pipe_without_readers_is_an_error_to_its_writer)
{
    int fds[2];

    ck_assert_int_eq(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    fill(fds[1]);
    ck_assert_int_eq(ops->watch(poller, fds[1], 1), 0);
    ck_assert_int_eq(look(), 0);
    close(fds[0]);
    ck_assert_int_eq(look(), 1);
    ck_assert(reports[fds[1]].mask & CO__POLL_ERR);
    ck_assert(reports[fds[1]].mask & CO__POLL_OUT);
    ops->unwatch(poller, fds[1]);
    close(fds[1]);
}
END_TEST

static int listen_local(struct sockaddr_in *to)
{
    socklen_t length = sizeof(*to);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memset(to, 0, sizeof(*to));
    to->sin_family = AF_INET;
    to->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)to, sizeof(*to)), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)to, &length), 0);
    return fd;
}

static void tcp_make(int fds[2])
{
    struct sockaddr_in to;
    int listener = listen_local(&to);

    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fds[0], (struct sockaddr *)&to, sizeof(to)), 0);
    fds[1] = accept(listener, NULL, NULL);
    ck_assert_int_ge(fds[1], 0);
    close(listener);
}

START_TEST(urgent_data_is_reported)
{
    int fds[2];

    tcp_make(fds);
    ck_assert_int_eq(ops->watch(poller, fds[0], 1), 0);
    look();
    ck_assert_int_eq((int)send(fds[1], "!", 1, MSG_OOB), 1);
    ck_assert_int_eq(wait_for(5 * CO_SEC), 1);
    ck_assert(reports[fds[0]].mask & CO__POLL_PRI);
    ck_assert(reports[fds[0]].mask & CO__POLL_IN);
    ops->unwatch(poller, fds[0]);
    pair_close(fds);
}
END_TEST

START_TEST(a_reset_wakes_both_directions)
{
    const uint32_t both = CO__POLL_IN | CO__POLL_OUT | CO__POLL_ERR;
    struct linger now = {.l_onoff = 1};
    int fds[2];

    tcp_make(fds);
    ck_assert_int_eq(ops->watch(poller, fds[0], 1), 0);
    look();
    setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fds[1]);
    ck_assert_int_eq(wait_for(5 * CO_SEC), 1);
    ck_assert_uint_eq(reports[fds[0]].mask & both, both);
    ops->unwatch(poller, fds[0]);
    close(fds[0]);
}
END_TEST

/* ---- deadlines ----------------------------------------------------------- */

START_TEST(a_wait_never_ends_before_its_deadline)
{
    static const co_time lengths[] = {1,      999,   CO_US,     50 * CO_US,
                                      999999, CO_MS, CO_MS + 1, 3 * CO_MS};

    for (int round = 0; round < co_test_scale(50, 5); round++)
        for (size_t i = 0; i < CO_ARRAY_LEN(lengths); i++) {
            co_time now = co__clock_read();
            co_time end = now + lengths[i];

            ck_assert_int_eq(ops->wait(poller, now, end), 0);
            ck_assert_int_ge(co__clock_read(), end);
        }
}
END_TEST

START_TEST(deadlines_that_have_passed_do_not_wait)
{
    co_time start = co__clock_read();

    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(ops->wait(poller, start, 0), 0);
        ck_assert_int_eq(ops->wait(poller, start, start), 0);
        ck_assert_int_eq(ops->wait(poller, start, start - CO_SEC), 0);
        ck_assert_int_eq(ops->wait(poller, start, 1), 0);
    }
    ck_assert_int_lt(co__clock_read() - start, 5 * CO_SEC);
}
END_TEST

START_TEST(a_far_deadline_does_not_end_a_wait)
{
    co_time far[] = {CO_NEVER, CO_NEVER - 1, CO_SEC * 86400 * 365 * 250};
    int fds[2];

    pair_make(fds);
    for (size_t i = 0; i < CO_ARRAY_LEN(far); i++) {
        put(fds[1]);
        ck_assert_int_eq(ops->arm(poller, fds[0], 1, CO__POLL_IN), 0);
        forget();
        ck_assert_int_eq(ops->wait(poller, co__clock_read(), far[i]), 1);
        ck_assert_int_eq(reports[fds[0]].count, 1);
    }
    ops->unwatch(poller, fds[0]);
    pair_close(fds);
}
END_TEST

/* ---- wake ---------------------------------------------------------------- */

START_TEST(a_wake_before_the_wait_is_not_lost)
{
    co_time start = co__clock_read();

    ops->wake(poller);
    ck_assert_int_eq(wait_for(CO_NEVER), 0);
    ops->wake(poller);
    ck_assert_int_eq(wait_for(20 * CO_SEC), 0);
    ck_assert_int_lt(co__clock_read() - start, 10 * CO_SEC);
}
END_TEST

START_TEST(many_wakes_become_one)
{
    co_time start = co__clock_read();

    for (int i = 0; i < 10000; i++)
        ops->wake(poller);
    ck_assert_int_eq(wait_for(CO_NEVER), 0);
    ck_assert_int_eq(wait_for(2 * CO_MS), 0); /* used up: this one waits */
    ck_assert_int_ge(co__clock_read() - start, 2 * CO_MS);
}
END_TEST

START_TEST(wake_keeps_errno)
{
    errno = E2BIG;
    ops->wake(poller);
    ck_assert_int_eq(errno, E2BIG);
    look();
}
END_TEST

static void *wake_thread(void *arg)
{
    usleep(*(useconds_t *)arg);
    ops->wake(poller);
    return NULL;
}

START_TEST(another_thread_ends_a_wait)
{
    for (int i = 0; i < co_test_scale(200, 20); i++) {
        useconds_t pause = (useconds_t)(i % 20) * 20;
        pthread_t thread;

        ck_assert_int_eq(pthread_create(&thread, NULL, wake_thread, &pause), 0);
        ck_assert_int_eq(wait_for(CO_NEVER), 0);
        pthread_join(thread, NULL);
    }
}
END_TEST

static co_time woken_at;

static void *wake_late(void *arg)
{
    usleep(20000);
    woken_at = co__clock_read();
    ops->wake(poller);
    return arg;
}

START_TEST(a_wait_without_a_limit_lasts)
{
    pthread_t thread;
    co_time ended;

    ck_assert_int_eq(pthread_create(&thread, NULL, wake_late, NULL), 0);
    ck_assert_int_eq(wait_for(CO_NEVER), 0);
    ended = co__clock_read();
    pthread_join(thread, NULL);
    ck_assert_int_ge(ended, woken_at);
}
END_TEST

static int handled;

static void wake_in_handler(int number)
{
    (void)number;
    handled++;
    ops->wake(poller);
}

static void only_count(int number)
{
    (void)number;
    handled++;
}

static void alarm_in(useconds_t us, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    struct itimerval soon = {.it_value = {.tv_usec = (suseconds_t)us}};

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &soon, NULL);
}

START_TEST(a_signal_handler_ends_a_wait)
{
    handled = 0;
    for (int i = 0; i < co_test_scale(200, 20); i++) {
        alarm_in(20 + (useconds_t)i, wake_in_handler);
        while (handled == i)
            ck_assert_int_eq(wait_for(CO_NEVER), 0);
        look();
    }
    signal(SIGALRM, SIG_DFL);
}
END_TEST

START_TEST(a_signal_may_end_a_wait_early_but_reports_nothing)
{
    co_time start = co__clock_read();

    handled = 0;
    /* Again and again: the first may come before the wait. */
    co_test_alarms_start(only_count, 2000);
    ck_assert_int_eq(wait_for(30 * CO_SEC), 0);
    co_test_alarms_stop();
    ck_assert_int_ge(handled, 1);
    ck_assert_int_lt(co__clock_read() - start, 20 * CO_SEC);
}
END_TEST

/* ---- many ---------------------------------------------------------------- */

/* All ready, all the time: each must have its turn. */
START_TEST(none_of_a_thousand_ready_descriptors_starves)
{
    enum {
        MANY = 1000,
    };
    static int fds[MANY][2];
    static int seen[MANY];
    struct rlimit limit;
    int left = MANY;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    memset(seen, 0, sizeof(seen));
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(pipe2(fds[i], O_NONBLOCK | O_CLOEXEC), 0);
        put(fds[i][1]);
        ck_assert_int_eq(ops->watch(poller, fds[i][0], (uint32_t)i), 0);
    }
    for (int rounds = 0; left > 0; rounds++) {
        ck_assert_int_lt(rounds, 100);
        look();
        for (int i = 0; i < MANY; i++) {
            if (!reports[fds[i][0]].count)
                continue;
            ck_assert_uint_eq(reports[fds[i][0]].gen, (uint32_t)i);
            if (!seen[i]++)
                left--;
            put(fds[i][1]); /* a new edge at once */
        }
    }
    for (int i = 0; i < MANY; i++) {
        ops->unwatch(poller, fds[i][0]);
        pair_close(fds[i]);
    }
}
END_TEST

/* ---- embedding and fork -------------------------------------------------- */

static int is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) == 1 && p.revents & POLLIN;
}

START_TEST(the_descriptor_is_readable_when_there_is_something_to_report)
{
    int fd = ops->fd(poller);
    int fds[2];

    ck_assert_int_ge(fd, 0);
    ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    pair_make(fds);
    ck_assert(!is_readable(fd));
    put(fds[1]);
    ck_assert_int_eq(ops->watch(poller, fds[0], 1), 0);
    ck_assert(is_readable(fd));
    look();
    ck_assert(!is_readable(fd)); /* an edge, and it has been reported */
    ops->wake(poller);
    ck_assert(is_readable(fd));
    look();
    ck_assert(!is_readable(fd));
    ops->unwatch(poller, fds[0]);
    pair_close(fds);
}
END_TEST

START_TEST(abandoning_in_a_child_leaves_the_parents_registrations)
{
    int fds[2], armed[2], status;
    pid_t pid;

    pair_make(fds);
    pair_make(armed);
    ck_assert_int_eq(ops->watch(poller, fds[0], 1), 0);
    ck_assert_int_eq(ops->arm(poller, armed[0], 2, CO__POLL_IN), 0);
    look();
    pid = fork();
    if (pid == 0) {
        int open_before = co_test_fds_open();

        ops->abandon(poller);
        _exit(co_test_fds_open() < open_before ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    put(fds[1]);
    put(armed[1]);
    ck_assert_int_eq(look(), 2);
    ck_assert_int_eq(reports[fds[0]].count, 1);
    ck_assert_int_eq(reports[armed[0]].count, 1);
    ops->wake(poller);
    ck_assert_int_eq(wait_for(CO_NEVER), 0);
    ops->unwatch(poller, fds[0]);
    ops->unwatch(poller, armed[0]);
    pair_close(fds);
    pair_close(armed);
}
END_TEST

START_TEST(the_table_is_complete)
{
    ck_assert_ptr_nonnull(ops->name);
    ck_assert_uint_gt(strlen(ops->name), 0);
    ck_assert(ops->open && ops->close && ops->watch && ops->arm &&
              ops->unwatch && ops->wait && ops->wake && ops->fd &&
              ops->abandon);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, the_table_is_complete);
    tcase_add_test(tc, an_edge_before_watch_is_reported);
    tcase_add_test(tc, an_edge_is_reported_once);
    tcase_add_test(tc, room_to_write_is_an_edge);
    tcase_add_test(tc, a_descriptor_is_watched_once);
    tcase_add_test(tc, what_cannot_be_watched_says_so);
    tcase_add_test(tc, unwatch_is_harmless);
    tcase_add_test(tc, the_generation_is_carried);
    tcase_add_test(tc, an_armed_descriptor_reports_once);
    tcase_add_test(tc, arming_again_replaces_the_mask);
    tcase_add_test(tc, a_reused_number_can_be_armed_again);
    tcase_add_test(tc, the_end_of_the_peers_side_is_readable_and_rdhup);
    tcase_add_test(tc, a_hangup_wakes_both_directions);
    tcase_add_test(tc, a_pipe_without_readers_is_an_error_to_its_writer);
    tcase_add_test(tc, urgent_data_is_reported);
    tcase_add_test(tc, a_reset_wakes_both_directions);
    tcase_add_test(tc, a_wait_never_ends_before_its_deadline);
    tcase_add_test(tc, deadlines_that_have_passed_do_not_wait);
    tcase_add_test(tc, a_far_deadline_does_not_end_a_wait);
    tcase_add_test(tc, a_wake_before_the_wait_is_not_lost);
    tcase_add_test(tc, many_wakes_become_one);
    tcase_add_test(tc, wake_keeps_errno);
    tcase_add_test(tc, another_thread_ends_a_wait);
    tcase_add_test(tc, a_wait_without_a_limit_lasts);
    tcase_add_test(tc, a_signal_handler_ends_a_wait);
    tcase_add_test(tc, a_signal_may_end_a_wait_early_but_reports_nothing);
    tcase_add_test(tc, none_of_a_thousand_ready_descriptors_starves);
    tcase_add_test(
        tc, the_descriptor_is_readable_when_there_is_something_to_report);
    tcase_add_test(tc, abandoning_in_a_child_leaves_the_parents_registrations);
}

static Suite *suite(void)
{
    Suite *s = suite_create("poller");

    for (size_t i = 0; co__pollers[i]; i++) {
        static char names[CO_ARRAY_LEN(use_backend)][64];
        TCase *tc;

        if (i == CO_ARRAY_LEN(use_backend))
            break;
        snprintf(names[i], sizeof(names[i]), "contract.%s",
                 co__pollers[i]->name);
        tc = tcase_create(names[i]);
        co_test_check_fds(tc);
        tcase_add_checked_fixture(tc, use_backend[i], NULL);
        tcase_add_checked_fixture(tc, poller_made, poller_closed);
        add_tests(tc);
        suite_add_tcase(s, tc);
    }
    return s;
}

CO_TEST_MAIN(suite)
