/* SPDX-License-Identifier: MIT */
/* Task locals. */
#include "core/hooks.h"

void co__locals_inherit(struct co_task *child, const struct co_task *parent)
{
    (void)child;
    (void)parent;
}

void co__locals_release(struct co_task *task)
{
    (void)task;
}
