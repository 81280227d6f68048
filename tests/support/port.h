/* SPDX-License-Identifier: MIT */
/* support/port.h - a port for a server that cannot choose one, or for nobody.
 *
 * Not one that the kernel has given out and that is closed again: by the time
 * that it is used another process may have got it, or the very socket that
 * connects to it, which is then connected to itself. This one is below those
 * that the kernel picks, and free.
 */
#ifndef CO_TESTS_SUPPORT_PORT_H
#define CO_TESTS_SUPPORT_PORT_H

#include <check.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of both families, as Linux has it, and of all addresses. */
static inline int co_test_port_is_free(int type, int port)
{
    struct sockaddr_in6 all = {.sin6_family = AF_INET6,
                               .sin6_port = htons((uint16_t)port)};
    struct sockaddr_in four = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET6, type, 0), r;

    if (fd >= 0) {
        r = bind(fd, (struct sockaddr *)&all, sizeof(all));
    } else {
        fd = socket(AF_INET, type, 0);
        r = bind(fd, (struct sockaddr *)&four, sizeof(four));
    }
    close(fd);
    return r == 0;
}

static inline int co_test_port(void)
{
    static unsigned calls;
    int low = 32768, port;
    FILE *range = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r");

    if (range) {
        if (fscanf(range, "%d", &low) != 1 || low < 6000)
            low = 32768;
        fclose(range);
    }
    for (int tries = 0; tries < 1000; tries++) {
        uint32_t mixed = ((uint32_t)getpid() * 64 + calls++) * 2654435761U;

        port = 5000 + (int)((mixed >> 8) % (uint32_t)(low - 5000));
        if (co_test_port_is_free(SOCK_STREAM, port) &&
            co_test_port_is_free(SOCK_DGRAM, port))
            return port;
    }
    ck_abort_msg("no port is free");
    return 0;
}

#endif
