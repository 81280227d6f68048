/* SPDX-License-Identifier: MIT */
/* A client library that knows nothing of Coppice. */
#include <unistd.h>

int client_read(int fd);
int client_write(int fd);

int client_read(int fd)
{
    char c;

    return (int)read(fd, &c, 1);
}

int client_write(int fd)
{
    return (int)write(fd, "x", 1);
}
