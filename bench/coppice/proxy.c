/* SPDX-License-Identifier: MIT */
/* examples/tcp_proxy.c, without its messages: a task each direction. */
#include "net.h"
#include "run.h"

struct direction {
    co_stream *to, *from;
};

static int pass_on(void *arg)
{
    struct direction *d = arg;
    int r = co_stream_copy(d->to, d->from, CO_COPY_ALL, NULL);

    return r == 0 ? co_stream_write_eof(d->to) : r;
}

static int serve(co_stream *client, void *url)
{
    co_stream *server = NULL;
    struct direction there = {.from = client}, back = {.to = client};
    co_group both = {0};
    int r = co_dial(url, NULL, &server);

    if (r < 0)
        return r;
    there.to = back.from = server;
    if (!co_group_spawn(&both, pass_on, &there) ||
        !co_group_spawn(&both, pass_on, &back))
        co_group_cancel(&both);
    r = co_group_wait(&both);
    co_stream_close(server);
    return r;
}

static int run(void *arg)
{
    char **argv = arg;
    char text[32], url[32];
    const char *address = text;
    co_server *proxy;

    snprintf(text, sizeof(text), "127.0.0.1:%s", argv[1]);
    snprintf(url, sizeof(url), "tcp://127.0.0.1:%s", argv[2]);
    proxy = co_server_start(&address, 1, serve, url, NULL);
    if (!proxy)
        bench_die("co_server_start");
    return co_server_wait_closed(proxy);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s PORT TARGET\n", argv[0]);
        return 2;
    }
    net_init(2, argv);
    run_loop(run, argv);
    return 0;
}
