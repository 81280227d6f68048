/* SPDX-License-Identifier: MIT */
/*
 * core/command.h - what a completion backend carries out for a task, where a
 * readiness backend would only say when to try.
 *
 * A command is a record on the stack of the task that waits for it. From submit
 * until its end is reported it and all that it points to are the backend's:
 * nobody touches them, and the task does not return. So a task that is
 * cancelled asks the backend to let go, and waits on until it has. What came
 * first decides: a command that had an effect keeps its result.
 *
 * The fields are those of an io_uring entry, because every kernel call fits
 * into them:
 *
 *     code           fd         data      len    offset         options
 *     READ, WRITE    file       buffer    bytes  position or    0
 *                                                CO__HERE
 *     READV, WRITEV  file       iovec     count  the same       0
 *     FSYNC          file       -         0      0              CO__DATA_ONLY
 *     OPENAT         directory  path      mode   0              O_...
 *     STATX          directory  path      mask   struct statx*  AT_...
 *     CLOSE          file       -         0      0              0
 *     RECV, SEND     socket     buffer    bytes  0              MSG_...
 *     RECVMSG,       socket     msghdr    1      0              MSG_...
 *     SENDMSG
 *     ACCEPT         listener   sockaddr  0      socklen_t*     0
 *     CONNECT        socket     sockaddr  0      socklen_t      0
 *     POLL           any        -         0      0              CO__POLL_...
 *
 * Pointers in `offset` are cast. What ACCEPT makes is non-blocking and
 * close-on-exec. The result is what the system call returns, or a negative
 * errno: never -EINTR, -ECANCELED only if it was cancelled without an effect;
 * of POLL it is the mask of events.
 */
#ifndef CO_CORE_COMMAND_H
#define CO_CORE_COMMAND_H

#include "core/sched.h"

enum co__command_code {
    CO__DO_READ,
    CO__DO_WRITE,
    CO__DO_READV,
    CO__DO_WRITEV,
    CO__DO_FSYNC,
    CO__DO_OPENAT,
    CO__DO_STATX,
    CO__DO_CLOSE,
    CO__DO_RECV,
    CO__DO_SEND,
    CO__DO_RECVMSG,
    CO__DO_SENDMSG,
    CO__DO_ACCEPT,
    CO__DO_CONNECT,
    CO__DO_POLL,
    CO__DO_COUNT,
};

#define CO__HERE      UINT64_MAX /* the file's own position */
#define CO__DATA_ONLY 1u         /* as fdatasync */

/* Of `hint`. */
/* ACCEPT: again and again, until cancelled; the first -EINVAL may say that the
 * kernel does not know how. */
#define CO__HINT_MULTI 0x01u
/* OPENAT: do not try with O_NONBLOCK first, of a FIFO that is not the same. */
#define CO__HINT_BLOCKS 0x02u
/* `gen` is the number's: it must not be done to what the number is later. */
#define CO__HINT_BOUND 0x04u
/* RECV: into a buffer that the backend has ready (co__lend); `data` points to a
 * pointer to it, which is set if bytes have come, and then it is the caller's.
 * There may be none: -EOPNOTSUPP, -ENOBUFS. */
#define CO__HINT_LENT 0x08u

/* What the end is reported with. */
#define CO__END_MORE 0x01u /* it is not the end: of MULTI alone */

struct co__command {
    uint8_t code;
    uint8_t hint;
    uint8_t over;      /* its end was reported; the backend's field */
    uint8_t cancelled; /* the backend was asked to let go; its field, too */
    int fd;
    void *data;
    uint64_t offset;
    uint32_t len;
    uint32_t options;
    int result;
    uint32_t gen; /* valid if BOUND */
    /* The backend's report, see core/poller.h; on whatever stack. */
    void (*done)(struct co__command *command, int result, unsigned end);
    struct co_task *task; /* whom `done` wakes */
};

/* Whether the loop's backend carries commands out. */
CO_INLINE int co__commands(const struct co_loop *loop)
{
    return loop->poller_ops->submit != NULL;
}

/*
 * Have the backend carry it out, and wait for its end. The caller has filled in
 * what the table above names, and all else with 0. A cancel or a timeout ends
 * it early, if it then had no effect.
 *
 * Returns its result; or -ECANCELED, -ETIMEDOUT; or, with nothing tried,
 * -EOPNOTSUPP (this kernel cannot), -EPERM (in a loop callback), -ENOMEM.
 */
int co__command_run(const struct co__here *here, struct co__command *command,
                    enum co__wait_reason reason);

/* The `done` of a command that one task waits for: sets result and wakes it. */
void co__command_ended(struct co__command *command, int result, unsigned end);

/* The second half of co__command_run, for a command of the caller's making: it
 * has been submitted, with that `done`. And the rest of that, where the first
 * wait, which returned `r`, was not all. */
int co__command_wait_on(const struct co__here *here,
                        struct co__command *command,
                        enum co__wait_reason reason, int r);
CO_INLINE int co__command_wait(const struct co__here *here,
                               struct co__command *command,
                               enum co__wait_reason reason)
{
    int r = co__park(here->loop, here->task, reason);

    if (CO_LIKELY(r == 0 && command->over))
        return command->result;
    return co__command_wait_on(here, command, reason, r);
}

#endif
