/* SPDX-License-Identifier: MIT */
/*
 * mongo_many.c - MongoDB by libmongoc: SERVER is a URI, say
 * "mongodb://127.0.0.1:27017/".
 */
#include "library.h"

#include <mongoc/mongoc.h>
#include <stdio.h>
#include <stdlib.h>

struct client {
    mongoc_client_t *mongo;
    mongoc_collection_t *all;
    bson_oid_t mine; /* of the document that it asks for */
};

static void close_client(void *arg)
{
    struct client *client = arg;
    mongoc_collection_destroy(client->all);
    mongoc_client_destroy(client->mongo);
    free(client);
}

/* It connects at the first command: something to ask for is stored. */
static void *open_client(const char *server)
{
    struct client *client = calloc(1, sizeof(*client));
    if (!client)
        return NULL;
    mongoc_init(); /* the first call of it counts */
    bson_t document = BSON_INITIALIZER;
    bson_error_t error = {.message = "not a URI"};
    bool is_stored = false;
    bson_oid_init(&client->mine, NULL);
    BSON_APPEND_OID(&document, "_id", &client->mine);
    client->mongo = mongoc_client_new(server);
    if (client->mongo) {
        client->all =
            mongoc_client_get_collection(client->mongo, "test", "many");
        is_stored = mongoc_collection_insert_one(client->all, &document, NULL,
                                                 NULL, &error);
    }
    bson_destroy(&document);
    if (is_stored)
        return client;
    fprintf(stderr, "libmongoc: %s\n", error.message);
    close_client(client);
    return NULL;
}

static int ask(void *arg, int number)
{
    struct client *client = arg;
    bson_t filter = BSON_INITIALIZER;
    const bson_t *found;
    bson_error_t error = {.message = "another document"};
    bson_iter_t id;
    (void)number;
    BSON_APPEND_OID(&filter, "_id", &client->mine);
    mongoc_cursor_t *cursor =
        mongoc_collection_find_with_opts(client->all, &filter, NULL, NULL);
    int right = mongoc_cursor_next(cursor, &found) &&
                bson_iter_init_find(&id, found, "_id") &&
                bson_oid_equal(bson_iter_oid(&id), &client->mine);
    if (!right) {
        mongoc_cursor_error(cursor, &error);
        fprintf(stderr, "libmongoc: %s\n", error.message);
    }
    mongoc_cursor_destroy(cursor);
    bson_destroy(&filter);
    return right;
}

const struct library libmongoc = {"libmongoc", open_client, ask, close_client};
