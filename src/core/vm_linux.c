/* SPDX-License-Identifier: MIT */
/*
 * See vm.h: Linux. Guards are made by MADV_GUARD_INSTALL (Linux 6.13), which
 * splits no mapping, else by mprotect, which needs a mapping each and so ends
 * near 32,000 stacks under the default vm.max_map_count. Emulators answer 0 to
 * the first and do nothing, hence the probe.
 */
#include "core/vm.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

static int guard_install; /* set once by the probe */

/* Whether MADV_GUARD_INSTALL does what it says: a guarded page cannot be read
 * by write(2) either. */
int co__vm_probe(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *p = mmap(NULL, page, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int fds[2];

    if (p == MAP_FAILED)
        return 0;
    if (pipe(fds) == 0) {
        guard_install = madvise(p, page, MADV_GUARD_INSTALL) == 0 &&
                        write(fds[1], p, 1) < 0 && errno == EFAULT;
        close(fds[0]);
        close(fds[1]);
    }
    munmap(p, page);
    return guard_install;
}

void co__vm_stacks(void *base, size_t bytes)
{
    madvise(base, bytes, MADV_NOHUGEPAGE);
}

int co__vm_guard(void *base, size_t bytes, int plainly)
{
    /* Locked memory refuses the first kind. */
    if (guard_install && !plainly &&
        madvise(base, bytes, MADV_GUARD_INSTALL) == 0)
        return 0;
    return mprotect(base, bytes, PROT_NONE);
}

void co__vm_discard(void *base, size_t bytes)
{
    madvise(base, bytes, MADV_DONTNEED);
}
