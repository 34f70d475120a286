/* Instructions and jumps that a program has no business with: what the processor or the kernel refuses is a signal
   (sigaction(2), "The siginfo_t argument"), and whatever they leave behind, the kernel goes on. */
#define _GNU_SOURCE
#include "tap.h"
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE 4096
#define TRAP_GENERAL_PROTECTION 13
#define TRAP_PAGE_FAULT 14
#define CARRY 0x1
#define TRAP_FLAG 0x100
#define INTERRUPT_FLAG 0x200
#define DIRECTION 0x400
#define IO_PRIVILEGE 0x3000
#define NESTED_TASK 0x4000
#define ALIGNMENT_CHECK 0x40000

/* What a fragment of code came to; no signal: it has returned. */
struct outcome {
	int signal, code;
	uintptr_t address, rip;
	unsigned long trap, error;
};

static sigjmp_buf back;
static struct outcome outcome;
static unsigned char *page;

static void note(int signal, siginfo_t *info, void *context)
{
	greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;

	outcome = (struct outcome){
		.signal = signal,
		.code = info->si_code,
		.address = (uintptr_t)info->si_addr,
		.rip = registers[REG_RIP],
		.trap = registers[REG_TRAPNO],
		.error = registers[REG_ERR],
	};
	siglongjmp(back, 1);
}

/* Runs code that ends with a return, at the beginning of the page. */
static struct outcome run(const char *code, size_t length)
{
	MUST(mprotect(page, PAGE, PROT_READ | PROT_WRITE));
	memcpy(page, code, length);
	MUST(mprotect(page, PAGE, PROT_READ | PROT_EXEC));
	outcome = (struct outcome){ 0 };
	if (!sigsetjmp(back, 1))
		((void (*)(void))page)();
	return outcome;
}
#define RUN(code) run(code "\xc3", sizeof(code))

static struct outcome jump(uintptr_t target)
{
	outcome = (struct outcome){ 0 };
	if (!sigsetjmp(back, 1))
		((void (*)(void))target)();
	return outcome;
}

static int is_refused(struct outcome got, unsigned long error)
{
	return got.signal == SIGSEGV && got.code == SI_KERNEL && got.address == 0 &&
	       got.trap == TRAP_GENERAL_PROTECTION && got.error == error && got.rip == (uintptr_t)page;
}

/* Those that are the program's: breakpoint, overflow, the 32-bit system call. Of those that look as an exception of the program
   does, it is enough that they are one. */
static int is_open(int vector)
{
	return vector == 3 || vector == 4 || vector == 0x80;
}

static int looks_as_an_exception(int vector)
{
	return vector == 0 || vector == 1 || vector == 6 || vector == 16 || vector == 19;
}

static void software_interrupts(void)
{
	int wrong = 0;

	for (int vector = 0; vector < 256; vector++) {
		char code[] = { '\xcd', (char)vector, '\xc3' };

		if (is_open(vector))
			continue;
		struct outcome got = run(code, sizeof code);
		if (looks_as_an_exception(vector) ? !got.signal : !is_refused(got, vector * 8 + 2)) {
			printf("# int %d: signal %d (%d), trap %lu, error %#lx, rip + %ld\n", vector, got.signal, got.code,
			       got.trap, got.error, (long)(got.rip - (uintptr_t)page));
			wrong++;
		}
	}
	OK(wrong == 0, "software interrupts are refused, whatever device or exception they name");

	struct outcome got = RUN("\xcc");
	OK(got.signal == SIGTRAP && got.code == SI_KERNEL && got.rip == (uintptr_t)page + 1, "int3 is a breakpoint");
	got = RUN("\xcd\x03");
	OK(got.signal == SIGTRAP && got.rip == (uintptr_t)page + 2, "the longer one, too");
	got = RUN("\xb8\x14\x00\x00\x00\xcd\x80");
	OK(got.signal == 0 || is_refused((got.rip -= 5, got), 0x80 * 8 + 2), "the 32-bit system call is there or refused");
	MUST(mprotect(page, PAGE, PROT_READ | PROT_WRITE));
	memcpy(page + PAGE - 2, "\xcd\x20", 2);
	MUST(mprotect(page, PAGE, PROT_READ | PROT_EXEC));
	got = jump((uintptr_t)page + PAGE - 2);
	OK(got.signal == SIGSEGV && got.rip == (uintptr_t)page + PAGE - 2, "at the end of a page as well");
}

static void jumps(void)
{
	static const uintptr_t upper[] = {
		-1,
		-16,
		0xffffffffc0000000,
		0xffff800000001000,
		0xffff800000000000,
	};
	int wrong = 0;

	for (size_t i = 0; i < sizeof upper / sizeof *upper; i++) {
		struct outcome got = jump(upper[i]);

		if (got.signal != SIGSEGV || got.code != SEGV_MAPERR || got.address != upper[i] || got.rip != upper[i] ||
		    got.trap != TRAP_PAGE_FAULT || got.error != 0x15) {
			printf("# %#lx: signal %d (%d) at %#lx, trap %lu, error %#lx\n", (long)upper[i], got.signal, got.code,
			       (long)got.address, got.trap, got.error);
			wrong++;
		}
	}
	OK(wrong == 0, "a jump into the kernel's half is a fault at its target");
	struct outcome got = jump((uintptr_t)MAP_FAILED);
	OK(got.signal == SIGSEGV && got.address == (uintptr_t)MAP_FAILED, "as is the call of what mmap failed to give");
	got = jump(0xffffffff80100000);
	OK(got.signal == SIGSEGV && got.code == SEGV_MAPERR, "and one to where kernels are");
	got = jump(0x800000000000);
	OK(got.signal == SIGSEGV && got.code == SI_KERNEL, "a jump between the halves is refused");
	got = jump(0);
	OK(got.signal == SIGSEGV && got.code == SEGV_MAPERR && got.address == 0, "a call of nothing faults there");
}

static void pause_briefly(void)
{
	struct timespec span = { 0, 2000000 };

	syscall(SYS_nanosleep, &span, NULL);
}

/* Sets flags and clears others, then makes a system call that sleeps. */
static int sleeps_with(unsigned long set, unsigned long clear)
{
	struct timespec span = { 0, 2000000 };
	long result = SYS_nanosleep;

	__asm__ volatile("sub $128, %%rsp\n pushfq\n pushfq\n pop %%rcx\n or %2, %%rcx\n and %3, %%rcx\n push %%rcx\n popfq\n"
			 "syscall\n popfq\n add $128, %%rsp"
			 : "+a"(result)
			 : "D"(&span), "r"(set), "r"(~clear), "S"(0L)
			 : "rcx", "r11", "memory", "cc");
	return result == 0;
}

static void *spin_until(void *done)
{
	while (!*(volatile int *)done)
		;
	return NULL;
}

static void flags(void)
{
	static volatile int done;
	pthread_t other;
	struct outcome got;

	OK(sleeps_with(0, INTERRUPT_FLAG), "a program that clears its interrupt flag sleeps and wakes");
	OK(sleeps_with(NESTED_TASK, 0) && sleeps_with(IO_PRIVILEGE, 0) && sleeps_with(ALIGNMENT_CHECK, 0) &&
		   sleeps_with(DIRECTION, 0) && sleeps_with(CARRY, 0),
	   "so does one with any other flag");
	got = RUN("\x9c\x80\x0c\x24\x00\x9c\x80\x4c\x24\x01\x01\x9d\x90\x9d");
	OK(got.signal == SIGTRAP && got.code == TRAP_TRACE && got.address == got.rip && got.rip == (uintptr_t)page + 13,
	   "a single step is a trap behind the instruction");

	/* The others run on, if the flag is set again by the call. */
	MUST(-pthread_create(&other, NULL, spin_until, (void *)&done));
	for (int i = 0; i < 10; i++)
		sleeps_with(0, INTERRUPT_FLAG);
	done = 1;
	MUST(-pthread_join(other, NULL));
	OK(1, "and one beside a thread that never sleeps");
}

static void lose_gs(unsigned short selector)
{
	__asm__ volatile("mov %0, %%gs" : : "r"((int)selector));
}

static volatile sig_atomic_t calls;

static void count(int signal)
{
	lose_gs(0);
	calls += signal != 0;
}

static void selectors(void)
{
	struct sigaction counted = { .sa_handler = count };
	struct outcome got;
	int good = 1;

	for (unsigned short selector = 0; selector < 4; selector++) {
		lose_gs(selector);
		good &= getpid() > 0;
	}
	OK(good, "a null selector in GS, and a system call");

	char *fresh = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(fresh);
	for (int i = 0; i < 64; i++) {
		lose_gs(0);
		fresh[i * PAGE] = 1;
	}
	OK(1, "and pages that come when they are touched");
	munmap(fresh, 64 * PAGE);

	int64_t begin = now_ms();
	while (now_ms() - begin < 50)
		lose_gs(0);
	OK(1, "and interrupts");

	MUST(sigaction(SIGUSR1, &counted, NULL));
	for (int i = 0; i < 10; i++) {
		lose_gs(0);
		raise(SIGUSR1);
		pause_briefly();
	}
	OK(calls == 10, "and signals, in whose handlers it is lost again");

	lose_gs(0);
	got = RUN("\x0f\x0b");
	OK(got.signal == SIGILL, "and faults");

	MUST(mprotect(page, PAGE, PROT_READ | PROT_WRITE));
	got = RUN("\x31\xc0\x8e\xd8\x8e\xc0");
	pause_briefly();
	OK(got.signal == 0, "null selectors in DS and ES");
	got = RUN("\x0f\x01\xf8");
	pause_briefly();
	OK(got.signal == 0 || is_refused(got, 0), "swapgs is refused or changes nothing");
	got = RUN("\xb8\x10\x00\x00\x00\x8e\xe8");
	pause_briefly();
	OK(got.signal == 0 || (got.rip -= 5, is_refused(got, 0x10)), "so is the kernel's selector in GS");
	got = RUN("\xb8\x34\x12\x00\x00\x8e\xe8");
	OK(got.signal == SIGSEGV && got.code == SI_KERNEL && got.error == 0x1234, "one that does not exist is refused");
}

static void debug_registers(void)
{
	/* A breakpoint on the page's tenth byte, where there is nothing. */
	struct outcome got = RUN("\x48\x8d\x05\x03\x00\x00\x00\x0f\x23\xc0\xb8\x02\x04\x00\x00\x0f\x23\xf8\x90");

	pause_briefly();
	OK(got.signal == 0 || got.signal == SIGTRAP || (got.signal == SIGSEGV && got.code == SI_KERNEL),
	   "debug registers are refused or the program's own");
	OK(RUN("\x90").signal == 0, "and nothing is left of them");
}

static void stack_pointers(void)
{
	static const uintptr_t stacks[] = { 0, -1, 0xffffffff80101000, 0xffff800000001000, 0x800000000000 };
	int wrong = 0;

	for (size_t i = 0; i < sizeof stacks / sizeof *stacks; i++) {
		long result = SYS_getppid;

		__asm__ volatile("mov %%rsp, %%rbx\n mov %1, %%rsp\n syscall\n mov %%rbx, %%rsp"
				 : "+a"(result)
				 : "r"(stacks[i])
				 : "rbx", "rcx", "r11", "memory");
		wrong += result != getppid();
	}
	OK(wrong == 0, "a system call needs no stack");
	struct outcome got = RUN("\x48\x89\xe3\x31\xe4\x50");
	OK(got.signal == SIGSEGV && got.address == (uintptr_t)-8, "a push below address 0 is a fault, on the other stack");
}

int main(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGTRAP, SIGILL, SIGFPE };
	struct sigaction action = { .sa_sigaction = note, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t stack = { .ss_size = 16 * PAGE };

	stack.ss_sp = mmap(NULL, stack.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(stack.ss_sp);
	MUST(sigaltstack(&stack, NULL));
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		MUST(sigaction(signals[i], &action, NULL));
	/* Nothing is behind it. */
	page = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(page);
	MUST(munmap(page + PAGE, PAGE));

	software_interrupts();
	jumps();
	flags();
	selectors();
	debug_registers();
	stack_pointers();
	return tap_done();
}
