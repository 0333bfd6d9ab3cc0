/* What the fake upstream and the load generator share: one clock, the stamps that travel inside answers, small tools.
 *
 * A stamp is '@', a letter and 16 decimal digits of CLOCK_MONOTONIC nanoseconds. The clock is the same for both programs because
 * they run on one machine, so the load generator can tell the one-way time of every chunk:
 *   @R  when the upstream had read the whole request (once per answer)
 *   @T  when the upstream handed this chunk to the kernel (in every chunk)
 * A frame's CRC may hold a byte that looks like '@', so a stamp is only one with its letter and all its digits.
 */
#ifndef LAB_H
#define LAB_H

#include <stddef.h>
#include <stdint.h>

#define STAMP_LENGTH 18
#define STAMP_DIGITS 16
#define NANOS 1000000000ull

uint64_t now_ns(void);

/* Writes the last `count` decimal digits of `value` at `digits`. */
void write_digits(char *digits, int count, uint64_t value);

/* The value of a stamp's 16 digits; 0 when they are no digits. */
uint64_t read_digits(const char *digits);

/* As many open files as the system allows this process. */
void raise_file_limit(void);

/* A non-blocking listener on 127.0.0.1; ends the program when the port is not to be had. */
int listen_on_loopback(int port);

/* malloc/realloc that end the program when memory is out: a benchmark has nothing better to do. */
void *must_allocate(void *old, size_t size);

#endif
