/* SPDX-License-Identifier: MIT */
/* Contexts: what connections have in common, made of the options. */
#include "tls/tls.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- whom to trust ------------------------------------------------------- */

/* OpenSSL says of a file that is not there only that it was not. */
static int readable(const char *path)
{
    if (!path || access(path, R_OK) == 0)
        return 0;
    return co__tls_fail(-errno, path);
}

static int load_revoked(X509_STORE *store, const char *path)
{
    X509_LOOKUP *lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());

    return lookup && X509_load_crl_file(lookup, path, X509_FILETYPE_PEM) > 0 &&
           X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
}

static int load_trusted(SSL_CTX *ssl, const co_tls_options *options)
{
    if (!options->ca_file && !options->ca_path)
        return SSL_CTX_set_default_verify_paths(ssl);
    return SSL_CTX_load_verify_locations(ssl, options->ca_file,
                                         options->ca_path);
}

static int set_trusted(co_tls_context *context, const co_tls_options *options)
{
    unsigned long code;
    int r = readable(options->ca_file);
    int ok;

    if (r == 0)
        r = readable(options->ca_path);
    if (r == 0)
        r = readable(options->crl_file);
    if (r < 0 || !context->verify)
        return r;
    co__tls_errors_begin();
    ok = load_trusted(context->ssl, options);
    if (ok && options->crl_file)
        ok = load_revoked(SSL_CTX_get_cert_store(context->ssl),
                          options->crl_file);
    if (ok && context->is_server && options->ca_file) {
        /* Those that we name when we ask for a certificate. */
        STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(options->ca_file);

        ok = names != NULL;
        SSL_CTX_set_client_CA_list(context->ssl, names);
    }
    code = co__tls_errors_end();
    if (!ok)
        return co__tls_error(code, -EBADMSG);
    SSL_CTX_set_verify(context->ssl,
                       SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return 0;
}

/* ---- protocols ----------------------------------------------------------- */

static int version_known(int version)
{
    return version == 0 || version == CO_TLS_1_2 || version == CO_TLS_1_3;
}

static int set_versions(SSL_CTX *ssl, const co_tls_options *options)
{
    int least = options->version_min ? options->version_min : CO_TLS_1_2;
    unsigned long code;
    int ok;

    if (!version_known(options->version_min) ||
        !version_known(options->version_max) ||
        (options->version_max && options->version_max < least))
        return -EINVAL;
    co__tls_errors_begin();
    ok =
        SSL_CTX_set_min_proto_version(ssl, least) &&
        SSL_CTX_set_max_proto_version(ssl, options->version_max) &&
        (!options->ciphers || SSL_CTX_set_cipher_list(ssl, options->ciphers)) &&
        (!options->ciphersuites ||
         SSL_CTX_set_ciphersuites(ssl, options->ciphersuites));
    code = co__tls_errors_end();
    return ok ? 0 : co__tls_error(code, -EINVAL);
}

/* The protocols as they are sent: each behind its length. */
static int encode_alpn(co_tls_context *context, const char *const *names)
{
    size_t len = 0, all = 0;

    for (int i = 0; names[i]; i++) {
        len = strlen(names[i]);
        if (len == 0 || len > 255 || all > 65535 - 256)
            return -EINVAL;
        all += len + 1;
    }
    context->alpn = malloc(all + 1);
    if (!context->alpn)
        return -ENOMEM;
    for (int i = 0; names[i]; i++) {
        len = strlen(names[i]);
        context->alpn[context->alpn_len] = (unsigned char)len;
        memcpy(context->alpn + context->alpn_len + 1, names[i], len);
        context->alpn_len += (unsigned)len + 1;
    }
    return 0;
}

/* A server's choice, by its own order. */
static int choose_alpn(SSL *ssl, const unsigned char **out,
                       unsigned char *out_len, const unsigned char *wanted,
                       unsigned wanted_len, void *arg)
{
    co_tls_context *context = arg;
    unsigned char *chosen;

    (void)ssl;
    if (SSL_select_next_proto(&chosen, out_len, context->alpn,
                              context->alpn_len, wanted,
                              wanted_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int set_alpn(co_tls_context *context, const co_tls_options *options)
{
    int r = options->alpn ? encode_alpn(context, options->alpn) : 0;

    if (r < 0 || !context->alpn_len)
        return r;
    if (context->is_server)
        SSL_CTX_set_alpn_select_cb(context->ssl, choose_alpn, context);
    else if (SSL_CTX_set_alpn_protos(context->ssl, context->alpn,
                                     context->alpn_len) != 0)
        return -ENOMEM;
    return 0;
}

/* ---- sessions ------------------------------------------------------------ */

/* A server's are with its clients, in tickets, and cost it no memory. Those of
 * TLS 1.3 go with what it writes first (connection.c). */
static void set_sessions(co_tls_context *context)
{
    static const unsigned char name[] = "coppice";

    SSL_CTX_set_session_id_context(context->ssl, name, sizeof(name));
    SSL_CTX_set_session_cache_mode(context->ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context->ssl, 0);
    if (context->no_resumption) {
        SSL_CTX_set_options(context->ssl, SSL_OP_NO_TICKET);
    } else if (!context->is_server) {
        SSL_CTX_set_session_cache_mode(
            context->ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context->ssl, co__tls_session_keep);
    }
}

/* ---- life ---------------------------------------------------------------- */

static int new_ssl(co_tls_context *context)
{
    unsigned long code;

    co__tls_errors_begin();
    context->ssl = SSL_CTX_new(context->is_server ? TLS_server_method()
                                                  : TLS_client_method());
    code = co__tls_errors_end();
    if (!context->ssl)
        return co__tls_error(code, -ENOMEM);
    SSL_CTX_set_options(context->ssl, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                       SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_cert_cb(context->ssl, co__tls_identity_choose, context);
    return 0;
}

static int set_up(co_tls_context *context, const co_tls_options *options)
{
    int r = new_ssl(context);

    if (r == 0)
        r = set_versions(context->ssl, options);
    if (r == 0)
        r = set_alpn(context, options);
    if (r == 0)
        r = set_trusted(context, options);
    if (r == 0 && options->certificate_file)
        r = co_tls_reload(context, options->certificate_file,
                          options->key_file);
    if (r == 0)
        set_sessions(context);
    return r;
}

static int usable(const co_tls_options *options, int is_server)
{
    return options->size == sizeof(*options) &&
           (unsigned)options->verify <= CO_TLS_VERIFY_NONE &&
           (options->certificate_file || (!options->key_file && !is_server));
}

static co_tls_context *make(const co_tls_options *options, int is_server)
{
    co_tls_context *context;
    int r;

    co__tls_fail(0, "");
    if (!usable(options, is_server)) {
        errno = EINVAL;
        return NULL;
    }
    context = calloc(1, sizeof(*context));
    if (!context || pthread_mutex_init(&context->lock, NULL) != 0) {
        free(context);
        errno = ENOMEM;
        return NULL;
    }
    atomic_init(&context->users, 1);
    context->is_server = is_server;
    context->no_resumption = options->no_resumption;
    context->verify = options->verify == CO_TLS_VERIFY_PEER ||
                      (options->verify == CO_TLS_VERIFY_DEFAULT && !is_server);
    r = set_up(context, options);
    if (r < 0) {
        co_tls_context_free(context);
        errno = -r;
        return NULL;
    }
    return context;
}

co_tls_context *co_tls_client_new(const co_tls_options *options)
{
    static const co_tls_options defaults = {.size = sizeof(defaults)};

    return make(options ? options : &defaults, 0);
}

co_tls_context *co_tls_server_new(const co_tls_options *options)
{
    static const co_tls_options none = {0};

    return make(options ? options : &none, 1);
}

void co__tls_context_ref(co_tls_context *context)
{
    atomic_fetch_add_explicit(&context->users, 1, memory_order_relaxed);
}

void co_tls_context_free(co_tls_context *context)
{
    /* Pairs with itself: the last one sees what the others did. */
    if (!context ||
        atomic_fetch_sub_explicit(&context->users, 1, memory_order_acq_rel) > 1)
        return;
    co__tls_sessions_free(context);
    SSL_CTX_free(context->ssl);
    while (context->identities) {
        struct co__tls_identity *next = context->identities->next;

        co__tls_identity_free(context->identities);
        context->identities = next;
    }
    pthread_mutex_destroy(&context->lock);
    free(context->alpn);
    free(context);
}

/* ---- other certificates -------------------------------------------------- */

static int load(co_tls_context *context, const char *host,
                const char *certificate_file, const char *key_file)
{
    struct co__tls_identity *identity;
    int r = co__tls_identity_load(host, certificate_file, key_file, &identity);

    if (r == 0)
        co__tls_identity_put(context, identity);
    return r;
}

int co_tls_server_add(co_tls_context *context, const char *host,
                      const char *certificate_file, const char *key_file)
{
    if (!context || !context->is_server || !host || !*host || !certificate_file)
        return -EINVAL;
    return load(context, host, certificate_file, key_file);
}

int co_tls_reload(co_tls_context *context, const char *certificate_file,
                  const char *key_file)
{
    if (!context || !certificate_file)
        return -EINVAL;
    return load(context, NULL, certificate_file, key_file);
}
