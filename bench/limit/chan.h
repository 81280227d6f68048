/* SPDX-License-Identifier: MIT */
/*
 * bench/limit/chan.h - the smallest unbuffered channel: a number at a time,
 * one sender and one receiver.
 */
#ifndef BENCH_CHAN_H
#define BENCH_CHAN_H

#include "limit.h"

struct limit_chan {
    struct limit_task *receiver; /* that waits; or NULL */
    struct limit_task *sender;   /* that waits with `value`; or NULL */
    long value;
};

BENCH_UNUSED BENCH_NOINLINE static void limit_send(struct limit_chan *chan,
                                                   long value)
{
    struct limit_task *receiver = chan->receiver;

    if (receiver) {
        chan->receiver = NULL;
        receiver->value = value;
        limit_ready(receiver);
        return;
    }
    chan->value = value;
    chan->sender = limit_current;
    limit_block();
}

BENCH_UNUSED BENCH_NOINLINE static long limit_recv(struct limit_chan *chan)
{
    struct limit_task *self = limit_current;
    struct limit_task *sender = chan->sender;

    if (sender) {
        long value = chan->value;

        chan->sender = NULL;
        limit_ready(sender);
        return value;
    }
    chan->receiver = self;
    limit_block();
    return self->value;
}

#endif
