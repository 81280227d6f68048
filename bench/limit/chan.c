/* SPDX-License-Identifier: MIT */
/*
 * A message to another task and back over two channels, or a number that
 * counts down on its way round a ring of tasks.
 */
#include "chan.h"

LIMIT_NO_EVENTS
LIMIT_NO_IDLE

static struct limit_chan there, back, *ring;
static long messages, tasks;

static void echo(void *arg)
{
    (void)arg;
    for (;;)
        limit_send(&back, limit_recv(&there));
}

static void pingpong(void)
{
    limit_spawn(echo, NULL);
    for (long i = 0; i < messages / 2; i++) {
        limit_send(&there, i);
        if (limit_recv(&back) != i)
            abort();
    }
}

static void hop(void *arg)
{
    long place = (long)(intptr_t)arg;

    for (;;)
        limit_send(&ring[(place + 1) % tasks], limit_recv(&ring[place]) - 1);
}

/* This task is the ring's first place. */
static void go_round(void)
{
    long left;

    limit_send(&ring[1], messages - 1);
    while ((left = limit_recv(&ring[0])) > 0)
        limit_send(&ring[1], left - 1);
}

int main(int argc, char **argv)
{
    const char *row = bench_row(argc, argv);
    int64_t start;

    tasks = bench_row_number(row);
    messages = bench_scaled(argc, argv, 20000000, 1000000);
    ring = calloc((size_t)tasks + 1, sizeof(*ring));
    if (!ring)
        bench_die("calloc");
    limit_init();
    for (long i = 1; i < tasks; i++)
        limit_spawn(hop, (void *)(intptr_t)i);
    limit_yield(); /* all wait in their places */
    start = bench_cpu_ns();
    if (tasks > 0)
        go_round();
    else
        pingpong();
    bench_report(row, (double)(bench_cpu_ns() - start) / (double)messages);
    return 0;
}
