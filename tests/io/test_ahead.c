/* SPDX-License-Identifier: MIT */
/* ctest: timeout=120 */
/*
 * Accepting many connections: none is lost, mixed up or left open. On every
 * reactor; on io_uring they are accepted ahead (src/io/ahead.c), and then the
 * tests look at how far.
 */
#include "io_support.h"

#include <coppice/embed.h>
#include <coppice/reader.h>

#include <netinet/in.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum {
    AHEAD_MOST = 16, /* of src/io/ahead.c */
    MANY = 100,
};

static int listener;
static co_addr address;

static void listen_here(void)
{
    listener = co_tcp_listen("127.0.0.1:0", MANY * 2);
    ck_assert_int_ge(listener, 0);
    ck_assert_int_eq(co_addr_tcp(bound_to(listener), &address), 0);
}

static int client_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_ge(fd, 0);
    return fd;
}

/* Connect without giving way to any task, and say who it is. */
static void dial_with(int fd, unsigned char name)
{
    ck_assert_int_eq(connect(fd, &address.as.any, address.len), 0);
    ck_assert_int_eq(write(fd, &name, 1), 1);
}

static int dial(unsigned char name)
{
    int fd = client_socket();

    dial_with(fd, name);
    return fd;
}

static void dial_many(int *fds, int first, int count)
{
    for (int i = first; i < first + count; i++)
        fds[i] = dial((unsigned char)i);
}

static int name_of(int conn)
{
    unsigned char name;

    ck_assert_int_ge(conn, 0);
    ck_assert_int_eq(co_read(conn, &name, 1), 1);
    return name;
}

static void accept_one(int name)
{
    int conn = co_accept(listener, NULL, NULL);

    ck_assert_int_eq(name_of(conn), name);
    ck_assert_int_eq(fcntl(conn, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(co_close(conn), 0);
}

/* The other side has been closed. */
static int is_closed(int client)
{
    char byte;

    wait_readable(client);
    return read(client, &byte, 1) <= 0;
}

static void close_many(const int *fds, int count)
{
    for (int i = 0; i < count; i++)
        close(fds[i]);
}

/* Where connections are accepted ahead, let that begin. */
static void begin_ahead(void)
{
    struct call acceptor = {.fd = listener};

    call_start(&acceptor, call_accept);
    ck_assert(call_waits(&acceptor));
    run_events();
    co_cancel(acceptor.task);
    ck_assert_int_eq(call_result(&acceptor), -ECANCELED);
}

/* How many are left to the kernel. */
static int in_backlog(void)
{
    int count = 0;
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        close(fd);
        count++;
    }
    return count;
}

static int is_ahead(void)
{
    return is_commanded(listener);
}

/* ---- many ---------------------------------------------------------------- */

CO_TASK_TEST(many_that_came_before_are_accepted_in_their_order)
{
    int fds[MANY];

    listen_here();
    for (int began = 0; began < 2; began++) {
        if (began)
            begin_ahead();
        dial_many(fds, 0, MANY);
        if (began)
            run_events();
        for (int i = 0; i < MANY; i++)
            accept_one(i);
        ck_assert_int_eq(in_backlog(), 0);
        close_many(fds, MANY);
    }
    ck_assert_int_eq(co_close(listener), 0);
}

CO_TASK_TEST(a_bounded_number_is_accepted_ahead)
{
    int fds[MANY];

    listen_here();
    begin_ahead();
    /* One a turn: what comes in one turn is accepted at once. */
    for (int i = 0; i < MANY; i++) {
        dial_many(fds, i, 1);
        run_events();
    }
    run_events();
    for (int i = 0; i < AHEAD_MOST; i++)
        accept_one(i);
    /* From here on the kernel is asked for each. */
    accept_one(AHEAD_MOST);
    run_events();
    ck_assert_int_eq(in_backlog(), MANY - AHEAD_MOST - 1);
    close_many(fds, MANY);
    ck_assert_int_eq(co_close(listener), 0);
}

CO_TASK_TEST(after_it_was_full_it_is_filled_again)
{
    int fds[MANY];

    listen_here();
    for (int round = 0; round < 3; round++) {
        begin_ahead();
        dial_many(fds, 0, AHEAD_MOST + 1);
        run_events();
        dial_many(fds, AHEAD_MOST + 1, AHEAD_MOST);
        run_events();
        for (int i = 0; i < 2 * AHEAD_MOST + 1; i++)
            accept_one(i);
        close_many(fds, 2 * AHEAD_MOST + 1);
    }
    ck_assert_int_eq(co_close(listener), 0);
}

struct server {
    co_task *task;
    int served;
    unsigned char seen[MANY];
};

static int serve(void *arg)
{
    struct server *s = arg;
    int conn;

    while ((conn = co_accept(listener, NULL, NULL)) >= 0) {
        s->seen[name_of(conn)]++;
        s->served++;
        ck_assert_int_eq(co_close(conn), 0);
    }
    return conn;
}

CO_TASK_TEST(several_acceptors_share_what_comes)
{
    struct server servers[3] = {{.served = 0}};
    int fds[MANY];

    listen_here();
    for (int i = 0; i < 3; i++)
        servers[i].task = co_test_spawn(serve, &servers[i]);
    for (int i = 0; i < MANY; i++) {
        fds[i] = dial((unsigned char)i);
        if (i % 7 == 0)
            run_events();
    }
    while (servers[0].served + servers[1].served + servers[2].served < MANY)
        run_events();
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(
            servers[0].seen[i] + servers[1].seen[i] + servers[2].seen[i], 1);
    ck_assert_int_eq(co_close(listener), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(co_test_result(servers[i].task), -EBADF);
    close_many(fds, MANY);
}

CO_TASK_TEST(addresses_are_those_of_the_peers)
{
    struct sockaddr_in peer, own = {.sin_port = 0};
    socklen_t len;
    int fds[3];
    int conn;

    listen_here();
    begin_ahead();
    dial_many(fds, 0, 3);
    run_events();
    for (int i = 0; i < 3; i++) {
        len = sizeof(peer);
        conn = co_accept(listener, (struct sockaddr *)&peer, &len);
        ck_assert_int_eq(name_of(conn), i);
        ck_assert_uint_eq(len, sizeof(peer));
        len = sizeof(own);
        ck_assert_int_eq(getsockname(fds[i], (struct sockaddr *)&own, &len), 0);
        ck_assert_int_eq(peer.sin_port, own.sin_port);
        ck_assert_int_eq(co_close(conn), 0);
    }
    close_many(fds, 3);
    ck_assert_int_eq(co_close(listener), 0);
}

/* Its address is not known any more, if it was accepted ahead. */
CO_TASK_TEST(a_peer_that_has_gone_is_an_aborted_connection)
{
    const struct linger now = {.l_onoff = 1};
    struct sockaddr_storage peer;
    socklen_t len = sizeof(peer);
    int conn, fd, ahead;

    listen_here();
    ahead = is_ahead();
    begin_ahead();
    fd = dial(7);
    run_events();
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)),
                     0);
    close(fd);
    conn = co_accept(listener, (struct sockaddr *)&peer, &len);
    if (ahead)
        ck_assert_int_eq(conn, -ECONNABORTED);
    else
        ck_assert_int_eq(co_close(conn), 0);
    fd = dial(8);
    accept_one(8);
    close(fd);
    ck_assert_int_eq(co_close(listener), 0);
}

/* ---- limits -------------------------------------------------------------- */

/* Whichever comes first decides, and the connection is accepted once. */
CO_TASK_TEST(cancel_and_connection_in_one_turn)
{
    int fd;

    listen_here();
    for (int round = 0; round < 50; round++) {
        struct call acceptor = {.fd = listener};
        int woken = 0;

        call_start(&acceptor, call_accept);
        ck_assert(call_waits(&acceptor));
        if (round & 4)
            run_events();
        if (round & 1)
            co_cancel(acceptor.task);
        fd = dial((unsigned char)round);
        if (round & 2)
            collect_events();
        woken = !(round & 1) && !call_waits(&acceptor);
        if (!(round & 1))
            co_cancel(acceptor.task);
        if (call_result(&acceptor) >= 0) {
            ck_assert(woken);
            ck_assert_int_eq(name_of((int)acceptor.result), round);
            ck_assert_int_eq(co_close((int)acceptor.result), 0);
        } else {
            ck_assert(!woken);
            ck_assert_int_eq(acceptor.result, -ECANCELED);
            accept_one(round);
        }
        close(fd);
    }
    ck_assert_int_eq(co_close(listener), 0);
}

CO_TASK_TEST(timeouts_lose_nothing)
{
    int fd;

    listen_here();
    for (int round = 0; round < 3; round++) {
        co_timeout(CO_MS)
            ck_assert_int_eq(co_accept(listener, NULL, NULL), -ETIMEDOUT);
        fd = dial((unsigned char)round);
        co_timeout(10 * CO_SEC)
            accept_one(round);
        close(fd);
    }
    ck_assert_int_eq(co_close(listener), 0);
}

CO_TASK_TEST(the_next_in_line_gets_what_a_cancelled_one_did_not_take)
{
    struct call a = {.fd = -1}, b = {.fd = -1};
    int fd;

    listen_here();
    a.fd = b.fd = listener;
    call_start(&a, call_accept);
    call_start(&b, call_accept);
    run_events();
    co_cancel(a.task);
    fd = dial(1);
    ck_assert_int_eq(call_result(&a), -ECANCELED);
    ck_assert_int_eq(name_of((int)call_result(&b)), 1);
    ck_assert_int_eq(co_close((int)b.result), 0);
    close(fd);
    ck_assert_int_eq(co_close(listener), 0);
}

/* The limit is lowered first: what it was when a command was given may be what
 * the kernel goes by. */
CO_TASK_TEST(out_of_descriptors_it_says_so_and_recovers)
{
    struct call acceptor = {.fd = -1};
    struct rlimit old, low;
    int fds[3];
    int next;

    listen_here();
    acceptor.fd = listener;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3; i++)
            fds[i] = client_socket();
        next = dup(0);
        close(next);
        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
        low = old;
        low.rlim_cur = (rlim_t)next + 1; /* one connection */
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
        call_start(&acceptor, call_accept);
        ck_assert(call_waits(&acceptor));
        run_events();
        for (int i = 0; i < 3; i++)
            dial_with(fds[i], (unsigned char)i);
        ck_assert_int_eq(name_of((int)call_result(&acceptor)), 0);
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(co_accept(listener, NULL, NULL), -EMFILE);
        ck_assert_int_eq(co_close((int)acceptor.result), 0);
        accept_one(1);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
        accept_one(2);
        close_many(fds, 3);
    }
    ck_assert_int_eq(co_close(listener), 0);
}

/* ---- who only asks ------------------------------------------------------- */

CO_TASK_TEST(what_was_accepted_ahead_makes_the_listener_readable)
{
    struct call waiter = {.len = CO_READABLE};
    int fds[2];

    listen_here();
    waiter.fd = listener;
    begin_ahead();
    dial_many(fds, 0, 2);
    run_events();
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 2; k++)
            ck_assert_int_eq(co_wait_fd(listener, CO_READABLE), CO_READABLE);
        accept_one(i);
    }
    call_start(&waiter, call_wait);
    ck_assert(call_waits(&waiter));
    close_many(fds, 2);
    dial_many(fds, 0, 1);
    ck_assert_int_eq(call_result(&waiter), CO_READABLE);
    accept_one(0);
    close_many(fds, 1);
    ck_assert_int_eq(co_close(listener), 0);
}

static int accepted_in_callback;

static void on_connection(int fd, void *arg)
{
    int conn = co_accept(fd, NULL, NULL);

    (void)arg;
    ck_assert_int_ge(conn, 0);
    ck_assert_int_eq(co_close(conn), 0);
    accepted_in_callback++;
}

CO_TASK_TEST(a_callback_accepts_what_is_there)
{
    int fds[5];

    listen_here();
    begin_ahead();
    dial_many(fds, 0, 5);
    accepted_in_callback = 0;
    ck_assert_int_eq(co_loop_add_reader(co_loop_running(), listener,
                                        on_connection, NULL),
                     0);
    while (accepted_in_callback < 5)
        ck_assert_int_eq(co_sleep(CO_US), 0);
    ck_assert_int_ge(co_loop_remove_reader(co_loop_running(), listener), 0);
    close_many(fds, 5);
    ck_assert_int_eq(co_close(listener), 0);
}

/* ---- closing ------------------------------------------------------------- */

static void close_with_waiters_and_queued(int (*close_fn)(int fd), int closes)
{
    struct call acceptors[2];
    int fds[5];
    int before = co_test_fds_open();
    int ahead;

    listen_here();
    ahead = is_ahead();
    begin_ahead();
    dial_many(fds, 0, 5);
    run_events();
    ck_assert_int_eq(close_fn(listener), 0);
    if (closes || ahead)
        for (int i = 0; i < 5; i++)
            ck_assert(is_closed(fds[i]));
    close_many(fds, 5);
    if (!closes)
        close(listener);
    ck_assert_int_eq(co_test_fds_open(), before);

    listen_here();
    for (int i = 0; i < 2; i++) {
        acceptors[i] = (struct call){.fd = listener};
        call_start(&acceptors[i], call_accept);
    }
    dial_many(fds, 0, 5);
    collect_events(); /* the first has been woken */
    ck_assert_int_eq(close_fn(listener), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(call_result(&acceptors[i]), -EBADF);
    close_many(fds, 5);
    if (!closes)
        close(listener);
    ck_assert_int_eq(co_test_fds_open(), before);
}

CO_TASK_TEST(closing_closes_what_nobody_has_accepted)
{
    close_with_waiters_and_queued(co_close, 1);
}

CO_TASK_TEST(releasing_closes_what_was_accepted_ahead)
{
    close_with_waiters_and_queued(co_fd_release, 0);
}

/* Behind our back, and the number is in use again. */
CO_TASK_TEST(another_listener_with_the_number_has_its_own_connections)
{
    int fds[3];
    int number;

    listen_here();
    begin_ahead();
    dial_many(fds, 0, 2);
    run_events();
    number = listener;
    ck_assert_int_eq(co_close(listener), 0);
    listen_here();
    ck_assert_int_eq(listener, number);
    fds[2] = dial(42);
    accept_one(42);
    close_many(fds, 3);
    ck_assert_int_eq(co_close(listener), 0);
}

/* ---- runs ---------------------------------------------------------------- */

static int begin_and_leave(void *fds)
{
    begin_ahead();
    dial_many(fds, 0, 3);
    run_events();
    accept_one(0);
    return 0;
}

static int accept_the_rest(void *fds)
{
    accept_one(1);
    accept_one(2);
    begin_ahead();
    dial_many(fds, 3, 1);
    accept_one(3);
    return 0;
}

static void run(co_loop *loop, co_task_fn fn, void *arg)
{
    int result = -1;

    ck_assert_int_eq(co_loop_run_until(loop, fn, arg, &result), 0);
    ck_assert_int_eq(result, 0);
}

static void *run_elsewhere(void *arg)
{
    void **args = arg;

    run(args[0], accept_the_rest, args[1]);
    return NULL;
}

START_TEST(a_run_leaves_to_the_next_what_it_has_not_accepted)
{
    co_loop *loop = co_loop_new(NULL);
    int fds[4];
    void *args[] = {loop, fds};
    pthread_t thread;

    ck_assert_ptr_nonnull(loop);
    listen_here();
    run(loop, begin_and_leave, fds);
    if (_i) {
        ck_assert_int_eq(pthread_create(&thread, NULL, run_elsewhere, args), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
    } else {
        run(loop, accept_the_rest, fds);
    }
    close_many(fds, 4);
    co_loop_free(loop);
    close(listener);
}
END_TEST

START_TEST(the_end_of_a_loop_leaves_nothing_open)
{
    int before = co_test_fds_open();
    int fds[3];

    listen_here();
    ck_assert_int_eq(co_run(begin_and_leave, fds), 0);
    close_many(fds, 3);
    ck_assert_int_eq(co_close(listener), 0);
    ck_assert_int_eq(co_test_fds_open(), before);
}
END_TEST

/* An embedded loop, whose tasks wait between two turns. */
START_TEST(embedded_it_goes_on_accepting_between_turns)
{
    co_loop *loop = co_loop_new(NULL);
    struct server server = {.served = 0};
    int fds[3];

    ck_assert_ptr_nonnull(loop);
    listen_here();
    server.task = co_loop_spawn(loop, serve, &server);
    ck_assert_ptr_nonnull(server.task);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(co_loop_turn(loop, 0), 1);
        fds[i] = dial((unsigned char)i);
        while (server.served == i)
            ck_assert_int_eq(co_loop_turn(loop, CO_SEC), 1);
    }
    ck_assert_int_eq(co_close(listener), 0);
    ck_assert_int_eq(co_loop_turn(loop, 0), 0); /* it has ended */
    close_many(fds, 3);
    co_loop_free(loop);
}
END_TEST

static int fork_with_queued(void *arg)
{
    int *fds = arg;
    int status;
    pid_t pid;

    begin_ahead();
    dial_many(fds, 0, 3);
    run_events();
    pid = fork();
    if (pid == 0) {
        /* What was accepted ahead is the parent's. */
        int ahead = 0;

        for (int fd = 3; fd < 64; fd++) {
            struct sockaddr_storage peer;
            socklen_t len = sizeof(peer);

            if (fd != fds[0] && fd != fds[1] && fd != fds[2])
                ahead += getpeername(fd, (struct sockaddr *)&peer, &len) == 0;
        }
        _exit(ahead);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    for (int i = 0; i < 3; i++)
        accept_one(i);
    return 0;
}

START_TEST(a_forked_child_has_nothing_of_it)
{
    int fds[3];

    listen_here();
    ck_assert_int_eq(co_run(fork_with_queued, fds), 0);
    close_many(fds, 3);
    ck_assert_int_eq(co_close(listener), 0);
}
END_TEST

/* A loop that does not run belongs to both from then on. */
static int accept_new(void *arg)
{
    (void)arg;
    accept_one(42);
    return 0;
}

START_TEST(a_forked_child_that_runs_the_loop_accepts_anew)
{
    co_loop *loop = co_loop_new(NULL);
    int fds[4];
    int status;
    pid_t pid;

    listen_here();
    run(loop, begin_and_leave, fds);
    if (!co__commands(loop)) { /* they are in the backlog, for either */
        close_many(fds, 3);
        co_loop_free(loop);
        close(listener);
        return;
    }
    pid = fork();
    if (pid == 0) {
        (void)dial(42);
        run(loop, accept_new, NULL);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    run(loop, accept_the_rest, fds);
    close_many(fds, 4);
    co_loop_free(loop);
    close(listener);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("ahead");
    TCase *tc = tcase_create("ahead");

    co_test_check_fds(tc);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, many_that_came_before_are_accepted_in_their_order);
    tcase_add_test(tc, a_bounded_number_is_accepted_ahead);
    tcase_add_test(tc, after_it_was_full_it_is_filled_again);
    tcase_add_test(tc, several_acceptors_share_what_comes);
    tcase_add_test(tc, addresses_are_those_of_the_peers);
    tcase_add_test(tc, a_peer_that_has_gone_is_an_aborted_connection);
    tcase_add_test(tc, cancel_and_connection_in_one_turn);
    tcase_add_test(tc, timeouts_lose_nothing);
    tcase_add_test(tc, the_next_in_line_gets_what_a_cancelled_one_did_not_take);
    /* A limit of valgrind's own closes what was accepted beyond it. */
    if (!CO_TEST_MEMCHECK)
        tcase_add_test(tc, out_of_descriptors_it_says_so_and_recovers);
    tcase_add_test(tc, what_was_accepted_ahead_makes_the_listener_readable);
    tcase_add_test(tc, a_callback_accepts_what_is_there);
    tcase_add_test(tc, closing_closes_what_nobody_has_accepted);
    tcase_add_test(tc, releasing_closes_what_was_accepted_ahead);
    tcase_add_test(tc,
                   another_listener_with_the_number_has_its_own_connections);
    tcase_add_loop_test(tc, a_run_leaves_to_the_next_what_it_has_not_accepted,
                        0, 2);
    tcase_add_test(tc, the_end_of_a_loop_leaves_nothing_open);
    tcase_add_test(tc, embedded_it_goes_on_accepting_between_turns);
    tcase_add_test(tc, a_forked_child_has_nothing_of_it);
    tcase_add_test(tc, a_forked_child_that_runs_the_loop_accepts_anew);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
