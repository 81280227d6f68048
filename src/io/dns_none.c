/* SPDX-License-Identifier: MIT */
/* Lookups where there is no c-ares: all are the threads'. */
#include "io/dns.h"

#include <errno.h>

static int needs_cares(const co_dns_options *options)
{
    return options->servers || options->search || options->timeout ||
           options->tries;
}

int co__dns_lookup(const struct co__lookup *lookup, co_addrinfo **out)
{
    return needs_cares(lookup->options) ? -ENOTSUP
                                        : co__dns_lookup_thread(lookup, out);
}

int co__dns_reverse(const struct sockaddr *addr, socklen_t len, int flags,
                    const co_dns_options *options, char *host, size_t bytes)
{
    return needs_cares(options)
               ? -ENOTSUP
               : co__dns_reverse_thread(addr, len, flags, host, bytes);
}
