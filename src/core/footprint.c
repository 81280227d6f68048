/* SPDX-License-Identifier: MIT */
/* What stacks cost, as far as users may ask. */
#include "core/loop.h"
#include "core/stack.h"

#include <errno.h>
#include <limits.h>
#include <sys/mman.h>
#include <unistd.h>

size_t co_task_stack_size(const co_task *task)
{
    return task ? co__stack_class_bytes(task->size_class) : 0;
}

size_t co_task_stack_used(const co_task *task)
{
    const size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char resident[256];
    uintptr_t p, top;

    if (!task)
        return 0;
    p = (uintptr_t)co__stack_bottom(task);
    top = p - CO_GUARD_BYTES + task->slab->stride;
    while (p < top) {
        size_t bytes = top - p;
        size_t pages, i;

        if (bytes > sizeof(resident) * page_bytes)
            bytes = sizeof(resident) * page_bytes;
        if (mincore((void *)p, bytes, (void *)resident) < 0)
            return top - p;
        pages = bytes / page_bytes;
        for (i = 0; i < pages && !(resident[i] & 1); i++)
            continue;
        p += i * page_bytes;
        if (i < pages)
            break;
    }
    p = (uintptr_t)co__stack_scan((const uint64_t *)p, (const uint64_t *)top);
    return top - p;
}

int co_loop_stack_stats(const co_loop *loop, co_stack_stats *stats)
{
    if (!loop || !stats || stats->size != sizeof(*stats))
        return -EINVAL;
    co__stack_pool_stats(loop->pool, stats);
    /* The pool does not count what the loop does anyway, at each spawn. */
    stats->in_use = loop->held;
    stats->spawned_warm = loop->spawned - stats->spawned_cold;
    return 0;
}

int co_loop_trim(co_loop *loop)
{
    unsigned count;

    if (!loop)
        return -EINVAL;
    count = co__stack_pool_trim(loop->pool);
    return count < INT_MAX ? (int)count : INT_MAX;
}
