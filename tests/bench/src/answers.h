/* What the fake upstream says: Bedrock's Converse (one JSON body) and ConverseStream (event-stream frames with right CRCs). */
#ifndef ANSWERS_H
#define ANSWERS_H

#include <stddef.h>
#include <stdint.h>

/* Room that the head, the first and the last frames of one answer need beside its chunks. */
#define ANSWER_EXTRA 4096

enum mode { CONVERSE, CONVERSE_STREAM };

/* What a request asks for; read from "@fk MODE n=CHUNKS s=BYTES d=MS t=MS j=PERCENT@" somewhere in its body. */
struct plan {
    enum mode mode;
    int chunks;          /* content chunks of a stream; also the output tokens the usage reports */
    int size;            /* bytes of each content frame, or of the unary body, about */
    uint64_t gap;        /* ns between chunks */
    uint64_t first;      /* ns from the request to the first chunk */
    int jitter;          /* the gap varies by this many percent up and down */
};

void answers_init(void);

/* Reads a plan between `text` and `end`; 0 when there is none or its mode is unknown. */
int read_plan(const char *text, const char *end, struct plan *plan);

/* Each writes at `out` and returns the number of bytes. `request` numbers the answer, `read_at` is when the request was complete. */
size_t write_unary(char *out, const struct plan *plan, uint64_t request, uint64_t read_at);
size_t write_stream_start(char *out, uint64_t request, uint64_t read_at);
size_t write_stream_chunk(char *out, const struct plan *plan);
size_t write_stream_end(char *out, const struct plan *plan);

#endif
