/* SPDX-License-Identifier: MIT */
/*
 * Certificates with their keys. They are not OpenSSL's context's, which cannot
 * be changed while threads use it, but are given to each handshake that wants
 * one. So one lock is all that it takes to load others.
 */
#include "tls/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- files --------------------------------------------------------------- */

static int open_file(const char *path, FILE **file)
{
    int error;

    *file = fopen(path, "re");
    error = errno;
    return *file ? 0 : co__tls_fail(-error, strerror(error));
}

/* Who asks on the terminal would stop all tasks. */
static int no_password(char *buffer, int size, int writing, void *arg)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

/* What may follow the certificate in its file: those that lead to it. */
static int load_chain(FILE *file, STACK_OF(X509) * chain)
{
    unsigned long code;
    X509 *next;

    co__tls_errors_begin();
    while ((next = PEM_read_X509(file, NULL, no_password, NULL)) != NULL) {
        if (!sk_X509_push(chain, next)) {
            X509_free(next);
            break;
        }
    }
    code = co__tls_errors_end();
    if (ERR_GET_LIB(code) == ERR_LIB_PEM &&
        ERR_GET_REASON(code) == PEM_R_NO_START_LINE)
        return 0;
    return co__tls_error(code, -EBADMSG);
}

static int load_certificate(const char *path, struct co__tls_identity *identity)
{
    FILE *file;
    int r = open_file(path, &file);

    if (r < 0)
        return r;
    co__tls_errors_begin();
    identity->certificate = PEM_read_X509_AUX(file, NULL, no_password, NULL);
    r = co__tls_error(co__tls_errors_end(), -EBADMSG);
    if (identity->certificate)
        r = load_chain(file, identity->chain);
    fclose(file);
    return r;
}

static int load_key(const char *path, struct co__tls_identity *identity)
{
    FILE *file;
    int r = open_file(path, &file);

    if (r < 0)
        return r;
    co__tls_errors_begin();
    identity->key = PEM_read_PrivateKey(file, NULL, no_password, NULL);
    r = co__tls_error(co__tls_errors_end(), -EBADMSG);
    fclose(file);
    return identity->key ? 0 : r;
}

static int check_key(const struct co__tls_identity *identity)
{
    unsigned long code;
    int fits;

    co__tls_errors_begin();
    fits = X509_check_private_key(identity->certificate, identity->key);
    code = co__tls_errors_end();
    return fits ? 0 : co__tls_error(code, -EKEYREJECTED);
}

int co__tls_identity_load(const char *host, const char *certificate_file,
                          const char *key_file, struct co__tls_identity **out)
{
    struct co__tls_identity *identity = calloc(1, sizeof(*identity));
    int r = -ENOMEM;

    if (!identity)
        return r;
    identity->chain = sk_X509_new_null();
    identity->host = host ? strdup(host) : NULL;
    if (identity->chain && (identity->host || !host))
        r = load_certificate(certificate_file, identity);
    if (r == 0)
        r = load_key(key_file ? key_file : certificate_file, identity);
    if (r == 0)
        r = check_key(identity);
    if (r < 0)
        co__tls_identity_free(identity);
    else
        *out = identity;
    return r;
}

void co__tls_identity_free(struct co__tls_identity *identity)
{
    free(identity->host);
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
    sk_X509_pop_free(identity->chain, X509_free);
    free(identity);
}

/* ---- the list ------------------------------------------------------------ */

static int same_host(const char *a, const char *b)
{
    return a && b ? strcasecmp(a, b) == 0 : a == b;
}

void co__tls_identity_put(co_tls_context *context,
                          struct co__tls_identity *identity)
{
    struct co__tls_identity **at, *old;

    pthread_mutex_lock(&context->lock);
    at = &context->identities;
    while (*at && !same_host((*at)->host, identity->host))
        at = &(*at)->next;
    old = *at;
    identity->next = old ? old->next : NULL;
    *at = identity;
    pthread_mutex_unlock(&context->lock);
    if (old)
        co__tls_identity_free(old);
}

/* Whether one for `host`, which may begin with "*.", is one for `name`. */
static int serves(const char *host, const char *name)
{
    if (strcasecmp(host, name) == 0)
        return 1;
    name = strchr(name, '.');
    return host[0] == '*' && name && strcasecmp(host + 1, name) == 0;
}

/* The one for this name, or the first that is for all; the lock is held. */
static struct co__tls_identity *find(const co_tls_context *context,
                                     const char *name)
{
    struct co__tls_identity *found = NULL;

    for (struct co__tls_identity *at = context->identities; at; at = at->next) {
        if (at->host ? name && serves(at->host, name) : !found)
            found = at;
        if (found && found->host)
            break;
    }
    return found;
}

int co__tls_identity_choose(SSL *ssl, void *arg)
{
    co_tls_context *context = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    struct co__tls_identity *identity;
    int ok = 1;

    if (!context->is_server)
        name = NULL; /* it is the one we ask for */
    pthread_mutex_lock(&context->lock);
    identity = find(context, name);
    if (identity)
        ok = SSL_use_cert_and_key(ssl, identity->certificate, identity->key,
                                  identity->chain, 1);
    pthread_mutex_unlock(&context->lock);
    return ok;
}
