/* SPDX-License-Identifier: MIT */
/* Writing to FILE streams of sockets and pipes, in tasks: bytes, text, and what
 * is printed. */
#include "hook/hook_support.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <wchar.h>

#define MUCH 400000

static int fds[2];
static FILE *file;
static char much[MUCH + 1], back[2 * MUCH + 16];
static struct hook_call call;

int __fprintf_chk(FILE *stream, int flag, const char *format, ...);
int __vfprintf_chk(FILE *stream, int flag, const char *format, va_list list);
int __printf_chk(int flag, const char *format, ...);
int __vprintf_chk(int flag, const char *format, va_list list);
int __dprintf_chk(int fd, int flag, const char *format, ...);
int __vdprintf_chk(int fd, int flag, const char *format, va_list list);

/* ---- every call that writes: c->data, to file ---------------------------- */

/* What was printed, of c->len bytes. */
static ssize_t printed(const struct hook_call *c, int n)
{
    ck_assert(n < 0 || n == (int)c->len);
    return n;
}

static ssize_t by_fwrite(struct hook_call *c)
{
    return fwrite(c->data, 1, c->len, file) == c->len ? (ssize_t)c->len : -1;
}

static ssize_t by_fputs(struct hook_call *c)
{
    return fputs(c->data, file) >= 0 ? (ssize_t)c->len : -1;
}

static ssize_t by_fputc(struct hook_call *c)
{
    const unsigned char *data = c->data;

    for (size_t i = 0; i < c->len; i++)
        if ((i % 2 ? fputc(data[i], file) : putc(data[i], file)) != data[i])
            return -1;
    return (ssize_t)c->len;
}

static ssize_t by_fprintf(struct hook_call *c)
{
    return printed(c, fprintf(file, "%s", (char *)c->data));
}

static ssize_t by_fprintf_chk(struct hook_call *c)
{
    return printed(c, __fprintf_chk(file, 1, "%s", (char *)c->data));
}

static ssize_t by_dprintf(struct hook_call *c)
{
    return printed(c, dprintf(fileno(file), "%s", (char *)c->data));
}

static ssize_t by_dprintf_chk(struct hook_call *c)
{
    return printed(c, __dprintf_chk(fileno(file), 1, "%s", (char *)c->data));
}

enum form {
    V,
    V_CHK,
    VOUT,
    VOUT_CHK,
    VD,
    VD_CHK
};

static int with_list(enum form form, const char *format, ...)
{
    va_list list;
    int n = 0;

    va_start(list, format);
    switch (form) {
    case V:
        n = vfprintf(file, format, list);
        break;
    case V_CHK:
        n = __vfprintf_chk(file, 1, format, list);
        break;
    case VOUT:
        n = vprintf(format, list);
        break;
    case VOUT_CHK:
        n = __vprintf_chk(1, format, list);
        break;
    case VD:
        n = vdprintf(fileno(file), format, list);
        break;
    case VD_CHK:
        n = __vdprintf_chk(fileno(file), 1, format, list);
        break;
    }
    va_end(list);
    return n;
}

static ssize_t by_vfprintf(struct hook_call *c)
{
    return printed(c, with_list(V, "%s", (char *)c->data));
}

static ssize_t by_vfprintf_chk(struct hook_call *c)
{
    return printed(c, with_list(V_CHK, "%s", (char *)c->data));
}

static ssize_t by_vdprintf(struct hook_call *c)
{
    return printed(c, with_list(VD, "%s", (char *)c->data));
}

static ssize_t by_vdprintf_chk(struct hook_call *c)
{
    return printed(c, with_list(VD_CHK, "%s", (char *)c->data));
}

/* With `file` for its standard output. Each way is tried by one call, so that
 * no other task sees it. */
enum out {
    OUT_PRINTF,
    OUT_PRINTF_CHK,
    OUT_VPRINTF,
    OUT_VPRINTF_CHK,
    OUT_CHAR
};

static ssize_t to_stdout(struct hook_call *c, enum out out)
{
    const unsigned char *data = c->data;
    ssize_t n = -1;

    stdout = file;
    switch (out) {
    case OUT_PRINTF:
        n = printed(c, printf("%s", data));
        break;
    case OUT_PRINTF_CHK:
        n = printed(c, __printf_chk(1, "%s", data));
        break;
    case OUT_VPRINTF:
        n = printed(c, with_list(VOUT, "%s", data));
        break;
    case OUT_VPRINTF_CHK:
        n = printed(c, with_list(VOUT_CHK, "%s", data));
        break;
    case OUT_CHAR:
        for (n = 0; n >= 0 && n < (ssize_t)c->len; n++)
            if (putchar(data[n]) != data[n])
                return -1;
        break;
    }
    return n;
}

static ssize_t by_printf(struct hook_call *c)
{
    return to_stdout(c, OUT_PRINTF);
}

static ssize_t by_printf_chk(struct hook_call *c)
{
    return to_stdout(c, OUT_PRINTF_CHK);
}

static ssize_t by_vprintf(struct hook_call *c)
{
    return to_stdout(c, OUT_VPRINTF);
}

static ssize_t by_vprintf_chk(struct hook_call *c)
{
    return to_stdout(c, OUT_VPRINTF_CHK);
}

static ssize_t by_putchar(struct hook_call *c)
{
    return to_stdout(c, OUT_CHAR);
}

/* It adds the end of the line. */
static ssize_t by_puts(struct hook_call *c)
{
    char *text = c->data;
    int n;

    stdout = file;
    ck_assert_int_eq(text[c->len - 1], '\n');
    text[c->len - 1] = '\0';
    n = puts(text);
    text[c->len - 1] = '\n';
    return n < 0 ? -1 : (ssize_t)c->len;
}

static ssize_t by_fflush(struct hook_call *c)
{
    const char *data = c->data;

    for (size_t done = 0; done < c->len; done += 1000)
        if (fwrite(data + done, 1000, 1, file) != 1 || fflush(file) < 0)
            return -1;
    return (ssize_t)c->len;
}

typedef ssize_t call_fn(struct hook_call *c);

/* Those of descriptors come first: these have no buffer, and no ferror. */
static call_fn *const writers[] = {
    by_dprintf,      by_dprintf_chk, by_vdprintf,    by_vdprintf_chk,
    by_fwrite,       by_fputs,       by_fputc,       by_fprintf,
    by_fprintf_chk,  by_vfprintf,    by_printf,      by_printf_chk,
    by_vfprintf_chk, by_vprintf,     by_vprintf_chk, by_putchar,
    by_puts,         by_fflush};
#define WRITERS ((int)(sizeof(writers) / sizeof(writers[0])))
#define STREAMS 4 /* from here on */

static void prepare_call(call_fn *fn)
{
    memset(much, 'x', MUCH);
    much[MUCH - 1] = '\n';
    call = (struct hook_call){.fn = fn, .data = much, .len = MUCH};
}

static void prepare_fds(call_fn *fn)
{
    file = fdopen(fds[0], "w");
    ck_assert_ptr_nonnull(file);
    prepare_call(fn);
}

static void prepare(int i)
{
    hook_pair(fds);
    prepare_fds(writers[i]);
}

static void prepare_pipe(call_fn *fn)
{
    int ends[2];

    hook_pipe(ends);
    fds[0] = ends[1];
    fds[1] = ends[0];
    prepare_fds(fn);
}

static FILE *before;

static void drop(void)
{
    stdout = before;
    fclose(file);
    close(fds[1]);
}

static void keep_stdout(void)
{
    before = stdout;
}

/* Read from the other end, from `done` up to `len`. */
static void take_more(size_t done, size_t len)
{
    while (done < len) {
        ssize_t n = read(fds[1], back + done, len - done);

        ck_assert_int_gt(n, 0);
        done += (size_t)n;
    }
}

static void take(size_t len)
{
    take_more(0, len);
}

/* Read what is there at the other end: how much. */
static size_t take_rest(void)
{
    size_t done = 0;
    ssize_t n;

    while ((n = recv(fds[1], back + done, sizeof(back) - done, MSG_DONTWAIT)) >
           0)
        done += (size_t)n;
    return done;
}

/* In a task, until it waits for room: what it writes grows no more. Between its
 * calls it may give way. */
static void begin_until_full(void)
{
    int queued = -1, now = 0;

    hook_begin(&call);
    while (now > queued) {
        queued = now;
        for (int i = 0; i < 10; i++)
            co_test_yield();
        ck_assert_int_eq(ioctl(fds[1], FIONREAD, &now), 0);
    }
    ck_assert(hook_waits(&call));
}

EACH_TEST(a_full_stream_parks_its_task_alone)
{
    prepare(i);
    hook_begin_waiting(&call);
    if (i < STREAMS) {
        take(MUCH);
        ck_assert_int_eq(hook_end(&call), MUCH);
    } else {
        take(MUCH - 8192); /* its buffer may have the rest */
        ck_assert_int_eq(hook_end(&call), MUCH);
        ck_assert_int_eq(fflush(file), 0);
        ck_assert_int_eq(ferror(file), 0);
        take(8192);
        ck_assert_int_eq(back[8191], '\n');
    }
    ck_assert_int_eq(hook_is_nonblocking(fds[0]), 0);
    drop();
}

EACH_TEST(a_pipe_parks_its_writer_too)
{
    prepare_pipe(writers[i]);
    hook_begin_waiting(&call);
    take(MUCH - 8192);
    ck_assert_int_eq(hook_end(&call), MUCH);
    ck_assert_int_eq(fflush(file), 0);
    take(8192);
    drop();
}

/* It has failed with this after a part; the part is what was written first, and
 * nothing comes later but what the stream's buffer has. */
static void it_has_failed(int i, int error)
{
    size_t n;

    ck_assert_int_eq(hook_end(&call), error);
    if (i >= STREAMS) {
        ck_assert_int_ne(ferror(file), 0);
        clearerr(file);
    }
    n = take_rest();
    ck_assert_uint_gt(n, 0);
    ck_assert_uint_lt(n, MUCH);
    ck_assert_int_eq(memcmp(back, much, n), 0);
    ck_assert_int_eq(fflush(file), 0);
    (void)take_rest();
    /* It can be used. */
    ck_assert_int_eq(fprintf(file, "%s%d", "abc", 1), 4);
    ck_assert_int_eq(fflush(file), 0);
    ck_assert_uint_eq(take_rest(), 4);
    ck_assert_int_eq(memcmp(back, "abc1", 4), 0);
}

EACH_TEST(a_cancel_ends_a_write_half_way)
{
    prepare(i);
    begin_until_full();
    co_cancel(call.task);
    it_has_failed(i, -ECANCELED);
    drop();
}

static call_fn *timed;

static ssize_t within_a_moment(struct hook_call *c)
{
    ssize_t n = 0;

    co_timeout(20 * CO_MS)
        n = timed(c);
    return n;
}

EACH_TEST(a_timeout_ends_a_write_half_way)
{
    prepare(i);
    timed = call.fn;
    call.fn = within_a_moment;
    hook_begin(&call);
    it_has_failed(i, -ETIMEDOUT);
    drop();
}

EACH_TEST(so_sndtimeo_ends_a_write_half_way)
{
    prepare(i);
    hook_limit(fds[0], SO_SNDTIMEO, 4);
    hook_begin(&call);
    it_has_failed(i, -EAGAIN);
    drop();
}

EACH_TEST(a_non_blocking_stream_takes_what_it_can)
{
    prepare(i);
    hook_set_nonblocking(fds[0]);
    hook_begin(&call);
    it_has_failed(i, -EAGAIN);
    drop();
}

EACH_TEST(a_reader_that_goes_is_epipe)
{
    prepare(i);
    begin_until_full();
    close(fds[1]);
    ck_assert_int_eq(hook_end(&call), -EPIPE);
    ck_assert_int_eq(ferror(file) != 0, i >= STREAMS);
    fds[1] = -1;
    drop();
}

EACH_TEST(a_stream_that_is_closed_meanwhile_is_ebadf)
{
    prepare(i);
    begin_until_full();
    stdout = before;
    fclose(file);
    ck_assert_int_eq(hook_end(&call), -EBADF);
    close(fds[1]);
}

EACH_TEST(a_regular_file_stays_with_its_task)
{
    file = tmpfile();
    ck_assert_ptr_nonnull(file);
    prepare_call(writers[i]);
    hook_begin(&call);
    ck_assert_int_eq(call.done, 1);
    ck_assert_int_eq(hook_end(&call), MUCH);
    stdout = before;
    rewind(file);
    ck_assert_uint_eq(fread(back, 1, sizeof(back), file), MUCH);
    ck_assert_int_eq(memcmp(back, much, MUCH), 0);
    fclose(file);
}

/* As much as it would without hooks, in pieces as they would be. */
EACH_TEST(a_streams_buffer_is_what_it_is)
{
    char text[] = "abc\n";

    if (writers[i] == by_fflush)
        return;
    prepare(i);
    call.data = text;
    call.len = 4;
    hook_begin(&call);
    ck_assert_int_eq(hook_end(&call), 4);
    ck_assert_uint_eq(take_rest(), i < STREAMS ? 4 : 0);
    ck_assert_int_eq(fflush(file), 0);
    ck_assert_uint_eq(take_rest(), i < STREAMS ? 0 : 4);
    setvbuf(file, NULL, _IOLBF, 1000);
    ck_assert_int_eq(hook_do(&call), 4);
    ck_assert_uint_eq(take_rest(), 4);
    ck_assert_int_eq(memcmp(back, "abc\n", 4), 0);
    setvbuf(file, NULL, _IONBF, 0);
    ck_assert_int_eq(hook_do(&call), 4);
    ck_assert_uint_eq(take_rest(), 4);
    drop();
}

/* ---- lines and buffers --------------------------------------------------- */

CO_TASK_TEST(the_end_of_a_line_sends_it_and_no_more)
{
    prepare(0);
    setvbuf(file, NULL, _IOLBF, 100);
    ck_assert_int_eq(fprintf(file, "abc"), 3);
    ck_assert_uint_eq(take_rest(), 0);
    ck_assert_int_eq(fprintf(file, "d\n%s", "ef\ngh"), 7);
    ck_assert_uint_eq(take_rest(), 8);
    ck_assert_int_eq(memcmp(back, "abcd\nef\n", 8), 0);
    ck_assert_int_eq(fflush(file), 0);
    ck_assert_uint_eq(take_rest(), 2);
    ck_assert_int_eq(memcmp(back, "gh", 2), 0);
    drop();
}

CO_TASK_TEST(what_fits_a_streams_buffer_stays_with_its_task)
{
    prepare(0);
    ck_assert_int_ge(fputs("abc", file), 0);
    ck_assert_uint_eq(fwrite("def", 1, 3, file), 3);
    ck_assert_int_eq(fprintf(file, "%d", 123), 3);
    ck_assert_uint_eq(take_rest(), 0);
    ck_assert_int_eq(fflush(file), 0);
    ck_assert_uint_eq(take_rest(), 9);
    ck_assert_int_eq(fflush(NULL), 0);
    drop();
}

/* All of it is sent, in order, whichever way its parts went. */
CO_TASK_TEST(a_buffer_is_sent_before_what_follows)
{
    prepare(0);
    setvbuf(file, NULL, _IOFBF, 16);
    for (int i = 0; i < 100; i++)
        ck_assert_int_gt(fprintf(file, "%d%s", i,
                                 i % 7 ? ""
                                       : "and so on and "
                                         "so on"),
                         0);
    ck_assert_int_eq(fclose(file), 0);
    back[take_rest()] = '\0';
    file = tmpfile();
    for (int i = 0; i < 100; i++)
        fprintf(file, "%d%s", i, i % 7 ? "" : "and so on and so on");
    rewind(file);
    much[fread(much, 1, MUCH, file)] = '\0';
    ck_assert_str_eq(back, much);
    drop();
}

/* ---- what the C library refuses ------------------------------------------ */

CO_TASK_TEST(a_wide_stream_is_refused)
{
    prepare(0);
    ck_assert_int_gt(fwide(file, 1), 0);
    ck_assert_int_eq(fprintf(file, "%d", 1), -1);
    ck_assert_int_eq(fputs("abc", file), EOF);
    ck_assert_int_ne(fputwc(L'a', file), WEOF);
    ck_assert_int_eq(fflush(file), 0);
    ck_assert_uint_eq(take_rest(), 1);
    drop();
}

CO_TASK_TEST(printing_makes_it_a_stream_of_bytes)
{
    prepare(0);
    ck_assert_int_eq(fprintf(file, "%d", 1), 1);
    ck_assert_int_lt(fwide(file, 0), 0);
    drop();
}

CO_TASK_TEST(a_stream_for_reading_is_ebadf)
{
    prepare(0);
    fclose(file);
    fds[0] = dup(fds[1]);
    file = fdopen(fds[0], "r");
    errno = 0;
    ck_assert_int_eq(fprintf(file, "%d", 1), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_ne(ferror(file), 0);
    drop();
}

/* It would have to be put back. */
CO_TASK_TEST(what_was_read_ahead_is_in_the_way)
{
    hook_pair(fds);
    file = fdopen(fds[0], "r+");
    hook_put(fds[1], "abcd");
    ck_assert_int_eq(fgetc(file), 'a');
    if (fprintf(file, "%d", 1) > 0)
        ck_assert_int_eq(fflush(file), EOF);
    ck_assert_int_eq(errno, ESPIPE);
    drop();
}

CO_TASK_TEST(a_text_that_cannot_be_made_is_eilseq)
{
    prepare(0);
    errno = 0;
    ck_assert_int_eq(fprintf(file, "abc%lc", (wint_t)0x7fffffff), -1);
    ck_assert_int_eq(errno, EILSEQ);
    errno = 0;
    ck_assert_int_eq(dprintf(fds[0], "%lc", (wint_t)0x7fffffff), -1);
    ck_assert_int_eq(errno, EILSEQ);
    drop();
}

CO_TASK_TEST(nothing_is_printed_as_nothing)
{
    prepare(0);
    ck_assert_int_eq(fprintf(file, "%s", ""), 0);
    ck_assert_int_eq(dprintf(fds[0], "%s", ""), 0);
    ck_assert_uint_eq(take_rest(), 0);
    drop();
}

/* The limit is the process's: a sanitizer, valgrind or an emulator, which are
 * in it, would end or hang. */
EACH_TEST(without_memory_for_the_text_it_is_enomem)
{
    struct rlimit all, none;

    if (CO_TEST_SLOW || writers[i] == by_fwrite || writers[i] == by_fputs ||
        writers[i] == by_fputc || writers[i] == by_putchar ||
        writers[i] == by_fflush)
        return;
    prepare(i);
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &all), 0);
    none = all;
    none.rlim_cur = 1;
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &none), 0);
    hook_do(&call);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &all), 0);
    ck_assert_int_eq(call.result, -ENOMEM);
    ck_assert_int_eq(ferror(file) != 0, i >= STREAMS);
    ck_assert_uint_eq(take_rest(), 0);
    drop();
}

/* ---- one after the other ------------------------------------------------- */

/* The bytes of one call are not mixed with another's, though they all wait; and
 * what would have room in the buffer waits for its turn, too. */
EACH_TEST(what_two_tasks_write_stays_apart)
{
    struct hook_call second, third;
    static char other[MUCH + 1];
    char few[] = "z\n";
    size_t at;

    if (i < STREAMS || writers[i] == by_fputc || writers[i] == by_putchar ||
        writers[i] == by_fflush)
        return;
    prepare(i);
    memset(other, 'y', MUCH);
    other[MUCH - 1] = '\n';
    second = third = call;
    second.data = other;
    third.data = few;
    third.len = 2;
    hook_begin_waiting(&call);
    hook_begin_waiting(&second);
    hook_begin_waiting(&third);
    take(MUCH);
    ck_assert_int_eq(memcmp(back, much, MUCH), 0);
    ck_assert_int_eq(hook_end(&call), MUCH);
    take(MUCH - 8192); /* the stream's buffer may have the rest */
    at = back[0] == 'z' ? 2 : 0;
    hook_end(&second);
    hook_end(&third);
    ck_assert_int_eq(fflush(file), 0);
    take_more(MUCH - 8192, MUCH + 2);
    ck_assert_int_eq(memcmp(back + at, other, MUCH), 0);
    ck_assert_int_eq(memcmp(back + (at ? 0 : MUCH), few, 2), 0);
    drop();
}

EACH_TEST(who_stands_in_line_for_a_stream_is_told_of_its_end)
{
    struct hook_call second;
    static char other[MUCH + 1];

    if (i < STREAMS || writers[i] == by_fputc || writers[i] == by_putchar)
        return;
    prepare(i);
    memcpy(other, much, sizeof(other));
    second = call;
    second.data = other;
    hook_begin_waiting(&call);
    hook_begin_waiting(&second);
    stdout = before;
    fclose(file);
    ck_assert_int_eq(hook_end(&call), -EBADF);
    ck_assert_int_eq(hook_end(&second), -EBADF);
    close(fds[1]);
}

/* More than there are threads. */
#define MANY 40

static int print_much(void *arg)
{
    return fprintf(arg, "%s", much) == MUCH ? 0 : -errno;
}

CO_TASK_TEST(who_cannot_go_on_holds_no_thread)
{
    FILE *streams[MANY];
    co_task *tasks[MANY];
    int pairs[MANY][2];

    memset(much, 'x', MUCH);
    for (int i = 0; i < MANY; i++) {
        hook_pair(pairs[i]);
        streams[i] = fdopen(pairs[i][0], "w");
        tasks[i] = co_test_spawn(print_much, streams[i]);
    }
    co_test_yield();
    for (int i = MANY - 1; i >= 0; i--) {
        fds[1] = pairs[i][1];
        take(MUCH);
        ck_assert_int_eq(co_test_result(tasks[i]), 0);
        fclose(streams[i]);
        close(pairs[i][1]);
    }
}

/* A child has the stream, and not the task that waits for it. */
CO_TASK_TEST(a_forked_child_waits_for_nobody)
{
    int status;
    pid_t child;

    prepare_pipe(by_fprintf);
    hook_begin_waiting(&call);
    child = fork();
    if (child == 0) {
        int other[2];

        hook_pipe(other);
        dup2(other[1], fds[0]);
        _exit(fprintf(file, "abc") == 3 && fflush(file) == 0 ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    co_cancel(call.task);
    ck_assert_int_eq(hook_end(&call), -ECANCELED);
    drop();
}

/* ---- closing ------------------------------------------------------------- */

static ssize_t by_fclose(struct hook_call *c)
{
    return fclose(c->data) == 0 ? 0 : -1;
}

/* Of what is written the last is in the buffer, and nothing can be sent. */
static void fill(void)
{
    prepare(0);
    hook_set_nonblocking(fds[0]);
    while (send(fds[0], much, 1000, 0) > 0)
        continue;
    ck_assert_int_eq(fcntl(fds[0], F_SETFL, 0), 0);
    ck_assert_int_eq(fprintf(file, "the end"), 7);
    call = (struct hook_call){.fn = by_fclose, .data = file};
}

CO_TASK_TEST(fclose_waits_until_all_is_sent)
{
    size_t n = 0;

    fill();
    hook_begin_waiting(&call);
    while (!call.done) {
        n = take_rest();
        co_test_yield();
    }
    n += take_rest();
    ck_assert_int_eq(hook_end(&call), 0);
    ck_assert_uint_ge(n, 7);
    close(fds[1]);
}

CO_TASK_TEST(a_cancelled_fclose_closes)
{
    fill();
    hook_begin_waiting(&call);
    co_cancel(call.task);
    ck_assert_int_eq(hook_end(&call), -ECANCELED);
    ck_assert_int_eq(fcntl(fds[0], F_GETFD), -1);
    close(fds[1]);
}

static ssize_t by_fprintf_and_fclose(struct hook_call *c)
{
    co_cancel(co_self());
    ck_assert_int_eq(fprintf(file, "abc"), 3);
    return by_fclose(c);
}

/* Nobody has to wait for that. */
CO_TASK_TEST(a_cancelled_task_has_its_streams_sent)
{
    prepare(0);
    call = (struct hook_call){.fn = by_fprintf_and_fclose, .data = file};
    hook_begin(&call);
    ck_assert_int_eq(hook_end(&call), 0);
    ck_assert_uint_eq(take_rest(), 3);
    close(fds[1]);
}

/* ---- terminals ----------------------------------------------------------- */

/* Who talks to a terminal by its standard output waits for it as all do. */
CO_TASK_TEST(a_terminal_is_written_to_straight)
{
    hook_terminal(fds);
    prepare_fds(by_printf);
    call.len = 5;
    call.data = (char[]){"abcd\n"};
    hook_begin(&call);
    ck_assert_int_eq(call.done, 1);
    ck_assert_int_eq(hook_end(&call), 5);
    ck_assert_int_eq(fflush(file), 0);
    take(5);
    drop();
}

/* Another terminal is one of many. */
CO_TASK_TEST(other_terminals_are_written_to_by_a_thread)
{
    hook_terminal(fds);
    prepare_fds(by_fprintf);
    call.len = 5;
    call.data = (char[]){"abcd\n"};
    hook_begin_waiting(&call);
    ck_assert_int_eq(hook_end(&call), 5);
    ck_assert_int_eq(fflush(file), 0);
    take(5);
    drop();
}

static Suite *suite(void)
{
    Suite *s = suite_create("hook.put");
    TCase *tc = hook_case(s, "put");

    tcase_add_unchecked_fixture(tc, keep_stdout, NULL);
    tcase_add_loop_test(tc, a_full_stream_parks_its_task_alone, 0, WRITERS);
    tcase_add_loop_test(tc, a_pipe_parks_its_writer_too, 0, WRITERS);
    tcase_add_loop_test(tc, a_cancel_ends_a_write_half_way, 0, WRITERS);
    tcase_add_loop_test(tc, a_timeout_ends_a_write_half_way, 0, WRITERS);
    tcase_add_loop_test(tc, so_sndtimeo_ends_a_write_half_way, 0, WRITERS);
    tcase_add_loop_test(tc, a_non_blocking_stream_takes_what_it_can, 0,
                        WRITERS);
    tcase_add_loop_test(tc, a_reader_that_goes_is_epipe, 0, WRITERS);
    tcase_add_loop_test(tc, a_stream_that_is_closed_meanwhile_is_ebadf, 0,
                        WRITERS);
    tcase_add_loop_test(tc, a_regular_file_stays_with_its_task, 0, WRITERS);
    tcase_add_loop_test(tc, a_streams_buffer_is_what_it_is, 0, WRITERS);
    tcase_add_test(tc, the_end_of_a_line_sends_it_and_no_more);
    tcase_add_test(tc, what_fits_a_streams_buffer_stays_with_its_task);
    tcase_add_test(tc, a_buffer_is_sent_before_what_follows);
    tcase_add_test(tc, a_wide_stream_is_refused);
    tcase_add_test(tc, printing_makes_it_a_stream_of_bytes);
    tcase_add_test(tc, a_stream_for_reading_is_ebadf);
    tcase_add_test(tc, what_was_read_ahead_is_in_the_way);
    tcase_add_test(tc, a_text_that_cannot_be_made_is_eilseq);
    tcase_add_test(tc, nothing_is_printed_as_nothing);
    tcase_add_loop_test(tc, without_memory_for_the_text_it_is_enomem, 0,
                        WRITERS);
    tcase_add_loop_test(tc, what_two_tasks_write_stays_apart, 0, WRITERS);
    tcase_add_loop_test(tc, who_stands_in_line_for_a_stream_is_told_of_its_end,
                        0, WRITERS);
    tcase_add_test(tc, who_cannot_go_on_holds_no_thread);
    tcase_add_test(tc, a_forked_child_waits_for_nobody);
    tcase_add_test(tc, fclose_waits_until_all_is_sent);
    tcase_add_test(tc, a_cancelled_fclose_closes);
    tcase_add_test(tc, a_cancelled_task_has_its_streams_sent);
    tcase_add_test(tc, a_terminal_is_written_to_straight);
    tcase_add_test(tc, other_terminals_are_written_to_by_a_thread);
    return s;
}

CO_TEST_MAIN(suite)
