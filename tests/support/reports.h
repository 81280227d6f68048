/* SPDX-License-Identifier: MIT */
/* support/reports.h - what a loop in debug mode reports, kept to be looked at.
 */
#ifndef CO_TESTS_SUPPORT_REPORTS_H
#define CO_TESTS_SUPPORT_REPORTS_H

#include "support/tasks.h"

#include <coppice/report.h>

#include <stdio.h>
#include <string.h>

#define CO_TEST_REPORTS_MAX 32

struct co_test_reports {
    int count;
    struct {
        char message[128];
        char name[CO_TASK_NAME_MAX + 1];
        char site[256]; /* "" if there was none */
        int had_task;
        int error;
    } seen[CO_TEST_REPORTS_MAX];
};

static struct co_test_reports co_test_reported;

static inline void co_test_keep_report(co_loop *loop, const co_report *report,
                                       void *unused)
{
    int i = co_test_reported.count++;

    (void)loop;
    (void)unused;
    ck_assert_int_lt(i, CO_TEST_REPORTS_MAX);
    ck_assert_uint_eq(report->size, sizeof(*report));
    snprintf(co_test_reported.seen[i].message,
             sizeof(co_test_reported.seen[i].message), "%s", report->message);
    snprintf(co_test_reported.seen[i].name,
             sizeof(co_test_reported.seen[i].name), "%s",
             report->name ? report->name : "");
    snprintf(co_test_reported.seen[i].site,
             sizeof(co_test_reported.seen[i].site), "%s",
             report->site ? report->site : "");
    co_test_reported.seen[i].had_task = report->task != NULL;
    co_test_reported.seen[i].error = report->error;
}

/* Run fn(arg) in a new loop, in debug mode, whose reports are kept. Returns
 * what it returned. */
static inline int co_test_run_reported(co_task_fn fn, void *arg)
{
    co_loop_options options = {.size = sizeof(options), .debug = 1};
    co_loop *loop = co_loop_new(&options);
    int result = 12345;

    ck_assert_ptr_nonnull(loop);
    memset(&co_test_reported, 0, sizeof(co_test_reported));
    ck_assert_int_eq(co_loop_set_error_handler(loop, co_test_keep_report, NULL),
                     0);
    ck_assert_int_eq(co_loop_run_until(loop, fn, arg, &result), 0);
    co_loop_free(loop);
    return result;
}

/* Whether report i was about something made in this file at `line`. */
static inline int co_test_report_is_of(int i, const char *file, int line)
{
    char site[256];

    snprintf(site, sizeof(site), "%s:%d", file, line);
    return strcmp(co_test_reported.seen[i].site, site) == 0;
}

#endif
