/* SPDX-License-Identifier: MIT */
/*
 * coppice/addr.h - socket addresses as text. Numeric only, so nothing is looked
 * up and nothing waits.
 */
#ifndef COPPICE_ADDR_H
#define COPPICE_ADDR_H

#include <coppice/base.h>

#include <sys/socket.h>

CO_BEGIN_DECLS

/* Long enough for every address that co_addr_format writes, with its NUL. */
#define CO_ADDR_TEXT_MAX 128

typedef struct co_addr {
    socklen_t len; /* bytes of `any` that are valid */
    union {
        struct sockaddr any;
        struct sockaddr_storage storage;
    } as;
} co_addr;

/*
 * Parse "127.0.0.1:80", "[::1]:80", "[fe80::1%eth0]:80", ":80" or "*:80" (any
 * address, IPv6 with IPv4). The port is decimal, 0 to 65535. RFC 4291, RFC
 * 6874 for the zone.
 *
 * Suspends: never. Thread-safe: yes.
 * Returns 0, or -EINVAL (NULL, or not of this form), -ENODEV (no such zone).
 */
CO_API CO_MUST_CHECK int co_addr_tcp(const char *text, co_addr *out);

/*
 * A unix(7) address: a path, or, with a leading '@', a name in the abstract
 * namespace (Linux).
 *
 * Suspends: never. Thread-safe: yes.
 * Returns 0, or -EINVAL (NULL or empty), -ENAMETOOLONG, -EAFNOSUPPORT (no such
 * namespace here).
 */
CO_API CO_MUST_CHECK int co_addr_unix(const char *path, co_addr *out);

/*
 * Write an address as text, in the form that the functions above read.
 *
 * Suspends: never. Thread-safe: yes.
 * Returns the length without the NUL, or -EINVAL (NULL), -EAFNOSUPPORT,
 * -ENOSPC (text_bytes is too small; CO_ADDR_TEXT_MAX never is).
 */
CO_API int co_addr_format(const struct sockaddr *addr, socklen_t len,
                          char *text, size_t text_bytes);

CO_END_DECLS

#endif
