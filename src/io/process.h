/* SPDX-License-Identifier: MIT */
/*
 * io/process.h - a process, for the files that make it: process.c (its life),
 * procspawn.c (how it begins), procio.c (what it writes).
 */
#ifndef CO_IO_PROCESS_H
#define CO_IO_PROCESS_H

#include <coppice/process.h>

#include "core/loop.h"

/* What a process has written and nobody was given yet. */
struct co__gathered {
    char *data; /* `room` bytes, or NULL */
    size_t len, room;
};

struct co_process {
    struct co__poll_watch watch;
    struct co_loop *loop;            /* whose it is; NULL: that is freed */
    struct co_process *next, **link; /* in loop->processes, while it runs */
    struct co__waitlist waiters;     /* of struct waiting, see process.c */
    unsigned users; /* the handle, its running, and calls under way */
    unsigned forks; /* co__forks: it is a child of this process, no other */
    pid_t pid;
    uint8_t runs;               /* as far as we know: it was not reaped */
    uint8_t gone;               /* the handle is: it was freed */
    uint8_t survives;           /* it could not be killed then */
    uint8_t busy;               /* a task communicates */
    int result;                 /* 0, or -ECHILD; valid when it does not run */
    int code;                   /* valid if result is 0 */
    int fds[3];                 /* our ends of its pipes, or -1 */
    co_stream *streams[3];      /* of these, or NULL; held */
    size_t written;             /* bytes of the input that it was given */
    struct co__gathered got[2]; /* standard output, standard error */
};

/*
 * The part of a spawn that is the system's: *pid is the process, and
 * process->fds are our ends. Returns 0, or a negative errno with nothing open.
 */
int co__process_begin(struct co_process *process, const char *const *argv,
                      const co_process_options *options);

/* Whether a process may be used from here: 0, -EINVAL, -EPERM. */
int co__process_check(const struct co_process *process);

/* Close an end if it is open. */
void co__process_shut(struct co_process *process, int which);

void co__process_drop(struct co_process *process);

#endif
