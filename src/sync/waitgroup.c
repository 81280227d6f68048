/* SPDX-License-Identifier: MIT */
/* Invariant: nobody waits while the count is 0. */
#include <coppice/waitgroup.h>

#include "sync/holder.h"
#include "sync/simple.h"

CO_INLINE int add(co_waitgroup *group, int n, const char *call)
{
    if (CO_UNLIKELY(!group))
        return -EINVAL;
    group->co__count += n;
    if (CO_UNLIKELY(group->co__count < 0))
        co__misuse(call, "more is done than was counted");
    if (!group->co__count)
        co__waitlist_wake_all(&group->co__waiters, 0);
    return 0;
}

int co_waitgroup_add(co_waitgroup *group, int n)
{
    return add(group, n, "co_waitgroup_add");
}

int co_waitgroup_done(co_waitgroup *group)
{
    return add(group, -1, "co_waitgroup_done");
}

int co_waitgroup_wait(co_waitgroup *group)
{
    struct co__here here;
    int r;

    if (CO_UNLIKELY(!group))
        return -EINVAL;
    r = co__begin(&here);
    if (CO_UNLIKELY(r < 0) || !group->co__count)
        return r;
    return co__wait_in(&here, &group->co__waiters, CO__WAIT_WAITGROUP);
}

void co_waitgroup_fini(co_waitgroup *group)
{
    if (group && !co__waitlist_empty(&group->co__waiters))
        co__misuse("co_waitgroup_fini", "a task waits for the group");
}
