/* SPDX-License-Identifier: MIT */
/*
 * Dialling by URL: what it says, which addresses that is, and a descriptor.
 * Several addresses of TCP race (race.c). A scheme that is not ours is TCP, and
 * then whatever it makes of the stream (scheme.c): so the core need not know
 * TLS.
 */
#include <coppice/dial.h>

#include <coppice/fd.h>

#include "base/system.h"
#include "io/io.h"
#include "io/net.h"
#include "io/race.h"
#include "io/scheme.h"

#include <errno.h>
#include <string.h>

#define DELAY_DEFAULT (250 * CO_MS)

/* A name of 254 bytes, or an address with a zone; and the name of a service. */
#define HOST_BYTES 256
#define PORT_BYTES 64

struct target {
    int type; /* SOCK_... */
    int is_unix;
    const char *path;             /* in the URL */
    const co_dial_scheme *scheme; /* what makes the stream; NULL: we do */
    char host[HOST_BYTES];
    char port[PORT_BYTES];
};

/* ---- URLs ---------------------------------------------------------------- */

static int copy(char *to, size_t bytes, const char *from, size_t len)
{
    if (!len || len >= bytes)
        return -EINVAL;
    memcpy(to, from, len);
    to[len] = '\0';
    return 0;
}

/* "host:port", "[address]:port", and nothing behind. */
static int parse_authority(const char *text, struct target *target)
{
    const char *end = text + strcspn(text, ":"), *host = text;

    if (*text == '[') {
        host = text + 1;
        end = strchr(host, ']');
        if (!end || end[1] != ':' || !memchr(host, ':', (size_t)(end - host)))
            return -EINVAL;
    } else if (*end != ':') {
        return -EINVAL;
    }
    if (copy(target->host, sizeof(target->host), host, (size_t)(end - host)) <
        0)
        return -EINVAL;
    text = end + (*end == ']') + 1;
    if (strpbrk(target->host, "/?#@ ") || strpbrk(text, ":/?#@[] ") ||
        strcmp(text, "0") == 0)
        return -EINVAL;
    return copy(target->port, sizeof(target->port), text, strlen(text));
}

static int parse(const char *url, const co_dial_scheme *also,
                 struct target *target)
{
    const char *end = strstr(url, "://");

    target->type = SOCK_STREAM;
    target->is_unix = 0;
    target->scheme = NULL;
    if (strncmp(url, "unix:", 5) == 0) {
        target->is_unix = 1;
        target->path = url + 5;
        return 0;
    }
    if (strncmp(url, "tcp://", 6) == 0)
        return parse_authority(url + 6, target);
    if (strncmp(url, "udp://", 6) == 0) {
        target->type = SOCK_DGRAM;
        return parse_authority(url + 6, target);
    }
    if (!end)
        return -EINVAL;
    target->scheme = co__scheme_find(url, (size_t)(end - url), also);
    return target->scheme ? parse_authority(end + 3, target) : -EPROTONOSUPPORT;
}

/* ---- addresses ----------------------------------------------------------- */

/* One after the other. */
static int try_each(const co_addr *addrs, size_t count, int type,
                    const struct co__race *race)
{
    int first = -ENODATA;

    for (size_t i = 0; i < count; i++) {
        int fd = co__net_dial(&addrs[i], type, race->local);

        co__race_note(race, i, &addrs[i], fd < 0 ? fd : 0);
        if (fd >= 0 || co__io_enter() < 0)
            return fd;
        if (i == 0)
            first = fd;
    }
    return first;
}

static int dial_unix(const char *path, const struct co__race *race)
{
    co_addr addr;
    int r = co_addr_unix(path, &addr);

    return r < 0 ? r : try_each(&addr, 1, SOCK_STREAM, race);
}

static int dial_host(const struct target *target,
                     const co_dial_options *options,
                     const struct co__race *race)
{
    co_dns_options dns = {.size = sizeof(dns)};
    co_addrinfo *info;
    int r;

    if (options->dns)
        dns = *options->dns;
    dns.family = options->family;
    r = co_getaddrinfo(target->host, target->port, &dns, &info);
    if (r < 0)
        return r;
    if (target->type == SOCK_STREAM && info->count > 1 && co__loop)
        r = co__race_run(race, info->addrs, info->count);
    else
        r = try_each(info->addrs, info->count, target->type, race);
    co_addrinfo_free(info);
    return r;
}

/* ---- the calls ----------------------------------------------------------- */

static int check(const co_dial_options *options)
{
    if (options->size != sizeof(*options) || options->delay < 0 ||
        (options->dns && options->dns->size != sizeof(*options->dns)) ||
        (options->family != AF_UNSPEC && options->family != AF_INET &&
         options->family != AF_INET6))
        return -EINVAL;
    return options->scheme ? co__scheme_check(options->scheme) : 0;
}

/* What the URL says, if that can be had: a stream, or a descriptor. */
static int prepare(const char *url, const co_dial_options *options, int streams,
                   struct target *target)
{
    int r = url ? check(options) : -EINVAL;

    if (r == 0)
        r = parse(url, options->scheme, target);
    if (r == 0 &&
        (streams ? target->type != SOCK_STREAM : target->scheme != NULL))
        r = -EPROTONOSUPPORT;
    return r < 0 ? r : co__io_enter();
}

/* A descriptor that is connected, or an error. */
static int dial(const struct target *target, const co_dial_options *options)
{
    struct co__race race;

    race.delay = options->delay ? options->delay : DELAY_DEFAULT;
    race.local = options->local;
    race.attempts = options->attempts;
    if (race.attempts)
        race.attempts->count = 0;
    return target->is_unix ? dial_unix(target->path, &race)
                           : dial_host(target, options, &race);
}

static const co_dial_options defaults = {.size = sizeof(defaults)};

int co_dial_fd(const char *url, const co_dial_options *options)
{
    struct target target = {0};
    int r;

    options = options ? options : &defaults;
    r = options->stream ? -EINVAL : prepare(url, options, 0, &target);
    return r < 0 ? r : dial(&target, options);
}

/* The stream that a scheme makes, or NULL with errno and nothing left open. */
static co_stream *wrap(co_stream *plain, const struct target *target,
                       const co_stream_options *how)
{
    const co_dial_scheme *scheme = target->scheme;
    co_stream *stream = scheme->wrap(plain, target->host, how, scheme->arg);
    int error = errno;

    if (!stream)
        (void)co_stream_close(plain);
    errno = error;
    return stream;
}

int co_dial(const char *url, const co_dial_options *options, co_stream **out)
{
    const co_stream_options *how = options ? options->stream : NULL;
    struct target target = {0};
    co_stream *stream;
    int fd, r;

    options = options ? options : &defaults;
    if (!out || (how && how->size != sizeof(*how)))
        return -EINVAL;
    r = prepare(url, options, 1, &target);
    if (r < 0)
        return r;
    fd = dial(&target, options);
    if (fd < 0)
        return fd;
    stream = co_stream_new(fd, target.scheme ? NULL : how);
    if (!stream) {
        r = -errno;
        co_close(fd);
        return r;
    }
    if (target.scheme)
        stream = wrap(stream, &target, how);
    if (!stream)
        return -errno;
    *out = stream;
    return 0;
}
