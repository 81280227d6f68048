/* SPDX-License-Identifier: MIT */
/*
 * names_many.c - host names by the C library's own getaddrinfo: SERVER is a
 * domain whose name host<N> has the address 192.0.2.<N % 256>, as slow_dns.c
 * has it.
 */
#include "library.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static void *open_domain(const char *server)
{
    return (void *)server;
}

static int ask(void *domain, int number)
{
    char host[256], wanted[32], got[INET_ADDRSTRLEN] = "";
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list;
    snprintf(host, sizeof(host), "host%d.%s.", number, (const char *)domain);
    snprintf(wanted, sizeof(wanted), "192.0.2.%d", number % 256);
    int error = getaddrinfo(host, "80", &hints, &list);
    if (error != 0) {
        fprintf(stderr, "getaddrinfo: %s\n", gai_strerror(error));
        return 0;
    }
    struct sockaddr_in *first = (struct sockaddr_in *)(void *)list->ai_addr;
    inet_ntop(AF_INET, &first->sin_addr, got, sizeof(got));
    freeaddrinfo(list);
    return strcmp(got, wanted) == 0;
}

static void close_domain(void *domain)
{
    (void)domain;
}

const struct library getaddrinfo_names = {"getaddrinfo", open_domain, ask,
                                          close_domain};
