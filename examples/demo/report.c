/* SPDX-License-Identifier: MIT */
/* report.c - the server's memory, a histogram, and a line of progress. */
#include "report.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

/* ---- the server ---------------------------------------------------------- */

int server_look(int pid, struct server *out)
{
    char path[64], line[256];
    struct server server = {.threads = 0};

    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return -errno;
    while (fgets(line, sizeof(line), file)) {
        (void)(sscanf(line, "VmRSS: %ld", &server.rss_kib) == 1 ||
               sscanf(line, "VmPTE: %ld", &server.tables_kib) == 1 ||
               sscanf(line, "Threads: %ld", &server.threads) == 1);
    }
    fclose(file);
    if (server.rss_kib == 0)
        return -ESRCH; /* a zombie has no memory */
    *out = server;
    return 0;
}

int server_descriptors(int pid)
{
    char path[64];
    int count = -2; /* "." and ".." */

    snprintf(path, sizeof(path), "/proc/%d/fd", pid);
    DIR *dir = opendir(path);
    if (!dir)
        return -errno;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* ---- durations ----------------------------------------------------------- */

static unsigned bucket_of(uint64_t value)
{
    uint64_t first = 1u << HISTOGRAM_SUB_BITS;

    if (value < first)
        return (unsigned)value;
    unsigned shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return (unsigned)(((uint64_t)shift << HISTOGRAM_SUB_BITS) +
                      (value >> shift));
}

static co_time bucket_end(unsigned bucket)
{
    unsigned first = 1u << HISTOGRAM_SUB_BITS;

    if (bucket < 2 * first)
        return (co_time)bucket;
    unsigned shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
    uint64_t value = (bucket & (first - 1)) + first;
    return (co_time)(((value + 1) << shift) - 1);
}

void histogram_add(struct histogram *histogram, co_time duration)
{
    histogram->buckets[bucket_of(duration > 0 ? (uint64_t)duration : 0)]++;
    histogram->count++;
}

co_time histogram_quantile(const struct histogram *histogram, double part)
{
    double wanted = part * (double)histogram->count;
    uint64_t seen = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen > 0 && (double)seen >= wanted)
            return bucket_end(i);
    }
    return 0;
}

/* ---- progress ------------------------------------------------------------ */

static int on_terminal(void)
{
    static int known = -1;

    if (known < 0)
        known = isatty(STDOUT_FILENO);
    return known;
}

co_time progress_period(void)
{
    return on_terminal() ? 100 * CO_MS : 1 * CO_SEC;
}

void progress_show(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (on_terminal())
        fputs("\r\033[K", stdout);
    vprintf(format, args);
    if (!on_terminal())
        putchar('\n');
    va_end(args);
    fflush(stdout);
}

void progress_end(void)
{
    if (on_terminal())
        fputs("\r\033[K", stdout);
    fflush(stdout);
}
