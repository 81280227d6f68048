/* SPDX-License-Identifier: MIT */
/* poll/pending.h - take signals that are blocked and pending. */
#ifndef CO_POLL_PENDING_H
#define CO_POLL_PENDING_H

/* Have a signal that the calling thread blocks not be pending any more. */
void co__pending_take(int signo);

#endif
