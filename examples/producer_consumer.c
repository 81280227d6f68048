/* SPDX-License-Identifier: MIT */
/*
 * producer_consumer.c - two tasks and a socketpair between them. The producer
 * runs ahead until the socket is full and then waits for the consumer, who
 * waits when it is empty: nobody has to count, and nothing is lost.
 */
#include <coppice.h>

#include <stdio.h>
#include <unistd.h>

#define NUMBERS 100000

static int produce(void *arg)
{
    int fd = *(int *)arg, r = 0;
    uint32_t batch[100];

    for (uint32_t n = 0; n < NUMBERS && r == 0;) {
        for (unsigned i = 0; i < 100; i++)
            batch[i] = ++n;
        r = co_write_all(fd, batch, sizeof(batch), NULL);
    }
    co_close(fd); /* which tells the consumer that this was all */
    return r;
}

static int consume(void *arg)
{
    int fd = *(int *)arg, r;
    uint32_t number;
    uint64_t sum = 0;

    while ((r = co_read_full(fd, &number, sizeof(number), NULL)) == 0)
        sum += number;
    co_close(fd);
    printf("the sum is %llu\n", (unsigned long long)sum);
    return r == -ENODATA ? 0 : r; /* the end of the file is no failure */
}

static int run(void *arg)
{
    int fds[2];
    (void)arg;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
        return -errno;
    if (co_adopt(fds[0]) < 0 || co_adopt(fds[1]) < 0)
        return -ENOMEM; /* they would work without: adopted ones are faster */

    co_task *producer = co_spawn(produce, &fds[0]);
    co_task *consumer = co_spawn(consume, &fds[1]);
    int r = producer && consumer ? co_join(producer, NULL) : -errno;
    return r < 0 ? r : co_join(consumer, NULL);
}

int main(void)
{
    return co_run(run, NULL) < 0;
}
