/* SPDX-License-Identifier: MIT */
/* A task receives from whichever of four channels has something; another one
 * sends to them in turn. */
#include "run.h"

#define CHANNELS 4

static co_chan *channels[CHANNELS];
static long total;
static const char *row;

static int sender(void *arg)
{
    (void)arg;
    for (long i = 0;; i++)
        run_send(channels[i % CHANNELS], i);
    return 0;
}

static int run(void *arg)
{
    long value = 0;
    int64_t start;

    (void)arg;
    for (int i = 0; i < CHANNELS; i++)
        channels[i] = run_chan();
    co_detach(run_spawn(sender, NULL));
    start = bench_cpu_ns();
    for (long i = 0; i < total; i++) {
        co_case cases[] = {
            CO_CASE_RECV(channels[0], &value),
            CO_CASE_RECV(channels[1], &value),
            CO_CASE_RECV(channels[2], &value),
            CO_CASE_RECV(channels[3], &value),
        };

        run_must(co_select(cases, CHANNELS), "co_select");
        if (value != i)
            abort();
    }
    bench_report(row, (double)(bench_cpu_ns() - start) / (double)total);
    _exit(0);
}

int main(int argc, char **argv)
{
    row = bench_row(argc, argv);
    total = bench_scaled(argc, argv, 20000000, 1000000);
    run_loop(run, NULL);
    return 1;
}
