/* upstream: a very light fake of Bedrock's runtime (one thread, epoll), so that the proxy in front of it is what gets measured.
 *
 * usage: upstream PORT [TLS_PORT CERTIFICATE KEY]          (loopback only)
 * Every POST says in its body what it wants (see read_plan in answers.h); one without a plan gets 400, so that a mistake is loud.
 * GET /stats answers counters as JSON, among them when the last unfinished answer lost its reader (last_abort_ns).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "answers.h"
#include "lab.h"
#include "timers.h"

#ifdef WITH_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>
static SSL_CTX *tls_context;
#else
typedef void SSL;
#endif

#define MAX_REQUEST (1 << 20)
#define EVENTS 512

struct connection {
    struct timer timer; /* first: the heap hands it back */
    int fd, answering, sent, watching_out;
    SSL *tls;
    struct plan plan;
    uint64_t number, read_at;
    char *in;
    size_t in_length, in_room;
    char *out; /* what the kernel did not take yet: from out_start to out_length */
    size_t out_start, out_length, out_room;
};

static struct timers timers;
static int poller;
static char *scratch; /* one step of an answer is written here, then handed to the kernel */
static struct {
    uint64_t requests, chunks, aborted, active, connections, refused, late_max, last_abort;
} stats;

/* ---- bytes in and out, plain or TLS; both return -1 with errno EAGAIN when they would block ---- */

#ifdef WITH_TLS
static ssize_t tls_result(struct connection *c, int result)
{
    int error = SSL_get_error(c->tls, result);
    ERR_clear_error();
    errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EIO;
    return error == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}
#endif

static ssize_t receive(struct connection *c, char *to, size_t room)
{
#ifdef WITH_TLS
    if (c->tls) {
        int n = SSL_read(c->tls, to, (int)room);
        return n > 0 ? n : tls_result(c, n);
    }
#endif
    return recv(c->fd, to, room, 0);
}

static ssize_t transmit(struct connection *c, const char *from, size_t length)
{
#ifdef WITH_TLS
    if (c->tls) {
        int n = SSL_write(c->tls, from, (int)length);
        return n > 0 ? n : tls_result(c, n);
    }
#endif
    return send(c->fd, from, length, MSG_NOSIGNAL);
}

static void watch(struct connection *c)
{
    int out = c->out_length > c->out_start;
    if (out == c->watching_out)
        return;
    struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP | (out ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e);
    c->watching_out = out;
}

static void keep_for_later(struct connection *c, const char *bytes, size_t length)
{
    if (c->out_length + length > c->out_room) {
        c->out_room = (c->out_length + length) * 2;
        c->out = must_allocate(c->out, c->out_room);
    }
    memcpy(c->out + c->out_length, bytes, length);
    c->out_length += length;
    watch(c);
}

/* -1 when the connection is dead. */
static int answer(struct connection *c, const char *bytes, size_t length)
{
    if (c->out_length == c->out_start) {
        c->out_length = c->out_start = 0;
        ssize_t n = transmit(c, bytes, length);
        if (n < 0 && errno != EAGAIN)
            return -1;
        if (n > 0) {
            bytes += n;
            length -= (size_t)n;
        }
    }
    if (length)
        keep_for_later(c, bytes, length);
    return 0;
}

static int flush(struct connection *c)
{
    ssize_t n = transmit(c, c->out + c->out_start, c->out_length - c->out_start);
    if (n < 0)
        return errno == EAGAIN ? 0 : -1;
    c->out_start += (size_t)n;
    if (c->out_start == c->out_length)
        c->out_start = c->out_length = 0;
    watch(c);
    return 0;
}

/* ---- one answer ---- */

static int next_request(struct connection *c);

static int finish(struct connection *c)
{
    c->answering = 0;
    stats.active--;
    return next_request(c);
}

static uint64_t next_gap(const struct plan *plan)
{
    static uint32_t state = 2463534242u; /* xorshift: the same jitter in every run */
    if (!plan->jitter)
        return plan->gap;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    double share = (100 - plan->jitter + 2.0 * plan->jitter * state / 4294967296.0) / 100;
    return (uint64_t)((double)plan->gap * share);
}

/* The next part of the answer: a whole unary answer, or one chunk (the first with the head, the last with the end). -1 dead. */
static int step(struct connection *c)
{
    size_t n = 0;
    stats.chunks++;
    if (c->plan.mode == CONVERSE) {
        n = write_unary(scratch, &c->plan, c->number, c->read_at);
        return answer(c, scratch, n) < 0 ? -1 : finish(c);
    }
    if (c->sent == 0)
        n = write_stream_start(scratch, c->number, c->read_at);
    n += write_stream_chunk(scratch + n, &c->plan);
    int last = ++c->sent >= c->plan.chunks;
    if (last)
        n += write_stream_end(scratch + n, &c->plan);
    if (answer(c, scratch, n) < 0)
        return -1;
    if (last)
        return finish(c);
    c->timer.due += next_gap(&c->plan); /* from when it was due, not from now: a late chunk does not make the next one late */
    timers_add(&timers, &c->timer);
    return 0;
}

static int answer_text(struct connection *c, const char *status, const char *body)
{
    char out[1024];
    int n = snprintf(out, sizeof out, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", status, strlen(body), body);
    return answer(c, out, (size_t)n) < 0 ? -1 : next_request(c);
}

static int answer_stats(struct connection *c)
{
    char body[512];
    snprintf(body, sizeof body,
        "{\"requests\":%llu,\"chunks\":%llu,\"aborted\":%llu,\"active\":%llu,\"connections\":%llu,\"refused\":%llu,\"late_max_us\":%llu,"
        "\"last_abort_ns\":%llu}",
        (unsigned long long)stats.requests, (unsigned long long)stats.chunks, (unsigned long long)stats.aborted,
        (unsigned long long)stats.active, (unsigned long long)stats.connections, (unsigned long long)stats.refused,
        (unsigned long long)stats.late_max / 1000, (unsigned long long)stats.last_abort);
    return answer_text(c, "200 OK", body);
}

/* ---- requests ---- */

static size_t content_length(const char *head, size_t length)
{
    static const char name[] = "\r\ncontent-length:";
    for (const char *p = head; p + sizeof name <= head + length; p++)
        if (*p == '\r' && !strncasecmp(p, name, sizeof name - 1))
            return (size_t)atol(p + sizeof name - 1);
    return 0;
}

/* Starts on the next request when it is there whole. -1 dead. */
static int next_request(struct connection *c)
{
    char *head_end = c->answering ? NULL : memmem(c->in, c->in_length, "\r\n\r\n", 4);
    if (!head_end)
        return c->in_length > MAX_REQUEST ? -1 : 0;
    size_t head = (size_t)(head_end - c->in) + 4, total = head + content_length(c->in, head);
    if (c->in_length < total)
        return total > MAX_REQUEST ? -1 : 0;
    c->read_at = now_ns();
    int for_stats = !strncmp(c->in, "GET /stats", 10);
    int planned = read_plan(c->in + head, c->in + total, &c->plan);
    c->in_length -= total;
    memmove(c->in, c->in + total, c->in_length);
    if (for_stats)
        return answer_stats(c);
    if (!planned) {
        stats.refused++;
        return answer_text(c, "400 Bad Request", "{\"message\":\"the body has no plan the fake upstream understands\"}");
    }
    c->number = ++stats.requests;
    c->answering = 1;
    c->sent = 0;
    stats.active++;
    c->timer.due = c->read_at + c->plan.first;
    if (!c->plan.first)
        return step(c);
    timers_add(&timers, &c->timer);
    return 0;
}

static int read_all(struct connection *c)
{
    for (;;) {
        if (c->in_room - c->in_length < 1024) {
            c->in_room = c->in_room ? c->in_room * 2 : 2048;
            c->in = must_allocate(c->in, c->in_room);
        }
        size_t room = c->in_room - c->in_length;
        ssize_t n = receive(c, c->in + c->in_length, room);
        if (n <= 0)
            return n < 0 && errno == EAGAIN ? 0 : -1;
        c->in_length += (size_t)n;
        if (!c->tls && (size_t)n < room)
            return 0; /* a short read emptied the socket: spare the call that would only say so */
    }
}

static void drop(struct connection *c)
{
    if (c->answering) {
        stats.aborted++;
        stats.active--;
        stats.last_abort = now_ns();
    }
    timers_remove(&timers, &c->timer);
#ifdef WITH_TLS
    if (c->tls)
        SSL_free(c->tls);
#endif
    close(c->fd);
    free(c->in);
    free(c->out);
    free(c);
    stats.connections--;
}

static void serve(struct connection *c, uint32_t events)
{
    int dead = 0;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        dead = read_all(c) < 0 || next_request(c) < 0;
    if (!dead && events & EPOLLOUT && c->out_length > c->out_start)
        dead = flush(c) < 0;
    if (dead)
        drop(c);
}

/* ---- listening and the loop ---- */

static void accept_all(int listener, int tls)
{
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct connection *c = must_allocate(NULL, sizeof *c);
        *c = (struct connection){.fd = fd, .timer.place = -1};
#ifdef WITH_TLS
        if (tls) {
            c->tls = SSL_new(tls_context);
            SSL_set_fd(c->tls, fd);
            SSL_set_accept_state(c->tls);
        }
#else
        (void)tls;
#endif
        struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = c};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
        stats.connections++;
    }
}

static int watch_listener(int *slot, int port)
{
    int fd = listen_on_loopback(port);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = slot};
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
    return fd;
}

static void load_certificate(const char *certificate, const char *key)
{
#ifdef WITH_TLS
    tls_context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_mode(tls_context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    if (SSL_CTX_use_certificate_chain_file(tls_context, certificate) == 1 && SSL_CTX_use_PrivateKey_file(tls_context, key, SSL_FILETYPE_PEM) == 1)
        return;
    ERR_print_errors_fp(stderr);
#else
    (void)certificate, (void)key;
    fprintf(stderr, "upstream: built without TLS (libssl-dev was missing)\n");
#endif
    exit(1);
}

static void run_due(void)
{
    uint64_t now = now_ns();
    while (timers.count && timers.heap[0]->due <= now) {
        struct connection *c = (struct connection *)timers.heap[0];
        if (now - c->timer.due > stats.late_max)
            stats.late_max = now - c->timer.due;
        timers_remove(&timers, &c->timer);
        if (step(c) < 0)
            drop(c);
    }
}

static int wait_for(struct epoll_event *events)
{
    if (!timers.count)
        return epoll_wait(poller, events, EVENTS, -1);
    uint64_t now = now_ns(), due = timers.heap[0]->due, left = due > now ? due - now : 0;
    struct timespec t = {.tv_sec = (time_t)(left / NANOS), .tv_nsec = (long)(left % NANOS)};
    return epoll_pwait2(poller, events, EVENTS, &t, NULL);
}

int main(int count, char **arguments)
{
    static struct epoll_event events[EVENTS];
    static int plain, tls;
    if (count != 2 && count != 5) {
        fprintf(stderr, "usage: upstream PORT [TLS_PORT CERTIFICATE KEY]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1); /* wake at the nanosecond asked for, not up to 50 us later */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    raise_file_limit();
    answers_init();
    scratch = must_allocate(NULL, 2 * ANSWER_EXTRA + (1 << 20));
    poller = epoll_create1(0);
    if (count == 5) {
        load_certificate(arguments[3], arguments[4]);
        tls = watch_listener(&tls, atoi(arguments[2]));
    }
    plain = watch_listener(&plain, atoi(arguments[1])); /* last: who waits for this port may then use both */
    for (;;) {
        run_due();
        int n = wait_for(events);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == &plain || events[i].data.ptr == &tls)
                accept_all(*(int *)events[i].data.ptr, events[i].data.ptr == &tls);
            else
                serve(events[i].data.ptr, events[i].events);
        }
    }
}
