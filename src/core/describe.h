/* SPDX-License-Identifier: MIT */
/* core/describe.h - how tasks are called in front of people: one wording for
 * the overflow report, the dump and whatever else speaks of them. */
#ifndef CO_CORE_DESCRIBE_H
#define CO_CORE_DESCRIBE_H

#include "base/text.h"
#include "core/task.h"

/* `task "name" (file.c:12)`, without the name if it has none, the place without
 * its folders; the loop's own task is `loop callbacks`. Async-signal-safe. */
void co__describe_task(struct co__text *text, const struct co_task *task);

/* What a wait reason is called, "sleep". Never NULL. */
const char *co__describe_reason(unsigned reason);

#endif
