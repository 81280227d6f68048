/* SPDX-License-Identifier: MIT */
/* Socket addresses as text, numeric ones only. */
#include <coppice/addr.h>

#include "base/system.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

/* "0" to "65535", to the end of the text, and nothing else. */
static int parse_number(const char *text, unsigned long most,
                        unsigned long *out)
{
    unsigned long n = 0;

    if (!*text)
        return -EINVAL;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -EINVAL;
        n = n * 10 + (unsigned long)(*text - '0');
        if (n > most)
            return -EINVAL;
    }
    *out = n;
    return 0;
}

/* An interface's name, or its number. */
static int parse_zone(const char *zone, uint32_t *out)
{
    unsigned long number;

    if (!*zone)
        return -EINVAL;
    *out = if_nametoindex(zone);
    if (*out)
        return 0;
    if (parse_number(zone, UINT32_MAX, &number) < 0 || !number)
        return -ENODEV;
    *out = (uint32_t)number;
    return 0;
}

/* `host` is what stood between the brackets. */
static int parse_v6(char *host, uint16_t port, co_addr *out)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    char *zone = strchr(host, '%');
    int r;

    if (zone)
        *zone++ = '\0';
    if (inet_pton(AF_INET6, host, &in6.sin6_addr) != 1)
        return -EINVAL;
    if (zone) {
        r = parse_zone(zone, &in6.sin6_scope_id);
        if (r < 0)
            return r;
    }
    in6.sin6_port = htons(port);
    memset(out, 0, sizeof(*out));
    memcpy(&out->as.storage, &in6, sizeof(in6));
    out->len = sizeof(in6);
    return 0;
}

static int parse_v4(const char *host, uint16_t port, co_addr *out)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};

    if (inet_pton(AF_INET, host, &in.sin_addr) != 1)
        return -EINVAL;
    memset(out, 0, sizeof(*out));
    memcpy(&out->as.storage, &in, sizeof(in));
    out->len = sizeof(in);
    return 0;
}

int co_addr_tcp(const char *text, co_addr *out)
{
    char host[CO_ADDR_TEXT_MAX];
    const char *colon;
    unsigned long port;
    size_t len;

    if (!text || !out)
        return -EINVAL;
    colon = strrchr(text, ':');
    if (!colon || parse_number(colon + 1, 65535, &port) < 0)
        return -EINVAL;
    len = (size_t)(colon - text);
    if (len >= sizeof(host))
        return -EINVAL;
    memcpy(host, text, len);
    host[len] = '\0';
    if (len == 0 || strcmp(host, "*") == 0)
        return parse_v6(strcpy(host, "::"), (uint16_t)port, out);
    if (host[0] != '[')
        return parse_v4(host, (uint16_t)port, out);
    if (host[len - 1] != ']')
        return -EINVAL;
    host[len - 1] = '\0';
    return parse_v6(host + 1, (uint16_t)port, out);
}

int co_addr_unix(const char *path, co_addr *out)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t len;

    if (!path || !out || !path[0] || (path[0] == '@' && !path[1]))
        return -EINVAL;
    if (path[0] == '@' && !CO_UNIX_ABSTRACT)
        return -EAFNOSUPPORT;
    len = strlen(path);
    if (len >= sizeof(un.sun_path))
        return -ENAMETOOLONG;
    memcpy(un.sun_path, path, len);
    if (path[0] == '@')
        un.sun_path[0] = '\0'; /* the name is as long as the address says */
    else
        len++;
    memset(out, 0, sizeof(*out));
    memcpy(&out->as.storage, &un, sizeof(un));
    out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    return 0;
}

/* ---- as text ------------------------------------------------------------- */

static int put(char *text, size_t bytes, const char *s)
{
    size_t len = strlen(s);

    if (len >= bytes)
        return -ENOSPC;
    memcpy(text, s, len + 1);
    return (int)len;
}

static int format_v4(const struct sockaddr *addr, char *text, size_t bytes)
{
    struct sockaddr_in in;
    char host[INET_ADDRSTRLEN];
    char line[CO_ADDR_TEXT_MAX];

    memcpy(&in, addr, sizeof(in));
    inet_ntop(AF_INET, &in.sin_addr, host, sizeof(host));
    snprintf(line, sizeof(line), "%s:%u", host, ntohs(in.sin_port));
    return put(text, bytes, line);
}

static int format_v6(const struct sockaddr *addr, char *text, size_t bytes)
{
    struct sockaddr_in6 in6;
    char host[INET6_ADDRSTRLEN];
    char zone[1 + IF_NAMESIZE] = "";
    char line[CO_ADDR_TEXT_MAX];

    memcpy(&in6, addr, sizeof(in6));
    inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof(host));
    if (in6.sin6_scope_id) {
        zone[0] = '%';
        if (!if_indextoname(in6.sin6_scope_id, zone + 1))
            snprintf(zone + 1, sizeof(zone) - 1, "%u",
                     (unsigned)in6.sin6_scope_id);
    }
    snprintf(line, sizeof(line), "[%s%s]:%u", host, zone, ntohs(in6.sin6_port));
    return put(text, bytes, line);
}

/* A name of the abstract namespace may hold any byte; NULs become '@' too. A
 * path ends at its NUL, and so does what has none on systems without. */
static int format_unix(const struct sockaddr *addr, size_t len, char *text,
                       size_t bytes)
{
    char line[CO_ADDR_TEXT_MAX] = "";
    struct sockaddr_un un;
    size_t name = len - offsetof(struct sockaddr_un, sun_path);

    memcpy(&un, addr, len);
    if (name && (un.sun_path[0] || !CO_UNIX_ABSTRACT))
        name = strnlen(un.sun_path, name);
    for (size_t i = 0; i < name; i++)
        line[i] = un.sun_path[i];
    for (size_t i = 0; i < name; i++)
        if (!line[i])
            line[i] = '@';
    return put(text, bytes, line);
}

int co_addr_format(const struct sockaddr *addr, socklen_t len, char *text,
                   size_t text_bytes)
{
    if (!addr || !text || len < CO_SOCKADDR_LEAST)
        return -EINVAL;
    switch (addr->sa_family) {
    case AF_INET:
        if (len < sizeof(struct sockaddr_in))
            return -EINVAL;
        return format_v4(addr, text, text_bytes);
    case AF_INET6:
        if (len < sizeof(struct sockaddr_in6))
            return -EINVAL;
        return format_v6(addr, text, text_bytes);
    case AF_UNIX:
        if (len < offsetof(struct sockaddr_un, sun_path) ||
            len > sizeof(struct sockaddr_un))
            return -EINVAL;
        return format_unix(addr, len, text, text_bytes);
    default:
        return -EAFNOSUPPORT;
    }
}
