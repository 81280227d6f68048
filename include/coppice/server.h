/* SPDX-License-Identifier: MIT */
/*
 * coppice/server.h - listening on addresses, and a task for each connection.
 *
 *     co_server *server = co_server_start(addresses, 1, talk, NULL, NULL);
 *     ...
 *     co_server_close(server, 5 * CO_SEC);
 *
 * Nothing that a client does stops a server, nor does a handler that fails. If
 * there are no descriptors left, those who wait are accepted and hung up on,
 * with one that was kept for that. All of it belongs to one loop.
 */
#ifndef COPPICE_SERVER_H
#define COPPICE_SERVER_H

#include <coppice/addr.h>
#include <coppice/base.h>
#include <coppice/stream.h>

CO_BEGIN_DECLS

typedef struct co_server co_server;

/*
 * What each connection's task runs. The stream is closed when this returns, if
 * it was not before; it is not to be used after that. A negative errno is
 * counted, reported in debug mode, and has no effect on other connections.
 */
typedef int (*co_server_fn)(co_stream *stream, void *arg);

typedef struct co_server_options {
    size_t size;    /* sizeof(co_server_options) */
    int backlog;    /* connections that wait in the kernel; 0: SOMAXCONN */
    int reuse_port; /* SO_REUSEPORT: servers of several loops share a port */
    size_t connection_max; /* handlers at a time, others wait; 0: no limit */
    size_t stack_size;     /* of handlers, see co_spawn_options */
    const co_stream_options *stream; /* copied; NULL: the defaults */
    /* Make the stream of a connection, in its task; it may wait. NULL with
     * errno if there is none: the descriptor is then closed. NULL:
     * co_stream_new. */
    co_stream *(*wrap)(int fd, void *wrap_arg);
    void *wrap_arg;
    co_time wrap_max;  /* how long wrap may take; 0: 60 s */
    co_time close_max; /* how long it may take to close what a handler leaves
                        * open; it is then closed at once; 0: 30 s */
} co_server_options;

/*
 * Listen, on all addresses or none, and start a task for each. An address is
 * "127.0.0.1:80", "[::1]:80" (IPv6 alone) or "*:80" (both), as co_addr_tcp
 * reads it, or one of these behind "tcp://"; port 0 picks one. Or it is
 * "unix:/path" or "unix:@name"; the file of a server that died is replaced, and
 * ours is removed when it stops. Nothing is kept of options, nor of addresses.
 * The server is the caller's; end it with co_server_close.
 *
 * Suspends: never. Thread-safe: no.
 * Returns the server, or NULL with errno EINVAL (addresses, fn, options),
 * EADDRINUSE (also a path that somebody listens on, or that is no socket) or
 * another error of socket(2), bind(2), listen(2), or EPERM (no loop runs here),
 * ENODEV (no such zone), EMFILE, ENOMEM, ESHUTDOWN, ECANCELED.
 */
#define co_server_start(addresses, count, fn, arg, options)                    \
    co_server_start_at(CO_SITE, (addresses), (count), (fn), (arg), (options))
CO_API CO_MUST_CHECK co_server *co_server_start_at(
    const char *site, const char *const *addresses, size_t count,
    co_server_fn fn, void *arg, const co_server_options *options);

/*
 * Listen no more; connections go on. The loop's end does this too.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 0 (also if it was stopped before), or -EINVAL (NULL), -EPERM (another
 * loop's).
 */
CO_API int co_server_stop(co_server *server);

/*
 * Cancel the handlers that run now (co_cancel); and, abort: close their
 * streams at once too, so that a shielded handler has to end, and TCP resets
 * the connection. Neither stops the server.
 *
 * Suspends: never. Thread-safe: no.
 * Returns how many there were, or -EINVAL (NULL), -EPERM (another loop's).
 */
CO_API int co_server_cancel_clients(co_server *server);
CO_API int co_server_abort_clients(co_server *server);

/*
 * Wait until the server was stopped and the last handler has returned.
 *
 * Suspends: until then. Thread-safe: no.
 * Returns 0, or -EINVAL (NULL), -EPERM (another loop's; or it would wait
 * outside a task, or in a loop callback), -EDEADLK (a handler of this server),
 * -ECANCELED, -ETIMEDOUT (scope).
 */
CO_API CO_MUST_CHECK int co_server_wait_closed(co_server *server);

/*
 * Stop, give the handlers grace_ns nanoseconds to return, abort those that have
 * not (at once if this task is cancelled or out of time), wait for them, and
 * free the server. NULL is a no-op.
 *
 * Suspends: if there are tasks of the server. Thread-safe: no.
 * Returns how many connections were cut off; or -ECANCELED, -ETIMEDOUT (scope),
 * all being done nevertheless; or, nothing being done, -EPERM (see above),
 * -EDEADLK (a handler of this server), -EBUSY (another task does this).
 */
CO_API int co_server_close(co_server *server, co_time grace_ns);

/*
 * The address that the index-th of the addresses became, its port picked; valid
 * after a stop too.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 0, or -EINVAL (NULL), -ENOENT (there are not so many).
 */
CO_API CO_MUST_CHECK int co_server_address(const co_server *server,
                                           size_t index, co_addr *out);

typedef struct co_server_stats {
    size_t size;        /* sizeof(co_server_stats), set by the caller */
    int listening;      /* 1 until it stops */
    size_t connections; /* whose handler has not returned */
    uint64_t accepted;  /* connections that got a handler */
    uint64_t shed;      /* hung up on: no descriptor, memory, or stack */
    uint64_t failed;    /* handlers that returned an error, uncancelled */
    uint64_t errors;    /* of accept(2), and of wrap */
} co_server_stats;

/* Fill *stats. Suspends: never. Thread-safe: no. Returns 0, or -EINVAL. */
CO_API int co_server_stats_get(const co_server *server, co_server_stats *stats);

CO_END_DECLS

#endif
