/* SPDX-License-Identifier: MIT */
/* offload/sys.h - what each system calls differently. One file implements it
 * for each. */
#ifndef CO_OFFLOAD_SYS_H
#define CO_OFFLOAD_SYS_H

#include <stdio.h>

/* How many processors this process may run on; 1 at least. */
unsigned co__sys_processors(void);

/* Name this thread, for debuggers; the name is cut. */
void co__sys_thread_name(const char *name);

/* Close every descriptor from `first` on. For a process with one thread. */
void co__sys_close_from(int first);

/* Forget what a stream has buffered. */
void co__sys_purge(FILE *stream);

#endif
