/* SPDX-License-Identifier: MIT */
/*
 * The life of a process: it is watched from the moment it was spawned, reaped
 * when it has ended, by its number and no other, and told to all who wait. Not
 * by SIGCHLD, which is the program's.
 *
 * A record is kept for whoever has the handle, for the running process (it is
 * then in the loop's list, and its watch may fire), and for calls under way. So
 * a process whose handle was freed is killed, and reaped when it has ended;
 * when the loop is freed before, there: a killed process ends soon.
 *
 * Invariant: a process that runs was not reaped by us, so that its number is
 * its own.
 */
#include "io/process.h"

#include "base/alloc.h"
#include "base/forks.h"
#include "core/hooks.h"
#include "core/park.h"
#include "core/sched.h"
#include "io/io.h"
#include "io/stream.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

int co__process_check(const struct co_process *process)
{
    if (!process)
        return -EINVAL;
    return process->loop && process->loop == co__loop ? 0 : -EPERM;
}

void co__process_drop(struct co_process *process)
{
    if (--process->users)
        return;
    co__free(process->got[0].data);
    co__free(process->got[1].data);
    co__free(process);
}

/* ---- its end ------------------------------------------------------------- */

/* As waitpid: 0 if it still runs. */
static int reap(struct co_process *process, int options)
{
    int status = 0;
    pid_t pid;

    do
        pid = waitpid(process->pid, &status, options);
    while (pid < 0 && errno == EINTR);
    if (pid == 0)
        return 0;
    process->runs = 0;
    process->result = pid < 0 ? -errno : 0;
    process->code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return 1;
}

static int tell(const struct co_process *process, int *code)
{
    if (process->result == 0 && code)
        *code = process->code;
    return process->result;
}

/* It does not run any more: out of the loop's list, and all who wait know. */
static void finish(struct co_process *process)
{
    struct co__waiter *waiter;

    while ((waiter = co__waitlist_grant(&process->waiters, process->result)))
        tell(process, waiter->with);
    *process->link = process->next;
    if (process->next)
        process->next->link = process->link;
    co__process_drop(process);
}

/* What has ended can be reaped at once, or a moment later. */
static void fire(struct co__poll_watch *watch)
{
    struct co_process *process =
        CO_CONTAINER_OF(watch, struct co_process, watch);

    reap(process, 0);
    finish(process);
}

/* Look whether it has ended; the watch has not said so. */
static void look(struct co_process *process)
{
    if (!process->runs || !reap(process, WNOHANG))
        return;
    process->loop->poller_ops->end_watch(process->loop->poller,
                                         &process->watch);
    finish(process);
}

/* ---- its beginning ------------------------------------------------------- */

/* It runs, and the loop is to know when it has ended. */
static int join_loop(struct co_process *process)
{
    struct co_loop *loop = process->loop;
    int r = loop->poller_ops->watch_process(loop->poller, &process->watch,
                                            process->pid);

    process->runs = 1;
    if (r == -ESRCH) { /* SIGCHLD is ignored, and it has ended */
        reap(process, 0);
        return 0;
    }
    if (r < 0) {
        kill(process->pid, SIGKILL);
        reap(process, 0);
        return r;
    }
    process->users++;
    process->next = loop->processes;
    process->link = &loop->processes;
    if (process->next)
        process->next->link = &process->next;
    loop->processes = process;
    return 0;
}

int co_process_spawn(const char *const *argv, const co_process_options *options,
                     co_process **out)
{
    static const co_process_options defaults = {.size = sizeof(defaults)};
    struct co_process *process;
    int r;

    if (!options)
        options = &defaults;
    if (!argv || !argv[0] || !out || options->size != sizeof(*options))
        return -EINVAL;
    if (!co__loop)
        return -EPERM;
    process = co__alloc_zero(sizeof(*process));
    if (!process)
        return -ENOMEM;
    process->users = 1;
    process->loop = co__loop;
    process->forks = co__forks;
    process->watch.fire = fire;
    for (int i = 0; i < 3; i++)
        process->fds[i] = -1;
    r = co__process_begin(process, argv, options);
    if (r < 0)
        goto drop_process;
    r = join_loop(process);
    if (r < 0)
        goto shut_all;
    *out = process;
    return 0;

shut_all:
    for (int i = 0; i < 3; i++)
        co__process_shut(process, i);
drop_process:
    co__process_drop(process);
    return r;
}

int co_process_shell(const char *line, const co_process_options *options,
                     co_process **process)
{
    const char *argv[] = {"/bin/sh", "-c", line, NULL};

    return line ? co_process_spawn(argv, options, process) : -EINVAL;
}

/* ---- waiting ------------------------------------------------------------- */

int co_process_wait(co_process *process, int *code)
{
    struct co__here here;
    int r = co__process_check(process);

    if (r < 0)
        return r;
    here.loop = co__loop;
    here.task = here.loop->self;
    r = co__enter(here.loop, here.task);
    if (r < 0)
        return r;
    if (!process->runs)
        return tell(process, code);
    here.task->places[0].with = code;
    here.loop->external++;
    r = co__park_in(here.loop, here.task, &process->waiters, CO__WAIT_EXIT);
    here.loop->external--;
    return r;
}

int co_process_try_wait(co_process *process, int *code)
{
    int r = co__process_check(process);

    if (r < 0)
        return r;
    look(process);
    return process->runs ? -EAGAIN : tell(process, code);
}

/* ---- signals ------------------------------------------------------------- */

/* Whether the number is still its own: nobody else has reaped it, and it has
 * not ended. */
static int is_alive(const struct co_process *process)
{
    siginfo_t info = {.si_pid = 0};

    if (!process->runs || process->forks != co__forks)
        return 0;
    return waitid(P_PID, (id_t)process->pid, &info,
                  WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == 0;
}

int co_process_signal(co_process *process, int signo)
{
    if (!process)
        return -EINVAL;
    if (!is_alive(process))
        return -ESRCH;
    return kill(process->pid, signo) < 0 ? -errno : 0;
}

int co_process_terminate(co_process *process)
{
    return co_process_signal(process, SIGTERM);
}

int co_process_kill(co_process *process)
{
    return co_process_signal(process, SIGKILL);
}

pid_t co_process_pid(const co_process *process)
{
    return process ? process->pid : -EINVAL;
}

/* ---- its pipes ----------------------------------------------------------- */

/* A stream that its user has closed has taken the descriptor along. */
static void forget_closed(struct co_process *process, int which)
{
    co_stream *stream = process->streams[which];

    if (!stream || !stream->closed)
        return;
    process->streams[which] = NULL;
    process->fds[which] = -1;
    if (!stream->gone)
        co_stream_abort(stream);
    co__stream_release(stream);
}

static int find_end(struct co_process *process, int which)
{
    if (!process || which < 0 || which > 2)
        return -EINVAL;
    forget_closed(process, which);
    return process->fds[which] < 0 ? -EBADF : process->fds[which];
}

int co_process_fd(const co_process *process, int which)
{
    return find_end((struct co_process *)process, which);
}

co_stream *co_process_stream(co_process *process, int which)
{
    int fd = find_end(process, which);

    if (fd < 0) {
        errno = -fd;
        return NULL;
    }
    if (!process->streams[which]) {
        co_stream *stream = co_stream_new(fd, NULL);

        if (stream)
            co__stream_hold(stream);
        process->streams[which] = stream;
    }
    return process->streams[which];
}

void co__process_shut(struct co_process *process, int which)
{
    co_stream *stream;

    forget_closed(process, which);
    stream = process->streams[which];
    if (stream) {
        co_stream_abort(stream); /* nothing is buffered */
        forget_closed(process, which);
    } else if (process->fds[which] >= 0) {
        co_close(process->fds[which]);
        process->fds[which] = -1;
    }
}

int co_process_close(co_process *process, int which)
{
    int fd = find_end(process, which);

    if (fd < 0)
        return fd;
    co__process_shut(process, which);
    return 0;
}

/* ---- letting go ---------------------------------------------------------- */

void co_process_free(co_process *process)
{
    if (!process)
        return;
    process->gone = 1;
    for (int i = 0; i < 3; i++)
        co__process_shut(process, i);
    while (co__waitlist_grant(&process->waiters, -EBADF))
        continue;
    if (process->runs && process->forks == co__forks) {
        if (is_alive(process) && kill(process->pid, SIGKILL) < 0)
            process->survives = 1;
        if (!process->loop) { /* that is freed: nobody else will */
            reap(process, process->survives ? WNOHANG : 0);
            co__process_drop(process);
        }
    }
    co__process_drop(process);
}

void co__processes_close(struct co_loop *loop)
{
    struct co_process *process;

    while ((process = loop->processes)) {
        loop->processes = process->next;
        if (process->next)
            process->next->link = &loop->processes;
        loop->poller_ops->end_watch(loop->poller, &process->watch);
        process->loop = NULL;
        if (!process->gone)
            continue;
        reap(process, process->survives ? WNOHANG : 0);
        co__process_drop(process);
    }
}
