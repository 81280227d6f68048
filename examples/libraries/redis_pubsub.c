/* SPDX-License-Identifier: MIT */
/*
 * redis_pubsub.c - subscribers of a Redis channel, and who publishes there, on
 * one thread: `redis_pubsub HOST PORT [SUBSCRIBERS]` (100). Each has a
 * connection of hiredis, and blocks in redisGetReply, as it would in a thread.
 */
#include <coppice.h>
#include <coppice/hook.h>

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGES 3

struct program {
    const char *host;
    int port, subscribers;
    int ready; /* have subscribed */
    co_event all_ready;
    int received;
};

static redisContext *redis_connect(const struct program *program)
{
    redisContext *redis = redisConnect(program->host, program->port);
    if (redis && redis->err == 0)
        return redis;
    fprintf(stderr, "%s\n", redis ? redis->errstr : "no memory");
    redisFree(redis); /* NULL is fine */
    return NULL;
}

/* What comes next on a channel: ["message", channel, text]. */
static int next_is(redisContext *redis, const char *wanted)
{
    void *reply = NULL;
    if (redisGetReply(redis, &reply) != REDIS_OK)
        return 0;
    redisReply *r = reply;
    int is_it = r->type == REDIS_REPLY_ARRAY && r->elements == 3 &&
                strcmp(r->element[2]->str, wanted) == 0;
    freeReplyObject(r);
    return is_it;
}

static int subscriber(void *arg)
{
    struct program *program = arg;
    redisContext *redis = redis_connect(program);
    if (!redis)
        return -ECONNREFUSED;
    redisReply *reply = redisCommand(redis, "SUBSCRIBE news");
    if (reply)
        freeReplyObject(reply);
    if (++program->ready == program->subscribers)
        co_event_set(&program->all_ready);
    int r = 0;
    for (int i = 0; i < MESSAGES && r == 0; i++) {
        char wanted[32];
        snprintf(wanted, sizeof(wanted), "message %d", i);
        if (next_is(redis, wanted))
            program->received++;
        else
            r = redis->err ? -EIO : -EBADMSG;
    }
    redisFree(redis);
    return r;
}

static int publisher(void *arg)
{
    struct program *program = arg;
    redisContext *redis = redis_connect(program);
    int r = redis ? co_event_wait(&program->all_ready) : -ECONNREFUSED;
    for (int i = 0; i < MESSAGES && r == 0; i++) {
        char text[32];
        snprintf(text, sizeof(text), "message %d", i);
        redisReply *reply = redisCommand(redis, "PUBLISH news %s", text);
        if (!reply || reply->integer != program->subscribers)
            r = -EIO;
        if (reply)
            freeReplyObject(reply);
    }
    redisFree(redis);
    return r;
}

static int run(void *arg)
{
    struct program *program = arg;
    co_group group = {0};
    int r = co_group_spawn(&group, publisher, program) ? 0 : -errno;
    for (int i = 0; i < program->subscribers && r == 0; i++)
        if (!co_group_spawn(&group, subscriber, program))
            r = -errno;
    if (r < 0)
        co_group_cancel(&group);
    int first = co_group_wait(&group);
    return r < 0 ? r : first;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: redis_pubsub HOST PORT [SUBSCRIBERS]\n");
        return 2;
    }
    struct program program = {.host = argv[1],
                              .port = atoi(argv[2]),
                              .subscribers = argc > 3 ? atoi(argv[3]) : 100};
    if (co_hook_enable(CO_HOOK_ALL) < 0) {
        fprintf(stderr, "%s\n", co_hook_problem());
        return 1;
    }
    int r = co_run(run, &program);
    if (r < 0)
        fprintf(stderr, "%s\n", co_error_name(r));
    printf("%d subscribers, %d messages: %d received\n", program.subscribers,
           MESSAGES, program.received);
    return r < 0;
}
