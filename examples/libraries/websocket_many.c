/* SPDX-License-Identifier: MIT */
/*
 * websocket_many.c - WebSocket by the client of websocket.h: SERVER is a URL
 * without its path, say "ws://127.0.0.1:8080", and behind a blank, for wss://,
 * the file with the certificates to trust, if it is not the system's.
 */
#include "library.h"
#include "websocket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One context for all connections: the file is read once. */
static SSL_CTX *trusting(const char *file)
{
    static SSL_CTX *tls;
    if (!tls) {
        tls = SSL_CTX_new(TLS_client_method());
        if (tls && SSL_CTX_load_verify_file(tls, file) != 1) {
            SSL_CTX_free(tls);
            tls = NULL;
        }
    }
    return tls;
}

static void *open_connection(const char *server)
{
    char url[512];
    size_t bytes = strcspn(server, " ");
    const char *file = server[bytes] ? server + bytes + 1 : NULL;
    SSL_CTX *tls = file ? trusting(file) : NULL;
    struct websocket *ws = calloc(1, sizeof(*ws));
    if (!ws || (file && !tls)) {
        fprintf(stderr, "websocket: cannot read %s\n", file);
        free(ws);
        return NULL;
    }
    snprintf(url, sizeof(url), "%.*s/late", (int)bytes, server);
    if (websocket_open(ws, url, tls) == 0)
        return ws;
    fprintf(stderr, "websocket: %s\n", ws->error);
    websocket_free(ws);
    free(ws);
    return NULL;
}

/* The server sends it back after 100 ms. */
static int ask(void *connection, int number)
{
    struct websocket *ws = connection;
    char text[32];
    size_t len = (size_t)snprintf(text, sizeof(text), "message %d", number);
    if (websocket_send(ws, WEBSOCKET_TEXT, text, len) == 0 &&
        websocket_receive(ws) == WEBSOCKET_TEXT && ws->len == len &&
        memcmp(ws->message, text, len) == 0)
        return 1;
    fprintf(stderr, "websocket: %s\n", ws->error);
    return 0;
}

static void close_connection(void *connection)
{
    websocket_close(connection, 1000, "");
    websocket_free(connection);
    free(connection);
}

const struct library websocket = {"websocket", open_connection, ask,
                                  close_connection};
