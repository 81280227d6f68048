/* SPDX-License-Identifier: MIT */
/* core/unwind.h - who called whom, for the dump and the overflow report. */
#ifndef CO_CORE_UNWIND_H
#define CO_CORE_UNWIND_H

#include "core/task.h"

/* Collect return addresses, innermost first: of the caller, or of a task that
 * is not running, without touching its stack. Returns how many. */
unsigned co__unwind_here(void **frames, unsigned max);
unsigned co__unwind_task(const struct co_task *task, void **frames,
                         unsigned max);

/* Write frames as text, one a line, "  #0 0x... function+0x12 (module)". */
void co__unwind_print(int fd, void *const *frames, unsigned count);

#endif
