/* SPDX-License-Identifier: MIT */
/* core/backend.h - which reactor a loop gets. */
#ifndef CO_CORE_BACKEND_H
#define CO_CORE_BACKEND_H

struct co_loop;

/* Make loop->poller. `name` is what the options say; NULL: the environment.
 * Returns 0, or -ENOSYS (no reactor is called so, or the kernel has none of
 * this build's), -EMFILE, -ENFILE, -ENOMEM. */
int co__backend_open(struct co_loop *loop, const char *name);

#endif
