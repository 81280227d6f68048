/* SPDX-License-Identifier: MIT */
/*
 * coppice/callback.h - functions that the loop calls: soon, later, at a time,
 * for a signal. They are called one after the other in the loop's callback
 * task, which must not suspend: what would wait fails with -EPERM there. They
 * may spawn, cancel, wake, and ask for further calls.
 *
 * The order is that of the requests; calls for a time join in when it has come,
 * by their times, equal ones in the order of the requests. What is asked for
 * by a callback is called in the next round, after tasks had their turn.
 */
#ifndef COPPICE_CALLBACK_H
#define COPPICE_CALLBACK_H

#include <coppice/base.h>
#include <coppice/call.h>
#include <coppice/loop.h>

CO_BEGIN_DECLS

/* A request. All-zero bytes are one that was never made. It must not move or
 * die while it is pending; it may be used again, or freed, from the moment that
 * its function begins. Private fields. */
typedef struct co_handle {
    co_call co__call;
    co_loop *co__loop; /* valid while pending */
    co_time co__when;
    uint32_t co__flags;
    uint32_t co__reserved;
    uint64_t co__timer[10];
} co_handle;

/*
 * Have fn(arg) called in the running loop: as soon as possible, delay_ns
 * nanoseconds from now (0 or less: at once), or when co_now() has reached
 * `when`. The handle is the caller's; NULL makes one that nobody can take back,
 * and that is freed when its time has come. What is still pending when its loop
 * is freed is never called.
 *
 * Suspends: never. Thread-safe: no; from elsewhere co_call_soon_threadsafe.
 * Returns 0, or -EINVAL (fn is NULL), -EALREADY (the handle is pending), -EPERM
 * (no loop runs on this thread), -ESHUTDOWN (the loop is ending), -ENOMEM (no
 * handle was given).
 */
#define co_call_soon(handle, fn, arg)                                          \
    co_call_soon_at(CO_SITE, (handle), (fn), (arg))
#define co_call_later(handle, delay_ns, fn, arg)                               \
    co_call_later_at(CO_SITE, (handle), (delay_ns), (fn), (arg))
#define co_call_at(handle, when, fn, arg)                                      \
    co_call_at_at(CO_SITE, (handle), (when), (fn), (arg))
CO_API int co_call_soon_at(const char *site, co_handle *handle,
                           void (*fn)(void *), void *arg);
CO_API int co_call_later_at(const char *site, co_handle *handle,
                            co_time delay_ns, void (*fn)(void *), void *arg);
CO_API int co_call_at_at(const char *site, co_handle *handle, co_time when,
                         void (*fn)(void *), void *arg);

/*
 * The same for a loop that runs here or does not run at all: before its first
 * run, or between the turns of an embedded one. -EINVAL also for a loop that is
 * NULL; -EPERM: it runs on another thread.
 */
#define co_loop_call_soon(loop, handle, fn, arg)                               \
    co_loop_call_soon_at(CO_SITE, (loop), (handle), (fn), (arg))
#define co_loop_call_later(loop, handle, delay_ns, fn, arg)                    \
    co_loop_call_later_at(CO_SITE, (loop), (handle), (delay_ns), (fn), (arg))
#define co_loop_call_at(loop, handle, when, fn, arg)                           \
    co_loop_call_at_at(CO_SITE, (loop), (handle), (when), (fn), (arg))
CO_API int co_loop_call_soon_at(const char *site, co_loop *loop,
                                co_handle *handle, void (*fn)(void *),
                                void *arg);
CO_API int co_loop_call_later_at(const char *site, co_loop *loop,
                                 co_handle *handle, co_time delay_ns,
                                 void (*fn)(void *), void *arg);
CO_API int co_loop_call_at_at(const char *site, co_loop *loop,
                              co_handle *handle, co_time when,
                              void (*fn)(void *), void *arg);

/*
 * Take a request back: the function is not called, and the handle is the
 * caller's to use again or free.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 0, or -EINVAL (NULL), -EALREADY (it is not pending: it was called, is
 * being called, was taken back, or never made), -EPERM (another thread runs the
 * loop).
 */
CO_API int co_handle_cancel(co_handle *handle);

/* Whether the last request was taken back, or lost its loop. 0 for NULL.
 * Suspends: never. Thread-safe: no. */
CO_API int co_handle_cancelled(const co_handle *handle);

/* The point in time that the last request is, or was, for; 0 for NULL, and for
 * one of co_call_soon. Suspends: never. Thread-safe: no. */
CO_API co_time co_handle_when(const co_handle *handle);

/*
 * Have fn(signo, arg) called in a loop when a signal has come. One that was
 * added for it before, in this loop, is replaced; several loops may want the
 * same signal, and each gets it. Signals that come before the call has begun
 * are one call. Whatever handled the signal before does so again when the last
 * such function is removed or has lost its loop. The signal must not be
 * blocked in all threads; for SIGPIPE, a loop blocks it in its own.
 *
 * Suspends: never. Thread-safe: no, as co_loop_call_soon.
 * Returns 0, or -EINVAL (loop or fn is NULL, no such signal, SIGKILL, SIGSTOP,
 * or one that stands for a fault: SIGSEGV, SIGBUS, SIGFPE, SIGILL), -EPERM
 * (another thread runs the loop), -ESHUTDOWN (it is ending), -ENOMEM.
 */
#define co_loop_add_signal(loop, signo, fn, arg)                               \
    co_loop_add_signal_at(CO_SITE, (loop), (signo), (fn), (arg))
CO_API CO_MUST_CHECK int co_loop_add_signal_at(const char *site, co_loop *loop,
                                               int signo,
                                               void (*fn)(int, void *),
                                               void *arg);

/*
 * Have it called no more, from now on. It may remove itself.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 1, or 0 if there was none, or -EINVAL (loop is NULL), -EPERM.
 */
CO_API int co_loop_remove_signal(co_loop *loop, int signo);

CO_END_DECLS

#endif
