/* SPDX-License-Identifier: MIT */
/*
 * State Threads has mutexes and condition variables. A channel is made here of
 * two of the latter and room for one message, a semaphore of one.
 */
#include "bench.h"

#include <st.h>

#define STACK (64 * 1024) /* its default */

struct chan {
    st_cond_t filled, emptied;
    int full;
    long value;
};

struct sem {
    st_cond_t released;
    long permits;
};

static long n;
static struct chan there, back, *ring;
static struct sem sem_there, sem_back;
static long tasks;
static st_utime_t timeout = ST_UTIME_NO_TIMEOUT;

static void spawn(void *(*fn)(void *), void *arg)
{
    if (!st_thread_create(fn, arg, 0, STACK))
        bench_die("st_thread_create");
}

static void chan_init(struct chan *chan)
{
    chan->filled = st_cond_new();
    chan->emptied = st_cond_new();
    chan->full = 0;
}

static void chan_send(struct chan *chan, long value)
{
    while (chan->full)
        st_cond_wait(chan->emptied);
    chan->value = value;
    chan->full = 1;
    st_cond_signal(chan->filled);
}

static long chan_recv(struct chan *chan)
{
    while (!chan->full)
        if (st_cond_timedwait(chan->filled, timeout) < 0)
            bench_die("st_cond_timedwait");
    chan->full = 0;
    st_cond_signal(chan->emptied);
    return chan->value;
}

static void *chan_echo(void *arg)
{
    for (;;)
        chan_send(&back, chan_recv(&there));
    return arg;
}

static double chan_pingpong(void)
{
    int64_t start;

    chan_init(&there);
    chan_init(&back);
    spawn(chan_echo, NULL);
    start = bench_cpu_ns();
    for (long i = 0; i < n / 2; i++) {
        chan_send(&there, i);
        if (chan_recv(&back) != i)
            abort();
    }
    return (double)(bench_cpu_ns() - start) / (double)n;
}

static void *hop(void *arg)
{
    long place = (long)(intptr_t)arg;

    for (;;)
        chan_send(&ring[(place + 1) % tasks], chan_recv(&ring[place]) - 1);
    return arg;
}

static double chan_ring(void)
{
    int64_t start;
    long left;

    ring = calloc((size_t)tasks, sizeof(*ring));
    if (!ring)
        bench_die("calloc");
    for (long i = 0; i < tasks; i++)
        chan_init(&ring[i]);
    for (long i = 1; i < tasks; i++)
        spawn(hop, (void *)(intptr_t)i);
    st_usleep(0); /* all wait in their places */
    start = bench_cpu_ns();
    chan_send(&ring[1], n - 1);
    while ((left = chan_recv(&ring[0])) > 0)
        chan_send(&ring[1], left - 1);
    return (double)(bench_cpu_ns() - start) / (double)n;
}

static void sem_acquire(struct sem *sem)
{
    while (sem->permits == 0)
        st_cond_wait(sem->released);
    sem->permits--;
}

static void sem_release(struct sem *sem)
{
    sem->permits++;
    st_cond_signal(sem->released);
}

static void *sem_echo(void *arg)
{
    for (;;) {
        sem_acquire(&sem_there);
        sem_release(&sem_back);
    }
    return arg;
}

static double sem_handoff(void)
{
    int64_t start;

    sem_there.released = st_cond_new();
    sem_back.released = st_cond_new();
    spawn(sem_echo, NULL);
    start = bench_cpu_ns();
    for (long i = 0; i < n / 2; i++) {
        sem_release(&sem_there);
        sem_acquire(&sem_back);
    }
    return (double)(bench_cpu_ns() - start) / (double)n;
}

static double mutex_uncontended(long times)
{
    st_mutex_t mutex = st_mutex_new();
    int64_t start = bench_cpu_ns();

    for (long i = 0; i < times; i++) {
        st_mutex_lock(mutex);
        st_mutex_unlock(mutex);
    }
    return (double)(bench_cpu_ns() - start) / (double)times;
}

int main(int argc, char **argv)
{
    const char *row = bench_row(argc, argv);

    n = bench_scaled(argc, argv, 10000000, 500000);
    tasks = bench_row_number(row);
    st_set_eventsys(ST_EVENTSYS_ALT);
    if (st_init() < 0)
        bench_die("st_init");
    if (strcmp(row, "mutex_uncontended") == 0) {
        bench_report(row, mutex_uncontended(10 * n));
    } else if (strcmp(row, "sem_handoff") == 0) {
        bench_report(row, sem_handoff());
    } else if (tasks > 0) {
        bench_report(row, chan_ring());
    } else {
        if (strcmp(row, "wait_with_timeout") == 0)
            timeout = 1000000;
        bench_report(row, chan_pingpong());
    }
    _exit(0);
}
