/* SPDX-License-Identifier: MIT */
/*
 * coppice/event.h - a flag that tasks of one loop wait for (asyncio's Event).
 */
#ifndef COPPICE_EVENT_H
#define COPPICE_EVENT_H

#include <coppice/base.h>

CO_BEGIN_DECLS

/* Lives wherever the caller puts it; all-zero bytes are an event that is not
 * set. It must not move or die while a task waits. Fields are private. */
typedef struct co_event {
    struct co__waitlist co__waiters;
    int co__set;
    int co__reserved;
} co_event;

/*
 * Set the event: all who wait go on, in the order they came, even if it is
 * cleared before they run. And take that back, for those who come later.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 0, or -EINVAL (NULL).
 */
CO_API int co_event_set(co_event *event);
CO_API int co_event_clear(co_event *event);

/* Whether it is set. Suspends: never. Thread-safe: no. Returns 0 or 1; 0 for
 * NULL. */
CO_API int co_event_is_set(const co_event *event);

/*
 * Wait until the event is set.
 *
 * Suspends: only if it is not. Thread-safe: no.
 * Returns 0, or -EINVAL (NULL), -ECANCELED, -ETIMEDOUT, -EPERM (it would wait
 * outside a task, or in a loop callback).
 */
CO_API CO_MUST_CHECK int co_event_wait(co_event *event);

/* Say that an event is not used any more: nothing has to be freed, but if a
 * task waits for it the program stops here. NULL is a no-op. Suspends: never.
 * Thread-safe: no. */
CO_API void co_event_fini(co_event *event);

CO_END_DECLS

#endif
