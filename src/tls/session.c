/* SPDX-License-Identifier: MIT */
/*
 * The sessions that a client may resume, one for each host, those used last
 * first. One of TLS 1.3 is used once, so that nobody sees two connections to be
 * of one client; the server gives a new one each time.
 */
#include "tls/tls.h"

#include <stdlib.h>
#include <string.h>

#define SESSIONS_MAX 256

static void drop(struct co__tls_session *kept)
{
    SSL_SESSION_free(kept->session);
    free(kept);
}

/* Take a host's out of the list, if there is one; the lock is held. */
static struct co__tls_session *take(co_tls_context *context, const char *host)
{
    struct co__tls_session **at = &context->sessions;
    struct co__tls_session *found;

    while (*at && strcmp((*at)->host, host) != 0)
        at = &(*at)->next;
    found = *at;
    if (found) {
        *at = found->next;
        context->session_count--;
    }
    return found;
}

/* The oldest has to go. */
static void take_last(co_tls_context *context)
{
    struct co__tls_session **at = &context->sessions;

    while ((*at)->next)
        at = &(*at)->next;
    drop(*at);
    *at = NULL;
    context->session_count--;
}

static void put(co_tls_context *context, struct co__tls_session *kept)
{
    kept->next = context->sessions;
    context->sessions = kept;
    if (++context->session_count > SESSIONS_MAX)
        take_last(context);
}

void co__tls_session_use(co_tls_context *context, SSL *ssl, const char *host)
{
    struct co__tls_session *kept;

    pthread_mutex_lock(&context->lock);
    kept = take(context, host);
    if (kept && SSL_SESSION_is_resumable(kept->session))
        SSL_set_session(ssl, kept->session);
    if (kept &&
        SSL_SESSION_get_protocol_version(kept->session) == TLS1_2_VERSION) {
        put(context, kept);
        kept = NULL;
    }
    pthread_mutex_unlock(&context->lock);
    if (kept)
        drop(kept);
}

int co__tls_session_keep(SSL *ssl, SSL_SESSION *session)
{
    struct co__tls_conn *conn = SSL_get_app_data(ssl);
    co_tls_context *context = conn->context;
    struct co__tls_session *kept, *old;
    size_t len;

    if (!conn->host)
        return 0;
    len = strlen(conn->host) + 1;
    kept = malloc(sizeof(*kept) + len);
    if (!kept)
        return 0;
    kept->session = session; /* OpenSSL's reference is ours: return 1 */
    memcpy(kept->host, conn->host, len);
    pthread_mutex_lock(&context->lock);
    old = take(context, conn->host);
    put(context, kept);
    pthread_mutex_unlock(&context->lock);
    if (old)
        drop(old);
    return 1;
}

void co__tls_sessions_free(co_tls_context *context)
{
    while (context->sessions) {
        struct co__tls_session *kept = context->sessions;

        context->sessions = kept->next;
        drop(kept);
    }
}
