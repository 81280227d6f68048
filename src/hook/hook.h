/* SPDX-License-Identifier: MIT */
/*
 * hook/hook.h - what the hooks share.
 *
 * A hook has this form:
 *
 *     ssize_t co__hook_read(int fd, void *buffer, size_t len)
 *     {
 *         struct co__site *site = CO__HOOKED(CO_HOOK_IO, read);
 *
 *         if (!site)
 *             return CO__REAL(read)(fd, buffer, len);
 *         ... try what does not block; wait by co__hook_wait_fd; again
 *     }
 *
 * Descriptors are never changed: each try says for itself that it is not to
 * block. Coppice's own calls come by here too; they do not block either, so
 * they are through at the first try, or are passed on as they are.
 */
#ifndef CO_HOOK_HOOK_H
#define CO_HOOK_HOOK_H

#include <coppice/clock.h>
#include <coppice/hook.h>
#include <coppice/scope.h>

#include "base/compiler.h"
#include "hook/symbols.h"
#include "io/guest.h"

#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <resolv.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* resolv.h makes macros of these. */
#undef res_query
#undef res_search
#undef res_nquery
#undef res_nsearch

/* ---- the functions ------------------------------------------------------- */

#define CO__HOOK_DECLARE(type, name, parameters)                               \
    CO_API type co__hook_##name parameters __asm__(#name);
CO__HOOK_SYMBOLS(CO__HOOK_DECLARE)

#define CO__HOOK_POINTER(type, name, parameters) type(*name) parameters;
struct co__real {
    CO__HOOK_SYMBOLS(CO__HOOK_POINTER)
};
extern struct co__real co__real;
extern int co__real_is_tsan; /* they are ThreadSanitizer's */
void co__real_resolve(void);

/* Constructors of other libraries may call before ours has run. */
#define CO__REAL(name)                                                         \
    (*(CO_LIKELY(co__real.name != NULL)                                        \
           ? co__real.name                                                     \
           : (co__real_resolve(), co__real.name)))

#define CO__HOOK_NUMBER(type, name, parameters) CO__SYMBOL_##name,
enum co__symbol {
    CO__HOOK_SYMBOLS(CO__HOOK_NUMBER) CO__SYMBOL_COUNT
};
extern const char *const co__symbol_names[CO__SYMBOL_COUNT];

/* ---- whether it is for us ------------------------------------------------ */

/* One caller's use of one function; counted if somebody asks for the trace. */
struct co__site {
    _Atomic(const void *) from;
    const char *library;
    enum co__symbol symbol;
    atomic_ulong calls, in_task, parked, parked_ns;
};

extern atomic_uint co__hook_groups; /* and CO__HOOK_TRACED */
#define CO__HOOK_TRACED 0x80000000u

struct co__site *co__hook_traced(unsigned group, enum co__symbol symbol,
                                 const void *from);
extern struct co__site co__no_site;

/* Where the call is counted; NULL: it is to be passed on. */
CO_INLINE struct co__site *co__hooked(unsigned group, enum co__symbol symbol,
                                      const void *from)
{
    unsigned groups =
        atomic_load_explicit(&co__hook_groups, memory_order_relaxed);

    if (CO_LIKELY(!(groups & (group | CO__HOOK_TRACED))))
        return NULL;
    if (CO_UNLIKELY(groups & CO__HOOK_TRACED))
        return co__hook_traced(group, symbol, from);
    /* Mostly there is no loop, and no call to find that out. */
    return co__loop && co__guest() ? &co__no_site : NULL;
}
#define CO__HOOKED(group, name)                                                \
    co__hooked((group), CO__SYMBOL_##name, __builtin_return_address(0))

/* The same for what is done in any case, in tasks and outside: whether the
 * group is enabled. */
CO_INLINE int co__hook_is_on(unsigned group, enum co__symbol symbol,
                             const void *from)
{
    unsigned groups =
        atomic_load_explicit(&co__hook_groups, memory_order_relaxed);

    if (CO_UNLIKELY(groups & CO__HOOK_TRACED))
        (void)co__hook_traced(group, symbol, from);
    return (groups & group) != 0;
}
#define CO__HOOK_IS_ON(group, name)                                            \
    co__hook_is_on((group), CO__SYMBOL_##name, __builtin_return_address(0))

/* Around a wait. */
co_time co__park_begin(const struct co__site *site);
void co__park_end(struct co__site *site, co_time began);

/* ---- waiting ------------------------------------------------------------- */

/* Set errno, and return -1. */
CO_COLD int co__hook_fail(int error);

/* Around one that has a limit of its own, beside those of its task: `limit` is
 * {0}; of what the wait returns -ETIMEDOUT is -ETIME if that was it. */
co_time co__wait_begin(struct co__site *site, co_scope *limit, co_time until);
int co__wait_end(struct co__site *site, co_scope *limit, co_time began, int r);

/* Until a descriptor in which nothing was found is ready in the directions, or
 * a point in time: see co__guest_wait_fd; or 0 (time). */
int co__hook_wait_fd(struct co__site *site, int fd, int directions,
                     co_time until);

/* Sleep: 0, or -ECANCELED, -ETIMEDOUT. */
int co__hook_sleep_until(struct co__site *site, co_time until);

/* Where nothing says when to look again: longer each time, from 50 us to
 * 10 ms, and not beyond `until`. *pause is 0 at first. */
int co__hook_pause(struct co__site *site, co_time *pause, co_time until);

/* Call run(arg) on a thread: 0, or why it was not. */
int co__hook_offload(struct co__site *site, void (*run)(void *arg), void *arg);

/* ---- time ---------------------------------------------------------------- */

#define CO__NS_VALID(t) ((t)->tv_nsec >= 0 && (t)->tv_nsec < 1000000000)

/* A span; one that overflows lasts for ever. */
co_time co__span_of(const struct timespec *time);
/* The point in time, as co_now counts, that is `span` from now. */
co_time co__after(co_time span);
/* That at which another clock will say `until`. */
co_time co__moment_of(clockid_t clock, const struct timespec *until);

/* ---- descriptors that end ------------------------------------------------ */

/* One is about to be closed; a negative one is none. */
void co__hook_closing(int fd);

/* ---- locks --------------------------------------------------------------- */

/* Try until it is ours (0), or try_it(arg) says another error than EBUSY and
 * EAGAIN, which is returned as the functions of pthreads do; or ECANCELED,
 * ETIMEDOUT. Whoever lets it go calls co__lot_wake(lock, 1). */
int co__wait_lock(struct co__site *site, int (*try_it)(void *arg), void *arg,
                  const void *lock, co_time until);

/* ---- what is a thread's -------------------------------------------------- */

/* What keeps OpenSSL's and the C++ runtime's state a task. */
void co__hook_keep(void);

#endif
