/* One way in for two loaders: Xen's PVH loader finds `entry` in an ELF note, GRUB finds the multiboot1 header and uses
 * the ELF entry. Both arrive in 32-bit protected mode, paging off, with the address of their boot record in %ebx; a
 * multiboot loader leaves its magic number in %eax. Sources: Xen docs/misc/pvh.pandoc; Multiboot 0.6.96.
 */
#include <xen/elfnote.h>
        .file "boot.S"                         /* else the symbol table would hold the name of a temporary file */

        .section .note.Xen, "a", @note
        .balign 4
        .long 4, 4, XEN_ELFNOTE_PHYS32_ENTRY   /* sizes of name and value, kind */
        .asciz "Xen"
        .long entry

        .section .text.boot, "ax"
        .code32
        .balign 4
        .long 0x1BADB002, 0, -0x1BADB002       /* magic, flags, checksum */

        .globl entry
entry:  cld
        movl %eax, %esi
        movl $1 << 5, %eax                     /* PAE */
        movl %eax, %cr4
        movl $pml4, %eax
        movl %eax, %cr3
        movl $0xC0000080, %ecx                 /* EFER */
        rdmsr
        orl $1 << 8, %eax                      /* LME */
        wrmsr
        movl %cr0, %eax
        orl $1 << 31, %eax                     /* PG */
        movl %eax, %cr0
        lgdt gdt_pointer
        ljmp $0x08, $1f

        .code64
1:      movl $stack_top, %esp                  /* data segments do not matter any more */
        movl %ebx, %edi                        /* main(boot record, magic) */
        call main

        .section .data.boot, "aw"
gdt:    .quad 0, 0x00af9a000000ffff
gdt_pointer:
        .word . - gdt - 1
        .long gdt

/* The first 4 GiB, mapped one to one with 2 MiB pages: Xen puts its shared pages just below 4 GiB. */
        .balign 4096
pml4:   .quad pdpt + 3
        .fill 511, 8, 0
pdpt:   .quad pd + 3, pd + 0x1003, pd + 0x2003, pd + 0x3003
        .fill 508, 8, 0
pd:     .set page, 0
        .rept 2048
        .quad (page << 21) + 0x83              /* present, writable, large */
        .set page, page + 1
        .endr

        .section .bss
        .balign 16
        .fill 32768
stack_top:
