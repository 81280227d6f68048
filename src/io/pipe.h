/* SPDX-License-Identifier: MIT */
/* io/pipe.h - the ends of pipes that we have made. */
#ifndef CO_IO_PIPE_H
#define CO_IO_PIPE_H

/* Take an end of a new pipe into our care: 0, -ENOMEM, or what fcntl says. */
int co__pipe_own(int fd, int writes);

#endif
