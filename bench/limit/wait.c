/* SPDX-License-Identifier: MIT */
/*
 * A message to another task and back over two channels, with a timeout of a
 * second at each wait. A task's timer is set when it waits, and stays set: one
 * that fires too early is set again, which happens once a second.
 */
#include "chan.h"
#include "wheel.h"

LIMIT_NO_EVENTS
LIMIT_NO_IDLE

#define TIMEOUT_TICKS 1000

static struct limit_chan there, back;

/* From its start until its timer is set, a task's `due` is 0. `events` is when
 * it wants to be woken, in ticks. */
static long recv_in_time(struct limit_chan *chan)
{
    struct limit_task *self = limit_current;
    uint64_t limit = wheel_now() + TIMEOUT_TICKS + 1;

    self->events = (unsigned)limit;
    if (!chan->sender && (!self->due || self->due > limit))
        wheel_add(self, limit);
    return limit_recv(chan);
}

static void wheel_expired(struct limit_task *task)
{
    if (task->events <= wheel_tick)
        abort(); /* nothing here takes a second */
    wheel_add(task, task->events);
}

static void echo(void *arg)
{
    (void)arg;
    for (;;)
        limit_send(&back, recv_in_time(&there));
}

int main(int argc, char **argv)
{
    const char *row = bench_row(argc, argv);
    long n = bench_scaled(argc, argv, 20000000, 1000000);
    int64_t start;

    limit_init();
    wheel_init();
    limit_timers = wheel_turn;
    limit_spawn(echo, NULL);
    start = bench_cpu_ns();
    for (long i = 0; i < n / 2; i++) {
        limit_send(&there, i);
        if (recv_in_time(&back) != i)
            abort();
    }
    bench_report(row, (double)(bench_cpu_ns() - start) / (double)n);
    return 0;
}
