/* Reads one HTTP/1.1 answer in any slicing: its head, a body by length or chunked, and the stamps in the body (see lab.h). */
#ifndef RESPONSE_H
#define RESPONSE_H

#include <stddef.h>
#include <stdint.h>

#include "lab.h"

#define HEAD_ROOM 2048

enum reading { HEAD, BY_LENGTH, CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_DATA, CHUNK_DATA_END, TRAILER, TRAILER_LINE, COMPLETE };
enum verdict { MORE, WHOLE, BAD_STATUS, BAD_FRAMING };

struct response {
    enum reading reading;
    int status, keep_alive;
    int64_t left; /* bytes of the body or of the chunk still to come */
    size_t head_length, carried;
    char head[HEAD_ROOM];
    char carry[STAMP_LENGTH]; /* the beginning of a stamp cut by the end of a read */
};

/* What is told about each stamp: its letter and the upstream's time. */
typedef void (*on_stamp)(void *context, char letter, uint64_t value);

void response_reset(struct response *r);

enum verdict response_feed(struct response *r, const char *bytes, size_t length, on_stamp tell, void *context);

#endif
