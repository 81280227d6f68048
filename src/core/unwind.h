/* SPDX-License-Identifier: MIT */
/*
 * core/unwind.h - who called whom, for the dump and the overflow report.
 *
 * A frame is an address inside of the instruction that has not finished: of the
 * call (one byte before its return address), or of the instruction that
 * faulted. So it is what addr2line(1) wants, also when a call is the last thing
 * in a function.
 */
#ifndef CO_CORE_UNWIND_H
#define CO_CORE_UNWIND_H

#include "base/text.h"
#include "core/task.h"

/* Collect frames, innermost first, at most max; returns how many. The frames
 * of the caller of this function: */
unsigned co__unwind_here(void **frames, unsigned max);

/* ... of what a signal handler, which calls this, has interrupted; if that
 * cannot be told, of the handler: */
unsigned co__unwind_interrupted(void **frames, unsigned max);

/* ... of a task of this thread's loop. If it does not run (loop->self), its
 * stack is read and neither touched nor run on, and its last frame is where
 * tasks begin; a task that has not started has that one alone. */
unsigned co__unwind_task(const struct co_task *task, void **frames,
                         unsigned max);

/* Frames as text, one a line: indent spaces, then
 * "#0 0x5581... reader+0x12 (server+0x4112)", with what dladdr(3) knows. */
void co__unwind_text(struct co__text *text, unsigned indent,
                     void *const *frames, unsigned count);

/* The same, indented by two, to a descriptor. As async-signal-safe as
 * dladdr(3), which takes the dynamic linker's (recursive) lock. */
void co__unwind_print(int fd, void *const *frames, unsigned count);

#endif
