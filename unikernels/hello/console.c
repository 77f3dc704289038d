/* The console, which xenconsoled reads in dom0; and rings of bytes, of which it is one. */
#include "xen.h"
#include <xen/io/console.h>

static uint32_t now_at(volatile uint32_t *index) { return __atomic_load_n(index, __ATOMIC_ACQUIRE); }
static void move(volatile uint32_t *index) { __atomic_store_n(index, *index + 1, __ATOMIC_RELEASE); }

void bytes_put(const struct bytes *to, const void *data, size_t size) {
    for (const char *byte = data; size-- && *to->put - now_at(to->taken) < to->size; byte++, move(to->put))
        to->ring[*to->put % to->size] = *byte;
    event_notify(to->port);
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
    out = (struct bytes){page->out, sizeof page->out, &page->out_cons, &page->out_prod,
                         (evtchn_port_t)hvm_param(HVM_PARAM_CONSOLE_EVTCHN)};
}

void console_flush(uint64_t deadline) {
    while (now_at(out.taken) != *out.put && clock_now() < deadline) event_wait(clock_now() + MS);
}

/* A console that nobody reads must not stop us. It holds more than we say until we serve. */
void log_line(const char *format, ...) {
    char line[1200];
    va_list values;
    va_start(values, format);
    vsnprintf(line, sizeof line, format, values);
    va_end(values);
    bytes_put(&out, line, strlen(line));
    bytes_put(&out, "\r\n", 2);
}
