/* SPDX-License-Identifier: MIT */
/*
 * tcp_proxy.c - pass connections on: `tcp_proxy PORT URL`, say
 * `tcp_proxy 8080 tcp://example.org:80` (port 0: any). Each direction is a
 * task; what a slow reader has not taken is not read from the other side, so
 * memory stays as it is, whatever passes.
 */
#include <coppice.h>

#include <stdio.h>

struct direction {
    co_stream *to, *from;
};

/* The end of one direction is passed on, and the other one goes on. */
static int pass_on(void *arg)
{
    struct direction *d = arg;
    int r = co_stream_copy(d->to, d->from, CO_COPY_ALL, NULL);
    return r == 0 ? co_stream_write_eof(d->to) : r;
}

static int serve(co_stream *client, void *url)
{
    co_stream *server = NULL;
    int r = -1;
    co_timeout(10 * CO_SEC)
        r = co_dial(url, NULL, &server);
    if (r < 0)
        return r;
    struct direction there = {server, client}, back = {client, server};
    co_group both = {0};
    if (!co_group_spawn(&both, pass_on, &there) ||
        !co_group_spawn(&both, pass_on, &back))
        co_group_cancel(&both);
    r = co_group_wait(&both); /* an error of one ends the other */
    co_stream_close(server);
    return r;
}

static int run(void *arg)
{
    char **argv = arg, text[CO_ADDR_TEXT_MAX];
    const char *address = text;
    snprintf(text, sizeof(text), "127.0.0.1:%s", argv[1]);
    co_server *proxy = co_server_start(&address, 1, serve, argv[2], NULL);
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
    if (argc != 3) {
        fprintf(stderr, "usage: tcp_proxy PORT URL\n");
        return 2;
    }
    fprintf(stderr, "%s\n", co_error_name(co_run(run, argv)));
    return 1;
}
