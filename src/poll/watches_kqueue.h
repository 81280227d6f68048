/* SPDX-License-Identifier: MIT */
/*
 * poll/watches_kqueue.h - watches.h for a backend whose own kqueue the watches
 * are in: it sets `fd` before the first, hands on the events, and leaves before
 * it closes.
 */
#ifndef CO_POLL_WATCHES_KQUEUE_H
#define CO_POLL_WATCHES_KQUEUE_H

#include "poll/watches.h"

struct kevent;

/* An event of EVFILT_PROC or EVFILT_SIGNAL. Returns how many watches fired. */
int co__watches_event(struct co__watches *watches, const struct kevent *event);

/* All watches are over; the kqueue stays as it is. */
void co__watches_leave(struct co__watches *watches);

#endif
