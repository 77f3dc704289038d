/* Hypercalls, and what is made of them: shared pages, grants, event channels, time, the end.
 * Interrupts stay off for the whole life of the unikernel: SCHEDOP_poll returns when one of our ports is pending or its
 * time is up, and works alike in PVH and HVM, with no vector to set up. */
#include "xen.h"
#include <xen/arch-x86/cpuid.h>
#include <xen/hvm/hvm_op.h>
#include <xen/memory.h>

SHARED_PAGES hypercall_page[PAGE];
/* Pages of Xen's, mapped where no memory is: below the hole for devices, unless the domain has more than 3 GiB. */
static shared_info_t *const shared_info = (shared_info_t *)0xC0000000;
static grant_entry_v1_t *const grants = (grant_entry_v1_t *)0xC0001000;

/* Two arguments in rdi and rsi; the hypercall's number selects its stub. Xen may change the registers beyond them. */
static long hypercall(unsigned number, long a, const void *b) {
    long result;
    __asm__ volatile("call *%[stub]" : "=a"(result), "+D"(a), "+S"(b) : [stub] "r"(hypercall_page + 32 * number)
                     : "memory", "rcx", "rdx", "r8", "r9", "r10", "r11");
    return result;
}

static void map(unsigned space, unsigned index, const void *where) {
    xen_add_to_physmap_t request = {.domid = DOMID_SELF, .space = space, .idx = index, .gpfn = (uintptr_t)where / PAGE};
    hypercall(__HYPERVISOR_memory_op, XENMEM_add_to_physmap, &request);
}

/* A fault is told on the console and to the toolstack; without a handler it would be a triple fault, which Xen takes for
 * a wish to reboot. Its address is on top of the stack, or below an error code, which is a small number. */
__attribute__((interrupt)) static void fault(uint64_t *stack) {
    log_line("fault at rip 0x%lx", stack[stack[0] < PAGE]);
    stop(SHUTDOWN_crash, "crashing");
}

/* Xen fills the hypercall page when its address is written to the register that CPUID names. (Its leaves are elsewhere
 * for a domain with `viridian`, which is for Windows.) */
void xen_start(void) {
    static struct gate { uint16_t low, selector, kind, middle; uint64_t high; } gates[32];
    struct __attribute__((packed)) { uint16_t limit; void *base; } table = {sizeof gates - 1, gates};
    uint32_t at = (uint32_t)(uintptr_t)fault, a, b, c, d;
    for (int i = 0; i < 32; i++) gates[i] = (struct gate){(uint16_t)at, 8, 0x8e00, (uint16_t)(at >> 16), 0};
    __asm__ volatile("lidt %0" ::"m"(table));

    __cpuid(XEN_CPUID_LEAF(2), a, b, c, d);
    __asm__ volatile("wrmsr" ::"a"((uint32_t)(uintptr_t)hypercall_page), "d"(0), "c"(b));
    map(XENMAPSPACE_shared_info, 0, shared_info);
    for (unsigned i = 0; i < 2; i++) map(XENMAPSPACE_grant_table, i, grants + i * (PAGE / sizeof *grants));
}

uint64_t hvm_param(unsigned index) {
    struct xen_hvm_param request = {.domid = DOMID_SELF, .index = index};
    return hypercall(__HYPERVISOR_hvm_op, HVMOP_get_param, &request) == 0 ? request.value : 0;
}

grant_ref_t grant(domid_t peer, const void *pages, unsigned count, bool readonly) {
    static grant_ref_t next = GNTTAB_NR_RESERVED_ENTRIES;
    grant_ref_t first = next;
    for (uintptr_t page = (uintptr_t)pages; next < first + count; page += PAGE, next++) {
        grants[next].frame = (uint32_t)(page / PAGE);
        grants[next].domid = peer;
        xen_wmb(); /* the flags make the entry valid, so they come last */
        grants[next].flags = GTF_permit_access | (readonly ? GTF_readonly : 0);
    }
    return first;
}

static evtchn_port_t ports[3]; /* XenStore, a vif, a vbd */
static unsigned port_count;

evtchn_port_t event_alloc(domid_t peer) {
    evtchn_alloc_unbound_t request = {.dom = DOMID_SELF, .remote_dom = peer};
    hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, &request);
    event_listen(request.port);
    return request.port;
}

void event_listen(evtchn_port_t port) { ports[port_count++] = port; }

void event_notify(evtchn_port_t port) { hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &(evtchn_send_t){port}); }

/* All pending bits are cleared before the caller looks at its rings, so none is missed. They are in the first word: Xen
 * gives out the lowest port that is free, and we have few. */
void event_wait(uint64_t deadline) {
    struct sched_poll poll = {.nr_ports = port_count, .timeout = deadline == NEVER ? 0 : deadline};
    set_xen_guest_handle(poll.ports, ports);
    if (deadline > clock_now()) hypercall(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll);
    __atomic_store_n(&shared_info->evtchn_pending[0], 0, __ATOMIC_SEQ_CST);
}

/* Xen gives a time and the TSC of that moment; the version is odd while it writes. */
uint64_t clock_now(void) {
    const volatile vcpu_time_info_t *time = &shared_info->vcpu_info[0].time;
    for (;;) {
        uint32_t version = time->version;
        __asm__ volatile("lfence" ::: "memory"); /* nor may the next instruction run ahead */
        uint64_t ticks = __builtin_ia32_rdtsc() - time->tsc_timestamp;
        ticks = time->tsc_shift < 0 ? ticks >> -time->tsc_shift : ticks << time->tsc_shift;
        uint64_t now = time->system_time + (uint64_t)((unsigned __int128)ticks * time->tsc_to_system_mul >> 32);
        xen_rmb();
        if (!(version & 1) && version == time->version) return now;
    }
}

void stop(unsigned reason, const char *why) {
    log_line("%s", why);
    console_flush(clock_now() + SECOND);
    for (;;) hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &(struct sched_shutdown){reason});
}
