/* What the drivers share: hypercalls, events, grants, XenStore. Public interface: /usr/include/xen (libxen-dev). */
#pragma once
#include "net.h"
#define __XEN_INTERFACE_VERSION__ 0x00040d00
#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xen/io/xenbus.h>

#define PAGE 4096
#define SHARED_PAGES __attribute__((aligned(PAGE))) static uint8_t /* whole pages, to be shared */
/* The names that xen/io/ring.h uses. x86 keeps stores in order and loads in order, but not a load after a store. */
#define xen_mb() __asm__ volatile("mfence" ::: "memory")
#define xen_rmb() __asm__ volatile("" ::: "memory")
#define xen_wmb() __asm__ volatile("" ::: "memory")

extern uint8_t hypercall_page[];
extern shared_info_t *const shared_info;

/* Arguments in rdi, rsi, rdx; the hypercall's number selects its stub. Xen may change the registers beyond them. */
static inline long hypercall(unsigned number, long a, const void *b, long c) {
    long result;
    __asm__ volatile("call *%[stub]"
                     : "=a"(result), "+D"(a), "+S"(b), "+d"(c)
                     : [stub] "r"(hypercall_page + 32 * number)
                     : "memory", "rcx", "r8", "r9", "r10", "r11");
    return result;
}

/* main.c */
uint64_t hvm_param(unsigned index);
grant_ref_t grant(domid_t peer, const void *page, bool readonly); /* for ever: every page that is shared stays so */

/* traps.c */
void traps_start(void);

/* events.c */
typedef uint32_t port_t;
port_t event_alloc(domid_t peer);
void event_listen(port_t port);                       /* wakes event_wait from now on */
void event_notify(port_t port);
void event_wait(uint64_t deadline);                   /* until an event, or the time */
void event_sleep(uint64_t deadline);                  /* the same, but at once if event_wait has taken an event since */
__attribute__((noreturn)) void stop(unsigned reason); /* SHUTDOWN_*, after the console is read */

/* console.c */
void console_start(void);
void console_flush(uint64_t deadline);

/* A ring of bytes, as the console's and XenStore's are; what was put or taken is told to the other side. */
struct bytes { char *ring; uint32_t size; volatile uint32_t *taken, *put; port_t port; };
bool bytes_put(const struct bytes *to, const void *data, size_t size, uint64_t deadline); /* false: the time was over */
void bytes_take(const struct bytes *from, void *data, size_t size);

/* xenbus.c: a path is relative to the domain's own directory unless it begins with a slash */
void xenstore_start(void);
const char *xenstore_read(const char *directory, const char *key); /* NULL: there is none; good until the next call */
void xenstore_write(const char *directory, const char *key, const char *value);
void xenstore_watch(const char *directory, const char *key);
bool xenstore_changed(void);                                       /* has a watch fired since the last call? */

struct device {
    char path[32], backend[80]; /* "device/vif/0", "" when it was taken away; and the path of its backend */
    domid_t peer;
    port_t port;
};
bool device_find(struct device *device, const char *kind); /* the first of its kind; makes its event channel */
uint64_t device_number(const char *directory, const char *key); /* 0: there is none */
void device_write(const struct device *device, const char *key, uint64_t value);
void device_share(const struct device *device, const char *key, const void *page);
void device_wait(const struct device *device, unsigned state); /* for the backend */
void devices_check(void);                                      /* lets go of a device whose backend is closing */

/* netfront.c, blkfront.c */
bool netfront_start(void);
bool netfront_poll(bool deaf); /* hands what came to net_input, or drops it; true: there may be more */
bool blkfront_start(void);
