/* SPDX-License-Identifier: MIT */
/*
 * offload/procserver.h - the processes of a pool, and what is said between them
 * and the program; see procserver.c.
 */
#ifndef CO_OFFLOAD_PROCSERVER_H
#define CO_OFFLOAD_PROCSERVER_H

#include <coppice/procpool.h>

#include <sys/types.h>

#define CO__PROC_WORKERS_MAX 256

/* What the program asks of the server, on a stream. */
struct co__proc_order {
    uint32_t kind;
    uint32_t id; /* of a worker, never used twice */
};

enum co__proc_order_kind {
    CO__PROC_START = 1, /* a descriptor comes with it: the worker's end */
    CO__PROC_KILL,
};

/* What goes before the bytes of a request, and of an answer. */
struct co__proc_head {
    uint32_t magic;
    int32_t number; /* of the function; what it returned */
    uint64_t bytes;
};

#define CO__PROC_REQUEST 0x636f7071u
#define CO__PROC_ANSWER  0x636f7061u

/*
 * Fork the server, on a thread made for that: its stack is what the functions
 * run on. *control is the program's end; it reads as ended once all processes
 * are gone. Returns the server's pid, or a negative errno.
 */
pid_t co__proc_serve(const co_procpool_options *options, int *control);

/* Send an order, with a descriptor if it is not -1: 0 or a negative errno. */
int co__proc_send(int control, uint32_t kind, uint32_t id, int fd);

#endif
