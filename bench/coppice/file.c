/* SPDX-License-Identifier: MIT */
/* Tasks that read blocks of one file at random. */
#include "run.h"

static int file;
static long left;

static int reader(void *arg)
{
    uint32_t state = (uint32_t)(intptr_t)arg + 1;
    char block[BENCH_BLOCK];

    while (left-- > 0)
        if (co_file_read_at(file, block, BENCH_BLOCK, bench_block(&state)) !=
            BENCH_BLOCK)
            run_must(-EIO, "co_file_read_at");
    return 0;
}

static void read_blocks(long reads)
{
    co_task *all[BENCH_READERS];

    left = reads;
    for (long i = 0; i < BENCH_READERS; i++)
        all[i] = run_spawn(reader, (void *)(intptr_t)i);
    for (long i = 0; i < BENCH_READERS; i++)
        run_must(co_join(all[i], NULL), "co_join");
}

static long total;
static const char *row;

static int run(void *arg)
{
    int64_t start;

    (void)arg;
    read_blocks(total / 10);
    start = bench_threads_ns(row);
    read_blocks(total);
    bench_report(row, (double)(bench_threads_ns(row) - start) / (double)total);
    return 0;
}

int main(int argc, char **argv)
{
    row = bench_row(argc, argv);
    total = bench_scaled(argc, argv, BENCH_READS, BENCH_READS / 10);
    file = bench_file();
    run_loop(run, NULL);
    return 0;
}
