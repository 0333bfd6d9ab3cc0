/* See groups.h. */
#include "groups.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define GROUPS 8
#define GROUP_PIDS 64

static struct group {
    char name[32];
    int pids[GROUP_PIDS], count, samples;
    double cpu_before, cpu, rss_before, rss_sum, rss_peak, rss_end;
} groups[GROUPS];
static int group_count;

double cpu_seconds(int pid)
{
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &t))
        return 0;
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double rss_bytes(int pid)
{
    char path[64];
    long size = 0, resident = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    if (fscanf(f, "%ld %ld", &size, &resident) != 2)
        resident = 0;
    fclose(f);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static double over(const struct group *g, double (*figure)(int))
{
    double sum = 0;
    for (int i = 0; i < g->count; i++)
        sum += figure(g->pids[i]);
    return sum;
}

void groups_add(char *argument)
{
    char *pids = strchr(argument, '=');
    if (group_count == GROUPS || !pids) {
        fprintf(stderr, "loadgen: -P wants NAME=PID,PID and at most %d groups\n", GROUPS);
        exit(2);
    }
    struct group *g = &groups[group_count++];
    snprintf(g->name, sizeof g->name, "%.*s", (int)(pids - argument), argument);
    for (char *pid = strtok(pids + 1, ","); pid && g->count < GROUP_PIDS; pid = strtok(NULL, ","))
        g->pids[g->count++] = atoi(pid);
}

void groups_rest(void)
{
    for (struct group *g = groups; g < groups + group_count; g++)
        g->rss_before = over(g, rss_bytes);
}

void groups_begin(void)
{
    for (struct group *g = groups; g < groups + group_count; g++)
        g->cpu_before = over(g, cpu_seconds);
}

void groups_sample(void)
{
    for (struct group *g = groups; g < groups + group_count; g++) {
        double rss = g->rss_end = over(g, rss_bytes);
        g->rss_sum += rss;
        g->samples++;
        if (rss > g->rss_peak)
            g->rss_peak = rss;
    }
}

void groups_end(void)
{
    for (struct group *g = groups; g < groups + group_count; g++)
        g->cpu = over(g, cpu_seconds) - g->cpu_before;
    groups_sample();
}

void groups_print(FILE *to)
{
    fprintf(to, "\"groups\":{");
    for (struct group *g = groups; g < groups + group_count; g++)
        fprintf(to, "%s\"%s\":{\"cpu_s\":%.6f,\"rss_before\":%.0f,\"rss_mean\":%.0f,\"rss_peak\":%.0f,\"rss_end\":%.0f}",
            g == groups ? "" : ",", g->name, g->cpu, g->rss_before, g->samples ? g->rss_sum / g->samples : 0, g->rss_peak, g->rss_end);
    fputc('}', to);
}
