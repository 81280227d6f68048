/* SPDX-License-Identifier: MIT */
/* Commands that go on accepting, where the backend carries commands out. */
#include "suite.h"

#include "core/command.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum {
    CLIENTS = 40,
};

static struct sockaddr_in to;
static int listener;
static int clients[CLIENTS];
static struct co__command command;
static int conns[CLIENTS], conns_count;
static int ends, error; /* how often its end was reported, and with what */
static int cancel_at;   /* so many connections; 0: never */

static void reported(struct co__command *c, int result, unsigned end)
{
    ck_assert_ptr_eq(c, &command);
    ck_assert_int_eq(ends, 0); /* nothing comes after the end */
    if (result >= 0)
        conns[conns_count++] = result;
    if (end & CO__END_MORE) {
        ck_assert_int_ge(result, 0);
        ck_assert(!c->over);
    } else {
        ck_assert(c->over);
        ends++;
        error = result;
    }
    if (cancel_at && conns_count == cancel_at && !c->over)
        ops->cancel(poller, c);
}

static void start(void)
{
    ends = error = conns_count = cancel_at = 0;
    memset(&command, 0, sizeof(command));
    command.code = CO__DO_ACCEPT;
    command.hint = CO__HINT_MULTI;
    command.fd = listener;
    command.done = reported;
    ck_assert_int_eq(ops->submit(poller, &command), 0);
}

static void open_listener(void)
{
    socklen_t length = sizeof(to);

    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    memset(&to, 0, sizeof(to));
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&to, sizeof(to)), 0);
    ck_assert_int_eq(listen(listener, CLIENTS), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&to, &length), 0);
}

static void connect_clients(int first, int count)
{
    for (int i = first; i < first + count; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(
            connect(clients[i], (struct sockaddr *)&to, sizeof(to)), 0);
    }
}

static void close_all(int count)
{
    for (int i = 0; i < count; i++)
        close(clients[i]);
    for (int i = 0; i < conns_count; i++)
        close(conns[i]);
    close(listener);
}

static void wait_for_conns(int count)
{
    while (conns_count < count)
        wait_for(CO_SEC);
}

static int still_in_backlog(void)
{
    int count = 0;
    int fd;

    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        close(fd);
        count++;
    }
    return count;
}

START_TEST(it_accepts_until_it_is_cancelled)
{
    open_listener();
    start();
    look();
    ck_assert_int_eq(conns_count, 0);
    for (int i = 0; i < 3; i++) {
        connect_clients(i, 1);
        wait_for_conns(i + 1);
        ck_assert_int_eq(fcntl(conns[i], F_GETFD), FD_CLOEXEC);
        ck_assert(fcntl(conns[i], F_GETFL) & O_NONBLOCK);
        put(clients[i]);
        drain(conns[i]);
    }
    ops->cancel(poller, &command);
    while (!ends)
        wait_for(CO_SEC);
    ck_assert_int_eq(error, -ECANCELED);
    connect_clients(3, 1);
    look();
    ck_assert_int_eq(conns_count, 3);
    ck_assert_int_eq(still_in_backlog(), 1);
    close_all(4);
}
END_TEST

/* All that came in a turn, though the first of it has cancelled the command:
 * none may get lost on the way. */
START_TEST(what_it_accepted_before_its_cancel_is_reported)
{
    open_listener();
    start();
    look();
    cancel_at = 1;
    connect_clients(0, CLIENTS);
    while (!ends)
        wait_for(CO_SEC);
    ck_assert_int_ge(conns_count, 1);
    ck_assert_int_eq(conns_count + still_in_backlog(), CLIENTS);
    close_all(CLIENTS);
}
END_TEST

START_TEST(forgetting_reports_connections_and_the_end)
{
    for (int submitted = 0; submitted < 2; submitted++) {
        open_listener();
        start();
        if (submitted)
            look();
        connect_clients(0, 5);
        ops->forget(poller, &command);
        ck_assert_int_eq(ends, 1);
        ck_assert_int_eq(conns_count + still_in_backlog(), 5);
        look();
        close_all(5);
    }
}
END_TEST

START_TEST(an_error_ends_it_and_takes_no_connection)
{
    struct rlimit old, low;
    int next;

    open_listener();
    connect_clients(0, 3);
    next = dup(0);
    close(next);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = (rlim_t)next + 1; /* one connection */
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
    start();
    while (!ends)
        wait_for(CO_SEC);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    ck_assert_int_eq(error, -EMFILE);
    ck_assert_int_eq(conns_count, 1);
    close(conns[0]);
    start();
    wait_for_conns(2);
    ops->forget(poller, &command);
    close_all(3);
}
END_TEST

/* It holds the file: only forget lets go of the port. */
START_TEST(forgotten_before_the_listener_is_closed_the_port_is_free)
{
    int fd;

    open_listener();
    start();
    look();
    ops->forget(poller, &command);
    close(listener);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    close(fd);
}
END_TEST

static void *begin_elsewhere(void *result)
{
    *(int *)result = ops->begin(poller);
    if (*(int *)result == 0)
        ops->end(poller, 1);
    return NULL;
}

START_TEST(another_thread_may_begin_when_nothing_is_under_way)
{
    pthread_t thread;
    int result;

    open_listener();
    start();
    look();
    ops->end(poller, 0);
    for (int forgotten = 0; forgotten < 2; forgotten++) {
        ck_assert_int_eq(
            pthread_create(&thread, NULL, begin_elsewhere, &result), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_assert_int_eq(result, forgotten ? 0 : -EPERM);
        ck_assert_int_eq(ops->begin(poller), 0);
        if (!forgotten)
            ops->forget(poller, &command);
        ops->end(poller, 1);
    }
    ck_assert_int_eq(ops->begin(poller), 0);
    close(listener);
}
END_TEST

void add_accepts(TCase *tc)
{
    if (!ops->submit)
        return;
    tcase_add_test(tc, it_accepts_until_it_is_cancelled);
    tcase_add_test(tc, what_it_accepted_before_its_cancel_is_reported);
    tcase_add_test(tc, forgetting_reports_connections_and_the_end);
    tcase_add_test(tc, an_error_ends_it_and_takes_no_connection);
    tcase_add_test(tc,
                   forgotten_before_the_listener_is_closed_the_port_is_free);
    tcase_add_test(tc, another_thread_may_begin_when_nothing_is_under_way);
}
