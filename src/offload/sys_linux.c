/* SPDX-License-Identifier: MIT */
/* See sys.h: Linux. */
#include "offload/sys.h"

#include <errno.h>
#include <sched.h>
#include <stdio_ext.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

unsigned co__sys_processors(void)
{
    cpu_set_t set;
    long count;

    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        return (unsigned)CPU_COUNT(&set);
    count = sysconf(_SC_NPROCESSORS_ONLN); /* more than cpu_set_t has */
    return count > 0 ? (unsigned)count : 1;
}

void co__sys_thread_name(const char *name)
{
    prctl(PR_SET_NAME, name);
}

int co__sys_socketpair(int fds[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 ? -errno
                                                                       : 0;
}

void co__sys_close_from(int first)
{
    if (syscall(SYS_close_range, (unsigned)first, ~0u, 0u) < 0)
        co__close_listed(first); /* before Linux 5.9 */
}

void co__sys_purge(FILE *stream)
{
    __fpurge(stream);
}
