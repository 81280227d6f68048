/* SPDX-License-Identifier: MIT */
/*
 * A message to another task and back over two channels, or a number that
 * counts down on its way round a ring of tasks.
 */
#include "run.h"

static co_chan *there, *back, **ring;
static long messages, tasks;
static const char *row;

static int echo(void *arg)
{
    (void)arg;
    for (;;)
        run_send(back, run_recv(there));
    return 0;
}

static void pingpong(void)
{
    for (long i = 0; i < messages / 2; i++) {
        run_send(there, i);
        if (run_recv(back) != i)
            abort();
    }
}

static int hop(void *arg)
{
    long place = (long)(intptr_t)arg;

    for (;;)
        run_send(ring[(place + 1) % tasks], run_recv(ring[place]) - 1);
    return 0;
}

/* This task is the ring's first place. */
static void go_round(void)
{
    long left;

    run_send(ring[1], messages - 1);
    while ((left = run_recv(ring[0])) > 0)
        run_send(ring[1], left - 1);
}

static void begin(void)
{
    there = run_chan();
    back = run_chan();
    co_detach(run_spawn(echo, NULL));
    ring = calloc((size_t)tasks + 1, sizeof(*ring));
    if (!ring)
        bench_die("calloc");
    for (long i = 0; i < tasks; i++)
        ring[i] = run_chan();
    for (long i = 1; i < tasks; i++)
        co_detach(run_spawn(hop, (void *)(intptr_t)i));
    run_must(co_yield_now(), "co_yield_now"); /* all wait in their places */
}

static int run(void *arg)
{
    int64_t start;

    (void)arg;
    begin();
    start = bench_cpu_ns();
    if (tasks > 0)
        go_round();
    else
        pingpong();
    bench_report(row, (double)(bench_cpu_ns() - start) / (double)messages);
    _exit(0);
}

int main(int argc, char **argv)
{
    row = bench_row(argc, argv);
    tasks = bench_row_number(row);
    messages = bench_scaled(argc, argv, 20000000, 1000000);
    run_loop(run, NULL);
    return 1;
}
