/* SPDX-License-Identifier: MIT */
/* poll/epoll.h - the Linux reactor. */
#ifndef CO_POLL_EPOLL_H
#define CO_POLL_EPOLL_H

#include "base/compiler.h"
#include "core/poller.h"

#include <sys/epoll.h>

extern const struct co__poller_ops co__poller_epoll;

/* The contract's mask of epoll's events; io_uring's are the same. */
CO_INLINE uint32_t co__epoll_mask(uint32_t events)
{
    uint32_t mask = 0;

    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLPRI | EPOLLHUP | EPOLLERR))
        mask |= CO__POLL_IN;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        mask |= CO__POLL_OUT;
    if (CO_LIKELY(!(events & ~(uint32_t)(EPOLLIN | EPOLLOUT))))
        return mask;
    if (events & EPOLLRDHUP)
        mask |= CO__POLL_RDHUP;
    if (events & EPOLLHUP)
        mask |= CO__POLL_HUP;
    if (events & EPOLLERR)
        mask |= CO__POLL_ERR;
    if (events & EPOLLPRI)
        mask |= CO__POLL_PRI;
    return mask;
}

#endif
