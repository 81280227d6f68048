/* SPDX-License-Identifier: MIT */
/* A client library that knows nothing of Coppice. CLIENT_STDIO: by formatted
 * calls. */
#include <stdio.h>
#include <unistd.h>

int client_read(int fd);
int client_write(int fd);

#ifdef CLIENT_STDIO

int client_read(int fd)
{
    FILE *file = fdopen(fd, "r");
    char c = 0;

    return file && fscanf(file, "%c", &c) == 1;
}

int client_write(int fd)
{
    FILE *file = fdopen(fd, "w");

    return file && fprintf(file, "%d", fd) > 0 && fflush(file) == 0 &&
           dprintf(fd, "%d", fd) > 0;
}

#else

int client_read(int fd)
{
    char c;

    return (int)read(fd, &c, 1);
}

int client_write(int fd)
{
    return (int)write(fd, "x", 1);
}

#endif
