/* SPDX-License-Identifier: MIT */
/*
 * coppice/once.h - something that is to be done once, by the first task that
 * needs it, while the others wait: opening a shared connection, say.
 */
#ifndef COPPICE_ONCE_H
#define COPPICE_ONCE_H

#include <coppice/base.h>
#include <coppice/task.h>

CO_BEGIN_DECLS

/* Lives wherever the caller puts it; all-zero bytes are something not done yet.
 * It must not move or die while it is being done. Fields are private. */
typedef struct co_once {
    struct co__waitlist co__waiters;
    struct co_task *co__runner;
    int co__done;
    int co__result; /* valid if done */
    uintptr_t co__reserved;
} co_once;

/*
 * Call fn(arg), unless that was done before; while another task does it, wait
 * for it. It is done when fn returns 0 or more. If fn fails (a cancelled task's
 * does, for its calls fail) the caller gets the error, and the next task that
 * waits calls its own fn, or the next one that comes.
 *
 * Suspends: if another task is at it; fn may. Thread-safe: no.
 * Returns what the fn that did it returned, to all and for ever; or fn's error;
 * or -EINVAL (once or fn is NULL), -ECANCELED, -ETIMEDOUT, -EDEADLK (called by
 * fn itself), -EPERM (it would wait outside a task, or in a loop callback).
 */
CO_API CO_MUST_CHECK int co_once_do(co_once *once, co_task_fn fn, void *arg);

/* Whether it is done. Suspends: never. Thread-safe: no. Returns 0 or 1; 0 for
 * NULL. */
CO_API int co_once_is_done(const co_once *once);

/* Say that it is not used any more: nothing has to be freed, but if a task is
 * at it the program stops here. NULL is a no-op. Suspends: never. Thread-safe:
 * no. */
CO_API void co_once_fini(co_once *once);

CO_END_DECLS

#endif
