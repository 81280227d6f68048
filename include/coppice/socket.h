/* SPDX-License-Identifier: MIT */
/*
 * coppice/socket.h - sockets that block the task and not the thread. What fd.h
 * says of all calls holds here too.
 */
#ifndef COPPICE_SOCKET_H
#define COPPICE_SOCKET_H

#include <coppice/base.h>

#include <sys/socket.h>
#include <sys/types.h>

CO_BEGIN_DECLS

/*
 * socket(2); the descriptor is ours: non-blocking, close-on-exec.
 *
 * Suspends: never. Thread-safe: yes.
 * Returns the descriptor, or the error of socket(2), -ENOMEM.
 */
CO_API CO_MUST_CHECK int co_socket(int domain, int type, int protocol);

/*
 * accept(2): wait for a connection. The new descriptor is ours. Errors of a
 * single connection (-ECONNABORTED and those listed in accept(2)) and lack of
 * descriptors or memory (-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM) are returned, and
 * the listener goes on: wait a little and call again.
 *
 * On io_uring connections to a listener of ours are accepted ahead of the
 * calls, see docs/guide/reactors.md; those that nobody has asked for are closed
 * when the listener is closed or released, or the loop freed.
 *
 * Suspends: if nobody has connected. Thread-safe: yes.
 * Returns the descriptor, or an error. addr and addr_len may be NULL.
 */
CO_API CO_MUST_CHECK int co_accept(int fd, struct sockaddr *addr,
                                   socklen_t *addr_len);

/*
 * connect(2), to the end: success means connected. After a cancel or timeout
 * the attempt may still be under way: close the socket.
 *
 * Suspends: while connecting. Thread-safe: yes. Returns 0, or an error.
 */
CO_API CO_MUST_CHECK int co_connect(int fd, const struct sockaddr *addr,
                                    socklen_t addr_len);

/*
 * recv(2), send(2) and kin. MSG_DONTWAIT in flags: never waits, -EAGAIN
 * instead. MSG_WAITALL is refused with -EINVAL: use co_read_full.
 *
 * Suspends: if there is nothing to receive, or no room. Thread-safe: yes.
 * Returns how many bytes were transferred (0: end of stream, or an empty
 * datagram), or an error.
 */
CO_API CO_MUST_CHECK ssize_t co_recv(int fd, void *buffer, size_t len,
                                     int flags);
CO_API CO_MUST_CHECK ssize_t co_send(int fd, const void *data, size_t len,
                                     int flags);
CO_API CO_MUST_CHECK ssize_t co_recvfrom(int fd, void *buffer, size_t len,
                                         int flags, struct sockaddr *addr,
                                         socklen_t *addr_len);
CO_API CO_MUST_CHECK ssize_t co_sendto(int fd, const void *data, size_t len,
                                       int flags, const struct sockaddr *addr,
                                       socklen_t addr_len);
CO_API CO_MUST_CHECK ssize_t co_recvmsg(int fd, struct msghdr *message,
                                        int flags);
CO_API CO_MUST_CHECK ssize_t co_sendmsg(int fd, const struct msghdr *message,
                                        int flags);

/*
 * Connect to a numeric address as co_addr_tcp reads it (addr.h), with
 * TCP_NODELAY set.
 *
 * Suspends: while connecting. Thread-safe: yes.
 * Returns the descriptor, or -EINVAL, -ENODEV, or the error of socket(2) or
 * connect(2); nothing is left open.
 */
CO_API CO_MUST_CHECK int co_tcp_dial(const char *address);

/*
 * Listen on a numeric address, with SO_REUSEADDR, and TCP_NODELAY for what is
 * accepted; port 0 picks one (getsockname(2) tells). backlog 0: SOMAXCONN.
 *
 * Suspends: never. Thread-safe: yes.
 * Returns the descriptor, or -EINVAL (also a negative backlog), -ENODEV, or the
 * error of socket(2), bind(2) or listen(2).
 */
CO_API CO_MUST_CHECK int co_tcp_listen(const char *address, int backlog);

/*
 * The same for stream sockets of unix(7), addressed as co_addr_unix reads it.
 * A full backlog makes the dialler wait. A path must not exist when it is
 * listened on, and stays when the listener is closed: unlink(2) it.
 */
CO_API CO_MUST_CHECK int co_unix_dial(const char *path);
CO_API CO_MUST_CHECK int co_unix_listen(const char *path, int backlog);

CO_END_DECLS

#endif
