/* Log-linear histogram of nanoseconds: 128 steps per power of two, so that a quantile is right within 0.8 %. */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

#define HISTOGRAM_STEPS 128
#define HISTOGRAM_BUCKETS (58 * HISTOGRAM_STEPS)

struct histogram {
    uint64_t count, greatest, buckets[HISTOGRAM_BUCKETS];
    double sum;
};

/* A negative value (two clocks read in the wrong order by scheduling) counts as 0. */
void histogram_record(struct histogram *h, int64_t value);

/* The value below which the share `q` of all values lies; 0 when there is none. */
double histogram_quantile(const struct histogram *h, double q);

/* "name":{"n":..,"mean":..,"p50":..,"p90":..,"p99":..,"p999":..,"max":..} in microseconds. */
void histogram_print(FILE *to, const char *name, const struct histogram *h);

#endif
