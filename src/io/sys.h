/* SPDX-License-Identifier: MIT */
/*
 * io/sys.h - system calls that not every system has under the same name. One
 * file a system implements them, or two: what systems have in common is not
 * written twice. All return negative errno; none is restarted.
 */
#ifndef CO_IO_SYS_H
#define CO_IO_SYS_H

#include <coppice/base.h>

#include <sys/socket.h>
#include <sys/types.h>

struct co__here;
struct iovec;
struct stat;

/* socket and accept, the result non-blocking and close-on-exec. */
int co__sys_socket(int domain, int type, int protocol);
int co__sys_accept(int fd, struct sockaddr *addr, socklen_t *addr_len);

/* pipe, both ends close-on-exec and blocking: 0, or an error. */
int co__sys_pipe(int fds[2]);

/*
 * readv and writev that do not wait even if the descriptor blocks: -EAGAIN
 * instead; -EOPNOTSUPP if this cannot be had for this descriptor or system.
 */
ssize_t co__sys_readv_now(int fd, const struct iovec *iov, int count);
ssize_t co__sys_writev_now(int fd, const struct iovec *iov, int count);

/*
 * A second, non-blocking, write-only way to the terminal behind a descriptor,
 * to be closed after use; -ENOTTY if it is none, or cannot be had this way.
 */
int co__sys_reopen_tty(int fd);

/* fsync; data_only: fdatasync, where that is something else. */
int co__sys_fsync(int fd, int data_only);

/* fstat by the running loop's backend, see core/command.h; -EOPNOTSUPP if it
 * has no such command. */
int co__sys_fstat_command(const struct co__here *here, int fd,
                          struct stat *out);

/* The protocol of a stream socket, or -1: not known. */
int co__sys_protocol(int fd);

/* A descriptor is ours from now on: where the system can be told, writing to it
 * never raises SIGPIPE again. */
void co__sys_quieten(int fd);

/*
 * writev that raises no SIGPIPE, on a thread that blocks that signal or does
 * not. What was pending before stays.
 */
ssize_t co__sys_writev_quiet(
    int fd, const struct iovec *iov, int count, int blocked,
    ssize_t (*write_fn)(int fd, const struct iovec *iov, int count));

#endif
