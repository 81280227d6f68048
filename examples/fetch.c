/* SPDX-License-Identifier: MIT */
/*
 * fetch.c - several web pages, in three ways: one by one, with a thread for
 * each, and with a task for each on one thread. `fetch URL...`, of the form
 * http://host[:port][/path]; prints how long each way took. http_slow.c is
 * something to fetch from.
 *
 * The function that fetches is the same for all: outside of a task its calls
 * block the thread.
 */
#include <coppice.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct page {
    const char *url;
    int status; /* of HTTP, or a negative errno */
    size_t bytes;
};

/* "tcp://host:port" and the path out of a URL. */
static int parse(const char *url, char *target, size_t target_bytes,
                 const char **path)
{
    if (strncmp(url, "http://", 7) != 0)
        return -EPROTONOSUPPORT;
    const char *host = url + 7;
    int len = (int)strcspn(host, "/");
    const char *colon = memchr(host, ':', (size_t)len);
    int n = snprintf(target, target_bytes, "tcp://%.*s%s", len, host,
                     colon ? "" : ":80");
    *path = host[len] ? host + len : "/";
    return n < (int)target_bytes ? 0 : -EMSGSIZE;
}

static int ask(co_stream *stream, const struct page *page, const char *path)
{
    char request[2048];
    int host = (int)strcspn(page->url + 7, "/");
    int n = snprintf(request, sizeof(request),
                     "GET %s HTTP/1.0\r\nHost: %.*s\r\n\r\n", path, host,
                     page->url + 7);
    if (n >= (int)sizeof(request))
        return -EMSGSIZE;
    return co_stream_write(stream, request, (size_t)n, NULL);
}

/* The status; *bytes of body. */
static int receive(co_stream *stream, size_t *bytes)
{
    char line[4096], block[4096];
    int status;
    ssize_t n = co_stream_read_line(stream, line, sizeof(line));
    if (n >= 0 && sscanf(line, "HTTP/%*d.%*d %d", &status) != 1)
        n = -EPROTO;
    while (n > 0) /* the header ends with an empty line */
        n = co_stream_read_line(stream, line, sizeof(line));
    if (n == 0)
        while ((n = co_stream_read(stream, block, sizeof(block))) > 0)
            *bytes += (size_t)n;
    return n < 0 ? (int)n : status;
}

static int fetch(void *arg)
{
    struct page *page = arg;
    char target[512];
    const char *path;
    co_stream *stream;
    page->bytes = 0;
    CO_TIMEOUT(30 * CO_SEC);
    int r = parse(page->url, target, sizeof(target), &path);
    if (r == 0)
        r = co_dial(target, NULL, &stream);
    if (r == 0) {
        r = ask(stream, page, path);
        if (r == 0)
            r = receive(stream, &page->bytes);
        co_stream_close(stream);
    }
    page->status = r;
    return r < 0 ? r : 0;
}

/* ---- three ways ---------------------------------------------------------- */

static int one_by_one(struct page *pages, int count)
{
    int r = 0;
    for (int i = 0; i < count && r == 0; i++)
        r = fetch(&pages[i]);
    return r;
}

static void *fetch_in_thread(void *page)
{
    fetch(page);
    return NULL;
}

static int with_threads(struct page *pages, int count)
{
    pthread_t *threads = calloc((size_t)count, sizeof(*threads));
    int r = threads ? 0 : -ENOMEM, started = 0;
    while (r == 0 && started < count) {
        r = -pthread_create(&threads[started], NULL, fetch_in_thread,
                            &pages[started]);
        started += r == 0;
    }
    for (int i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
        if (pages[i].status < 0)
            r = pages[i].status;
    }
    free(threads);
    return r;
}

static int with_tasks(struct page *pages, int count)
{
    int r = 0;
    co_group group = {0};
    for (int i = 0; i < count && r == 0; i++)
        if (!co_group_spawn(&group, fetch, &pages[i]))
            r = -errno;
    int first = co_group_wait(&group); /* of those that failed */
    return r < 0 ? r : first;
}

/* ---- all of them --------------------------------------------------------- */

struct job {
    struct page *pages;
    int count;
};

static int run(const char *name, int (*way)(struct page *, int),
               const struct job *job)
{
    co_time began = co_now();
    int r = way(job->pages, job->count);
    long long ms = (co_now() - began + CO_MS / 2) / CO_MS;
    if (r < 0)
        fprintf(stderr, "%s: %s\n", name, co_error_name(r));
    else
        printf("%s %lld ms\n", name, ms);
    fflush(stdout);
    return r;
}

static int in_loop(void *arg)
{
    return run("tasks", with_tasks, arg);
}

int main(int argc, char **argv)
{
    struct job job = {calloc((size_t)argc, sizeof(struct page)), argc - 1};
    if (argc < 2 || !job.pages) {
        fprintf(stderr, "usage: fetch http://host[:port][/path]...\n");
        return 2;
    }
    for (int i = 0; i < job.count; i++)
        job.pages[i].url = argv[i + 1];
    int r = run("one by one", one_by_one, &job);
    if (r == 0)
        r = run("threads", with_threads, &job);
    if (r == 0)
        r = co_run(in_loop, &job);
    for (int i = 0; i < job.count && r == 0; i++)
        fprintf(stderr, "%s: %d, %zu bytes\n", job.pages[i].url,
                job.pages[i].status, job.pages[i].bytes);
    free(job.pages);
    return r < 0;
}
