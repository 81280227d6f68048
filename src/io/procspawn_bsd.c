/* SPDX-License-Identifier: MIT */
/* See procspawn.h: the BSDs, as FreeBSD 13.1 has it. */
#include "io/procspawn.h"

#include <errno.h>

extern char **environ;

int co__spawn_chdir(posix_spawn_file_actions_t *actions, const char *path)
{
    return -posix_spawn_file_actions_addchdir_np(actions, path);
}

int co__spawn_close_others(posix_spawn_file_actions_t *actions, short *flags,
                           unsigned inherited)
{
    (void)actions;
    (void)flags;
    (void)inherited;
    return -ENOSYS;
}

int co__spawn_session(short *flags)
{
    (void)flags;
    return -ENOSYS;
}

char *const *co__spawn_environment(void)
{
    return environ;
}
