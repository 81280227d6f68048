/* SPDX-License-Identifier: MIT */
/* core/vm.h - what stacks ask of the system's memory. One file a system
 * implements it. */
#ifndef CO_CORE_VM_H
#define CO_CORE_VM_H

#include <stddef.h>

/* Find out, once, what the kernel can. Returns whether its guards are free of
 * charge: without a mapping of their own each. */
int co__vm_probe(void);

/* This is to hold stacks: no huge pages, which would be wholly resident. */
void co__vm_stacks(void *base, size_t bytes);

/*
 * Make what is touched there a fault. `plainly`: so that whoever reads all of
 * the slab by the list of mappings sees the guard. 0, or -1 with errno.
 */
int co__vm_guard(void *base, size_t bytes, int plainly);

/* Give pages back to the system; they read as zero from now on. */
void co__vm_discard(void *base, size_t bytes);

#endif
