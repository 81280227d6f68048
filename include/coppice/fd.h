/* SPDX-License-Identifier: MIT */
/*
 * coppice/fd.h - reading and writing descriptors in a way that blocks the task
 * and not the thread. All take plain int descriptors. Those that Coppice made
 * (or adopted) are non-blocking and known to the reactor; a foreign one is
 * never changed, and a read or write on it may cost a system call more.
 *
 * Common to all: outside a task the thread blocks. A descriptor used by several
 * tasks serves them first come, first served, each way. What was transferred is
 * always returned; a cancel or timeout that comes later waits for the next
 * call. SIGPIPE is not raised: -EPIPE is returned.
 *
 * Errors beside those of the call's own man page: -ECANCELED and -ETIMEDOUT
 * (scope), having transferred nothing; -EBADF (negative, not open, or closed by
 * co_close while waiting); -EPERM (it would wait in a loop callback);
 * -EINVAL (NULL buffer with a length); -ENOMEM (first use of a descriptor);
 * -ENOSPC (the system's limit of watched descriptors); -EAGAIN (it would wait,
 * but the system cannot tell when it could go on).
 */
#ifndef COPPICE_FD_H
#define COPPICE_FD_H

#include <coppice/base.h>

#include <sys/types.h>

struct iovec;

CO_BEGIN_DECLS

/* Directions for co_wait_fd. */
#define CO_READABLE 1
#define CO_WRITABLE 2

/*
 * read(2) and write(2), readv(2) and writev(2): one transfer of at least a
 * byte, waiting until one is possible.
 *
 * Suspends: if there is nothing to read, or no room. Thread-safe: yes.
 * Returns how many bytes were transferred, 0 at the end of file, or an error.
 */
CO_API CO_MUST_CHECK ssize_t co_read(int fd, void *buffer, size_t len);
CO_API CO_MUST_CHECK ssize_t co_write(int fd, const void *data, size_t len);
CO_API CO_MUST_CHECK ssize_t co_readv(int fd, const struct iovec *iov,
                                      int iov_count);
CO_API CO_MUST_CHECK ssize_t co_writev(int fd, const struct iovec *iov,
                                       int iov_count);

/*
 * Read exactly len bytes. *done (which may be NULL) is always set to how many
 * were read, on failure too.
 *
 * Suspends: until they are there. Thread-safe: yes.
 * Returns 0, or -ENODATA (the file ended before), or an error.
 */
CO_API CO_MUST_CHECK int co_read_full(int fd, void *buffer, size_t len,
                                      size_t *done);

/*
 * Write all of len bytes; *done as above.
 *
 * Suspends: until all are written. Thread-safe: yes; but the bytes of two
 * writers may mix. Returns 0, or an error.
 */
CO_API CO_MUST_CHECK int co_write_all(int fd, const void *data, size_t len,
                                      size_t *done);

/*
 * Wait until a descriptor is ready in one of the given directions; hang-up and
 * errors count as ready. It only tells: a later call may still wait, if someone
 * else was faster.
 *
 * Suspends: if it is not ready. Thread-safe: yes.
 * Returns the directions that are ready, or -EINVAL (no or unknown directions),
 * or an error. Regular files are always ready.
 */
CO_API CO_MUST_CHECK int co_wait_fd(int fd, int directions);

/*
 * Close a descriptor: tasks that wait for it get -EBADF, it leaves the reactor,
 * then it is closed. Use it for every descriptor that Coppice has seen.
 *
 * Suspends: never. Thread-safe: yes, but not for a descriptor that another
 * thread's loop looks after: -EPERM. Returns 0, or -EBADF, -EIO.
 */
CO_API int co_close(int fd);

/*
 * Put a descriptor into Coppice's care: it becomes non-blocking, is watched
 * once for its whole life, and each call on it costs one system call. Tasks
 * that wait for it go on waiting. Use co_close for it from now on.
 *
 * Suspends: never. Thread-safe: yes. Returns 0, or -EBADF, -ENOMEM, -EALREADY
 * (it is in our care), -EPERM (another thread's loop knows it).
 */
CO_API CO_MUST_CHECK int co_adopt(int fd);

/*
 * Take a descriptor out of Coppice's care, to give it to another loop or
 * library: it leaves the reactor, and stays open and non-blocking. Waiting
 * tasks get -EBADF.
 *
 * Suspends: never. Thread-safe: yes, as co_close. Returns 0, or -EBADF, -EPERM.
 */
CO_API CO_MUST_CHECK int co_fd_release(int fd);

CO_END_DECLS

#endif
