/* The first instructions: 32-bit protected mode without paging, EBX pointing to hvm_start_info (Xen, docs/misc/pvh.pandoc).
   They map the first 4 GiB where they are, the image where it is linked, and go to long mode. There the kernel's half gets its
   place, and the image goes on in it. The final tables are core's work.

   No address here is absolute, since the linker would have it change with the image. EBP holds this entry's physical one. */

.set KERNEL_BASE, 0xffffffff80000000
.set PRESENT_WRITABLE, 3
.set LARGE, 0x80

/* Note of the entry's address: XEN_ELFNOTE_PHYS32_ENTRY (Xen, public/elfnote.h). */
.section .note.pvh, "a", @note
.p2align 2
.long 4, 8, 18
.asciz "Xen"
.quad rumpkin_pvh_entry_physical

.macro address symbol, register
    leal (\symbol - rumpkin_pvh_entry)(%ebp), %\register
.endm

.section .text.rumpkin_pvh_entry, "ax", @progbits
.code32
.globl rumpkin_pvh_entry
rumpkin_pvh_entry:
    cli
    cld
    rdtsc
    movl %eax, %esi
    movl $rumpkin_pvh_entry_physical, %ebp

    /* What a loader leaves out of a file need not be zero, if another part of a damaged one got there. */
    address __bss_start, edi
    address __data_end, ecx
    subl %edi, %ecx
    shrl $2, %ecx
    xorl %eax, %eax
    rep stosl

    address boot_stack_top, esp
    pushl %edx
    pushl %esi
    pushl $0
    pushl %ebx

    /* Four directories of 2 MiB pages. */
    address boot_directories, edi
    xorl %ecx, %ecx
1:  movl %ecx, %eax
    shll $21, %eax
    orl $(PRESENT_WRITABLE | LARGE), %eax
    movl %eax, (%edi, %ecx, 8)
    movl $0, 4(%edi, %ecx, 8)
    incl %ecx
    cmpl $2048, %ecx
    jne 1b

    leal PRESENT_WRITABLE(%edi), %eax
    address boot_pointers, edi
    xorl %ecx, %ecx
2:  movl %eax, (%edi, %ecx, 8)
    addl $0x1000, %eax
    incl %ecx
    cmpl $4, %ecx
    jne 2b
    leal PRESENT_WRITABLE(%edi), %eax
    address boot_top, edi
    movl %eax, (%edi)
    address boot_image, ecx
    leal PRESENT_WRITABLE(%ecx), %eax
    movl %eax, 511 * 8(%edi)
    addl $0x1000, %eax
    movl %eax, 510 * 8(%ecx)
    movl $(PRESENT_WRITABLE | LARGE), 0x1000(%ecx)
    movl $(0x200000 + (PRESENT_WRITABLE | LARGE)), 0x1008(%ecx)

    movl %cr4, %eax
    orl $0x20, %eax                     /* PAE */
    movl %eax, %cr4
    movl %edi, %cr3
    movl $0xc0000080, %ecx              /* EFER: LME, NXE */
    rdmsr
    orl $0x900, %eax
    wrmsr
    movl $0x80010031, %eax              /* PG, WP, NE, ET, PE */
    movl %eax, %cr0
    address boot_gdt, eax
    pushl %eax
    pushw $23
    lgdt (%esp)
    addl $6, %esp
    pushl $8
    address 3f, eax
    pushl %eax
    lretl
.code64
3:  movw $16, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    xorl %eax, %eax
    movw %ax, %fs
    movw %ax, %gs
    movl %esp, %esp
    popq %rbx                           /* hvm_start_info */
    popq %r12                           /* time-stamp counter */
    xorl %ebp, %ebp
    leaq boot_top(%rip), %rdi
    leaq 4f(%rip), %rax
    addq $KERNEL_BASE, %rax
    jmpq *%rax
4:  leaq boot_stack_top(%rip), %rsp
    movabsq $0x6c6165735f6b7072, %rax   /* the end of the code, by the linker script */
    cmpq %rax, __text_seal(%rip)
    jne rumpkin_pvh_damaged
    movq %r12, %rsi
    call rumpkin_pvh_place
    leaq 5f(%rip), %rcx
    addq %rax, %rcx                     /* by so much the image has moved */
    jmpq *%rcx
5:  leaq boot_stack_top(%rip), %rsp
    movq %rbx, %rdi
    movq %r12, %rsi
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

/* In the order of `place::Tables`. */
.section .bss.rumpkin_pvh, "aw", @nobits
.p2align 12
boot_top: .skip 4096
boot_pointers: .skip 4096
boot_directories: .skip 4 * 4096
boot_image: .skip 5 * 4096
boot_stack: .skip 32768
boot_stack_top:
.text
