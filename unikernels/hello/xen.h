/* What the drivers share: hypercalls, events, grants, XenStore. Public interface: /usr/include/xen (libxen-dev). */
#pragma once
#include "hello.h"
#include <cpuid.h>
#include <xen/grant_table.h>
#include <xen/hvm/params.h>
#include <xen/io/xenbus.h>
#include <xen/sched.h>

#define PAGE 4096
#define SHARED_PAGES __attribute__((aligned(PAGE))) static uint8_t /* whole pages, to be shared */
/* The names that xen/io/ring.h uses. x86 keeps stores in order and loads in order, but not a load after a store. */
#define xen_mb() __asm__ volatile("mfence" ::: "memory")
#define xen_rmb() __asm__ volatile("" ::: "memory")
#define xen_wmb() __asm__ volatile("" ::: "memory")

/* xen.c */
void xen_start(void); /* hypercalls, and what becomes of faults */
uint64_t hvm_param(unsigned index);
grant_ref_t grant(domid_t peer, const void *pages, unsigned count, bool readonly); /* for ever; the first of `count` in a row */
evtchn_port_t event_alloc(domid_t peer);
void event_listen(evtchn_port_t port);                       /* wakes event_wait from now on */
void event_notify(evtchn_port_t port);
void event_wait(uint64_t deadline);                   /* until an event, or the time; look at all rings then */
__attribute__((noreturn)) void stop(unsigned reason, const char *why); /* SHUTDOWN_*, after the console is read */

/* console.c */
void console_start(void);
void console_flush(uint64_t deadline); /* waits until all of it is read */

/* A ring of bytes, as the console's and XenStore's are; what was put or taken is told to the other side. */
struct bytes { char *ring; uint32_t size; volatile uint32_t *taken, *put; evtchn_port_t port; };
void bytes_put(const struct bytes *to, const void *data, size_t size); /* what does not fit is lost */
void bytes_take(const struct bytes *from, void *data, size_t size);

/* xenbus.c: a path is relative to the domain's own directory unless it begins with a slash */
void xenstore_start(void);
const char *xenstore_read(const char *directory, const char *key); /* NULL: there is none; good until the next call */
void xenstore_write(const char *directory, const char *key, const char *value);
void xenstore_watch(const char *directory, const char *key);
bool xenstore_changed(void);                                       /* has the watch fired since it was last asked anything? */

struct device {
    char path[32], backend[80]; /* "device/vif/0", and the path of its backend */
    domid_t peer;
    evtchn_port_t port;
};
bool device_find(struct device *device, const char *kind); /* the first of its kind, when its backend is ready */
void device_write(const struct device *device, const char *key, uint64_t value);
void device_connect(const struct device *device);          /* with all that was written */
uint64_t backend_number(const struct device *device, const char *key); /* 0: there is none */

/* netfront.c, blkfront.c */
void netfront_start(void); /* stops the domain when it has no network */
bool netfront_poll(bool deaf); /* hands what came to net_input, or drops it; true: there may be more */
void blkfront_start(void);
