/* SPDX-License-Identifier: MIT */
#include "sync/holder.h"

#include "base/assert.h"

void co__misuse(const char *call, const char *wrong)
{
    const struct co_task *task = co__loop ? co__loop->self : NULL;

    if (!task || !task->site)
        co__die("%s outside a task: %s", call, wrong);
    co__die("%s by task \"%s\" (%s): %s", call, task->name, task->site, wrong);
}
