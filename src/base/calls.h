/* SPDX-License-Identifier: MIT */
/* base/calls.h - the kernel's calls by number: those in which a thread may
 * wait. */
#ifndef CO_BASE_CALLS_H
#define CO_BASE_CALLS_H

/* What a call may wait for. */
enum co__call_waits {
    CO__CALL_FD,
    CO__CALL_LOCK,
    CO__CALL_TIME,
    CO__CALL_PROCESS,
};

struct co__call {
    long number;
    const char *name;
    enum co__call_waits waits;
    int has_fd; /* its first argument is a descriptor */
};

/* NULL: it is not known. */
const struct co__call *co__call_of(long number);

#endif
