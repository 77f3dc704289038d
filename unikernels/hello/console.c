/* The console: a ring that xenconsoled reads in dom0. */
#include "xen.h"
#include <stdarg.h>
#include <stdio.h>
#include <xen/hvm/params.h>
#include <xen/io/console.h>

static struct xencons_interface *ring;
static port_t port;

void console_start(void) {
    ring = (struct xencons_interface *)(hvm_param(HVM_PARAM_CONSOLE_PFN) * PAGE);
    port = (port_t)hvm_param(HVM_PARAM_CONSOLE_EVTCHN);
    if (port) event_listen(port);
}

/* Until all is read, or for so many nanoseconds: a console that nobody reads must not stop us. */
void console_flush(uint64_t patience) {
    uint64_t deadline = clock_now() + patience;
    while (ring && __atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE) != ring->out_prod && clock_now() < deadline)
        event_wait(deadline);
}

static void put(char c) {
    if (ring->out_prod - __atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE) == sizeof ring->out) {
        event_notify(port);
        console_flush(100000000);
    }
    if (ring->out_prod - ring->out_cons == sizeof ring->out) return; /* still full: the character is lost */
    ring->out[MASK_XENCONS_IDX(ring->out_prod, ring->out)] = c;
    __atomic_store_n(&ring->out_prod, ring->out_prod + 1, __ATOMIC_RELEASE);
}

void log_line(const char *format, ...) {
    char line[400];
    va_list values;
    va_start(values, format);
    vsnprintf(line, sizeof line, format, values);
    va_end(values);
    if (!ring || !port) return;
    for (const char *c = line; *c; c++) put(*c);
    put('\r');
    put('\n');
    event_notify(port);
}
