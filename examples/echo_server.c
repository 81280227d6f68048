/* SPDX-License-Identifier: MIT */
/*
 * echo_server.c - ten thousand connections on one thread, in code that reads as
 * if each had its own. `echo_server PORT` (7777; 0: any); talk to it with nc.
 *
 * A connection holds a buffer only while there is something to echo: an idle
 * one costs the one page that its task's stack touches.
 */
#include <coppice.h>

#include <stdio.h>
#include <stdlib.h>

#define BUFFER_BYTES (16 << 10)

static int echo(void *arg)
{
    int fd = (int)(intptr_t)arg;
    ssize_t n = 1;
    while (n > 0 && co_wait_fd(fd, CO_READABLE) > 0) {
        char *buffer = malloc(BUFFER_BYTES);
        n = buffer ? co_read(fd, buffer, BUFFER_BYTES) : -ENOMEM;
        if (n > 0 && co_write_all(fd, buffer, (size_t)n, NULL) < 0)
            n = -EPIPE;
        free(buffer);
    }
    return co_close(fd);
}

static int serve(void *address)
{
    int r = 0, listener = co_tcp_listen(address, 0);
    if (listener < 0)
        return listener;
    char text[CO_ADDR_TEXT_MAX] = "?";
    co_addr at = {.len = sizeof(at.as)};
    getsockname(listener, &at.as.any, &at.len);
    co_addr_format(&at.as.any, at.len, text, sizeof(text));
    printf("listening on %s\n", text);
    fflush(stdout);
    while (r >= 0) {
        int fd = co_accept(listener, NULL, NULL);
        if (fd < 0) /* out of descriptors, say: serve those that are here */
            r = co_sleep(10 * CO_MS);
        else if (co_detach(co_spawn(echo, (void *)(intptr_t)fd)) < 0)
            co_close(fd); /* no memory for a task */
    }
    co_close(listener);
    return r;
}

int main(int argc, char **argv)
{
    char address[CO_ADDR_TEXT_MAX];
    const char *port = argc > 1 ? argv[1] : "7777";
    snprintf(address, sizeof(address), "127.0.0.1:%s", port);
    fprintf(stderr, "%s\n", co_error_name(co_run(serve, address)));
    return 1;
}
