/* SPDX-License-Identifier: MIT */
/* report.h - what the demo's load client measures, and how it shows it. */
#ifndef COPPICE_DEMO_REPORT_H
#define COPPICE_DEMO_REPORT_H

#include <coppice.h>

/* What the system tells of the server's process. */
struct server {
    long rss_kib;
    long tables_kib; /* page tables: not part of the RSS */
    long threads;
};

/* Fill *out from /proc/PID/status. Returns 0, or a negative errno. */
int server_look(int pid, struct server *out);

/* How many descriptors a process has open, or a negative errno. */
int server_descriptors(int pid);

/* Durations, counted in buckets that are 1/32 of their power of two wide. */
#define HISTOGRAM_SUB_BITS 5
#define HISTOGRAM_BUCKETS  (64 << HISTOGRAM_SUB_BITS)

struct histogram {
    uint64_t count;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, co_time duration);

/* The duration that `part` (0 to 1) of all stay below, to 3 %; 0 if none. */
co_time histogram_quantile(const struct histogram *histogram, double part);

/* Show how far we are: one line that is written over on a terminal, else lines
 * below each other. */
void progress_show(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* Show nothing any more. */
void progress_end(void);

/* How often it is worth to show it. */
co_time progress_period(void);

#endif
