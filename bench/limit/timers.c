/* SPDX-License-Identifier: MIT */
/*
 * N tasks that are there already sleep for random times of up to a second:
 * a wheel of 4,096 slots of a millisecond, which reads the clock once a turn.
 */
#include "wheel.h"

LIMIT_NO_EVENTS

#define SLEEP_MS 1000
#define SLEEPS   2

static uint64_t sleepers;
static long tasks, started, ended;
static bool go;
static uint32_t seed = 12345;

static void sleep_ms(uint32_t ms)
{
    wheel_add(limit_current, wheel_now() + ms + 1);
    sleepers++;
    limit_block();
}

static void wheel_expired(struct limit_task *task)
{
    sleepers--;
    limit_ready(task);
}

static void limit_idle(void)
{
    static struct epoll_event events[LIMIT_EVENTS_MAX];
    struct timespec wait;
    uint64_t next;
    int64_t ns;

    wheel_turn();
    if (limit_head || !sleepers)
        return;
    for (next = wheel_tick; wheel_empty(next);)
        next++;
    ns = wheel_ns(next) - wheel_time;
    wait.tv_sec = ns / 1000000000;
    wait.tv_nsec = ns % 1000000000;
    epoll_pwait2(limit_epoll, events, LIMIT_EVENTS_MAX, &wait, NULL);
    limit_polled = bench_now_ns();
    wheel_turn();
}

static void sleeper(void *arg)
{
    (void)arg;
    started++;
    while (!go)
        limit_yield();
    for (int i = 0; i < SLEEPS; i++)
        sleep_ms(bench_random(&seed) % SLEEP_MS);
    if (++ended == tasks)
        limit_ready(&limit_main);
}

int main(int argc, char **argv)
{
    const char *row = bench_row(argc, argv);
    int64_t start;

    tasks = bench_row_number(row);
    limit_init();
    wheel_init();
    for (long i = 0; i < tasks; i++)
        limit_spawn(sleeper, NULL);
    while (started < tasks)
        limit_yield();
    wheel_time = bench_now_ns();
    go = true;
    start = bench_cpu_ns();
    limit_block();
    bench_report(row,
                 (double)(bench_cpu_ns() - start) / (double)(tasks * SLEEPS));
    _exit(0);
}
