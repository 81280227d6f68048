/* SPDX-License-Identifier: MIT */
/* posix_spawn and waitpid, 8 at a time: without a loop, pidfds and tasks. */
#include "bench.h"

#include <errno.h>
#include <spawn.h>
#include <sys/wait.h>

static char *argv_of[] = {(char *)BENCH_PROGRAM, NULL};

static void start(void)
{
    pid_t pid;

    errno = posix_spawn(&pid, argv_of[0], NULL, NULL, argv_of, environ);
    if (errno)
        bench_die("posix_spawn");
}

static void run_programs(long count)
{
    long begun = 0;

    for (long ended = 0; ended < count; ended++) {
        while (begun < count && begun - ended < BENCH_RUNNERS) {
            start();
            begun++;
        }
        if (waitpid(-1, NULL, 0) < 0)
            bench_die("waitpid");
    }
}

int main(int argc, char **argv)
{
    const char *row = bench_row(argc, argv);
    long total = bench_scaled(argc, argv, BENCH_PROGRAMS, BENCH_PROGRAMS / 10);
    int64_t start_ns;

    run_programs(total / 10);
    start_ns = bench_cpu_ns();
    run_programs(total);
    bench_report(row, (double)(bench_cpu_ns() - start_ns) / (double)total);
    return 0;
}
