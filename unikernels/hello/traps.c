/* A fault of our own is told on the console and to the toolstack; without a handler it would be a triple fault,
 * which Xen takes for a wish to reboot. */
#include "xen.h"
#include <xen/sched.h>

struct frame { uint64_t rip, cs, rflags, rsp, ss; };
struct gate { uint16_t low, selector; uint8_t ist, kind; uint16_t middle; uint32_t high, zero; };

static __attribute__((noreturn)) void fault(unsigned vector, const struct frame *frame, uint64_t error) {
    uint64_t address;
    __asm__("mov %%cr2, %0" : "=r"(address));
    log_line("fault %u (error 0x%lx) at rip 0x%lx, cr2 0x%lx: stopping", vector, error, frame->rip, address);
    stop(SHUTDOWN_crash);
}

#define PLAIN(n) __attribute__((interrupt)) static void trap##n(struct frame *f) { fault(n, f, 0); }
#define CODED(n) __attribute__((interrupt)) static void trap##n(struct frame *f, uint64_t error) { fault(n, f, error); }
PLAIN(0) PLAIN(1) PLAIN(2) PLAIN(3) PLAIN(4) PLAIN(5) PLAIN(6) PLAIN(7) CODED(8) PLAIN(9) CODED(10) CODED(11)
CODED(12) CODED(13) CODED(14) PLAIN(16) CODED(17) PLAIN(18) PLAIN(19)

static void *const traps[] = {trap0, trap1, trap2, trap3, trap4, trap5, trap6, trap7, trap8, trap9, trap10, trap11,
                              trap12, trap13, trap14, trap14, trap16, trap17, trap18, trap19};
static struct gate gates[sizeof traps / sizeof *traps];

void traps_start(void) {
    for (unsigned i = 0; i < sizeof traps / sizeof *traps; i++) {
        uint64_t at = (uint64_t)traps[i];
        gates[i] = (struct gate){.low = (uint16_t)at, .selector = 8, .kind = 0x8e, .middle = (uint16_t)(at >> 16),
                                 .high = (uint32_t)(at >> 32)};
    }
    struct __attribute__((packed)) { uint16_t limit; void *base; } table = {sizeof gates - 1, gates};
    __asm__ volatile("lidt %0" ::"m"(table));
}
