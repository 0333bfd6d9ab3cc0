/* See answers.h. Chunks are stamped copies of a template made once per size: only the stamp and the frame's last CRC change. */
#define _GNU_SOURCE
#include "answers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab.h"

#define INPUT_TOKENS 30
#define UNARY_OUTPUT_TOKENS 400
/* What surrounds the text of a content frame (prelude, headers, JSON, stamp, CRC) and of a unary body: text fills up to the asked size. */
#define FRAME_OVERHEAD 175
#define UNARY_OVERHEAD 219
#define MAX_SIZE 100000

static uint32_t crc_table[8][256];

void answers_init(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? 0xEDB88320u ^ (c >> 1) : c >> 1;
        crc_table[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int k = 1; k < 8; k++)
            crc_table[k][i] = crc_table[0][crc_table[k - 1][i] & 255] ^ (crc_table[k - 1][i] >> 8);
}

/* Eight bytes at a time: the frame's CRC is taken again for every chunk, and it must not be what limits the lab. */
static uint32_t crc32_of(const unsigned char *p, size_t n)
{
    uint32_t crc = ~0u;
    while (n >= 8) {
        uint32_t a, b;
        memcpy(&a, p, 4);
        memcpy(&b, p + 4, 4);
        a ^= crc;
        crc = crc_table[7][a & 255] ^ crc_table[6][(a >> 8) & 255] ^ crc_table[5][(a >> 16) & 255] ^ crc_table[4][a >> 24] ^
              crc_table[3][b & 255] ^ crc_table[2][(b >> 8) & 255] ^ crc_table[1][(b >> 16) & 255] ^ crc_table[0][b >> 24];
        p += 8;
        n -= 8;
    }
    while (n--)
        crc = crc_table[0][(crc ^ *p++) & 255] ^ (crc >> 8);
    return ~crc;
}

static void write_be32(unsigned char *p, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(value >> (24 - 8 * i));
}

static unsigned char *write_header(unsigned char *p, const char *name, const char *value)
{
    size_t n = strlen(name), v = strlen(value);
    *p++ = (unsigned char)n;
    memcpy(p, name, n);
    p += n;
    *p++ = 7; /* header type: string */
    *p++ = (unsigned char)(v >> 8);
    *p++ = (unsigned char)v;
    memcpy(p, value, v);
    return p + v;
}

/* One message of application/vnd.amazon.eventstream. */
static size_t write_frame(char *out, const char *event, const char *payload)
{
    unsigned char *start = (unsigned char *)out, *p = start + 12;
    p = write_header(p, ":event-type", event);
    p = write_header(p, ":content-type", "application/json");
    p = write_header(p, ":message-type", "event");
    uint32_t headers = (uint32_t)(p - start) - 12, length = (uint32_t)strlen(payload);
    memcpy(p, payload, length);
    p += length;
    uint32_t total = (uint32_t)(p - start) + 4;
    write_be32(start, total);
    write_be32(start + 4, headers);
    write_be32(start + 8, crc32_of(start, 8));
    write_be32(p, crc32_of(start, total - 4));
    return total;
}

/* `length` bytes at `data`, which may overlap `out`, as one chunk of HTTP/1.1 chunked coding. */
static size_t write_http_chunk(char *out, const char *data, size_t length)
{
    char size[20];
    size_t head = (size_t)sprintf(size, "%zx\r\n", length);
    memmove(out + head, data, length);
    memcpy(out, size, head);
    memcpy(out + head + length, "\r\n", 2);
    return head + length + 2;
}

static char *words(int length)
{
    static const char text[] = "the stream of tokens keeps its own pace and says little ";
    char *out = must_allocate(NULL, (size_t)length + 1);
    for (int i = 0; i < length; i++)
        out[i] = text[(size_t)i % (sizeof text - 1)];
    out[length] = 0;
    return out;
}

struct template {
    int size;
    char *bytes;
    size_t length;
    size_t frame, frame_length; /* where the event-stream message lies inside the HTTP chunk */
    size_t digits;              /* where the @T stamp's digits lie */
};

static struct template make_chunk(int size)
{
    int room = size - FRAME_OVERHEAD;
    char *text = words(room > 4 ? room : 4);
    char *payload = must_allocate(NULL, (size_t)size + 512), *frame = must_allocate(NULL, (size_t)size + 1024);
    sprintf(payload, "{\"contentBlockIndex\":0,\"delta\":{\"text\":\"%s\"},\"p\":\"@T0000000000000000\"}", text);
    struct template t = {.size = size};
    t.frame_length = write_frame(frame, "contentBlockDelta", payload);
    t.bytes = must_allocate(NULL, t.frame_length + 32);
    t.length = write_http_chunk(t.bytes, frame, t.frame_length);
    t.frame = t.length - 2 - t.frame_length;
    t.digits = (size_t)((char *)memmem(t.bytes, t.length, "@T0", 3) - t.bytes) + 2;
    free(text);
    free(payload);
    free(frame);
    return t;
}

static struct template make_unary(int size)
{
    int room = size - UNARY_OVERHEAD;
    char *text = words(room > 4 ? room : 4);
    struct template t = {.size = size, .bytes = must_allocate(NULL, (size_t)size + 1024)};
    t.length = (size_t)sprintf(t.bytes,
        "{\"metrics\":{\"latencyMs\":400},\"output\":{\"message\":{\"content\":[{\"text\":\"@R0000000000000000@T0000000000000000%s\"}],"
        "\"role\":\"assistant\"}},\"stopReason\":\"end_turn\",\"usage\":{\"inputTokens\":%d,\"outputTokens\":%d,\"totalTokens\":%d}}",
        text, INPUT_TOKENS, UNARY_OUTPUT_TOKENS, INPUT_TOKENS + UNARY_OUTPUT_TOKENS);
    t.digits = (size_t)((char *)memmem(t.bytes, t.length, "@R0", 3) - t.bytes) + 2;
    free(text);
    return t;
}

/* A run uses one or two sizes, so one remembered template per mode is enough. */
static const struct template *template_for(const struct plan *plan)
{
    static struct template kept[2];
    struct template *t = &kept[plan->mode];
    if (t->size != plan->size) {
        free(t->bytes);
        *t = plan->mode == CONVERSE ? make_unary(plan->size) : make_chunk(plan->size);
    }
    return t;
}

static double number(const char *text, const char *key, double otherwise)
{
    const char *at = strstr(text, key);
    return at ? atof(at + strlen(key)) : otherwise;
}

int read_plan(const char *text, const char *end, struct plan *plan)
{
    char spec[256];
    const char *start = memmem(text, (size_t)(end - text), "@fk ", 4);
    const char *stop = start ? memchr(start + 4, '@', (size_t)(end - start - 4)) : NULL;
    if (!stop || stop - start - 4 >= (long)sizeof spec)
        return 0;
    memcpy(spec, start + 4, (size_t)(stop - start - 4));
    spec[stop - start - 4] = 0;
    if (!strncmp(spec, "unary", 5))
        plan->mode = CONVERSE;
    else if (!strncmp(spec, "stream", 6))
        plan->mode = CONVERSE_STREAM;
    else
        return 0;
    plan->chunks = (int)number(spec, " n=", 100);
    plan->size = (int)number(spec, " s=", 200);
    plan->gap = (uint64_t)(number(spec, " d=", 0) * 1e6);
    plan->first = (uint64_t)(number(spec, " t=", 0) * 1e6);
    plan->jitter = (int)number(spec, " j=", 0);
    return plan->size <= MAX_SIZE && plan->chunks > 0;
}

size_t write_unary(char *out, const struct plan *plan, uint64_t request, uint64_t read_at)
{
    const struct template *t = template_for(plan);
    size_t head = (size_t)sprintf(out,
        "HTTP/1.1 200 OK\r\nDate: Mon, 01 Sep 2025 00:00:00 GMT\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
        "Connection: keep-alive\r\nx-amzn-RequestId: 2f5a3f1c-0b4e-4a57-9d57-%012llx\r\n\r\n",
        t->length, (unsigned long long)request);
    memcpy(out + head, t->bytes, t->length);
    write_digits(out + head + t->digits, STAMP_DIGITS, read_at);
    write_digits(out + head + t->digits + STAMP_LENGTH, STAMP_DIGITS, now_ns());
    return head + t->length;
}

size_t write_stream_start(char *out, uint64_t request, uint64_t read_at)
{
    size_t head = (size_t)sprintf(out,
        "HTTP/1.1 200 OK\r\nDate: Mon, 01 Sep 2025 00:00:00 GMT\r\nContent-Type: application/vnd.amazon.eventstream\r\n"
        "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\nx-amzn-RequestId: 2f5a3f1c-0b4e-4a57-9d57-%012llx\r\n\r\n",
        (unsigned long long)request);
    char payload[128], frame[512];
    sprintf(payload, "{\"p\":\"@R%016llu\",\"role\":\"assistant\"}", (unsigned long long)read_at);
    return head + write_http_chunk(out + head, frame, write_frame(frame, "messageStart", payload));
}

size_t write_stream_chunk(char *out, const struct plan *plan)
{
    const struct template *t = template_for(plan);
    unsigned char *frame = (unsigned char *)out + t->frame;
    memcpy(out, t->bytes, t->length);
    write_digits(out + t->digits, STAMP_DIGITS, now_ns());
    write_be32(frame + t->frame_length - 4, crc32_of(frame, t->frame_length - 4));
    return t->length;
}

size_t write_stream_end(char *out, const struct plan *plan)
{
    char metadata[256], frames[1024];
    sprintf(metadata, "{\"metrics\":{\"latencyMs\":1200},\"p\":\"abcdef\",\"usage\":{\"inputTokens\":%d,\"outputTokens\":%d,\"totalTokens\":%d}}",
        INPUT_TOKENS, plan->chunks, INPUT_TOKENS + plan->chunks);
    size_t n = write_frame(frames, "contentBlockStop", "{\"contentBlockIndex\":0,\"p\":\"ab\"}");
    n += write_frame(frames + n, "messageStop", "{\"p\":\"abc\",\"stopReason\":\"end_turn\"}");
    n += write_frame(frames + n, "metadata", metadata);
    n = write_http_chunk(out, frames, n);
    memcpy(out + n, "0\r\n\r\n", 5);
    return n + 5;
}
