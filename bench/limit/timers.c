/* SPDX-License-Identifier: MIT */
/*
 * N tasks that are there already sleep for random times of up to a second:
 * a wheel of 4,096 slots of a millisecond, which reads the clock once a turn.
 */
#include "limit.h"

LIMIT_NO_EVENTS

#define SLOTS    4096
#define TICK_NS  1000000
#define SLEEP_MS 1000
#define SLEEPS   2

static struct limit_task wheel[SLOTS];
static uint64_t tick, sleepers;
static int64_t epoch, turn_time;
static long tasks, started, ended;
static bool go;
static uint32_t seed = 12345;

static void wheel_init(void)
{
    for (int i = 0; i < SLOTS; i++)
        wheel[i].timer_next = wheel[i].timer_prev = &wheel[i];
    epoch = turn_time = bench_now_ns();
}

static void sleep_ms(uint32_t ms)
{
    struct limit_task *task = limit_current;
    struct limit_task *slot;

    task->due = (uint64_t)(turn_time - epoch) / TICK_NS + ms + 1;
    slot = &wheel[task->due % SLOTS];
    task->timer_prev = slot->timer_prev;
    task->timer_next = slot;
    slot->timer_prev->timer_next = task;
    slot->timer_prev = task;
    sleepers++;
    limit_block();
}

static void wake(struct limit_task *task)
{
    task->timer_prev->timer_next = task->timer_next;
    task->timer_next->timer_prev = task->timer_prev;
    sleepers--;
    limit_ready(task);
}

static void wheel_turn(void)
{
    uint64_t now;

    turn_time = bench_now_ns();
    now = (uint64_t)(turn_time - epoch) / TICK_NS;
    for (; tick <= now; tick++) {
        struct limit_task *slot = &wheel[tick % SLOTS];
        struct limit_task *task = slot->timer_next, *next;

        for (; task != slot; task = next) {
            next = task->timer_next;
            if (task->due <= tick)
                wake(task);
        }
    }
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
    for (next = tick; wheel[next % SLOTS].timer_next == &wheel[next % SLOTS];)
        next++;
    ns = epoch + (int64_t)next * TICK_NS - turn_time;
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
    turn_time = bench_now_ns();
    go = true;
    start = bench_cpu_ns();
    limit_block();
    bench_report(row,
                 (double)(bench_cpu_ns() - start) / (double)(tasks * SLEEPS));
    _exit(0);
}
