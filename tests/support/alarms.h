/* SPDX-License-Identifier: MIT */
/* support/alarms.h - a storm of signals.
 *
 * Check's own handler of SIGALRM kills the process group, which is all that
 * runs the tests where they are not forked. So a late alarm must not meet it:
 * ignoring a signal discards one that is pending.
 */
#ifndef CO_TESTS_SUPPORT_ALARMS_H
#define CO_TESTS_SUPPORT_ALARMS_H

#include <signal.h>
#include <sys/time.h>

static struct sigaction co_test_alarms_old;

/* Have handler called every so many microseconds; system calls that it
 * interrupts are not restarted. */
static inline void co_test_alarms_start(void (*handler)(int), suseconds_t us)
{
    struct sigaction action = {.sa_handler = handler};
    struct itimerval often = {{0, us}, {0, us}};

    sigaction(SIGALRM, &action, &co_test_alarms_old);
    setitimer(ITIMER_REAL, &often, NULL);
}

static inline void co_test_alarms_stop(void)
{
    struct itimerval never = {{0, 0}, {0, 0}};

    setitimer(ITIMER_REAL, &never, NULL);
    signal(SIGALRM, SIG_IGN);
    sigaction(SIGALRM, &co_test_alarms_old, NULL);
}

#endif
