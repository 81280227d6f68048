/* SPDX-License-Identifier: MIT */
/* A message to a task of a loop on another thread and back, over two channels.
 */
#include "run.h"

#include <pthread.h>

static co_chan *there, *back;
static long hops;
static const char *row;

static int echo(void *arg)
{
    (void)arg;
    for (;;)
        run_send(back, run_recv(there));
    return 0;
}

static void *other_thread(void *arg)
{
    run_loop(echo, NULL);
    return arg;
}

static int run(void *arg)
{
    int64_t start = 0;

    (void)arg;
    for (long i = -hops / 10; i < hops / 2; i++) {
        if (i == 0)
            start = bench_threads_ns(row);
        run_send(there, i);
        if (run_recv(back) != i)
            abort();
    }
    bench_report(row, (double)(bench_threads_ns(row) - start) / (double)hops);
    _exit(0);
}

int main(int argc, char **argv)
{
    pthread_t thread;

    row = bench_row(argc, argv);
    hops = bench_scaled(argc, argv, BENCH_HOPS, BENCH_HOPS / 10);
    there = co_chan_new_threadsafe(sizeof(long), 1);
    back = co_chan_new_threadsafe(sizeof(long), 1);
    if (!there || !back)
        bench_die("co_chan_new_threadsafe");
    if (pthread_create(&thread, NULL, other_thread, NULL) != 0)
        bench_die("pthread_create");
    run_loop(run, NULL);
    return 1;
}
