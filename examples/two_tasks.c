/* SPDX-License-Identifier: MIT */
/*
 * two_tasks.c - two tasks at once. Each sleeps for 300 ms in all, and so does
 * the program: they wait side by side, on one thread.
 */
#include <coppice.h>

#include <stdio.h>

static int count(void *arg)
{
    const char *who = arg;

    for (int i = 1; i <= 3; i++) {
        int r = co_sleep(100 * CO_MS);
        if (r < 0)
            return r;
        printf("%s %d\n", who, i);
    }
    return 3;
}

static int run(void *arg)
{
    (void)arg;
    co_time start = co_now();

    co_task *tick = co_spawn(count, "tick");
    co_task *tock = co_spawn(count, "tock");
    if (!tick || !tock)
        return -errno; /* co_run cancels and awaits whoever is left */

    /* A task is a function call that has not returned yet: join it to have
     * what it returns. */
    int ticks, tocks, r;
    if ((r = co_join(tick, &ticks)) < 0 || (r = co_join(tock, &tocks)) < 0)
        return r;

    co_time took = co_now() - start;
    printf("%d sounds %s\n", ticks + tocks,
           took < 550 * CO_MS ? "side by side" : "one after the other");
    return 0;
}

int main(void)
{
    return co_run(run, NULL) < 0;
}
