/* SPDX-License-Identifier: MIT */
/*
 * coppice/procpool.h - work in other processes: functions on byte buffers, for
 * what needs a processor of its own, or may crash. The functions are given when
 * the pool is made, and are called by number.
 *
 * co_procpool_new forks one process, the pool's server, which forks the workers
 * as they are needed: a worker is a copy of the program as it was then. Make
 * pools early: a lock that another thread holds at that moment (malloc's own is
 * taken care of) is never given back in the copy. Workers have no descriptors
 * of the program's but standard output and error, read an empty standard input,
 * ignore SIGINT, SIGQUIT and SIGHUP, and end when the program does.
 */
#ifndef COPPICE_PROCPOOL_H
#define COPPICE_PROCPOOL_H

#include <coppice/base.h>

CO_BEGIN_DECLS

typedef struct co_procpool co_procpool;

/*
 * What a worker runs, on a thread's stack and outside of every loop. *out and
 * *out_bytes are NULL and 0; what *out is set to has to come from malloc(3),
 * and the worker frees it. Returns 0 or more, or a negative errno, and what it
 * returns the caller gets, with the bytes.
 */
typedef int (*co_procpool_fn)(const void *in, size_t in_bytes, void **out,
                              size_t *out_bytes);

typedef struct co_procpool_options {
    size_t size;                     /* sizeof(co_procpool_options) */
    const co_procpool_fn *functions; /* the table; not kept by the caller's
                                      * process */
    unsigned function_count;
    unsigned workers_max; /* 0: as many as processors; 256 at most */
    size_t bytes_max;     /* of a request or an answer; 0: 64 MiB */
} co_procpool_options;

/*
 * Make a pool; its workers start as they are needed. The thread waits while the
 * process forks. Free it with co_procpool_free.
 *
 * Suspends: never. Thread-safe: yes.
 * Returns the pool, or NULL with errno EINVAL (NULL, no function or a NULL in
 * the table, numbers out of range), ENOMEM, EAGAIN (no process or thread),
 * EMFILE, ENFILE.
 */
CO_API CO_MUST_CHECK co_procpool *co_procpool_new(
    const co_procpool_options *options);

/*
 * Have a worker call functions[function](in, in_bytes, ...), first come, first
 * served. *out (which may be NULL, as may out_bytes: the bytes are dropped) is
 * set to its bytes, which are the caller's to free(3) (by the function given to
 * co_set_allocator, if any), or to NULL if there are none; it is not set if the
 * call itself failed. A worker whose call is cancelled, or whose caller runs
 * out of time, is killed and replaced.
 *
 * Suspends: always; outside a task the thread waits. Thread-safe: yes.
 * Returns what the function returned, or -EINVAL (NULL, no such function),
 * -EMSGSIZE (more than bytes_max, either way), -EPIPE (the worker crashed or
 * exited during the call, or none can be started), -ECANCELED (or the pool was
 * shut down meanwhile), -ETIMEDOUT, -ESHUTDOWN (it was before, or this is
 * a forked child), -EPERM (in a loop callback), -ENOMEM, -EMFILE, -ENFILE.
 */
CO_API CO_MUST_CHECK int co_procpool_call(co_procpool *pool, unsigned function,
                                          const void *in, size_t in_bytes,
                                          void **out, size_t *out_bytes);

/*
 * Take no more calls. With wait not 0: until those that were taken have ended,
 * and the processes are gone; given up, they still are served. Without: the
 * workers are killed, and calls under way fail with -ECANCELED. It may be
 * called more than once.
 *
 * Suspends: if it waits; outside a task the thread does. Thread-safe: yes.
 * Returns 0, or -EINVAL (NULL), -ECANCELED, -ETIMEDOUT, -EPERM (it would wait
 * in a loop callback).
 */
CO_API CO_MUST_CHECK int co_procpool_shutdown(co_procpool *pool, int wait);

/*
 * Free a pool, shutting it down without waiting if that was not done. The
 * thread waits until the pool's processes are gone, which is soon: no zombie is
 * left, and SIGCHLD is the program's own affair. A call under way stops the
 * program. NULL is a no-op. Suspends: never. Thread-safe: no.
 */
CO_API void co_procpool_free(co_procpool *pool);

CO_END_DECLS

#endif
