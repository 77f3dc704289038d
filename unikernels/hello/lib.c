/* The few functions of the C library that are used; gcc itself calls the first four. */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
    void *at = to;
    __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(size)::"memory");
    return to;
}

void *memset(void *to, int byte, size_t size) {
    void *at = to;
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(byte) : "memory");
    return to;
}

void *memmove(void *to, const void *from, size_t size) {
    if ((uintptr_t)to - (uintptr_t)from >= size) return memcpy(to, from, size);
    for (uint8_t *a = to; size--;) a[size] = ((const uint8_t *)from)[size];
    return to;
}

int memcmp(const void *a, const void *b, size_t size) {
    const uint8_t *x = a, *y = b;
    for (; size; x++, y++, size--)
        if (*x != *y) return *x - *y;
    return 0;
}

void *memchr(const void *text, int byte, size_t size) {
    for (const uint8_t *at = text; size--; at++)
        if (*at == (uint8_t)byte) return (void *)at;
    return NULL;
}

size_t strlen(const char *text) {
    size_t size = 0;
    while (text[size]) size++;
    return size;
}

char *strchr(const char *text, int byte) { return memchr(text, byte, strlen(text) + 1); }

int strncmp(const char *a, const char *b, size_t size) {
    for (; size && *a && *a == *b; a++, b++, size--) {}
    return size ? (uint8_t)*a - (uint8_t)*b : 0;
}

int strcmp(const char *a, const char *b) { return strncmp(a, b, SIZE_MAX); }

/* %s %u %x with an optional 0-padded width and an optional l. */
int vsnprintf(char *out, size_t room, const char *format, va_list values) {
    size_t size = 0;
    for (; *format; format++) {
        char digits[24], *text = digits + sizeof digits - 1;
        size_t width = 0, length = 1;
        if (*format != '%') {
            *text = *format;
        } else {
            if (*++format == '0') width = (size_t)(*++format - '0'), format++;
            bool wide = *format == 'l' && *++format;
            if (*format == 's') {
                text = va_arg(values, char *);
                length = strlen(text);
            } else {
                uint64_t value = wide ? va_arg(values, uint64_t) : va_arg(values, uint32_t), base = *format == 'x' ? 16 : 10;
                length = 0;
                do *--text = "0123456789abcdef"[value % base], length++;
                while ((value /= base) || length < width);
            }
        }
        for (; length--; text++, size++)
            if (size + 1 < room) out[size] = *text;
    }
    if (room) out[size < room ? size : room - 1] = 0;
    return (int)size;
}

int snprintf(char *out, size_t room, const char *format, ...) {
    va_list values;
    va_start(values, format);
    int size = vsnprintf(out, room, format, values);
    va_end(values);
    return size;
}
