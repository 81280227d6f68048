/* SPDX-License-Identifier: MIT */
/* See procspawn.h: macOS, which closes what is not said to be inherited; and
 * whose libraries have no `environ`. */
#include "io/procspawn.h"

#include <crt_externs.h>

int co__spawn_chdir(posix_spawn_file_actions_t *actions, const char *path)
{
    return -posix_spawn_file_actions_addchdir_np(actions, path);
}

int co__spawn_close_others(posix_spawn_file_actions_t *actions, short *flags,
                           unsigned inherited)
{
    int r = 0;

    *flags = (short)(*flags | POSIX_SPAWN_CLOEXEC_DEFAULT);
    for (int fd = 0; r == 0 && fd < 3; fd++)
        if (inherited >> fd & 1)
            r = posix_spawn_file_actions_addinherit_np(actions, fd);
    return -r;
}

int co__spawn_session(short *flags)
{
    *flags |= POSIX_SPAWN_SETSID;
    return 0;
}

char *const *co__spawn_environment(void)
{
    return *_NSGetEnviron();
}
