/* XenStore over its rings (docs/misc/xenstore.txt, xenstore-ring.txt), and the handshake of a front end on it. */
#include "xen.h"
#include <xen/io/xs_wire.h>

static struct bytes requests, replies;
static char reply[XENSTORE_PAYLOAD_MAX + 2];

void xenstore_start(void) {
    struct xenstore_domain_interface *page = (struct xenstore_domain_interface *)(hvm_param(HVM_PARAM_STORE_PFN) * PAGE);
    evtchn_port_t port = (evtchn_port_t)hvm_param(HVM_PARAM_STORE_EVTCHN);
    requests = (struct bytes){page->req, XENSTORE_RING_SIZE, &page->req_cons, &page->req_prod, port};
    replies = (struct bytes){page->rsp, XENSTORE_RING_SIZE, &page->rsp_cons, &page->rsp_prod, port};
    event_listen(port);
}

/* Takes one message. Two zeros follow it: the end of its last name, and of a list of names. */
static uint32_t take(void) {
    struct xsd_sockmsg header;
    bytes_take(&replies, &header, sizeof header);
    bytes_take(&replies, reply, header.len);
    reply[header.len] = reply[header.len + 1] = 0;
    return header.type;
}

static const char *ask(uint32_t type, const char *directory, const char *key, const char *value, size_t value_size) {
    char path[128];
    int size = snprintf(path, sizeof path, "%s%s%s", directory, *directory && *key ? "/" : "", key) + 1;
    struct xsd_sockmsg header = {.type = type, .len = (uint32_t)(size + value_size)};
    bytes_put(&requests, &header, sizeof header); /* all of it fits: the request before it was answered */
    bytes_put(&requests, path, size);
    bytes_put(&requests, value, value_size);
    uint32_t answer;
    do answer = take();
    while (answer == XS_WATCH_EVENT);
    return answer == type ? reply : NULL;
}

const char *xenstore_read(const char *directory, const char *key) { return ask(XS_READ, directory, key, "", 0); }
void xenstore_write(const char *directory, const char *key, const char *text) { ask(XS_WRITE, directory, key, text, strlen(text)); }
void xenstore_watch(const char *directory, const char *key) { ask(XS_WATCH, directory, key, "x", 2); } /* "x" names it to us */

bool xenstore_changed(void) {
    bool changed = false;
    for (; *replies.taken != __atomic_load_n(replies.put, __ATOMIC_ACQUIRE); changed = true) take();
    return changed;
}

static uint64_t decimal(const char *text) {
    uint64_t value = 0;
    return text && number(&text, UINT64_MAX, &value) ? value : 0;
}

uint64_t backend_number(const struct device *device, const char *key) { return decimal(xenstore_read(device->backend, key)); }

bool device_find(struct device *device, const char *kind) {
    const char *name = ask(XS_DIRECTORY, "device", kind, "", 0);
    uint64_t lowest = NEVER;
    for (; name && *name; name += strlen(name) + 1)
        if (decimal(name) < lowest) lowest = decimal(name);
    snprintf(device->path, sizeof device->path, "device/%s/%lu", kind, lowest);
    const char *backend = xenstore_read(device->path, "backend");
    if (!backend) return false;
    snprintf(device->backend, sizeof device->backend, "%s", backend);
    device->peer = (domid_t)decimal(xenstore_read(device->path, "backend-id"));
    device->port = event_alloc(device->peer);
    while (backend_number(device, "state") < XenbusStateInitWait) event_wait(clock_now() + 10 * MS);
    return true;
}

void device_write(const struct device *device, const char *key, uint64_t value) {
    char text[24];
    snprintf(text, sizeof text, "%lu", value);
    xenstore_write(device->path, key, text);
}

void device_connect(const struct device *device) {
    device_write(device, "event-channel", device->port);
    device_write(device, "state", XenbusStateConnected);
    while (backend_number(device, "state") < XenbusStateConnected) event_wait(clock_now() + 10 * MS);
}
