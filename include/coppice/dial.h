/* SPDX-License-Identifier: MIT */
/*
 * coppice/dial.h - connecting by name, to the first of a host's addresses that
 * answers.
 *
 *     co_stream *stream;
 *     co_timeout(5 * CO_SEC)
 *         r = co_dial("tcp://example.org:80", NULL, &stream);
 *
 * "tls://" is there when a program has called co_tls_register, of
 * <coppice/tls_dial.h>.
 */
#ifndef COPPICE_DIAL_H
#define COPPICE_DIAL_H

#include <coppice/addr.h>
#include <coppice/base.h>
#include <coppice/dns.h>
#include <coppice/stream.h>

CO_BEGIN_DECLS

/* What became of one address. */
typedef struct co_dial_attempt {
    co_addr addr;
    int error; /* 0: connected; -ECANCELED: given up, since another one was, or
                * since the caller's limits were reached */
} co_dial_attempt;

/* What became of all addresses that were tried, in that order. */
typedef struct co_dial_attempts {
    co_dial_attempt *list; /* the caller's, of `max`; NULL: none */
    size_t max;
    size_t count; /* written: how many were tried, also if more than max */
} co_dial_attempts;

/*
 * Another scheme: "name://host:port" is dialled as "tcp://host:port" is, and
 * then `wrap` makes the stream out of that one. It runs in the caller's task,
 * within its limits, and may wait; it gets the host as the URL has it, without
 * brackets, and the caller's stream options, or NULL. The plain stream belongs
 * to the new one. NULL, with errno, if there is none: co_dial closes the plain
 * one and returns that error.
 */
typedef struct co_dial_scheme {
    size_t size; /* sizeof(co_dial_scheme) */
    const char *name;
    co_stream *(*wrap)(co_stream *plain, const char *host,
                       const co_stream_options *options, void *arg);
    void *arg;
} co_dial_scheme;

typedef struct co_dial_options {
    size_t size;          /* sizeof(co_dial_options) */
    int family;           /* AF_INET, AF_INET6; AF_UNSPEC (0): both */
    co_time delay;        /* before the next address is tried too; 0: 250 ms */
    const co_addr *local; /* to bind to; NULL: the system's choice */
    const co_dns_options *dns;       /* of the lookup (its family is not heeded)
                                      * or NULL */
    const co_stream_options *stream; /* or NULL */
    co_dial_attempts *attempts;      /* filled in, on failure too; or NULL */
    const co_dial_scheme *scheme; /* one that this call knows, too; or NULL */
} co_dial_options;

/*
 * Connect to "tcp://host:port", "unix:/path" or "unix:@name", or by a scheme
 * that was registered ("tls://host:port", see <coppice/tls_dial.h>) or is in
 * the options. The host is a name, an IPv4 address, or an IPv6 one in brackets;
 * the port may be a name. There is nothing behind the port. Of several
 * addresses the next is begun when one has failed or has not answered in time,
 * and the first that is connected wins: RFC 8305, the families taking turns, in
 * the order of RFC 6724.
 * TCP_NODELAY is set. *out is the caller's.
 *
 * Suspends: until connected; set a limit with a scope. Outside a task the
 * thread waits, and addresses are tried one after the other. Thread-safe: yes.
 * Returns 0, or, nothing being left open: -EINVAL (NULL, not such a URL,
 * options), -EPROTONOSUPPORT (a scheme that is not known), those of
 * co_getaddrinfo, what became of the first address, the error of a scheme's
 * wrap; -ECANCELED, -ETIMEDOUT (scope), -EPERM (it would wait in a loop
 * callback), -ENOMEM.
 */
CO_API CO_MUST_CHECK int co_dial(const char *url,
                                 const co_dial_options *options,
                                 co_stream **out);

/*
 * The same for who wants the descriptor, which is ours (close it with
 * co_close): `stream` in the options must be NULL. "udp://host:port" is a
 * datagram socket that is connected to the first address that there is a way
 * to. Returns the descriptor, or an error.
 */
CO_API CO_MUST_CHECK int co_dial_fd(const char *url,
                                    const co_dial_options *options);

/*
 * Have co_dial know a scheme, in the whole process and for good: it has to
 * stay. Its name begins with a letter; letters (small), digits, "+", "-" and
 * "." follow.
 *
 * Suspends: never. Thread-safe: yes.
 * Returns 0, or -EINVAL (NULL, size, name, wrap), -EEXIST (there is one of this
 * name, "tcp" say), -ENOSPC (there are eight).
 */
CO_API CO_MUST_CHECK int co_dial_register(const co_dial_scheme *scheme);

CO_END_DECLS

#endif
