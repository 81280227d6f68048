/* SPDX-License-Identifier: MIT */
/* A priority queue that holds 1,000 elements: what it gives comes back with a
 * later priority. */
#include "queue.h"
#include "run.h"

struct element {
    int64_t priority;
    void *value;
};

static co_queue *queue;
static long total;
static const char *row;

static void put(struct element element)
{
    run_must(co_queue_put(queue, &element), "co_queue_put");
}

static int run(void *arg)
{
    struct element element = {0, NULL};
    int64_t now = 0;
    int64_t start;

    (void)arg;
    for (long i = 0; i < QUEUE_HELD; i++) {
        element.priority = queue_step(i);
        put(element);
    }
    start = bench_cpu_ns();
    for (long i = 0; i < total; i++) {
        run_must(co_queue_get(queue, &element), "co_queue_get");
        if (element.priority < now)
            abort();
        now = element.priority;
        element.priority += queue_step(i);
        put(element);
    }
    bench_report(row, (double)(bench_cpu_ns() - start) / (double)total);
    return 0;
}

int main(int argc, char **argv)
{
    co_queue_options options = {.size = sizeof(options),
                                .element_bytes = sizeof(struct element),
                                .kind = CO_PRIORITY,
                                .compare = co_queue_compare_int64};

    row = bench_row(argc, argv);
    total = bench_scaled(argc, argv, 10000000, 500000);
    queue_prepare();
    queue = co_queue_new(&options);
    if (!queue)
        bench_die("co_queue_new");
    run_loop(run, NULL);
    return 0;
}
