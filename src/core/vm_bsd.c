/* SPDX-License-Identifier: MIT */
/*
 * See vm.h: the BSDs and macOS. Their MADV_DONTNEED keeps what is in the pages,
 * and MADV_FREE does until somebody else needs them: only new pages in the
 * place of the old ones are sure to be zero, and to be gone at once.
 */
#include "core/vm.h"

#include <string.h>
#include <sys/mman.h>

int co__vm_probe(void)
{
    return 0;
}

void co__vm_stacks(void *base, size_t bytes)
{
    (void)base; /* large pages are made of what is resident alone */
    (void)bytes;
}

int co__vm_guard(void *base, size_t bytes, int plainly)
{
    (void)plainly;
    return mprotect(base, bytes, PROT_NONE);
}

void co__vm_discard(void *base, size_t bytes)
{
    if (mmap(base, bytes, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
        memset(base, 0, bytes);
}
