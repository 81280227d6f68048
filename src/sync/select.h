/* SPDX-License-Identifier: MIT */
/* sync/select.h - a co_select, between looking (select.c) and standing in line
 * (selectwait.c). */
#ifndef CO_SYNC_SELECT_H
#define CO_SYNC_SELECT_H

#include <coppice/select.h>

#include "base/clock.h"
#include "core/fdhook.h"
#include "core/future.h"
#include "sync/chan.h"
#include "sync/signal.h"

/* A case while it is waited for. */
struct co__select_node {
    union {
        struct co__chan_waiter chan;
        struct co__fd_wait fd;
        struct co__watch watch;
    };
    struct co_task *task;  /* that a watch wakes */
    struct co_chan *lock;  /* the n-th to lock, of the n-th node */
    int32_t result;        /* of a descriptor, as of the last look; 0: none */
    unsigned char begun;   /* fd, watch: to be ended */
    unsigned char refused; /* fd: not to be begun again */
};

struct co__select {
    co_case *cases;
    unsigned count;
    unsigned shared;      /* thread-safe channels to lock */
    int external;         /* something else than a task of this loop ends it */
    struct co_loop *loop; /* NULL outside of one */
    struct co_task *task;
    struct co__select_node *nodes;
    uint16_t *order;
    co_time start;            /* when it was first decided to wait */
    atomic_int claim;         /* 0: open; the number from 1 of a case; CLOSED */
    struct co__remote remote; /* how another thread ends the wait */
};

CO_INLINE co_time co__case_when(const struct co__select *s, const co_case *c)
{
    return c->co__kind == CO__CASE_AT ? c->co__number
                                      : co__time_add(s->start, c->co__number);
}

/* Where to stand in line, of a channel's or signal's case that is not switched
 * off. */
CO_INLINE struct co__waitlist *co__case_list(const co_case *c)
{
    struct co_chan *chan = c->co__object;

    if (c->co__kind == CO__CASE_SIGNAL)
        return &((struct co_signal *)c->co__object)->waiters;
    return c->co__kind == CO__CASE_SEND ? &chan->senders : &chan->receivers;
}

/* Have one case happen, any of those that can, and return its index; -EAGAIN if
 * none can. With nodes the channels are locked, and *granted may be left. */
int co__select_try(struct co__select *s, struct co__waiter **granted);

/* Wait until a case happens, with a node for each. Returns its index, or
 * -ECANCELED, -ETIMEDOUT. */
int co__select_wait(struct co__select *s, struct co__select_node *nodes);

#endif
