/* SPDX-License-Identifier: MIT */
/* Scanning FILE streams of sockets, in tasks. */
#include "hook/hook_support.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static int fds[2];
static FILE *file;
static struct hook_call call;
static int number;
static char word[16];

/* Those of the C library's headers are one of the three, by the standard. */
#define SCANNERS(name, prefix)                                                 \
    int name##_fscanf(FILE *stream, const char *format,                        \
                      ...) __asm__(prefix "fscanf");                           \
    int name##_scanf(const char *format, ...) __asm__(prefix "scanf");         \
    int name##_vfscanf(FILE *stream, const char *format,                       \
                       va_list list) __asm__(prefix "vfscanf");                \
    int name##_vscanf(const char *format,                                      \
                      va_list list) __asm__(prefix "vscanf");                  \
    static int name##_file_list(const char *format, ...)                       \
    {                                                                          \
        va_list list;                                                          \
        int n;                                                                 \
                                                                               \
        va_start(list, format);                                                \
        n = name##_vfscanf(file, format, list);                                \
        va_end(list);                                                          \
        return n;                                                              \
    }                                                                          \
    static int name##_list(const char *format, ...)                            \
    {                                                                          \
        va_list list;                                                          \
        int n;                                                                 \
                                                                               \
        va_start(list, format);                                                \
        n = name##_vscanf(format, list);                                       \
        va_end(list);                                                          \
        return n;                                                              \
    }                                                                          \
    static ssize_t by_##name##_fscanf(struct hook_call *c)                     \
    {                                                                          \
        (void)c;                                                               \
        return name##_fscanf(file, FORMAT, &number, word);                     \
    }                                                                          \
    static ssize_t by_##name##_vfscanf(struct hook_call *c)                    \
    {                                                                          \
        (void)c;                                                               \
        return name##_file_list(FORMAT, &number, word);                        \
    }                                                                          \
    static ssize_t by_##name##_scanf(struct hook_call *c)                      \
    {                                                                          \
        (void)c;                                                               \
        stdin = file;                                                          \
        return name##_scanf(FORMAT, &number, word);                            \
    }                                                                          \
    static ssize_t by_##name##_vscanf(struct hook_call *c)                     \
    {                                                                          \
        (void)c;                                                               \
        stdin = file;                                                          \
        return name##_list(FORMAT, &number, word);                             \
    }

#define FORMAT "%d %8s"

SCANNERS(old, "")
SCANNERS(c99, "__isoc99_")
SCANNERS(c23, "__isoc23_")

static ssize_t (*const scanners[])(struct hook_call *c) = {
    by_old_fscanf, by_old_vfscanf, by_old_scanf, by_old_vscanf,
    by_c99_fscanf, by_c99_vfscanf, by_c99_scanf, by_c99_vscanf,
    by_c23_fscanf, by_c23_vfscanf, by_c23_scanf, by_c23_vscanf};
#define ALL ((int)(sizeof(scanners) / sizeof(scanners[0])))

static FILE *before;

static void prepare(int i)
{
    before = stdin;
    hook_pair(fds);
    file = fdopen(fds[0], "r");
    ck_assert_ptr_nonnull(file);
    number = 0;
    word[0] = '\0';
    call = (struct hook_call){.fn = scanners[i]};
}

static void drop(void)
{
    stdin = before;
    fclose(file);
    close(fds[1]);
}

/* What comes next is this. */
static void next_is(const char *text)
{
    for (; *text; text++)
        ck_assert_int_eq(fgetc(file), *text);
}

EACH_TEST(a_scan_parks_its_task_alone)
{
    prepare(i);
    hook_begin_waiting(&call);
    hook_put(fds[1], " 12");
    ck_assert_int_eq(co_sleep(CO_MS), 0);
    ck_assert(hook_waits(&call)); /* it may go on */
    hook_put(fds[1], "34 ab");
    ck_assert_int_eq(co_sleep(CO_MS), 0);
    ck_assert(hook_waits(&call));
    hook_put(fds[1], "cd\nrest");
    ck_assert_int_eq(hook_end(&call), 2);
    ck_assert_int_eq(number, 1234);
    ck_assert_str_eq(word, "abcd");
    next_is("\nrest");
    ck_assert_int_eq(hook_is_nonblocking(fds[0]), 0);
    drop();
}

EACH_TEST(the_end_of_a_stream_ends_a_scan)
{
    prepare(i);
    hook_begin_waiting(&call);
    hook_put(fds[1], "12 ab");
    shutdown(fds[1], SHUT_WR);
    ck_assert_int_eq(hook_end(&call), 2);
    ck_assert_int_eq(number, 12);
    ck_assert_str_eq(word, "ab");
    ck_assert_int_ne(feof(file), 0);
    ck_assert_int_eq(hook_do(&call), 0); /* EOF, and no errno */
    ck_assert_int_eq(ferror(file), 0);
    drop();
}

/* Half a number is none. */
EACH_TEST(a_scan_that_is_cut_short_has_failed)
{
    prepare(i);
    hook_put(fds[1], "12");
    hook_begin_waiting(&call);
    co_cancel(call.task);
    ck_assert_int_eq(hook_end(&call), -ECANCELED);
    hook_put(fds[1], " 12 ab");
    co_timeout(CO_MS)
        ck_assert_int_eq(hook_do(&call), -ETIMEDOUT);
    hook_put(fds[1], " 56 cd ");
    ck_assert_int_eq(hook_do(&call), 2);
    ck_assert_int_eq(number, 56);
    ck_assert_str_eq(word, "cd");
    drop();
}

EACH_TEST(a_non_blocking_scan_says_eagain)
{
    prepare(i);
    hook_set_nonblocking(fds[0]);
    hook_put(fds[1], "12");
    ck_assert_int_eq(hook_do(&call), -EAGAIN);
    drop();
}

EACH_TEST(so_rcvtimeo_ends_a_scan)
{
    prepare(i);
    hook_limit(fds[0], SO_RCVTIMEO, 4);
    hook_put(fds[1], "12");
    ck_assert_int_eq(hook_do(&call), -EAGAIN);
    ck_assert_int_ne(ferror(file), 0);
    drop();
}

EACH_TEST(a_stream_that_is_closed_meanwhile_is_ebadf)
{
    prepare(i);
    hook_put(fds[1], "12");
    hook_begin_waiting(&call);
    stdin = before;
    fclose(file);
    ck_assert_int_eq(hook_end(&call), -EBADF);
    close(fds[1]);
}

EACH_TEST(a_regular_file_stays_with_its_task)
{
    prepare(i);
    drop();
    file = tmpfile();
    fputs("12 ab\nrest", file);
    rewind(file);
    hook_begin(&call);
    ck_assert_int_eq(call.done, 1);
    ck_assert_int_eq(hook_end(&call), 2);
    next_is("\nrest");
    stdin = before;
    fclose(file);
}

/* ---- exactly what the C library does ------------------------------------- */

static const char *const formats[] = {
    "%i",         "%x %n",  "%o",     "%f",   "%lf%c",  "%5c",
    "%[a-z]%n",   "%[^\n]", "%3d%3d", "a%db", " %%%d",  "%*d %s",
    "%ms",        "%2s%n",  "%d,%d",  "%p",   "%hhd%n", "%4[0-9]%c",
    "inf%n %a%n", "%s %s",  "",       "   ",  "%c%n",   "%d%d%d",
};
static const char *const texts[] = {
    "",     "12",    "-0x1fg", "0x",       "0xg",  "1e+5x",   "1e+x",
    "nanx", "inf",   "infinx", "abc12",    "a12b", "  % 7 8", "12,34",
    "1,x",  "\n\n1", "+-3",    "12345678", ".5.5", "0b11",    "x y z",
};

/* Three words, and what is left of the text. */
struct outcome {
    int n;
    char values[3][64], left[64];
};

/* Each value has room for whatever its format makes of it. */
static struct outcome scan_with(const char *format)
{
    struct outcome o = {.n = -2};
    size_t len;

    o.n = fscanf(file, format, o.values[0], o.values[1], o.values[2]);
    len = fread(o.left, 1, sizeof(o.left) - 1, file);
    o.left[len] = '\0';
    return o;
}

static void same(const char *format, const char *text)
{
    struct outcome theirs, ours;

    file = tmpfile();
    fputs(text, file);
    rewind(file);
    theirs = scan_with(format);
    fclose(file);
    hook_pair(fds);
    file = fdopen(fds[0], "r");
    hook_put(fds[1], text);
    shutdown(fds[1], SHUT_WR);
    ours = scan_with(format);
    fclose(file);
    close(fds[1]);
    ck_assert_msg(ours.n == theirs.n && strcmp(ours.left, theirs.left) == 0,
                  "\"%s\" of \"%s\": %d and \"%s\" instead of %d and \"%s\"",
                  format, text, ours.n, ours.left, theirs.n, theirs.left);
    if (strcmp(format, "%ms") == 0) { /* pointers */
        char *one, *other;

        memcpy(&one, ours.values[0], sizeof(one));
        memcpy(&other, theirs.values[0], sizeof(other));
        ck_assert(ours.n <= 0 || strcmp(one, other) == 0);
        free(one);
        free(other);
    } else {
        ck_assert_msg(memcmp(ours.values, theirs.values, sizeof(ours.values)) ==
                          0,
                      "\"%s\" of \"%s\" has other values", format, text);
    }
}

CO_TASK_TEST(a_scan_takes_what_the_c_library_takes)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
        for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++)
            same(formats[i], texts[k]);
}

CO_TASK_TEST(a_stream_without_a_buffer_is_scanned)
{
    prepare(0);
    setvbuf(file, NULL, _IONBF, 0);
    hook_put(fds[1], "12 ab\nrest");
    ck_assert_int_eq(hook_do(&call), 2);
    next_is("\nrest");
    drop();
}

CO_TASK_TEST(what_was_pushed_back_is_scanned_first)
{
    prepare(0);
    hook_put(fds[1], "2 ab\nrest");
    ck_assert_int_eq(ungetc('1', file), '1');
    ck_assert_int_eq(hook_do(&call), 2);
    ck_assert_int_eq(number, 12);
    next_is("\nrest");
    drop();
}

/* More than there are threads. */
#define MANY 40

static int scan_one(void *arg)
{
    int n;

    return fscanf(arg, "%d,", &n) == 1 ? n : -errno;
}

CO_TASK_TEST(half_a_number_holds_no_thread)
{
    FILE *streams[MANY];
    co_task *tasks[MANY];
    int pairs[MANY][2];

    for (int i = 0; i < MANY; i++) {
        hook_pair(pairs[i]);
        streams[i] = fdopen(pairs[i][0], "r");
        hook_put(pairs[i][1], "12");
        tasks[i] = co_test_spawn(scan_one, streams[i]);
    }
    co_test_yield();
    for (int i = MANY - 1; i >= 0; i--) {
        hook_put(pairs[i][1], "34,");
        ck_assert_int_eq(co_test_result(tasks[i]), 1234);
        fclose(streams[i]);
        close(pairs[i][1]);
    }
}

static Suite *suite(void)
{
    Suite *s = suite_create("hook.scan");
    TCase *tc = hook_case(s, "scan");

    tcase_add_loop_test(tc, a_scan_parks_its_task_alone, 0, ALL);
    tcase_add_loop_test(tc, the_end_of_a_stream_ends_a_scan, 0, ALL);
    tcase_add_loop_test(tc, a_scan_that_is_cut_short_has_failed, 0, ALL);
    tcase_add_loop_test(tc, a_non_blocking_scan_says_eagain, 0, ALL);
    tcase_add_loop_test(tc, so_rcvtimeo_ends_a_scan, 0, ALL);
    tcase_add_loop_test(tc, a_stream_that_is_closed_meanwhile_is_ebadf, 0, ALL);
    tcase_add_loop_test(tc, a_regular_file_stays_with_its_task, 0, ALL);
    tcase_add_test(tc, a_scan_takes_what_the_c_library_takes);
    tcase_add_test(tc, a_stream_without_a_buffer_is_scanned);
    tcase_add_test(tc, what_was_pushed_back_is_scanned_first);
    tcase_add_test(tc, half_a_number_holds_no_thread);
    return s;
}

CO_TEST_MAIN(suite)
