/* SPDX-License-Identifier: MIT */
/* support/pidfd.h - whether processes can be watched: not before Linux 5.3, nor
 * under a valgrind that does not know pidfd_open. */
#ifndef CO_TESTS_SUPPORT_PIDFD_H
#define CO_TESTS_SUPPORT_PIDFD_H

#include <errno.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

static inline int co_test_watches_processes(void)
{
#ifdef SYS_pidfd_open
    int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

    if (fd < 0)
        return errno != ENOSYS;
    close(fd);
#endif
    return 1;
}

#endif
