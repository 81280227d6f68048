/* SPDX-License-Identifier: MIT */
/*
 * redis_many.c - Redis by hiredis: SERVER is "host:port".
 */
#include "library.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *open_connection(const char *server)
{
    char host[256];
    const char *colon = strrchr(server, ':');
    if (!colon)
        return NULL;
    snprintf(host, sizeof(host), "%.*s", (int)(colon - server), server);
    redisContext *redis = redisConnect(host, atoi(colon + 1));
    if (redis && redis->err == 0)
        return redis;
    fprintf(stderr, "hiredis: %s\n", redis ? redis->errstr : "no memory");
    if (redis)
        redisFree(redis);
    return NULL;
}

/* Nothing comes to that list: the server answers after 0.1 s. Then the answer
 * to ECHO is this connection's, and not another's. */
static int ask(void *connection, int number)
{
    redisReply *none = redisCommand(connection, "BLPOP nothing:%d 0.1", number);
    redisReply *echo = redisCommand(connection, "ECHO %d", number);
    int right = none && none->type == REDIS_REPLY_NIL && echo &&
                echo->type == REDIS_REPLY_STRING && atoi(echo->str) == number;
    if (!right)
        fprintf(stderr, "hiredis: %s\n", ((redisContext *)connection)->errstr);
    if (none)
        freeReplyObject(none);
    if (echo)
        freeReplyObject(echo);
    return right;
}

static void close_connection(void *connection)
{
    redisFree(connection);
}

const struct library hiredis = {"hiredis", open_connection, ask,
                                close_connection};
