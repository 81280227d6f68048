/* SPDX-License-Identifier: MIT */
/* Making a stream of TLS of another one, and what can be told about it. */
#include "tls/tls.h"

#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

/* Only this host's certificate will do; and if it is a name, it is asked for.
 * Whether there is memory. */
static int want_host(SSL *ssl, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

    if (X509_VERIFY_PARAM_set1_ip_asc(param, host))
        return 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) && SSL_set_tlsext_host_name(ssl, host);
}

static int set_up_client(struct co__tls_conn *conn, const char *host)
{
    co_tls_context *context = conn->context;
    int ok;

    SSL_set_connect_state(conn->ssl);
    if (!host)
        return 0;
    co__tls_errors_begin();
    ok = want_host(conn->ssl, host);
    co__tls_errors_end();
    conn->host = strdup(host);
    if (!ok || !conn->host)
        return -ENOMEM;
    if (!context->no_resumption)
        co__tls_session_use(context, conn->ssl, host);
    return 0;
}

static co_stream *shake_hands(co_stream *plain, co_tls_context *context,
                              const char *host,
                              const co_stream_options *options)
{
    struct co__tls_conn *conn = co__tls_conn_new(context, plain);
    co_stream *stream;
    int r = 0;

    if (!conn) {
        errno = ENOMEM;
        return NULL;
    }
    stream = co_stream_over(&co__tls_ops, conn, options);
    if (!stream) {
        r = -errno;
        co__tls_conn_free(conn);
        errno = -r;
        return NULL;
    }
    if (context->is_server)
        SSL_set_accept_state(conn->ssl);
    else
        r = set_up_client(conn, host);
    if (r == 0)
        r = co__tls_conn_handshake(conn);
    if (r == 0)
        return stream;
    conn->below = NULL; /* the caller's, as before */
    co_stream_abort(stream);
    errno = -r;
    return NULL;
}

co_stream *co_tls_connect(co_stream *plain, co_tls_context *context,
                          const char *host, const co_stream_options *options)
{
    co__tls_fail(0, "");
    if (!plain || !context || context->is_server ||
        (host ? !*host : context->verify)) {
        errno = EINVAL;
        return NULL;
    }
    return shake_hands(plain, context, host, options);
}

co_stream *co_tls_accept(co_stream *plain, co_tls_context *context,
                         const co_stream_options *options)
{
    co__tls_fail(0, "");
    if (!plain || !context || !context->is_server) {
        errno = EINVAL;
        return NULL;
    }
    return shake_hands(plain, context, NULL, options);
}

co_stream *co_tls_wrap(int fd, void *context)
{
    co_stream *plain = co_stream_new(fd, NULL);
    co_stream *stream;
    int error;

    if (!plain)
        return NULL;
    stream = co_tls_accept(plain, context, NULL);
    if (stream)
        return stream;
    error = errno;
    if (co_stream_detach(plain, &fd) < 0)
        co_stream_abort(plain);
    errno = error;
    return NULL;
}

/* ---- what there is to know ----------------------------------------------- */

static const char *alpn_of(struct co__tls_conn *conn)
{
    const unsigned char *name;
    unsigned len;

    SSL_get0_alpn_selected(conn->ssl, &name, &len);
    if (len && !conn->alpn)
        conn->alpn = strndup((const char *)name, len);
    return conn->alpn;
}

static const char *subject_of(struct co__tls_conn *conn)
{
    X509 *certificate = SSL_get0_peer_certificate(conn->ssl);
    BIO *text;
    char *line;
    long len;

    if (!certificate || conn->subject)
        return conn->subject;
    co__tls_errors_begin();
    text = BIO_new(BIO_s_mem());
    if (text && X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0,
                                   XN_FLAG_RFC2253) >= 0) {
        len = BIO_get_mem_data(text, &line);
        conn->subject = strndup(line, (size_t)len);
    }
    BIO_free(text);
    co__tls_errors_end();
    return conn->subject;
}

int co_tls_info_get(const co_stream *stream, co_tls_info *info)
{
    struct co__tls_conn *conn = co_stream_behind(stream, &co__tls_ops);
    long verified;

    if (!stream || !info || info->size != sizeof(*info))
        return -EINVAL;
    if (!conn)
        return -ENOTSUP;
    verified = SSL_get_verify_result(conn->ssl);
    info->version = SSL_get_version(conn->ssl);
    info->cipher = SSL_get_cipher_name(conn->ssl);
    info->alpn = alpn_of(conn);
    info->server_name =
        SSL_get_servername(conn->ssl, TLSEXT_NAMETYPE_host_name);
    info->peer_subject = subject_of(conn);
    info->verified = X509_verify_cert_error_string(verified);
    info->resumed = SSL_session_reused(conn->ssl);
    return 0;
}
