/* SPDX-License-Identifier: MIT */
/*
 * generators.c - functions that give values one by one: an accumulator that
 * yields its running total and adds what it is sent, and a chain that delegates
 * to two other generators.
 */
#include <coppice.h>

#include <stdio.h>

static int accumulate(co_gen *gen, void *arg)
{
    long total = 0;
    void *sent = NULL;
    int r;
    (void)arg;

    while ((r = co_gen_yield(gen, &total, &sent)) == 0)
        total += *(const long *)sent;
    return r; /* -ECANCELED: it was freed early */
}

struct range {
    int from, to;
};

static int count(co_gen *gen, void *arg)
{
    const struct range *range = arg;
    int r = 0;

    for (int i = range->from; i < range->to && r == 0; i++)
        r = co_gen_yield(gen, &i, NULL);
    return r;
}

static int chain(co_gen *gen, void *arg)
{
    struct range *ranges = arg;
    int r = 0;

    for (int i = 0; i < 2 && r >= 0; i++) {
        co_gen *inner = co_gen_new(count, &ranges[i]);

        r = inner ? co_gen_delegate(gen, inner) : -errno;
        co_gen_free(inner);
    }
    return r;
}

static int run(void *arg)
{
    static const long numbers[] = {5, 7, 30};
    struct range ranges[] = {{1, 4}, {10, 13}};
    co_gen *totals = co_gen_new(accumulate, NULL);
    co_gen *both = co_gen_new(chain, ranges);
    void *total = NULL;
    int r = totals && both ? co_gen_next(totals, &total) : -errno;
    (void)arg;

    for (int i = 0; i < 3 && r == 1; i++) {
        long number = numbers[i];

        r = co_gen_send(totals, &number, &total);
        if (r == 1)
            printf("total %ld\n", *(long *)total);
    }
    co_gen_free(totals); /* it would go on for ever */
    if (both)
        co_gen_each(both, value) {
            printf("%d ", *(int *)value);
        }
    printf("\n");
    if (r >= 0)
        r = co_gen_result(both);
    co_gen_free(both);
    return r;
}

int main(void)
{
    return co_run(run, NULL) < 0;
}
