/* SPDX-License-Identifier: MIT */
/* Descriptors that end: who waits for them gets EBADF, and the reactor forgets
 * them, before the number can mean something else. Not only in tasks: a
 * thread's close may meet the wait of a task of its loop. */
#include "hook/hook.h"
#include "hook/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>

void co__hook_closing(int fd)
{
    if (fd >= 0 && fd < INT_MAX)
        co__guest_closing(fd, fd + 1);
}

CO__HOOK_ALIAS(__close, close);
int co__hook_close(int fd)
{
    if (CO__HOOK_IS_ON(CO_HOOK_IO, close))
        co__hook_closing(fd);
    return CO__REAL(close)(fd);
}

/* One that fails leaves what there was. */
static void replacing(int from, int to, int flags)
{
    if (from != to && !(flags & ~O_CLOEXEC) && fcntl(from, F_GETFD) >= 0)
        co__hook_closing(to);
}

CO__HOOK_ALIAS(__dup2, dup2);
int co__hook_dup2(int from, int to)
{
    if (CO__HOOK_IS_ON(CO_HOOK_IO, dup2))
        replacing(from, to, 0);
    return CO__REAL(dup2)(from, to);
}

int co__hook_dup3(int from, int to, int flags)
{
    if (CO__HOOK_IS_ON(CO_HOOK_IO, dup3))
        replacing(from, to, flags);
    return CO__REAL(dup3)(from, to, flags);
}

/* Numbers beyond were never a descriptor of ours: the limit may be far. */
#define RANGE_MAX 1048576

static void closing_range(unsigned first, unsigned last)
{
    struct rlimit limit;
    rlim_t end = RANGE_MAX;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < end)
        end = limit.rlim_cur;
    if (last < end)
        end = (rlim_t)last + 1;
    if (first < end)
        co__guest_closing((int)first, (int)end);
}

int co__hook_close_range(unsigned first, unsigned last, int flags)
{
    if (CO__HOOK_IS_ON(CO_HOOK_IO, close_range) && first <= last &&
        !(flags & CLOSE_RANGE_CLOEXEC))
        closing_range(first, last);
    return CO__REAL(close_range)(first, last, flags);
}

void co__hook_closefrom(int first)
{
    if (CO__HOOK_IS_ON(CO_HOOK_IO, closefrom))
        closing_range(first > 0 ? (unsigned)first : 0, UINT32_MAX);
    CO__REAL(closefrom)(first);
}

int co__hook_fclose(FILE *file)
{
    struct co__site *site = CO__HOOKED(CO_HOOK_STDIO, fclose);
    int error = errno, r = 0, closed;

    if (file) {
        r = co__stream_ending(site, file);
        if (co_hook_enabled() & (CO_HOOK_IO | CO_HOOK_STDIO))
            co__hook_closing(fileno(file)); /* of a stream in memory: -1 */
        errno = error;
    }
    closed = CO__REAL(fclose)(file);
    return r < 0 ? co__hook_fail(r) : closed;
}
