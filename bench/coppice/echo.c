/* SPDX-License-Identifier: MIT */
/* A task a connection. Its buffer is small enough to lie in the one page that a
 * task keeps while it waits; what is larger comes in several reads. */
#include "net.h"
#include "run.h"

static int serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char buffer[1024];
    ssize_t n;
    int r = 0;

    while (r == 0 && (n = co_read(fd, buffer, sizeof(buffer))) > 0)
        r = co_write_all(fd, buffer, (size_t)n, NULL);
    co_close(fd);
    return r;
}

static int run(void *arg)
{
    char address[32];
    int listener, fd;

    snprintf(address, sizeof(address), "127.0.0.1:%d", *(int *)arg);
    listener = co_tcp_listen(address, NET_BACKLOG);
    run_must(listener, "co_tcp_listen");
    while ((fd = co_accept(listener, NULL, NULL)) >= 0)
        co_detach(run_spawn(serve, (void *)(intptr_t)fd));
    return fd;
}

int main(int argc, char **argv)
{
    int port = net_init(argc, argv);

    run_loop(run, &port);
    return 0;
}
