/* SPDX-License-Identifier: MIT */
/*
 * bench/bench.h - what every benchmark program needs: clocks, the memory the
 * kernel keeps for the process, a random generator, and the one line it prints.
 * For C11 and C++17.
 *
 * A program is called with the name of a row, and optionally with a divisor
 * that makes the run shorter. It prints "R <row> <value>" and nothing else.
 */
#ifndef BENCH_H
#define BENCH_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BENCH_UNUSED   __attribute__((unused))
#define BENCH_NOINLINE __attribute__((noinline))
#define BENCH_INLINE   static inline __attribute__((always_inline))

/* Messages between threads, and jobs in other threads, that a run takes. */
#define BENCH_HOPS 100000
#define BENCH_JOBS 50000

/* The file rows: a file that stays in the page cache, and reads of it. */
#define BENCH_BLOCK   4096
#define BENCH_BLOCKS  4096
#define BENCH_READS   200000
#define BENCH_READERS 64

/* The process row: what is started, how often, and how many at a time. */
#define BENCH_PROGRAM  "/bin/true"
#define BENCH_PROGRAMS 4000
#define BENCH_RUNNERS  8

BENCH_UNUSED static inline int64_t bench_clock(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

BENCH_UNUSED static inline int64_t bench_now_ns(void)
{
    return bench_clock(CLOCK_MONOTONIC);
}

/* What the process used of all CPUs, so that a busy machine costs less. */
BENCH_UNUSED static inline int64_t bench_cpu_ns(void)
{
    return bench_clock(CLOCK_PROCESS_CPUTIME_ID);
}

/*
 * Two threads: real time, since one that spins would seem cheap, and one that
 * sleeps slow; but in rows named so the CPU time of both.
 */
BENCH_UNUSED static inline int64_t bench_threads_ns(const char *row)
{
    return strstr(row, "_cpu") ? bench_cpu_ns() : bench_now_ns();
}

/* A "Vm...:" line of a /proc/<pid>/status, in bytes. */
BENCH_UNUSED static inline long bench_status_bytes(const char *path,
                                                   const char *key)
{
    char line[256];
    long kib = 0;
    FILE *f = fopen(path, "r");

    if (!f)
        return 0;
    while (fgets(line, sizeof(line), f)) {
        if (strncmp(line, key, strlen(key)) == 0)
            kib = atol(line + strlen(key));
    }
    fclose(f);
    return kib * 1024;
}

/* Resident memory and page tables: what a task costs the machine. */
BENCH_UNUSED static inline long bench_memory_bytes(const char *status)
{
    return bench_status_bytes(status, "VmRSS:") +
           bench_status_bytes(status, "VmPTE:");
}

/* xorshift32; the state must not be 0. */
BENCH_UNUSED static inline uint32_t bench_random(uint32_t *state)
{
    uint32_t x = *state;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

BENCH_UNUSED static inline void bench_report(const char *row, double value)
{
    printf("R %s %.3f\n", row, value);
    fflush(stdout);
}

BENCH_UNUSED static inline void bench_die(const char *what)
{
    perror(what);
    exit(1);
}

/* The file, which has no name any more. In /var/tmp, for /tmp may be in memory:
 * file systems like that are read in another way. */
BENCH_UNUSED static inline int bench_file(void)
{
    char path[] = "/var/tmp/coppice-bench-XXXXXX";
    char block[BENCH_BLOCK] = "";
    int fd = mkstemp(path);

    if (fd < 0)
        bench_die(path);
    unlink(path);
    for (int i = 0; i < BENCH_BLOCKS; i++)
        if (pwrite(fd, block, BENCH_BLOCK, (off_t)i * BENCH_BLOCK) < 0)
            bench_die("pwrite");
    if (fsync(fd) < 0)
        bench_die("fsync");
    return fd;
}

BENCH_UNUSED static inline off_t bench_block(uint32_t *state)
{
    return (off_t)(bench_random(state) % BENCH_BLOCKS) * BENCH_BLOCK;
}

/* The row that the program was called with. */
BENCH_UNUSED static inline const char *bench_row(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s ROW [DIVISOR]\n", argv[0]);
        exit(2);
    }
    return argv[1];
}

/* count divided as the command line says, but never below least. */
BENCH_UNUSED static inline long bench_scaled(int argc, char **argv, long count,
                                             long least)
{
    long divisor = argc > 2 ? atol(argv[2]) : 1;

    if (divisor > 1)
        count /= divisor;
    return count < least ? least : count;
}

/* The number that a row's name ends with: 1000 of yield_1000, 1m is 10^6. */
BENCH_UNUSED static inline long bench_row_number(const char *row)
{
    const char *digits = strrchr(row, '_');
    char *end;
    long n;

    if (!digits)
        return 0;
    n = strtol(digits + 1, &end, 10);
    if (*end == 'k')
        n *= 1000;
    else if (*end == 'm')
        n *= 1000000;
    return n;
}

/* How many yields to time: enough for a steady figure, at least 20 a task. */
BENCH_UNUSED static inline long bench_yields(int argc, char **argv, long tasks,
                                             long count)
{
    return bench_scaled(argc, argv, count, 20 * tasks);
}

#endif
