/* See response.h. */
#define _GNU_SOURCE
#include "response.h"

#include <stdlib.h>
#include <string.h>

void response_reset(struct response *r)
{
    r->reading = HEAD;
    r->head_length = r->carried = 0;
    r->left = 0;
}

/* Whether these bytes are a stamp, or the beginning of one. */
static int like_stamp(const char *p, size_t length)
{
    if (p[0] != '@' || (length > 1 && p[1] != 'T' && p[1] != 'R'))
        return 0;
    for (size_t i = 2; i < length; i++)
        if (p[i] < '0' || p[i] > '9')
            return 0;
    return 1;
}

static const char *finish_carried(struct response *r, const char *p, size_t length, on_stamp tell, void *context)
{
    size_t need = STAMP_LENGTH - r->carried, got = length < need ? length : need;
    memcpy(r->carry + r->carried, p, got);
    if (!like_stamp(r->carry, r->carried + got)) {
        r->carried = 0;
        return p;
    }
    r->carried += got;
    if (r->carried == STAMP_LENGTH) {
        tell(context, r->carry[1], read_digits(r->carry + 2));
        r->carried = 0;
    }
    return p + got;
}

static void scan(struct response *r, const char *p, size_t length, on_stamp tell, void *context)
{
    const char *end = p + length;
    if (r->carried)
        p = finish_carried(r, p, length, tell, context);
    while (p < end && (p = memchr(p, '@', (size_t)(end - p)))) {
        size_t left = (size_t)(end - p);
        if (!like_stamp(p, left < STAMP_LENGTH ? left : STAMP_LENGTH))
            p++;
        else if (left < STAMP_LENGTH) {
            memcpy(r->carry, p, left);
            r->carried = left;
            return;
        } else {
            tell(context, p[1], read_digits(p + 2));
            p += STAMP_LENGTH;
        }
    }
}

/* Takes the head's part of these bytes; returns how many it took, or -1 when it does not understand. */
static long take_head(struct response *r, const char *bytes, size_t length)
{
    size_t room = HEAD_ROOM - 1 - r->head_length, copied = length < room ? length : room, before = r->head_length;
    memcpy(r->head + before, bytes, copied);
    r->head_length += copied;
    r->head[r->head_length] = 0;
    char *end = memmem(r->head, r->head_length, "\r\n\r\n", 4);
    if (!end)
        return r->head_length < HEAD_ROOM - 1 ? (long)length : -1;
    end[2] = 0;
    r->status = atoi(r->head + 9);
    r->keep_alive = !strcasestr(r->head, "\r\nconnection: close");
    char *by_length = strcasestr(r->head, "\r\ncontent-length:");
    if (strcasestr(r->head, "\r\ntransfer-encoding: chunked"))
        r->reading = CHUNK_SIZE;
    else if (by_length) {
        r->reading = BY_LENGTH;
        r->left = atoll(by_length + 17);
    } else
        return -1; /* neither the upstream nor a sound proxy ends an answer by closing */
    return (long)((size_t)(end - r->head) + 4 - before);
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One step of chunked coding; returns the bytes it took, -1 when they are no chunked coding. */
static long take_chunked(struct response *r, const char *p, size_t length, on_stamp tell, void *context)
{
    const char *line_end = memchr(p, '\n', length);
    size_t line = line_end ? (size_t)(line_end - p) + 1 : length;
    switch (r->reading) {
    case CHUNK_SIZE:
        if (hex(*p) >= 0)
            r->left = r->left * 16 + hex(*p);
        else if (*p == '\r' || *p == ';')
            r->reading = CHUNK_EXTENSION;
        else
            return -1;
        return 1;
    case CHUNK_EXTENSION:
        if (line_end)
            r->reading = r->left ? CHUNK_DATA : TRAILER;
        return (long)line;
    case CHUNK_DATA: {
        size_t take = (int64_t)length < r->left ? length : (size_t)r->left;
        scan(r, p, take, tell, context);
        r->left -= (int64_t)take;
        if (!r->left)
            r->reading = CHUNK_DATA_END;
        return (long)take;
    }
    case CHUNK_DATA_END:
        if (line_end)
            r->reading = CHUNK_SIZE;
        return (long)line;
    case TRAILER:
        if (*p != '\r')
            r->reading = *p == '\n' ? COMPLETE : TRAILER_LINE;
        return 1;
    case TRAILER_LINE:
        if (line_end)
            r->reading = TRAILER;
        return (long)line;
    default:
        return -1;
    }
}

static long take(struct response *r, const char *p, size_t length, on_stamp tell, void *context)
{
    if (r->reading == HEAD)
        return take_head(r, p, length);
    if (r->reading != BY_LENGTH)
        return take_chunked(r, p, length, tell, context);
    size_t n = (int64_t)length < r->left ? length : (size_t)r->left;
    scan(r, p, n, tell, context);
    r->left -= (int64_t)n;
    return (long)n;
}

enum verdict response_feed(struct response *r, const char *p, size_t length, on_stamp tell, void *context)
{
    const char *end = p + length;
    while (p < end && r->reading != COMPLETE) {
        long taken = take(r, p, (size_t)(end - p), tell, context);
        if (taken < 0)
            return BAD_FRAMING;
        if (r->reading != HEAD && (r->status < 200 || r->status > 299))
            return BAD_STATUS;
        p += taken;
        if (r->reading == BY_LENGTH && !r->left)
            r->reading = COMPLETE;
    }
    if (p < end)
        return BAD_FRAMING; /* bytes after the end: nothing was asked for yet */
    return r->reading == COMPLETE ? WHOLE : MORE;
}
