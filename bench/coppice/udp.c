/* SPDX-License-Identifier: MIT */
/* One task that sends back what is there, a batch at a time. */
#include "net.h"
#include "run.h"

#define ROOM 2048

static int run(void *arg)
{
    static char data[CO_DGRAM_BATCH][ROOM];
    static co_dgram list[CO_DGRAM_BATCH];
    char address[32];
    int fd, n;

    for (int i = 0; i < CO_DGRAM_BATCH; i++)
        list[i] = (co_dgram){.data = data[i], .room = ROOM};
    snprintf(address, sizeof(address), "127.0.0.1:%d", *(int *)arg);
    fd = co_udp_bind(address, NULL);
    run_must(fd, "co_udp_bind");
    while ((n = co_dgram_recv_many(fd, list, CO_DGRAM_BATCH)) >= 0) {
        for (int sent = 0, r; sent < n; sent += r) {
            r = co_dgram_send_many(fd, list + sent, (size_t)(n - sent));
            run_must(r, "co_dgram_send_many");
        }
    }
    return n;
}

int main(int argc, char **argv)
{
    int port = net_init(argc, argv);

    run_loop(run, &port);
    return 0;
}
