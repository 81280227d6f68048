/* SPDX-License-Identifier: MIT */
/*
 * A priority queue that holds 1,000 elements: a binary heap. What it gives
 * comes back with a later priority, as events of a simulation do. The hole that
 * the first element leaves sinks to the bottom before the last element fills
 * it: that seldom has far to rise.
 */
#include "queue.h"

struct element {
    int64_t priority;
    void *value;
};

static struct element heap[QUEUE_HELD + 2]; /* from 1 on */
static size_t count;

static inline void rise(size_t at, struct element element)
{
    for (; at > 1 && element.priority < heap[at / 2].priority; at /= 2)
        heap[at] = heap[at / 2];
    heap[at] = element;
}

BENCH_NOINLINE static void put(int64_t priority, void *value)
{
    struct element element = {priority, value};

    rise(++count, element);
}

BENCH_NOINLINE static struct element get(void)
{
    struct element first = heap[1];
    struct element last = heap[count--];
    size_t at = 1;

    while (2 * at < count) {
        size_t child = 2 * at;

        child += heap[child + 1].priority < heap[child].priority;
        heap[at] = heap[child];
        at = child;
    }
    if (2 * at == count) {
        heap[at] = heap[2 * at];
        at *= 2;
    }
    rise(at, last);
    return first;
}

int main(int argc, char **argv)
{
    const char *row = bench_row(argc, argv);
    long n = bench_scaled(argc, argv, 10000000, 500000);
    int64_t now = 0;
    int64_t start;

    queue_prepare();
    for (long i = 0; i < QUEUE_HELD; i++)
        put(queue_step(i), NULL);
    start = bench_cpu_ns();
    for (long i = 0; i < n; i++) {
        struct element element = get();

        if (element.priority < now)
            abort();
        now = element.priority;
        put(now + queue_step(i), element.value);
    }
    bench_report(row, (double)(bench_cpu_ns() - start) / (double)n);
    return 0;
}
