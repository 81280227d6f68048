/* SPDX-License-Identifier: MIT */
/*
 * offload/stream.h - all of some bytes over a non-blocking socket, in a task or
 * a thread.
 * The streams of io/ are above this layer. Each returns 0 or a negative errno:
 * what send(2) and recv(2) say, -EPIPE at the end of the stream, -ECANCELED,
 * -ETIMEDOUT.
 */
#ifndef CO_OFFLOAD_STREAM_H
#define CO_OFFLOAD_STREAM_H

#include <stddef.h>

int co__stream_send(int fd, const void *head, size_t head_bytes,
                    const void *body, size_t body_bytes);
/* *have is how far it came. */
int co__stream_receive(int fd, void *buffer, size_t bytes, size_t *have);
/* Until the stream has ended, or can be read. */
int co__stream_wait_end(int fd);

#endif
