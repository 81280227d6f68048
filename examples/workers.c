/* SPDX-License-Identifier: MIT */
/*
 * workers.c - three workers take jobs from a channel and hand the blocking part
 * to threads; results come back on another channel, and a collector gives up
 * when none has come for a second. A group waits for all of them, and the first
 * that fails would cancel the others.
 */
#include <coppice.h>

#include <stdio.h>

#define JOBS 20

struct job {
    int number;
    int square;
};

static co_chan *jobs, *results;
static co_waitgroup at_work;

/* On a thread: it may block as it likes. */
static int compute(void *arg)
{
    struct job *job = arg;

    job->square = job->number * job->number;
    return 0;
}

static int work(void *arg)
{
    struct job job;
    int r = 0;
    (void)arg;

    while (r >= 0 && (r = co_chan_recv(jobs, &job)) == 1) {
        r = co_offload(compute, &job);
        if (r == 0)
            r = co_chan_send(results, &job);
    }
    co_waitgroup_done(&at_work);
    return r;
}

static int produce(void *arg)
{
    int r = 0;
    (void)arg;

    for (int i = 1; i <= JOBS && r == 0; i++) {
        struct job job = {.number = i};

        r = co_chan_send(jobs, &job); /* waits while the workers are busy */
    }
    co_chan_close(jobs);
    if (r == 0)
        r = co_waitgroup_wait(&at_work);
    co_chan_close(results);
    return r;
}

static int collect(void *arg)
{
    struct job job;
    int sum = 0;
    (void)arg;

    for (;;) {
        co_case cases[] = {
            CO_CASE_RECV(results, &job),
            CO_CASE_AFTER(CO_SEC),
        };
        int r = co_select(cases, 2);

        if (r < 0)
            return r;
        if (r == 1)
            return -ETIME; /* the workers are stuck */
        if (cases[0].result <= 0)
            break; /* closed: that was all */
        sum += job.square;
    }
    printf("the sum of %d squares is %d\n", JOBS, sum);
    return 0;
}

static int run(void *arg)
{
    co_group group = {0};
    int r, spawned = 1;
    (void)arg;

    jobs = co_chan_new(sizeof(struct job), 4);
    results = co_chan_new(sizeof(struct job), 0);
    co_waitgroup_add(&at_work, 3);
    for (int i = 0; i < 3; i++)
        spawned &= co_group_spawn(&group, work, NULL) != NULL;
    spawned &= co_group_spawn(&group, produce, NULL) != NULL;
    spawned &= co_group_spawn(&group, collect, NULL) != NULL;
    if (!spawned || !jobs || !results)
        co_group_cancel(&group); /* no memory */
    r = co_group_wait(&group);
    co_chan_free(jobs);
    co_chan_free(results);
    return r;
}

int main(void)
{
    return co_run(run, NULL) < 0;
}
