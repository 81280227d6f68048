/* SPDX-License-Identifier: MIT */
/* libuv at its best: uv_try_write, and one buffer for all connections. */
#include "net.h"

#include <uv.h>

static char buffer[NET_BUFFER];

static void closed(uv_handle_t *handle)
{
    free(handle);
}

static void provide(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    (void)handle;
    (void)size;
    buf->base = buffer;
    buf->len = sizeof(buffer);
}

/* A message is small: what the socket does not take at once is a failure. */
static void received(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    if (n > 0) {
        uv_buf_t reply = uv_buf_init(buf->base, (unsigned)n);

        if (uv_try_write(stream, &reply, 1) == n)
            return;
    }
    if (n != 0)
        uv_close((uv_handle_t *)stream, closed);
}

static void connected(uv_stream_t *server, int status)
{
    uv_tcp_t *client = malloc(sizeof(*client));

    if (status < 0 || !client)
        bench_die("connection");
    uv_tcp_init(server->loop, client);
    if (uv_accept(server, (uv_stream_t *)client) == 0) {
        uv_tcp_nodelay(client, 1);
        uv_read_start((uv_stream_t *)client, provide, received);
    } else {
        uv_close((uv_handle_t *)client, closed);
    }
}

int main(int argc, char **argv)
{
    int port = net_init(argc, argv);
    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t server;

    uv_tcp_init(loop, &server);
    uv_tcp_open(&server, net_listen(port));
    if (uv_listen((uv_stream_t *)&server, NET_BACKLOG, connected) < 0)
        bench_die("uv_listen");
    return uv_run(loop, UV_RUN_DEFAULT);
}
