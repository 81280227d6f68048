/* SPDX-License-Identifier: MIT */
/*
 * io/guest.h - what libcoppice-hook asks of the library, beside what any
 * program may; and core/current.h, core/keep.h, sync/lot.h. These are exported
 * under a node of their own, COPPICE_PRIVATE, and change with any version: the
 * two libraries are made for each other.
 */
#ifndef CO_IO_GUEST_H
#define CO_IO_GUEST_H

#include <coppice/base.h>

#include "core/current.h"

struct co_task;

/*
 * The running task, if it may wait in place of its thread. NULL outside tasks,
 * in loop callbacks, in a turn of the loop and other work of the library's own,
 * and where the task has paused it.
 */
CO_API struct co_task *co__guest(void);

/* Add to how often the running task has paused it (by 1 or -1). Returns 0, or
 * -EPERM outside tasks. */
CO_API int co__guest_pause(int by);

/* What every call that may suspend begins with: 0, -ECANCELED, -ETIMEDOUT. */
CO_API int co__guest_enter(void);

/*
 * co_wait_fd for who has just found nothing to do, and looks again afterwards:
 * the kernel is not asked what the caller asks it anyway, before and after the
 * wait. Inside tasks alone, after co__guest_enter. Returns the directions of
 * which an event has told, and CO__GUEST_ALL if there was nothing else to tell
 * of: no hang-up, no error; or -EAGAIN (it cannot be waited for), -EBADF,
 * -ENOMEM, -ENOSPC, -ECANCELED, -ETIMEDOUT.
 */
CO_API int co__guest_wait_fd(int fd, int directions);
#define CO__GUEST_ALL 0x100

/* Whether a descriptor is in Coppice's care: then it is non-blocking, and its
 * calls are the library's own. */
CO_API int co__guest_owns(int fd);

/* The descriptors from `first` up to, and without, `end` are about to be
 * closed, or replaced: who waits for them gets -EBADF, and the reactor forgets
 * them.
 * Nothing happens in a child of vfork(2), which has our memory and not our
 * descriptors; to know it, it is called once (0, 0) before there is any. */
CO_API void co__guest_closing(int first, int end);

#endif
