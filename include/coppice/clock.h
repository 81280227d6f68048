/* SPDX-License-Identifier: MIT */
/* coppice/clock.h - the monotonic clock. */
#ifndef COPPICE_CLOCK_H
#define COPPICE_CLOCK_H

#include <coppice/base.h>

CO_BEGIN_DECLS

/*
 * The time now, in nanoseconds of CLOCK_MONOTONIC (clock_gettime(2); macOS:
 * CLOCK_UPTIME_RAW); read afresh at every call. Deadlines of co_sleep_until and
 * co_deadline are points on this clock.
 *
 * Suspends: never. Thread-safe: yes.
 */
CO_API co_time co_now(void);

CO_END_DECLS

#endif
