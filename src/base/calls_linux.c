/* SPDX-License-Identifier: MIT */
/* See calls.h. The older calls are not on every processor. */
#include "base/calls.h"

#include <stddef.h>
#include <sys/syscall.h>

#define ON_FD(name)        SYS_##name, #name, CO__CALL_FD, 1
#define FOR_FDS(name)      SYS_##name, #name, CO__CALL_FD, 0
#define OTHER(name, waits) SYS_##name, #name, CO__CALL_##waits, 0

static const struct co__call calls[] = {
    {ON_FD(read)},
    {ON_FD(readv)},
    {ON_FD(pread64)},
    {ON_FD(preadv)},
    {ON_FD(preadv2)},
    {ON_FD(recvfrom)},
    {ON_FD(recvmsg)},
    {ON_FD(recvmmsg)},
    {ON_FD(write)},
    {ON_FD(writev)},
    {ON_FD(pwrite64)},
    {ON_FD(pwritev)},
    {ON_FD(pwritev2)},
    {ON_FD(sendto)},
    {ON_FD(sendmsg)},
    {ON_FD(sendmmsg)},
    {ON_FD(connect)},
    {ON_FD(accept)},
    {ON_FD(accept4)},
    {ON_FD(close)},
    {ON_FD(shutdown)},
    {ON_FD(ioctl)},
    {ON_FD(fcntl)},
    {ON_FD(flock)},
    {ON_FD(fsync)},
    {ON_FD(fdatasync)},
    {ON_FD(sync_file_range)},
    {ON_FD(fallocate)},
    {ON_FD(ftruncate)},
    {ON_FD(fstat)},
    {ON_FD(getdents64)},
    {ON_FD(splice)},
    {ON_FD(tee)},
    {ON_FD(vmsplice)},
    {ON_FD(sendfile)},
    {ON_FD(copy_file_range)},
    {ON_FD(epoll_pwait)},
    {ON_FD(io_uring_enter)},
    {FOR_FDS(ppoll)},
    {FOR_FDS(pselect6)},
    {FOR_FDS(io_getevents)},
    {FOR_FDS(openat)},
    {FOR_FDS(newfstatat)},
    {FOR_FDS(statx)},
    {FOR_FDS(unlinkat)},
    {FOR_FDS(renameat2)},
    {FOR_FDS(sync)},
#ifdef SYS_poll
    {ON_FD(epoll_wait)},
    {FOR_FDS(poll)},
    {FOR_FDS(select)},
    {FOR_FDS(open)},
    {FOR_FDS(stat)},
    {FOR_FDS(lstat)},
    {FOR_FDS(unlink)},
    {FOR_FDS(rename)},
#endif
#ifdef SYS_epoll_pwait2
    {ON_FD(epoll_pwait2)},
#endif
    {OTHER(futex, LOCK)},
    {OTHER(semop, LOCK)},
    {OTHER(semtimedop, LOCK)},
    {OTHER(nanosleep, TIME)},
    {OTHER(clock_nanosleep, TIME)},
#ifdef SYS_pause
    {OTHER(pause, TIME)},
#endif
    {OTHER(rt_sigsuspend, TIME)},
    {OTHER(rt_sigtimedwait, TIME)},
    {OTHER(wait4, PROCESS)},
    {OTHER(waitid, PROCESS)},
    {OTHER(clone, PROCESS)},
    {OTHER(execve, PROCESS)},
#ifdef SYS_vfork
    {OTHER(vfork, PROCESS)},
#endif
};

const struct co__call *co__call_of(long number)
{
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        if (calls[i].number == number)
            return &calls[i];
    return NULL;
}
