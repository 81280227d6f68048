/* SPDX-License-Identifier: MIT */
/* Reading FILE streams of sockets and pipes, in tasks. "fgets on a socket
 * stream blocked the loop". */
#include "core/loop.h"
#include "hook/hook_support.h"

#include <stdio.h>
#include <stdlib.h>

static int fds[2];
static FILE *file;
static char got[64];
static struct hook_call call;

char *__fgets_chk(char *line, size_t room, int size, FILE *stream);
size_t __fread_chk(void *data, size_t room, size_t size, size_t count,
                   FILE *stream);

/* ---- every call that reads: into got, five characters or a line ---------- */

static ssize_t by_fgets(struct hook_call *c)
{
    (void)c;
    return fgets(got, sizeof(got), file) ? (ssize_t)strlen(got) : -1;
}

static ssize_t by_fgets_chk(struct hook_call *c)
{
    (void)c;
    return __fgets_chk(got, sizeof(got), sizeof(got), file)
               ? (ssize_t)strlen(got)
               : -1;
}

static ssize_t by_fread(struct hook_call *c)
{
    size_t n = fread(got, 1, 5, file);

    (void)c;
    return n ? (ssize_t)n : -1;
}

static ssize_t by_fread_chk(struct hook_call *c)
{
    size_t n = __fread_chk(got, sizeof(got), 1, 5, file);

    (void)c;
    return n ? (ssize_t)n : -1;
}

static ssize_t by_fgetc(struct hook_call *c)
{
    (void)c;
    for (int i = 0; i < 5; i++) {
        int one = i % 2 ? fgetc(file) : getc(file);

        if (one == EOF)
            return -1;
        got[i] = (char)one;
    }
    return 5;
}

static ssize_t by_getchar(struct hook_call *c)
{
    FILE *before = stdin;
    int one = 0;

    (void)c;
    stdin = file;
    for (int i = 0; i < 5 && one != EOF; i++)
        got[i] = (char)(one = getchar());
    stdin = before;
    return one == EOF ? -1 : 5;
}

static ssize_t by_getline(struct hook_call *c)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t n = getline(&line, &size, file);
    int error = errno;

    (void)c;
    if (n >= 0)
        memcpy(got, line, (size_t)n + 1);
    free(line);
    errno = error;
    return n;
}

static ssize_t by_getdelim(struct hook_call *c)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t n = getdelim(&line, &size, '\n', file);
    int error = errno;

    (void)c;
    if (n >= 0)
        memcpy(got, line, (size_t)n + 1);
    free(line);
    errno = error;
    return n;
}

typedef ssize_t call_fn(struct hook_call *c);

static call_fn *const readers[] = {by_fgets,     by_fgets_chk, by_fread,
                                   by_fread_chk, by_fgetc,     by_getchar,
                                   by_getline,   by_getdelim};
#define READERS ((int)(sizeof(readers) / sizeof(readers[0])))

static void prepare(int i)
{
    hook_pair(fds);
    file = fdopen(fds[0], "r");
    ck_assert_ptr_nonnull(file);
    memset(got, 0, sizeof(got));
    call = (struct hook_call){.fn = readers[i]};
}

static void drop(void)
{
    fclose(file);
    close(fds[1]);
}

EACH_TEST(a_stream_parks_its_task_alone)
{
    prepare(i);
    hook_begin_waiting(&call);
    hook_put(fds[1], "abcd\nefgh\nij");
    ck_assert_int_eq(hook_end(&call), 5);
    ck_assert_str_eq(got, "abcd\n");
    /* What is in its buffer is nobody's wait. */
    hook_begin(&call);
    ck_assert_int_eq(call.done, 1);
    ck_assert_int_eq(hook_end(&call), 5);
    ck_assert_str_eq(got, "efgh\n");
    /* The rest of a line is waited for. */
    hook_begin_waiting(&call);
    hook_put(fds[1], "kl\n");
    ck_assert_int_eq(hook_end(&call), 5);
    ck_assert_str_eq(got, "ijkl\n");
    ck_assert_int_eq(hook_is_nonblocking(fds[0]), 0);
    drop();
}

EACH_TEST(the_end_of_a_stream_is_told)
{
    prepare(i);
    hook_begin_waiting(&call);
    shutdown(fds[1], SHUT_WR);
    ck_assert_int_eq(hook_end(&call), 0); /* -1, and no errno */
    ck_assert_int_ne(feof(file), 0);
    ck_assert_int_eq(ferror(file), 0);
    drop();
}

EACH_TEST(a_cancelled_stream_is_ecanceled)
{
    prepare(i);
    hook_begin_waiting(&call);
    co_cancel(call.task);
    ck_assert_int_eq(hook_end(&call), -ECANCELED);
    co_timeout(CO_MS)
        ck_assert_int_eq(hook_do(&call), -ETIMEDOUT);
    hook_put(fds[1], "abcd\n");
    ck_assert_int_eq(hook_do(&call), 5);
    drop();
}

EACH_TEST(a_non_blocking_stream_says_eagain)
{
    prepare(i);
    hook_set_nonblocking(fds[0]);
    ck_assert_int_eq(hook_do(&call), -EAGAIN);
    drop();
}

EACH_TEST(a_regular_file_stays_with_its_task)
{
    file = tmpfile();
    ck_assert_ptr_nonnull(file);
    call = (struct hook_call){.fn = readers[i]};
    ck_assert_int_ge(fputs("abcd\n", file), 0);
    rewind(file);
    hook_begin(&call);
    ck_assert_int_eq(call.done, 1);
    ck_assert_int_eq(hook_end(&call), 5);
    fclose(file);
}

/* Who waits for the rest of a line keeps what there is, and no thread. */
EACH_TEST(a_cancel_amid_a_line_takes_nothing_of_it)
{
    if (readers[i] == by_fread || readers[i] == by_fread_chk ||
        readers[i] == by_fgetc || readers[i] == by_getchar)
        return; /* they take what they find */
    prepare(i);
    hook_put(fds[1], "ab");
    hook_begin_waiting(&call);
    co_cancel(call.task);
    ck_assert_int_eq(hook_end(&call), -ECANCELED);
    hook_begin_waiting(&call);
    hook_put(fds[1], "cd\n");
    ck_assert_int_eq(hook_end(&call), 5);
    ck_assert_str_eq(got, "abcd\n");
    drop();
}

EACH_TEST(so_rcvtimeo_ends_the_wait_of_a_stream)
{
    prepare(i);
    hook_limit(fds[0], SO_RCVTIMEO, 4);
    ck_assert_int_eq(hook_do(&call), -EAGAIN);
    ck_assert_int_ne(ferror(file), 0);
    clearerr(file);
    hook_put(fds[1], "abcd\n");
    ck_assert_int_eq(hook_do(&call), 5);
    drop();
}

EACH_TEST(a_stream_that_is_closed_meanwhile_is_ebadf)
{
    prepare(i);
    hook_begin_waiting(&call);
    fclose(file);
    ck_assert_int_eq(hook_end(&call), -EBADF);
    close(fds[1]);
}

/* A call that has had its share of the time gives way first: at its `tired_at`
 * look at that, from 0. */
static call_fn *tired_fn;
static int tired_at;

static ssize_t by_the_tired(struct hook_call *c)
{
    struct co_loop *loop = co_loop_running();

    loop->looks = CO__BUDGET / CO__BUDGET_LOOK;
    loop->budget = 1 + tired_at * CO__BUDGET_LIGHT;
    return tired_fn(c);
}

/* The call has begun, and has given way without a look at the stream. */
static void begin_tired(call_fn *fn, int at)
{
    tired_fn = fn;
    tired_at = at;
    call.fn = by_the_tired;
    hook_begin(&call);
    ck_assert(!call.done);
    ck_assert_int_eq(call.task->state, CO__TASK_READY);
}

EACH_TEST(a_stream_that_is_closed_as_a_call_gives_way_is_ebadf)
{
    prepare(i);
    hook_put(fds[1], "abcd\n");
    begin_tired(readers[i], 0);
    fclose(file);
    ck_assert_int_eq(hook_end(&call), -EBADF);
    close(fds[1]);
}

/* What has no buffer gives way once more, before it goes to a thread. */
CO_TASK_TEST(closed_on_its_way_to_a_thread_it_is_ebadf)
{
    prepare(0);
    setvbuf(file, NULL, _IONBF, 0);
    hook_put(fds[1], "abcd\n");
    begin_tired(by_fgets, 2);
    fclose(file);
    ck_assert_int_eq(hook_end(&call), -EBADF);
    close(fds[1]);
}

/* Nothing has been enabled before. */
CO_TASK_TEST(the_hooks_of_streams_tell_who_reads_by_themselves)
{
    ck_assert_int_eq(co_hook_enable(CO_HOOK_STDIO), 0);
    ck_assert_uint_eq(co_hook_enabled(), CO_HOOK_STDIO);
    prepare(0);
    hook_begin_waiting(&call);
    fclose(file);
    ck_assert_int_eq(hook_end(&call), -EBADF);
    close(fds[1]);
}

/* The last line may lack its end. */
EACH_TEST(what_comes_before_the_end_is_read)
{
    prepare(i);
    hook_put(fds[1], "ab");
    hook_begin_waiting(&call);
    shutdown(fds[1], SHUT_WR);
    hook_end(&call);
    ck_assert_mem_eq(got, "ab", 2);
    ck_assert_int_ne(feof(file), 0);
    ck_assert_int_eq(ferror(file), 0);
    drop();
}

EACH_TEST(a_stream_without_a_buffer_parks_its_task_alone)
{
    prepare(i);
    setvbuf(file, NULL, _IONBF, 0);
    hook_begin_waiting(&call);
    hook_put(fds[1], "ab");
    ck_assert_int_eq(co_sleep(CO_MS), 0);
    ck_assert(hook_waits(&call));
    hook_put(fds[1], "cd\n");
    ck_assert_int_eq(hook_end(&call), 5);
    drop();
}

/* What was pushed back is in a buffer of its own. */
EACH_TEST(what_was_pushed_back_comes_first)
{
    prepare(i);
    hook_put(fds[1], "bcd");
    ck_assert_int_eq(ungetc('a', file), 'a');
    hook_begin_waiting(&call);
    hook_put(fds[1], "\n");
    ck_assert_int_eq(hook_end(&call), 5);
    ck_assert_mem_eq(got, "abcd\n", 5);
    /* Behind it, the buffer has the rest. */
    hook_put(fds[1], "xbcd\n");
    ck_assert_int_eq(fgetc(file), 'x');
    ck_assert_int_eq(ungetc('a', file), 'a');
    ck_assert_int_eq(hook_do(&call), 5);
    ck_assert_mem_eq(got, "abcd\n", 5);
    drop();
}

#define LONG 20000

static char longer[LONG + 1];

static ssize_t by_long_line(struct hook_call *c)
{
    (void)c;
    return fgets(longer, sizeof(longer), file) ? (ssize_t)strlen(longer) : -1;
}

static ssize_t by_long_fread(struct hook_call *c)
{
    (void)c;
    return (ssize_t)fread(longer, 100, LONG / 100, file) * 100;
}

/* Longer than the stream's buffer. */
CO_TASK_TEST(much_is_read_whole)
{
    char part[1000];

    memset(part, 'x', sizeof(part));
    for (int k = 0; k < 2; k++) {
        prepare(0);
        call.fn = k ? by_long_fread : by_long_line;
        hook_begin_waiting(&call);
        for (int i = 0; i < LONG / 1000; i++) {
            ck_assert_int_eq(write(fds[1], part, sizeof(part)), sizeof(part));
            co_test_yield();
        }
        ck_assert_int_eq(hook_end(&call), LONG);
        drop();
    }
}

/* More than there are threads: who is idle holds none. */
#define MANY 40

static int echo_line(void *arg)
{
    FILE *stream = arg;
    char line[16];

    if (!fgets(line, sizeof(line), stream))
        return -EIO;
    fseek(stream, 0, SEEK_CUR);
    return fputs(line, stream) >= 0 && fflush(stream) == 0 ? 0 : -EIO;
}

/* Each waits for a line, with its first half or nothing of it. */
static void echo_many(const char *first, const char *rest)
{
    FILE *streams[MANY];
    co_task *tasks[MANY];
    int pairs[MANY][2];

    for (int i = 0; i < MANY; i++) {
        hook_pair(pairs[i]);
        streams[i] = fdopen(pairs[i][0], "r+");
        hook_put(pairs[i][1], first);
        tasks[i] = co_test_spawn(echo_line, streams[i]);
    }
    co_test_yield();
    for (int i = MANY - 1; i >= 0; i--) {
        hook_put(pairs[i][1], rest);
        ck_assert_int_eq(read(pairs[i][1], got, sizeof(got)), 4);
        ck_assert_int_eq(co_test_result(tasks[i]), 0);
    }
    for (int i = 0; i < MANY; i++) {
        fclose(streams[i]);
        close(pairs[i][1]);
    }
}

CO_TASK_TEST(many_streams_wait_at_once)
{
    echo_many("", "abc\n");
}

CO_TASK_TEST(half_a_line_holds_no_thread)
{
    echo_many("ab", "c\n");
}

/* A question stands in the buffer of stdout. */
CO_TASK_TEST(a_question_is_seen_before_its_answer)
{
    FILE *before = stdout;
    int shown[2];

    hook_terminal(fds);
    hook_pipe(shown);
    file = fdopen(fds[0], "r");
    call = (struct hook_call){.fn = by_fgets};
    stdout = fdopen(shown[1], "w");
    setvbuf(stdout, NULL, _IOLBF, 0);
    fputs("name? ", stdout);
    hook_begin_waiting(&call);
    ck_assert_int_eq(read(shown[0], got, sizeof(got)), 6);
    hook_put(fds[1], "abcd\n");
    ck_assert_int_eq(hook_end(&call), 5);
    fclose(stdout);
    stdout = before;
    close(shown[0]);
    drop();
}

static Suite *suite(void)
{
    Suite *s = suite_create("hook.stdio");
    TCase *tc = tcase_create("alone"); /* the first */

    co_test_check_fds(tc);
    tcase_add_test(tc, the_hooks_of_streams_tell_who_reads_by_themselves);
    suite_add_tcase(s, tc);

    tc = hook_case(s, "stdio");
    tcase_add_loop_test(tc, a_stream_parks_its_task_alone, 0, READERS);
    tcase_add_loop_test(tc, the_end_of_a_stream_is_told, 0, READERS);
    tcase_add_loop_test(tc, a_cancelled_stream_is_ecanceled, 0, READERS);
    tcase_add_loop_test(tc, a_non_blocking_stream_says_eagain, 0, READERS);
    tcase_add_loop_test(tc, a_regular_file_stays_with_its_task, 0, READERS);
    tcase_add_loop_test(tc, a_cancel_amid_a_line_takes_nothing_of_it, 0,
                        READERS);
    tcase_add_loop_test(tc, so_rcvtimeo_ends_the_wait_of_a_stream, 0, READERS);
    tcase_add_loop_test(tc, a_stream_that_is_closed_meanwhile_is_ebadf, 0,
                        READERS);
    tcase_add_loop_test(
        tc, a_stream_that_is_closed_as_a_call_gives_way_is_ebadf, 0, READERS);
    tcase_add_test(tc, closed_on_its_way_to_a_thread_it_is_ebadf);
    tcase_add_loop_test(tc, what_comes_before_the_end_is_read, 0, READERS);
    tcase_add_loop_test(tc, a_stream_without_a_buffer_parks_its_task_alone, 0,
                        READERS);
    tcase_add_loop_test(tc, what_was_pushed_back_comes_first, 0, READERS);
    tcase_add_test(tc, much_is_read_whole);
    tcase_add_test(tc, many_streams_wait_at_once);
    tcase_add_test(tc, half_a_line_holds_no_thread);
    tcase_add_test(tc, a_question_is_seen_before_its_answer);
    return s;
}

CO_TEST_MAIN(suite)
