/* SPDX-License-Identifier: MIT */
/*
 * base/alloc.h - all memory of this library, so that every failure can be
 * tried: co__fault_after(n) makes the n-th request from now fail.
 */
#ifndef CO_BASE_ALLOC_H
#define CO_BASE_ALLOC_H

#include <coppice/alloc.h>

/* As malloc, realloc and free of the allocator that is set. */
void *co__alloc(size_t bytes);
void *co__alloc_zero(size_t bytes);
void *co__realloc(void *p, size_t bytes);
void co__free(void *p);

/* Private, zeroed, unreserved memory; NULL with errno set. */
void *co__map(size_t bytes);
void co__unmap(void *p, size_t bytes);

/*
 * For tests: let the n-th request (alloc or map) from now fail, once; 0 ends
 * that. Returns how many requests there were since the last call.
 */
unsigned co__fault_after(unsigned n);

#endif
