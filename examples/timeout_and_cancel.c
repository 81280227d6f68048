/* SPDX-License-Identifier: MIT */
/*
 * timeout_and_cancel.c - two ways to stop waiting: a limit on a block of code,
 * and asking another task to end; and a shield, for what must be said before.
 */
#include <coppice.h>

#include <stdio.h>

/* A limit holds for every call inside the block, however deep. */
static void limited(co_time limit)
{
    co_scope scope = {0};
    int r = 0;

    co_timeout_in(&scope, limit) {
        for (int i = 0; i < 3 && r == 0; i++)
            r = co_sleep(100 * CO_MS);
    }
    printf("limit of %d ms: %s%s\n", (int)(limit / CO_MS), co_error_name(r),
           co_scope_expired(&scope) ? ", it ran out" : "");
}

static int worker(void *arg)
{
    (void)arg;
    int r = co_sleep_until(CO_NEVER);
    printf("worker: %s\n", co_error_name(r));

    co_shield { /* in here calls work again, even though it is cancelled */
        r = co_sleep(10 * CO_MS);
        printf("worker: cleaned up, %s\n", co_error_name(r));
    }
    return co_yield_now(); /* a cancel is a level: out here it still holds */
}

static int run(void *arg)
{
    (void)arg;
    limited(150 * CO_MS);
    limited(60 * CO_SEC);

    co_task *task = co_spawn(worker, NULL);
    int result, r = task ? co_sleep(10 * CO_MS) : -errno;
    if (r < 0 || (r = co_cancel(task)) < 0 || (r = co_join(task, &result)) < 0)
        return r;
    printf("worker ended with %s\n", co_error_name(result));
    return 0;
}

int main(void)
{
    return co_run(run, NULL) < 0;
}
