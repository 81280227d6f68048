/* SPDX-License-Identifier: MIT */
/*
 * core/overflow.h - a task that runs into the guard below its stack is named
 * before the program dies. See overflow.c.
 */
#ifndef CO_CORE_OVERFLOW_H
#define CO_CORE_OVERFLOW_H

/* Install the process's handler (once, chained to what was there). Returns 0,
 * or a negative errno. Thread-safe. */
int co__overflow_install(void);

/* Around a run on this thread, after install has succeeded: give it a stack for
 * signal handlers unless it has one. The stack is kept until the thread ends,
 * so that a run maps nothing. Returns 0, or -ENOMEM with nothing done. */
int co__overflow_enter(void);
void co__overflow_leave(void);

#endif
