/* SPDX-License-Identifier: MIT */
/*
 * core/keep.h - what another library keeps a thread and a task should have for
 * itself (the error queue of OpenSSL, the exceptions that a C++ runtime has
 * caught): put aside when a task leaves the thread, and back when it returns.
 *
 * It is asked of tasks that have CO__FLAG_KEEPS, which those have that begin
 * after the keeper was set: the others' switches do not pay for it.
 */
#ifndef CO_CORE_KEEP_H
#define CO_CORE_KEEP_H

#include <coppice/base.h>

#include "core/task.h"

/* Room on the task's own stack while it is away. */
#define CO__KEPT_WORDS 8

struct co__keeper {
    void (*leave)(void **kept);  /* fill in CO__KEPT_WORDS words, which are 0 */
    void (*arrive)(void **kept); /* have them back */
    void (*end)(void);           /* the task has ended: nothing of it is left */
};

/* The process's keeper, from now on and for good. */
CO_API void co__keep(const struct co__keeper *keeper);

extern const struct co__keeper *co__keeper;
extern uint16_t co__keep_flag; /* 0, or CO__FLAG_KEEPS */

#endif
