/* SPDX-License-Identifier: MIT */
/*
 * slow_dns.c - a name server that takes its time: `slow_dns ADDRESS:PORT
 * [MILLISECONDS]` (100). host<N> of any domain has the address
 * 192.0.2.<N % 256>; nothing has an address of IPv6.
 */
#include <coppice.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_BYTES 12
#define ANSWER_BYTES 16
#define TYPE_A       1

struct query {
    int fd;
    co_time delay;
    co_addr from;
    size_t bytes;
    unsigned char data[512 + ANSWER_BYTES];
};

/* The query becomes the answer. Returns whether it was a query. */
static int answer(struct query *q)
{
    size_t end = HEADER_BYTES; /* of the question */
    int number = 0;
    if (q->bytes < HEADER_BYTES + 5 || q->bytes > 512)
        return 0;
    sscanf((char *)q->data + HEADER_BYTES + 1, "host%3d", &number);
    while (end + 5 < q->bytes && q->data[end] != 0)
        end += q->data[end] + 1u;
    end += 5;
    if (end > q->bytes)
        return 0;
    int is_a = q->data[end - 3] == TYPE_A;
    /* One question, none or one answer, nothing else. */
    q->data[2] = 0x81, q->data[3] = 0x80;
    memset(q->data + 4, 0, 8);
    q->data[5] = 1, q->data[7] = (unsigned char)is_a;
    q->bytes = end;
    if (is_a) {
        unsigned char a[ANSWER_BYTES] = {
            0xc0, HEADER_BYTES, 0, TYPE_A, 0, 1, 0, 0, 0, 1, 0,
            4,    192,          0, 2,      0};
        a[15] = (unsigned char)number;
        memcpy(q->data + end, a, sizeof(a));
        q->bytes += sizeof(a);
    }
    return 1;
}

static int reply(void *arg)
{
    struct query *q = arg;
    int r = co_sleep(q->delay);
    if (r == 0 && answer(q))
        r = (int)co_sendto(q->fd, q->data, q->bytes, 0, &q->from.as.any,
                           q->from.len);
    free(q);
    return r;
}

static int serve(int fd, co_time delay)
{
    for (;;) {
        struct query *q = calloc(1, sizeof(*q));
        if (!q)
            return -ENOMEM;
        q->fd = fd;
        q->delay = delay;
        q->from.len = sizeof(q->from.as);
        ssize_t n =
            co_recvfrom(fd, q->data, 512, 0, &q->from.as.any, &q->from.len);
        q->bytes = n > 0 ? (size_t)n : 0;
        co_task *task = n < 0 ? NULL : co_spawn(reply, q);
        if (!task) {
            free(q);
            return n < 0 ? (int)n : -errno;
        }
        co_detach(task);
    }
}

static int run(void *arg)
{
    char **argv = arg;
    int fd = co_udp_bind(argv[1], NULL);
    if (fd < 0)
        return fd;
    printf("listening on %s\n", argv[1]);
    fflush(stdout);
    return serve(fd, (argv[2] ? atoi(argv[2]) : 100) * CO_MS);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: slow_dns ADDRESS:PORT [MILLISECONDS]\n");
        return 2;
    }
    fprintf(stderr, "%s\n", co_error_name(co_run(run, argv)));
    return 1;
}
