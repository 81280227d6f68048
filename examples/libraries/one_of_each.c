/* SPDX-License-Identifier: MIT */
/*
 * one_of_each.c - several client libraries at once on one thread:
 * `one_of_each SECONDS TASKS LIBRARY=SERVER...`, with SERVER as in the example
 * *_many of the library. So many tasks a library open a connection each; when
 * all are open they ask, for so many seconds.
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
    co_time late; /* by how much a task was late that slept; since then */
};

static struct program program;

static int ask_on(void *arg)
{
    struct client *client = arg;
    void *connection = client->library->open(client->server);
    int r = co_barrier_wait(&program.opened);
    if (r == 0) { /* the first of them */
        program.until = co_now() + program.seconds;
        program.late = 0;
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

/* What blocks the thread makes this late. */
static int watch(void *arg)
{
    (void)arg;
    for (;;) {
        co_time due = co_now() + 5 * CO_MS;
        int r = co_sleep_until(due);
        if (r < 0)
            return r;
        if (program.late < co_now() - due)
            program.late = co_now() - due;
    }
}

static int run(void *arg)
{
    co_group all = {0};
    int tasks = program.count * program.tasks;
    (void)arg;
    co_task *watcher = co_spawn(watch, NULL);
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
    if (watcher) {
        co_cancel(watcher);
        co_detach(watcher);
    }
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
    long wrong = 0;
    for (int i = 0; i < program.count; i++) {
        const struct client *client = &program.clients[i];
        printf("%s %ld right, %ld wrong\n", client->library->name,
               client->right, client->wrong);
        wrong += client->wrong + (client->right == 0);
    }
    printf("%d tasks, at most %lld ms late\n", program.count * program.tasks,
           (long long)(program.late / CO_MS));
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
    /* With COPPICE_DEBUG=1 it is told what blocks the thread longer. */
    co_run_options options = {.size = sizeof(options), .slow_ns = 20 * CO_MS};
    int result, r = co_run_with(&options, run, NULL, &result);
    if (r == 0)
        r = result < 0 ? result : report();
    free(program.clients);
    return r != 0;
}
