/* SPDX-License-Identifier: MIT */
/* core/report.h - the library's own reports; see coppice/report.h. */
#ifndef CO_CORE_REPORT_H
#define CO_CORE_REPORT_H

#include <coppice/report.h>

struct co_loop;
struct co_task;

/* Whether COPPICE_DEBUG= asks for debug mode. */
int co__debug_by_environment(void);

/* Hand a report to the loop's handler, or the default one; NULL: no loop. */
void co__report(struct co_loop *loop, const co_report *report);

/* About a task: "was not joined when its loop ended". */
void co__report_task(struct co_task *task, int error, const char *message);

/* A task that nobody joins has ended with an error. */
void co__report_unseen(const struct co_task *task);

/* Something of a loop's was used on a thread that is not the loop's. Reported
 * if that loop still exists and is in debug mode. Any thread. */
void co__report_wrong_thread(const struct co_loop *loop, const char *call);

/* In debug mode, when a step of the running task, or a call, has ended: report
 * it if it was slow. */
void co__report_slow(struct co_loop *loop);
void co__report_slow_call(struct co_loop *loop, const char *site);

#endif
