/* SPDX-License-Identifier: MIT */
/*
 * How a process begins: by posix_spawn, which shares the memory of the parent
 * until the program is loaded (vfork's way), so that the size of the parent
 * does not matter; and which tells why it could not be loaded.
 *
 * What becomes the process's 0, 1 or 2 has a number from 3 up before: then the
 * order in which the three are made does not matter, and close-on-exec goes
 * with the copy. So what is given with a lower number is copied first.
 *
 * The program's handlers of signals are reset there before the mask is, and
 * the mask is that of this thread before co_run, which has blocked SIGPIPE.
 */
#include "io/procspawn.h"
#include "io/fdtable.h"
#include "io/pipe.h"
#include "io/process.h"
#include "io/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define FD_BIT CO_PROCESS_FD(0)

struct beginning {
    struct co_process *process;
    const co_process_options *options;
    int theirs[3]; /* what becomes 0, 1, 2; or -1 */
    int ours[3];   /* of these: to be closed afterwards; or -1 */
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
};

/* ---- the three descriptors ----------------------------------------------- */

/* The same with a number that is in nobody's way. It is closed on exec. */
static int copy_up(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

    return copy < 0 ? -errno : copy;
}

static int give_pipe(struct beginning *b, int which)
{
    int their_end = which == 0 ? 0 : 1;
    int ends[2];
    int r = co__sys_pipe(ends);

    if (r < 0)
        return r;
    if (ends[their_end] < 3) {
        r = copy_up(ends[their_end]);
        close(ends[their_end]);
        ends[their_end] = r;
    }
    if (r >= 0)
        r = co__pipe_own(ends[!their_end], which == 0);
    if (r < 0) {
        close(ends[!their_end]);
        if (ends[their_end] >= 0)
            close(ends[their_end]);
        return r;
    }
    b->process->fds[which] = ends[!their_end];
    b->theirs[which] = b->ours[which] = ends[their_end];
    return 0;
}

static int give(struct beginning *b, int which, int fd)
{
    if (fcntl(fd, F_GETFD) < 0)
        return -errno;
    if (fd < 3) {
        fd = copy_up(fd);
        if (fd < 0)
            return fd;
        b->ours[which] = fd;
    }
    b->theirs[which] = fd;
    return 0;
}

static int open_null(struct beginning *b, int which)
{
    return -posix_spawn_file_actions_addopen(
        &b->actions, which, "/dev/null", which == 0 ? O_RDONLY : O_WRONLY, 0);
}

static int prepare(struct beginning *b, int which, int kind)
{
    int r;

    if (kind == CO_PROCESS_INHERIT || (kind == CO_PROCESS_STDOUT && which == 2))
        return 0;
    if (kind == CO_PROCESS_NULL)
        return open_null(b, which);
    if (kind == CO_PROCESS_PIPE)
        r = give_pipe(b, which);
    else if (kind >= FD_BIT)
        r = give(b, which, kind & ~FD_BIT);
    else
        return -EINVAL;
    if (r < 0)
        return r;
    return -posix_spawn_file_actions_adddup2(&b->actions, b->theirs[which],
                                             which);
}

static int prepare_all(struct beginning *b)
{
    const co_process_options *options = b->options;
    int kinds[3] = {options->in, options->out, options->err};

    for (int i = 0; i < 3; i++) {
        int r = prepare(b, i, kinds[i]);

        if (r < 0)
            return r;
    }
    if (options->err == CO_PROCESS_STDOUT)
        return -posix_spawn_file_actions_adddup2(&b->actions, 1, 2);
    return 0;
}

/* ---- the rest ------------------------------------------------------------ */

static int prepare_attributes(struct beginning *b)
{
    const co_process_options *options = b->options;
    unsigned inherited = (options->in == CO_PROCESS_INHERIT ? 1u : 0) |
                         (options->out == CO_PROCESS_INHERIT ? 2u : 0) |
                         (options->err == CO_PROCESS_INHERIT ? 4u : 0);
    short flags = POSIX_SPAWN_SETSIGMASK;
    int r = 0;

    if (options->new_session)
        r = co__spawn_session(&flags);
    else if (options->new_group)
        flags |= POSIX_SPAWN_SETPGROUP; /* 0: its own */
    if (r == 0 && options->close_others)
        r = co__spawn_close_others(&b->actions, &flags, inherited);
    if (r == 0 && options->cwd)
        r = co__spawn_chdir(&b->actions, options->cwd);
    if (r == 0)
        r = -posix_spawnattr_setsigmask(&b->attributes,
                                        &b->process->loop->old_mask);
    if (r == 0)
        r = -posix_spawnattr_setflags(&b->attributes, flags);
    return r;
}

static int spawn(struct beginning *b, const char *const *argv)
{
    char *const *environment = b->options->env ? (char *const *)b->options->env
                                               : co__spawn_environment();
    int r = prepare_all(b);

    if (r == 0)
        r = prepare_attributes(b);
    if (r == 0)
        r = -posix_spawnp(&b->process->pid, argv[0], &b->actions,
                          &b->attributes, (char *const *)argv, environment);
    for (int i = 0; i < 3; i++)
        if (b->ours[i] >= 0)
            close(b->ours[i]);
    if (r < 0)
        for (int i = 0; i < 3; i++)
            co__process_shut(b->process, i);
    return r;
}

int co__process_begin(struct co_process *process, const char *const *argv,
                      const co_process_options *options)
{
    struct beginning b = {
        .process = process,
        .options = options,
        .theirs = {-1, -1, -1},
        .ours = {-1, -1, -1},
    };
    int r = -posix_spawn_file_actions_init(&b.actions);

    if (r < 0)
        return r;
    r = -posix_spawnattr_init(&b.attributes);
    if (r == 0) {
        r = spawn(&b, argv);
        posix_spawnattr_destroy(&b.attributes);
    }
    posix_spawn_file_actions_destroy(&b.actions);
    return r;
}
