/* SPDX-License-Identifier: MIT */
/*
 * library.h - how the examples of this folder use a client library. Its file,
 * say pg_many.c, is as it would be in a program without tasks: it includes
 * nothing of Coppice, and its calls block.
 */
#ifndef LIBRARY_H
#define LIBRARY_H

struct library {
    const char *name;
    /* A connection, or NULL; what went wrong was said on stderr. */
    void *(*open)(const char *server);
    /* One call that the server takes its time for: whether the answer, for
     * this number, is right. */
    int (*ask)(void *connection, int number);
    void (*close)(void *connection);
};

extern const struct library libpq, hiredis, libcurl, libmariadb, libmemcached,
    getaddrinfo_names, libmongoc, websocket;

#endif
