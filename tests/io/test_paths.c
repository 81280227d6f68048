/* SPDX-License-Identifier: MIT */
/* Files and folders by name. */
#include "file_support.h"

#include "base/alloc.h"

#include <coppice/callback.h>
#include <coppice/cancel.h>
#include <coppice/clock.h>
#include <coppice/event.h>
#include <coppice/paths.h>
#include <coppice/scope.h>
#include <coppice/threadpool.h>

static void put_file(const char *name, const char *text, size_t len,
                     mode_t mode)
{
    int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, len), (ssize_t)len);
    ck_assert_int_eq(fchmod(fd, mode), 0);
    ck_assert_int_eq(close(fd), 0);
}

static int count_in_folder(void)
{
    co_file_list *list;
    int count;

    ck_assert_int_eq(co_file_list_folder(folder, &list), 0);
    count = (int)list->count;
    co_file_list_free(list);
    return count;
}

/* ---- whole files --------------------------------------------------------- */

static void check_whole_files(void)
{
    static const size_t sizes[] = {0, 1, 4095, 16383, 16384, 16385, 200000};
    static char block[200000];
    void *data;
    size_t len;

    for (size_t i = 0; i < sizeof(block); i++)
        block[i] = pattern((off_t)i);
    for (size_t i = 0; i < CO_ARRAY_LEN(sizes); i++) {
        ck_assert_int_eq(
            co_file_write_whole(in_folder("whole"), block, sizes[i], 0600), 0);
        ck_assert_int_eq(
            co_file_read_whole(in_folder("whole"), sizes[i], &data, &len), 0);
        ck_assert_uint_eq(len, sizes[i]);
        ck_assert_int_eq(memcmp(data, block, len), 0);
        ck_assert_int_eq(((char *)data)[len], 0);
        co_file_free(data);
        if (sizes[i])
            ck_assert_int_eq(co_file_read_whole(in_folder("whole"),
                                                sizes[i] - 1, &data, &len),
                             -EFBIG);
    }
    ck_assert_int_eq(count_in_folder(), 1);
}

CO_TASK_TEST(what_was_written_whole_is_read_whole)
{
    check_whole_files();
}

START_TEST(outside_a_task_as_well)
{
    check_whole_files();
}
END_TEST

/* Its size is said to be 0. */
CO_TASK_TEST(a_file_of_the_kernels_is_read_whole)
{
    void *data;
    size_t len;

    if (access("/proc/self/maps", R_OK) < 0)
        return;
    ck_assert_int_eq(
        co_file_read_whole("/proc/self/maps", SIZE_MAX, &data, &len), 0);
    ck_assert_uint_gt(len, 100);
    co_file_free(data);
}

CO_TASK_TEST(a_file_that_is_replaced_keeps_its_mode_if_none_is_given)
{
    struct stat st;

    put_file("old", "old", 3, 0640);
    ck_assert_int_eq(co_file_write_whole(in_folder("old"), "new!", 4, 0), 0);
    ck_assert_int_eq(stat(in_folder("old"), &st), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0640);
    ck_assert_int_eq(st.st_size, 4);
    ck_assert_int_eq(co_file_write_whole(in_folder("old"), NULL, 0, 0400), 0);
    ck_assert_int_eq(stat(in_folder("old"), &st), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0400);
    ck_assert_int_eq(st.st_size, 0);
}

CO_TASK_TEST(a_write_that_fails_leaves_what_was)
{
    void *data;
    size_t len;

    ck_assert_int_eq(mkdir(in_folder("sub"), 0700), 0);
    ck_assert_int_eq(co_file_write_whole(in_folder("sub"), "x", 1, 0600),
                     -EISDIR);
    ck_assert_int_eq(co_file_write_whole(in_folder("none/x"), "x", 1, 0600),
                     -ENOENT);
    ck_assert_int_eq(count_in_folder(), 1); /* nothing was left beside it */
    ck_assert_int_eq(rmdir(in_folder("sub")), 0);
    ck_assert_int_eq(co_file_read_whole(in_folder("none"), 10, &data, &len),
                     -ENOENT);
    ck_assert_int_eq(co_file_read_whole(folder, 10, &data, &len), -EISDIR);
}

/* ---- names --------------------------------------------------------------- */

CO_TASK_TEST(files_and_folders_are_made_renamed_and_removed)
{
    struct stat st;

    ck_assert_int_eq(co_file_mkdir(in_folder("sub"), 0700), 0);
    ck_assert_int_eq(co_file_mkdir(in_folder("sub"), 0700), -EEXIST);
    ck_assert_int_eq(stat(in_folder("sub"), &st), 0);
    ck_assert(S_ISDIR(st.st_mode));
    put_file("a", "a", 1, 0600);
    ck_assert_int_eq(co_file_rename(in_folder("a"), in_folder("sub/b")), 0);
    ck_assert_int_eq(co_file_rename(in_folder("a"), in_folder("c")), -ENOENT);
    ck_assert_int_eq(co_file_rmdir(in_folder("sub")), -ENOTEMPTY);
    ck_assert_int_eq(co_file_unlink(in_folder("sub/b")), 0);
    ck_assert_int_eq(co_file_unlink(in_folder("sub/b")), -ENOENT);
    ck_assert_int_eq(co_file_rmdir(in_folder("sub")), 0);
    ck_assert_int_eq(count_in_folder(), 0);
}

CO_TASK_TEST(a_folder_is_listed_with_what_its_entries_are)
{
    enum {
        MANY = 300,
    };
    char name[64];
    int seen[MANY] = {0};
    co_file_list *list;

    ck_assert_int_eq(co_file_list_folder(folder, &list), 0);
    ck_assert_uint_eq(list->count, 0);
    co_file_list_free(list);
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "file-with-a-longer-name-%d", i);
        put_file(name, "", 0, 0600);
    }
    ck_assert_int_eq(mkdir(in_folder("sub"), 0700), 0);
    ck_assert_int_eq(co_file_list_folder(folder, &list), 0);
    ck_assert_uint_eq(list->count, MANY + 1);
    for (size_t i = 0; i < list->count; i++) {
        const co_file_entry *e = &list->entries[i];
        int number;

        if (strcmp(e->name, "sub") == 0) {
            ck_assert(e->type == S_IFDIR || !e->type);
            continue;
        }
        ck_assert_int_eq(sscanf(e->name, "file-with-a-longer-name-%d", &number),
                         1);
        seen[number]++;
        ck_assert(e->type == S_IFREG || !e->type);
    }
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(seen[i], 1);
    co_file_list_free(list);
    ck_assert_int_eq(rmdir(in_folder("sub")), 0);
    ck_assert_int_eq(co_file_list_folder(in_folder("none"), &list), -ENOENT);
    ck_assert_int_eq(co_file_list_folder(in_folder("file-with-a-longer-name-1"),
                                         &list),
                     -ENOTDIR);
}

/* ---- errors and limits --------------------------------------------------- */

CO_TASK_TEST(bad_arguments_are_refused)
{
    co_file_list *list;
    void *data;
    size_t len;

    ck_assert_int_eq(co_file_read_whole(NULL, 1, &data, &len), -EINVAL);
    ck_assert_int_eq(co_file_read_whole("x", 1, NULL, &len), -EINVAL);
    ck_assert_int_eq(co_file_read_whole("x", 1, &data, NULL), -EINVAL);
    ck_assert_int_eq(co_file_write_whole(NULL, "x", 1, 0), -EINVAL);
    ck_assert_int_eq(co_file_write_whole("x", NULL, 1, 0), -EINVAL);
    ck_assert_int_eq(co_file_rename(NULL, "x"), -EINVAL);
    ck_assert_int_eq(co_file_rename("x", NULL), -EINVAL);
    ck_assert_int_eq(co_file_unlink(NULL), -EINVAL);
    ck_assert_int_eq(co_file_mkdir(NULL, 0), -EINVAL);
    ck_assert_int_eq(co_file_rmdir(NULL), -EINVAL);
    ck_assert_int_eq(co_file_list_folder(NULL, &list), -EINVAL);
    ck_assert_int_eq(co_file_list_folder("x", NULL), -EINVAL);
    co_file_free(NULL);
    co_file_list_free(NULL);
}

CO_TASK_TEST(limits_of_the_task_are_obeyed_and_nothing_is_done)
{
    co_cancel(co_self());
    ck_assert_int_eq(co_file_write_whole(in_folder("x"), "x", 1, 0600),
                     -ECANCELED);
    ck_assert_int_eq(co_file_mkdir(in_folder("d"), 0700), -ECANCELED);
    co_uncancel(co_self());
    co_timeout(0) {
        ck_assert_int_eq(co_file_mkdir(in_folder("d"), 0700), -ETIMEDOUT);
    }
    ck_assert_int_eq(count_in_folder(), 0);
}

static void in_callback(void *arg)
{
    ck_assert_int_eq(co_file_unlink("x"), -EPERM);
    co_event_set(arg);
}

CO_TASK_TEST(a_callback_cannot_wait_for_files)
{
    co_event done = {0};

    ck_assert_int_eq(co_call_soon(NULL, in_callback, &done), 0);
    ck_assert_int_eq(co_event_wait(&done), 0);
}

/* Every allocation fails once. */
CO_TASK_TEST(no_memory_leaves_nothing_behind)
{
    co_file_list *list;
    void *data;
    size_t len;
    int r;

    put_file("some", "some", 4, 0600);
    ck_assert_int_eq(co_file_unlink(in_folder("none")), -ENOENT); /* a thread */
    for (unsigned n = 1;; n++) {
        co__fault_after(n);
        r = co_file_read_whole(in_folder("some"), 4, &data, &len);
        co__fault_after(0);
        if (r == 0)
            break;
        ck_assert_int_eq(r, -ENOMEM);
    }
    co_file_free(data);
    for (unsigned n = 1;; n++) {
        co__fault_after(n);
        r = co_file_list_folder(folder, &list);
        co__fault_after(0);
        if (r == 0)
            break;
        ck_assert_int_eq(r, -ENOMEM);
    }
    co_file_list_free(list);
}

static Suite *suite(void)
{
    Suite *s = suite_create("io.paths");
    TCase *tc = tcase_create("paths");

    co_test_check_fds(tc);
    tcase_add_checked_fixture(tc, folder_make, folder_remove);
    tcase_add_test(tc, what_was_written_whole_is_read_whole);
    tcase_add_test(tc, outside_a_task_as_well);
    tcase_add_test(tc, a_file_of_the_kernels_is_read_whole);
    tcase_add_test(tc, a_file_that_is_replaced_keeps_its_mode_if_none_is_given);
    tcase_add_test(tc, a_write_that_fails_leaves_what_was);
    tcase_add_test(tc, files_and_folders_are_made_renamed_and_removed);
    tcase_add_test(tc, a_folder_is_listed_with_what_its_entries_are);
    tcase_add_test(tc, bad_arguments_are_refused);
    tcase_add_test(tc, limits_of_the_task_are_obeyed_and_nothing_is_done);
    tcase_add_test(tc, a_callback_cannot_wait_for_files);
    tcase_add_test(tc, no_memory_leaves_nothing_behind);
    suite_add_tcase(s, tc);
    return s;
}

CO_TEST_MAIN(suite)
