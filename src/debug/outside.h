/* SPDX-License-Identifier: MIT */
/*
 * debug/outside.h - a thread as another one sees it, which it takes no part in.
 * What it changes meanwhile makes a look wrong, and is no error. One file a
 * system implements it.
 */
#ifndef CO_DEBUG_OUTSIDE_H
#define CO_DEBUG_OUTSIDE_H

#include <coppice/watchdog.h>

#include <stddef.h>

/* Whether this system has what is needed here: 0, or -ENOSYS. */
int co__outside_init(void);

/* Copy memory of this process, which may be gone by now. 0 or -EFAULT. */
int co__outside_read(void *to, const void *from, size_t len);

/* What a thread does. */
struct co__doing {
    enum co_blocked_by by;
    const char *call;  /* "" if it is in none */
    char number[32];   /* a call's, whose name is not known */
    int fd;            /* that the call is about; or -1 */
    uint64_t place[3]; /* the same while it has not left a call */
};

/* 0, or -ESRCH: there is no such thread. */
int co__outside_look(uint64_t thread, struct co__doing *doing);

/* Have a signal handled by co__outside_backtrace, or no more: 0, or -EINVAL. */
int co__outside_take_signal(int signo);
void co__outside_drop_signal(int signo);

/* Interrupt a thread and collect its frames, innermost first: how many. One
 * caller at a time. */
unsigned co__outside_backtrace(uint64_t thread, int signo, void **frames,
                               unsigned max);

#endif
