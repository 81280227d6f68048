/* SPDX-License-Identifier: MIT */
/*
 * A pipeline of three processes: tr '[:upper:]' '[:lower:]' | sort | uniq -c.
 * We feed the first, and read from the last. What is between two of them is a
 * pipe that we have made, given to both, and closed.
 */
#include <coppice.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STAGES 3

static const char *const tr[] = {"tr", "[:upper:]", "[:lower:]", NULL};
static const char *const sort[] = {"sort", NULL};
static const char *const uniq[] = {"uniq", "-c", NULL};
static const char *const *const programs[STAGES] = {tr, sort, uniq};

static const char text[] = "Oak\nash\nOAK\nhazel\nAsh\noak\n";

/* Close-on-exec: nobody but the two is to have it open, or the end of the text
 * would never be seen. */
static int make_pipe(int ends[2])
{
    if (pipe(ends) < 0)
        return -1;
    for (int i = 0; i < 2; i++)
        (void)fcntl(ends[i], F_SETFD, FD_CLOEXEC);
    return 0;
}

/* Start all of them. What is left open in `in` is closed by the caller. */
static int start(co_process **stages, int *in)
{
    *in = -1;
    for (int i = 0; i < STAGES; i++) {
        co_process_options options = {.size = sizeof(options)};
        int pipe_ends[2] = {-1, -1};
        int r;

        if (i < STAGES - 1 && make_pipe(pipe_ends) < 0)
            return -1;
        options.in = i ? CO_PROCESS_FD(*in) : CO_PROCESS_PIPE;
        options.out =
            i < STAGES - 1 ? CO_PROCESS_FD(pipe_ends[1]) : CO_PROCESS_PIPE;
        r = co_process_spawn(programs[i], &options, &stages[i]);
        if (*in >= 0)
            close(*in);
        if (pipe_ends[1] >= 0)
            close(pipe_ends[1]);
        *in = pipe_ends[0];
        if (r < 0) {
            fprintf(stderr, "%s: %s\n", programs[i][0], co_error_name(r));
            return r;
        }
    }
    return 0;
}

static int feed(void *first)
{
    co_stream *in = co_process_stream(first, 0);
    int r = co_stream_write(in, text, strlen(text), NULL);

    co_process_close(first, 0); /* the end of the text */
    return r;
}

static int read_all(co_process *last)
{
    co_stream *out = co_process_stream(last, 1);
    char line[256], word[64];
    int count;
    ssize_t n;

    while ((n = co_stream_read_line(out, line, sizeof(line))) >= 0)
        if (sscanf(line, "%d %63s", &count, word) == 2)
            printf("%s %d\n", word, count);
    return n == -ENODATA ? 0 : (int)n;
}

static int run(void *arg)
{
    co_process *stages[STAGES] = {NULL};
    co_task *feeder;
    int in, code, result;
    int r = start(stages, &in);

    (void)arg;
    if (in >= 0)
        close(in);
    if (r == 0) {
        feeder = co_spawn(feed, stages[0]);
        r = read_all(stages[STAGES - 1]);
        if (feeder && co_join(feeder, &result) == 0 && r == 0)
            r = result;
    }
    for (int i = 0; i < STAGES; i++) {
        if (r == 0 && co_process_wait(stages[i], &code) == 0 && code != 0)
            r = -1;
        co_process_free(stages[i]);
    }
    return r;
}

int main(void)
{
    return co_run(run, NULL) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
