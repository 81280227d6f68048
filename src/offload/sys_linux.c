/* SPDX-License-Identifier: MIT */
/* See sys.h: Linux. */
#include "offload/sys.h"

#include <dirent.h>
#include <sched.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

unsigned co__sys_processors(void)
{
    cpu_set_t set;
    long count;

    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        return (unsigned)CPU_COUNT(&set);
    count = sysconf(_SC_NPROCESSORS_ONLN); /* more than cpu_set_t has */
    return count > 0 ? (unsigned)count : 1;
}

void co__sys_thread_name(const char *name)
{
    prctl(PR_SET_NAME, name);
}

/* Before Linux 5.9. */
static void close_one_by_one(int first)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;

    if (!dir) {
        for (int fd = first; fd < (int)sysconf(_SC_OPEN_MAX); fd++)
            close(fd);
        return;
    }
    while ((entry = readdir(dir))) {
        int fd = (int)strtol(entry->d_name, NULL, 10);

        if (fd >= first && fd != dirfd(dir))
            close(fd);
    }
    closedir(dir);
}

void co__sys_close_from(int first)
{
    if (syscall(SYS_close_range, (unsigned)first, ~0u, 0u) < 0)
        close_one_by_one(first);
}

void co__sys_purge(FILE *stream)
{
    __fpurge(stream);
}
