/* SPDX-License-Identifier: MIT */
/*
 * Lookups: what needs nobody to be asked, and who asks for the rest.
 *
 * Numbers, the loopback and the names of services are the system's
 * getaddrinfo's: without a host, or with a numeric one, it does not wait.
 */
#include "io/dns.h"

#include "base/alloc.h"
#include "base/system.h"
#include "io/io.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

/* RFC 1035, 2.3.4, written with dots; one may stand at the end. */
#define NAME_MAX_BYTES 254

static const co_dns_options defaults = {.size = sizeof(defaults)};

/* ---- results ------------------------------------------------------------- */

co_addrinfo *co__addrinfo_new(size_t count, const char *canonical,
                              co_addr **addrs)
{
    size_t name = canonical ? strlen(canonical) + 1 : 0;
    co_addrinfo *info;
    co_addr *at;
    char *text;

    if (count > (SIZE_MAX / 2 - name - sizeof(*info)) / sizeof(**addrs))
        return NULL;
    info = co__alloc_zero(sizeof(*info) + count * sizeof(**addrs) + name);
    if (!info)
        return NULL;
    at = (co_addr *)(info + 1);
    info->count = count;
    info->addrs = *addrs = at;
    if (canonical) {
        text = (char *)(at + count);
        memcpy(text, canonical, name);
        info->canonical = text;
    }
    return info;
}

void co_addrinfo_free(co_addrinfo *info)
{
    co__free(info);
}

void co__addr_set(co_addr *to, const struct sockaddr *from, size_t len,
                  uint16_t port)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;

    memcpy(&to->as.storage, from, len);
    to->len = (socklen_t)len;
    if (from->sa_family == AF_INET) {
        memcpy(&in, from, sizeof(in));
        in.sin_port = htons(port);
        memcpy(&to->as.storage, &in, sizeof(in));
    } else {
        memcpy(&in6, from, sizeof(in6));
        in6.sin6_port = htons(port);
        memcpy(&to->as.storage, &in6, sizeof(in6));
    }
}

int co__dns_error(int eai)
{
    if (eai == 0)
        return 0;
    if (eai == EAI_SYSTEM)
        return errno ? -errno : -EIO;
    if (eai == EAI_NONAME)
        return -ENOENT;
    if (eai == EAI_NODATA || eai == EAI_ADDRFAMILY || eai == EAI_FAMILY)
        return -ENODATA;
    if (eai == EAI_AGAIN || eai == EAI_FAIL)
        return -EAGAIN;
    if (eai == EAI_MEMORY)
        return -ENOMEM;
    return eai == EAI_OVERFLOW ? -ENOSPC : -EINVAL;
}

/* ---- what needs nobody --------------------------------------------------- */

static int check_options(const co_dns_options *options)
{
    if (options->size != sizeof(*options) || options->timeout < 0 ||
        options->tries < 0 ||
        options->flags &
            ~(unsigned)(CO_DNS_PASSIVE | CO_DNS_NUMERIC | CO_DNS_THREAD))
        return -EINVAL;
    if (options->family != AF_UNSPEC && options->family != AF_INET &&
        options->family != AF_INET6)
        return -EINVAL;
    /* These are c-ares' to heed. */
    if (options->flags & CO_DNS_THREAD &&
        (options->servers || options->search || options->timeout ||
         options->tries))
        return -EINVAL;
    return 0;
}

/* A port, or the name of one, which is read from a file. */
static int parse_service(const char *service, uint16_t *port)
{
    const struct addrinfo hints = {.ai_family = AF_INET,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE};
    struct addrinfo *found;
    struct sockaddr_in in;
    unsigned long number = 0;
    const char *digit = service;

    *port = 0;
    if (!service)
        return 0;
    for (; *digit >= '0' && *digit <= '9' && number <= UINT16_MAX; digit++)
        number = number * 10 + (unsigned long)(*digit - '0');
    if (!*digit && digit > service && number <= UINT16_MAX) {
        *port = (uint16_t)number;
        return 0;
    }
    if (!*service || digit > service ||
        getaddrinfo(NULL, service, &hints, &found) != 0)
        return -EINVAL;
    memcpy(&in, found->ai_addr, sizeof(in));
    freeaddrinfo(found);
    *port = ntohs(in.sin_port);
    return 0;
}

/* No host, or a numeric one. -ENOENT: it is a name. */
static int resolve_numeric(const struct co__lookup *lookup, co_addrinfo **out)
{
    struct addrinfo hints = {.ai_family = lookup->options->family,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST};
    struct addrinfo *list;
    co_addr *addrs;
    size_t count = 0;
    int r;

    if (lookup->options->flags & CO_DNS_PASSIVE)
        hints.ai_flags |= AI_PASSIVE;
    r = getaddrinfo(lookup->host, lookup->host ? NULL : "0", &hints, &list);
    if (r != 0)
        return co__dns_error(r);
    for (const struct addrinfo *ai = list; ai; ai = ai->ai_next)
        count++;
    *out = co__addrinfo_new(count, NULL, &addrs);
    if (*out)
        for (const struct addrinfo *ai = list; ai; ai = ai->ai_next)
            co__addr_set(addrs++, ai->ai_addr, ai->ai_addrlen, lookup->port);
    freeaddrinfo(list);
    return *out ? 0 : -ENOMEM;
}

/* ---- the calls ----------------------------------------------------------- */

int co_getaddrinfo(const char *host, const char *service,
                   const co_dns_options *options, co_addrinfo **out)
{
    struct co__lookup lookup = {host, 0, options ? options : &defaults};
    co_addrinfo *info = NULL;
    int r = out ? check_options(lookup.options) : -EINVAL;

    if (r == 0 && host && (!*host || strlen(host) > NAME_MAX_BYTES))
        r = -EINVAL;
    if (r == 0)
        r = parse_service(service, &lookup.port);
    if (r == 0)
        r = co__io_enter();
    if (r < 0)
        return r;
    r = resolve_numeric(&lookup, &info);
    if (r == -ENOENT && !(lookup.options->flags & CO_DNS_NUMERIC))
        r = lookup.options->flags & CO_DNS_THREAD
                ? co__dns_lookup_thread(&lookup, &info)
                : co__dns_lookup(&lookup, &info);
    if (r == 0)
        *out = info;
    return r;
}

int co_getnameinfo(const struct sockaddr *addr, socklen_t len, int flags,
                   const co_dns_options *options, char *host, size_t host_bytes,
                   char *service, size_t service_bytes)
{
    char name[NI_MAXHOST];
    int r;

    options = options ? options : &defaults;
    if (!addr || len < CO_SOCKADDR_LEAST || (host_bytes && !host) ||
        (service_bytes && !service) || (!host_bytes && !service_bytes) ||
        flags & ~(NI_NUMERICHOST | NI_NUMERICSERV | NI_NAMEREQD | NI_DGRAM))
        return -EINVAL;
    if (addr->sa_family != AF_INET && addr->sa_family != AF_INET6)
        return -EAFNOSUPPORT;
    if (len < (addr->sa_family == AF_INET ? sizeof(struct sockaddr_in)
                                          : sizeof(struct sockaddr_in6)))
        return -EINVAL;
    r = check_options(options);
    if (r == 0)
        r = co__io_enter();
    if (r < 0)
        return r;
    /* The service's name is read from a file. */
    r = getnameinfo(addr, len, host_bytes ? name : NULL,
                    host_bytes ? sizeof(name) : 0,
                    service_bytes ? service : NULL, (socklen_t)service_bytes,
                    (flags & ~NI_NAMEREQD) | NI_NUMERICHOST);
    if (r != 0)
        return co__dns_error(r);
    if (!host_bytes)
        return 0;
    if (!(flags & NI_NUMERICHOST)) {
        r = options->flags & CO_DNS_THREAD
                ? co__dns_reverse_thread(addr, len, flags, name, sizeof(name))
                : co__dns_reverse(addr, len, flags, options, name,
                                  sizeof(name));
        if (r < 0 && (r != -ENOENT || flags & NI_NAMEREQD))
            return r;
    }
    if (strlen(name) >= host_bytes)
        return -ENOSPC;
    memcpy(host, name, strlen(name) + 1);
    return 0;
}
