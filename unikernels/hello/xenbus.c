/* XenStore over its ring (docs/misc/xenstore.txt, xenstore-ring.txt), and the handshake of a front end on it. */
#include "xen.h"
#include <stdio.h>
#include <string.h>
#include <xen/hvm/params.h>
#include <xen/io/xenbus.h>
#include <errno.h>
#include <xen/io/xs_wire.h>

static struct xenstore_domain_interface *ring;
static port_t port;
static bool changed;
static struct device *devices[2]; /* a vif and a vbd at most */
static unsigned device_count;

void xenstore_start(void) {
    ring = (struct xenstore_domain_interface *)(hvm_param(HVM_PARAM_STORE_PFN) * PAGE);
    port = (port_t)hvm_param(HVM_PARAM_STORE_EVTCHN);
    event_listen(port);
}

static void send(const void *data, size_t size) {
    for (const uint8_t *byte = data; size--; byte++) {
        while (ring->req_prod - __atomic_load_n(&ring->req_cons, __ATOMIC_ACQUIRE) == XENSTORE_RING_SIZE) {
            event_notify(port);
            event_wait(UINT64_MAX);
        }
        ring->req[MASK_XENSTORE_IDX(ring->req_prod)] = (char)*byte;
        __atomic_store_n(&ring->req_prod, ring->req_prod + 1, __ATOMIC_RELEASE);
    }
}

/* Takes `size` bytes; of them, `room` are kept. */
static void receive(void *data, size_t room, size_t size) {
    uint8_t *byte = data;
    for (size_t i = 0; i < size; i++) {
        while (ring->rsp_cons == __atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE)) {
            event_notify(port); /* there is room now, if that is what it waits for */
            event_wait(UINT64_MAX);
        }
        if (i < room) byte[i] = (uint8_t)ring->rsp[MASK_XENSTORE_IDX(ring->rsp_cons)];
        __atomic_store_n(&ring->rsp_cons, ring->rsp_cons + 1, __ATOMIC_RELEASE);
    }
}

/* Takes one message; its text, ended by a zero, goes to `reply`. Watch events only leave a mark. */
static uint32_t message(char *reply, size_t room) {
    struct xsd_sockmsg header;
    receive(&header, sizeof header, sizeof header);
    if (header.type == XS_WATCH_EVENT) room = 0, changed = true;
    receive(reply, room ? room - 1 : 0, header.len);
    if (room) reply[header.len < room ? header.len : room - 1] = 0;
    event_notify(port);
    return header.type;
}

static bool request(uint32_t type, const char *path, const char *value, size_t value_size, char *reply, size_t room) {
    struct xsd_sockmsg header = {.type = type, .len = (uint32_t)(strlen(path) + 1 + value_size)};
    send(&header, sizeof header);
    send(path, strlen(path) + 1);
    send(value, value_size);
    event_notify(port);
    uint32_t answer;
    do answer = message(reply, room);
    while (answer == XS_WATCH_EVENT);
    return answer == type;
}

bool xenstore_read(const char *path, char *value, size_t size) { return request(XS_READ, path, "", 0, value, size); }

void xenstore_write(const char *path, const char *value) {
    char ok[8];
    request(XS_WRITE, path, value, strlen(value), ok, sizeof ok);
}

void xenstore_watch(const char *path) {
    char ok[8];
    request(XS_WATCH, path, "x", 2, ok, sizeof ok);
}

bool xenstore_changed(void) {
    char none[1];
    while (ring->rsp_cons != __atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE)) message(none, sizeof none);
    bool was = changed;
    changed = false;
    return was;
}

static uint64_t decimal(const char *text) {
    uint64_t value = 0;
    for (; *text >= '0' && *text <= '9'; text++) value = value * 10 + (uint64_t)(*text - '0');
    return value;
}

bool xenstore_list(const char *path, char *first, size_t size) {
    char names[512];
    memset(names, 0, sizeof names); /* names are separated by zeros */
    if (!request(XS_DIRECTORY, path, "", 0, names, sizeof names - 1) || !names[0]) return false;
    const char *best = names;
    for (const char *name = names; *name; name += strlen(name) + 1)
        if (decimal(name) < decimal(best)) best = name;
    snprintf(first, size, "%s", best);
    return true;
}

uint64_t device_number(const char *directory, const char *key) {
    char path[128], value[32];
    snprintf(path, sizeof path, "%s/%s", directory, key);
    return xenstore_read(path, value, sizeof value) ? decimal(value) : 0;
}

void device_write(const struct device *device, const char *key, uint64_t value) {
    char path[128], text[24];
    snprintf(path, sizeof path, "%s/%s", device->path, key);
    snprintf(text, sizeof text, "%lu", value);
    xenstore_write(path, text);
}

void device_share(const struct device *device, const char *key, const void *page) {
    device_write(device, key, grant(device->peer, page, false));
}

bool device_find(struct device *device, const char *kind) {
    char directory[24], number[12], path[64];
    snprintf(directory, sizeof directory, "device/%s", kind);
    if (!xenstore_list(directory, number, sizeof number)) return false;
    snprintf(device->path, sizeof device->path, "%s/%s", directory, number);
    snprintf(path, sizeof path, "%s/backend", device->path);
    if (!xenstore_read(path, device->backend, sizeof device->backend)) return false;
    device->peer = (domid_t)device_number(device->path, "backend-id");
    device->port = event_alloc(device->peer);
    event_listen(device->port);
    devices[device_count++] = device;
    return true;
}

void device_wait(const struct device *device, unsigned state) {
    char path[128];
    snprintf(path, sizeof path, "%s/state", device->backend);
    xenstore_watch(path);
    while (device_number(device->backend, "state") < state) event_wait(clock_now() + 1000000000);
}

void devices_check(void) {
    for (unsigned i = 0; i < device_count; i++) {
        struct device *device = devices[i];
        if (!device->path[0] || device_number(device->backend, "state") != XenbusStateClosing) continue;
        device_write(device, "state", XenbusStateClosed);
        log_line("%s: taken away", device->path);
        device->path[0] = 0;
    }
}
