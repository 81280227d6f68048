/* SPDX-License-Identifier: MIT */
/* libuv at its best: recvmmsg into one buffer, and uv_udp_try_send. */
#include "net.h"

#include <uv.h>

#define BATCH 20 /* as many as libuv takes with one call */

static char buffer[BATCH * 65536];

static void provide(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    (void)handle;
    (void)size;
    buf->base = buffer;
    buf->len = sizeof(buffer);
}

static void received(uv_udp_t *socket, ssize_t n, const uv_buf_t *buf,
                     const struct sockaddr *from, unsigned flags)
{
    uv_buf_t reply = uv_buf_init(buf->base, (unsigned)n);

    (void)flags;
    if (n > 0 && from)
        uv_udp_try_send(socket, &reply, 1, from);
}

int main(int argc, char **argv)
{
    int port = net_init(argc, argv);
    uv_loop_t *loop = uv_default_loop();
    uv_udp_t server;

    uv_udp_init_ex(loop, &server, UV_UDP_RECVMMSG);
    if (uv_udp_open(&server, net_bind_udp(port)) < 0 ||
        uv_udp_recv_start(&server, provide, received) < 0)
        bench_die("libuv");
    return uv_run(loop, UV_RUN_DEFAULT);
}
