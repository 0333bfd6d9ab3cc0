/* loadgen: one-thread epoll load generator for the fake upstream, directly or through a proxy.
 *
 * usage: loadgen -t HOST:PORT -m PLAN (-c CONNECTIONS | -r RATE) [-w WARM_S] [-d WINDOW_S] [-D DRAIN_S] [-R RAMP_S] [-P NAME=PID,PID]...
 *   -c closed loop: that many callers, each asks again when answered (ramped up over RAMP_S): for CPU and throughput, not for latency
 *   -r open loop: arrivals at a fixed rate whatever the answers do, so that a slow proxy cannot slow the questions down
 *   -P a group of processes whose CPU and memory are taken over the window, exactly from its first to its last instant
 * After the window nothing new is asked; what runs is waited for, up to DRAIN_S. Prints one JSON object. Counters are over the whole
 * run unless they begin with "window_"; histograms are over the window, in microseconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "groups.h"
#include "histogram.h"
#include "lab.h"
#include "response.h"

#define EVENTS 1024
#define INVOCATION_DIGITS 12
#define SAMPLE_EVERY (NANOS / 4)
#define GIVE_UP_AFTER 1000 /* errors: a run that broken tells nothing, and must not spin */

enum { CONNECTING, IDLE, ASKED };

struct connection {
    int fd, state;
    uint64_t intended, sent_at, read_by_upstream, last_chunk, now;
    struct connection *next_idle, *previous_idle;
    struct response response;
};

static struct {
    uint64_t launched, sent, done, connect_errors, status_errors, framing_errors, chunks, opened, open, open_most;
    uint64_t window_done, window_chunks, window_reads;
} total;
static struct histogram ttft_intended, ttft_transit, later_transit, gap, e2e;
static uint64_t window_start, window_end;
static int poller, closed_loop, stopping;
static struct sockaddr_in target;
static struct connection *idle; /* newest first: like the SDKs, the connection used last is used again */
static char request[8192];
static size_t request_length, invocation_digits;

static int in_window(uint64_t at) { return at >= window_start && at < window_end; }
static uint64_t errors(void) { return total.connect_errors + total.status_errors + total.framing_errors; }
static uint64_t in_flight(void) { return total.launched - total.done - errors(); }

/* ---- connections ---- */

static void leave_idle(struct connection *c)
{
    if (c->previous_idle)
        c->previous_idle->next_idle = c->next_idle;
    else
        idle = c->next_idle;
    if (c->next_idle)
        c->next_idle->previous_idle = c->previous_idle;
    c->next_idle = c->previous_idle = NULL;
}

static void enter_idle(struct connection *c)
{
    c->state = IDLE;
    c->next_idle = idle;
    if (idle)
        idle->previous_idle = c;
    idle = c;
}

static void drop(struct connection *c)
{
    if (c->state == IDLE)
        leave_idle(c);
    close(c->fd);
    free(c);
    total.open--;
}

static void launch(uint64_t intended);

static void ask_again(void)
{
    if (errors() > GIVE_UP_AFTER)
        stopping = 1;
    if (closed_loop && !stopping)
        launch(0);
}

static void fail(struct connection *c, uint64_t *counter)
{
    ++*counter;
    drop(c);
    ask_again();
}

static void ask(struct connection *c)
{
    c->state = ASKED;
    c->read_by_upstream = c->last_chunk = 0;
    response_reset(&c->response);
    write_digits(request + invocation_digits, INVOCATION_DIGITS, total.sent + 1);
    c->sent_at = now_ns();
    if (!c->intended)
        c->intended = c->sent_at;
    if (send(c->fd, request, request_length, MSG_NOSIGNAL) != (ssize_t)request_length)
        fail(c, &total.connect_errors);
    else
        total.sent++;
}

static void connect_and_ask(uint64_t intended)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (fd < 0 || (connect(fd, (void *)&target, sizeof target) && errno != EINPROGRESS)) {
        total.connect_errors++;
        close(fd);
        return;
    }
    struct connection *c = must_allocate(NULL, sizeof *c);
    memset(c, 0, sizeof *c);
    c->fd = fd;
    c->intended = intended;
    total.opened++;
    if (++total.open > total.open_most)
        total.open_most = total.open;
    struct epoll_event e = {.events = EPOLLOUT, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
}

static void launch(uint64_t intended)
{
    total.launched++;
    if (!idle) {
        connect_and_ask(intended);
        return;
    }
    struct connection *c = idle;
    leave_idle(c);
    c->intended = intended;
    ask(c);
}

static void connected(struct connection *c)
{
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error) {
        fail(c, &total.connect_errors);
        return;
    }
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e);
    ask(c);
}

/* ---- answers ---- */

static void stamped(void *context, char letter, uint64_t value)
{
    struct connection *c = context;
    if (letter == 'R') {
        c->read_by_upstream = value;
        return;
    }
    int first = !c->last_chunk;
    total.chunks++;
    if (in_window(c->now)) {
        total.window_chunks++;
        if (first) {
            /* both ways of the first chunk, without the upstream's own wait between them */
            histogram_record(&ttft_transit, (int64_t)(c->read_by_upstream - c->sent_at) + (int64_t)(c->now - value));
            histogram_record(&ttft_intended, (int64_t)(c->now - c->intended));
        } else {
            histogram_record(&later_transit, (int64_t)(c->now - value));
            histogram_record(&gap, (int64_t)(c->now - c->last_chunk));
        }
    }
    c->last_chunk = c->now;
}

static void complete(struct connection *c)
{
    total.done++;
    if (in_window(c->now)) {
        total.window_done++;
        histogram_record(&e2e, (int64_t)(c->now - c->intended));
    }
    if (c->response.keep_alive)
        enter_idle(c);
    else
        drop(c);
    ask_again();
}

static void complain(const struct connection *c)
{
    static int left = 3;
    if (left-- > 0)
        fprintf(stderr, "loadgen: answer with status %d: %.300s\n", c->response.status, c->response.head);
}

static void receive(struct connection *c)
{
    static char bytes[1 << 18];
    for (;;) {
        ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (c->state == IDLE) {
            drop(c);
            return;
        }
        if (n <= 0) {
            fail(c, &total.connect_errors);
            return;
        }
        c->now = now_ns();
        total.window_reads += (uint64_t)in_window(c->now);
        switch (response_feed(&c->response, bytes, (size_t)n, stamped, c)) {
        case WHOLE:
            complete(c);
            return;
        case BAD_STATUS:
            complain(c);
            fail(c, &total.status_errors);
            return;
        case BAD_FRAMING:
            complain(c);
            fail(c, &total.framing_errors);
            return;
        case MORE:
            if (n < (ssize_t)sizeof bytes)
                return;
        }
    }
}

/* ---- the run ---- */

static void make_request(const char *host, const char *plan)
{
    char body[1024];
    int unary = !strncmp(plan, "unary", 5);
    int length = snprintf(body, sizeof body,
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"@fk %s@\"}]}],\"inferenceConfig\":{\"maxTokens\":512}}", plan);
    request_length = (size_t)snprintf(request, sizeof request,
        "POST /model/anthropic.claude-sonnet-4-20250514-v1%%3A0/%s HTTP/1.1\r\nHost: %s\r\nAccept-Encoding: identity\r\n"
        "Content-Type: application/json\r\nUser-Agent: Boto3/1.40.0 md/Botocore#1.40.0 lang/python#3.11\r\nX-Amz-Date: 20250901T000000Z\r\n"
        "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20250901/us-east-1/bedrock/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, Signature=3ad0f5bd6d2d0f4a1fd7f9c7f63c04b2b7a52b50f3e2ef3d6c4d5e5fd0a7b111\r\n"
        "amz-sdk-invocation-id: 5f0c4b1e-0000-4000-8000-%s\r\namz-sdk-request: attempt=1\r\nContent-Length: %d\r\n\r\n%s",
        unary ? "converse" : "converse-stream", host, "000000000000", length, body);
    /* every call has its own invocation id, as the SDKs have: the last digits of its header line */
    char *line = strstr(request, "amz-sdk-invocation-id");
    invocation_digits = (size_t)(strchr(line, '\r') - request) - INVOCATION_DIGITS;
}

static void print_result(double window, double own_cpu, uint64_t started)
{
    printf("{\"window_s\":%g,\"run_s\":%.3f,\"loadgen_cpu_s\":%.6f,", window, (double)(now_ns() - started) / 1e9, own_cpu);
    printf("\"sent\":%llu,\"done\":%llu,\"unfinished\":%llu,\"connect_errors\":%llu,\"status_errors\":%llu,\"framing_errors\":%llu,",
        (unsigned long long)total.sent, (unsigned long long)total.done, (unsigned long long)in_flight(),
        (unsigned long long)total.connect_errors, (unsigned long long)total.status_errors, (unsigned long long)total.framing_errors);
    printf("\"chunks\":%llu,\"connections_opened\":%llu,\"open_most\":%llu,\"window_done\":%llu,\"window_chunks\":%llu,\"window_reads\":%llu,",
        (unsigned long long)total.chunks, (unsigned long long)total.opened, (unsigned long long)total.open_most,
        (unsigned long long)total.window_done, (unsigned long long)total.window_chunks, (unsigned long long)total.window_reads);
    groups_print(stdout);
    static const struct { const char *name; const struct histogram *h; } all[] = {
        {"ttft_intended", &ttft_intended}, {"ttft_transit", &ttft_transit}, {"later_transit", &later_transit}, {"gap", &gap}, {"e2e", &e2e}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        putchar(',');
        histogram_print(stdout, all[i].name, all[i].h);
    }
    puts("}");
}

struct pace {
    int connections;
    double rate, ramp;
    uint64_t start, launched;
};

/* Launches what is due at `now`; returns when the next launch is due. */
static uint64_t launch_due(struct pace *p, uint64_t now)
{
    for (;;) {
        if (stopping || (closed_loop && p->launched >= (uint64_t)p->connections))
            return ~0ull;
        double after = closed_loop ? p->ramp * (double)p->launched / p->connections : (double)p->launched / p->rate;
        uint64_t due = p->start + (uint64_t)(after * 1e9);
        if (due > now)
            return due;
        p->launched++;
        launch(closed_loop ? 0 : due);
    }
}

static void poll_until(uint64_t until)
{
    static struct epoll_event events[EVENTS];
    uint64_t now = now_ns(), left = until > now ? until - now : 0;
    struct timespec t = {.tv_sec = (time_t)(left / NANOS), .tv_nsec = (long)(left % NANOS)};
    int n = epoll_pwait2(poller, events, EVENTS, &t, NULL);
    for (int i = 0; i < n; i++) {
        struct connection *c = events[i].data.ptr;
        if (c->state == CONNECTING)
            connected(c);
        else
            receive(c);
    }
}

static double run(struct pace *pace, uint64_t end)
{
    enum { WARMING, MEASURING, DRAINING } phase = WARMING;
    uint64_t sample_at = window_start;
    double own = 0;
    for (;;) {
        uint64_t now = now_ns();
        if (phase == WARMING && now >= window_start) {
            groups_begin();
            own = cpu_seconds(getpid());
            phase = MEASURING;
        }
        if (phase == MEASURING && now >= window_end) {
            groups_end();
            own = cpu_seconds(getpid()) - own;
            phase = DRAINING;
            stopping = 1;
        }
        if (now >= end || (stopping && !in_flight()))
            return own;
        if (phase == MEASURING && now >= sample_at) {
            groups_sample();
            sample_at += SAMPLE_EVERY;
        }
        uint64_t next = launch_due(pace, now), limit = phase == WARMING ? window_start : phase == MEASURING ? window_end : end;
        if (phase == MEASURING && sample_at < limit)
            limit = sample_at;
        poll_until(next < limit ? next : limit);
    }
}

int main(int count, char **arguments)
{
    struct pace pace = {.ramp = -1};
    double warm = 1, window = 5, drain = 0.3;
    const char *plan = NULL;
    char *host = NULL, *port = NULL;
    int option;
    while ((option = getopt(count, arguments, "t:m:c:r:w:d:D:R:P:")) != -1)
        switch (option) {
        case 't': host = optarg; port = strchr(optarg, ':'); break;
        case 'm': plan = optarg; break;
        case 'c': pace.connections = atoi(optarg); closed_loop = 1; break;
        case 'r': pace.rate = atof(optarg); break;
        case 'w': warm = atof(optarg); break;
        case 'd': window = atof(optarg); break;
        case 'D': drain = atof(optarg); break;
        case 'R': pace.ramp = atof(optarg); break;
        case 'P': groups_add(optarg); break;
        default: return 2;
        }
    if (!plan || !port || (pace.connections > 0) == (pace.rate > 0)) {
        fprintf(stderr, "usage: loadgen -t HOST:PORT -m PLAN (-c CONNECTIONS | -r RATE) ...; see the head of loadgen.c\n");
        return 2;
    }
    make_request(host, plan);
    *port = 0;
    target = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port + 1))};
    inet_pton(AF_INET, host, &target.sin_addr);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    raise_file_limit();
    poller = epoll_create1(0);
    pace.start = now_ns();
    if (pace.ramp < 0)
        pace.ramp = warm * 0.8;
    window_start = pace.start + (uint64_t)(warm * 1e9);
    window_end = window_start + (uint64_t)(window * 1e9);
    groups_rest();
    double own = run(&pace, window_end + (uint64_t)(drain * 1e9));
    print_result(window, own, pace.start);
    return 0;
}
