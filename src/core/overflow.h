/* SPDX-License-Identifier: MIT */
/*
 * core/overflow.h - a task that runs into the guard below its stack is named
 * before the program dies. See overflow.c.
 */
#ifndef CO_CORE_OVERFLOW_H
#define CO_CORE_OVERFLOW_H

/* Install the process's handler (once, chained to what was there). Returns 0,
 * or a negative errno. */
int co__overflow_install(void);

/* Give this thread a stack for signal handlers unless it has one, and take it
 * away again. The count of enters and leaves is the loop's runs. */
int co__overflow_enter(void);
void co__overflow_leave(void);

#endif
