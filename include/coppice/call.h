/* SPDX-License-Identifier: MIT */
/* coppice/call.h - one call into a loop, from any thread or signal handler. */
#ifndef COPPICE_CALL_H
#define COPPICE_CALL_H

#include <coppice/base.h>
#include <coppice/loop.h>

CO_BEGIN_DECLS

/*
 * One call into a loop from elsewhere. The caller owns the node and keeps it
 * until fn has begun; all-zero bytes with fn and arg set are valid.
 */
typedef struct co_call {
    void (*fn)(void *arg);
    void *arg;
    const char *site; /* CO_SITE, for reports of slow calls; or NULL */
    struct co_call *co__next;
    struct co_call *co__prev;
    uintptr_t co__state;
} co_call;

/*
 * Have call->fn(call->arg) called on the loop's thread, in the loop's callback
 * task, in the order of the requests. The callback may spawn, cancel and wake,
 * but what would suspend fails with -EPERM.
 *
 * Suspends: never. Thread-safe: yes, from any thread, and async-signal-safe;
 * the loop must exist. Nothing is allocated.
 * Returns 0, or -EINVAL, -EALREADY (this node is queued).
 */
CO_API int co_call_soon_threadsafe(co_loop *loop, co_call *call);

CO_END_DECLS

#endif
