/* SPDX-License-Identifier: MIT */
/* A user's program: C11 here, and C++20 through program.cc. */
#include <coppice.h>
#include <stdio.h>

static int child(void *arg)
{
    int *value = (int *)arg;

    co_timeout(CO_SEC) {
        if (co_sleep(CO_MS) < 0)
            return -1;
    }
    *value += 2;
    return 40;
}

static int parent(void *arg)
{
    int added = 0;
    int result = -1;

    (void)arg;
    co_task *task = co_spawn(child, &added);
    if (!task)
        return -1;
    int r = co_join(task, &result);
    if (r < 0)
        return r;
    return result + added;
}

int main(void)
{
    int result = co_run(parent, NULL);

    printf("coppice %s gave %d\n", co_version(), result);
    return result == 42 ? 0 : 1;
}
