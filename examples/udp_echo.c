/* SPDX-License-Identifier: MIT */
/*
 * udp_echo.c - datagrams go back to where they came from, several with one
 * system call: `udp_echo PORT` (0: any), or, without a port, a look at it.
 */
#include <coppice.h>

#include <stdio.h>
#include <string.h>

#define BATCH      32
#define DATA_BYTES 2048

static int serve(void *arg)
{
    static char data[BATCH][DATA_BYTES];
    co_dgram list[BATCH];
    int n, sent, fd = *(int *)arg;
    for (int i = 0; i < BATCH; i++)
        list[i] = (co_dgram){.data = data[i], .room = DATA_BYTES};
    while ((n = co_dgram_recv_many(fd, list, BATCH)) >= 0)
        for (int i = 0; i < n; i += sent) {
            sent = co_dgram_send_many(fd, list + i, (size_t)(n - i));
            if (sent == -ECANCELED)
                return sent;
            if (sent < 0)
                sent = 1; /* this one cannot be answered */
        }
    return n;
}

static int say(const char *address, const char *word)
{
    char got[64];
    ssize_t n = -1;
    int fd = co_udp_dial(address);
    if (fd < 0)
        return fd;
    /* A datagram may be lost on its way: say it again. */
    for (int tries = 0; n < 0 && tries < 5; tries++)
        co_timeout(CO_SEC) {
            n = co_send(fd, word, strlen(word), 0);
            if (n >= 0)
                n = co_recv(fd, got, sizeof(got), 0);
        }
    if (n >= 0)
        printf("%.*s\n", (int)n, got);
    co_close(fd);
    return n < 0 ? (int)n : 0;
}

static int run(void *arg)
{
    char text[CO_ADDR_TEXT_MAX];
    const char *port = arg;
    snprintf(text, sizeof(text), "127.0.0.1:%s", port ? port : "0");
    int r, fd = co_udp_bind(text, NULL);
    co_addr at = {.len = sizeof(at.as)};
    if (fd < 0)
        return fd;
    getsockname(fd, &at.as.any, &at.len);
    co_addr_format(&at.as.any, at.len, text, sizeof(text));
    if (port) {
        printf("listening on %s\n", text);
        fflush(stdout);
        return serve(&fd);
    }
    co_task *server = co_spawn(serve, &fd);
    r = say(text, "one");
    if (r == 0)
        r = say(text, "two");
    co_cancel(server);
    if (co_join(server, NULL) < 0)
        return -1;
    co_close(fd);
    return r;
}

int main(int argc, char **argv)
{
    return co_run(run, argc > 1 ? argv[1] : NULL) < 0;
}
