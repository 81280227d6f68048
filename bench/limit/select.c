/* SPDX-License-Identifier: MIT */
/* A task receives from whichever of four channels has something; another one
 * sends to them in turn. */
#include "chan.h"

LIMIT_NO_EVENTS
LIMIT_NO_IDLE

#define CHANNELS 4

static struct limit_chan channels[CHANNELS];
static long total;

/* Who receives waits at all channels, and takes itself off when it runs: until
 * then `waiting` tells whether it has got something. */
BENCH_NOINLINE static void send(struct limit_chan *chan, long value)
{
    struct limit_task *receiver = chan->receiver;

    if (receiver && receiver->waiting) {
        receiver->waiting = false;
        receiver->value = value;
        limit_ready(receiver);
        return;
    }
    chan->value = value;
    chan->sender = limit_current;
    limit_block();
}

BENCH_NOINLINE static long recv_any(void)
{
    struct limit_task *self = limit_current;

    for (int i = 0; i < CHANNELS; i++) {
        struct limit_task *sender = channels[i].sender;

        if (sender) {
            channels[i].sender = NULL;
            limit_ready(sender);
            return channels[i].value;
        }
    }
    for (int i = 0; i < CHANNELS; i++)
        channels[i].receiver = self;
    self->waiting = true;
    limit_block();
    for (int i = 0; i < CHANNELS; i++)
        channels[i].receiver = NULL;
    return self->value;
}

static void sender(void *arg)
{
    (void)arg;
    for (long i = 0;; i++)
        send(&channels[i % CHANNELS], i);
}

int main(int argc, char **argv)
{
    const char *row = bench_row(argc, argv);
    int64_t start;

    total = bench_scaled(argc, argv, 20000000, 1000000);
    limit_init();
    limit_spawn(sender, NULL);
    start = bench_cpu_ns();
    for (long i = 0; i < total; i++)
        if (recv_any() != i)
            abort();
    bench_report(row, (double)(bench_cpu_ns() - start) / (double)total);
    return 0;
}
