/* SPDX-License-Identifier: MIT */
/*
 * COPPICE_HOOK_TRACE=file: who calls what, how often, how often in a task, and
 * how often and how long those waited. A row is one library's use of one
 * function; the table is of fixed size, and what finds no room in it shares the
 * last row. The file is written when the process ends.
 */
#include "hook/hook.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define ROWS   4096u /* a power of two */
#define PROBES 64u

struct co__site co__no_site;

static struct co__site rows[ROWS];
static struct co__site rest = {.library = "(others)"};
static char path[4096];

/* By where the call returns to. */
static struct co__site *row_of(enum co__symbol symbol, const void *from)
{
    uint64_t hash = (uint64_t)(uintptr_t)from * 0x9E3779B97F4A7C15u;

    for (uint32_t i = 0; i < PROBES; i++) {
        struct co__site *row = &rows[((hash >> 40) + i) % ROWS];
        const void *taken = NULL;
        Dl_info info;

        if (atomic_load(&row->from) == from && row->symbol == symbol)
            return row;
        if (!atomic_compare_exchange_strong(&row->from, &taken, from))
            continue;
        row->symbol = symbol;
        if (dladdr(from, &info) && info.dli_fname)
            row->library = info.dli_fname; /* stays while it is loaded */
        return row;
    }
    return &rest;
}

struct co__site *co__hook_traced(unsigned group, enum co__symbol symbol,
                                 const void *from)
{
    struct co__site *row = row_of(symbol, from);

    atomic_fetch_add(&row->calls, 1);
    if (!(atomic_load(&co__hook_groups) & group) || !co__guest())
        return NULL;
    atomic_fetch_add(&row->in_task, 1);
    return row;
}

co_time co__park_begin(const struct co__site *site)
{
    return CO_LIKELY(site == &co__no_site) ? 0 : co_now();
}

void co__park_end(struct co__site *site, co_time began)
{
    if (CO_LIKELY(site == &co__no_site))
        return;
    atomic_fetch_add(&site->parked, 1);
    atomic_fetch_add(&site->parked_ns, (unsigned long)(co_now() - began));
}

/* ---- the file ------------------------------------------------------------ */

static const char *name_of(const struct co__site *row)
{
    const char *slash = row->library ? strrchr(row->library, '/') : NULL;

    return slash ? slash + 1 : row->library ? row->library : "?";
}

static int by_library(const void *a, const void *b)
{
    const struct co__site *x = a, *y = b;
    int order = strcmp(name_of(x), name_of(y));

    return order ? order : (int)x->symbol - (int)y->symbol;
}

/* Rows of one library and function are one. */
static void merge(struct co__site *into, const struct co__site *row)
{
    into->calls += row->calls;
    into->in_task += row->in_task;
    into->parked += row->parked;
    into->parked_ns += row->parked_ns;
}

static void print(FILE *file, const struct co__site *row)
{
    fprintf(file, "%-24s %-24s %10lu %10lu %10lu %14lu\n", name_of(row),
            row == &rest ? "" : co__symbol_names[row->symbol],
            (unsigned long)row->calls, (unsigned long)row->in_task,
            (unsigned long)row->parked, (unsigned long)row->parked_ns);
}

static void write_trace(void)
{
    FILE *file;
    size_t count = 0;

    atomic_store(&co__hook_groups, 0);
    file = fopen(path, "we");
    if (!file)
        return;
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].from) {
            if (i != count)
                memcpy(&rows[count], &rows[i], sizeof(rows[i]));
            count++;
        }
    qsort(rows, count, sizeof(rows[0]), by_library);
    fprintf(file, "%-24s %-24s %10s %10s %10s %14s\n", "library", "function",
            "calls", "in task", "parked", "ns parked");
    for (size_t i = 0, next; i < count; i = next) {
        for (next = i + 1;
             next < count && by_library(&rows[i], &rows[next]) == 0; next++)
            merge(&rows[i], &rows[next]);
        print(file, &rows[i]);
    }
    if (rest.calls)
        print(file, &rest);
    fclose(file);
}

static __attribute__((constructor)) void begin(void)
{
    const char *asked = getenv("COPPICE_HOOK_TRACE");
    size_t len = asked ? strlen(asked) : 0;

    if (len == 0 || len >= sizeof(path))
        return;
    memcpy(path, asked, len + 1);
    atomic_fetch_or(&co__hook_groups, CO__HOOK_TRACED);
    atexit(write_trace);
}
