/* SPDX-License-Identifier: MIT */
/*
 * coppice/tls.h - TLS 1.2 and 1.3 over any stream, by OpenSSL 3. A library of
 * its own: libcoppice-tls, coppice::tls, not part of <coppice.h>.
 *
 * What a handshake fails with, and reads and writes after it:
 *   -EKEYEXPIRED   the peer's certificate has expired, or is not valid yet
 *   -ENOKEY        nobody whom we trust has signed it, or there is none
 *   -EREMCHG       it is another host's
 *   -EKEYREVOKED   it was revoked
 *   -EKEYREJECTED  there is something else about it
 *   -EREMOTEIO     the peer refused, or gave up, with an alert
 *   -ECONNABORTED  the connection was cut: it ended without a goodbye
 *   -EPROTO        the peer does not speak TLS, or not as we want it
 * or -ENOMEM, or what the stream below fails with. co_tls_error_text says more.
 */
#ifndef COPPICE_TLS_H
#define COPPICE_TLS_H

#include <coppice/stream.h>

CO_BEGIN_DECLS

typedef struct co_tls_context co_tls_context;

enum co_tls_version {
    CO_TLS_1_2 = 0x0303,
    CO_TLS_1_3 = 0x0304,
};

enum co_tls_verify {
    CO_TLS_VERIFY_DEFAULT, /* clients verify the server and its name; servers
                            * ask for nothing */
    CO_TLS_VERIFY_PEER,    /* servers, too, want a certificate: mutual TLS */
    CO_TLS_VERIFY_NONE,    /* whoever it is */
};

typedef struct co_tls_options {
    size_t size;                  /* sizeof(co_tls_options) */
    const char *certificate_file; /* PEM: ours, then those that lead to it */
    const char *key_file;         /* PEM; NULL: in the same file */
    const char *ca_file;          /* PEM: whom we trust; if this and ca_path */
    const char *ca_path;          /* are NULL, whom the system trusts */
    const char *crl_file;         /* PEM: who was revoked; NULL: nobody */
    enum co_tls_verify verify;
    int version_min, version_max; /* 0: 1.2, and the newest */
    const char *const *alpn;      /* protocols, the best first, then NULL */
    const char *ciphers;          /* of 1.2, as OpenSSL names them; or NULL */
    const char *ciphersuites;     /* likewise, of 1.3 */
    int no_resumption;            /* each handshake is a full one */
} co_tls_options;

/*
 * What connections have in common: certificates, whom to trust, sessions. May
 * be freed while connections go on. Nothing is kept of options, which a client
 * need not have (NULL); a server needs a certificate. Files are read here.
 *
 * Suspends: never, but blocks the thread. Thread-safe: yes; and a context may
 * be shared by threads.
 * Returns the context, or NULL with errno EINVAL (options), EBADMSG (a file
 * without what it is for), EKEYREJECTED (the key is of another certificate),
 * ENOMEM, or that of open(2).
 */
CO_API CO_MUST_CHECK co_tls_context *co_tls_client_new(
    const co_tls_options *options);
CO_API CO_MUST_CHECK co_tls_context *co_tls_server_new(
    const co_tls_options *options);
CO_API void co_tls_context_free(co_tls_context *context);

/*
 * Load another certificate: (add) for clients that ask for this host, which may
 * begin with "*."; (reload) in place of the first, or of that host's by add.
 * Handshakes from now on use it; connections go on.
 *
 * Suspends, thread-safe: as above.
 * Returns 0, or, with nothing changed, a negative errno as above.
 */
CO_API CO_MUST_CHECK int co_tls_server_add(co_tls_context *context,
                                           const char *host,
                                           const char *certificate_file,
                                           const char *key_file);
CO_API CO_MUST_CHECK int co_tls_reload(co_tls_context *context,
                                       const char *certificate_file,
                                       const char *key_file);

/*
 * Shake hands over a stream, as client or as server: at once, or after what was
 * said in plain text (STARTTLS). What is buffered in it belongs to TLS. The
 * host, a name or an address, is whose certificate is wanted, and the key for
 * sessions to resume; NULL only without verification. The plain stream belongs
 * to the new one. To close that says goodbye; an abort does not.
 *
 * Suspends: until it is done. Thread-safe: no.
 * Returns the stream, or NULL with errno as in the list above, EINVAL (NULL, no
 * host, options), ECANCELED, ETIMEDOUT; the plain one is then still the
 * caller's, and good for nothing but to be closed.
 */
CO_API CO_MUST_CHECK co_stream *co_tls_connect(
    co_stream *plain, co_tls_context *context, const char *host,
    const co_stream_options *options);
CO_API CO_MUST_CHECK co_stream *co_tls_accept(co_stream *plain,
                                              co_tls_context *context,
                                              const co_stream_options *options);

/* The same for co_server_options.wrap, with the context as wrap_arg: a server
 * of TLS. */
CO_API CO_MUST_CHECK co_stream *co_tls_wrap(int fd, void *context);

/* Valid until the stream is closed. */
typedef struct co_tls_info {
    size_t size;              /* sizeof(co_tls_info) */
    const char *version;      /* "TLSv1.3" */
    const char *cipher;       /* as OpenSSL names it */
    const char *alpn;         /* what was agreed upon, or NULL */
    const char *server_name;  /* the host that the client asked for, or NULL */
    const char *peer_subject; /* of the peer's certificate, or NULL */
    const char *verified;     /* "ok", or why the certificate is not */
    int resumed;              /* a session was, without certificates */
} co_tls_info;

/*
 * What there is to know about a connection.
 *
 * Suspends: never. Thread-safe: no.
 * Returns 0, or -EINVAL (NULL, or the size is wrong), -ENOTSUP (no TLS).
 */
CO_API CO_MUST_CHECK int co_tls_info_get(const co_stream *stream,
                                         co_tls_info *info);

/*
 * What failed last on this thread, in OpenSSL's words, "" if it said nothing.
 * To be asked at once, before anything else suspends; valid until the next
 * failure. Thread-safe: yes.
 */
CO_API const char *co_tls_error_text(void);

CO_END_DECLS

#endif
