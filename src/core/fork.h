/* SPDX-License-Identifier: MIT */
/* core/fork.h - what fork(2) means for a loop; see fork.c. */
#ifndef CO_CORE_FORK_H
#define CO_CORE_FORK_H

/* Register the handlers, once a process. Returns 0 or -ENOMEM. */
int co__fork_prepare(void);

#endif
