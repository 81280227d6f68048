/* SPDX-License-Identifier: MIT */
/*
 * Files and folders by name. Each call is one job of the pool, with all of its
 * system calls: a file that is read whole costs one trip to a thread, not one
 * for each of open, read and close.
 *
 * No backend is asked: io_uring has commands for some of these calls, but each
 * would be a trip of its own to the kernel's own threads.
 */
#include <coppice/paths.h>
#include <coppice/threadpool.h>

#include "base/alloc.h"
#include "offload/offload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct job {
    const char *path;
    const char *other; /* rename */
    mode_t mode;
    void *data; /* read: allocated */
    size_t len;
    size_t max;
    co_file_list *list;
};

static int in_pool(co_offload_fn fn, struct job *job)
{
    return co__offload_in(CO_LANE_DEFAULT, fn, job, CO__WAIT_FILE);
}

static int result_of(int r)
{
    return r < 0 ? -errno : 0;
}

/* ---- reading ------------------------------------------------------------- */

#define READ_FIRST ((size_t)16 * 1024)

/* Room for more, and a NUL: 0, or an error. */
static int grow(char **data, size_t *room, size_t max)
{
    size_t wanted = *room ? *room * 2 : READ_FIRST;
    char *more;

    /* A byte more than may be shows that the file is larger. */
    if (max < SIZE_MAX - 2 && wanted > max + 1)
        wanted = max + 1;
    more = co__realloc(*data, wanted + 1);
    if (!more)
        return -ENOMEM;
    *data = more;
    *room = wanted;
    return 0;
}

static int read_fd(int fd, struct job *job)
{
    char *data = NULL;
    size_t len = 0, room = 0;
    struct stat st;
    int r = 0;

    /* The size is a hint: of files in /proc it is 0, and files grow. */
    if (fstat(fd, &st) == 0 && st.st_size > 0 &&
        (uintmax_t)st.st_size < job->max) {
        room = (size_t)st.st_size + 1;
        data = co__alloc(room + 1);
        if (!data)
            return -ENOMEM;
    }
    for (;;) {
        ssize_t n;

        if (len == room)
            r = grow(&data, &room, job->max);
        if (r < 0)
            break;
        n = read(fd, data + len, room - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            r = n < 0 ? -errno : 0;
            break;
        }
        len += (size_t)n;
        if (len > job->max) {
            r = -EFBIG;
            break;
        }
    }
    if (r < 0) {
        co__free(data);
        return r;
    }
    data[len] = '\0';
    job->data = data;
    job->len = len;
    return 0;
}

static int do_read(void *arg)
{
    struct job *job = arg;
    int fd = open(job->path, O_RDONLY | O_CLOEXEC);
    int r;

    if (fd < 0)
        return -errno;
    r = read_fd(fd, job);
    close(fd);
    return r;
}

int co_file_read_whole(const char *path, size_t max, void **data, size_t *len)
{
    struct job job = {.path = path, .max = max};
    int r = path && data && len ? in_pool(do_read, &job) : -EINVAL;

    if (r == 0) {
        *data = job.data;
        *len = job.len;
    }
    return r;
}

void co_file_free(void *data)
{
    co__free(data);
}

/* ---- writing ------------------------------------------------------------- */

static int write_all(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t n = write(fd, data, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* The length of the folder's part of a path, with its slash. */
static int folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? (int)(slash - path) + 1 : 0;
}

/* A new file beside another one. Its name is written to `beside`. */
static int open_beside(const char *path, mode_t mode, char *beside, size_t room)
{
    static atomic_uint serial;
    int folder = folder_length(path);

    for (;;) {
        int n = snprintf(beside, room, "%.*s.co-%ld-%u", folder, path,
                         (long)getpid(), atomic_fetch_add(&serial, 1));
        int fd;

        if (n >= (int)room)
            return -ENAMETOOLONG;
        fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (fd >= 0 || errno != EEXIST)
            return fd < 0 ? -errno : fd;
    }
}

/* So that the new name is on the disk, too. File systems that cannot are left
 * alone. */
static void sync_folder(const char *path)
{
    char folder[4096];
    int len = folder_length(path);
    int fd;

    snprintf(folder, sizeof(folder), "%.*s", len ? len : 1, len ? path : ".");
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    close(fd);
}

static int do_write(void *arg)
{
    struct job *job = arg;
    mode_t mode = job->mode ? job->mode : 0666;
    char beside[4096];
    struct stat old;
    int keep =
        !job->mode && lstat(job->path, &old) == 0 && S_ISREG(old.st_mode);
    int fd = open_beside(job->path, mode, beside, sizeof(beside));
    int r;

    if (fd < 0)
        return fd;
    r = keep ? result_of(fchmod(fd, old.st_mode & 07777)) : 0;
    if (r == 0)
        r = write_all(fd, job->data, job->len);
    if (r == 0)
        r = result_of(fsync(fd));
    if (close(fd) < 0 && r == 0 && errno != EINTR)
        r = -errno;
    if (r == 0)
        r = result_of(rename(beside, job->path));
    if (r < 0)
        unlink(beside);
    else
        sync_folder(job->path);
    return r;
}

int co_file_write_whole(const char *path, const void *data, size_t len,
                        mode_t mode)
{
    struct job job = {.path = path,
                      .data = (void *)(uintptr_t)data,
                      .len = len,
                      .mode = mode};

    return path && (data || !len) ? in_pool(do_write, &job) : -EINVAL;
}

/* ---- names --------------------------------------------------------------- */

static int do_rename(void *arg)
{
    const struct job *job = arg;

    return result_of(rename(job->path, job->other));
}

static int do_unlink(void *arg)
{
    return result_of(unlink(((const struct job *)arg)->path));
}

static int do_mkdir(void *arg)
{
    const struct job *job = arg;

    return result_of(mkdir(job->path, job->mode));
}

static int do_rmdir(void *arg)
{
    return result_of(rmdir(((const struct job *)arg)->path));
}

int co_file_rename(const char *from, const char *to)
{
    struct job job = {.path = from, .other = to};

    return from && to ? in_pool(do_rename, &job) : -EINVAL;
}

int co_file_unlink(const char *path)
{
    struct job job = {.path = path};

    return path ? in_pool(do_unlink, &job) : -EINVAL;
}

int co_file_mkdir(const char *path, mode_t mode)
{
    struct job job = {.path = path, .mode = mode};

    return path ? in_pool(do_mkdir, &job) : -EINVAL;
}

int co_file_rmdir(const char *path)
{
    struct job job = {.path = path};

    return path ? in_pool(do_rmdir, &job) : -EINVAL;
}

/* ---- folders ------------------------------------------------------------- */

/* What readdir has said so far: the types, and behind each other the names. */
struct names {
    mode_t *types;
    char *text;
    size_t count, types_room;
    size_t len, text_room;
};

static int add_name(struct names *names, const struct dirent *entry)
{
    size_t len = strlen(entry->d_name) + 1;

    if (names->count == names->types_room) {
        size_t room = names->types_room ? names->types_room * 2 : 64;
        mode_t *types = co__realloc(names->types, room * sizeof(*types));

        if (!types)
            return -ENOMEM;
        names->types = types;
        names->types_room = room;
    }
    if (len > names->text_room - names->len) {
        size_t room = names->text_room ? names->text_room * 2 : 4096;
        char *text = co__realloc(names->text, room);

        if (!text)
            return -ENOMEM;
        names->text = text;
        names->text_room = room;
    }
    names->types[names->count++] = DTTOIF(entry->d_type);
    memcpy(names->text + names->len, entry->d_name, len);
    names->len += len;
    return 0;
}

static int is_dots(const char *name)
{
    return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

static int read_names(DIR *dir, struct names *names)
{
    const struct dirent *entry;
    int r = 0;

    while (r == 0) {
        errno = 0;
        entry = readdir(dir);
        if (!entry)
            return -errno;
        if (!is_dots(entry->d_name))
            r = add_name(names, entry);
    }
    return r;
}

/* One block of memory: the list, its entries, their names. */
static co_file_list *list_of(const struct names *names)
{
    size_t entries_bytes = names->count * sizeof(co_file_entry);
    co_file_list *list = co__alloc(sizeof(*list) + entries_bytes + names->len);
    co_file_entry *entries;
    char *text;

    if (!list)
        return NULL;
    entries = (co_file_entry *)(void *)(list + 1);
    text = (char *)entries + entries_bytes;
    if (names->len)
        memcpy(text, names->text, names->len);
    for (size_t i = 0; i < names->count; i++) {
        entries[i] = (co_file_entry){.name = text, .type = names->types[i]};
        text += strlen(text) + 1;
    }
    list->count = names->count;
    list->entries = entries;
    return list;
}

static int do_list(void *arg)
{
    struct job *job = arg;
    struct names names = {0};
    DIR *dir = opendir(job->path);
    int r;

    if (!dir)
        return -errno;
    r = read_names(dir, &names);
    closedir(dir);
    if (r == 0 && !(job->list = list_of(&names)))
        r = -ENOMEM;
    co__free(names.types);
    co__free(names.text);
    return r;
}

int co_file_list_folder(const char *path, co_file_list **out)
{
    struct job job = {.path = path};
    int r = path && out ? in_pool(do_list, &job) : -EINVAL;

    if (r == 0)
        *out = job.list;
    return r;
}

void co_file_list_free(co_file_list *list)
{
    co__free(list);
}
