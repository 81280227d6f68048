/* SPDX-License-Identifier: MIT */
/* coppice/alloc.h - where Coppice takes its memory from. */
#ifndef COPPICE_ALLOC_H
#define COPPICE_ALLOC_H

#include <coppice/base.h>

CO_BEGIN_DECLS

/*
 * The functions that Coppice allocates with, malloc(3) and friends unless
 * replaced. Stacks are mapped (mmap(2)) and do not come from here.
 */
typedef struct co_allocator {
    size_t size; /* sizeof(co_allocator) */
    void *(*malloc_fn)(size_t bytes);
    void *(*realloc_fn)(void *p, size_t bytes);
    void (*free_fn)(void *p);
} co_allocator;

/*
 * Replace the allocator; NULL brings the C library's back. The struct is
 * copied. Call it before anything else of Coppice: memory is given back
 * through the allocator that is set at that time.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 0, or -EINVAL (a function is missing, or the size is wrong).
 */
CO_API CO_MUST_CHECK int co_set_allocator(const co_allocator *allocator);

CO_END_DECLS

#endif
