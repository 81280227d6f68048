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
        [CO__WAIT_NONE] = "nothing",
        [CO__WAIT_SLEEP] = "sleep",
        [CO__WAIT_JOIN] = "join",
        [CO__WAIT_FD_READ] = "read",
        [CO__WAIT_FD_WRITE] = "write",
        [CO__WAIT_FD_ANY] = "read or write",
        [CO__WAIT_CALLS] = "calls",
        [CO__WAIT_FUTURE] = "future",
        [CO__WAIT_GROUP] = "group",
        [CO__WAIT_GATHER] = "several futures",
        [CO__WAIT_MUTEX] = "mutex",
        [CO__WAIT_RWLOCK] = "rwlock",
        [CO__WAIT_COND] = "condition",
        [CO__WAIT_EVENT] = "event",
        [CO__WAIT_SEM] = "semaphore",
        [CO__WAIT_BARRIER] = "barrier",
        [CO__WAIT_WAITGROUP] = "waitgroup",
        [CO__WAIT_ONCE] = "once",
        [CO__WAIT_CHAN_SEND] = "channel send",
        [CO__WAIT_CHAN_RECV] = "channel receive",
        [CO__WAIT_SELECT] = "select",
        [CO__WAIT_QUEUE_PUT] = "queue put",
        [CO__WAIT_QUEUE_GET] = "queue get",
        [CO__WAIT_QUEUE_JOIN] = "queue join",
        [CO__WAIT_GENERATOR] = "generator",
        [CO__WAIT_CONSUMER] = "its consumer",
        [CO__WAIT_OFFLOAD] = "offloaded job",
        [CO__WAIT_FILE] = "file",
        [CO__WAIT_PROCESS] = "process pool",
        [CO__WAIT_SIGNAL] = "signal",
        [CO__WAIT_EXIT] = "process",
        [CO__WAIT_THREAD] = "another thread",
        [CO__WAIT_LOT] = "another library's lock",
    };
    const char *name = reason < CO__WAIT_REASON_COUNT ? names[reason] : NULL;

    return name ? name : "?";
}
