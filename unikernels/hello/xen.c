/* Hypercalls, and what is made of them: shared pages, grants, event channels, time, the end.
 * Interrupts stay off for the whole life of the unikernel: SCHEDOP_poll returns when one of our ports is pending or its
 * time is up, and works alike in PVH and HVM, with no vector to set up. */
#include "xen.h"
#include <cpuid.h>
#include <xen/arch-x86/cpuid.h>
#include <xen/event_channel.h>
#include <xen/hvm/hvm_op.h>
#include <xen/memory.h>

extern uint8_t hypercall_page[];
/* Pages of Xen's, mapped where no memory is: below the hole for devices, unless the domain has more than 3 GiB. */
static shared_info_t *const shared_info = (shared_info_t *)0xC0000000;
static grant_entry_v1_t *const grants = (grant_entry_v1_t *)0xC0001000;
enum { GRANT_FRAMES = 2 };

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

/* Xen fills the hypercall page when its address is written to the register that CPUID names. */
void xen_start(void) {
    uint32_t base = XEN_CPUID_FIRST_LEAF - 0x100, a, b, c, d;
    do __cpuid(base += 0x100, a, b, c, d);
    while (b != XEN_CPUID_SIGNATURE_EBX);
    __cpuid(base + 2, a, b, c, d);
    __asm__ volatile("wrmsr" ::"a"((uint32_t)(uintptr_t)hypercall_page), "d"(0), "c"(b));
    map(XENMAPSPACE_shared_info, 0, shared_info);
    for (unsigned i = 0; i < GRANT_FRAMES; i++) map(XENMAPSPACE_grant_table, i, grants + i * (PAGE / sizeof *grants));
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

static port_t ports[4]; /* console, XenStore, a vif, a vbd */
static unsigned port_count;

port_t event_alloc(domid_t peer) {
    evtchn_alloc_unbound_t request = {.dom = DOMID_SELF, .remote_dom = peer};
    hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, &request);
    event_listen(request.port);
    return request.port;
}

void event_listen(port_t port) { ports[port_count++] = port; }

void event_notify(port_t port) { hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &(evtchn_send_t){port}); }

/* All pending bits are cleared before the caller looks at its rings, so none is missed. They are in the first word: Xen
 * gives out the lowest port that is free, and we have four. */
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

void stop(unsigned reason) {
    console_flush(clock_now() + SECOND);
    for (;;) hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &(struct sched_shutdown){reason});
}
