/* SPDX-License-Identifier: MIT */
/*
 * Lookups by the system, on a thread of CO_LANE_DNS: with all that
 * nsswitch.conf(5) names. A thread that has begun cannot be stopped; who waits
 * for it can leave, and so everything it uses is a job's own memory.
 */
#include "io/dns.h"

#include <coppice/threadpool.h>

#include "base/alloc.h"
#include "base/system.h"

#include <errno.h>
#include <string.h>

/* ---- forward ------------------------------------------------------------- */

struct forward {
    struct addrinfo hints;
    struct addrinfo *list; /* NULL until it is there */
    char host[];
};

static int run_forward(void *arg)
{
    struct forward *job = arg;
    int r = getaddrinfo(job->host, NULL, &job->hints, &job->list);

    if (r != 0)
        job->list = NULL;
    return co__dns_error(r);
}

static void free_forward(void *arg)
{
    struct forward *job = arg;

    if (job->list)
        freeaddrinfo(job->list);
    co__free(job);
}

static co_addrinfo *convert(const struct addrinfo *list, uint16_t port)
{
    size_t count = 1;
    co_addrinfo *info;
    co_addr *addrs;

    for (const struct addrinfo *ai = list->ai_next; ai; ai = ai->ai_next)
        count++;
    info = co__addrinfo_new(count, list->ai_canonname, &addrs);
    if (info)
        for (const struct addrinfo *ai = list; ai; ai = ai->ai_next)
            co__addr_set(addrs++, ai->ai_addr, ai->ai_addrlen, port);
    return info;
}

int co__dns_lookup_thread(const struct co__lookup *lookup, co_addrinfo **out)
{
    size_t name = strlen(lookup->host) + 1;
    struct forward *job = co__alloc_zero(sizeof(*job) + name);
    int r, result;

    if (!job)
        return -ENOMEM;
    memcpy(job->host, lookup->host, name);
    job->hints.ai_family = lookup->options->family;
    job->hints.ai_socktype = SOCK_STREAM;
    job->hints.ai_flags = AI_CANONNAME;
    r = co_offload_abandon_in(CO_LANE_DNS, run_forward, job, free_forward,
                              &result);
    if (r < 0)
        return r;
    if (result == 0) {
        *out = convert(job->list, lookup->port);
        result = *out ? 0 : -ENOMEM;
    }
    free_forward(job);
    return result;
}

/* ---- reverse ------------------------------------------------------------- */

struct reverse {
    struct sockaddr_storage addr;
    socklen_t len;
    int flags;
    char host[NI_MAXHOST];
};

static int run_reverse(void *arg)
{
    struct reverse *job = arg;

    return co__dns_error(getnameinfo((struct sockaddr *)&job->addr, job->len,
                                     job->host, sizeof(job->host), NULL, 0,
                                     job->flags | NI_NAMEREQD));
}

int co__dns_reverse_thread(const struct sockaddr *addr, socklen_t len,
                           int flags, char *host, size_t bytes)
{
    struct reverse *job = co__alloc_zero(sizeof(*job));
    int r, result;

    if (!job)
        return -ENOMEM;
    if (len > sizeof(job->addr))
        len = sizeof(job->addr);
    memcpy(&job->addr, addr, len);
    job->len = len;
    job->flags = flags;
    r = co_offload_abandon_in(CO_LANE_DNS, run_reverse, job, co__free, &result);
    if (r < 0)
        return r;
    if (result == 0) {
        size_t name = strlen(job->host) + 1;

        result = name <= bytes ? 0 : -ENOSPC;
        if (result == 0)
            memcpy(host, job->host, name);
    }
    co__free(job);
    return result;
}
