/* SPDX-License-Identifier: MIT */
/*
 * coppice/tls_dial.h - "tls://host:port" in co_dial, by libcoppice-tls.
 *
 *     r = co_tls_register(NULL);
 *     ...
 *     co_timeout(5 * CO_SEC)
 *         r = co_dial("tls://example.org:443", NULL, &stream);
 *
 * Addresses are found and race as for "tcp://"; with the one that is connected
 * first hands are shaken, as by co_tls_connect with the URL's host, whose
 * certificate is wanted. A dot at the host's end, and the zone of an address,
 * are not part of what the certificate is for. If the handshake fails no other
 * address is tried, and co_dial returns its error as <coppice/tls.h> has it.
 */
#ifndef COPPICE_TLS_DIAL_H
#define COPPICE_TLS_DIAL_H

#include <coppice/dial.h>
#include <coppice/tls.h>

CO_BEGIN_DECLS

/*
 * Have co_dial know "tls://", with the context of a client, in the whole
 * process and for good; once, when a program begins. NULL: co_tls_client_new
 * makes one by the defaults. The context may be freed after that.
 *
 * Suspends: never, but NULL blocks the thread. Thread-safe: yes.
 * Returns 0, or, with nothing changed, -EINVAL (a server's context), -EEXIST
 * (it was known already), -ENOSPC (see co_dial_register), -ENOMEM, or the error
 * of co_tls_client_new.
 */
CO_API CO_MUST_CHECK int co_tls_register(co_tls_context *context);

/*
 * co_dial, with "tls://" by this client's context; other URLs are as they are
 * there. Nothing need be registered. `scheme` in the options must be NULL.
 *
 * Suspends, thread-safe, returns: as co_dial and co_tls_connect; -EINVAL also
 * for a context that is NULL or a server's.
 */
CO_API CO_MUST_CHECK int co_tls_dial(const char *url, co_tls_context *context,
                                     const co_dial_options *options,
                                     co_stream **out);

CO_END_DECLS

#endif
