/* HTTP/1.1, RFC 9110 and 9112: GET and HEAD of three resources; keep-alive, pipelining, no request bodies. */
#include "disk.h"
#include "options.h"
#include "tcp.h"
#include <stdio.h>
#include <string.h>

struct text { const char *at; size_t size; };

struct request {
    struct text method, path;
    int minor, hosts;
    bool close, keep_alive, body, json, bad;
};

static uint64_t requests;

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c | 32) : c; }

/* Does the text hold the word, whatever its case? The word is in lower case. */
static bool holds(const char *text, size_t size, const char *word) {
    for (size_t i = 0, n = strlen(word), j; i + n <= size; i++) {
        for (j = 0; j < n && lower(text[i + j]) == word[j]; j++) {}
        if (j == n) return true;
    }
    return false;
}

static bool is(struct text text, const char *word) { return text.size == strlen(word) && memcmp(text.at, word, text.size) == 0; }

static bool named(const char *name, size_t size, const char *word) { return size == strlen(word) && holds(name, size, word); }

static bool token(const char *text, size_t size) { /* RFC 9110, section 5.6.2 */
    for (size_t i = 0; i < size; i++)
        if (text[i] <= ' ' || text[i] >= 127 || strchr("\"(),/:;<=>?@[\\]{}", text[i])) return false;
    return size > 0;
}

static void header_line(struct request *r, const char *line, size_t size) {
    const char *colon = memchr(line, ':', size);
    if (!colon || !token(line, colon - line)) { r->bad = true; return; } /* also a folded line: RFC 9112, section 5.2 */
    size_t name = colon - line;
    const char *value = colon + 1, *end = line + size;
    while (value < end && (*value == ' ' || *value == '\t')) value++;
    size_t length = end - value;
    if (named(line, name, "host")) r->hosts++;
    if (named(line, name, "accept")) r->json |= holds(value, length, "application/json");
    if (named(line, name, "connection")) {
        r->close |= holds(value, length, "close");
        r->keep_alive |= holds(value, length, "keep-alive");
    }
    if (named(line, name, "transfer-encoding")) r->body = true;
    if (named(line, name, "content-length")) {
        r->bad |= length == 0;
        for (size_t i = 0; i < length; i++) r->bad |= value[i] < '0' || value[i] > '9', r->body |= value[i] != '0';
    }
}

static void request_line(struct request *r, const char *line, size_t size) {
    const char *end = line + size, *path = memchr(line, ' ', size);
    const char *version = path ? memchr(path + 1, ' ', end - path - 1) : NULL;
    r->bad = !version || !token(line, path - line) || end - version != 9 || memcmp(version, " HTTP/", 6) != 0 ||
             version[7] != '.' || version[8] < '0' || version[8] > '9';
    if (r->bad) return;
    r->minor = version[6] == '1' ? version[8] - '0' : -1;
    r->method = (struct text){line, path - line};
    path++;
    size_t length = version - path;
    if (length > 7 && memcmp(path, "http://", 7) == 0) { /* the absolute form, as proxies write it */
        const char *slash = memchr(path + 7, '/', length - 7);
        length = slash ? version - slash : 1;
        path = slash ? slash : "/";
    }
    const char *query = memchr(path, '?', length);
    r->path = (struct text){path, query ? (size_t)(query - path) : length};
    r->bad = r->path.size == 0 || path[0] != '/';
}

static void answer(struct tcp *c, const char *status, const char *extra, const char *body) {
    char head[256];
    int size = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %u\r\nCache-Control: no-store\r\n"
                        "%sConnection: %s\r\n\r\n", status, c->wants_json ? "application/json" : "text/plain; charset=utf-8",
                        (unsigned)strlen(body), extra, c->keep ? "keep-alive" : "close");
    requests++;
    tcp_write(c, head, size);
    if (c->wants_body) tcp_write(c, body, strlen(body));
    if (!c->keep) tcp_close(c);
}

static void fault(struct tcp *c, const char *status, const char *extra) {
    char body[64];
    c->wants_json = false;
    snprintf(body, sizeof body, "%s\n", status);
    answer(c, status, extra, body);
}

/* A JSON string's inside: quotes, backslashes and control characters escaped (RFC 8259, section 7). */
static const char *escaped(const char *text, char out[6 * 64]) {
    char *at = out;
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') *at++ = '\\';
        if ((unsigned char)*text < ' ') at += snprintf(at, 7, "\\u00%02x", (unsigned)*text);
        else *at++ = *text;
    }
    *at = 0;
    return out;
}

static void index_page(struct tcp *c) {
    char body[1024], name[6 * 64], version[6 * 64];
    uint64_t ms = (clock_now() - net.started) / MS;
    bool json = c->wants_json;
    snprintf(body, sizeof body,
             json ? "{\"name\":\"%s\",\"version\":\"%s\",\"build\":\"%s\",\"uptime\":%u.%03u,\"requests\":%lu}\n"
                  : "name: %s\nversion: %s\nbuild: %s\nuptime: %u.%03u s\nrequests: %lu\n",
             json ? escaped(options.name, name) : options.name, json ? escaped(options.version_text, version) : options.version_text,
             BUILD_ID, (unsigned)(ms / 1000), (unsigned)(ms % 1000), (unsigned long)requests + 1);
    answer(c, "200 OK", "", body);
}

static struct { char hex[65]; bool read; unsigned long size; } disk;

static void disk_page(struct tcp *c) {
    char body[128];
    if (!c->waiting) return;
    c->waiting = false;
    snprintf(body, sizeof body, c->wants_json ? "{\"sha256\":\"%s\",\"bytes\":%lu}\n" : "sha256: %s\nbytes: %lu\n",
             disk.hex, disk.size);
    if (disk.read) answer(c, "200 OK", "", body);
    else fault(c, "500 Disk Read Error", "");
    tcp_flush(c);
}

void http_disk(const uint8_t *digest, uint64_t size) {
    for (int i = 0; digest && i < 32; i++) snprintf(disk.hex + 2 * i, 3, "%02x", digest[i]);
    disk.read = digest;
    disk.size = size;
    tcp_each(disk_page);
}

static void serve(struct tcp *c, const struct request *r) {
    bool get = is(r->method, "GET"), head = is(r->method, "HEAD");
    bool index = is(r->path, "/"), health = is(r->path, "/health");
    c->keep = r->minor >= 1 ? !r->close : r->minor == 0 && r->keep_alive && !r->close;
    c->wants_body = !head;
    c->wants_json = r->json;
    if (r->bad || (r->minor >= 1 && r->hosts != 1)) c->keep = false, fault(c, "400 Bad Request", "");
    else if (r->minor < 0) c->keep = false, fault(c, "505 HTTP Version Not Supported", "");
    else {
        if (r->body) c->keep = false; /* its bytes are not read, so the next request could not be found */
        if (!index && !health && !is(r->path, "/disk")) fault(c, "404 Not Found", "");
        else if (!get && !head) fault(c, "405 Method Not Allowed", "Allow: GET, HEAD\r\n");
        else if (index) index_page(c);
        else if (health) answer(c, "200 OK", "", r->json ? "{\"status\":\"ok\"}\n" : "ok\n");
        else if (disk_size() == 0) fault(c, "404 No Disk", "");
        else c->waiting = true, disk_hash();
    }
}

/* The size of the head with its empty line; 0: it is not whole yet. */
static size_t head_size(const char *text, size_t size) {
    for (size_t i = 3; i < size; i++)
        if (memcmp(text + i - 3, "\r\n\r\n", 4) == 0) return i + 1;
    return 0;
}

void http_input(struct tcp *c) {
    while (!c->closing && !c->waiting && tcp_room(c) >= BUFFER / 2) {
        const char *at = (const char *)c->in;
        size_t blank = 0;
        while (c->in_size - blank >= 2 && memcmp(at + blank, "\r\n", 2) == 0) blank += 2; /* RFC 9112, section 2.2 */
        size_t size = head_size(at + blank, c->in_size - blank), used = blank + size;
        if (size == 0 && c->in_size == BUFFER) {
            c->keep = false, c->wants_body = true;
            return fault(c, "431 Request Header Fields Too Large", "");
        }
        if (size == 0) return;
        struct request request = {0};
        const char *line = at + blank, *end = line + size - 2;
        for (bool first = true; line < end; first = false) {
            const char *stop = line;
            while (memcmp(stop, "\r\n", 2) != 0) stop++;
            if (first) request_line(&request, line, stop - line);
            else header_line(&request, line, stop - line);
            line = stop + 2;
        }
        serve(c, &request);
        if (c->closing) return; /* what follows is not read */
        c->in_size -= used;
        memmove(c->in, c->in + used, c->in_size);
    }
}
