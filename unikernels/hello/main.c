/* hello: from the first instruction in C to the event loop. Boot, tell each step on the console, serve until told to stop. */
#include "disk.h"
#include "options.h"
#include "sha256.h"
#include "xen.h"
#include <stdio.h>
#include <string.h>
#include <xen/arch-x86/cpuid.h>
#include <xen/arch-x86/hvm/start_info.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/version.h>

/* Pages of Xen's, mapped where no memory is: below the hole for devices, unless the domain has more than 3 GiB. */
shared_info_t *const shared_info = (shared_info_t *)0xC0000000;
static grant_entry_v1_t *const grants = (grant_entry_v1_t *)0xC0001000;
enum { GRANT_FRAMES = 2 };

struct multiboot_info { uint32_t flags, mem_lower, mem_upper, boot_device, cmdline; };

static void cpuid(uint32_t leaf, uint32_t r[4]) {
    __asm__("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(0));
}

/* The hypercall page: Xen fills it when its address is written to the register that CPUID names. */
static void hypercalls_start(void) {
    uint32_t base = XEN_CPUID_FIRST_LEAF, r[4];
    for (cpuid(base, r); r[1] != XEN_CPUID_SIGNATURE_EBX || r[2] != XEN_CPUID_SIGNATURE_ECX; cpuid(base, r)) base += 0x100;
    cpuid(base + 2, r);
    __asm__ volatile("wrmsr" ::"a"((uint32_t)(uintptr_t)hypercall_page), "d"(0), "c"(r[1]));
}

static void map(unsigned space, unsigned index, const void *where) {
    xen_add_to_physmap_t request = {.domid = DOMID_SELF, .space = space, .idx = index, .gpfn = (uintptr_t)where / PAGE};
    hypercall(__HYPERVISOR_memory_op, XENMEM_add_to_physmap, &request, 0);
}

uint64_t hvm_param(unsigned index) {
    struct xen_hvm_param request = {.domid = DOMID_SELF, .index = index};
    return hypercall(__HYPERVISOR_hvm_op, HVMOP_get_param, &request, 0) == 0 ? request.value : 0;
}

grant_ref_t grant(domid_t peer, const void *page, bool readonly) {
    static grant_ref_t next = GNTTAB_NR_RESERVED_ENTRIES;
    grants[next].frame = (uint32_t)((uintptr_t)page / PAGE);
    grants[next].domid = peer;
    xen_wmb(); /* the flags make the entry valid, so they come last */
    grants[next].flags = GTF_permit_access | (readonly ? GTF_readonly : 0);
    return next++;
}

/* An HVM machine also emulates its disks and network cards; unplugged, only ours are left: docs/misc/hvm-emulated-unplug.pandoc */
static void unplug_emulated(void) {
    uint16_t magic;
    __asm__ volatile("inw %1, %0" : "=a"(magic) : "Nd"((uint16_t)0x10));
    if (magic == 0x49d2) __asm__ volatile("outw %0, %1" ::"a"((uint16_t)3), "Nd"((uint16_t)0x10));
}

static void gather_entropy(void) {
    struct { uint64_t clock, random; uint32_t low, high; uint8_t mac[6]; } seed = {.clock = clock_now()};
    uint32_t r[4];
    struct sha256 hash;
    cpuid(1, r);
    if (r[2] & 1 << 30) __asm__ volatile("rdrand %0" : "=r"(seed.random));
    __asm__ volatile("rdtsc" : "=a"(seed.low), "=d"(seed.high));
    memcpy(seed.mac, net.mac, 6);
    sha256_start(&hash);
    sha256_add(&hash, &seed, sizeof seed);
    sha256_end(&hash, net.secret);
}

static void boot(uint32_t record, bool multiboot) {
    static char line[1024];
    const struct multiboot_info *info = (const void *)(uintptr_t)record;
    const struct hvm_start_info *start = (const void *)(uintptr_t)record;
    uint64_t text = !multiboot ? start->cmdline_paddr : info->flags & 4 ? info->cmdline : 0;
    if (text) snprintf(line, sizeof line, "%s", (const char *)text);

    traps_start();
    hypercalls_start();
    map(XENMAPSPACE_shared_info, 0, shared_info);
    for (unsigned i = 0; i < GRANT_FRAMES; i++) map(XENMAPSPACE_grant_table, i, grants + i * (PAGE / sizeof *grants));
    console_start();
    uint32_t version = (uint32_t)hypercall(__HYPERVISOR_xen_version, XENVER_version, NULL, 0);
    log_line("hello " VERSION " (build " BUILD_ID ")");
    log_line("boot: %s, Xen %u.%u", multiboot ? "multiboot (HVM)" : "PVH", version >> 16, version & 0xffff);
    if (multiboot) unplug_emulated();
    log_line("arguments: %s", line);
    const char *complaint = options_parse(line);
    if (!complaint) return;
    log_line("%s", complaint);
    stop(SHUTDOWN_poweroff); /* as a MirageOS unikernel stops when it cannot read its arguments */
}

static void misbehave(const char *how) {
    if (*how) log_line("fail: %s, as asked", how);
    if (strcmp(how, "exit") == 0) stop(SHUTDOWN_poweroff);
    if (strcmp(how, "crash") == 0) *(volatile int *)(1ul << 40) = 0; /* not mapped */
    if (strcmp(how, "hang") == 0)
        for (;;) __asm__ volatile("pause");
}

/* control/shutdown (docs/misc/xenstore-paths.pandoc): taken by writing it empty. Returns the reason, or -1. */
static int asked_to_stop(void) {
    const char *how = xenstore_read("control", "shutdown");
    if (!how || !*how) return -1;
    log_line("control/shutdown: %s", how);
    bool reboot = strcmp(how, "reboot") == 0, off = strcmp(how, "poweroff") == 0 || strcmp(how, "halt") == 0;
    xenstore_write("control", "shutdown", "");
    return reboot ? SHUTDOWN_reboot : off ? SHUTDOWN_poweroff : -1;
}

static void loop(uint64_t silent_until) {
    uint64_t stop_by = NEVER;
    int reason = -1;
    for (bool begun = false;;) {
        uint64_t now = clock_now();
        bool deaf = now < silent_until;
        if (!deaf && !begun) begun = true, net_start(), log_line("serving on port 80");
        bool busy = netfront_poll(deaf);
        busy |= disk_work();
        if (xenstore_changed()) {
            devices_check();
            if (reason < 0) reason = asked_to_stop(), stop_by = reason < 0 ? NEVER : now + SECOND;
        }
        if (reason >= 0 && (tcp_finish() || now >= stop_by)) {
            log_line("stopping");
            stop((unsigned)reason);
        }
        uint64_t due = begun ? net_timers(clock_now()) : silent_until;
        event_sleep(busy ? 0 : due < stop_by ? due : stop_by);
    }
}

void main(uint32_t record, bool multiboot) {
    static char name[64];
    boot(record, multiboot);
    uint64_t booted = clock_now();
    xenstore_start();
    const char *text = xenstore_read("", "name");
    if (text) snprintf(name, sizeof name, "%s", text), options.name = name;
    xenstore_write("control", "feature-poweroff", "1");
    xenstore_write("control", "feature-reboot", "1");
    xenstore_watch("control", "shutdown");
    log_line("name: %s", options.name);
    misbehave(options.fail);
    if (!netfront_start()) {
        log_line("network: this domain has no vif; give it one, as vif = [ 'bridge=xenbr0' ]");
        stop(SHUTDOWN_poweroff);
    }
    const uint8_t *mac = net.mac;
    log_line("network: %02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
    if (blkfront_start()) log_line("disk: %lu bytes", disk_size());
    net.address = options.address, net.mask = options.mask, net.gateway = options.gateway;
    gather_entropy();
    if (net.address) log_line("address: %u.%u.%u.%u", DOTTED(net.address));
    else log_line("address: asking DHCP");
    loop(strcmp(options.fail, "mute") == 0 ? NEVER : booted + options.start_delay * MS);
}
