/* SPDX-License-Identifier: MIT */
/*
 * io/dns.h - lookups, for those who carry them out: c-ares (dns_ares.c, or
 * dns_none.c where there is none) and the system on a thread (dns_thread.c).
 */
#ifndef CO_IO_DNS_H
#define CO_IO_DNS_H

#include <coppice/dns.h>

#include <netdb.h>
#include <stdint.h>

/* What there is to be looked up; checked, and of options none is NULL. */
struct co__lookup {
    const char *host;
    uint16_t port;
    const co_dns_options *options;
};

/* A result with room for so many addresses and a name, which is copied (NULL:
 * none); NULL: no memory. Fill in the addresses. */
co_addrinfo *co__addrinfo_new(size_t count, const char *canonical,
                              co_addr **addrs);

/* One address as getaddrinfo has it, with a port. */
void co__addr_set(co_addr *to, const struct sockaddr *from, size_t len,
                  uint16_t port);

/* An EAI_... as a negative errno. */
int co__dns_error(int eai);

int co__dns_lookup(const struct co__lookup *lookup, co_addrinfo **out);
int co__dns_lookup_thread(const struct co__lookup *lookup, co_addrinfo **out);

/* The host's name alone: 0, or an error. */
int co__dns_reverse(const struct sockaddr *addr, socklen_t len, int flags,
                    const co_dns_options *options, char *host, size_t bytes);
int co__dns_reverse_thread(const struct sockaddr *addr, socklen_t len,
                           int flags, char *host, size_t bytes);

#endif
