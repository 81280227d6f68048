/* SPDX-License-Identifier: MIT */
/*
 * coppice/paths.h - files and folders by name, without blocking the thread
 * while a disk works: each call is one job of the process's pool of threads
 * (CO_LANE_DEFAULT). What file.h says of its calls holds for these: a job that
 * has not begun when the task is cancelled, or its time runs out, is taken
 * back; one that has begun is waited for, and its result is returned.
 *
 * Errors beside those of the calls' own man pages: -ECANCELED and -ETIMEDOUT
 * (scope), having done nothing; -EPERM (in a loop callback); -EINVAL (NULL);
 * -EAGAIN or -ENOMEM (no thread can be started, and none is there).
 */
#ifndef COPPICE_PATHS_H
#define COPPICE_PATHS_H

#include <coppice/base.h>

#include <sys/types.h>

CO_BEGIN_DECLS

/*
 * Read a whole file, of at most max bytes. *data is the caller's, with a NUL
 * behind its *len bytes: free it with co_file_free.
 *
 * Suspends: always. Thread-safe: yes.
 * Returns 0, or -EFBIG (it is larger), -ENOMEM, or an error of open(2) or
 * read(2).
 */
CO_API CO_MUST_CHECK int co_file_read_whole(const char *path, size_t max,
                                            void **data, size_t *len);
CO_API void co_file_free(void *data);

/*
 * Make a file hold just these bytes, or leave it as it was: they are written to
 * a new file beside it, synced, which then takes its name. Who reads sees the
 * old or the new, after a crash too. mode is that of open(2), of the new file;
 * 0: that of the old one, or 0666. A symbolic link is replaced, not followed.
 *
 * Suspends: always. Thread-safe: yes.
 * Returns 0, or an error of open(2), write(2), fsync(2) or rename(2).
 */
CO_API CO_MUST_CHECK int co_file_write_whole(const char *path, const void *data,
                                             size_t len, mode_t mode);

/*
 * rename(2), unlink(2), mkdir(2), rmdir(2).
 *
 * Suspends: always. Thread-safe: yes. Returns 0, or an error of that call.
 */
CO_API CO_MUST_CHECK int co_file_rename(const char *from, const char *to);
CO_API CO_MUST_CHECK int co_file_unlink(const char *path);
CO_API CO_MUST_CHECK int co_file_mkdir(const char *path, mode_t mode);
CO_API CO_MUST_CHECK int co_file_rmdir(const char *path);

/* What is in a folder. */
typedef struct co_file_entry {
    const char *name;
    mode_t type; /* S_IFREG, S_IFDIR, S_IFLNK, ...; 0: the file system does not
                  * say */
} co_file_entry;

typedef struct co_file_list {
    size_t count;
    const co_file_entry *entries; /* in no order, without "." and ".." */
} co_file_list;

/*
 * Read a folder, readdir(3). *out is the caller's: free it with
 * co_file_list_free.
 *
 * Suspends: always. Thread-safe: yes.
 * Returns 0, or -ENOENT, -ENOTDIR, -EACCES, -ENOMEM or another error of
 * opendir(3), readdir(3).
 */
CO_API CO_MUST_CHECK int co_file_list_folder(const char *path,
                                             co_file_list **out);
CO_API void co_file_list_free(co_file_list *list);

CO_END_DECLS

#endif
