/* SPDX-License-Identifier: MIT */
/*
 * coppice/waitgroup.h - wait until so many things are done, whoever does them
 * (Go's WaitGroup). Where the things are tasks, a co_group does more: it owns
 * them.
 */
#ifndef COPPICE_WAITGROUP_H
#define COPPICE_WAITGROUP_H

#include <coppice/base.h>

CO_BEGIN_DECLS

/* Lives wherever the caller puts it; all-zero bytes count nothing. It must not
 * move or die while a task waits. Fields are private. */
typedef struct co_waitgroup {
    struct co__waitlist co__waiters;
    int64_t co__count;
    uintptr_t co__reserved;
} co_waitgroup;

/*
 * Count n more things (fewer, if n is negative); and one less. At 0 all who
 * wait go on, even if it rises again before they run. More done than was
 * counted stops the program.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 0, or -EINVAL (NULL).
 */
CO_API int co_waitgroup_add(co_waitgroup *group, int n);
CO_API int co_waitgroup_done(co_waitgroup *group);

/*
 * Wait until nothing is left to be done.
 *
 * Suspends: only if something is. Thread-safe: no.
 * Returns 0, or -EINVAL (NULL), -ECANCELED, -ETIMEDOUT, -EPERM (it would wait
 * outside a task, or in a loop callback).
 */
CO_API CO_MUST_CHECK int co_waitgroup_wait(co_waitgroup *group);

/* Say that a wait group is not used any more: nothing has to be freed, but if a
 * task waits for it the program stops here. NULL is a no-op. Suspends: never.
 * Thread-safe: no. */
CO_API void co_waitgroup_fini(co_waitgroup *group);

CO_END_DECLS

#endif
