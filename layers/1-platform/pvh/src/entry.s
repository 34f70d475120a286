/* The first instructions: 32-bit protected mode without paging, EBX pointing to hvm_start_info (Xen, docs/misc/pvh.pandoc).
   They map the first 4 GiB, at 0 and in the direct map, and the first GiB at the kernel's base, and go to long mode. The
   final tables are core's work. */

.set KERNEL_BASE, 0xffffffff80000000
.set PRESENT_WRITABLE, 3
.set LARGE, 0x80

/* Note of the entry's address: XEN_ELFNOTE_PHYS32_ENTRY (Xen, public/elfnote.h). */
.section .note.pvh, "a", @note
.p2align 2
.long 4, 8, 18
.asciz "Xen"
.quad rumpkin_pvh_entry - KERNEL_BASE

.section .text.rumpkin_pvh_entry, "ax", @progbits
.code32
.globl rumpkin_pvh_entry
rumpkin_pvh_entry:
    cli
    cld
    rdtsc
    movl %eax, %esi
    movl %edx, %ebp

    /* What a loader leaves out of a file need not be zero, if another part of a damaged one got there. */
    movl $(__bss_start - KERNEL_BASE), %edi
    movl $(__data_end - KERNEL_BASE), %ecx
    subl %edi, %ecx
    shrl $2, %ecx
    xorl %eax, %eax
    rep stosl

    movl $(boot_stack_top - KERNEL_BASE), %esp
    pushl %ebp
    pushl %esi
    pushl $0
    pushl %ebx

    /* Four directories of 2 MiB pages. */
    movl $(boot_directories - KERNEL_BASE), %edi
    xorl %ecx, %ecx
1:  movl %ecx, %eax
    shll $21, %eax
    orl $(PRESENT_WRITABLE | LARGE), %eax
    movl %eax, (%edi, %ecx, 8)
    movl $0, 4(%edi, %ecx, 8)
    incl %ecx
    cmpl $2048, %ecx
    jne 1b

    movl $(boot_pointers - KERNEL_BASE), %edi
    movl $(boot_directories - KERNEL_BASE + PRESENT_WRITABLE), %eax
    xorl %ecx, %ecx
2:  movl %eax, (%edi, %ecx, 8)
    addl $0x1000, %eax
    incl %ecx
    cmpl $4, %ecx
    jne 2b
    movl $(boot_directories - KERNEL_BASE + PRESENT_WRITABLE), (boot_kernel_pointers - KERNEL_BASE + 510 * 8)
    movl $(boot_pointers - KERNEL_BASE + PRESENT_WRITABLE), (boot_top - KERNEL_BASE)
    movl $(boot_pointers - KERNEL_BASE + PRESENT_WRITABLE), (boot_top - KERNEL_BASE + 256 * 8)
    movl $(boot_kernel_pointers - KERNEL_BASE + PRESENT_WRITABLE), (boot_top - KERNEL_BASE + 511 * 8)

    movl %cr4, %eax
    orl $0x20, %eax                     /* PAE */
    movl %eax, %cr4
    movl $(boot_top - KERNEL_BASE), %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx              /* EFER: LME, NXE */
    rdmsr
    orl $0x900, %eax
    wrmsr
    movl $0x80010031, %eax              /* PG, WP, NE, ET, PE */
    movl %eax, %cr0
    lgdt (boot_gdt_pointer - KERNEL_BASE)
    ljmp $8, $(3f - KERNEL_BASE)
.code64
3:  movabsq $4f, %rax
    jmpq *%rax
4:  movw $16, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    xorl %eax, %eax
    movw %ax, %fs
    movw %ax, %gs
    popq %rdi                           /* hvm_start_info */
    popq %rsi                           /* time-stamp counter */
    movabsq $boot_stack_top, %rsp
    xorl %ebp, %ebp
    movabsq $0x6c6165735f6b7072, %rax   /* the end of the code, by the linker script */
    cmpq %rax, __text_seal(%rip)
    jne rumpkin_pvh_damaged
    call rumpkin_pvh_main
    ud2

/* The end of a machine whose image is damaged: says so on the serial port and where the launcher reads the status, and leaves by
   QEMU's exit device or else by a fault that nobody handles. */
.globl rumpkin_pvh_damaged
rumpkin_pvh_damaged:
    cld
    movw $0x3f8, %dx
    leaq damaged_message(%rip), %rsi
    movl $(damaged_message_end - damaged_message), %ecx
    rep outsb
    movw $0xe9, %dx
    leaq damaged_status(%rip), %rsi
    movl $(damaged_status_end - damaged_status), %ecx
    rep outsb
    movb $125, %al
    outb %al, $0xf4
    pushq $0
    pushq $0
    lidt (%rsp)
    int3

/* Beside the code: nothing else has to be where it belongs until the checksum has been looked at. */
.section .entry, "a", @progbits
damaged_message: .ascii "the image is damaged: it is not what its checksum was made of; get or bake it again\r\n"
damaged_message_end:
damaged_status: .ascii "exit 125\n"
damaged_status_end:

.p2align 3
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
boot_gdt_pointer:
    .word 23
    .long boot_gdt - KERNEL_BASE

.section .bss.rumpkin_pvh, "aw", @nobits
.p2align 12
boot_top: .skip 4096
boot_pointers: .skip 4096
boot_kernel_pointers: .skip 4096
boot_directories: .skip 4 * 4096
boot_stack: .skip 32768
boot_stack_top:
.text
