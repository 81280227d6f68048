/* SPDX-License-Identifier: MIT */
/*
 * The life of a server; see server.h.
 *
 * Its end is in steps that a caller may also take one by one: it listens no
 * more; handlers return by themselves; they are cancelled; their connections
 * are closed under them, which ends those too that hold cancels back.
 */
#include "io/server.h"

#include <coppice/cancel.h>
#include <coppice/scope.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "core/loop.h"
#include "core/sched.h"
#include "io/stream.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

/* Those of asyncio, for handshakes and goodbyes. */
#define WRAP_MAX  (60 * CO_SEC)
#define CLOSE_MAX (30 * CO_SEC)

/* ---- start --------------------------------------------------------------- */

static int check_options(const co_server_options *options)
{
    if (!options)
        return 0;
    if (options->size != sizeof(*options) || options->backlog < 0 ||
        options->wrap_max < 0 || options->close_max < 0 ||
        options->connection_max > UINT_MAX)
        return -EINVAL;
    if (options->stack_size && (options->stack_size < CO_STACK_SIZE_MIN ||
                                options->stack_size > CO_STACK_SIZE_MAX))
        return -EINVAL;
    if (options->stream &&
        (options->stream->size != sizeof(*options->stream) || options->wrap))
        return -EINVAL;
    return 0;
}

static struct co_server *make(size_t listeners,
                              const co_server_options *options)
{
    struct co_server *server = co__alloc_zero(sizeof(*server));

    if (!server)
        return NULL;
    if (listeners <= SIZE_MAX / sizeof(*server->listeners))
        server->listeners =
            co__alloc_zero(listeners * sizeof(*server->listeners));
    if (!server->listeners) {
        co__free(server);
        return NULL;
    }
    if (options)
        server->options = *options;
    if (!server->options.wrap_max)
        server->options.wrap_max = WRAP_MAX;
    if (!server->options.close_max)
        server->options.close_max = CLOSE_MAX;
    if (server->options.stream) {
        server->stream_options = *server->options.stream;
        server->options.stream = &server->stream_options;
    }
    if (server->options.connection_max)
        (void)co_sem_init(&server->room,
                          (unsigned)server->options.connection_max);
    server->loop = co__loop;
    server->reserve = -1;
    server->stats.size = sizeof(server->stats);
    server->stats.listening = 1;
    return server;
}

static void destroy(struct co_server *server)
{
    if (server->reserve >= 0)
        close(server->reserve);
    co_group_fini(&server->group);
    co_event_fini(&server->ended);
    co__free(server->listeners);
    co__free(server);
}

/* Nobody has been accepted yet, and no task has run: 0, or an error, and what
 * was begun is left to be undone. */
static int begin(struct co_server *server, const char *const *addresses,
                 size_t count)
{
    const co_spawn_options detached = {
        .size = sizeof(detached), .name = "server", .detached = 1};
    int r;

    for (size_t i = 0; i < count; i++) {
        server->listeners[i].server = server;
        server->listeners[i].fd = -1;
        r = co__listener_open(&server->listeners[i], addresses[i]);
        if (r < 0)
            return r;
        server->listener_count++;
    }
    server->reserve = co__reserve_open();
    if (server->reserve < 0)
        return server->reserve;
    for (size_t i = 0; i < count; i++) {
        co_task *task = co_spawn_with_at(server->site, &detached, co__acceptor,
                                         &server->listeners[i]);

        if (!task)
            return -errno;
        server->listeners[i].task = task;
        server->acceptors++;
    }
    return 0;
}

co_server *co_server_start_at(const char *site, const char *const *addresses,
                              size_t count, co_server_fn fn, void *arg,
                              const co_server_options *options)
{
    struct co_server *server;
    int r = check_options(options);

    if (!addresses || !count || !fn)
        r = -EINVAL;
    else if (!co__loop)
        r = -EPERM;
    if (r < 0) {
        errno = -r;
        return NULL;
    }
    server = make(count, options);
    if (!server) {
        errno = ENOMEM;
        return NULL;
    }
    server->site = site;
    server->fn = fn;
    server->arg = arg;
    r = begin(server, addresses, count);
    if (r == 0)
        return server;
    (void)co_server_stop(server);
    if (server->acceptors)
        server->closing = -1; /* the last of them frees it */
    else
        destroy(server);
    errno = -r;
    return NULL;
}

/* ---- stop ---------------------------------------------------------------- */

/* Whether a call may be made here, on this thread: 0, or an error. */
static int check(const co_server *server)
{
    if (!server)
        return -EINVAL;
    if (server->loop != co__loop && (server->acceptors || server->conn_count))
        return -EPERM;
    return 0;
}

void co__server_leave(struct co_server *server)
{
    if (server->acceptors || server->conn_count)
        return;
    co_event_set(&server->ended);
    if (server->closing < 0)
        destroy(server);
}

int co_server_stop(co_server *server)
{
    int r = check(server);

    if (r < 0)
        return r;
    if (server->stopped)
        return 0;
    server->stopped = 1;
    server->stats.listening = 0;
    for (size_t i = 0; i < server->listener_count; i++) {
        co__listener_close(&server->listeners[i]);
        if (server->listeners[i].task)
            co_cancel(server->listeners[i].task);
    }
    return 0;
}

int co_server_cancel_clients(co_server *server)
{
    int r = check(server);

    if (r < 0)
        return r;
    for (struct co__conn *conn = server->conns; conn; conn = conn->next)
        co_cancel(conn->task);
    return (int)server->conn_count;
}

int co_server_abort_clients(co_server *server)
{
    int r = co_server_cancel_clients(server);

    if (r < 0)
        return r;
    for (struct co__conn *conn = server->conns; conn; conn = conn->next) {
        conn->cut = 1;
        if (conn->stream)
            co__stream_cut(conn->stream);
    }
    return r;
}

/* ---- wait ---------------------------------------------------------------- */

/* Whether a call that waits for the server's tasks may be made here. */
static int check_wait(const co_server *server)
{
    int r = check(server);

    if (r < 0 || (!server->acceptors && !server->conn_count))
        return r;
    if (co__loop->self->flags & CO__FLAG_CALLBACK)
        return -EPERM;
    for (const struct co__conn *conn = server->conns; conn; conn = conn->next)
        if (conn->task == co__loop->self)
            return -EDEADLK;
    return 0;
}

int co_server_wait_closed(co_server *server)
{
    int r = check_wait(server);

    return r < 0 ? r : co_event_wait(&server->ended);
}

/* Wait for all tasks, whatever limits there are. */
static void wait_for_all(struct co_server *server)
{
    co_scope shield = {0};
    int r;

    co__scope_shield(&shield, 0);
    r = co_event_wait(&server->ended);
    if (r == 0)
        r = co_group_wait(&server->group);
    co__scope_leave(&shield);
    CO_ASSERT(r == 0);
    (void)r;
}

/* Until the handlers have returned, and not longer than the grace period.
 * Returns 0, or the caller's own limit. */
static int wait_gracefully(struct co_server *server, co_time grace_ns)
{
    co_scope grace = {0};
    int r = 0;

    co_timeout_in(&grace, grace_ns)
        r = co_event_wait(&server->ended);
    return r == -ETIMEDOUT && co_scope_expired(&grace) ? 0 : r;
}

int co_server_close(co_server *server, co_time grace_ns)
{
    int r, cut = 0;

    if (!server)
        return 0;
    r = server->closing ? -EBUSY : check_wait(server);
    if (r < 0)
        return r;
    server->closing = 1;
    (void)co_server_stop(server);
    if (server->acceptors || server->conn_count) {
        r = wait_gracefully(server, grace_ns);
        cut = co_server_abort_clients(server);
        wait_for_all(server);
    }
    destroy(server);
    return r < 0 ? r : cut;
}

/* ---- looking ------------------------------------------------------------- */

int co_server_address(const co_server *server, size_t index, co_addr *out)
{
    if (!server || !out)
        return -EINVAL;
    if (index >= server->listener_count)
        return -ENOENT;
    *out = server->listeners[index].addr;
    return 0;
}

int co_server_stats_get(const co_server *server, co_server_stats *stats)
{
    size_t size;

    if (!server || !stats || stats->size != sizeof(*stats))
        return -EINVAL;
    size = stats->size;
    *stats = server->stats;
    stats->size = size;
    stats->connections = server->conn_count;
    return 0;
}
