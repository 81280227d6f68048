/* SPDX-License-Identifier: MIT */
/*
 * one_of_each.c - several client libraries at once on one thread:
 * `one_of_each SECONDS TASKS LIBRARY=SERVER...`, with SERVER as in the example
 * *_many of the library. So many tasks a library open a connection each; when
 * all are open they ask, for so many seconds. A watchdog sees whether a call
 * has blocked the thread, where only its task was to wait.
 */
#include "library.h"

#include <coppice.h>
#include <coppice/hook.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct library *const libraries[] = {LIBRARIES};

struct client {
    const struct library *library;
    const char *server;
    long right, wrong;
};

struct program {
    co_time seconds, until;
    int tasks; /* a library */
    struct client *clients;
    int count;
    co_barrier opened;
    int watched;
};

static struct program program;

/* Computing, and waiting for a processor, is not what this is about. */
static void on_blocked(const co_watchdog_report *blocked, void *arg)
{
    (void)arg;
    if (blocked->by != CO_BLOCKED_RUNNING)
        fprintf(stderr, "%s\n", blocked->text);
}

static int ask_on(void *arg)
{
    struct client *client = arg;
    void *connection = client->library->open(client->server);
    int r = co_barrier_wait(&program.opened);
    if (r == 0) { /* the first of them */
        co_watchdog_options options = {.size = sizeof(options),
                                       .limit = 20 * CO_MS,
                                       .period = 2 * CO_MS,
                                       .handler = on_blocked};
        program.until = co_now() + program.seconds;
        program.watched = co_watchdog_start(&options) == 0;
    }
    if (!connection) {
        client->wrong++;
        return 0;
    }
    for (int i = 0; r >= 0 && (i == 0 || co_now() < program.until); i++) {
        if (client->library->ask(connection, i))
            client->right++;
        else
            client->wrong++;
    }
    client->library->close(connection);
    return r < 0 ? r : 0;
}

static int run(void *arg)
{
    co_group all = {0};
    int tasks = program.count * program.tasks;
    (void)arg;
    int r = co_barrier_init(&program.opened, (unsigned)tasks);
    for (int i = 0; i < tasks && r == 0; i++) {
        struct client *client = &program.clients[i / program.tasks];
        co_spawn_options options = {.size = sizeof(options),
                                    .name = client->library->name};
        if (!co_group_spawn_with(&all, &options, ask_on, client))
            r = -errno;
    }
    if (r < 0)
        co_group_cancel(&all);
    int first = co_group_wait(&all);
    if (program.watched)
        co_watchdog_stop();
    return r < 0 ? r : first;
}

/* "libpq=host=127.0.0.1" */
static int parse(struct client *client, const char *text)
{
    for (size_t i = 0; i < sizeof(libraries) / sizeof(*libraries); i++) {
        size_t len = strlen(libraries[i]->name);
        if (strncmp(text, libraries[i]->name, len) == 0 && text[len] == '=') {
            client->library = libraries[i];
            client->server = text + len + 1;
            return 0;
        }
    }
    fprintf(stderr, "%s: no such library here\n", text);
    return -1;
}

static int report(void)
{
    co_watchdog_stats stats = {.size = sizeof(stats)};
    long wrong = 0;
    for (int i = 0; i < program.count; i++) {
        const struct client *client = &program.clients[i];
        printf("%s %ld right, %ld wrong\n", client->library->name,
               client->right, client->wrong);
        wrong += client->wrong + (client->right == 0);
    }
    printf("%d tasks", program.count * program.tasks);
    if (program.watched && co_watchdog_stats_get(&stats) == 0)
        printf("; %llu I/O calls blocked the thread for 20 ms, the longest of "
               "all for %lld us",
               (unsigned long long)stats.by[CO_BLOCKED_IO].count,
               (long long)(stats.by[CO_BLOCKED_IO].longest / CO_US));
    printf("\n");
    return wrong > 0;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: one_of_each SECONDS TASKS LIBRARY=SERVER...\n");
        return 2;
    }
    program.seconds = atoi(argv[1]) * CO_SEC;
    program.tasks = atoi(argv[2]);
    program.count = argc - 3;
    program.clients = calloc((size_t)program.count, sizeof(struct client));
    for (int i = 0; i < program.count; i++)
        if (!program.clients || parse(&program.clients[i], argv[i + 3]) < 0)
            return 2;
    if (co_hook_enable(CO_HOOK_ALL) < 0) {
        fprintf(stderr, "%s\n", co_hook_problem());
        return 1;
    }
    int r = co_run(run, NULL);
    if (r == 0)
        r = report();
    free(program.clients);
    return r != 0;
}
