/* The console, which xenconsoled reads in dom0; and rings of bytes, of which it is one. */
#include "xen.h"
#include <stdarg.h>
#include <stdio.h>
#include <xen/hvm/params.h>
#include <xen/io/console.h>

static uint32_t now_at(volatile uint32_t *index) { return __atomic_load_n(index, __ATOMIC_ACQUIRE); }
static void move(volatile uint32_t *index) { __atomic_store_n(index, *index + 1, __ATOMIC_RELEASE); }

bool bytes_put(const struct bytes *to, const void *data, size_t size, uint64_t deadline) {
    for (const char *byte = data; size--; byte++, move(to->put)) {
        while (*to->put - now_at(to->taken) == to->size) {
            if (clock_now() >= deadline) return false;
            event_notify(to->port);
            event_wait(deadline);
        }
        to->ring[*to->put % to->size] = *byte;
    }
    event_notify(to->port);
    return true;
}

void bytes_take(const struct bytes *from, void *data, size_t size) {
    for (char *byte = data; size--; byte++, move(from->taken)) {
        while (*from->taken == now_at(from->put)) {
            event_notify(from->port); /* there is room now, if that is what it waits for */
            event_wait(NEVER);
        }
        *byte = from->ring[*from->taken % from->size];
    }
    event_notify(from->port);
}

static struct bytes out;

void console_start(void) {
    struct xencons_interface *page = (struct xencons_interface *)(hvm_param(HVM_PARAM_CONSOLE_PFN) * PAGE);
    port_t port = (port_t)hvm_param(HVM_PARAM_CONSOLE_EVTCHN);
    out = (struct bytes){page->out, sizeof page->out, &page->out_cons, &page->out_prod, port};
    if (out.port) event_listen(out.port);
}

void console_flush(uint64_t deadline) {
    while (out.port && now_at(out.taken) != *out.put && clock_now() < deadline) event_wait(deadline);
}

/* What does not fit is lost in the end: a console that nobody reads must not stop us. */
void log_line(const char *format, ...) {
    char line[400];
    va_list values;
    va_start(values, format);
    int size = vsnprintf(line, sizeof line - 2, format, values);
    va_end(values);
    if (size > (int)sizeof line - 3) size = sizeof line - 3;
    line[size] = '\r', line[size + 1] = '\n';
    if (out.port) bytes_put(&out, line, size + 2, clock_now() + 100 * MS);
}
