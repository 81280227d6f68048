/* SPDX-License-Identifier: MIT */
/* libuv: a timer's callback starts it again, where others have a task sleep. */
#include "bench.h"

#include <uv.h>

#define SLEEPS 2

struct sleeper {
    uv_timer_t timer;
    int left;
};

static uint32_t seed = 12345;

static void expired(uv_timer_t *timer)
{
    struct sleeper *sleeper = (struct sleeper *)timer;

    if (--sleeper->left > 0)
        uv_timer_start(timer, expired, bench_random(&seed) % 1000, 0);
}

int main(int argc, char **argv)
{
    const char *row = bench_row(argc, argv);
    long n = bench_row_number(row);
    struct sleeper *sleepers = calloc((size_t)n, sizeof(*sleepers));
    uv_loop_t *loop = uv_default_loop();
    int64_t start;

    if (!sleepers)
        bench_die("calloc");
    for (long i = 0; i < n; i++) {
        uv_timer_init(loop, &sleepers[i].timer);
        sleepers[i].left = SLEEPS;
    }
    uv_update_time(loop);
    start = bench_cpu_ns();
    for (long i = 0; i < n; i++)
        uv_timer_start(&sleepers[i].timer, expired, bench_random(&seed) % 1000,
                       0);
    uv_run(loop, UV_RUN_DEFAULT);
    bench_report(row, (double)(bench_cpu_ns() - start) / (double)(n * SLEEPS));
    _exit(0);
}
