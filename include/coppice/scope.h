/* SPDX-License-Identifier: MIT */
/*
 * coppice/scope.h - limits on a block of code. Inside co_timeout(ns) { ... }
 * every call that may suspend fails with -ETIMEDOUT once the time has passed;
 * inside co_shield { ... } cancelling and the limits outside are held back.
 *
 *     co_timeout(2 * CO_SEC) {
 *         n = co_read(fd, buffer, sizeof(buffer));
 *     }
 *
 * Scopes nest; return, goto and break leave them rightly (break and continue
 * leave the block only: each block is a loop of one turn). A scope sets a timer
 * only when a task really waits inside it. Outside a task they limit the
 * thread's blocking calls. Do not longjmp out of one.
 */
#ifndef COPPICE_SCOPE_H
#define COPPICE_SCOPE_H

#include <coppice/base.h>

CO_BEGIN_DECLS

struct co__chain;

/* A scope; {0} before use. It must not move while entered. Private fields. */
typedef struct co_scope {
    struct co_scope *co__outer;  /* valid while entered */
    struct co__chain *co__chain; /* whose scope this is; NULL: not entered */
    co_time co__deadline;        /* CO_NEVER: none of its own */
    co_time co__due;             /* least up to the nearest shield */
    uint32_t co__flags;
    uint32_t co__reserved;
} co_scope;

/* Limit a block to ns nanoseconds from now; 0 or less has run out already. In a
 * task, a limit of 256 ms or more may be late, never early, by 4 ms; or, if the
 * tasks of its loop have computed longer than that without waiting, by as much
 * as they have. */
#define co_timeout(ns) CO__SCOPE(co__scope_timeout, (ns), CO__SCOPE_NAME)
/* Limit a block to a point in time of co_now(). */
#define co_deadline(at) CO__SCOPE(co__scope_deadline, (at), CO__SCOPE_NAME)
/* Hold cancelling and outer limits back while a block cleans up. */
#define co_shield CO__SCOPE(co__scope_shield, 0, CO__SCOPE_NAME)
/* As co_timeout, with a scope of the caller's: co_scope s = {0}. */
#define co_timeout_in(scope, ns)                                               \
    CO__SCOPE_IN(co__scope_timeout, (scope), (ns), CO__SCOPE_NAME)
/* The same to the end of the enclosing block. */
#define CO_TIMEOUT(ns) CO__SCOPE_DECL(co__scope_timeout, (ns), CO__SCOPE_NAME)
#define CO_SHIELD      CO__SCOPE_DECL(co__scope_shield, 0, CO__SCOPE_NAME)

/*
 * Whether a call failed with -ETIMEDOUT because this scope had run out; valid
 * inside the block and after it, until the scope is entered again.
 *
 * Suspends: never. Thread-safe: no. Returns 0 or 1 (0 for NULL).
 */
CO_API int co_scope_expired(const co_scope *scope);

/*
 * Move the deadline of an entered scope to a point in time of co_now();
 * CO_NEVER takes it away.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 0, or -EINVAL (NULL, or not entered), -ETIMEDOUT (it has run out and
 * a call has failed for it), -EPERM (another thread's scope, or a shield).
 */
CO_API int co_scope_reschedule(co_scope *scope, co_time at);

/* What the macros are made of; not to be called by hand. */
#define CO__NONNULL __attribute__((returns_nonnull)) /* blocks do run */
CO_API CO__NONNULL co_scope *co__scope_timeout(co_scope *scope, co_time ns);
CO_API CO__NONNULL co_scope *co__scope_deadline(co_scope *scope, co_time at);
CO_API CO__NONNULL co_scope *co__scope_shield(co_scope *scope, co_time unused);
CO_API void co__scope_leave(co_scope *scope);
CO__UNUSED static inline void co__scope_leavep(co_scope **scope)
{
    co__scope_leave(*scope);
}

#ifdef __cplusplus
#define CO__SCOPE_ZERO                                                         \
    {                                                                          \
    }
#else
#define CO__SCOPE_ZERO                                                         \
    {                                                                          \
        0                                                                      \
    }
#endif
#define CO__SCOPE_NAME                CO__JOIN(co__scope_, __COUNTER__)
#define CO__SCOPE(enter, limit, name) CO__SCOPE_(enter, limit, name)
#define CO__SCOPE_(enter, limit, name)                                         \
    for (co_scope name CO_CLEANUP(co__scope_leave) = CO__SCOPE_ZERO,           \
                       *name##_once = enter(&name, (limit));                   \
         name##_once; name##_once = NULL)
#define CO__SCOPE_IN(enter, scope, limit, name)                                \
    CO__SCOPE_IN_(enter, scope, limit, name)
#define CO__SCOPE_IN_(enter, scope, limit, name)                               \
    for (co_scope * name CO_CLEANUP(co__scope_leavep) =                        \
             enter((scope), (limit)),                                          \
                         *name##_once = name;                                  \
         name##_once; name##_once = NULL)
#define CO__SCOPE_DECL(enter, limit, name) CO__SCOPE_DECL_(enter, limit, name)
#define CO__SCOPE_DECL_(enter, limit, name)                                    \
    CO__UNUSED co_scope name CO_CLEANUP(co__scope_leave) = CO__SCOPE_ZERO,     \
                             *name##_once = enter(&name, (limit))

CO_END_DECLS

#endif
