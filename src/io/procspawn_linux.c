/* SPDX-License-Identifier: MIT */
/* See procspawn.h: Linux, with glibc 2.34 or later. */
#include "io/procspawn.h"

#include <unistd.h>

int co__spawn_chdir(posix_spawn_file_actions_t *actions, const char *path)
{
    return -posix_spawn_file_actions_addchdir_np(actions, path);
}

int co__spawn_close_others(posix_spawn_file_actions_t *actions, short *flags,
                           unsigned inherited)
{
    (void)flags;
    (void)inherited;
    return -posix_spawn_file_actions_addclosefrom_np(actions, 3);
}

int co__spawn_session(short *flags)
{
    *flags |= POSIX_SPAWN_SETSID;
    return 0;
}

char *const *co__spawn_environment(void)
{
    return environ;
}
