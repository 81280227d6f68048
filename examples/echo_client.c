/* SPDX-License-Identifier: MIT */
/*
 * echo_client.c - say each word to an echo server and print what comes back:
 * `echo_client ADDRESS:PORT word...`. The whole conversation has five seconds.
 */
#include <coppice.h>

#include <stdio.h>
#include <string.h>

static int say(int fd, const char *word)
{
    char reply[1024];
    size_t len = strlen(word);
    if (len > sizeof(reply))
        return -EMSGSIZE;

    int r = co_write_all(fd, word, len, NULL);
    if (r == 0)
        r = co_read_full(fd, reply, len, NULL);
    if (r == 0)
        printf("%.*s\n", (int)len, reply);
    return r;
}

static int talk(void *arg)
{
    char **argv = arg;
    int r = 0;

    co_timeout(5 * CO_SEC) {
        int fd = co_tcp_dial(argv[1]);
        if (fd < 0)
            return fd;
        for (char **word = argv + 2; *word && r == 0; word++)
            r = say(fd, *word);
        co_close(fd);
    }
    return r;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: echo_client ADDRESS:PORT word...\n");
        return 2;
    }

    int r = co_run(talk, argv);
    if (r < 0)
        fprintf(stderr, "echo_client: %s\n", co_error_name(r));
    return r < 0;
}
