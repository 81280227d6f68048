/* SPDX-License-Identifier: MIT */
/* Sleeping. No signal ends it early: its handler runs, and the task sleeps on.
 */
#include "hook/hook.h"

#include <errno.h>

/* Interrupted by a cancel or a limit: how much is left. */
static int sleep_until(struct co__site *site, co_time until,
                       struct timespec *left)
{
    int r = co__hook_sleep_until(site, until);

    if (r < 0 && left) {
        co_time rest = until - co_now();

        rest = rest > 0 ? rest : 0;
        left->tv_sec = rest / CO_SEC;
        left->tv_nsec = rest % CO_SEC;
    }
    return r;
}

CO__HOOK_ALIAS(__nanosleep, nanosleep);
int co__hook_nanosleep(const struct timespec *time, struct timespec *left)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_TIME, nanosleep);
    int r;

    if (!site || !time || !CO__NS_VALID(time) || time->tv_sec < 0)
        return CO__REAL(nanosleep)(time, left);
    r = sleep_until(site, co__after(co__span_of(time)), left);
    return r < 0 ? co__hook_fail(r) : 0;
}

CO__HOOK_ALIAS(__clock_nanosleep, clock_nanosleep);
int co__hook_clock_nanosleep(clockid_t clock, int flags,
                             const struct timespec *time, struct timespec *left)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_TIME, clock_nanosleep);
    int absolute = flags & TIMER_ABSTIME;
    int r;

    if (!site || !time || !CO__NS_VALID(time) || time->tv_sec < 0 ||
        (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC))
        return CO__REAL(clock_nanosleep)(clock, flags, time, left);
    r = sleep_until(site,
                    absolute ? co__moment_of(clock, time)
                             : co__after(co__span_of(time)),
                    absolute ? NULL : left);
    return -r;
}

int co__hook_usleep(useconds_t us)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_TIME, usleep);
    int r;

    if (!site)
        return CO__REAL(usleep)(us);
    r = sleep_until(site, co__after((co_time)us * CO_US), NULL);
    return r < 0 ? co__hook_fail(r) : 0;
}

unsigned co__hook_sleep(unsigned seconds)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_TIME, sleep);
    struct timespec left = {0, 0};

    if (!site)
        return CO__REAL(sleep)(seconds);
    if (sleep_until(site, co__after((co_time)seconds * CO_SEC), &left) == 0)
        return 0;
    return (unsigned)left.tv_sec + (left.tv_nsec > 0);
}
