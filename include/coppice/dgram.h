/* SPDX-License-Identifier: MIT */
/*
 * coppice/dgram.h - datagrams: UDP over IPv4 and IPv6, multicast, Unix
 * datagrams, and several of them with one system call. The sockets are plain
 * descriptors of ours: co_send, co_recv, co_sendto and co_recvfrom (socket.h)
 * serve for single ones, and co_close ends them.
 */
#ifndef COPPICE_DGRAM_H
#define COPPICE_DGRAM_H

#include <coppice/addr.h>
#include <coppice/base.h>

CO_BEGIN_DECLS

typedef struct co_udp_options {
    size_t size;    /* sizeof(co_udp_options) */
    int reuse_port; /* SO_REUSEPORT: others may bind to the same, by this too */
    int reuse_addr; /* SO_REUSEADDR: so that several can take the multicast */
    int broadcast;  /* it may send to broadcast addresses */
    int v6_only;    /* of an IPv6 address: not IPv4 too */
} co_udp_options;

/*
 * A UDP socket bound to a numeric address as co_addr_tcp reads it (addr.h);
 * port 0 picks one. "*:port" takes both families: IPv4 peers have addresses
 * like ::ffff:192.0.2.1. Options may be NULL.
 *
 * Suspends: never. Thread-safe: yes.
 * Returns the descriptor, or -EINVAL, -ENODEV (no such zone), or the error of
 * socket(2), setsockopt(2) or bind(2).
 */
CO_API CO_MUST_CHECK int co_udp_bind(const char *address,
                                     const co_udp_options *options);

/*
 * A UDP socket that is connected to a numeric address: it sends there, and
 * receives from there alone. -ECONNREFUSED of a later call says that nobody is
 * there. (co_dial_fd knows names too.)
 *
 * Suspends: never. Thread-safe: yes. Returns the descriptor, or an error as
 * above.
 */
CO_API CO_MUST_CHECK int co_udp_dial(const char *address);

/*
 * A Unix datagram socket, bound to a path or name as co_addr_unix reads it
 * (NULL: it gets no answers); and one that is connected to `path`. The file of
 * one that is bound stays when it is closed: unlink(2) it.
 *
 * Suspends: never; (dial) while connecting. Thread-safe: yes.
 * Returns the descriptor, or -EINVAL, -ENAMETOOLONG, -EAFNOSUPPORT (no such
 * names here), or the error of socket(2), bind(2) or connect(2).
 */
CO_API CO_MUST_CHECK int co_unix_dgram_bind(const char *path);
CO_API CO_MUST_CHECK int co_unix_dgram_dial(const char *path,
                                            const char *local);

/*
 * Take part in a multicast group, "224.0.0.251" or "ff02::fb", at an interface:
 * its name, or its number as text; NULL: the system's choice. And no more.
 * RFC 3678.
 *
 * Suspends: never. Thread-safe: yes.
 * Returns 0, or -EINVAL (no such group), -ENODEV (no such interface), or the
 * error of setsockopt(2): -EADDRINUSE (it does), -EADDRNOTAVAIL (it does not).
 */
CO_API CO_MUST_CHECK int co_udp_join(int fd, const char *group,
                                     const char *interface);
CO_API int co_udp_leave(int fd, const char *group, const char *interface);

/*
 * How multicast is sent: from which interface (NULL: as it was), over how many
 * routers (hops, 0 to 255; -1: as it was), whether members on this machine get
 * it too (loopback, 0 or 1; -1: as it was).
 *
 * Suspends: never. Thread-safe: yes.
 * Returns 0, or -EINVAL, -ENODEV, or the error of setsockopt(2).
 */
CO_API CO_MUST_CHECK int co_udp_multicast(int fd, const char *interface,
                                          int hops, int loopback);

#define CO_DGRAM_BATCH 64 /* of one call, at most */

typedef struct co_dgram {
    void *data;    /* the caller's */
    size_t room;   /* bytes at data, to receive */
    size_t len;    /* bytes of the datagram that are, or are to be, there */
    co_addr addr;  /* who has sent it; or to whom, len 0: who is connected */
    int truncated; /* received: it was longer than room */
} co_dgram;

/*
 * Receive what is there, several at once, one at least. Send several, in order,
 * one at least: what is left was not sent, and the next call tells why if there
 * is a reason. One system call where there are recvmmsg(2) and sendmmsg(2).
 *
 * Suspends: if there is nothing to receive, or no room. Thread-safe: yes.
 * Returns how many, at most CO_DGRAM_BATCH, 0 for count 0; or -EINVAL (NULL),
 * or an error of recvmsg(2) or sendmsg(2), or of fd.h.
 */
CO_API CO_MUST_CHECK int co_dgram_recv_many(int fd, co_dgram *list,
                                            size_t count);
CO_API CO_MUST_CHECK int co_dgram_send_many(int fd, const co_dgram *list,
                                            size_t count);

CO_END_DECLS

#endif
