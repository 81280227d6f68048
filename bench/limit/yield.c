/* SPDX-License-Identifier: MIT */
/*
 * N tasks yield in turn. With many tasks each switch misses the caches, so
 * from 10,000 on the run queue is an array that holds the stack pointers too:
 * what comes a few switches later is known, and fetched in time.
 */
#include "limit.h"

LIMIT_NO_EVENTS
LIMIT_NO_IDLE

#define PREFETCH_FROM  10000
#define PREFETCH_AHEAD 16

static long tasks, started, left, total;
static int64_t start;
static const char *row;

/* A ring of tasks that are ready; the capacity is a power of two. */
static struct {
    void **sp;
    uint64_t head, tail, mask;
} ring;

static inline void prefetch(uint64_t at)
{
    char *sp = ring.sp[at & ring.mask];

    __builtin_prefetch(sp);
    __builtin_prefetch(sp + 64);
}

BENCH_NOINLINE static void ring_yield(void)
{
    void *to;

    limit_tick();
    to = ring.sp[ring.head++ & ring.mask];
    prefetch(ring.head + PREFETCH_AHEAD);
    limit_switch(&ring.sp[ring.tail++ & ring.mask], to, 0);
}

static void finish(void)
{
    bench_report(row, (double)(bench_cpu_ns() - start) / (double)total);
    exit(0);
}

static void begin(void)
{
    left = total;
    start = bench_cpu_ns();
}

static void ring_task(void)
{
    if (++started == tasks)
        begin();
    while (started < tasks)
        ring_yield();
    while (left-- > 0)
        ring_yield();
    finish();
}

static void ring_run(void)
{
    ring.mask = 1;
    while (ring.mask < (uint64_t)tasks * 2)
        ring.mask *= 2;
    ring.sp = calloc(ring.mask, sizeof(*ring.sp));
    if (!ring.sp)
        bench_die("calloc");
    ring.mask--;
    for (long i = 0; i < tasks; i++)
        ring.sp[ring.tail++] = limit_new(ring_task)->sp;
    limit_switch(&limit_main.sp, ring.sp[ring.head++], 0);
}

static void list_task(void *arg)
{
    (void)arg;
    if (++started == tasks)
        begin();
    while (started < tasks)
        limit_yield();
    while (left-- > 0)
        limit_yield();
    finish();
}

int main(int argc, char **argv)
{
    row = bench_row(argc, argv);
    tasks = bench_row_number(row);
    total = bench_yields(argc, argv, tasks, 30000000);
    limit_init();
    if (tasks >= PREFETCH_FROM) {
        ring_run();
    } else {
        for (long i = 0; i < tasks; i++)
            limit_spawn(list_task, NULL);
        limit_block();
    }
    return 1;
}
