/* SPDX-License-Identifier: MIT */
/* libuv: as many reads of a file under way as the row has tasks. */
#include "bench.h"

#include <uv.h>

struct reader {
    uv_fs_t request;
    uint32_t state;
    char block[BENCH_BLOCK];
};

static int file;
static long left;

static void next(uv_fs_t *request);

static void start(uv_loop_t *loop, struct reader *reader)
{
    uv_buf_t buffer = uv_buf_init(reader->block, BENCH_BLOCK);

    if (left-- > 0)
        uv_fs_read(loop, &reader->request, file, &buffer, 1,
                   bench_block(&reader->state), next);
}

static void next(uv_fs_t *request)
{
    if (request->result != BENCH_BLOCK)
        bench_die("uv_fs_read");
    uv_fs_req_cleanup(request);
    start(request->loop, (struct reader *)request);
}

static void read_blocks(long reads)
{
    static struct reader all[BENCH_READERS];

    left = reads;
    for (long i = 0; i < BENCH_READERS; i++) {
        all[i].state = (uint32_t)i + 1;
        start(uv_default_loop(), &all[i]);
    }
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

int main(int argc, char **argv)
{
    const char *row = bench_row(argc, argv);
    long n = bench_scaled(argc, argv, BENCH_READS, BENCH_READS / 10);
    int64_t begun;

    file = bench_file();
    read_blocks(n / 10);
    begun = bench_threads_ns(row);
    read_blocks(n);
    bench_report(row, (double)(bench_threads_ns(row) - begun) / (double)n);
    return 0;
}
