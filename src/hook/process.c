/* SPDX-License-Identifier: MIT */
/*
 * Waiting for processes: by a pidfd (pidfd_open(2)), which is readable when its
 * process has ended, and reaps nothing. For any of several there is no
 * descriptor: they are asked again and again, at most 10 ms apart.
 */
#include <coppice/fd.h>

#include "hook/hook.h"

#include <errno.h>
#include <sys/syscall.h>

/* Wait until a process has ended: 0, a negative errno, or 1 if there is no way
 * to be told. */
static int wait_end(struct co__site *site, pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    int r;

    if (fd < 0)
        return 1;
    r = co__hook_wait_fd(site, fd, CO_READABLE, CO_NEVER);
    co_close(fd);
    return r < 0 ? r : 0;
}

/* ---- wait4(2) and kin ---------------------------------------------------- */

static pid_t wait_task(struct co__site *site, pid_t pid, int *status,
                       int options, struct rusage *usage)
{
    co_time pause = 0;
    int r = co__guest_enter();

    while (r >= 0) {
        pid_t ended = CO__REAL(wait4)(pid, status, options | WNOHANG, usage);

        if (ended != 0)
            return ended;
        r = pid > 0 && !(options & (WUNTRACED | WCONTINUED))
                ? wait_end(site, pid)
                : 1;
        if (r > 0)
            r = co__hook_pause(site, &pause, CO_NEVER);
    }
    return co__hook_fail(r);
}

pid_t co__hook_wait(int *status)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_PROCESS, wait);

    return site ? wait_task(site, -1, status, 0, NULL) : CO__REAL(wait)(status);
}

CO__HOOK_ALIAS(__waitpid, waitpid);
pid_t co__hook_waitpid(pid_t pid, int *status, int options)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_PROCESS, waitpid);

    if (!site || options & WNOHANG)
        return CO__REAL(waitpid)(pid, status, options);
    return wait_task(site, pid, status, options, NULL);
}

pid_t co__hook_wait3(int *status, int options, struct rusage *usage)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_PROCESS, wait3);

    if (!site || options & WNOHANG)
        return CO__REAL(wait3)(status, options, usage);
    return wait_task(site, -1, status, options, usage);
}

pid_t co__hook_wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_PROCESS, wait4);

    if (!site || options & WNOHANG)
        return CO__REAL(wait4)(pid, status, options, usage);
    return wait_task(site, pid, status, options, usage);
}

int co__hook_waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_PROCESS, waitid);
    siginfo_t own, *found = info ? info : &own;
    co_time pause = 0;
    int r;

    if (!site || options & WNOHANG)
        return CO__REAL(waitid)(type, id, info, options);
    r = co__guest_enter();
    while (r >= 0) {
        found->si_pid = 0;
        r = CO__REAL(waitid)(type, id, found, options | WNOHANG);
        if (r < 0 || found->si_pid != 0)
            return r;
        r = type == P_PID && !(options & (WSTOPPED | WCONTINUED))
                ? wait_end(site, (pid_t)id)
                : 1;
        if (r > 0)
            r = co__hook_pause(site, &pause, CO_NEVER);
    }
    return co__hook_fail(r);
}

/* ---- what waits inside the C library ------------------------------------- */

struct line {
    const char *line;
    int result;
};

static void run_system(void *arg)
{
    struct line *line = arg;

    line->result = CO__REAL(system)(line->line);
}

int co__hook_system(const char *line)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_PROCESS, system);
    struct line mine = {line, -1};
    int r;

    if (!site || !line)
        return CO__REAL(system)(line);
    r = co__hook_offload(site, run_system, &mine);
    return r < 0 ? co__hook_fail(r) : mine.result;
}

struct stream {
    FILE *file;
    int result;
};

static void run_pclose(void *arg)
{
    struct stream *stream = arg;

    stream->result = CO__REAL(pclose)(stream->file);
}

/* The stream has to end whatever the task's limits. */
int co__hook_pclose(FILE *file)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_PROCESS, pclose);
    struct stream mine = {file, -1};

    if (!site || !file)
        return CO__REAL(pclose)(file);
    co__hook_closing(fileno(file));
    if (co__hook_offload(site, run_pclose, &mine) < 0)
        return CO__REAL(pclose)(file);
    return mine.result;
}
