/* SPDX-License-Identifier: MIT */
/* support/counting.h - an allocator that counts what was not freed. */
#ifndef CO_TESTS_SUPPORT_COUNTING_H
#define CO_TESTS_SUPPORT_COUNTING_H

#include <coppice/alloc.h>

#include <stdatomic.h>
#include <stdlib.h>

static atomic_long co_test_blocks; /* allocated and not freed */

static void *co_test_count_malloc(size_t bytes)
{
    void *p = malloc(bytes);

    if (p)
        atomic_fetch_add(&co_test_blocks, 1);
    return p;
}

static void *co_test_count_realloc(void *p, size_t bytes)
{
    void *q = realloc(p, bytes);

    if (q && !p)
        atomic_fetch_add(&co_test_blocks, 1);
    return q;
}

static void co_test_count_free(void *p)
{
    if (p)
        atomic_fetch_sub(&co_test_blocks, 1);
    free(p);
}

static const co_allocator co_test_counting = {
    .size = sizeof(co_test_counting),
    .malloc_fn = co_test_count_malloc,
    .realloc_fn = co_test_count_realloc,
    .free_fn = co_test_count_free,
};

#endif
