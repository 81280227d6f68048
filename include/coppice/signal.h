/* SPDX-License-Identifier: MIT */
/*
 * coppice/signal.h - waiting for signals.
 *
 *     static const int ends[] = {SIGINT, SIGTERM};
 *     co_signal *signal = co_signal_open(ends, 2);
 *     int signo = co_signal_wait(signal);
 *     co_signal_close(signal);
 *
 * A signal goes to all who have it open: each of several, on each of several
 * loops, and functions of co_loop_add_signal too. Of one that is open it goes
 * to all tasks that wait at the moment; if none does it stays, and the next
 * call has it. So a task that must not miss any opens one of its own. As
 * always with signals, several of the same that nobody has had yet are one.
 */
#ifndef COPPICE_SIGNAL_H
#define COPPICE_SIGNAL_H

#include <coppice/base.h>

CO_BEGIN_DECLS

/* Some signals, as they come from now on to the loop that runs. Opaque. */
typedef struct co_signal co_signal;

/*
 * Have some signals sent to the running loop, until co_signal_close. What
 * handled them before does so again when the last who has them open is gone, or
 * its loop freed. They must not be blocked in all threads; for SIGPIPE, a loop
 * blocks it in its own. The numbers are copied.
 *
 * Suspends: never. Thread-safe: no.
 * Returns it, or NULL with errno EINVAL (NULL, no signals, the same twice, no
 * such signal, SIGKILL, SIGSTOP, or one that stands for a fault: SIGSEGV,
 * SIGBUS, SIGFPE, SIGILL), EPERM (no loop runs on this thread), ENOMEM.
 */
CO_API CO_MUST_CHECK co_signal *co_signal_open(const int *signos, size_t count);

/*
 * Wait for one of the signals; what has come since the last call is had at
 * once, the oldest first. In co_select: CO_CASE_SIGNAL.
 *
 * Suspends: if none has come. Thread-safe: no.
 * Returns its number, or, having taken none, -EINVAL (NULL), -EBADF (closed
 * meanwhile), -ECANCELED, -ETIMEDOUT, -EPERM (another loop's, or it would wait
 * in a loop callback).
 */
CO_API CO_MUST_CHECK int co_signal_wait(co_signal *signal);

/*
 * No more of them, and the handle is gone. Tasks that wait get -EBADF. NULL is
 * a no-op. Suspends: never. Thread-safe: no. Returns 0, or -EPERM (its loop
 * runs on another thread, and nothing was done).
 */
CO_API int co_signal_close(co_signal *signal);

CO_END_DECLS

#endif
