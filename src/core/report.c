/* SPDX-License-Identifier: MIT */
/* Reports: what happened on a loop that no call's result could tell. */
#include "core/report.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/sys.h"
#include "core/loop.h"
#include "core/registry.h"
#include "core/task.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int co_loop_set_error_handler(co_loop *loop, co_error_handler handler,
                              void *arg)
{
    if (!loop)
        return -EINVAL;
    loop->error_handler = handler;
    loop->error_handler_arg = arg;
    return 0;
}

co_error_handler co_loop_error_handler(const co_loop *loop, void **arg)
{
    if (!loop)
        return NULL;
    if (arg)
        *arg = loop->error_handler_arg;
    return loop->error_handler;
}

int co_loop_report(co_loop *loop, const co_report *report)
{
    if (!loop || !report || report->size != sizeof(*report) || !report->message)
        return -EINVAL;
    co__report(loop, report);
    return 0;
}

void co_loop_report_default(co_loop *loop, const co_report *report,
                            void *unused)
{
    const char *name = report->name ? report->name : "";
    const char *site = report->site;
    char text[128];
    const char *error =
        report->error < 0
            ? co__sys_error_text(-report->error, text, sizeof(text))
            : NULL;

    (void)loop;
    (void)unused;
    co__warn("%s%s%s%s%s%s%s%s%s%s", report->task ? "task " : "",
             *name ? "\"" : "", name, *name ? "\" " : "", site ? "(" : "",
             site ? site : "", site ? ") " : "", report->message,
             error ? ": " : "", error ? error : "");
}

int co__debug_by_environment(void)
{
    const char *env = getenv("COPPICE_DEBUG");

    return env && *env && strcmp(env, "0") != 0;
}

void co__report(struct co_loop *loop, const co_report *report)
{
    uint32_t outer;

    if (!loop || !loop->error_handler) {
        co_loop_report_default(loop, report, NULL);
        return;
    }
    outer = loop->flags & CO__LOOP_REPORTING;
    /* This may be amid a switch, with the running task in the queue. */
    loop->flags |= CO__LOOP_REPORTING;
    loop->error_handler(loop, report, loop->error_handler_arg);
    loop->flags &= ~CO__LOOP_REPORTING | outer;
}

void co__report_task(struct co_task *task, int error, const char *message)
{
    co_report report = {
        .size = sizeof(report),
        .message = message,
        .name = task->name,
        .site = task->site,
        .task = task,
        .error = error,
    };

    co__report(task->loop, &report);
}

void co__report_unseen(const struct co_task *task)
{
    /* A task that ends because it was asked to is no surprise. */
    if (task->result == -ECANCELED && task->chain.cancels)
        return;
    co__report_task((struct co_task *)task, task->result,
                    "ended with an error that nobody looked at");
}

void co__report_wrong_thread(const struct co_loop *loop, const char *call)
{
    char message[96];
    co_report report = {
        .size = sizeof(report),
        .message = message,
        .error = -EPERM,
    };
    int debug = 0;

    if (!co__registry_knows(loop, &debug) || !debug)
        return;
    snprintf(message, sizeof(message),
             "%s was called on a thread that does not run the loop", call);
    /* The loop's own handler belongs to its thread. */
    if (co__loop)
        co__report(co__loop, &report);
    else
        co_loop_report_default(NULL, &report, NULL);
}

static void report_slow(struct co_loop *loop, co_time took, const char *name,
                        const char *site, struct co_task *task)
{
    char message[80];
    co_report report = {
        .size = sizeof(report),
        .message = message,
        .name = name,
        .site = site,
        .task = task,
    };

    snprintf(message, sizeof(message), "%sblocked its loop for %lld ms",
             task ? "" : "a callback ", (long long)(took / CO_MS));
    co__report(loop, &report);
}

void co__report_slow(struct co_loop *loop)
{
    struct co_task *task = loop->self;
    co_time took = loop->now - loop->step_began;

    loop->step_began = loop->now;
    if (took >= loop->slow && task != &loop->root &&
        !(task->flags & CO__FLAG_CALLBACK))
        report_slow(loop, took, task->name, task->site, task);
}

void co__report_slow_call(struct co_loop *loop, const char *site)
{
    co_time took;

    co__look(loop);
    took = loop->now - loop->step_began;
    loop->step_began = loop->now;
    if (took >= loop->slow)
        report_slow(loop, took, NULL, site, NULL);
}
