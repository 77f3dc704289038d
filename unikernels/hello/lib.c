/* The few functions of the C library that are used; gcc itself calls the first four. */
#include "hello.h"
#include <stdarg.h>

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
    if (to <= from) return memcpy(to, from, size); /* it copies upwards */
    while (size--) ((uint8_t *)to)[size] = ((const uint8_t *)from)[size];
    return to;
}

int memcmp(const void *a, const void *b, size_t size) {
    const uint8_t *x = a, *y = b;
    for (; size; x++, y++, size--)
        if (*x != *y) return *x - *y;
    return 0;
}

size_t strlen(const char *text) {
    size_t size = 0;
    while (text[size]) size++;
    return size;
}

int strcmp(const char *a, const char *b) {
    while (*a && *a == *b) a++, b++;
    return (uint8_t)*a - (uint8_t)*b;
}

char *strchr(const char *text, int byte) {
    while (*text && *text != (char)byte) text++;
    return *text == (char)byte ? (char *)text : NULL;
}

char *strstr(const char *text, const char *word) {
    size_t length = strlen(word);
    for (size_t left = strlen(text); left >= length; text++, left--)
        if (memcmp(text, word, length) == 0) return (char *)text;
    return NULL;
}

/* %s %u %x with an optional 0-padded width and an optional l. */
int vsnprintf(char *out, size_t room, const char *format, va_list values) {
    size_t size = 0;
    for (; *format; format++) {
        char digits[24], *end = digits + sizeof digits, *text = end;
        if (*format != '%') {
            *--text = *format;
        } else if (*++format == 's') {
            text = va_arg(values, char *);
            end = text + strlen(text);
        } else {
            char *start = end;
            if (*format == '0') start -= *++format - '0', format++;
            bool wide = *format == 'l' && *++format;
            uint64_t value = wide ? va_arg(values, uint64_t) : va_arg(values, uint32_t), base = *format == 'x' ? 16 : 10;
            do *--text = "0123456789abcdef"[value % base];
            while ((value /= base) || text > start);
        }
        for (; text < end; text++, size++)
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
