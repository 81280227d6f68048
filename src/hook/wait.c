/* SPDX-License-Identifier: MIT */
/* How a hooked call waits: in the loop, under the limits of its task. */
#include <coppice/task.h>
#include <coppice/threadpool.h>

#include "hook/hook.h"

#include <errno.h>

#define PAUSE_FIRST (50 * CO_US)
#define PAUSE_MOST  (10 * CO_MS)

int co__hook_fail(int error)
{
    errno = error < 0 ? -error : error;
    return -1;
}

co_time co__wait_begin(struct co__site *site, co_scope *limit, co_time until)
{
    if (until != CO_NEVER)
        co__scope_deadline(limit, until);
    return co__park_begin(site);
}

int co__wait_end(struct co__site *site, co_scope *limit, co_time began, int r)
{
    co__park_end(site, began);
    co__scope_leave(limit);
    return r == -ETIMEDOUT && co_scope_expired(limit) ? -ETIME : r;
}

int co__hook_wait_fd(struct co__site *site, int fd, int directions,
                     co_time until)
{
    co_scope limit = {0};
    co_time began = co__wait_begin(site, &limit, until);
    int r =
        co__wait_end(site, &limit, began, co__guest_wait_fd(fd, directions));

    return r == -ETIME ? 0 : r;
}

int co__hook_sleep_until(struct co__site *site, co_time until)
{
    co_time began = co__park_begin(site);
    int r = co_sleep_until(until);

    co__park_end(site, began);
    return r;
}

int co__hook_pause(struct co__site *site, co_time *pause, co_time until)
{
    co_time next = *pause ? *pause * 2 : PAUSE_FIRST;
    co_time when;

    *pause = next < PAUSE_MOST ? next : PAUSE_MOST;
    when = co__after(*pause);
    return co__hook_sleep_until(site, when < until ? when : until);
}

/* ---- jobs ---------------------------------------------------------------- */

struct job {
    void (*run)(void *arg);
    void *arg;
    int error; /* the thread's errno, which the task is to see */
};

static int run_job(void *arg)
{
    struct job *job = arg;

    errno = 0;
    job->run(job->arg);
    job->error = errno;
    return 0;
}

int co__hook_offload(struct co__site *site, void (*run)(void *arg), void *arg)
{
    struct job job = {run, arg, 0};
    co_time began = co__park_begin(site);
    int r = co_offload_in(CO_LANE_DNS, run_job, &job);

    co__park_end(site, began);
    if (r == 0)
        errno = job.error;
    return r;
}

/* ---- time ---------------------------------------------------------------- */

co_time co__span_of(const struct timespec *time)
{
    co_time seconds = time->tv_sec;

    if (seconds < 0)
        return 0;
    if (seconds > CO_NEVER / CO_SEC - 1)
        return CO_NEVER;
    return seconds * CO_SEC + time->tv_nsec;
}

co_time co__after(co_time span)
{
    co_time now = co_now();

    return span > CO_NEVER - now ? CO_NEVER : now + span;
}

co_time co__moment_of(clockid_t clock, const struct timespec *until)
{
    struct timespec now;
    co_time left, span = co__span_of(until);

    if (span == CO_NEVER || clock_gettime(clock, &now) < 0)
        return CO_NEVER;
    left = span - co__span_of(&now);
    return co__after(left > 0 ? left : 0);
}
