/* SPDX-License-Identifier: MIT */
/*
 * core/poller.h - the contract between a loop and its reactor backend.
 *
 * A backend is one const table. It reports what happened, and if it can the
 * ends of commands that it carries out; it switches no tasks. All calls come
 * from the thread that runs the loop, or between two runs from one that keeps
 * it from running; except wake.
 *
 * Registrations of descriptors:
 *  - watch: once for a descriptor's life, edge-triggered, both directions. An
 *    edge that happened before watch is reported too.
 *  - arm: one event for a descriptor, in the given directions; what is ready
 *    already counts, and it is to be armed again after each event. Arming again
 *    replaces the mask.
 * Either takes the place of what was registered of the descriptor before. What
 * happens in both directions may be reported as two events.
 * What is registered carries the slot's generation, and an event whose
 * generation is not the slot's any more is dropped by co__fd_ready.
 *
 * Other registrations: a process's end, and a signal, each a record of the
 * caller's with a function that is called when it happens (co__poll_watch).
 */
#ifndef CO_CORE_POLLER_H
#define CO_CORE_POLLER_H

#include <coppice/base.h>

#include <sys/types.h>

struct co__command;
struct co_loop;

/* Event masks. */
#define CO__POLL_IN    0x01u /* readable, or the peer ended its side */
#define CO__POLL_OUT   0x02u /* writable */
#define CO__POLL_RDHUP 0x04u /* the peer ended its side: a FIN is queued */
#define CO__POLL_HUP   0x08u
#define CO__POLL_ERR   0x10u
#define CO__POLL_PRI   0x20u /* urgent data, or maybe: not every kernel says */
#define CO__POLL_SURE  0x40u /* of arm: it is sure that it can be waited for */

struct co__poller; /* one a loop; the backend's own */

/*
 * A process or a signal that is watched. The caller's memory, from the call
 * that begins the watch until the watch is over or ended. `fire` is called
 * from within wait(); like co__fd_ready it only makes tasks ready, and calls
 * nothing of the poller's. There may be several watches of one process or
 * signal: each fires.
 */
struct co__poll_watch {
    void (*fire)(struct co__poll_watch *watch); /* set by the caller */
    /* The backend's own. */
    struct co__poll_watch *next, **link; /* link: NULL once it is over */
    int id;                              /* of the process, or the signal */
    int fd;                              /* Linux: the process's descriptor */
};

struct co__poller_ops {
    const char *name;
    int by_name; /* used when asked for by name alone: never the default */

    /* Make one for a loop: 0 with *out, -ENOSYS if the kernel lacks it, or
     * forbids it, -EMFILE, -ENFILE, -ENOMEM. */
    int (*open)(struct co_loop *loop, struct co__poller **out);
    void (*close)(struct co__poller *poller);

    /* 0, or -EPERM (always ready: a regular file), -EBADF, -ENOMEM, -ENOSPC.
     * NULL where the kernel tells levels alone, as poll(2) does: then every
     * descriptor is armed for each wait. */
    int (*watch)(struct co__poller *poller, int fd, uint32_t gen);
    /* 0, or -EPERM, -EBADF, -ENOMEM, -ENOSPC. */
    int (*arm)(struct co__poller *poller, int fd, uint32_t gen, uint32_t mask);
    /* Forget a descriptor, registered either way; harmless if it is not. */
    void (*unwatch)(struct co__poller *poller, int fd);

    /* Fire once, when a process has ended; also if it had ended before and
     * nobody has waited for it yet. It is left to be waited for; the watch is
     * over before it fires. 0, or -EINVAL (not a process number), -ESRCH,
     * -ENOSYS (the kernel cannot: Linux before 5.3), -EMFILE, -ENFILE, -ENOMEM,
     * -ENOSPC. */
    int (*watch_process)(struct co__poller *poller,
                         struct co__poll_watch *watch, pid_t pid);
    /* Fire each time that a signal was sent to the process; if it was sent
     * several times before a wait, at least once; and if it was pending before
     * the watch, too. The caller has blocked the signal in all threads, and
     * leaves it blocked while it is watched: who does not block it gets it the
     * usual way instead. What was reported is not pending any more. If several
     * loops watch it, one at least is told. 0, or -EINVAL (no such signal, or
     * SIGKILL, SIGSTOP), -EMFILE, -ENFILE, -ENOMEM, -ENOSPC. */
    int (*watch_signal)(struct co__poller *poller, struct co__poll_watch *watch,
                        int signo);
    /* End a watch of a process or signal; harmless if it is over. */
    void (*end_watch)(struct co__poller *poller, struct co__poll_watch *watch);

    /* Wait until an event, a wake, or the deadline, a point in time (0: do not
     * wait; CO_NEVER: no limit), call co__fd_ready for each event of a
     * descriptor, and fire watches. Returns how many events were reported; a
     * signal ends the wait early. */
    int (*wait)(struct co__poller *poller, co_time now, co_time deadline);

    /* Sleep for `limit` nanoseconds, whatever becomes ready, having handed over
     * what was asked for; but not at all if the last wait may have left
     * something to report. A wake ends it, the last wait's too, and may be used
     * up; and so does a signal. */
    void (*pause)(struct co__poller *poller, co_time limit);

    /* End a wait, the current or the next one. Any thread, async-signal-safe,
     * allocates nothing; many wakes may become one. */
    void (*wake)(struct co__poller *poller);

    /* A descriptor that is readable when wait(0) would report something, or
     * -ENOTSUP (poll(2) has none). */
    int (*fd)(const struct co__poller *poller);
    /* After fork in the child: free the memory and our descriptors, without
     * touching what the parent registered. All watches are over. */
    void (*abandon)(struct co__poller *poller);

    /*
     * What follows is NULL where it is of no use.
     *
     * From here on the calling thread uses the poller, and at the end of a run
     * no more: nothing that was asked for waits for the next run to begin, and
     * `idle` says that the loop has no tasks. 0, or -EPERM (commands of another
     * thread's are under way), -ENOMEM, -EMFILE, -ENFILE.
     */
    int (*begin)(struct co__poller *poller);
    void (*end)(struct co__poller *poller, int idle);

    /* Carry a command out, see core/command.h: its end is reported by its
     * `done`, from within wait or forget, which may cancel commands, and calls
     * nothing else of the poller's. 0, or -EOPNOTSUPP (never for the
     * socket calls, if submit is there at all, but with LENT), -ENOBUFS (LENT
     * alone), -ENOMEM. */
    int (*submit)(struct co__poller *poller, struct co__command *command);
    /* Let go of a command as soon as can be; its end is reported all the same,
     * with its result or -ECANCELED. */
    void (*cancel)(struct co__poller *poller, struct co__command *command);
    /* Cancel, and do not return before the end has been reported. Of a socket's
     * commands, and of POLL, alone. */
    void (*forget)(struct co__poller *poller, struct co__command *command);

    /* The generation of a number has ended on another thread, which is about to
     * close it. What was asked for with that generation (watch, arm, a BOUND
     * command), and has not reached the kernel, ends with -EBADF: it must not
     * meet what the number means next. Any thread. */
    void (*lapse)(struct co__poller *poller);

    /* What is registered keeps the file open behind a descriptor that is
     * closed: unwatch must not be left to the kernel. */
    int holds_files;
};

/* The backend's report, called from within wait(). Implemented by the loop:
 * hands it to the slot of the descriptor. */
void co__fd_ready(struct co_loop *loop, int fd, uint32_t gen, uint32_t mask);

/*
 * Events of these descriptors are about to be reported (less than 0: of none):
 * fetch what that, and going on after it, will touch. It changes nothing. At
 * most CO__EXPECT_MAX at a time: more would be gone from the caches again when
 * their tasks run, with what the kernel has touched to find them. Implemented
 * in io/.
 */
#define CO__EXPECT_MIN 4u /* fewer are not worth it */
#define CO__EXPECT_MAX 32u
void co__fds_expect(const struct co_loop *loop, const int *fds, unsigned count);

/* A buffer for what will be received, of the size of all such, which who has it
 * may co__free; or NULL. Implemented in io/. */
#define CO__LENT_BYTES ((size_t)16 * 1024)
void *co__lend(void);

/* Whether a number's generation has ended. Implemented in io/, for who is told
 * of it by `lapse`. */
int co__fd_lapsed(int fd, uint32_t gen);

/* The backends of this build, in the order in which they are tried; ends with
 * NULL. */
extern const struct co__poller_ops *const co__pollers[];

#endif
