/* SPDX-License-Identifier: MIT */
/*
 * coppice/watchdog.h - a thread that sees which tasks block their loops, while
 * they do: a call of a library that waits where only this task should, a lock
 * that is not ours, a computation. It looks at each loop of the process from
 * outside, a few times in the limit; loops take no part in it and are no slower
 * for it.
 *
 *     co_watchdog_start(NULL);
 *
 *     coppice: task "report" (main.c:41) blocks its loop for 25 ms: in recvfrom
 *     on descriptor 7 for 20 ms
 *
 * COPPICE_WATCHDOG=20 in the environment starts it, with that limit in
 * milliseconds, when the first loop is made.
 */
#ifndef COPPICE_WATCHDOG_H
#define COPPICE_WATCHDOG_H

#include <coppice/base.h>
#include <coppice/loop.h>
#include <coppice/task.h>

CO_BEGIN_DECLS

/* What a thread is doing while its task blocks the loop. */
enum co_blocked_by {
    CO_BLOCKED_RUNNING, /* it computes, or waits for a processor */
    CO_BLOCKED_IO,      /* in a call on a descriptor, or for several */
    CO_BLOCKED_LOCK,    /* in futex(2): a mutex, a condition, a join */
    CO_BLOCKED_SLEEP,   /* in a call that sleeps */
    CO_BLOCKED_PROCESS, /* in a call that waits for a process */
    CO_BLOCKED_OTHER,   /* in another call, or for a page of memory */
    CO_BLOCKED_BY_COUNT,
};

/* A task that blocks; all of it is valid during the handler's call only. */
typedef struct co_watchdog_report {
    size_t size;           /* sizeof(co_watchdog_report) */
    const char *text;      /* a sentence without a full stop */
    const co_loop *loop;   /* these may be gone: to compare */
    const co_task *task;   /* NULL: it is the loop's own work, a callback */
    const char *name;      /* the task's; or "" */
    const char *site;      /* where it was made, "file.c:12"; or "" */
    co_time blocked;       /* for how long, at least */
    enum co_blocked_by by; /* what the thread does */
    const char *call;      /* the system call that it is in; or "" */
    int fd;                /* that the call is about; or -1 */
    co_time call_blocked;  /* for how long it is in that, at least */
    void *const *frames;   /* innermost first, if options have a signal */
    unsigned frame_count;
} co_watchdog_report;

/* Called on the watchdog's thread. */
typedef void (*co_watchdog_handler)(const co_watchdog_report *report,
                                    void *arg);

typedef struct co_watchdog_options {
    size_t size;    /* sizeof(co_watchdog_options) */
    co_time limit;  /* what is longer is reported; 0: 20 ms */
    co_time period; /* between two looks; 0: a quarter of the limit, but 1 ms */
    /* A signal that a blocked thread is interrupted with, for a backtrace;
     * calls that return EINTR then do. SIGURG does little harm. 0: none. */
    int signal;
    co_watchdog_handler handler; /* NULL: a line on standard error */
    void *arg;
} co_watchdog_options;

/*
 * Start the process's watchdog. It reports a task when it has blocked its loop
 * for the limit, and again each time that has doubled. options: NULL is as all
 * zero; nothing is kept of it. A child of fork(2) has no watchdog.
 *
 * Suspends: never. Thread-safe: yes.
 * Returns 0, or -EINVAL (the options' size, a negative time, no such signal),
 * -EALREADY (it runs), -EAGAIN or -ENOMEM (no thread), -ENOSYS (not on this
 * system: Linux has what it needs).
 */
CO_API int co_watchdog_start(const co_watchdog_options *options);

/*
 * End it; the handler is not called any more. Not to be called by the handler.
 *
 * Suspends: never. Thread-safe: yes.
 * Returns 0, or -EALREADY (none runs), -EDEADLK (the handler called).
 */
CO_API int co_watchdog_stop(void);

/* Times are from look to look, and so up to two periods too short. */
typedef struct co_watchdog_stats {
    size_t size;      /* sizeof(co_watchdog_stats) */
    uint64_t looks;   /* at all loops */
    uint64_t blocked; /* times that a task has blocked for the limit */
    co_time longest;  /* that one has blocked, also below the limit */
    struct co_blocked {
        uint64_t count;  /* stretches of this that were as long as the limit */
        co_time longest; /* in one call, or running */
    } by[CO_BLOCKED_BY_COUNT];
} co_watchdog_stats;

/*
 * What it has seen since it was started last, also after it was ended.
 *
 * Suspends: never. Thread-safe: yes.
 * Returns 0, or -EINVAL (NULL, or its size).
 */
CO_API int co_watchdog_stats_get(co_watchdog_stats *stats);

CO_END_DECLS

#endif
