/* SPDX-License-Identifier: MIT */
/* io/net.h - what calls that dial and listen are made of. */
#ifndef CO_IO_NET_H
#define CO_IO_NET_H

#include <coppice/addr.h>

struct co__net_listener {
    int backlog; /* 0: SOMAXCONN */
    int reuse_port;
    int v6_only; /* of an IPv6 address: not IPv4 too */
};

/* What a new socket is given before it is connected: 0, or an error. */
int co__net_prepare(int fd, int family, int type, const co_addr *local);

/* A connected socket, ours, or an error. `local` may be NULL. */
int co__net_dial(const co_addr *addr, int type, const co_addr *local);

/* A bound socket that listens, ours, or an error; *bound says whether bind(2)
 * has succeeded. */
int co__net_listen(const co_addr *addr, const struct co__net_listener *how,
                   int *bound);

/* "Any address", of IPv4 alone: for kernels without IPv6. Returns whether the
 * address was "any", which is all that can be said in IPv4 too. */
int co__net_any_ipv4(co_addr *addr);

#endif
