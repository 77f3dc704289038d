/* HTTP/1.1, RFC 9110 and 9112: GET and HEAD of three resources; keep-alive, pipelining, no request bodies. */
#include "hello.h"

struct request {
    const char *method, *path; /* method NULL: its first line has not come */
    uint64_t major, minor;
    unsigned hosts;
    bool bad, close, keep_alive;
};

static uint64_t requests;

static bool token(const char *text) { /* RFC 9110, section 5.6.2 */
    const char *at = text;
    while (*at > ' ' && *at < 127 && !strchr("\"(),/:;<=>?@[\\]{}", *at)) at++;
    return at > text && *at == 0;
}

/* Ends the text at the first such byte; what follows, or NULL where there is none. */
static char *cut(char *text, int byte) {
    char *at = text ? strchr(text, byte) : NULL;
    if (at) *at++ = 0;
    return at;
}

static void request_line(struct request *r, char *line) {
    char *path = cut(line, ' '), *version = cut(path, ' ');
    const char *at = version && strstr(version, "HTTP/") == version ? version + 5 : "";
    bool known = number(&at, 10, 9, &r->major) && *at++ == '.' && number(&at, 10, 9, &r->minor) && *at == 0;
    if (known && strstr(path, "http://") == path) path = strchr(path + 7, '/'); /* the absolute form, as proxies write it */
    cut(path, '?');
    r->method = line, r->path = path;
    r->bad = !known || !token(line) || !path || *path != '/';
}

static void header_line(struct request *r, char *line) {
    for (char *at = line; *at; at++)
        if (*at >= 'A' && *at <= 'Z') *at = (char)(*at | 32);
    const char *value = cut(line, ':');
    r->bad |= !value || !token(line); /* also a folded line: RFC 9112, section 5.2 */
    if (r->bad) return;
    while (*value == ' ' || *value == '\t') value++;
    bool connection = is(line, "connection"), length = is(line, "content-length");
    bool body = is(line, "transfer-encoding") || (length && !is(value, "0")); /* it is not read: close behind it */
    r->hosts += is(line, "host");
    r->keep_alive |= connection && strstr(value, "keep-alive");
    r->close |= body || (connection && strstr(value, "close"));
    uint64_t size;
    if (length) r->bad |= !number(&value, 10, UINT32_MAX, &size) || *value;
}

/* Always true: it is answered. */
static bool answer(struct tcp *c, const struct request *r, const char *status, const char *body) {
    char head[256];
    bool keep = !r->bad && !r->close && (r->minor >= 1 || r->keep_alive);
    int size = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %u\r\n"
                        "Cache-Control: no-store\r\nAllow: GET, HEAD\r\nConnection: %s\r\n\r\n",
                        status, (unsigned)strlen(body), keep ? "keep-alive" : "close");
    requests++;
    tcp_write(c, head, size);
    if (!r->method || !is(r->method, "HEAD")) tcp_write(c, body, strlen(body));
    if (!keep) tcp_close(c);
    return true;
}

/* False: the answer must wait. */
static bool respond(struct tcp *c, struct request *r) {
    r->bad |= r->major == 1 && r->minor >= 1 && r->hosts != 1;
    if (r->bad) return answer(c, r, "400 Bad Request", "not a request that can be understood\n");
    r->bad = r->major != 1;
    if (r->bad) return answer(c, r, "505 HTTP Version Not Supported", "this is an HTTP/1.1 server\n");
    bool index = is(r->path, "/"), health = is(r->path, "/health"), disk = is(r->path, "/disk") && disk_size() > 0;
    if (!index && !health && !disk) return answer(c, r, "404 Not Found", "there are /, /health and, with a disk, /disk\n");
    if (!is(r->method, "GET") && !is(r->method, "HEAD")) return answer(c, r, "405 Method Not Allowed", "GET or HEAD\n");
    if (health) return answer(c, r, "200 OK", "ok\n");

    char page[300];
    const char *digest = disk ? disk_digest() : NULL;
    uint64_t ms = (clock_now() - net.started) / MS;
    if (disk && !digest) return false;
    if (disk && !*digest) return answer(c, r, "500 Disk Read Error", "the disk cannot be read\n");
    if (disk) snprintf(page, sizeof page, "sha256: %s\nbytes: %lu\n", digest, disk_size());
    else snprintf(page, sizeof page, "name: %s\nversion: %s\nbuild: %s\nuptime: %lu.%03lu s\nrequests: %lu\n", options.name,
                  options.version_text, BUILD_ID, ms / 1000, ms % 1000, requests + 1);
    return answer(c, r, "200 OK", page);
}

bool http_input(struct tcp *c) {
    static char text[BUFFER + 1]; /* a copy to be cut up: a request that is not whole, or waits, is read again */
    struct request request = {0};
    char *begin = text, *line = text, *next;
    memcpy(text, c->in, c->in_size);
    text[c->in_size] = 0;
    for (; c->out_size <= BUFFER / 2 && (next = strstr(line, "\r\n")); line = next) {
        *next = 0;
        next += 2;
        if (*line && !request.method) request_line(&request, line);
        else if (*line) header_line(&request, line);
        if (*line || !request.method) continue; /* empty lines before a request: RFC 9112, section 2.2 */
        if (!respond(c, &request)) return true;
        if (c->closing) return false; /* what follows is not read */
        c->in_size -= next - begin;
        memmove(c->in, c->in + (next - begin), c->in_size);
        request = (struct request){0};
        begin = next;
    }
    if (c->out_size > BUFFER / 2) return false;
    request.bad = true;
    if (line + strlen(line) < begin + c->in_size) answer(c, &request, "400 Bad Request", "a zero byte\n");
    else if (c->in_size == BUFFER) answer(c, &request, "431 Request Header Fields Too Large", "at most 4096 bytes\n");
    return false;
}
