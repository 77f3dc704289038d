/*
 * Lets xl read configurations where no Xen runs: `xl -N create FILE` prints what it read and stops, but first
 * it asks the hypervisor how many CPUs and nodes there are. Preloaded, these answer for a machine of four.
 */
#include <string.h>
#include <xenctrl.h>

static char handle[4096];

xc_interface *xc_interface_open(xentoollog_logger *log, xentoollog_logger *dombuild_log, unsigned flags)
{
    return (xc_interface *)handle;
}

int xc_interface_close(xc_interface *xch) { return 0; }

int xc_physinfo(xc_interface *xch, xc_physinfo_t *info)
{
    memset(info, 0, sizeof *info);
    info->nr_cpus = 4;
    info->max_cpu_id = 3;
    info->nr_nodes = 1;
    info->cores_per_socket = 4;
    info->threads_per_core = 1;
    info->total_pages = 1 << 20;
    return 0;
}

long xc_sharing_freed_pages(xc_interface *xch) { return 0; }
long xc_sharing_used_frames(xc_interface *xch) { return 0; }
int xc_version(xc_interface *xch, int cmd, void *arg) { return 0; }
int xc_get_max_cpus(xc_interface *xch) { return 4; }
int xc_get_max_nodes(xc_interface *xch) { return 1; }
void *xs_open(unsigned long flags) { return handle; }
void xs_close(void *xsh) {}
