/* SPDX-License-Identifier: MIT */
#include "core/describe.h"

void co__describe_task(struct co__text *text, const struct co_task *task)
{
    if (task->flags & CO__FLAG_CALLBACK) {
        co__text_string(text, "loop callbacks");
        return;
    }
    co__text_string(text, "task ");
    if (task->name[0]) {
        co__text_char(text, '"');
        co__text_string(text, task->name);
        co__text_string(text, "\" ");
    }
    co__text_char(text, '(');
    co__text_base_name(text, task->site ? task->site : "?");
    co__text_char(text, ')');
}

const char *co__describe_reason(unsigned reason)
{
    static const char *const names[CO__WAIT_REASON_COUNT] = {
        [CO__WAIT_NONE] = "nothing",   [CO__WAIT_SLEEP] = "sleep",
        [CO__WAIT_JOIN] = "join",      [CO__WAIT_FD_READ] = "read",
        [CO__WAIT_FD_WRITE] = "write", [CO__WAIT_FD_ANY] = "read or write",
        [CO__WAIT_CALLS] = "calls",
    };
    const char *name = reason < CO__WAIT_REASON_COUNT ? names[reason] : NULL;

    return name ? name : "?";
}
