/* SPDX-License-Identifier: MIT */
/*
 * delay_proxy.c - for servers that are too fast to show anything: passes
 * connections on to `delay_proxy URL [MILLISECONDS]`, say
 * tcp://127.0.0.1:11211. What the client sends arrives that much later (100).
 */
#include <coppice.h>

#include <stdio.h>
#include <stdlib.h>

struct program {
    const char *url;
    co_time delay;
};

struct direction {
    co_stream *to, *from;
    co_time delay;
};

static int pass_on(void *arg)
{
    struct direction *d = arg;
    const void *data;
    ssize_t n;
    int r = 0;
    while (r == 0 && (n = co_stream_peek(d->from, 1, &data)) > 0) {
        r = d->delay ? co_sleep(d->delay) : 0;
        if (r == 0)
            r = co_stream_write(d->to, data, (size_t)n, NULL);
        if (r == 0)
            co_stream_skip(d->from, (size_t)n);
    }
    return r < 0 ? r : n < 0 ? (int)n : co_stream_write_eof(d->to);
}

static int serve(co_stream *client, void *arg)
{
    struct program *program = arg;
    co_stream *server = NULL;
    int r = co_dial(program->url, NULL, &server);
    if (r < 0)
        return r;
    struct direction there = {server, client, program->delay};
    struct direction back = {client, server, 0};
    co_group both = {0};
    if (!co_group_spawn(&both, pass_on, &there) ||
        !co_group_spawn(&both, pass_on, &back))
        co_group_cancel(&both);
    r = co_group_wait(&both);
    co_stream_close(server);
    return r;
}

static int run(void *arg)
{
    const char *any = "127.0.0.1:0";
    char text[CO_ADDR_TEXT_MAX];
    co_server *proxy = co_server_start(&any, 1, serve, arg, NULL);
    co_addr at;
    if (!proxy || co_server_address(proxy, 0, &at) < 0)
        return -errno;
    co_addr_format(&at.as.any, at.len, text, sizeof(text));
    printf("listening on %s\n", text);
    fflush(stdout);
    int r = co_server_wait_closed(proxy);
    co_server_close(proxy, CO_SEC);
    return r;
}

int main(int argc, char **argv)
{
    struct program program = {argc > 1 ? argv[1] : NULL,
                              (argc > 2 ? atoi(argv[2]) : 100) * CO_MS};
    if (!program.url) {
        fprintf(stderr, "usage: delay_proxy URL [MILLISECONDS]\n");
        return 2;
    }
    fprintf(stderr, "%s\n", co_error_name(co_run(run, &program)));
    return 1;
}
