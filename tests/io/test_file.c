/* SPDX-License-Identifier: MIT */
/* Files: what the calls do, and every way in which they fail. */
#include "file_support.h"

#include "base/alloc.h"
#include "base/sanitize.h"

#include <coppice/callback.h>
#include <coppice/socket.h>
#include <coppice/threadpool.h>

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* ---- what they do -------------------------------------------------------- */

CO_TASK_TEST(what_was_written_is_read_back)
{
    int fd = co_file_open(in_folder("a"), O_RDWR | O_CREAT | O_EXCL, 0600);
    char buffer[16] = "";
    struct stat st;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(co_file_write_at(fd, "hello", 5, 0), 5);
    ck_assert_int_eq(co_file_write_at(fd, "J", 1, 0), 1);
    ck_assert_int_eq(co_file_sync(fd, CO_FILE_SYNC_DATA), 0);
    ck_assert_int_eq(co_file_sync(fd, CO_FILE_SYNC_ALL), 0);
    ck_assert_int_eq(co_file_read_at(fd, buffer, sizeof(buffer), 0), 5);
    ck_assert_str_eq(buffer, "Jello");
    ck_assert_int_eq(co_file_read_at(fd, buffer, 2, 3), 2);
    ck_assert_mem_eq(buffer, "lo", 2);
    ck_assert_int_eq(co_file_stat(fd, &st), 0);
    ck_assert_int_eq(st.st_size, 5);
    ck_assert(S_ISREG(st.st_mode));
    ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 0); /* the position is not used */
    ck_assert_int_eq(co_file_close(fd), 0);
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}

CO_TASK_TEST(a_read_is_short_at_the_end_and_takes_nothing_beyond)
{
    int fd = file_of("a", 100);
    char buffer[64];

    ck_assert_int_eq(co_file_read_at(fd, buffer, 64, 64), 36);
    assert_pattern(buffer, 36, 64);
    buffer[0] = 'x';
    ck_assert_int_eq(co_file_read_at(fd, buffer, 64, 100), 0);
    ck_assert_int_eq(co_file_read_at(fd, buffer, 64, 1000), 0);
    ck_assert_int_eq(buffer[0], 'x');
    ck_assert_int_eq(co_file_close(fd), 0);
}

CO_TASK_TEST(offsets_may_be_beyond_two_to_the_32)
{
    const off_t far = ((off_t)5 << 30) + 3;
    int fd = file_of("a", 10);
    char buffer[8];
    struct stat st;

    ck_assert_int_eq(co_file_write_at(fd, "far", 3, far), 3);
    ck_assert_int_eq(co_file_stat(fd, &st), 0);
    ck_assert_int_eq(st.st_size, far + 3);
    ck_assert_int_eq(co_file_read_at(fd, buffer, 8, far - 2), 5);
    ck_assert_mem_eq(buffer, "\0\0far", 5);
    ck_assert_int_eq(co_file_read_at(fd, buffer, 3, 8), 3);
    ck_assert_mem_eq(buffer + 2, "\0", 1); /* the hole begins here */
    assert_pattern(buffer, 2, 8);
    ck_assert_int_eq(co_file_truncate(fd, far - 1), 0);
    ck_assert_int_eq(co_file_stat(fd, &st), 0);
    ck_assert_int_eq(st.st_size, far - 1);
    ck_assert_int_eq(co_file_close(fd), 0);
}

CO_TASK_TEST(vectors_are_one_transfer)
{
    int fd = file_of("a", 0);
    char a[3], b[4], c[8] = "";
    struct iovec out[] = {{"abc", 3}, {NULL, 0}, {"defgh", 5}};
    struct iovec in[] = {{a, 3}, {b, 4}, {c, 8}};

    ck_assert_int_eq(co_file_writev_at(fd, out, 3, 10), 8);
    ck_assert_int_eq(co_file_readv_at(fd, in, 3, 10), 8);
    ck_assert_mem_eq(a, "abc", 3);
    ck_assert_mem_eq(b, "defg", 4);
    ck_assert_str_eq(c, "h");
    ck_assert_int_eq(co_file_readv_at(fd, in, 3, 18), 0);
    ck_assert_int_eq(co_file_close(fd), 0);
}

CO_TASK_TEST(nothing_is_transferred_without_complaint)
{
    struct iovec none = {NULL, 0};
    int fd = file_of("a", 10);

    ck_assert_int_eq(co_file_read_at(fd, NULL, 0, 0), 0);
    ck_assert_int_eq(co_file_write_at(fd, NULL, 0, 20), 0);
    ck_assert_int_eq(co_file_readv_at(fd, NULL, 0, 0), 0);
    ck_assert_int_eq(co_file_writev_at(fd, &none, 1, 20), 0);
    ck_assert_int_eq(lseek(fd, 0, SEEK_END), 10);
    ck_assert_int_eq(co_file_close(fd), 0);
}

CO_TASK_TEST(a_file_opened_to_append_ignores_the_offset)
{
    struct iovec iov = {"cd", 2};
    char buffer[16];
    int fd;

    ck_assert_int_eq(close(file_of("a", 4)), 0);
    fd = co_file_open(in_folder("a"), O_RDWR | O_APPEND, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(co_file_write_at(fd, "ab", 2, 0), 2);
    ck_assert_int_eq(co_file_writev_at(fd, &iov, 1, 100), 2);
    ck_assert_int_eq(co_file_read_at(fd, buffer, 16, 0), 8);
    assert_pattern(buffer, 4, 0);
    ck_assert_mem_eq(buffer + 4, "abcd", 4);
    ck_assert_int_eq(co_file_close(fd), 0);
}

CO_TASK_TEST(truncating_cuts_and_grows)
{
    int fd = file_of("a", 10);
    char buffer[16];

    ck_assert_int_eq(co_file_truncate(fd, 4), 0);
    ck_assert_int_eq(co_file_truncate(fd, 8), 0);
    ck_assert_int_eq(co_file_read_at(fd, buffer, 16, 0), 8);
    assert_pattern(buffer, 4, 0);
    ck_assert_mem_eq(buffer + 4, "\0\0\0\0", 4);
    ck_assert_int_eq(co_file_close(fd), 0);
}

CO_TASK_TEST(opening_takes_the_flags_and_the_mode_of_open)
{
    mode_t mask = umask(022);
    int fd = co_file_open(in_folder("a"), O_WRONLY | O_CREAT, 0666);
    struct stat st;

    umask(mask);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(fcntl(fd, F_GETFL) & O_ACCMODE, O_WRONLY);
    ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_eq(co_file_stat(fd, &st), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0644);
    ck_assert_int_eq(co_file_write_at(fd, "abc", 3, 0), 3);
    ck_assert_int_eq(co_file_close(fd), 0);

    fd = co_file_open(in_folder("a"), O_RDONLY | O_TRUNC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(co_file_stat(fd, &st), 0);
    ck_assert_int_eq(st.st_size, 0);
    ck_assert_int_eq(co_file_close(fd), 0);

    fd = co_file_open(folder, O_RDONLY | O_DIRECTORY, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(co_file_stat(fd, &st), 0);
    ck_assert(S_ISDIR(st.st_mode));
    ck_assert_int_eq(co_file_sync(fd, CO_FILE_SYNC_ALL), 0);
    ck_assert_int_eq(co_file_close(fd), 0);
}

/* Every field, compared with what the system says itself. */
CO_TASK_TEST(stat_fills_in_what_fstat_does)
{
    int fds[5] = {file_of("a", 5000), open(folder, O_RDONLY | O_CLOEXEC),
                  open("/dev/null", O_RDONLY | O_CLOEXEC)};
    struct stat ours, theirs;

    ck_assert_int_eq(pipe2(&fds[3], O_CLOEXEC), 0);
    for (int i = 0; i < 5; i++) {
        memset(&ours, 0x55, sizeof(ours));
        ck_assert_int_eq(co_file_stat(fds[i], &ours), 0);
        ck_assert_int_eq(fstat(fds[i], &theirs), 0);
        ck_assert_uint_eq(ours.st_dev, theirs.st_dev);
        ck_assert_uint_eq(ours.st_ino, theirs.st_ino);
        ck_assert_uint_eq(ours.st_mode, theirs.st_mode);
        ck_assert_uint_eq(ours.st_nlink, theirs.st_nlink);
        ck_assert_uint_eq(ours.st_uid, theirs.st_uid);
        ck_assert_uint_eq(ours.st_gid, theirs.st_gid);
        ck_assert_uint_eq(ours.st_rdev, theirs.st_rdev);
        ck_assert_int_eq(ours.st_size, theirs.st_size);
        ck_assert_int_eq(ours.st_blksize, theirs.st_blksize);
        ck_assert_int_eq(ours.st_blocks, theirs.st_blocks);
        ck_assert_int_eq(ours.st_atim.tv_sec, theirs.st_atim.tv_sec);
        ck_assert_int_eq(ours.st_atim.tv_nsec, theirs.st_atim.tv_nsec);
        ck_assert_int_eq(ours.st_mtim.tv_sec, theirs.st_mtim.tv_sec);
        ck_assert_int_eq(ours.st_mtim.tv_nsec, theirs.st_mtim.tv_nsec);
        ck_assert_int_eq(ours.st_ctim.tv_sec, theirs.st_ctim.tv_sec);
        ck_assert_int_eq(ours.st_ctim.tv_nsec, theirs.st_ctim.tv_nsec);
    }
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(co_file_close(fds[i]), 0);
}

/* ---- many at once -------------------------------------------------------- */

#define TASKS       64
#define BLOCK_BYTES 4096

static int shared_fd;

/* Write a block, read it and a neighbour's from the start, check both. */
static int write_and_read_block(void *arg)
{
    off_t offset = (off_t)(intptr_t)arg * BLOCK_BYTES;
    char *block = malloc(BLOCK_BYTES);

    ck_assert_ptr_nonnull(block);
    for (int round = 0; round < 4; round++) {
        for (off_t i = 0; i < BLOCK_BYTES; i++)
            block[i] = pattern(offset + i + round);
        ck_assert_int_eq(co_file_write_at(shared_fd, block, BLOCK_BYTES,
                                          offset),
                         BLOCK_BYTES);
        memset(block, 0, BLOCK_BYTES);
        ck_assert_int_eq(co_file_read_at(shared_fd, block, BLOCK_BYTES, offset),
                         BLOCK_BYTES);
        assert_pattern(block, BLOCK_BYTES, offset + round);
    }
    free(block);
    return 0;
}

CO_TASK_TEST(sixty_four_tasks_share_a_descriptor)
{
    co_task *tasks[TASKS];

    shared_fd = co_file_open(in_folder("a"), O_RDWR | O_CREAT, 0600);
    ck_assert_int_ge(shared_fd, 0);
    for (int i = 0; i < TASKS; i++)
        tasks[i] = co_test_spawn(write_and_read_block, co_test_number(i));
    for (int i = 0; i < TASKS; i++)
        ck_assert_int_eq(co_test_result(tasks[i]), 0);
    ck_assert_int_eq(co_file_close(shared_fd), 0);
}

static int open_read_and_close(void *arg)
{
    size_t len = 1000 + (size_t)(intptr_t)arg;
    char name[16], path[96], *data = malloc(len + 1);
    int fd;

    snprintf(name, sizeof(name), "%d", (int)(intptr_t)arg);
    ck_assert_ptr_nonnull(data);
    ck_assert_int_eq(close(file_of(name, len)), 0);
    snprintf(path, sizeof(path), "%s/%s", folder, name); /* kept for the call */
    fd = co_file_open(path, O_RDONLY, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(co_file_read_at(fd, data, len + 1, 0), (ssize_t)len);
    assert_pattern(data, len, 0);
    ck_assert_int_eq(co_file_close(fd), 0);
    free(data);
    return 0;
}

CO_TASK_TEST(sixty_four_tasks_have_a_file_each)
{
    co_task *tasks[TASKS];

    for (int i = 0; i < TASKS; i++)
        tasks[i] = co_test_spawn(open_read_and_close, co_test_number(i));
    for (int i = 0; i < TASKS; i++)
        ck_assert_int_eq(co_test_result(tasks[i]), 0);
}

/* ---- bad arguments ------------------------------------------------------- */

static void check_arguments(void)
{
    int fd = file_of("a", 10);
    char byte = 0;
    struct iovec iov = {&byte, 1}, hole = {NULL, 1};
    struct iovec huge[2] = {{&byte, SSIZE_MAX}, {&byte, 1}};
    struct stat st;

    ck_assert_int_eq(co_file_open(NULL, O_RDONLY, 0), -EINVAL);
    ck_assert_int_eq(co_file_read_at(fd, NULL, 1, 0), -EINVAL);
    ck_assert_int_eq(co_file_write_at(fd, NULL, 1, 0), -EINVAL);
    ck_assert_int_eq(co_file_read_at(fd, &byte, 1, -1), -EINVAL);
    ck_assert_int_eq(co_file_write_at(fd, &byte, 1, -1), -EINVAL);
    ck_assert_int_eq(co_file_readv_at(fd, NULL, 1, 0), -EINVAL);
    ck_assert_int_eq(co_file_writev_at(fd, NULL, 1, 0), -EINVAL);
    ck_assert_int_eq(co_file_readv_at(fd, &iov, -1, 0), -EINVAL);
    ck_assert_int_eq(co_file_writev_at(fd, &iov, IOV_MAX + 1, 0), -EINVAL);
    ck_assert_int_eq(co_file_readv_at(fd, &iov, 1, -1), -EINVAL);
    ck_assert_int_eq(co_file_writev_at(fd, &iov, 1, -1), -EINVAL);
    ck_assert_int_eq(co_file_readv_at(fd, &hole, 1, 0), -EINVAL);
    ck_assert_int_eq(co_file_writev_at(fd, &hole, 1, 0), -EINVAL);
    ck_assert_int_eq(co_file_readv_at(fd, huge, 2, 0), -EINVAL);
    ck_assert_int_eq(co_file_sync(fd, 2), -EINVAL);
    ck_assert_int_eq(co_file_sync(fd, -1), -EINVAL);
    ck_assert_int_eq(co_file_stat(fd, NULL), -EINVAL);
    ck_assert_int_eq(co_file_truncate(fd, -1), -EINVAL);

    if (!co__fiber_tracked()) { /* memcheck would complain */
        ck_assert_int_eq(co_file_read_at(fd, (void *)16, 1, 0), -EFAULT);
        ck_assert_int_eq(co_file_write_at(fd, (void *)16, 1, 0), -EFAULT);
    }
    ck_assert_int_eq(lseek(fd, 0, SEEK_END), 10);
    ck_assert_int_eq(co_file_close(fd), 0);

    for (int closed = 0; closed < 2; closed++) {
        fd = closed ? fd : -1;
        ck_assert_int_eq(co_file_read_at(fd, &byte, 1, 0), -EBADF);
        ck_assert_int_eq(co_file_write_at(fd, &byte, 1, 0), -EBADF);
        ck_assert_int_eq(co_file_readv_at(fd, &iov, 1, 0), -EBADF);
        ck_assert_int_eq(co_file_writev_at(fd, &iov, 1, 0), -EBADF);
        ck_assert_int_eq(co_file_sync(fd, CO_FILE_SYNC_ALL), -EBADF);
        ck_assert_int_eq(co_file_stat(fd, &st), -EBADF);
        ck_assert_int_eq(co_file_truncate(fd, 0), -EBADF);
        ck_assert_int_eq(co_file_close(fd), -EBADF);
    }
}

CO_TASK_TEST(bad_arguments_are_refused)
{
    check_arguments();
}

START_TEST(bad_arguments_are_refused_outside_a_task)
{
    check_arguments();
}
END_TEST

CO_TASK_TEST(what_a_descriptor_was_not_opened_for_is_refused)
{
    int in, out;
    char byte = 0;

    ck_assert_int_eq(close(file_of("a", 10)), 0);
    in = co_file_open(in_folder("a"), O_RDONLY, 0);
    out = co_file_open(in_folder("a"), O_WRONLY, 0);
    ck_assert_int_eq(co_file_write_at(in, &byte, 1, 0), -EBADF);
    ck_assert_int_eq(co_file_truncate(in, 0), -EINVAL);
    ck_assert_int_eq(co_file_read_at(out, &byte, 1, 0), -EBADF);
    ck_assert_int_eq(co_file_close(in), 0);
    ck_assert_int_eq(co_file_close(out), 0);
}

/* ---- what the file system says ------------------------------------------- */

static void check_open_errors(void)
{
    char longer[NAME_MAX + 2];

    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    ck_assert_int_eq(close(file_of("a", 1)), 0);
    ck_assert_int_eq(symlink("a", in_folder("link")), 0);
    ck_assert_int_eq(co_file_open("", O_RDONLY, 0), -ENOENT);
    ck_assert_int_eq(co_file_open(in_folder("b"), O_RDONLY, 0), -ENOENT);
    ck_assert_int_eq(
        co_file_open(in_folder("a"), O_RDWR | O_CREAT | O_EXCL, 0600), -EEXIST);
    ck_assert_int_eq(co_file_open(folder, O_RDWR, 0), -EISDIR);
    ck_assert_int_eq(co_file_open(in_folder("a/b"), O_RDONLY, 0), -ENOTDIR);
    ck_assert_int_eq(co_file_open(in_folder("a"), O_RDONLY | O_DIRECTORY, 0),
                     -ENOTDIR);
    ck_assert_int_eq(co_file_open(in_folder("link"), O_RDONLY | O_NOFOLLOW, 0),
                     -ELOOP);
    ck_assert_int_eq(co_file_open(longer, O_RDONLY, 0), -ENAMETOOLONG);
    if (!co__fiber_tracked())
        ck_assert_int_eq(co_file_open((const char *)16, O_RDONLY, 0), -EFAULT);
}

CO_TASK_TEST(opening_fails_as_open_does)
{
    check_open_errors();
}

START_TEST(opening_fails_as_open_does_outside_a_task)
{
    check_open_errors();
}
END_TEST

CO_TASK_TEST(opening_without_descriptors_left_fails)
{
    struct rlimit old, none;
    int fd = file_of("a", 1);

    ck_assert_int_eq(co_file_sync(fd, CO_FILE_SYNC_ALL), 0); /* all is made */
    getrlimit(RLIMIT_NOFILE, &old);
    none = old;
    none.rlim_cur = (rlim_t)fd;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_int_eq(co_file_open(in_folder("a"), O_RDONLY, 0), -EMFILE);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    ck_assert_int_eq(co_file_close(fd), 0);
}

/* Nothing is taken out of what has no offsets. */
static void check_no_offsets(int in, int out)
{
    char byte = 0;
    struct iovec iov = {&byte, 1};

    ck_assert_int_eq(write(out, "x", 1), 1);
    ck_assert_int_eq(co_file_read_at(in, &byte, 1, 0), -ESPIPE);
    ck_assert_int_eq(co_file_readv_at(in, &iov, 1, 0), -ESPIPE);
    ck_assert_int_eq(co_file_write_at(out, &byte, 1, 0), -ESPIPE);
    ck_assert_int_eq(co_file_writev_at(out, &iov, 1, 0), -ESPIPE);
    ck_assert_int_eq(co_file_sync(out, CO_FILE_SYNC_ALL), -EINVAL);
    ck_assert_int_eq(co_file_sync(in, CO_FILE_SYNC_DATA), -EINVAL);
    ck_assert_int_eq(co_file_truncate(out, 0), -EINVAL);
    ck_assert_int_eq(read(in, &byte, 1), 1);
    ck_assert_int_eq(byte, 'x');
    ck_assert_int_eq(co_file_close(in), 0);
    ck_assert_int_eq(co_file_close(out), 0);
}

CO_TASK_TEST(pipes_and_sockets_have_no_offsets)
{
    int fds[2];

    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    check_no_offsets(fds[0], fds[1]);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds),
                     0);
    check_no_offsets(fds[0], fds[1]);
}

static void *close_on_thread(void *fd)
{
    return co_test_number(co_close((int)(intptr_t)fd));
}

static int close_elsewhere(int fd)
{
    pthread_t thread;
    void *result;

    ck_assert_int_eq(
        pthread_create(&thread, NULL, close_on_thread, co_test_number(fd)), 0);
    pthread_join(thread, &result);
    return (int)(intptr_t)result;
}

CO_TASK_TEST(a_number_that_was_a_files_may_be_a_pipes)
{
    static int (*const closers[])(int fd) = {co_close, co_file_close,
                                             close_elsewhere};

    for (int i = 0; i < 3; i++) {
        int file = file_of("a", 10), fds[2];
        char byte;

        ck_assert_int_eq(co_file_read_at(file, &byte, 1, 0), 1);
        ck_assert_int_eq(closers[i](file), 0);
        ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
        ck_assert_int_eq(fds[0], file);
        check_no_offsets(fds[0], fds[1]);
    }
}

CO_TASK_TEST(a_folder_is_not_read)
{
    int fd = co_file_open(folder, O_RDONLY, 0);
    char buffer[64] = "";
    struct iovec iov = {buffer, sizeof(buffer)};

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(co_file_read_at(fd, buffer, 64, 0), -EISDIR);
    ck_assert_int_eq(co_file_readv_at(fd, &iov, 1, 0), -EISDIR);
    ck_assert_int_eq(co_file_write_at(fd, buffer, 64, 0), -EBADF);
    ck_assert_int_eq(co_file_truncate(fd, 0), -EINVAL);
    ck_assert_int_eq(co_file_close(fd), 0);
}

CO_TASK_TEST(a_full_disk_and_a_bad_one_are_reported)
{
    int full = co_file_open("/dev/full", O_RDWR, 0);
    int bad = co_file_open("/proc/self/mem", O_RDONLY, 0);
    char byte = 1;

    ck_assert_int_ge(full, 0);
    ck_assert_int_eq(co_file_write_at(full, &byte, 1, 0), -ENOSPC);
    ck_assert_int_eq(co_file_read_at(full, &byte, 1, 1), 1);
    ck_assert_int_eq(byte, 0);
    ck_assert_int_ge(bad, 0);
    ck_assert_int_eq(co_file_read_at(bad, &byte, 1, 0), -EIO);
    ck_assert_int_eq(co_file_close(full), 0);
    ck_assert_int_eq(co_file_close(bad), 0);
}

CO_TASK_TEST(a_write_is_short_at_the_limit_and_fails_beyond)
{
    struct rlimit old, small;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    int fd = file_of("a", 90);
    char data[20] = "";

    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 100;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    ck_assert_int_eq(co_file_write_at(fd, data, 20, 90), 10);
    ck_assert_int_eq(co_file_write_at(fd, data, 20, 100), -EFBIG);
    ck_assert_int_eq(co_file_truncate(fd, 101), -EFBIG);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, handler);
    ck_assert_int_eq(co_file_close(fd), 0);
}

CO_TASK_TEST(offsets_beyond_what_files_can_be_fail)
{
    const off_t most = INT64_MAX;
    int fd = file_of("a", 10);
    char data[2] = "";

    ck_assert_int_eq(co_file_write_at(fd, data, 1, most - 1), -EFBIG);
    ck_assert_int_eq(co_file_read_at(fd, data, 1, most - 1), 0);
    ck_assert_int_eq(co_file_write_at(fd, data, 2, most - 1), -EINVAL);
    ck_assert_int_eq(co_file_read_at(fd, data, 2, most - 1), -EINVAL);
    ck_assert_int_eq(co_file_truncate(fd, most), -EFBIG);
    ck_assert_int_eq(co_file_close(fd), 0);
}

/* ---- outside a task, and in callbacks ------------------------------------ */

START_TEST(a_thread_without_a_loop_uses_files)
{
    int fd = co_file_open(in_folder("a"), O_RDWR | O_CREAT, 0600);
    char buffer[8];
    struct iovec out = {"abc", 3}, in = {buffer, 8};
    struct stat st;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(co_file_write_at(fd, "xyz", 3, 3), 3);
    ck_assert_int_eq(co_file_writev_at(fd, &out, 1, 0), 3);
    ck_assert_int_eq(co_file_readv_at(fd, &in, 1, 1), 5);
    ck_assert_mem_eq(buffer, "bcxyz", 5);
    ck_assert_int_eq(co_file_truncate(fd, 2), 0);
    ck_assert_int_eq(co_file_sync(fd, CO_FILE_SYNC_ALL), 0);
    ck_assert_int_eq(co_file_read_at(fd, buffer, 8, 0), 2);
    ck_assert_int_eq(co_file_stat(fd, &st), 0);
    ck_assert_int_eq(st.st_size, 2);
    ck_assert_int_eq(co_file_close(fd), 0);
}
END_TEST

static int callback_fd, callback_ran;

static void use_in_callback(void *unused)
{
    char byte = 0;
    struct iovec iov = {&byte, 1};
    struct stat st;

    (void)unused;
    callback_ran = 1;
    ck_assert_int_eq(co_file_open(in_folder("b"), O_RDWR | O_CREAT, 0600),
                     -EPERM);
    ck_assert_int_eq(access(in_folder("b"), F_OK), -1);
    ck_assert_int_eq(co_file_read_at(callback_fd, &byte, 1, 0), -EPERM);
    ck_assert_int_eq(co_file_write_at(callback_fd, &byte, 1, 0), -EPERM);
    ck_assert_int_eq(co_file_readv_at(callback_fd, &iov, 1, 0), -EPERM);
    ck_assert_int_eq(co_file_writev_at(callback_fd, &iov, 1, 0), -EPERM);
    ck_assert_int_eq(co_file_sync(callback_fd, CO_FILE_SYNC_ALL), -EPERM);
    ck_assert_int_eq(co_file_stat(callback_fd, &st), -EPERM);
    ck_assert_int_eq(co_file_truncate(callback_fd, 0), -EPERM);
    ck_assert_int_eq(co_file_close(callback_fd), 0);
    ck_assert_int_eq(fcntl(callback_fd, F_GETFD), -1);
}

CO_TASK_TEST(a_callback_can_only_close)
{
    co_handle handle = {0};

    callback_fd = file_of("a", 10);
    ck_assert_int_eq(co_call_soon(&handle, use_in_callback, NULL), 0);
    co_test_yield();
    co_test_yield();
    ck_assert_int_eq(callback_ran, 1);
}

/* ---- memory -------------------------------------------------------------- */

CO_TASK_TEST(calls_do_not_allocate)
{
    int fd = file_of("a", 100);
    char byte;
    struct stat st;

    for (int i = 0; i < 20; i++) { /* threads are started meanwhile */
        ck_assert_int_eq(co_file_read_at(fd, &byte, 1, i), 1);
        co_test_yield();
    }
    co__fault_after(0);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(co_file_read_at(fd, &byte, 1, i), 1);
        ck_assert_int_eq(co_file_write_at(fd, &byte, 1, i), 1);
        ck_assert_int_eq(co_file_stat(fd, &st), 0);
        ck_assert_int_eq(co_file_close(open("/dev/null", O_RDONLY)), 0);
    }
    ck_assert_uint_eq(co__fault_after(0), 0);
    ck_assert_int_eq(co_file_close(fd), 0);
}

/* In a fresh process, with the n-th request failing: everything else works. */
CO_TASK_TEST(no_memory_leaves_nothing_behind)
{
    for (unsigned n = 1, failed = 1; failed; n++) {
        char buffer[8];
        int fd, r;

        co__fault_after(n);
        fd = co_file_open(in_folder("a"), O_RDWR | O_CREAT | O_EXCL, 0600);
        failed = fd < 0;
        if (failed) {
            ck_assert_int_eq(fd, -ENOMEM);
            ck_assert_int_eq(access(in_folder("a"), F_OK), -1);
            continue;
        }
        r = (int)co_file_write_at(fd, "abc", 3, 0);
        ck_assert_int_eq(r, 3);
        ck_assert_int_eq(co_file_read_at(fd, buffer, 8, 0), 3);
        ck_assert_int_eq(co_file_close(fd), 0);
        co__fault_after(0);
    }
}

CO_TASK_TEST(no_memory_for_a_thread_does_not_keep_from_closing)
{
    int fd = file_of("a", 10);

    co__fault_after(1);
    ck_assert_int_eq(co_file_close(fd), 0);
    co__fault_after(0);
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}

static Suite *suite(void)
{
    Suite *s = suite_create("io.file");
    TCase *tc = tcase_create("files");

    co_test_check_fds(tc);
    tcase_add_checked_fixture(tc, folder_make, folder_remove);
    tcase_add_test(tc, what_was_written_is_read_back);
    tcase_add_test(tc, a_read_is_short_at_the_end_and_takes_nothing_beyond);
    tcase_add_test(tc, offsets_may_be_beyond_two_to_the_32);
    tcase_add_test(tc, vectors_are_one_transfer);
    tcase_add_test(tc, nothing_is_transferred_without_complaint);
    tcase_add_test(tc, a_file_opened_to_append_ignores_the_offset);
    tcase_add_test(tc, truncating_cuts_and_grows);
    tcase_add_test(tc, opening_takes_the_flags_and_the_mode_of_open);
    tcase_add_test(tc, stat_fills_in_what_fstat_does);
    tcase_add_test(tc, sixty_four_tasks_share_a_descriptor);
    tcase_add_test(tc, sixty_four_tasks_have_a_file_each);
    tcase_add_test(tc, bad_arguments_are_refused);
    tcase_add_test(tc, bad_arguments_are_refused_outside_a_task);
    tcase_add_test(tc, what_a_descriptor_was_not_opened_for_is_refused);
    tcase_add_test(tc, opening_fails_as_open_does);
    tcase_add_test(tc, opening_fails_as_open_does_outside_a_task);
    tcase_add_test(tc, opening_without_descriptors_left_fails);
    tcase_add_test(tc, pipes_and_sockets_have_no_offsets);
    tcase_add_test(tc, a_number_that_was_a_files_may_be_a_pipes);
    tcase_add_test(tc, a_folder_is_not_read);
    tcase_add_test(tc, a_full_disk_and_a_bad_one_are_reported);
    tcase_add_test(tc, a_write_is_short_at_the_limit_and_fails_beyond);
    tcase_add_test(tc, offsets_beyond_what_files_can_be_fail);
    tcase_add_test(tc, a_thread_without_a_loop_uses_files);
    tcase_add_test(tc, a_callback_can_only_close);
    tcase_add_test(tc, calls_do_not_allocate);
    tcase_add_test(tc, no_memory_leaves_nothing_behind);
    tcase_add_test(tc, no_memory_for_a_thread_does_not_keep_from_closing);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
