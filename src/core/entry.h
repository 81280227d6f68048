/* SPDX-License-Identifier: MIT */
/* core/entry.h - where a task's stack begins to run; see sched.c. */
#ifndef CO_CORE_ENTRY_H
#define CO_CORE_ENTRY_H

/* arg is the task. Never returns. */
void co__task_entry(void *task);

#endif
