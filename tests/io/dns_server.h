/* SPDX-License-Identifier: MIT */
/*
 * A name server on the loopback, as tasks of the test's own loop, which does
 * what the first label of a name says:
 *
 *     a<N>     10.0.x.y, and no IPv6     both     192.0.2.1, 2001:db8::1
 *     six      2001:db8::6 alone         alias    a CNAME to a7.test
 *     short    10.0.0.9, in sub.test     large    100 addresses, by TCP alone
 *     never    no answer                 missing  NXDOMAIN
 *     broken   SERVFAIL                  refused  REFUSED
 *     bad<N>   malformed in way N        fuzz     a good answer, some bytes not
 *     l-2-3    127.0.0.2, 127.0.0.3      m-2      the same, and ::1
 *     4.3.2.1.in-addr.arpa: the name host.test, and no other has one
 */
#ifndef CO_TESTS_IO_DNS_SERVER_H
#define CO_TESTS_IO_DNS_SERVER_H

#include <coppice/group.h>
#include <coppice/server.h>

#include "io_support.h"
#include "support/random.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

#define DNS_BAD_WAYS 12

struct dns_server {
    int udp;
    co_server *tcp;
    co_task *task;
    char address[CO_ADDR_TEXT_MAX];
    unsigned asked;
    struct co_test_random random;
};

struct dns_packet {
    unsigned char bytes[4096];
    size_t len;
};

static inline void dns_put(struct dns_packet *p, const void *data, size_t len)
{
    ck_assert_uint_le(p->len + len, sizeof(p->bytes));
    memcpy(p->bytes + p->len, data, len);
    p->len += len;
}

static inline void dns_put16(struct dns_packet *p, unsigned value)
{
    unsigned char two[2] = {(unsigned char)(value >> 8), (unsigned char)value};

    dns_put(p, two, 2);
}

/* A name with dots. */
static inline void dns_put_name(struct dns_packet *p, const char *name)
{
    while (*name) {
        size_t len = strcspn(name, ".");
        unsigned char length = (unsigned char)len;

        dns_put(p, &length, 1);
        dns_put(p, name, len);
        name += len + (name[len] == '.');
    }
    dns_put(p, "", 1);
}

static inline void dns_put_record(struct dns_packet *p, unsigned type,
                                  const void *data, size_t len)
{
    dns_put16(p, 0xc00c); /* the name that was asked for */
    dns_put16(p, type);
    dns_put16(p, 1);
    dns_put16(p, 0);
    dns_put16(p, 60);
    dns_put16(p, (unsigned)len);
    dns_put(p, data, len);
    p->bytes[7]++; /* answers */
}

static inline void dns_put_a(struct dns_packet *p, unsigned number)
{
    unsigned char addr[4] = {10, 0, (unsigned char)(number >> 8),
                             (unsigned char)number};

    dns_put_record(p, 1, addr, 4);
}

static inline void dns_put_aaaa(struct dns_packet *p, const char *text)
{
    struct in6_addr addr;

    inet_pton(AF_INET6, text, &addr);
    dns_put_record(p, 28, &addr, 16);
}

/* The name asked for, with dots; returns where the type stands, 0: nonsense. */
static inline size_t dns_question(const unsigned char *query, size_t len,
                                  char *name)
{
    size_t at = 12, out = 0;

    while (at < len && query[at]) {
        size_t label = query[at++];

        if (label > 63 || at + label >= len || out + label > 250)
            return 0;
        memcpy(name + out, query + at, label);
        out += label;
        name[out++] = '.';
        at += label;
    }
    name[out ? out - 1 : 0] = '\0';
    return at + 5 <= len ? at + 1 : 0;
}

static inline void dns_malform(struct dns_packet *p, unsigned way,
                               size_t question_end, unsigned type)
{
    unsigned char loop[2] = {0xc0, (unsigned char)question_end};

    switch (way) {
    case 0: /* a header that promises what does not come */
        p->bytes[7] = 40;
        break;
    case 1: /* a record that is longer than the answer */
        dns_put_a(p, 1);
        p->bytes[p->len - 5] = 200;
        break;
    case 2: /* an answer that ends in the middle of a record */
        dns_put_a(p, 1);
        p->len -= 3;
        break;
    case 3: /* a name that points to itself */
        dns_put(p, loop, 2);
        dns_put(p, "\0\1\0\1\0\0\0\0\0\4abcd", 14);
        p->bytes[7] = 1;
        break;
    case 4: /* a name that points behind the end */
        dns_put(p, "\xcf\xff\0\1\0\1\0\0\0\0\0\4abcd", 16);
        p->bytes[7] = 1;
        break;
    case 5: /* half a header */
        p->len = 7;
        break;
    case 6: /* a label of 0x80 */
        dns_put(p, "\x80\0\0\1\0\1\0\0\0\0\0\4abcd", 16);
        p->bytes[7] = 1;
        break;
    case 7: /* an address of three bytes, or of 15 */
        dns_put_record(p, type, "abcdefghijklmno", type == 1 ? 3 : 15);
        break;
    case 8: /* no question at all */
        p->bytes[5] = 0;
        p->len = 12;
        break;
    case 9: /* nothing at all */
        p->len = 0;
        break;
    case 10: /* a CNAME that leads to itself, and nothing else */
        dns_put_record(p, 5, "\xc0\x0c", 2);
        break;
    default: /* 255 of everything */
        memset(p->bytes + 4, 0xff, 8);
        break;
    }
}

/* Returns whether there is an answer. */
static inline int dns_answer(struct dns_server *server, int by_tcp,
                             const unsigned char *query, size_t len,
                             struct dns_packet *p)
{
    char name[256];
    size_t at = len >= 12 ? dns_question(query, len, name) : 0;
    unsigned type, rcode = 0;
    int is_a, is_aaaa;

    if (!at)
        return 0;
    server->asked++;
    type = (unsigned)query[at] << 8 | query[at + 1];
    is_a = type == 1;
    is_aaaa = type == 28;
    p->len = 0;
    dns_put(p, query, at + 4);
    memcpy(p->bytes + 2, "\x81\x80\0\1\0\0\0\0\0\0", 10);
    if (strncmp(name, "never", 5) == 0)
        return 0;
    if (strncmp(name, "bad", 3) == 0) {
        dns_malform(p, (unsigned)atoi(name + 3), at + 4, type);
    } else if (strncmp(name, "broken", 6) == 0) {
        rcode = 2;
    } else if (strncmp(name, "refused", 7) == 0) {
        rcode = 5;
    } else if (strncmp(name, "alias", 5) == 0) {
        unsigned char wire[] = "\2a7\4test";

        dns_put_record(p, 5, wire, sizeof(wire));
        if (is_a) { /* of the name that it points to */
            dns_put(p, wire, sizeof(wire));
            dns_put(p, "\0\1\0\1\0\0\0\60\0\4\12\0\0\7", 14);
            p->bytes[7]++;
        }
    } else if (strncmp(name, "large", 5) == 0) {
        if (!by_tcp)
            p->bytes[2] |= 2; /* truncated */
        for (unsigned i = 0; by_tcp && is_a && i < 100; i++)
            dns_put_a(p, i);
    } else if (name[1] == '-') {
        for (const char *at_number = name + 1; is_a && *at_number == '-';
             at_number += 2) {
            unsigned char loopback[4] = {127, 0, 0, 0};

            loopback[3] = (unsigned char)(at_number[1] - '0');
            dns_put_record(p, 1, loopback, 4);
        }
        if (is_aaaa && name[0] == 'm')
            dns_put_aaaa(p, "::1");
    } else if (strncmp(name, "both", 4) == 0) {
        if (is_a)
            dns_put_record(p, 1, "\300\0\2\1", 4);
        if (is_aaaa)
            dns_put_aaaa(p, "2001:db8::1");
    } else if (strncmp(name, "six", 3) == 0) {
        if (is_aaaa)
            dns_put_aaaa(p, "2001:db8::6");
    } else if (strcmp(name, "short.sub.test") == 0) {
        if (is_a)
            dns_put_a(p, 9);
    } else if (strcmp(name, "4.3.2.1.in-addr.arpa") == 0) {
        dns_put_record(p, 12, "\4host\4test", 11);
    } else if ((name[0] == 'a' && atoi(name + 1)) ||
               strncmp(name, "fuzz", 4) == 0) {
        if (is_a)
            dns_put_a(p, (unsigned)atoi(name + 1));
        if (name[0] == 'f') {
            if (is_aaaa)
                dns_put_aaaa(p, "2001:db8::1");
            for (unsigned i = 0; i < 1 + server->asked % 4; i++)
                p->bytes[2 + co_test_random_below(&server->random,
                                                  (uint32_t)p->len - 2)] =
                    (unsigned char)co_test_random_next(&server->random);
            p->len -= co_test_random_below(&server->random, 4);
        }
    } else {
        rcode = 3;
    }
    p->bytes[3] |= (unsigned char)rcode;
    return 1;
}

static inline int dns_serve_udp(void *arg)
{
    struct dns_server *server = arg;
    static _Thread_local struct dns_packet answer;
    unsigned char query[512];

    for (;;) {
        struct sockaddr_storage from;
        socklen_t from_len = sizeof(from);
        ssize_t n = co_recvfrom(server->udp, query, sizeof(query), 0,
                                (struct sockaddr *)&from, &from_len);

        if (n < 0)
            return 0;
        if (!dns_answer(server, 0, query, (size_t)n, &answer))
            continue;
        n = co_sendto(server->udp, answer.bytes, answer.len, 0,
                      (struct sockaddr *)&from, from_len);
        (void)n; /* who has asked may be gone */
    }
}

static inline int dns_serve_tcp(co_stream *stream, void *arg)
{
    struct dns_packet *answer = malloc(sizeof(*answer));
    unsigned char head[2], query[512];
    int r;

    for (;;) {
        size_t len;

        r = co_stream_read_exactly(stream, head, 2, NULL);
        len = (size_t)head[0] << 8 | head[1];
        if (r < 0 || len > sizeof(query) ||
            co_stream_read_exactly(stream, query, len, NULL) < 0)
            break;
        if (!dns_answer(arg, 1, query, len, answer))
            continue;
        head[0] = (unsigned char)(answer->len >> 8);
        head[1] = (unsigned char)answer->len;
        if (co_stream_write(stream, head, 2, NULL) < 0 ||
            co_stream_write(stream, answer->bytes, answer->len, NULL) < 0)
            break;
    }
    free(answer);
    return 0;
}

static inline void dns_start(struct dns_server *server)
{
    const char *address = server->address;
    co_addr addr;

    *server = (struct dns_server){.udp = -1};
    /* The same port of both: what UDP has may be another's of TCP. */
    for (int tries = 0; !server->tcp; tries++) {
        int room = 1 << 22;

        ck_assert_int_lt(tries, 100);
        server->udp = co_socket(AF_INET, SOCK_DGRAM, 0);
        ck_assert_int_ge(server->udp, 0);
        (void)setsockopt(server->udp, SOL_SOCKET, SO_RCVBUFFORCE, &room,
                         sizeof(room));
        (void)setsockopt(server->udp, SOL_SOCKET, SO_RCVBUF, &room,
                         sizeof(room));
        ck_assert_int_eq(co_addr_tcp("127.0.0.1:0", &addr), 0);
        ck_assert_int_eq(bind(server->udp, &addr.as.any, addr.len), 0);
        strcpy(server->address, bound_to(server->udp));
        server->tcp = co_server_start(&address, 1, dns_serve_tcp, server, NULL);
        if (!server->tcp)
            co_close(server->udp);
    }
    server->task = co_test_spawn(dns_serve_udp, server);
}

static inline void dns_stop(struct dns_server *server)
{
    ck_assert_int_eq(co_cancel(server->task), 1);
    ck_assert_int_eq(co_test_result(server->task), 0);
    ck_assert_int_eq(co_close(server->udp), 0);
    ck_assert_int_ge(co_server_close(server->tcp, 0), 0);
}

#endif
