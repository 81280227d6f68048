/* SPDX-License-Identifier: MIT */
/*
 * tls/tls.h - what the files of libcoppice-tls share. They call the public
 * functions of Coppice alone.
 *
 * OpenSSL knows nothing of tasks: it never waits, since what it reads and
 * writes are bytes in memory, and nothing suspends in one of its calls, nor
 * between a call and the look at its errors. So many tasks of a thread share
 * the thread's error queue; what a program has left in it stays (errors.c).
 */
#ifndef CO_TLS_TLS_H
#define CO_TLS_TLS_H

#include <coppice/mutex.h>
#include <coppice/stream_ops.h>
#include <coppice/tls.h>

#include <errno.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

/* ---- errors.c ------------------------------------------------------------ */

/* Around each call of OpenSSL that may fail: what is in the error queue is put
 * aside, and put back. errors_end returns the last error of the call, or 0, and
 * takes it away. Not nested. */
void co__tls_errors_begin(void);
unsigned long co__tls_errors_end(void);

/* The negative errno for an error of OpenSSL, whose text is kept for
 * co_tls_error_text. */
int co__tls_error(unsigned long code, int otherwise);
/* For one in a connection: its certificate may be the reason. */
int co__tls_error_of(const SSL *ssl, unsigned long code);
/* One that is no error of OpenSSL's. */
int co__tls_fail(int error, const char *text);

/* ---- identity.c: a certificate with its key ------------------------------ */

struct co__tls_identity {
    struct co__tls_identity *next;
    char *host; /* for whom; NULL: the first, for all others */
    X509 *certificate;
    EVP_PKEY *key;
    STACK_OF(X509) * chain;
};

/* 0, or a negative errno. */
int co__tls_identity_load(const char *host, const char *certificate_file,
                          const char *key_file, struct co__tls_identity **out);
void co__tls_identity_free(struct co__tls_identity *identity);
/* Put it in place of the one for the same host, or behind all. */
void co__tls_identity_put(co_tls_context *context,
                          struct co__tls_identity *identity);
/* OpenSSL's callback, when it wants a certificate of ours. */
int co__tls_identity_choose(SSL *ssl, void *arg);

/* ---- session.c: what a client resumes ------------------------------------ */

struct co__tls_session {
    struct co__tls_session *next; /* the one used last is the first */
    SSL_SESSION *session;
    char host[]; /* whose */
};

/* Resume a session, if there is one for this host. */
void co__tls_session_use(co_tls_context *context, SSL *ssl, const char *host);
/* OpenSSL's callback: the server gave one. */
int co__tls_session_keep(SSL *ssl, SSL_SESSION *session);
void co__tls_sessions_free(co_tls_context *context);

/* ---- context.c ----------------------------------------------------------- */

struct co_tls_context {
    atomic_uint users; /* who made it, unless freed, and its connections */
    int is_server;
    int verify;
    int no_resumption;
    SSL_CTX *ssl; /* does not change once it is made */
    unsigned char *alpn;
    unsigned alpn_len;
    pthread_mutex_t lock; /* of what follows; nothing suspends under it */
    struct co__tls_identity *identities;
    struct co__tls_session *sessions;
    unsigned session_count;
};

void co__tls_context_ref(co_tls_context *context);

/* ---- connection.c -------------------------------------------------------- */

struct co__tls_buffer {
    char *bytes;
    size_t head, count, room;
};

struct co__tls_conn {
    SSL *ssl;
    co_tls_context *context;
    co_stream *below; /* NULL when it is not ours, or not any more */
    char *host;       /* a client's, or NULL */
    char *alpn;       /* for co_tls_info, as are these: made when asked for */
    char *subject;
    int failed; /* the error that ended the protocol, or 0 */
    int no_memory;
    int owes_ticket; /* a server's, with what it writes first */
    int hungry;      /* OpenSSL wants more than there is in the window */

    /* Bytes from below that OpenSSL has not seen: in the buffer of `below`,
     * which is told when they are used up. */
    const char *window;
    size_t window_len, window_used;
    int ended; /* there are no more */

    /* Encrypted bytes. OpenSSL appends to `fresh`; who sends them makes them
     * `going`, and those do not move while they are written. */
    struct co__tls_buffer fresh, going;
    size_t owed; /* of the fresh ones: what reads have made */
    co_mutex sending;
};

extern const co_stream_ops co__tls_ops;

/* A connection over a stream, before its handshake: NULL without memory. */
struct co__tls_conn *co__tls_conn_new(co_tls_context *context,
                                      co_stream *below);
void co__tls_conn_free(struct co__tls_conn *conn);
/* Shake hands: 0, or a negative errno. */
int co__tls_conn_handshake(struct co__tls_conn *conn);

/* ---- bio.c --------------------------------------------------------------- */

/* Bytes in memory as OpenSSL sees them. NULL without memory. */
BIO *co__tls_bio_new(struct co__tls_conn *conn);

/* Room for so many bytes more: 0, or -ENOMEM. */
int co__tls_make_room(struct co__tls_buffer *buffer, size_t len);

#endif
