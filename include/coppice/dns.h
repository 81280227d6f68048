/* SPDX-License-Identifier: MIT */
/*
 * coppice/dns.h - host names to addresses, and back, while other tasks run:
 * /etc/hosts, then the servers of /etc/resolv.conf with its search domains. If
 * Coppice was built without c-ares, or by option, the system's getaddrinfo(3)
 * does it, on a thread of CO_LANE_DNS.
 *
 * Errors of a lookup: -ENOENT (no such name), -ENODATA (the name has no such
 * address), -EAGAIN (the servers failed or refused: temporary), -ETIMEDOUT
 * (none has answered; or the scope's), -ECONNREFUSED (none can be reached),
 * -EBADMSG (a malformed answer), -EINVAL (NULL; not a name; options), -ENOTSUP
 * (options that need c-ares), -ECANCELED, -EPERM (it would wait in a loop
 * callback), -EMFILE, -ENFILE, -ENOMEM. On a thread of the lane nobody can tell
 * some of them apart: a timeout is -EAGAIN there.
 */
#ifndef COPPICE_DNS_H
#define COPPICE_DNS_H

#include <coppice/addr.h>
#include <coppice/base.h>

CO_BEGIN_DECLS

#define CO_DNS_PASSIVE 1 /* no host: any address, to listen on */
#define CO_DNS_NUMERIC 2 /* the host is an address: nothing is looked up */
#define CO_DNS_THREAD  4 /* getaddrinfo(3) on a thread, with all it can do */

typedef struct co_dns_options {
    size_t size;    /* sizeof(co_dns_options) */
    int family;     /* AF_INET, AF_INET6; AF_UNSPEC (0): both */
    unsigned flags; /* of the above */
    const char
        *servers;       /* "192.0.2.1,[2001:db8::1]:5353"; NULL: the system's */
    const char *search; /* domains, with spaces; NULL: the system's; "": none */
    co_time timeout;    /* of a first try, doubled for the next; 0: 2 s */
    int tries;          /* of each server; 0: 3 */
} co_dns_options;

/* The result of a lookup: `count` addresses, one at least, the best first. */
typedef struct co_addrinfo {
    size_t count;
    const co_addr *addrs;
    const char *canonical; /* the name that the host is an alias of, or its own;
                            * NULL: not known */
} co_addrinfo;

/*
 * Look a host up; both families are asked for at the same time. The host is a
 * name, or an address in text, with a zone if need be; NULL is the loopback, or
 * see CO_DNS_PASSIVE. The service is a port, or its name; NULL: port 0. Options
 * may be NULL. *out is the caller's: free it with co_addrinfo_free. The order
 * is that of RFC 6724. A lookup that is cancelled leaves nothing behind; but a
 * thread that has begun goes on by itself.
 *
 * Suspends: if something has to be asked for. Thread-safe: yes.
 * Returns 0, or an error, see above; -EINVAL also for a service that is not
 * known.
 */
CO_API CO_MUST_CHECK int co_getaddrinfo(const char *host, const char *service,
                                        const co_dns_options *options,
                                        co_addrinfo **out);

/* Free a result. NULL is a no-op. Suspends: never. Thread-safe: yes. */
CO_API void co_addrinfo_free(co_addrinfo *info);

/*
 * The name of an address, and of its port: what is not to be known is NULL,
 * with 0 bytes. Flags are those of getnameinfo(3): NI_NUMERICHOST,
 * NI_NUMERICSERV, NI_NAMEREQD, NI_DGRAM. An address that has no name is written
 * in numbers, but for NI_NAMEREQD.
 *
 * Suspends: if a host's name has to be asked for. Thread-safe: yes.
 * Returns 0, or an error, see above; -ENOENT (NI_NAMEREQD), -ENOSPC (too few
 * bytes), -EAFNOSUPPORT (neither IPv4 nor IPv6).
 */
CO_API CO_MUST_CHECK int co_getnameinfo(const struct sockaddr *addr,
                                        socklen_t len, int flags,
                                        const co_dns_options *options,
                                        char *host, size_t host_bytes,
                                        char *service, size_t service_bytes);

CO_END_DECLS

#endif
