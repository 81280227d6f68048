/* SPDX-License-Identifier: MIT */
/*
 * io/server.h - what is inside a server, for the files that make it: server.c
 * (its life), accept.c (its tasks), listen.c (its addresses).
 *
 * A server has one task for each address, which accepts and is detached, and
 * one for each connection. These are children of its group, and never fail
 * there, which would be the end of the others. `ended` is set when the last of
 * all is over; only then is the server freed.
 */
#ifndef CO_IO_SERVER_H
#define CO_IO_SERVER_H

#include <coppice/event.h>
#include <coppice/group.h>
#include <coppice/sem.h>
#include <coppice/server.h>

#include <sys/types.h>

struct co_loop;

struct co__listener {
    struct co_server *server;
    co_task *task; /* NULL when it has ended */
    int fd;        /* -1 when it listens no more */
    co_addr addr;
    dev_t dev; /* of the path of a unix socket: it is removed if it is ours */
    ino_t ino; /* 0: no path */
};

/* A connection, from when it was accepted until its task ends. */
struct co__conn {
    struct co_server *server;
    struct co__conn *prev, *next; /* in the server's list */
    co_task *task;
    co_stream *stream; /* held; NULL before it is made */
    int fd;            /* -1 when it is the stream's */
    int cut;           /* it was aborted */
};

struct co_server {
    struct co_loop *loop;
    const char *site; /* of co_server_start */
    co_server_fn fn;
    void *arg;
    co_server_options options;
    co_stream_options stream_options; /* what options.stream points to */

    struct co__listener *listeners;
    size_t listener_count;
    size_t acceptors; /* tasks of listeners that have not ended */

    struct co__conn *conns;
    size_t conn_count;
    co_group group;
    co_sem room;    /* for connections, if there is a limit */
    co_event ended; /* see above */
    int reserve;    /* a descriptor to close when there are none; or -1 */
    int stopped;
    int closing; /* a task is in co_server_close; -1: nobody knows of it */
    co_server_stats stats;
};

/* ---- listen.c ------------------------------------------------------------ */

/* Listen as options say: 0, or an error. And no more, removing a path. */
int co__listener_open(struct co__listener *listener, const char *address);
void co__listener_close(struct co__listener *listener);

/* ---- accept.c ------------------------------------------------------------ */

/* A descriptor to keep in reserve, or a negative errno. */
int co__reserve_open(void);

/* The task of a listener, which is arg. */
int co__acceptor(void *arg);

/* ---- server.c ------------------------------------------------------------ */

/* A task of the server is about to end. */
void co__server_leave(struct co_server *server);

#endif
