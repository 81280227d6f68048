/* SPDX-License-Identifier: MIT */
/* file_support.h - what the tests of files share: a folder of their own, and
 * what is open in it. */
#ifndef CO_TESTS_IO_FILE_SUPPORT_H
#define CO_TESTS_IO_FILE_SUPPORT_H

#include <coppice/fd.h>
#include <coppice/file.h>

#include "core/loop.h"
#include "support/check_main.h"
#include "support/tasks.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static char folder[64];

static inline void folder_make(void)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(folder, sizeof(folder), "%.40s/co-file-XXXXXX",
             tmp ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static inline void folder_remove(void)
{
    DIR *dir = opendir(folder);

    ck_assert_ptr_nonnull(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.')
            ck_assert_int_eq(unlinkat(dirfd(dir), entry->d_name, 0), 0);
    closedir(dir);
    ck_assert_int_eq(rmdir(folder), 0);
}

/* The path of a name in the folder; the next calls but seven overwrite it. */
static inline const char *in_folder(const char *name)
{
    static char paths[256][160]; /* calls under way have them */
    static unsigned next;
    char *path = paths[next++ % 256];

    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

/* A new file for reading and writing, with the byte at n being pattern(n). */
static inline char pattern(off_t n)
{
    return (char)(n * 7 + n / 251);
}

static inline int file_of(const char *name, size_t len)
{
    int fd =
        open(in_folder(name), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    char *data = malloc(len + 1);

    ck_assert_int_ge(fd, 0);
    ck_assert_ptr_nonnull(data);
    for (size_t i = 0; i < len; i++)
        data[i] = pattern((off_t)i);
    ck_assert_int_eq(pwrite(fd, data, len, 0), (ssize_t)len);
    free(data);
    return fd;
}

/* Check writes a line for each assertion: one has to do. */
static inline void assert_pattern(const char *data, size_t len, off_t offset)
{
    size_t right = 0;

    while (right < len && data[right] == pattern(offset + (off_t)right))
        right++;
    ck_assert_uint_eq(right, len);
}

static inline void assert_filled(const char *data, size_t len, char with)
{
    size_t right = 0;

    while (right < len && data[right] == with)
        right++;
    ck_assert_uint_eq(right, len);
}

/* Whether the running loop hands files to the kernel, and not to threads. */
static inline int files_are_native(void)
{
    return strcmp(co__loop->poller_ops->name, "io_uring") == 0;
}

#endif
