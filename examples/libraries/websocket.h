/* SPDX-License-Identifier: MIT */
/*
 * websocket.h - a client of WebSocket (RFC 6455), "ws://" and "wss://", whose
 * calls block: it is over OpenSSL's BIO, and knows nothing of tasks. With the
 * hooks a task that calls it waits in the loop.
 *
 *     struct websocket ws = {0};
 *     if (websocket_open(&ws, "wss://example.org/chat", NULL) == 0 &&
 *         websocket_send(&ws, WEBSOCKET_TEXT, "hello", 5) == 0 &&
 *         websocket_receive(&ws) == WEBSOCKET_TEXT)
 *         printf("%.*s\n", (int)ws.len, (const char *)ws.message);
 *     else
 *         fprintf(stderr, "%s\n", ws.error);
 *     websocket_close(&ws, 1000, "");
 *     websocket_free(&ws);
 *
 * A connection is one task's, or one thread's, at a time. After an error it is
 * of no more use: free it. No call has a limit of time of its own.
 *
 * A write to who has gone raises SIGPIPE, as write(2) does: co_run has it
 * blocked, another program ignores it. There are no extensions (compression),
 * no sub-protocols, no proxies, and no redirections.
 */
#ifndef WEBSOCKET_H
#define WEBSOCKET_H

#include <openssl/ssl.h>
#include <stddef.h>

enum {
    WEBSOCKET_CONTINUATION = 0, /* the next part of what was begun */
    WEBSOCKET_TEXT = 1,         /* UTF-8 */
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_MORE = 0x100 /* with one of these: another part will follow */
};

struct websocket {
    size_t message_max; /* bytes, set before it is opened; 0: 1 MiB */

    /* What has come. */
    unsigned char *message; /* until the next call */
    size_t len;
    unsigned pongs; /* answers to pings */

    /* How it ended: what the server has said (1005: no code), or 1006, without
     * a word; 0: it has not. */
    int code;
    char reason[124];
    char error[160]; /* what went wrong */

    /* The rest is for websocket.c. */
    BIO *bio;
    size_t room;     /* bytes at message */
    int type;        /* of the message that has begun; 0: none has */
    int sending;     /* as above, the other way */
    int said_close;  /* nothing is sent any more */
    int heard_close; /* nothing comes any more */
    int failed;
};

/*
 * Connect, and shake hands. `ws` is all-zero, but for message_max. wss:// wants
 * a certificate of the URL's host that `tls` trusts, or, if that is NULL, the
 * system. Returns 0, or -1 with ws->error; free it either way.
 */
int websocket_open(struct websocket *ws, const char *url, SSL_CTX *tls);

/*
 * Send a message, or, with WEBSOCKET_MORE, its first part; all others are
 * WEBSOCKET_CONTINUATION. Returns 0, or -1 with ws->error.
 */
int websocket_send(struct websocket *ws, int type, const void *data,
                   size_t len);

/* Ask for a sign of life, which is counted as it comes between messages. At
 * most 125 bytes. Returns as above. */
int websocket_ping(struct websocket *ws, const void *data, size_t len);

/*
 * Wait for a message, all parts of it; the server's pings are answered
 * meanwhile. Returns its type, with ws->message and ws->len; 0: the server has
 * closed, with ws->code; or -1 with ws->error.
 */
int websocket_receive(struct websocket *ws);

/*
 * Say goodbye, with a code (1000: all is done) and a reason of at most 123
 * bytes, and wait until the server does; what it says before is dropped.
 * Returns 0, or -1 with ws->error.
 */
int websocket_close(struct websocket *ws, int code, const char *reason);

void websocket_free(struct websocket *ws);

#endif
