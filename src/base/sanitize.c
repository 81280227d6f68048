/* SPDX-License-Identifier: MIT */
#include "base/sanitize.h"
#include "base/compiler.h"

#include <pthread.h>

#if CO__ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if CO__TSAN
#include <sanitizer/tsan_interface.h>
#endif
#ifdef CO__VALGRIND
#include <valgrind/memcheck.h>
#else
#define RUNNING_ON_VALGRIND              0
#define VALGRIND_STACK_REGISTER(a, b)    0
#define VALGRIND_STACK_DEREGISTER(id)    ((void)(id))
#define VALGRIND_DISABLE_ERROR_REPORTING ((void)0)
#define VALGRIND_ENABLE_ERROR_REPORTING  ((void)0)
#define VALGRIND_MAKE_MEM_DEFINED(p, n)  ((void)(p))
#endif

/* There is no macro that tells of stand-alone LSan: ask the linker. (That of
 * macOS wants to know where a weak symbol is to come from.) */
#if defined(__APPLE__)
#define __lsan_register_root_region   ((void (*)(const void *, size_t))NULL)
#define __lsan_unregister_root_region ((void (*)(const void *, size_t))NULL)
#else
extern void __lsan_register_root_region(const void *, size_t)
    __attribute__((weak));
extern void __lsan_unregister_root_region(const void *, size_t)
    __attribute__((weak));
#endif

int co__fiber_tracked(void)
{
    return CO__SANITIZED || RUNNING_ON_VALGRIND;
}

void co__fiber_map(struct co__fiber *fiber, void *bottom, size_t size)
{
    fiber->bottom = bottom;
    fiber->size = size;
    fiber->fake = NULL;
    fiber->tsan = NULL;
    fiber->valgrind_id = VALGRIND_STACK_REGISTER(bottom, (char *)bottom + size);
}

void co__fiber_start(struct co__fiber *fiber)
{
    (void)fiber;
#if CO__ASAN
    /* Frames of the last task that never returned leave red zones behind. */
    __asan_unpoison_memory_region(fiber->bottom, fiber->size);
    fiber->fake = NULL;
#endif
#if CO__TSAN
    if (fiber->tsan)
        __tsan_destroy_fiber(fiber->tsan);
    fiber->tsan = __tsan_create_fiber(0);
#endif
}

void co__fiber_unmap(struct co__fiber *fiber)
{
#if CO__ASAN
    /* They would outlive the mapping, for whatever comes there next. */
    __asan_unpoison_memory_region(fiber->bottom, fiber->size);
#endif
#if CO__TSAN
    if (fiber->tsan)
        __tsan_destroy_fiber(fiber->tsan);
    fiber->tsan = NULL;
#endif
    VALGRIND_STACK_DEREGISTER(fiber->valgrind_id);
}

void co__fiber_adopt(struct co__fiber *fiber)
{
#if CO__ASAN && defined(__APPLE__)
    fiber->size = pthread_get_stacksize_np(pthread_self());
    fiber->bottom =
        (char *)pthread_get_stackaddr_np(pthread_self()) - fiber->size;
#elif CO__ASAN
    pthread_attr_t attr;
    void *bottom = NULL;
    size_t size = 0;

    if (pthread_getattr_np(pthread_self(), &attr) == 0) {
        pthread_attr_getstack(&attr, &bottom, &size);
        pthread_attr_destroy(&attr);
    }
    fiber->bottom = bottom;
    fiber->size = size;
#endif
#if CO__TSAN
    fiber->tsan = __tsan_get_current_fiber();
#endif
    fiber->fake = NULL;
}

/* TSan keeps a stack of calls for each fiber, and a function that begins on one
 * and ends on another would unbalance both: this one must not be in it. */
#if CO__TSAN && defined(__clang__)
__attribute__((disable_sanitizer_instrumentation))
#elif CO__TSAN
__attribute__((no_sanitize_thread))
#endif
void co__fiber_leave(struct co__fiber *from, struct co__fiber *to, int dying)
{
    (void)from;
    (void)to;
    (void)dying;
#if CO__ASAN
    __sanitizer_start_switch_fiber(dying ? NULL : &from->fake, to->bottom,
                                   to->size);
#endif
#if CO__TSAN
    __tsan_switch_to_fiber(to->tsan, 0);
#endif
}

void co__fiber_arrive(struct co__fiber *self)
{
    (void)self;
#if CO__ASAN
    const void *bottom;
    size_t size;

    __sanitizer_finish_switch_fiber(self->fake, &bottom, &size);
#endif
}

__attribute__((no_sanitize("address"), no_sanitize("thread"))) const uint64_t *
co__stack_scan(const uint64_t *word, const uint64_t *end)
{
    VALGRIND_DISABLE_ERROR_REPORTING;
    for (; word < end; word++) {
        uint64_t value = *word;

        VALGRIND_MAKE_MEM_DEFINED(&value, sizeof(value));
        if (value)
            break;
    }
    VALGRIND_ENABLE_ERROR_REPORTING;
    return word;
}

int co__slab_root(void *base, size_t bytes)
{
    if (!__lsan_register_root_region)
        return 0;
    __lsan_register_root_region(base, bytes);
    return 1;
}

void co__slab_unroot(void *base, size_t bytes)
{
    if (__lsan_unregister_root_region)
        __lsan_unregister_root_region(base, bytes);
}

#if CO__TSAN

static char unseen;

void co__unseen_unmap(void)
{
    __tsan_release(&unseen);
}

void co__unseen_map(void)
{
    __tsan_acquire(&unseen);
}

void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);

void co__late_call_begin(void)
{
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
}

void co__late_call_end(void)
{
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
}

#else

void co__unseen_unmap(void)
{
}

void co__unseen_map(void)
{
}

void co__late_call_begin(void)
{
}

void co__late_call_end(void)
{
}

#endif
