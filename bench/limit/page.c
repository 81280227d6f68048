/* SPDX-License-Identifier: MIT */
/*
 * page - what a page of its own costs each connection, where there are so many
 * that no cache has them all: the least that a task with a stack adds to a
 * server without.
 *
 * A message is written to a Unix socket and read from its other end, for one
 * connection after the other, in an order by chance. A row is what is done to
 * the connection's page before:
 *
 *     none        nothing; the others are what they take beyond this
 *     touch       four lines of it are written, as by a task that goes on
 *     fetch K     the same; each K messages the next K pages are fetched ahead
 *     ahead K     the same; before each message the K-th from here is
 *
 * and a column how the pages lie: as far apart as stacks of 256 KiB with their
 * guards; of 16 KiB; and side by side in huge pages. Each figure is the median
 * of the rounds, in ns of CPU time a message.
 *
 *     limit_page [connections]
 */
#include "bench.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define PAGE   4096
#define LINE   64
#define ROUNDS 41
#define AHEAD  64 /* the most that any row looks ahead */

static const struct row {
    const char *name;
    int touch, fetch, ahead;
} rows[] = {
    {"none", 0, 0, 0},    {"touch", 1, 0, 0},     {"fetch 4", 1, 4, 0},
    {"fetch 8", 1, 8, 0}, {"fetch 32", 1, 32, 0}, {"ahead 1", 1, 0, 1},
    {"ahead 8", 1, 0, 8},
};

static const struct column {
    const char *name;
    size_t pages; /* from one to the next */
} columns[] = {{"256 KiB", 65}, {"16 KiB", 5}, {"huge", 1}};

#define ROWS    (int)(sizeof(rows) / sizeof(*rows))
#define COLUMNS (int)(sizeof(columns) / sizeof(*columns))

static int count = 9000;
static int (*sockets)[2];
static int *order; /* the first AHEAD again at the end */

static void open_all(void)
{
    uint32_t random = 1;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    sockets = calloc((size_t)count, sizeof(*sockets));
    order = calloc((size_t)count + AHEAD, sizeof(*order));
    if (!sockets || !order)
        bench_die("calloc");
    for (int i = 0; i < count; i++) {
        int j = (int)(bench_random(&random) % (uint32_t)(i + 1));

        if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets[i]) < 0)
            bench_die("socketpair");
        order[i] = order[j];
        order[j] = i;
    }
    for (int i = 0; i < AHEAD; i++)
        order[count + i] = order[i % count];
}

static char *pages_of(const struct column *column)
{
    size_t bytes = column->pages * PAGE * (size_t)count;
    char *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (base == MAP_FAILED)
        bench_die("mmap");
    madvise(base, bytes, column->pages == 1 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    for (int i = 0; i < count; i++)
        memset(base + column->pages * PAGE * (size_t)i, 1, PAGE);
    return base;
}

static void fetch(const char *page)
{
    for (int line = 0; line < 4; line++)
        __builtin_prefetch(page + line * LINE);
}

static double round_of(const struct row *row, char *base, size_t stride)
{
    int64_t start = bench_cpu_ns();
    char message[LINE] = {0};

    for (int i = 0; i < count; i++) {
        const int *fds = sockets[order[i]];
        volatile char *page = base + stride * (size_t)order[i];

        for (int k = 0; row->fetch && i % row->fetch == 0 && k < row->fetch;
             k++)
            fetch(base + stride * (size_t)order[i + k]);
        if (row->ahead)
            fetch(base + stride * (size_t)order[i + row->ahead]);
        for (int line = 0; row->touch && line < 4; line++)
            page[line * LINE]++;
        if (write(fds[0], message, LINE) != LINE ||
            read(fds[1], message, LINE) != LINE)
            bench_die("socket");
    }
    return (double)(bench_cpu_ns() - start) / count;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Of the first row what it takes, of the others what they take beyond that. */
static void measure(const struct column *column, double figures[ROWS])
{
    static double all[ROWS][ROUNDS];
    size_t stride = column->pages * PAGE;
    char *base = pages_of(column);

    for (int i = 0; i < ROUNDS; i++)
        for (int r = 0; r < ROWS; r++)
            all[r][i] = round_of(&rows[r], base, stride) - (r ? all[0][i] : 0);
    for (int r = 0; r < ROWS; r++) {
        qsort(all[r], ROUNDS, sizeof(**all), compare);
        figures[r] = all[r][ROUNDS / 2];
    }
    munmap(base, stride * (size_t)count);
}

int main(int argc, char **argv)
{
    double figures[COLUMNS][ROWS];

    if (argc > 1)
        count = atoi(argv[1]);
    if (count < 1)
        bench_die("connections");
    open_all();
    printf("%-10s", "");
    for (int c = 0; c < COLUMNS; c++) {
        printf("%10s", columns[c].name);
        measure(&columns[c], figures[c]);
    }
    for (int r = 0; r < ROWS; r++) {
        printf("\n%-10s", rows[r].name);
        for (int c = 0; c < COLUMNS; c++)
            printf(r ? "%+10.0f" : "%10.0f", figures[c][r]);
    }
    printf("\n");
    return 0;
}
