/* SPDX-License-Identifier: MIT */
/*
 * coppice/process.h - running other programs.
 *
 * A process belongs to the loop that has spawned it. How it ends is told by the
 * kernel for this one process (a pidfd on Linux, EVFILT_PROC elsewhere): what
 * the program does with SIGCHLD, and with children of its own, stays as it is.
 */
#ifndef COPPICE_PROCESS_H
#define COPPICE_PROCESS_H

#include <coppice/base.h>
#include <coppice/stream.h>

#include <sys/types.h>

CO_BEGIN_DECLS

typedef struct co_process co_process; /* opaque */

/* What one of the three standard descriptors of a process is. */
#define CO_PROCESS_INHERIT 0 /* the same as ours */
#define CO_PROCESS_PIPE    1 /* a pipe, the other end of which is ours */
#define CO_PROCESS_NULL    2 /* /dev/null */
#define CO_PROCESS_STDOUT  3 /* of err alone: the same as its standard output */
/* A descriptor of ours, which stays ours. */
#define CO_PROCESS_FD(fd) ((fd) | 0x40000000)

typedef struct co_process_options {
    size_t size;            /* sizeof(co_process_options) */
    int in, out, err;       /* CO_PROCESS_...; 0: inherited */
    int close_others;       /* close all descriptors but these three; else it
                             * inherits those without FD_CLOEXEC, and we make
                             * none of that kind */
    int new_group;          /* it leads a process group of its own */
    int new_session;        /* the same, and a session without a terminal */
    const char *cwd;        /* its working directory; NULL: ours */
    const char *const *env; /* its environment, ending with NULL; NULL: ours */
} co_process_options;

/*
 * Run a program. argv ends with NULL; argv[0] is looked for in our PATH if it
 * has no slash. co_process_shell has /bin/sh run a line; quoting what is put
 * into that is the caller's. options may be NULL. Everything is copied. The
 * signal mask is the one that this thread had before co_run.
 *
 * Free it with co_process_free. Suspends: never; but the thread waits until the
 * program is loaded, or cannot be. Thread-safe: no.
 * Returns 0, or, with nothing left behind, why it cannot be run: -ENOENT (or
 * the cwd does not exist), -EACCES, -ENOEXEC, -ENOTDIR, -E2BIG, -ELOOP, ...;
 * -EINVAL (NULL, no argv[0], options that make no sense), -EBADF (a descriptor
 * that is not open), -EPERM (no loop runs on this thread), -EAGAIN (too many
 * processes), -ENOMEM, -EMFILE, -ENFILE, -ENOSYS (Linux before 5.3; an option
 * that the system does not have).
 */
CO_API CO_MUST_CHECK int co_process_spawn(const char *const *argv,
                                          const co_process_options *options,
                                          co_process **process);
CO_API CO_MUST_CHECK int co_process_shell(const char *line,
                                          const co_process_options *options,
                                          co_process **process);

/*
 * Forget a process, and close our ends of its pipes. If it runs it is killed
 * (SIGKILL); the loop reaps it, or waits for it when the loop is freed. Calls
 * of other tasks get -EBADF. NULL is a no-op. Suspends: never. Thread-safe: no.
 */
CO_API void co_process_free(co_process *process);

/* For CO_CLEANUP(co_process_freep): it dies with its block. */
CO__UNUSED static inline void co_process_freep(co_process **process)
{
    co_process_free(*process);
}

/*
 * Wait until it has ended: *code (which may be NULL) is its exit code, or
 * -signal if that has killed it. Any number of tasks may wait, and wait again.
 * co_process_try_wait does not wait, and returns -EAGAIN while it runs.
 *
 * Suspends: if it runs. Thread-safe: no.
 * Returns 0, or -EINVAL (NULL), -ECANCELED, -ETIMEDOUT (it can still be waited
 * for), -ECHILD (it has ended, but the program has reaped it itself, or ignores
 * SIGCHLD), -EBADF (freed meanwhile), -EPERM (another loop's; in a callback).
 */
CO_API CO_MUST_CHECK int co_process_wait(co_process *process, int *code);
CO_API CO_MUST_CHECK int co_process_try_wait(co_process *process, int *code);

/*
 * Send a signal to it; SIGTERM; SIGKILL. One that has ended is never mistaken
 * for another that has its number by now.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 0, or -EINVAL (NULL, no such signal), -ESRCH (it has ended), -EPERM.
 */
CO_API int co_process_signal(co_process *process, int signo);
CO_API int co_process_terminate(co_process *process);
CO_API int co_process_kill(co_process *process);

/* Its number; -EINVAL for NULL. Suspends: never. */
CO_API pid_t co_process_pid(const co_process *process);

/*
 * Our end of the pipe that is its standard descriptor `which`, 0 to 2: as a
 * descriptor in Coppice's care, or as a stream, which is made when it is first
 * asked for. It stays the process's: not to be closed but by co_process_close.
 *
 * Suspends: never. Thread-safe: no.
 * Returns it, or -EINVAL (NULL, which), -EBADF (there is no pipe, or it is
 * closed); co_process_stream NULL with errno the same, or ENOMEM.
 */
CO_API int co_process_fd(const co_process *process, int which);
CO_API co_stream *co_process_stream(co_process *process, int which);

/* Close our end: a process that reads its standard input sees the end of it.
 * Suspends: never. Returns 0, or the errors of co_process_fd. */
CO_API int co_process_close(co_process *process, int which);

/* What a process has written, and how it has ended. Zero bytes follow. */
typedef struct co_process_output {
    char *out, *err; /* NULL: no pipe */
    size_t out_len, err_len;
    int code; /* as of co_process_wait */
} co_process_output;

/*
 * Write input to a process, close its standard input, read all that it writes,
 * and wait for its end, all at once; what is no pipe is left alone. It need not
 * read all of its input. bytes_max limits each output; 0: no limit. Free the
 * output with co_process_output_free.
 *
 * Suspends: until then. Thread-safe: no.
 * Returns 0 with *output (which may be NULL) set; or -EMSGSIZE (it has written
 * more), -ENOMEM, -EBUSY (another task is at it), or an error of
 * co_process_wait: then nothing is lost, and another call, with the same input,
 * goes on.
 */
CO_API CO_MUST_CHECK int co_process_communicate(co_process *process,
                                                const void *input,
                                                size_t input_len,
                                                size_t bytes_max,
                                                co_process_output *output);
CO_API void co_process_output_free(co_process_output *output);

CO_END_DECLS

#endif
