/* SPDX-License-Identifier: MIT */
/*
 * coppice/file.h - files, without blocking the thread while a disk works. Of a
 * disk no reactor can say "ready", so what is done to a file is handed over as
 * a whole: to a thread of the process's pool (CO_LANE_DEFAULT), or to the
 * kernel where the loop runs on io_uring. Descriptors are plain ints; no call
 * uses or moves a file position, so any number of tasks may use one descriptor
 * at once.
 *
 * Common to all: the task waits and other tasks run; outside a task the thread
 * blocks. Buffers, vectors and paths are the caller's, and are not touched any
 * more once the call has returned: an operation that has not begun when the
 * task is cancelled, or its time runs out, is taken back; one that has begun,
 * and cannot be undone, is waited for, and its result is returned. Signals
 * interrupt none.
 *
 * Errors beside those of the call's own man page: -ECANCELED and -ETIMEDOUT
 * (scope), having done nothing; -EPERM (in a loop callback); -EBADF (negative,
 * not open, or not open for this); -EINVAL (NULL, a negative offset or length);
 * -EAGAIN or -ENOMEM (no thread can be started, and none is there).
 */
#ifndef COPPICE_FILE_H
#define COPPICE_FILE_H

#include <coppice/base.h>

#include <sys/types.h>

struct iovec;
struct stat;

CO_BEGIN_DECLS

/*
 * open(2), flags and mode being that call's. The descriptor is the caller's,
 * and is closed in programs that are started (O_CLOEXEC); Coppice does not look
 * after it. Opening a FIFO waits for its other end, and holds a thread of the
 * pool meanwhile, unless flags has O_NONBLOCK.
 *
 * Suspends: always. Thread-safe: yes.
 * Returns the descriptor, or -ENOENT, -EACCES, -EEXIST, -EISDIR, -ENOTDIR,
 * -ELOOP, -ENAMETOOLONG, -EMFILE, -ENFILE, -EROFS, ... or an error of all.
 */
CO_API CO_MUST_CHECK int co_file_open(const char *path, int flags, mode_t mode);

/*
 * Close any descriptor, as co_close does; but other tasks run while what is
 * left is written, or a deleted file is freed. It is closed whatever this
 * returns but -EBADF and -EPERM, by a cancelled task too.
 *
 * Suspends: always, but not in a loop callback, and neither a cancel nor a
 * timeout ends it. Thread-safe: as co_close.
 * Returns 0, or -EBADF, -EPERM (another thread's loop looks after it), or why
 * what was written may be lost: -EIO, -ENOSPC, -EDQUOT.
 */
CO_API int co_file_close(int fd);

/*
 * pread(2) and pwrite(2), preadv(2) and pwritev(2): one transfer at an offset
 * in bytes. A read is short at the end of the file, and returns 0 beyond it. A
 * write beyond the end leaves a hole; it may be short where the disk is full or
 * a limit is reached. If the descriptor was opened with O_APPEND, writes go to
 * the end of the file, whatever the offset.
 *
 * Suspends: always. Thread-safe: yes.
 * Returns how many bytes were transferred, or -ESPIPE (a pipe, a socket, a
 * terminal), -EISDIR, -EIO, -EFBIG, -ENOSPC, -EDQUOT, or an error of all;
 * vectors also -EINVAL (a count out of 0 to IOV_MAX, a sum beyond SSIZE_MAX).
 */
CO_API CO_MUST_CHECK ssize_t co_file_read_at(int fd, void *buffer, size_t len,
                                             off_t offset);
CO_API CO_MUST_CHECK ssize_t co_file_write_at(int fd, const void *data,
                                              size_t len, off_t offset);
CO_API CO_MUST_CHECK ssize_t co_file_readv_at(int fd, const struct iovec *iov,
                                              int iov_count, off_t offset);
CO_API CO_MUST_CHECK ssize_t co_file_writev_at(int fd, const struct iovec *iov,
                                               int iov_count, off_t offset);

/* What co_file_sync waits for. */
#define CO_FILE_SYNC_ALL 0
/* Not for times and the like: only for what is needed to read the data. */
#define CO_FILE_SYNC_DATA 1

/*
 * Wait until what was written has reached the disk: fsync(2), or fdatasync(2)
 * with CO_FILE_SYNC_DATA. Other writes of the descriptor's file that are under
 * way may or may not be covered.
 *
 * Suspends: always. Thread-safe: yes.
 * Returns 0, or -EIO, -ENOSPC, -EDQUOT, -EROFS, -EINVAL (not a file or
 * directory, an unknown `what`), or an error of all.
 */
CO_API CO_MUST_CHECK int co_file_sync(int fd, int what);

/*
 * fstat(2) of any descriptor, into *out.
 *
 * Suspends: always. Thread-safe: yes.
 * Returns 0, or -EOVERFLOW, -EIO, or an error of all.
 */
CO_API CO_MUST_CHECK int co_file_stat(int fd, struct stat *out);

/*
 * ftruncate(2): make a file so many bytes long. What is beyond is lost; what it
 * grows by reads as zeros.
 *
 * Suspends: always. Thread-safe: yes.
 * Returns 0, or -EFBIG, -EIO, -EPERM (sealed), -EINVAL (not a regular file, not
 * open for writing), or an error of all.
 */
CO_API CO_MUST_CHECK int co_file_truncate(int fd, off_t length);

CO_END_DECLS

#endif
