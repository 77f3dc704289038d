/* The few functions of the C library that are used; gcc itself calls the first four. */
#include "hello.h"

void *memset(void *to, int byte, size_t size) {
    for (uint8_t *at = to; size--; at++) *at = (uint8_t)byte;
    return to;
}

void *memmove(void *to, const void *from, size_t size) {
    void *at = to;
    if (to <= from) __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(size)::"memory");
    else while (size--) ((uint8_t *)to)[size] = ((const uint8_t *)from)[size];
    return to;
}
void *memcpy(void *restrict to, const void *restrict from, size_t size) __attribute__((alias("memmove")));

int memcmp(const void *a, const void *b, size_t size) {
    const uint8_t *x = a, *y = b;
    while (size && *x == *y) x++, y++, size--;
    return size ? *x - *y : 0;
}

size_t strlen(const char *text) {
    size_t size = 0;
    while (text[size]) size++;
    return size;
}

char *strstr(const char *text, const char *word) {
    for (size_t left = strlen(text), size = strlen(word); left >= size; text++, left--)
        if (memcmp(text, word, size) == 0) return (char *)text;
    return NULL;
}

/* %s %u %x with an optional l. */
int vsnprintf(char *out, size_t room, const char *format, va_list values) {
    size_t size = 0;
    for (; *format; format++) {
        char digits[24] = "", *text = digits + sizeof digits - 1;
        if (*format != '%') {
            *--text = *format;
        } else if (*++format == 's') {
            text = va_arg(values, char *);
        } else {
            bool wide = *format == 'l' && *++format;
            uint64_t value = wide ? va_arg(values, uint64_t) : va_arg(values, uint32_t), base = *format == 'x' ? 16 : 10;
            do *--text = "0123456789abcdef"[value % base];
            while (value /= base);
        }
        for (; *text; text++, size++)
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
