/* SPDX-License-Identifier: MIT */
/* See sys.h: the BSDs, as FreeBSD has it. */
#include "offload/sys.h"

#include <errno.h>
#include <pthread.h>
#include <pthread_np.h>
#include <sys/socket.h>
#include <unistd.h>

unsigned co__sys_processors(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);

    return count > 0 ? (unsigned)count : 1;
}

void co__sys_thread_name(const char *name)
{
    pthread_set_name_np(pthread_self(), name);
}

int co__sys_socketpair(int fds[2])
{
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 ? -errno
                                                                       : 0;
}

void co__sys_close_from(int first)
{
    closefrom(first);
}

void co__sys_purge(FILE *stream)
{
    fpurge(stream);
}
