/* SPDX-License-Identifier: MIT */
/*
 * kqueue(2) on epoll(7), for tests on Linux.
 *
 * A kqueue is an epoll set, so that its descriptor can be polled, of more epoll
 * sets, one for each filter of descriptors: so reading and writing are
 * registered, reset and spent each by itself, as on BSD. User events, signals
 * and files are kept here; an eventfd in the outer set is readable while one of
 * them has something to tell.
 *
 * Where the systems differ it does as macOS does, which asks for more: urgent
 * data has a filter, a process that has ended cannot be watched, and writing to
 * a pipe without a reader cannot be registered (FreeBSD, too).
 *
 * What it cannot do: tell which error a socket has (Linux gives that once, to
 * whom it is meant for; fflags is ECONNRESET), count signals that are blocked
 * (they become one), see the own shutdown(2) of the writing side as its end,
 * and hold back events of a socket that was never connected. It may say
 * "writable" again where reading has changed.
 */
#ifndef CO_TESTS_KQUEUE_SHIM_H
#define CO_TESTS_KQUEUE_SHIM_H

#include <stdint.h>
#include <sys/epoll.h>
#include <sys/event.h>

/* The sets in a kqueue, by filter. */
enum shim_set {
    SHIM_READ,
    SHIM_WRITE,
    SHIM_EXCEPT,
    SHIM_PROC,
    SHIM_SIGNAL,
    SHIM_SETS,
};

enum {
    SHIM_BUCKETS = 1024,
};

/* One registration: what BSD calls a knote. */
struct knote {
    struct knote *next;      /* in its bucket */
    struct knote *next_soft; /* of those that are looked at here */
    struct kevent is;        /* flags: how to report; fflags: asked for */
    uint32_t serial;         /* tells it from earlier ones of the number */
    int set;                 /* enum shim_set, or -1: looked at here */
    int fd;                  /* what stands in the set; or -1 */
    int disabled;
    int64_t count; /* soft: how often it happened */
    int64_t seen;  /* of a file: its size when last reported */
};

struct queue {
    struct queue *next;
    int kq; /* the outer set */
    int bell;
    int rung;            /* the bell is readable */
    int sets[SHIM_SETS]; /* -1: not made yet */
    unsigned turn;       /* which set is looked at first */
    struct knote *soft;
    struct knote *buckets[SHIM_BUCKETS];
};

/* Close without our looking at it. */
int shim_close(int fd);

/* filters.c: a registration begins and ends (0, or an errno); begins anew, so
 * that what is the case counts; and describes what it has to tell. Returns
 * whether there is anything. `events` are epoll's. */
int shim_attach(struct queue *queue, struct knote *knote);
void shim_detach(struct queue *queue, struct knote *knote);
int shim_touch(struct queue *queue, struct knote *knote,
               const struct kevent *change);
int shim_describe(struct knote *knote, uint32_t events, struct kevent *out);
/* Of one that is looked at here: whether there is something to tell. */
int shim_has_news(const struct knote *knote);

/* signals.c: the same for what cannot be had from the kernel's sets. */
int shim_signal_attach(struct queue *queue, struct knote *knote);
void shim_signal_detach(struct knote *knote);
int shim_signal_count(int signo);

#endif
