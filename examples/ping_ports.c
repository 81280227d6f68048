/* SPDX-License-Identifier: MIT */
/*
 * ping_ports.c - which ports of a host are open, all asked at the same time:
 * `ping_ports HOST PORT...`. However many there are, it takes a second at most.
 */
#include <coppice.h>

#include <stdio.h>

#define PORTS_MAX 1024

struct probe {
    const char *host, *port;
    int result;
};

static int ask(void *arg)
{
    struct probe *probe = arg;
    char url[300];
    snprintf(url, sizeof(url), "tcp://%s:%s", probe->host, probe->port);
    co_timeout(CO_SEC)
        probe->result = co_dial_fd(url, NULL);
    if (probe->result >= 0)
        co_close(probe->result);
    return 0; /* a port that is closed is no failure */
}

static int run(void *arg)
{
    static struct probe probes[PORTS_MAX];
    char **argv = arg;
    co_group all = {0};
    int count = 0;
    for (char **port = argv + 2; *port && count < PORTS_MAX; port++) {
        struct probe *probe = &probes[count++];
        *probe = (struct probe){argv[1], *port, -ENOMEM};
        if (!co_group_spawn(&all, ask, probe))
            break; /* no memory: ask what we have */
    }
    int r = co_group_wait(&all);
    for (int i = 0; i < count; i++)
        printf("%s %s\n", probes[i].port,
               probes[i].result >= 0 ? "open"
                                     : co_error_name(probes[i].result));
    return r;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: ping_ports HOST PORT...\n");
        return 2;
    }
    return co_run(run, argv) < 0;
}
