/* A fault of our own is told on the console and to the toolstack; without a handler it would be a triple fault,
 * which Xen takes for a wish to reboot. */
#include "xen.h"

struct frame { uint64_t rip, cs, rflags, rsp, ss; };
static struct gate { uint16_t low, selector; uint8_t ist, kind; uint16_t middle; uint32_t high, zero; } gates[20];

static void fault(const struct frame *frame, uint64_t error) {
    uint64_t address;
    __asm__("mov %%cr2, %0" : "=r"(address));
    log_line("fault at rip 0x%lx (error 0x%lx, cr2 0x%lx): stopping", frame->rip, error, address);
    stop(SHUTDOWN_crash);
}

__attribute__((interrupt)) static void plain(struct frame *frame) { fault(frame, 0); }
__attribute__((interrupt)) static void with_error(struct frame *frame, uint64_t error) { fault(frame, error); }

void traps_start(void) {
    for (unsigned vector = 0; vector < sizeof gates / sizeof *gates; vector++) {
        bool coded = vector == 8 || (vector >= 10 && vector <= 14) || vector == 17; /* the processor pushes an error code */
        uint64_t at = (uint64_t)(coded ? (void *)with_error : (void *)plain); /* below 4 GiB */
        gates[vector] = (struct gate){.low = (uint16_t)at, .selector = 8, .kind = 0x8e, .middle = (uint16_t)(at >> 16)};
    }
    struct __attribute__((packed)) { uint16_t limit; void *base; } table = {sizeof gates - 1, gates};
    __asm__ volatile("lidt %0" ::"m"(table));
}
