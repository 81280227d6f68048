/* SPDX-License-Identifier: MIT */
/* libuv: an empty job in a thread of its pool; the next one follows. */
#include "bench.h"

#include <uv.h>

static long left;

static void nothing(uv_work_t *work)
{
    (void)work;
}

static void done(uv_work_t *work, int status)
{
    if (status < 0)
        bench_die("uv_queue_work");
    if (--left > 0)
        uv_queue_work(work->loop, work, nothing, done);
}

static void run(uv_loop_t *loop, long jobs)
{
    uv_work_t work;

    left = jobs;
    uv_queue_work(loop, &work, nothing, done);
    uv_run(loop, UV_RUN_DEFAULT);
}

int main(int argc, char **argv)
{
    const char *row = bench_row(argc, argv);
    long n = bench_scaled(argc, argv, BENCH_JOBS, BENCH_JOBS / 10);
    uv_loop_t *loop = uv_default_loop();
    int64_t start;

    run(loop, n / 10); /* the threads are there from here on */
    start = bench_now_ns();
    run(loop, n);
    bench_report(row, (double)(bench_now_ns() - start) / (double)n);
    return 0;
}
