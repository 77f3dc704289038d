/*
 * Asks Xen's own library, libxlutil, what it makes of many configurations and disk specifications.
 *
 * stdin:  cases, each one byte for its kind ('c': a configuration, 'v': the same, for a verdict only,
 *         'd': a disk specification, 'p': a PCI specification), four bytes of length (little endian), and the text.
 * stdout: one line a case: "error", "crash", or what was read, as JSON with one \u00XX a byte.
 *
 * The library aborts on some texts. The cases run in a child; when one kills it, the next child goes on behind it.
 */
#define _GNU_SOURCE
#include <libxlutil.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* The library can be asked for a key by name only. These are its own structures (libxlu_internal.h, 4.17). */
struct list { int avalues, nvalues; struct value **values; };
struct value {
    enum XLU_ConfigValueType type;
    union { char *string; struct list list; } u;
};
struct setting { struct setting *next; char *name; struct value *value; enum XLU_Operation op; int lineno; };
struct config { struct setting *settings; };

static FILE *silence;

static void print_string(const char *s)
{
    if (!s) { fputs("null", stdout); return; }
    putchar('"');
    for (; *s; s++) printf("\\u%04x", (unsigned char)*s);
    putchar('"');
}

static void print_value(const struct value *v)
{
    if (v->type == XLU_STRING) { print_string(v->u.string); return; }
    putchar('[');
    for (int i = 0; i < v->u.list.nvalues; i++) {
        if (i) putchar(',');
        print_value(v->u.list.values[i]);
    }
    putchar(']');
}

static void do_config(const char *text, uint32_t length)
{
    XLU_Config *cfg = xlu_cfg_init(silence, "case");
    if (xlu_cfg_readdata(cfg, text, (int)length)) {
        puts("error");
    } else {
        putchar('[');
        for (struct setting *s = ((struct config *)cfg)->settings; s; s = s->next) {
            /* Earlier settings of the same name do not count, and += leaves them emptied. */
            struct setting *newer = ((struct config *)cfg)->settings;
            while (newer != s && strcmp(newer->name, s->name)) newer = newer->next;
            if (newer != s) continue;
            if (s != ((struct config *)cfg)->settings) putchar(',');
            putchar('[');
            print_string(s->name);
            printf(",%d,", s->lineno);
            print_value(s->value);
            putchar(']');
        }
        puts("]");
    }
    xlu_cfg_destroy(cfg);
}

static void do_verdict(const char *text, uint32_t length)
{
    XLU_Config *cfg = xlu_cfg_init(silence, "case");
    puts(xlu_cfg_readdata(cfg, text, (int)length) ? "error" : "{}");
    xlu_cfg_destroy(cfg);
}

static const char *defbool(libxl_defbool b)
{
    return libxl_defbool_is_default(b) ? "null" : libxl_defbool_val(b) ? "true" : "false";
}

static void field(const char *name, const char *value)
{
    printf(",\"%s\":", name);
    print_string(value);
}

static void do_disk(const char *spec)
{
    XLU_Config *cfg = xlu_cfg_init(silence, "case");
    libxl_device_disk d;
    libxl_device_disk_init(&d);
    if (xlu_disk_parse(cfg, 1, &spec, &d)) {
        puts("error");
    } else {
        printf("{\"readwrite\":%d,\"cdrom\":%d,\"safe\":%d,\"coloPort\":%d", d.readwrite, d.is_cdrom,
               d.direct_io_safe, d.colo_port);
        printf(",\"discard\":%s", defbool(d.discard_enable));
        printf(",\"colo\":%s", defbool(d.colo_enable));
        printf(",\"trusted\":%s", defbool(d.trusted));
        field("target", d.pdev_path);
        field("vdev", d.vdev);
        field("script", d.script);
        field("backend", d.backend_domname);
        field("coloHost", d.colo_host);
        field("coloExport", d.colo_export);
        field("activeDisk", d.active_disk);
        field("hiddenDisk", d.hidden_disk);
        field("format", libxl_disk_format_to_string(d.format));
        field("backendtype", libxl_disk_backend_to_string(d.backend));
        field("specification", libxl_disk_specification_to_string(d.specification));
        puts("}");
    }
    libxl_device_disk_dispose(&d);
    xlu_cfg_destroy(cfg);
}

static void do_pci(const char *spec)
{
    XLU_Config *cfg = xlu_cfg_init(silence, "case");
    libxl_device_pci p;
    libxl_device_pci_init(&p);
    if (xlu_pci_parse_spec_string(cfg, &p, spec)) {
        puts("error");
    } else {
        printf("{\"domain\":%d,\"bus\":%d,\"dev\":%d,\"func\":%d,\"mask\":%u,\"vdevfn\":%u", p.domain, p.bus, p.dev,
               p.func, p.vfunc_mask, p.vdevfn);
        printf(",\"permissive\":%d,\"msitranslate\":%d,\"seize\":%d,\"power\":%d,\"rdm\":%d", p.permissive,
               p.msitranslate, p.seize, p.power_mgmt, p.rdm_policy);
        field("name", p.name);
        puts("}");
    }
    libxl_device_pci_dispose(&p);
    xlu_cfg_destroy(cfg);
}

int main(void)
{
    size_t size = 0, capacity = 1 << 20;
    char *input = malloc(capacity);
    for (ssize_t n; (n = read(0, input + size, capacity - size)) > 0;) {
        size += (size_t)n;
        if (size == capacity) input = realloc(input, capacity *= 2);
    }
    silence = fopen("/dev/null", "w");
    /* Where the child is: shared, so that its parent knows what killed it. */
    volatile size_t *at = mmap(NULL, sizeof *at, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    while (*at < size) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            freopen("/dev/null", "w", stderr);
            while (*at < size) {
                uint32_t length;
                memcpy(&length, input + *at + 1, 4);
                char *text = strndup(input + *at + 5, length);
                switch (input[*at]) {
                case 'c': do_config(input + *at + 5, length); break;
                case 'v': do_verdict(input + *at + 5, length); break;
                case 'd': do_disk(text); break;
                case 'p': do_pci(text); break;
                }
                free(text);
                fflush(stdout);
                *at += 5 + length;
            }
            _exit(0);
        }
        int status;
        waitpid(child, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) break;
        uint32_t length;
        memcpy(&length, input + *at + 1, 4);
        *at += 5 + length;
        puts("crash");
    }
    return 0;
}
