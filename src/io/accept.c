/* SPDX-License-Identifier: MIT */
/*
 * The tasks of a server: one for each address, which accepts, and one for each
 * connection.
 *
 * Without descriptors accept(2) fails, and the connections that wait in the
 * kernel stay there, with clients that wait for an answer until their patience
 * ends. Nor is there an event when a descriptor is free again. So one is kept
 * in reserve: it is closed, a connection takes its place and is hung up on, and
 * the reserve is made anew. Nothing suspends in between.
 *
 * What else accept(2) says is of one connection, or passes: it is tried again,
 * after a pause if it was not about a connection.
 */
#include "io/server.h"

#include <coppice/cancel.h>
#include <coppice/fd.h>
#include <coppice/scope.h>
#include <coppice/socket.h>

#include "base/alloc.h"
#include "core/loop.h"
#include "core/report.h"
#include "io/stream.h"
#include "io/sys.h"

#include <fcntl.h>
#include <unistd.h>

#define PAUSE_FIRST (1 * CO_MS)
#define PAUSE_MOST  (256 * CO_MS)

/* ---- a connection -------------------------------------------------------- */

static co_stream *wrap(const struct co__conn *conn)
{
    const co_server_options *options = &conn->server->options;
    co_stream *stream = NULL;

    if (!options->wrap)
        return co_stream_new(conn->fd, options->stream);
    co_timeout(options->wrap_max)
        stream = options->wrap(conn->fd, options->wrap_arg);
    return stream;
}

/* A client that does not read keeps what is to be flushed, and a goodbye, from
 * being sent. Out of time it is closed at once. */
static void close_in_time(co_stream *stream, const co_server_options *options)
{
    co_timeout(options->close_max)
        (void)co_stream_close(stream);
}

/* Returns what the handler does. */
static int handle(struct co__conn *conn)
{
    struct co_server *server = conn->server;
    co_stream *stream = conn->cut ? NULL : wrap(conn);
    int r;

    if (!stream) {
        server->stats.errors += !conn->cut;
        co_close(conn->fd);
        return 0;
    }
    conn->fd = -1;
    conn->stream = stream;
    co__stream_hold(stream);
    if (conn->cut)
        co__stream_cut(stream);
    r = server->fn(stream, server->arg);
    if (!stream->gone)
        close_in_time(stream, &server->options);
    conn->stream = NULL;
    co__stream_release(stream);
    return r;
}

static void link_conn(struct co__conn *conn)
{
    struct co_server *server = conn->server;

    conn->next = server->conns;
    if (conn->next)
        conn->next->prev = conn;
    server->conns = conn;
    server->conn_count++;
}

static void unlink_conn(struct co__conn *conn)
{
    struct co_server *server = conn->server;

    if (conn->prev)
        conn->prev->next = conn->next;
    else
        server->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    server->conn_count--;
}

/* Always 0: a group ends with its first error, a server does not. */
static int run_connection(void *arg)
{
    struct co__conn *conn = arg;
    struct co_server *server = conn->server;
    int r = handle(conn);

    if (r < 0 && !co_cancelling(co_self())) {
        server->stats.failed++;
        if (co__loop->debug)
            co__report_task(co_self(), r, "failed in a server's connection");
    }
    unlink_conn(conn);
    co__free(conn);
    if (server->options.connection_max)
        co_sem_release(&server->room);
    co__server_leave(server);
    return 0;
}

/* Start the task of a connection: 0, or an error; then the descriptor is
 * closed. */
static int start(struct co_server *server, int fd)
{
    co_spawn_options options = {.size = sizeof(options),
                                .stack_size = server->options.stack_size};
    struct co__conn *conn = co__alloc_zero(sizeof(*conn));
    int r;

    if (conn) {
        conn->server = server;
        conn->fd = fd;
        conn->task = co_group_spawn_with_at(server->site, &server->group,
                                            &options, run_connection, conn);
        if (conn->task) {
            link_conn(conn);
            server->stats.accepted++;
            return 0;
        }
        r = -errno;
        co__free(conn);
    } else {
        r = -ENOMEM;
    }
    server->stats.shed++;
    co_close(fd);
    return r;
}

/* ---- accepting ----------------------------------------------------------- */

int co__reserve_open(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

/* Hang up on a connection. Returns 0, or, having met none, an error. */
static int shed(struct co__listener *listener)
{
    struct co_server *server = listener->server;
    int fd;

    if (server->reserve < 0)
        return -EMFILE;
    close(server->reserve);
    fd = co__sys_accept(listener->fd, NULL, NULL);
    if (fd >= 0) {
        close(fd);
        server->stats.shed++;
        fd = 0;
    }
    server->reserve = co__reserve_open();
    return fd;
}

/* Whether an error is of the connection that would have been accepted. */
static int is_of_connection(int error)
{
    switch (-error) {
    case ECONNABORTED:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case EPERM: /* a firewall's */
        return 1;
    default:
        return 0;
    }
}

/* After an error of accept(2). Returns 0 to go on, or why not. */
static int recover(struct co__listener *listener, int error, co_time *pause)
{
    int r = error;

    if (r == -EMFILE || r == -ENFILE) {
        r = shed(listener);
        if (r == -EAGAIN) {
            r = co_wait_fd(listener->fd, CO_READABLE);
            return r < 0 ? r : 0;
        }
        if (r == 0)
            return 0;
    }
    listener->server->stats.errors++;
    if (is_of_connection(r))
        return 0;
    if (listener->server->reserve < 0) {
        r = co__reserve_open();
        if (r >= 0)
            listener->server->reserve = r;
    }
    r = co_sleep(*pause);
    *pause = *pause * 2 < PAUSE_MOST ? *pause * 2 : PAUSE_MOST;
    return r;
}

/* Take the place of a connection, waiting for one to end. One that was accepted
 * meanwhile waits with us, there is one at most for each address. */
static int take_room(struct co_server *server)
{
    return server->options.connection_max ? co_sem_acquire(&server->room) : 0;
}

static void give_room_back(struct co_server *server)
{
    if (server->options.connection_max)
        co_sem_release(&server->room);
}

/* Accept one, having waited for room first, but without keeping it: another
 * address may have connections while this one has none. */
static int accept_one(struct co__listener *listener)
{
    struct co_server *server = listener->server;
    int r = take_room(server);
    int fd;

    if (r < 0)
        return r;
    give_room_back(server);
    fd = co_accept(listener->fd, NULL, NULL);
    if (fd < 0)
        return fd;
    r = take_room(server);
    if (r < 0) {
        co_close(fd);
        return r;
    }
    return fd;
}

int co__acceptor(void *arg)
{
    struct co__listener *listener = arg;
    struct co_server *server = listener->server;
    co_time pause = PAUSE_FIRST;

    while (!server->stopped) {
        int r = accept_one(listener);

        if (r >= 0) {
            r = start(server, r);
            if (r < 0)
                give_room_back(server);
        }
        if (r >= 0)
            pause = PAUSE_FIRST;
        else if (r == -ECANCELED || server->stopped ||
                 recover(listener, r, &pause) == -ECANCELED)
            break;
    }
    listener->task = NULL;
    server->acceptors--;
    /* It was the loop's end that has cancelled us. */
    (void)co_server_stop(server);
    co__server_leave(server);
    return 0;
}
