/* See lab.h. */
#define _GNU_SOURCE
#include "lab.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NANOS + (uint64_t)t.tv_nsec;
}

void write_digits(char *digits, int count, uint64_t value)
{
    for (int i = count - 1; i >= 0; i--) {
        digits[i] = (char)('0' + value % 10);
        value /= 10;
    }
}

uint64_t read_digits(const char *digits)
{
    uint64_t value = 0;
    for (int i = 0; i < STAMP_DIGITS; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return 0;
        value = value * 10 + (uint64_t)(digits[i] - '0');
    }
    return value;
}

void raise_file_limit(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

void *must_allocate(void *old, size_t size)
{
    void *got = realloc(old, size);
    if (!got) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    return got;
}

int listen_on_loopback(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(fd, (void *)&at, sizeof at) || listen(fd, 8192)) {
        perror("cannot listen");
        exit(1);
    }
    return fd;
}
