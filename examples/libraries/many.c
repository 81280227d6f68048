/* SPDX-License-Identifier: MIT */
/*
 * many.c - the main program of the examples *_many: `SERVER [COUNT
 * [--one-by-one]]`. COUNT connections (100) are opened; then each asks the
 * server once, all at the same time: a task each, on one thread. It prints how
 * many answers were right, and how long all calls took.
 *
 * The libraries know nothing of tasks. Their calls reach libcoppice-hook, which
 * parks the task that calls; --one-by-one makes the same calls outside tasks,
 * where they block the thread.
 */
#include "library.h"

#include <coppice.h>
#include <coppice/hook.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct job {
    const char *server;
    int number;
    co_barrier *opened; /* all tasks have opened theirs; or NULL */
    co_time *began;     /* when the first call was made; 0: not yet */
    co_time took;
    int right;
    size_t stack; /* bytes that the task has used */
};

static int ask_once(void *arg)
{
    struct job *job = arg;
    void *connection = LIBRARY.open(job->server);
    if (job->opened && co_barrier_wait(job->opened) < 0)
        return -1;
    if (!connection)
        return 0; /* the others go on */
    co_time began = co_now();
    if (*job->began == 0)
        *job->began = began;
    job->right = LIBRARY.ask(connection, job->number);
    /* Of tasks: until the last is through. */
    job->took = co_now() - (job->opened ? *job->began : began);
    LIBRARY.close(connection);
    job->stack = co_task_stack_used(co_self());
    return 0;
}

struct all {
    struct job *jobs;
    int count;
};

static int in_tasks(void *arg)
{
    struct all *all = arg;
    co_barrier opened;
    co_group group = {0};
    int r = co_barrier_init(&opened, (unsigned)all->count);
    for (int i = 0; i < all->count && r == 0; i++) {
        all->jobs[i].opened = &opened;
        if (!co_group_spawn(&group, ask_once, &all->jobs[i]))
            r = -errno;
    }
    if (r < 0)
        co_group_cancel(&group);
    int first = co_group_wait(&group);
    return r < 0 ? r : first;
}

static int one_by_one(const struct all *all)
{
    int r = 0;
    for (int i = 0; i < all->count && r == 0; i++)
        r = ask_once(&all->jobs[i]);
    return r;
}

static int report(const struct all *all, int is_one_by_one)
{
    int right = 0;
    co_time took = 0;
    size_t stack = 0;
    for (int i = 0; i < all->count; i++) {
        const struct job *job = &all->jobs[i];
        right += job->right;
        if (is_one_by_one)
            took += job->took;
        else if (took < job->took)
            took = job->took;
        if (stack < job->stack)
            stack = job->stack;
    }
    printf("%s %d/%d %lld ms", LIBRARY.name, right, all->count,
           (long long)((took + CO_MS / 2) / CO_MS));
    if (is_one_by_one)
        printf(", one after another\n");
    else
        printf(", %zu bytes of stack\n", stack);
    return right < all->count;
}

int main(int argc, char **argv)
{
    int count = argc > 2 ? atoi(argv[2]) : 100;
    int is_one_by_one = argc > 3 && strcmp(argv[3], "--one-by-one") == 0;
    struct all all = {NULL, count > 0 ? count : 1};
    co_time began = 0;
    all.jobs = calloc((size_t)all.count, sizeof(*all.jobs));
    if (argc < 2 || !all.jobs) {
        fprintf(stderr, "usage: %s SERVER [COUNT [--one-by-one]]\n", argv[0]);
        return 2;
    }
    for (int i = 0; i < all.count; i++)
        all.jobs[i] =
            (struct job){.server = argv[1], .number = i, .began = &began};
    if (co_hook_enable(CO_HOOK_ALL) < 0) {
        fprintf(stderr, "%s\n", co_hook_problem());
        return 1;
    }
    int r = is_one_by_one ? one_by_one(&all) : co_run(in_tasks, &all);
    if (r == 0)
        r = report(&all, is_one_by_one);
    free(all.jobs);
    return r != 0;
}
