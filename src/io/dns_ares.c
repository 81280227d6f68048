/* SPDX-License-Identifier: MIT */
/*
 * Lookups by c-ares, each in the task that asks.
 *
 * A lookup has a channel of its own, which lives as long as the call: c-ares
 * can only cancel all that a channel does, and so a lookup that is given up
 * takes its queries, sockets and timers with it. It costs reading resolv.conf
 * anew, which is how a changed one is noticed, and a socket a lookup, whose
 * port is therefore hard to guess. The task itself waits for the sockets, or
 * the thread does, outside a task: there is no callback into a loop.
 *
 * The sockets are foreign to Coppice (io/fd.c), since it is c-ares that reads
 * from them.
 */
#include "io/dns.h"

#include <coppice/fd.h>
#include <coppice/select.h>

#include "base/clock.h"
#include "base/system.h"
#include "base/wait.h"
#include "io/io.h"
#include "io/sys.h"

#include <ares.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#define TIMEOUT_DEFAULT (2 * CO_SEC)
#define TRIES_DEFAULT   3

/* As many as co_select waits for without memory, with one for the time. */
#define SOCKETS_MAX 15
#define SEARCH_MAX  16

struct query {
    ares_channel channel;
    int done;
    int status; /* valid when done: of c-ares */
    int error;  /* why none of the servers has answered; or 0 */
    struct {
        int fd;
        int directions;
    } sockets[SOCKETS_MAX];
    unsigned socket_count;
    struct ares_addrinfo *found; /* forward */
    char *host;                  /* reverse: what is asked for, */
    size_t bytes;                /* and its room */
};

/* ---- sockets ------------------------------------------------------------- */

static ares_socket_t make_socket(int domain, int type, int protocol, void *arg)
{
    struct query *query = arg;
    int fd = co__sys_socket(domain, type, protocol);

    if (fd >= 0)
        return fd;
    query->error = fd;
    errno = -fd;
    return ARES_SOCKET_BAD;
}

static int close_socket(ares_socket_t fd, void *arg)
{
    (void)arg;
    return co_close(fd) < 0 ? -1 : 0;
}

static int connect_socket(ares_socket_t fd, const struct sockaddr *addr,
                          ares_socklen_t len, void *arg)
{
    (void)arg;
    return connect(fd, addr, len);
}

/* c-ares goes on to the next server, and tells in the end what the last one
 * has said, or not even that. What is worth more is kept: that a server has
 * failed or refused, and then that there was no way to reach one. */
static void note_answer(struct query *query, const unsigned char *answer,
                        ares_ssize_t len)
{
    unsigned rcode = len > 3 ? answer[3] & 15 : 0;

    if (rcode == 2 || rcode == 4 || rcode == 5)
        query->error = -EAGAIN;
}

static void note_errno(struct query *query)
{
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR &&
        !query->error)
        query->error = -ECONNREFUSED;
}

static ares_ssize_t receive(ares_socket_t fd, void *buffer, size_t len,
                            int flags, struct sockaddr *addr,
                            ares_socklen_t *addr_len, void *arg)
{
    ares_ssize_t n = recvfrom(fd, buffer, len, flags, addr, addr_len);

    if (n < 0)
        note_errno(arg);
    else
        note_answer(arg, buffer, n);
    return n;
}

static ares_ssize_t send_vector(ares_socket_t fd, const struct iovec *iov,
                                int count, void *arg)
{
    struct msghdr message = {.msg_iov = (struct iovec *)iov};
    ares_ssize_t n;

    message.msg_iovlen = (unsigned)count;
    n = sendmsg(fd, &message, MSG_NOSIGNAL);
    if (n < 0)
        note_errno(arg);
    return n;
}

static const struct ares_socket_functions socket_functions = {
    make_socket, close_socket, connect_socket, receive, send_vector,
};

/* What c-ares wants to know of a socket now; nothing any more: 0, 0. */
static void socket_state(void *arg, ares_socket_t fd, int readable,
                         int writable)
{
    struct query *query = arg;
    int directions =
        (readable ? CO_READABLE : 0) | (writable ? CO_WRITABLE : 0);
    unsigned i = 0;

    while (i < query->socket_count && query->sockets[i].fd != fd)
        i++;
    if (!directions) {
        if (i < query->socket_count)
            query->sockets[i] = query->sockets[--query->socket_count];
        return;
    }
    if (i == query->socket_count) {
        if (i == SOCKETS_MAX)
            return; /* this one's queries run into their timeout */
        query->socket_count++;
    }
    query->sockets[i].fd = fd;
    query->sockets[i].directions = directions;
}

/* ---- waiting ------------------------------------------------------------- */

static void ready(struct query *query, unsigned i, int directions)
{
    int fd = query->sockets[i].fd;

    ares_process_fd(query->channel,
                    directions & CO_READABLE ? fd : ARES_SOCKET_BAD,
                    directions & CO_WRITABLE ? fd : ARES_SOCKET_BAD);
}

static void time_out(struct query *query)
{
    ares_process_fd(query->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

/* In a task, at most for so long: 0, or an error. */
static int wait_in_task(struct query *query, co_time limit)
{
    co_case cases[SOCKETS_MAX + 1];
    unsigned count = query->socket_count;
    int i;

    for (unsigned k = 0; k < count; k++)
        cases[k] =
            CO_CASE_FD(query->sockets[k].fd, query->sockets[k].directions);
    cases[count] = CO_CASE_AFTER(limit);
    i = co_select(cases, count + 1);
    if (i < 0)
        return i;
    if ((unsigned)i == count)
        time_out(query);
    else if (cases[i].result < 0)
        return cases[i].result;
    else
        ready(query, (unsigned)i, cases[i].result);
    return 0;
}

/* The same with a thread that waits. */
static int wait_in_thread(struct query *query, co_time limit)
{
    struct pollfd fds[SOCKETS_MAX];
    unsigned count = query->socket_count;
    co_time due = co__chain_current()->due, now = co_now();
    int r = co__block_enter();

    if (r < 0)
        return r;
    for (unsigned k = 0; k < count; k++) {
        int directions = query->sockets[k].directions;

        fds[k] = (struct pollfd){.fd = query->sockets[k].fd};
        fds[k].events = (short)((directions & CO_READABLE ? POLLIN : 0) |
                                (directions & CO_WRITABLE ? POLLOUT : 0));
    }
    if (due != CO_NEVER && due - now < limit)
        limit = due - now;
    r = co__poll(fds, count, limit);
    if (r < 0)
        return r == -EINTR ? 0 : r;
    if (r == 0)
        time_out(query);
    for (unsigned k = 0; r > 0 && k < count; k++)
        if (fds[k].revents) {
            ready(query, k, query->sockets[k].directions);
            break; /* the list may be another one now */
        }
    return 0;
}

/* Until it is done, or until the caller's limits are reached: 0, or an error,
 * and nothing is under way any more. */
static int drive(struct query *query)
{
    int r = 0;

    while (!query->done && r == 0) {
        struct timeval tv, *left = ares_timeout(query->channel, NULL, &tv);
        co_time limit = left ? left->tv_sec * CO_SEC + left->tv_usec * CO_US
                             : TIMEOUT_DEFAULT;

        r = co__loop ? wait_in_task(query, limit)
                     : wait_in_thread(query, limit);
    }
    return r;
}

/* ---- a channel ----------------------------------------------------------- */

/* What c-ares says, as a negative errno. */
static int error_of(const struct query *query)
{
    switch (query->status) {
    case ARES_SUCCESS:
        return 0;
    case ARES_ENODATA:
        return -ENODATA;
    case ARES_ENOTFOUND:
    case ARES_ENONAME:
        return -ENOENT;
    case ARES_EFORMERR: /* so says the server of our query */
    case ARES_ESERVFAIL:
    case ARES_ENOTIMP:
    case ARES_EREFUSED:
        return -EAGAIN;
    case ARES_EBADRESP:
        return -EBADMSG;
    case ARES_ETIMEOUT:
        return query->error ? query->error : -ETIMEDOUT;
    case ARES_ECONNREFUSED:
        return query->error ? query->error : -ECONNREFUSED;
    case ARES_ENOMEM:
        return -ENOMEM;
    case ARES_EFILE:
        return -EIO;
    default:
        return -EINVAL; /* the name, or the options */
    }
}

/* Cut at spaces: how many there are, or -EINVAL. */
static int split(char *text, char **parts)
{
    char *rest = NULL;
    int count = 0;

    for (char *part = strtok_r(text, " \t", &rest); part;
         part = strtok_r(NULL, " \t", &rest)) {
        if (count == SEARCH_MAX)
            return -EINVAL;
        parts[count++] = part;
    }
    return count;
}

static int timeout_ms(const co_dns_options *options)
{
    co_time timeout = options->timeout ? options->timeout : TIMEOUT_DEFAULT;
    co_time ms = (timeout + CO_MS - 1) / CO_MS;

    return ms < INT_MAX ? (int)ms : INT_MAX;
}

static int open_with(struct query *query, const co_dns_options *options,
                     char *search)
{
    char *domains[SEARCH_MAX];
    struct ares_options set = {
        .timeout = timeout_ms(options),
        .tries = options->tries ? options->tries : TRIES_DEFAULT,
        .sock_state_cb = socket_state,
        .sock_state_cb_data = query,
        .domains = domains,
    };
    int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;

    if (search) {
        set.ndomains = split(search, domains);
        if (set.ndomains < 0)
            return -EINVAL;
        mask |= ARES_OPT_DOMAINS;
    }
    query->status = ares_init_options(&query->channel, &set, mask);
    if (query->status != ARES_SUCCESS)
        return error_of(query);
    if (options->servers) {
        query->status =
            ares_set_servers_ports_csv(query->channel, options->servers);
        if (query->status != ARES_SUCCESS || !*options->servers) {
            ares_destroy(query->channel);
            return query->status == ARES_ENOMEM ? -ENOMEM : -EINVAL;
        }
    }
    ares_set_socket_functions(query->channel, &socket_functions, query);
    return 0;
}

static int open_channel(struct query *query, const co_dns_options *options)
{
    char *search = NULL;
    int r;

    if (options->search) {
        search = strdup(options->search);
        if (!search)
            return -ENOMEM;
    }
    r = open_with(query, options, search);
    free(search);
    return r;
}

/* ---- forward ------------------------------------------------------------- */

static void found(void *arg, int status, int timeouts,
                  struct ares_addrinfo *result)
{
    struct query *query = arg;

    (void)timeouts;
    query->done = 1;
    query->status = status;
    query->found = result;
}

static co_addrinfo *convert(const struct ares_addrinfo *from, const char *host,
                            uint16_t port)
{
    const char *canonical = host;
    size_t count = 0;
    co_addrinfo *info;
    co_addr *addrs;

    for (const struct ares_addrinfo_cname *c = from->cnames; c; c = c->next)
        if (c->name)
            canonical = c->name;
    for (const struct ares_addrinfo_node *n = from->nodes; n; n = n->ai_next)
        count++;
    info = co__addrinfo_new(count, canonical, &addrs);
    if (info)
        for (const struct ares_addrinfo_node *n = from->nodes; n;
             n = n->ai_next)
            co__addr_set(addrs++, n->ai_addr, (size_t)n->ai_addrlen, port);
    return info;
}

int co__dns_lookup(const struct co__lookup *lookup, co_addrinfo **out)
{
    const struct ares_addrinfo_hints hints = {
        .ai_family = lookup->options->family,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = ARES_AI_CANONNAME,
    };
    struct query query = {.done = 0};
    int r = open_channel(&query, lookup->options);

    if (r < 0)
        return r;
    ares_getaddrinfo(query.channel, lookup->host, NULL, &hints, found, &query);
    r = drive(&query);
    if (r == 0)
        r = error_of(&query);
    if (r == 0 && (!query.found || !query.found->nodes))
        r = -ENODATA;
    if (r == 0) {
        *out = convert(query.found, lookup->host, lookup->port);
        r = *out ? 0 : -ENOMEM;
    }
    ares_destroy(query.channel); /* calls back if that was not done */
    if (query.found)
        ares_freeaddrinfo(query.found);
    return r;
}

/* ---- reverse ------------------------------------------------------------- */

static void named(void *arg, int status, int timeouts, char *host,
                  char *service)
{
    struct query *query = arg;

    (void)timeouts;
    (void)service;
    query->done = 1;
    query->status = status;
    if (status != ARES_SUCCESS || !host)
        return;
    if (strlen(host) < query->bytes)
        memcpy(query->host, host, strlen(host) + 1);
    else
        query->error = -ENOSPC;
}

int co__dns_reverse(const struct sockaddr *addr, socklen_t len, int flags,
                    const co_dns_options *options, char *host, size_t bytes)
{
    struct query query = {.host = host, .bytes = bytes};
    int r = open_channel(&query, options);

    (void)flags;
    if (r < 0)
        return r;
    ares_getnameinfo(query.channel, addr, len,
                     ARES_NI_LOOKUPHOST | ARES_NI_NAMEREQD, named, &query);
    r = drive(&query);
    if (r == 0)
        r = error_of(&query);
    if (r == 0 && query.error == -ENOSPC)
        r = -ENOSPC;
    ares_destroy(query.channel);
    return r == -ENODATA ? -ENOENT : r;
}
