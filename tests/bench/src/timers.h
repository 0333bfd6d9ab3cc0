/* A binary heap of things that are due at a time; each knows its place, so that it can leave before it is due. */
#ifndef TIMERS_H
#define TIMERS_H

#include <stddef.h>
#include <stdint.h>

#include "lab.h"

/* First member of what is timed. `place` is -1 while it is not in the heap. */
struct timer {
    uint64_t due;
    long place;
};

struct timers {
    struct timer **heap;
    long count, room;
};

static inline void timers_swap(struct timers *t, long a, long b)
{
    struct timer *kept = t->heap[a];
    t->heap[a] = t->heap[b];
    t->heap[b] = kept;
    t->heap[a]->place = a;
    t->heap[b]->place = b;
}

static inline void timers_up(struct timers *t, long at)
{
    while (at && t->heap[at]->due < t->heap[(at - 1) / 2]->due) {
        timers_swap(t, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

static inline void timers_down(struct timers *t, long at)
{
    for (;;) {
        long left = 2 * at + 1, least = at;
        if (left < t->count && t->heap[left]->due < t->heap[least]->due)
            least = left;
        if (left + 1 < t->count && t->heap[left + 1]->due < t->heap[least]->due)
            least = left + 1;
        if (least == at)
            return;
        timers_swap(t, at, least);
        at = least;
    }
}

static inline void timers_add(struct timers *t, struct timer *timer)
{
    if (t->count == t->room) {
        t->room = t->room ? t->room * 2 : 1024;
        t->heap = must_allocate(t->heap, (size_t)t->room * sizeof *t->heap);
    }
    timer->place = t->count;
    t->heap[t->count++] = timer;
    timers_up(t, timer->place);
}

static inline void timers_remove(struct timers *t, struct timer *timer)
{
    long at = timer->place;
    if (at < 0)
        return;
    if (at != --t->count) {
        t->heap[at] = t->heap[t->count];
        t->heap[at]->place = at;
        timers_up(t, at);
        timers_down(t, t->heap[at]->place);
    }
    timer->place = -1;
}

#endif
