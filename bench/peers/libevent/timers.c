/* SPDX-License-Identifier: MIT */
/* libevent: a timer's callback adds it again where others have a task sleep. */
#include "bench.h"

#include <event2/event.h>
#include <event2/event_struct.h>

#define SLEEPS 2

struct sleeper {
    struct event timer;
    int left;
};

static uint32_t seed = 12345;

static void sleep_again(struct sleeper *sleeper)
{
    long us = (long)(bench_random(&seed) % 1000) * 1000;
    struct timeval wait = {us / 1000000, us % 1000000};

    event_add(&sleeper->timer, &wait);
}

static void expired(evutil_socket_t fd, short what, void *arg)
{
    struct sleeper *sleeper = arg;

    (void)fd;
    (void)what;
    if (--sleeper->left > 0)
        sleep_again(sleeper);
}

int main(int argc, char **argv)
{
    const char *row = bench_row(argc, argv);
    long n = bench_row_number(row);
    struct sleeper *sleepers = calloc((size_t)n, sizeof(*sleepers));
    struct event_base *base = event_base_new();
    int64_t start;

    if (!sleepers || !base)
        bench_die("calloc");
    for (long i = 0; i < n; i++) {
        event_assign(&sleepers[i].timer, base, -1, 0, expired, &sleepers[i]);
        sleepers[i].left = SLEEPS;
    }
    start = bench_cpu_ns();
    for (long i = 0; i < n; i++)
        sleep_again(&sleepers[i]);
    event_base_dispatch(base);
    bench_report(row, (double)(bench_cpu_ns() - start) / (double)(n * SLEEPS));
    _exit(0);
}
