/* HTTP/1.1, RFC 9110 and 9112: GET and HEAD of three resources, keep-alive, pipelining. What is not understood, or comes
 * with a body, is answered with an error, and the connection closed: where the next request begins cannot be known. */
#include "hello.h"

static uint64_t requests;

bool http_input(struct tcp *c) {
    static char text[BUFFER + 1]; /* a copy to be cut up: a request that is not whole, or waits, is read again */
    memcpy(text, c->in, c->in_size);
    text[c->in_size] = 0;
    char *end = strstr(text, "\r\n\r\n");
    if (!end && strlen(text) == c->in_size && c->in_size < BUFFER) return false; /* it may still come */
    size_t size = end ? (size_t)(end + 4 - text) : c->in_size;
    text[end ? size - 2 : 0] = 0;
    char *path = cut(text, ' '), *version = cut(path, ' '), *fields = cut(version, '\r');
    cut(path, '?');
    for (char *at = fields; at && *at; at++)
        if (*at >= 'A' && *at <= 'Z') *at |= 32; /* their case means nothing */
    bool good = fields && *path == '/' && (is(version, "HTTP/1.1") || is(version, "HTTP/1.0")) &&
                !strstr(fields, "\ncontent-length:") && !strstr(fields, "\ntransfer-encoding:");
    bool head = is(text, "HEAD"), last = !good || is(version, "HTTP/1.0") || strstr(fields, "\nconnection: close");

    bool disk = good && is(path, "/disk") && disk_size() > 0;
    const char *status = "200 OK", *digest = disk ? disk_digest() : "";
    c->waiting = !digest;
    if (c->waiting) return false;

    char page[300] = "ok\n";
    if (!good) status = "400 Bad Request";
    else if (!head && !is(text, "GET")) status = "501 Not Implemented";
    else if (disk && !*digest) status = "500 Disk Read Error";
    else if (disk) snprintf(page, sizeof page, "sha256: %s\nbytes: %lu\n", digest, disk_size());
    else if (is(path, "/"))
        snprintf(page, sizeof page, "name: %s\nversion: %s\nbuild: %s\nuptime: %lu ms\nrequests: %lu\n", options.name,
                 options.version_text, BUILD_ID, (clock_now() - net.started) / 1000000, requests + 1);
    else if (!is(path, "/health")) status = "404 Not Found";
    if (*status != '2') snprintf(page, sizeof page, "%s\n", status);
    requests++;
    c->out_size += snprintf(c->out + c->out_size, BUFFER - c->out_size, "HTTP/1.1 %s\r\n"
                            "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %u\r\n"
                            "Cache-Control: no-store\r\nConnection: %s\r\n\r\n%s", status, (unsigned)strlen(page),
                            last ? "close" : "keep-alive", head ? "" : page);
    c->in_size -= size;
    memmove(c->in, c->in + size, c->in_size);
    c->closing = last;
    return true;
}
