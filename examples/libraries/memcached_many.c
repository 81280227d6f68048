/* SPDX-License-Identifier: MIT */
/*
 * memcached_many.c - memcached by libmemcached: SERVER is a configuration, say
 * "--SERVER=127.0.0.1:11211".
 */
#include "library.h"

#include <libmemcached/memcached.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 24

/* Each asks for what itself has stored: its name, under that name. */
static size_t name_of(const void *connection, char *name)
{
    return (size_t)snprintf(name, NAME_BYTES, "%p", connection);
}

/* It connects at the first call. */
static void *open_connection(const char *server)
{
    char name[NAME_BYTES];
    memcached_st *cache = memcached(server, strlen(server));
    memcached_return_t r = MEMCACHED_FAILURE;
    size_t len = name_of(cache, name);
    if (cache)
        r = memcached_set(cache, name, len, name, len, 0, 0);
    if (r == MEMCACHED_SUCCESS)
        return cache;
    fprintf(stderr, "libmemcached: %s\n", memcached_strerror(cache, r));
    memcached_free(cache);
    return NULL;
}

static int ask(void *connection, int number)
{
    char name[NAME_BYTES];
    size_t bytes, len = name_of(connection, name);
    uint32_t flags;
    memcached_return_t r;
    char *value = memcached_get(connection, name, len, &bytes, &flags, &r);
    int right = value && bytes == len && memcmp(value, name, len) == 0;
    (void)number;
    if (!right)
        fprintf(stderr, "libmemcached: %s\n",
                memcached_strerror(connection, r));
    free(value);
    return right;
}

static void close_connection(void *connection)
{
    memcached_free(connection);
}

const struct library libmemcached = {"libmemcached", open_connection, ask,
                                     close_connection};
