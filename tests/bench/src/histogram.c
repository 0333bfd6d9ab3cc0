/* See histogram.h. */
#include "histogram.h"

static int bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_STEPS)
        return (int)value;
    int shift = 63 - __builtin_clzll(value) - 7;
    int bucket = shift * HISTOGRAM_STEPS + (int)(value >> shift);
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

static uint64_t middle_of(int bucket)
{
    if (bucket < 2 * HISTOGRAM_STEPS)
        return (uint64_t)bucket;
    int shift = bucket / HISTOGRAM_STEPS - 1;
    return ((uint64_t)(bucket - shift * HISTOGRAM_STEPS) << shift) + ((1ull << shift) >> 1);
}

void histogram_record(struct histogram *h, int64_t value)
{
    uint64_t kept = value < 0 ? 0 : (uint64_t)value;
    h->buckets[bucket_of(kept)]++;
    h->count++;
    h->sum += (double)kept;
    if (kept > h->greatest)
        h->greatest = kept;
}

double histogram_quantile(const struct histogram *h, double q)
{
    if (!h->count)
        return 0;
    uint64_t rank = (uint64_t)(q * (double)h->count), seen = 0;
    if (rank >= h->count)
        rank = h->count - 1;
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen > rank) {
            uint64_t value = middle_of(i);
            return (double)(value < h->greatest ? value : h->greatest);
        }
    }
    return (double)h->greatest;
}

void histogram_print(FILE *to, const char *name, const struct histogram *h)
{
    fprintf(to, "\"%s\":{\"n\":%llu,\"mean\":%.1f,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f}", name,
        (unsigned long long)h->count, h->count ? h->sum / (double)h->count / 1e3 : 0, histogram_quantile(h, .5) / 1e3,
        histogram_quantile(h, .9) / 1e3, histogram_quantile(h, .99) / 1e3, histogram_quantile(h, .999) / 1e3, (double)h->greatest / 1e3);
}
