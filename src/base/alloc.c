/* SPDX-License-Identifier: MIT */
/*
 * All requests pass through fault(), which costs a load when no test asks for
 * faults: none of them is on a hot path.
 */
#include "base/alloc.h"
#include "base/compiler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Where it is missing nothing is reserved anyway. */
#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

static co_allocator allocator = {
    .size = sizeof(co_allocator),
    .malloc_fn = malloc,
    .realloc_fn = realloc,
    .free_fn = free,
};

static unsigned requests;
static unsigned fail_at; /* 0: never */

unsigned co__fault_after(unsigned n)
{
    unsigned seen = requests;

    requests = 0;
    fail_at = n;
    return seen;
}

static int fault(void)
{
    if (CO_LIKELY(!fail_at))
        return __atomic_fetch_add(&requests, 1, __ATOMIC_RELAXED), 0;
    return __atomic_add_fetch(&requests, 1, __ATOMIC_RELAXED) == fail_at;
}

int co_set_allocator(const co_allocator *a)
{
    static const co_allocator standard = {
        .size = sizeof(co_allocator),
        .malloc_fn = malloc,
        .realloc_fn = realloc,
        .free_fn = free,
    };

    if (!a)
        a = &standard;
    if (a->size != sizeof(*a) || !a->malloc_fn || !a->realloc_fn || !a->free_fn)
        return -EINVAL;
    allocator = *a;
    return 0;
}

void *co__alloc(size_t bytes)
{
    return fault() ? NULL : allocator.malloc_fn(bytes);
}

void *co__alloc_zero(size_t bytes)
{
    void *p = co__alloc(bytes);

    return p ? memset(p, 0, bytes) : NULL;
}

void *co__realloc(void *p, size_t bytes)
{
    return fault() ? NULL : allocator.realloc_fn(p, bytes);
}

void co__free(void *p)
{
    if (p)
        allocator.free_fn(p);
}

void *co__map(size_t bytes)
{
    void *p;

    if (fault()) {
        errno = ENOMEM;
        return NULL;
    }
    /* NORESERVE: what is mapped is address space; most of it is never touched,
     * and a slab may be larger than the machine's memory. */
    p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

void co__unmap(void *p, size_t bytes)
{
    if (p)
        munmap(p, bytes);
}
