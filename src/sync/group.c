/* SPDX-License-Identifier: MIT */
/* Groups. */
#include "core/hooks.h"

void co__group_child_ended(struct co_task *task)
{
    (void)task;
}
