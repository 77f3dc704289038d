/* HTTP/1.1, RFC 9110 and 9112: GET and HEAD of three resources; keep-alive, pipelining, no request bodies. */
#include "disk.h"
#include "options.h"
#include "tcp.h"
#include <stdio.h>
#include <string.h>

struct request {
    const char *method, *path;
    unsigned major, minor, hosts;
    bool bad, close, keep_alive, body;
};

static bool is(const char *text, const char *word) { return strcmp(text, word) == 0; }

static bool token(const char *text) { /* RFC 9110, section 5.6.2 */
    const char *at = text;
    while (*at > ' ' && *at < 127 && !strchr("\"(),/:;<=>?@[\\]{}", *at)) at++;
    return at > text && *at == 0;
}

static void request_line(struct request *r, char *line) {
    char *path = strchr(line, ' '), *version = path ? strchr(path + 1, ' ') : NULL;
    r->bad = !version || strlen(version) != 9 || memcmp(version, " HTTP/", 6) != 0 || version[7] != '.';
    if (r->bad) return;
    *path++ = *version = 0;
    r->major = (unsigned)version[6] - '0';
    r->minor = (unsigned)version[8] - '0';
    if (strstr(path, "http://") == path) { /* the absolute form, as proxies write it */
        char *slash = strchr(path + 7, '/');
        if (slash) path = slash;
        else path[0] = '/', path[1] = 0;
    }
    char *query = strchr(path, '?');
    if (query) *query = 0;
    r->method = line, r->path = path;
    r->bad = !token(line) || *path != '/' || r->major > 9 || r->minor > 9;
}

static void header_line(struct request *r, char *line) {
    for (char *at = line; *at; at++)
        if (*at >= 'A' && *at <= 'Z') *at = (char)(*at | 32);
    char *colon = strchr(line, ':');
    if (colon) *colon = 0;
    if (!colon || !token(line)) { r->bad = true; return; } /* also a folded line: RFC 9112, section 5.2 */
    const char *value = colon + 1;
    while (*value == ' ' || *value == '\t') value++;
    if (is(line, "host")) r->hosts++;
    if (is(line, "connection")) r->close |= strstr(value, "close") != NULL, r->keep_alive |= strstr(value, "keep-alive") != NULL;
    if (is(line, "transfer-encoding")) r->body = true;
    if (is(line, "content-length")) {
        uint64_t length;
        r->bad |= !number(&value, 10, UINT32_MAX, &length) || *value;
        r->body |= length > 0;
    }
}

static uint64_t requests;

static void answer(struct tcp *c, const struct request *r, const char *status, const char *body) {
    char head[256];
    bool keep = !r->bad && !r->body && !r->close && (r->minor >= 1 || r->keep_alive); /* a body is not read: close behind it */
    int size = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %u\r\n"
                        "Cache-Control: no-store\r\n%sConnection: %s\r\n\r\n", status, (unsigned)strlen(body),
                        memcmp(status, "405", 3) == 0 ? "Allow: GET, HEAD\r\n" : "", keep ? "keep-alive" : "close");
    requests++;
    tcp_write(c, head, size);
    if (!is(r->method, "HEAD")) tcp_write(c, body, strlen(body));
    if (!keep) tcp_close(c);
}

static void index_page(struct tcp *c, const struct request *r) {
    char body[300];
    uint64_t ms = (clock_now() - net.started) / MS;
    snprintf(body, sizeof body, "name: %s\nversion: %s\nbuild: %s\nuptime: %lu.%03lu s\nrequests: %lu\n", options.name,
             options.version_text, BUILD_ID, ms / 1000, ms % 1000, requests + 1);
    answer(c, r, "200 OK", body);
}

static bool disk_page(struct tcp *c, const struct request *r) {
    char body[100], hex[65];
    uint8_t digest[32] = {0};
    enum disk_state state = disk_digest(digest);
    if (state == DISK_READING) return true;
    for (int i = 0; i < 32; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    snprintf(body, sizeof body, "sha256: %s\nbytes: %lu\n", hex, disk_size());
    if (state == DISK_READ) answer(c, r, "200 OK", body);
    else answer(c, r, "500 Disk Read Error", "the disk cannot be read\n");
    return false;
}

/* True: the answer must wait. */
static bool serve(struct tcp *c, struct request *r) {
    bool unclear = r->bad || (r->major == 1 && r->minor >= 1 && r->hosts != 1), get = is(r->method, "GET") || is(r->method, "HEAD");
    bool index = is(r->path, "/"), health = is(r->path, "/health"), disk = is(r->path, "/disk") && disk_size() > 0;
    r->bad = unclear || r->major != 1;
    if (unclear) answer(c, r, "400 Bad Request", "not a request that can be understood\n");
    else if (r->bad) answer(c, r, "505 HTTP Version Not Supported", "this is an HTTP/1.1 server\n");
    else if (!index && !health && !disk) answer(c, r, "404 Not Found", "there are /, /health and, with a disk, /disk\n");
    else if (!get) answer(c, r, "405 Method Not Allowed", "GET or HEAD\n");
    else if (disk) return disk_page(c, r);
    else if (index) index_page(c, r);
    else answer(c, r, "200 OK", "ok\n");
    return false;
}

bool http_input(struct tcp *c) {
    static char text[BUFFER + 2]; /* a copy to be cut up: a request that waits is read again */
    while (!c->closing && tcp_room(c) >= BUFFER / 2) {
        struct request request = {.method = "", .path = ""};
        memcpy(text, c->in, c->in_size);
        memset(text + c->in_size, 0, 2);
        char *line = text, *next;
        while (memcmp(line, "\r\n", 2) == 0) line += 2; /* RFC 9112, section 2.2 */
        char *first = line, *end = strstr(line, "\r\n\r\n");
        if (!end) {
            request.bad = true;
            if (strlen(text) < c->in_size) answer(c, &request, "400 Bad Request", "a zero byte\n");
            else if (c->in_size == BUFFER) answer(c, &request, "431 Request Header Fields Too Large", "at most 4096 bytes\n");
            return false;
        }
        for (; line < end; line = next) {
            next = strstr(line, "\r\n") + 2;
            next[-2] = 0;
            if (line == first) request_line(&request, line);
            else header_line(&request, line);
        }
        if (serve(c, &request)) return true;
        if (c->closing) return false; /* what follows is not read */
        size_t used = end + 4 - text;
        c->in_size -= used;
        memmove(c->in, c->in + used, c->in_size);
    }
    return false;
}
