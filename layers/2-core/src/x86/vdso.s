/* The vDSO: an ELF shared object, put together by hand, that a program's C library finds through AT_SYSINFO_EHDR.
   It is position-independent; the clock page (ClockPage in vdso.rs) lies right below it. */

.section .rodata.rumpkin_vdso, "a", @progbits
.p2align 12
.globl rumpkin_vdso_begin
.globl rumpkin_vdso_end
rumpkin_vdso_begin:

/* ELF header. */
    .byte 0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0
    .quad 0
    .short 3, 62                        /* ET_DYN, x86-64 */
    .long 1
    .quad 0                             /* entry */
    .quad vdso_program_headers - rumpkin_vdso_begin
    .quad 0                             /* sections */
    .long 0
    .short 64, 56, 2, 0, 0, 0

vdso_program_headers:
    .long 1, 5                          /* PT_LOAD, r-x */
    .quad 0, 0, 0
    .quad vdso_contents_end - rumpkin_vdso_begin, vdso_contents_end - rumpkin_vdso_begin
    .quad 0x1000
    .long 2, 4                          /* PT_DYNAMIC, r-- */
    .quad vdso_dynamic - rumpkin_vdso_begin, vdso_dynamic - rumpkin_vdso_begin, vdso_dynamic - rumpkin_vdso_begin
    .quad vdso_dynamic_end - vdso_dynamic, vdso_dynamic_end - vdso_dynamic
    .quad 8

.p2align 3
vdso_dynamic:
    .quad 14, vdso_name_so - vdso_strings                           /* DT_SONAME */
    .quad 4, vdso_hash - rumpkin_vdso_begin                         /* DT_HASH */
    .quad 5, vdso_strings - rumpkin_vdso_begin                      /* DT_STRTAB */
    .quad 6, vdso_symbols - rumpkin_vdso_begin                      /* DT_SYMTAB */
    .quad 10, vdso_strings_end - vdso_strings                       /* DT_STRSZ */
    .quad 11, 24                                                    /* DT_SYMENT */
    .quad 0x6ffffff0, vdso_versions - rumpkin_vdso_begin            /* DT_VERSYM */
    .quad 0x6ffffffc, vdso_definitions - rumpkin_vdso_begin         /* DT_VERDEF */
    .quad 0x6ffffffd, 2                                             /* DT_VERDEFNUM */
    .quad 0, 0
vdso_dynamic_end:

/* One bucket: a chain over all symbols. */
vdso_hash:
    .long 1, 6
    .long 1
    .long 0, 2, 3, 4, 5, 0

.macro vdso_symbol name, code, end
    .long \name - vdso_strings
    .byte 0x12, 0                       /* global function */
    .short 1
    .quad \code - rumpkin_vdso_begin
    .quad \end - \code
.endm

.p2align 3
vdso_symbols:
    .quad 0, 0, 0
    vdso_symbol vdso_name_clock_gettime, vdso_clock_gettime, vdso_clock_gettime_end
    vdso_symbol vdso_name_gettimeofday, vdso_gettimeofday, vdso_gettimeofday_end
    vdso_symbol vdso_name_time, vdso_time, vdso_time_end
    vdso_symbol vdso_name_clock_getres, vdso_clock_getres, vdso_clock_getres_end
    vdso_symbol vdso_name_getcpu, vdso_getcpu, vdso_getcpu_end

vdso_strings:
    .byte 0
vdso_name_so: .asciz "linux-vdso.so.1"
vdso_name_version: .asciz "LINUX_2.6"
vdso_name_clock_gettime: .asciz "__vdso_clock_gettime"
vdso_name_gettimeofday: .asciz "__vdso_gettimeofday"
vdso_name_time: .asciz "__vdso_time"
vdso_name_clock_getres: .asciz "__vdso_clock_getres"
vdso_name_getcpu: .asciz "__vdso_getcpu"
vdso_strings_end:

.p2align 1
vdso_versions:
    .short 0, 2, 2, 2, 2, 2

/* Version 1 is the object itself, version 2 is LINUX_2.6; the long words are the names' ELF hashes. */
.p2align 3
vdso_definitions:
    .short 1, 1, 1, 1
    .long 0x0deebfa1, 20, 28
    .long vdso_name_so - vdso_strings, 0
    .short 1, 0, 2, 1
    .long 0x03ae75f6, 20, 0
    .long vdso_name_version - vdso_strings, 0

.set PAGE_VALID, 0
.set PAGE_SHIFT, 4
.set PAGE_TSC, 8
.set PAGE_NANOSECONDS, 16
.set PAGE_MULTIPLIER, 24
.set PAGE_REALTIME_AT_BOOT, 32

/* RAX = nanoseconds since boot, R8 = the clock page. Spoils RCX and RDX. */
.macro vdso_monotonic
    lfence
    rdtsc
    shlq $32, %rdx
    orq %rdx, %rax
    xorl %edx, %edx
    subq PAGE_TSC(%r8), %rax
    cmovcq %rdx, %rax
    movl PAGE_SHIFT(%r8), %ecx
    testl %ecx, %ecx
    js 91f
    shlq %cl, %rax
    jmp 92f
91: negl %ecx
    shrq %cl, %rax
92: mulq PAGE_MULTIPLIER(%r8)
    shrdq $32, %rdx, %rax
    addq PAGE_NANOSECONDS(%r8), %rax
.endm

/* R8 = the clock page; goes to \otherwise if it is not good. */
.macro vdso_clock_page otherwise
    leaq rumpkin_vdso_begin - 4096(%rip), %r8
    cmpl $0, PAGE_VALID(%r8)
    je \otherwise
.endm

/* int clock_gettime(clockid_t RDI, struct timespec *RSI) */
.p2align 4
vdso_clock_gettime:
    cmpl $7, %edi
    ja 9f
    movl $0xf3, %eax                    /* all of 0 to 7 but the CPU-time clocks */
    btl %edi, %eax
    jnc 9f
    vdso_clock_page 9f
    vdso_monotonic
    movl $0x21, %ecx                    /* the realtime ones of these */
    btl %edi, %ecx
    jnc 1f
    addq PAGE_REALTIME_AT_BOOT(%r8), %rax
1:  xorl %edx, %edx
    movl $1000000000, %ecx
    divq %rcx
    movq %rax, (%rsi)
    movq %rdx, 8(%rsi)
    xorl %eax, %eax
    ret
9:  movl $228, %eax
    syscall
    ret
vdso_clock_gettime_end:

/* int gettimeofday(struct timeval *RDI, struct timezone *RSI) */
.p2align 4
vdso_gettimeofday:
    testq %rdi, %rdi
    jz 9f
    testq %rsi, %rsi
    jnz 9f
    vdso_clock_page 9f
    vdso_monotonic
    addq PAGE_REALTIME_AT_BOOT(%r8), %rax
    xorl %edx, %edx
    movl $1000, %ecx
    divq %rcx
    xorl %edx, %edx
    movl $1000000, %ecx
    divq %rcx
    movq %rax, (%rdi)
    movq %rdx, 8(%rdi)
    xorl %eax, %eax
    ret
9:  movl $96, %eax
    syscall
    ret
vdso_gettimeofday_end:

/* time_t time(time_t *RDI) */
.p2align 4
vdso_time:
    vdso_clock_page 9f
    vdso_monotonic
    addq PAGE_REALTIME_AT_BOOT(%r8), %rax
    xorl %edx, %edx
    movl $1000000000, %ecx
    divq %rcx
    testq %rdi, %rdi
    jz 1f
    movq %rax, (%rdi)
1:  ret
9:  movl $201, %eax
    syscall
    ret
vdso_time_end:

/* int clock_getres(clockid_t, struct timespec *): too rare to be worth more than the system call. */
.p2align 4
vdso_clock_getres:
    movl $229, %eax
    syscall
    ret
vdso_clock_getres_end:

/* int getcpu(unsigned *, unsigned *, void *): the processor number is the kernel's to know. */
.p2align 4
vdso_getcpu:
    movl $309, %eax
    syscall
    ret
vdso_getcpu_end:

vdso_contents_end:
.p2align 12
rumpkin_vdso_end:
.text
