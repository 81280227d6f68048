/* SPDX-License-Identifier: MIT */
/*
 * base/sanitize.h - telling ASan, TSan, LSan and Valgrind which stack the
 * thread is on. CO__SANITIZED is 1 in builds where a switch must be announced;
 * there frames of ended tasks are not reused. In plain builds everything here
 * is empty.
 */
#ifndef CO_BASE_SANITIZE_H
#define CO_BASE_SANITIZE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CO__ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define CO__TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define CO__ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define CO__TSAN 1
#endif
#ifndef CO__ASAN
#define CO__ASAN 0
#endif
#ifndef CO__TSAN
#define CO__TSAN 0
#endif
#define CO__SANITIZED (CO__ASAN || CO__TSAN)

/* One stack as the sanitizers see it. */
struct co__fiber {
    const void *bottom; /* lowest address, and size: ASan */
    size_t size;
    void *fake; /* ASan's fake stack while the fiber is left */
    void *tsan;
    unsigned valgrind_id;
};

/* Whether co__fiber_map and co__fiber_unmap do anything in this run. */
int co__fiber_tracked(void);
/* Called when a task's stack is mapped, starts a task, and is unmapped. */
void co__fiber_map(struct co__fiber *fiber, void *bottom, size_t size);
void co__fiber_start(struct co__fiber *fiber);
void co__fiber_unmap(struct co__fiber *fiber);
/* The stack that this thread is on, as a fiber. */
void co__fiber_adopt(struct co__fiber *fiber);

/* Called right before a switch, and right after it, on the other side. */
void co__fiber_leave(struct co__fiber *from, struct co__fiber *to, int dying);
void co__fiber_arrive(struct co__fiber *self);

/* The first word in a range of a stack that is not zero, or `end`. They may
 * be dead, red zones or another task's: nobody is to mind. */
const uint64_t *co__stack_scan(const uint64_t *word, const uint64_t *end);

/* Before memory is unmapped, and after some is mapped, by calls that TSan does
 * not see: another thread's at the same address is then no race with it. */
void co__unseen_unmap(void);
void co__unseen_map(void);

/* Around a call on a descriptor that others may be closing meanwhile, and that
 * is as well if it comes too late: TSan takes it for a race. */
void co__late_call_begin(void);
void co__late_call_end(void);

/* Memory that holds stacks: LSan looks for pointers there. Returns whether it
 * does, in which case guards have to be made by mprotect. */
int co__slab_root(void *base, size_t bytes);
void co__slab_unroot(void *base, size_t bytes);

#endif
