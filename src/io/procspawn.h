/* SPDX-License-Identifier: MIT */
/* io/procspawn.h - what each system's posix_spawn has beyond POSIX. One file a
 * system implements it. All return 0 or a negative errno. */
#ifndef CO_IO_PROCSPAWN_H
#define CO_IO_PROCSPAWN_H

#include <spawn.h>

/* Begin in another directory. */
int co__spawn_chdir(posix_spawn_file_actions_t *actions, const char *path);

/* Close all but 0 to 2, of which those in `inherited` (a bit each) are not made
 * by the actions so far. Adds to *flags what the attributes need. */
int co__spawn_close_others(posix_spawn_file_actions_t *actions, short *flags,
                           unsigned inherited);

/* Add to *flags what makes a session. */
int co__spawn_session(short *flags);

/* Our environment. */
char *const *co__spawn_environment(void);

#endif
