/* /etc/ld.so.preload of a simulated host. No directory can be made in /proc or /sys, so what Xen has there, /proc/xen and
 * /sys/hypervisor, lies in /run/simulated-xen, and whoever opens it or asks whether it is there is led to it. The kernel's
 * command line, and its statistics with the time of the boot, are others where /run/simulated-xen has them. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *lead(const char *path, char *room, size_t size) {
    static const char *const places[][2] = {{"/proc/xen", "/run/simulated-xen/proc"},
                                            {"/sys/hypervisor", "/run/simulated-xen/sys"},
                                            {"/proc/cmdline", "/run/simulated-xen/cmdline"},
                                            {"/proc/stat", "/run/simulated-xen/stat"}};
    for (int i = 0; path && i < 4; i++) {
        size_t length = strlen(places[i][0]);
        if (strncmp(path, places[i][0], length) != 0 || (path[length] && path[length] != '/')) continue;
        snprintf(room, size, "%s%s", places[i][1], path + length);
        return i < 2 || syscall(SYS_access, room, F_OK) == 0 ? room : path;
    }
    return path;
}

#define LED(path) lead(path, (char[4096]){0}, 4096)
#define REAL(type, name, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

static mode_t mode_of(int flags, va_list rest) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; }

#define OPEN(name)                                                                                  \
    int name(const char *path, int flags, ...) {                                                    \
        va_list rest;                                                                               \
        va_start(rest, flags);                                                                      \
        mode_t mode = mode_of(flags, rest);                                                         \
        va_end(rest);                                                                               \
        return REAL(int, #name, const char *, int, mode_t)(LED(path), flags, mode);                 \
    }
#define OPENAT(name)                                                                                \
    int name(int at, const char *path, int flags, ...) {                                            \
        va_list rest;                                                                               \
        va_start(rest, flags);                                                                      \
        mode_t mode = mode_of(flags, rest);                                                         \
        va_end(rest);                                                                               \
        return REAL(int, #name, int, const char *, int, mode_t)(at, LED(path), flags, mode);        \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

#define FOPEN(name) \
    FILE *name(const char *path, const char *mode) { return REAL(FILE *, #name, const char *, const char *)(LED(path), mode); }
FOPEN(fopen)
FOPEN(fopen64)

#define ACCESS(name) \
    int name(const char *path, int mode) { return REAL(int, #name, const char *, int)(LED(path), mode); }
ACCESS(access)
ACCESS(eaccess)
ACCESS(euidaccess)
int faccessat(int at, const char *path, int mode, int flags) {
    return REAL(int, "faccessat", int, const char *, int, int)(at, LED(path), mode, flags);
}

#define STAT(name, type) \
    int name(const char *restrict path, struct type *restrict out) { return REAL(int, #name, const char *, struct type *)(LED(path), out); }
STAT(stat, stat)
STAT(stat64, stat64)
STAT(lstat, stat)
STAT(lstat64, stat64)
#define FSTATAT(name, type)                                                                         \
    int name(int at, const char *restrict path, struct type *restrict out, int flags) {             \
        return REAL(int, #name, int, const char *, struct type *, int)(at, LED(path), out, flags);   \
    }
FSTATAT(fstatat, stat)
FSTATAT(fstatat64, stat64)
int statx(int at, const char *restrict path, int flags, unsigned mask, struct statx *restrict out) {
    return REAL(int, "statx", int, const char *, int, unsigned, struct statx *)(at, LED(path), flags, mask, out);
}
