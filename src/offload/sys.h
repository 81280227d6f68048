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

/* Two unix stream sockets that are connected, close-on-exec. Returns 0, or
 * -EMFILE, -ENFILE, -ENOMEM. */
int co__sys_socketpair(int fds[2]);

/* Close every descriptor from `first` on. For a process with one thread. */
void co__sys_close_from(int first);

/* The same by the system's list of them; for systems that need it. */
void co__close_listed(int first);

/* Forget what a stream has buffered. */
void co__sys_purge(FILE *stream);

#endif
