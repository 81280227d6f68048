/* SPDX-License-Identifier: MIT */
/* State Threads: a thread a connection; its buffer does not outlast a wait. */
#include "net.h"

#include <poll.h>
#include <st.h>

static void *serve(void *arg)
{
    st_netfd_t fd = arg;

    while (st_netfd_poll(fd, POLLIN, ST_UTIME_NO_TIMEOUT) == 0) {
        char *buffer = malloc(NET_BUFFER);
        ssize_t n = st_read(fd, buffer, NET_BUFFER, ST_UTIME_NO_TIMEOUT);

        if (n > 0)
            n = st_write(fd, buffer, (size_t)n, ST_UTIME_NO_TIMEOUT);
        free(buffer);
        if (n <= 0)
            break;
    }
    st_netfd_close(fd);
    return NULL;
}

int main(int argc, char **argv)
{
    int port = net_init(argc, argv);
    st_netfd_t listener;

    st_set_eventsys(ST_EVENTSYS_ALT);
    if (st_init() < 0)
        bench_die("st_init");
    listener = st_netfd_open_socket(net_listen(port));
    for (;;) {
        st_netfd_t fd = st_accept(listener, NULL, NULL, ST_UTIME_NO_TIMEOUT);

        if (!fd || !st_thread_create(serve, fd, 0, 0))
            bench_die("accept");
    }
}
