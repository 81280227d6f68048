/* SPDX-License-Identifier: MIT */
/*
 * coppice/report.h - what nobody could be told in a result: an error that was
 * not looked at, a callback that took too long, a deadlock. A loop's reports go
 * to its error handler, or to standard error, a line each.
 */
#ifndef COPPICE_REPORT_H
#define COPPICE_REPORT_H

#include <coppice/base.h>
#include <coppice/task.h>

CO_BEGIN_DECLS

typedef struct co_loop co_loop;

/* What happened; all of it is valid during the handler's call only. */
typedef struct co_report {
    size_t size;         /* sizeof(co_report) */
    const char *message; /* a sentence without a full stop */
    const char *name;    /* of the task or callback it is about; or NULL */
    const char *site;    /* where that was made, "file.c:12"; or NULL */
    co_task *task;       /* the task, if there still is one; or NULL */
    int error;           /* a negative errno, or 0 */
} co_report;

/* Called on the loop's thread, on any stack; it must not suspend. */
typedef void (*co_error_handler)(co_loop *loop, const co_report *report,
                                 void *arg);

/*
 * Have a loop's reports go to handler(loop, report, arg); NULL brings
 * co_loop_report_default back.
 *
 * Suspends: never. Thread-safe: no. Returns 0, or -EINVAL (loop is NULL).
 */
CO_API int co_loop_set_error_handler(co_loop *loop, co_error_handler handler,
                                     void *arg);

/* The handler that is set, and its argument in *arg (which may be NULL); NULL
 * if none is. Suspends: never. Thread-safe: no. */
CO_API co_error_handler co_loop_error_handler(const co_loop *loop, void **arg);

/*
 * Give a report of one's own to the loop's handler.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 0, or -EINVAL (NULL, a wrong size, or no message).
 */
CO_API int co_loop_report(co_loop *loop, const co_report *report);

/* Write a report to standard error, in one line. For handlers that pass on
 * what is not theirs. Suspends: never. Thread-safe: yes. */
CO_API void co_loop_report_default(co_loop *loop, const co_report *report,
                                   void *unused);

/*
 * Turn a loop's debug mode on or off: tasks and callbacks that block the loop
 * (slow_ns in its options), uses on a wrong thread, tasks that nobody joined
 * and errors that nobody looked at are reported, and deadlocks are found.
 *
 * Suspends: never. Thread-safe: no. Returns 0, or -EINVAL (NULL).
 */
CO_API int co_loop_set_debug(co_loop *loop, int on);

/* Whether it is on. 0 for NULL. Suspends: never. Thread-safe: no. */
CO_API int co_loop_debug(const co_loop *loop);

CO_END_DECLS

#endif
