/* SPDX-License-Identifier: MIT */
/* A message to another task and back over two channels, with a timeout of a
 * second at each wait. */
#include "run.h"

static co_chan *there, *back;
static long messages;
static const char *row;

BENCH_INLINE long recv_in_time(co_chan *chan)
{
    long value = 0;

    co_timeout(CO_SEC) {
        value = run_recv(chan);
    }
    return value;
}

static int echo(void *arg)
{
    (void)arg;
    for (;;)
        run_send(back, recv_in_time(there));
    return 0;
}

static int run(void *arg)
{
    int64_t start;

    (void)arg;
    there = run_chan();
    back = run_chan();
    co_detach(run_spawn(echo, NULL));
    start = bench_cpu_ns();
    for (long i = 0; i < messages / 2; i++) {
        run_send(there, i);
        if (recv_in_time(back) != i)
            abort();
    }
    bench_report(row, (double)(bench_cpu_ns() - start) / (double)messages);
    _exit(0);
}

int main(int argc, char **argv)
{
    row = bench_row(argc, argv);
    messages = bench_scaled(argc, argv, 20000000, 1000000);
    run_loop(run, NULL);
    return 1;
}
