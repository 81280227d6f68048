/* SPDX-License-Identifier: MIT */
/* base/sys.h - what each system calls differently, and every layer may need.
 * One file implements it for each. */
#ifndef CO_BASE_SYS_H
#define CO_BASE_SYS_H

#include <stddef.h>
#include <stdint.h>

/* "EINVAL", or NULL: not known. */
const char *co__sys_error_name(int error);

/* What an error means. In the buffer, or static. */
const char *co__sys_error_text(int error, char *buffer, size_t bytes);

/* Forget a SIGPIPE that is pending. This thread blocks it. */
void co__sys_discard_sigpipe(void);

/* This thread's number, as proc(5) has it; 0 where there is none. */
uint64_t co__sys_thread_id(void);

/* What the kernel saves on the stack of a signal's handler, at most. */
size_t co__sys_signal_frame_bytes(void);

#endif
