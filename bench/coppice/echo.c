/* SPDX-License-Identifier: MIT */
/* A task a connection, whose buffer does not outlast a wait. */
#include "net.h"
#include "run.h"

static int serve(void *arg)
{
    int fd = (int)(intptr_t)arg;
    int r;

    while ((r = co_wait_fd(fd, CO_READABLE)) >= 0) {
        char *buffer = malloc(NET_BUFFER);
        ssize_t n = buffer ? co_read(fd, buffer, NET_BUFFER) : -1;

        r = n > 0 ? co_write_all(fd, buffer, (size_t)n, NULL) : (int)n;
        free(buffer);
        if (n <= 0 || r < 0)
            break;
    }
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
