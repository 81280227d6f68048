/* SPDX-License-Identifier: MIT */
/*
 * mongo_many.c - MongoDB by libmongoc: SERVER is a URI, say
 * "mongodb://127.0.0.1:27017/".
 */
#include "library.h"

#include <mongoc/mongoc.h>
#include <stdio.h>

/* It connects at the first command. */
static void *open_client(const char *server)
{
    mongoc_init(); /* the first call of it counts */
    mongoc_client_t *client = mongoc_client_new(server);
    bson_t ping = BSON_INITIALIZER;
    bson_error_t error = {.message = "no client"};
    bool is_there = false;
    BSON_APPEND_INT32(&ping, "ping", 1);
    if (client)
        is_there = mongoc_client_command_simple(client, "admin", &ping, NULL,
                                                NULL, &error);
    bson_destroy(&ping);
    if (is_there)
        return client;
    fprintf(stderr, "libmongoc: %s\n", error.message);
    mongoc_client_destroy(client);
    return NULL;
}

/* Documents {n: 0} ... {n: 99} are there. */
static int ask(void *client, int number)
{
    mongoc_collection_t *all =
        mongoc_client_get_collection(client, "test", "numbers");
    bson_t filter = BSON_INITIALIZER;
    const bson_t *found;
    bson_error_t error = {.message = "not found"};
    bson_iter_t field;
    BSON_APPEND_INT32(&filter, "n", number % 100);
    mongoc_cursor_t *cursor =
        mongoc_collection_find_with_opts(all, &filter, NULL, NULL);
    int right = mongoc_cursor_next(cursor, &found) &&
                bson_iter_init_find(&field, found, "n") &&
                bson_iter_as_int64(&field) == number % 100;
    if (!right) {
        mongoc_cursor_error(cursor, &error);
        fprintf(stderr, "libmongoc: %s\n", error.message);
    }
    mongoc_cursor_destroy(cursor);
    bson_destroy(&filter);
    mongoc_collection_destroy(all);
    return right;
}

static void close_client(void *client)
{
    mongoc_client_destroy(client);
}

const struct library libmongoc = {"libmongoc", open_client, ask, close_client};
