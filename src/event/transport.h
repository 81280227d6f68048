/* SPDX-License-Identifier: MIT */
/*
 * event/transport.h - what is inside a transport, for the files that make it:
 * transport.c (its life, and reading), transwrite.c (writing), transpipe.c
 * (what can only be written to), datagrams.c, subprocess.c.
 *
 * One task of the library's reads and calls the protocol; another one writes,
 * while something is buffered. The reading task is there from the start to the
 * end: it waits for the other, closes what is behind, and frees the transport.
 * Either is fetched out of a wait by its scope, not by a cancel: that would
 * make the writes fail that the protocol does in its last calls.
 */
#ifndef CO_EVENT_TRANSPORT_H
#define CO_EVENT_TRANSPORT_H

#include <coppice/scope.h>
#include <coppice/transport.h>

#include "core/sched.h"

#include <stddef.h>

/* What waits to be written: some bytes of a stream, or one datagram. */
struct co__piece {
    struct co__piece *next;
    size_t begin, end, room; /* in data */
    struct sockaddr_storage to;
    socklen_t to_len;
    char data[];
};

struct co__transport_kind {
    /* Wait, read, call the protocol: more than 0: go on; 0: nothing more
     * comes; or an error, which ends the transport. */
    int (*read)(struct co_transport *t);
    /* Write what is left of a piece: 0, or an error, which ends it. */
    int (*write)(struct co_transport *t, struct co__piece *piece);
    int (*write_eof)(struct co_transport *t); /* NULL: to close it */
    int (*close)(struct co_transport *t);
    void (*abort)(struct co_transport *t);
};

struct co_transport {
    const struct co__transport_kind *kind;
    const co_protocol *protocol;
    void *arg;
    co_stream *stream;      /* or NULL; of one of datagrams */
    int fd;                 /* or -EINVAL; or */
    co_process *process;    /* or NULL, and */
    co_transport *pipes[3]; /* of that; NULL: there is none, or it is lost */
    co_transport *owner;    /* of a process's pipe, or NULL: the process's, */
    int which;              /* and which of them this is */
    const char *site;
    struct co_loop *loop;
    struct co_task *reader;
    struct co_task *writer; /* NULL: nothing to write */
    co_scope reading;       /* entered while it waits for something to read */
    co_scope writing;
    struct co__piece *out, *out_last; /* not: the one that is being written */
    size_t buffered, high, low;       /* bytes; of that one, too */
    int error;                        /* for connection_lost */
    uint8_t reads, writes;            /* can be read from, written to */
    uint8_t exited;                   /* the process, and the protocol knows */
    uint8_t unmade;                   /* it was taken back */
    uint8_t resting;                  /* the reader waits for one of us */
    uint8_t paused;                   /* reading, by the user */
    uint8_t held;                     /* pause_writing was called */
    uint8_t flush_due, eof_due;       /* for the writer */
    uint8_t closing, aborted;
};

/* Around a call of the protocol's: nothing may wait in it. */
CO_INLINE unsigned co__protocol_begin(const struct co_transport *t)
{
    struct co_task *self = t->loop->self;
    unsigned old = self->flags & CO__FLAG_CALLBACK;

    self->flags |= CO__FLAG_CALLBACK;
    return old;
}

CO_INLINE void co__protocol_end(const struct co_transport *t, unsigned old)
{
    if (!old)
        t->loop->self->flags &= ~CO__FLAG_CALLBACK;
}

/* It ends, with what is buffered lost; 0: because the user wants it. */
void co__transport_lose(struct co_transport *t, int error);

/* Fetch the reading task out of its wait. */
void co__transport_kick(struct co_transport *t);

/* The reading task waits until it is fetched; in vain after a cancel. */
void co__transport_rest(struct co_transport *t);

/* What the user's limits, or the refusal to wait, make a try fail with. */
CO_INLINE int co__try_later(ssize_t error)
{
    return error == -EPERM || error == -ECANCELED || error == -ETIMEDOUT;
}

/* Buffer some bytes, or a datagram. 0, or -ENOMEM, -EAGAIN. */
int co__transport_buffer(struct co_transport *t, const struct iovec *iov,
                         int iov_count, const struct sockaddr *to,
                         socklen_t to_len);

/* Make one; *behind has what is behind it. */
co_transport *co__transport_make(const char *site, const char *call,
                                 const co_protocol *protocol, void *arg,
                                 const struct co_transport *behind);

/* Take one back that was made a moment ago; what is behind it is left alone. */
void co__transport_unmake(struct co_transport *t);

/* One of a stream, whatever ways that goes; `owner` and `which` are of `of`. */
co_transport *co__transport_make_stream(const char *site, co_stream *stream,
                                        const co_protocol *protocol, void *arg,
                                        const struct co_transport *of);

/* What is written to and cannot be read "reads" that nobody is left to read it:
 * see co__transport_kind. */
int co__transport_watch_reader(struct co_transport *t);

/* Whether a protocol can be called, and tells of what. 0, or -EINVAL. */
int co__protocol_check(const co_protocol *protocol);

#endif
