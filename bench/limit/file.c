/* SPDX-License-Identifier: MIT */
/* One pread after the other, and no tasks at all: the page cache answers. */
#include "bench.h"

static void read_blocks(int file, long reads)
{
    char block[BENCH_BLOCK];
    uint32_t state = 1;

    while (reads-- > 0)
        if (pread(file, block, BENCH_BLOCK, bench_block(&state)) != BENCH_BLOCK)
            bench_die("pread");
}

int main(int argc, char **argv)
{
    const char *row = bench_row(argc, argv);
    long total = bench_scaled(argc, argv, BENCH_READS, BENCH_READS / 10);
    int file = bench_file();
    int64_t start;

    read_blocks(file, total / 10);
    start = bench_threads_ns(row);
    read_blocks(file, total);
    bench_report(row, (double)(bench_threads_ns(row) - start) / (double)total);
    return 0;
}
