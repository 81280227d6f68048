/* SPDX-License-Identifier: MIT */
/*
 * State Threads as Debian packages it. It has no call to yield; a sleep of no
 * time at all is what its users write for it.
 */
#include "bench.h"

#include <st.h>

#define BATCH  1000
#define SLEEPS 2
#define STACK  (64 * 1024) /* its default */

static long tasks, started, ended, left, total;
static int64_t start, end;
static int go;
static uint32_t seed = 12345;
static st_cond_t never;

static void *nothing(void *arg)
{
    return arg;
}

static st_thread_t spawn(void *(*fn)(void *), int joinable)
{
    st_thread_t thread = st_thread_create(fn, NULL, joinable, STACK);

    if (!thread)
        bench_die("st_thread_create");
    return thread;
}

static void *yielder(void *arg)
{
    if (++started == tasks) {
        left = total;
        start = bench_cpu_ns();
    }
    while (started < tasks)
        st_usleep(0);
    while (left-- > 0)
        st_usleep(0);
    if (!end)
        end = bench_cpu_ns();
    return arg;
}

static double yields(void)
{
    st_thread_t *threads = calloc((size_t)tasks, sizeof(st_thread_t));

    for (long i = 0; i < tasks; i++)
        threads[i] = spawn(yielder, 1);
    for (long i = 0; i < tasks; i++)
        st_thread_join(threads[i], NULL);
    return (double)(end - start) / (double)total;
}

static void spawn_join(long n, int batch)
{
    static st_thread_t threads[BATCH];

    for (long done = 0; done < n; done += batch) {
        for (int i = 0; i < batch; i++)
            threads[i] = spawn(nothing, 1);
        for (int i = 0; i < batch; i++)
            st_thread_join(threads[i], NULL);
    }
}

static double spawns(long n, int batch)
{
    spawn_join(2 * BATCH, batch);
    start = bench_cpu_ns();
    spawn_join(n, batch);
    return (double)(bench_cpu_ns() - start) / (double)n;
}

static void *parked(void *arg)
{
    st_cond_wait(never);
    return arg;
}

static double memory(void)
{
    long before = bench_memory_bytes("/proc/self/status");

    for (long i = 0; i < tasks; i++) {
        spawn(parked, 0);
        st_usleep(0);
    }
    return (double)(bench_memory_bytes("/proc/self/status") - before) /
           (double)tasks;
}

static void *sleeper(void *arg)
{
    started++;
    while (!go)
        st_usleep(0);
    for (int i = 0; i < SLEEPS; i++)
        st_usleep((st_utime_t)(bench_random(&seed) % 1000) * 1000);
    ended++;
    return arg;
}

static double timers(void)
{
    for (long i = 0; i < tasks; i++)
        spawn(sleeper, 0);
    while (started < tasks)
        st_usleep(0);
    go = 1;
    start = bench_cpu_ns();
    while (ended < tasks)
        st_usleep(10000);
    return (double)(bench_cpu_ns() - start) / (double)(tasks * SLEEPS);
}

int main(int argc, char **argv)
{
    const char *row = bench_row(argc, argv);

    tasks = bench_row_number(row);
    total = bench_yields(argc, argv, tasks, 1000000);
    st_set_eventsys(ST_EVENTSYS_ALT);
    if (st_init() < 0)
        bench_die("st_init");
    never = st_cond_new();
    if (strncmp(row, "yield", 5) == 0)
        bench_report(row, yields());
    else if (strcmp(row, "spawn_join") == 0)
        bench_report(row, spawns(bench_scaled(argc, argv, 3000000, 200000), 1));
    else if (strcmp(row, "spawn_batch") == 0)
        bench_report(row,
                     spawns(bench_scaled(argc, argv, 3000000, 200000), BATCH));
    else if (strncmp(row, "memory", 6) == 0)
        bench_report(row, memory());
    else
        bench_report(row, timers());
    _exit(0);
}
