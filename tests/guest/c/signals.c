/* Signals: handlers, masks, queues, interrupted calls, faults (signal(7)). `signals NAME` dies of TERM, SEGV or ABRT. */
#define _GNU_SOURCE
#include "tap.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile sig_atomic_t calls, last_signal;
static volatile pid_t handler_thread;
static void *volatile handler_stack;
static siginfo_t last_info;

static void count(int signal)
{
	char here;

	calls++;
	last_signal = signal;
	handler_stack = &here;
	handler_thread = (pid_t)syscall(SYS_gettid);
}

static void inform(int signal, siginfo_t *info, void *context)
{
	count(signal);
	if (context)
		last_info = *info;
}

static void handle(int signal, void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	sigemptyset(&action.sa_mask);
	MUST(sigaction(signal, &action, NULL));
	calls = 0;
}

static sigset_t only(int signal)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal);
	return set;
}

static void handlers(void)
{
	struct sigaction action = { .sa_handler = count }, old;
	struct sigaction informed = { .sa_sigaction = inform, .sa_flags = SA_SIGINFO };

	OK(sigaction(SIGUSR1, &action, &old) == 0 && old.sa_handler == SIG_DFL, "at first nothing is handled");
	OK(raise(SIGUSR1) == 0 && calls == 1 && last_signal == SIGUSR1, "a raised signal is handled before raise returns");
	OK(sigaction(SIGUSR1, NULL, &old) == 0 && old.sa_handler == count, "the handler can be asked for");
	OK(kill(getpid(), SIGUSR1) == 0 && calls == 2, "the process can signal itself");
	MUST(sigaction(SIGUSR2, &informed, NULL));
	MUST(kill(getpid(), SIGUSR2));
	OK(last_info.si_signo == SIGUSR2 && last_info.si_code == SI_USER && last_info.si_pid == getpid(), "the sender is told");
	MUST(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR2));
	OK(last_info.si_code == SI_TKILL, "a thread's signal says so");
	handle(SIGUSR1, SIG_IGN, 0);
	OK(raise(SIGUSR1) == 0 && calls == 0, "an ignored signal is not handled");
	handle(SIGUSR1, count, SA_RESETHAND);
	raise(SIGUSR1);
	OK(sigaction(SIGUSR1, NULL, &old) == 0 && old.sa_handler == SIG_DFL && calls == 1, "SA_RESETHAND handles once");
	FAILS(sigaction(SIGKILL, &action, NULL), EINVAL, "SIGKILL cannot be handled");
	FAILS(sigaction(99, &action, NULL), EINVAL, "nor is there a signal 99");
	FAILS(kill(getpid(), 99), EINVAL, "nor can it be sent");
	FAILS(kill(999999, SIGUSR1), ESRCH, "nor to a process that is not there");
	OK(kill(getpid(), 0) == 0, "signal 0 only asks");
	OK(raise(SIGCHLD) == 0 && raise(SIGWINCH) == 0, "some are ignored by default");
}

static void masks(void)
{
	sigset_t set = only(SIGUSR1), old, pending;

	handle(SIGUSR1, count, 0);
	OK(sigprocmask(SIG_BLOCK, &set, &old) == 0 && !sigismember(&old, SIGUSR1), "a signal can be blocked");
	raise(SIGUSR1);
	raise(SIGUSR1);
	OK(calls == 0, "a blocked one is not handled");
	OK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1) && !sigismember(&pending, SIGUSR2), "it is pending");
	MUST(sigprocmask(SIG_UNBLOCK, &set, NULL));
	OK(calls == 1, "unblocked it is handled, once");
	MUST(sigprocmask(SIG_BLOCK, &set, NULL));
	raise(SIGUSR1);
	OK(sigsuspend(&old) == -1 && errno == EINTR && calls == 2, "sigsuspend waits with another mask");
	OK(sigprocmask(SIG_SETMASK, &old, &set) == 0 && sigismember(&set, SIGUSR1), "and puts the old one back");
	FAILS(sigprocmask(99, &old, NULL), EINVAL, "an unknown way to change it is refused");

	set = only(SIGUSR2);
	struct timespec short_time = { 0, 50000000 };
	siginfo_t info;
	MUST(sigprocmask(SIG_BLOCK, &set, NULL));
	FAILS(sigtimedwait(&set, &info, &short_time), EAGAIN, "a wait for a signal ends at its time-out");
	raise(SIGUSR2);
	OK(sigwaitinfo(&set, &info) == SIGUSR2 && info.si_signo == SIGUSR2, "or with the signal");
	MUST(sigprocmask(SIG_UNBLOCK, &set, NULL));
}

static char stack[65536];

static void nested(int signal)
{
	sigset_t mask;

	count(signal);
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	last_signal = sigismember(&mask, SIGUSR1) && sigismember(&mask, SIGUSR2);
}

static void stacks(void)
{
	stack_t own = { .ss_sp = stack, .ss_size = sizeof stack }, old, small = { .ss_sp = stack, .ss_size = 100 };
	struct sigaction action = { .sa_handler = nested, .sa_flags = SA_ONSTACK };

	OK(sigaltstack(&own, &old) == 0 && old.ss_flags & SS_DISABLE, "handlers can have a stack of their own");
	FAILS(sigaltstack(&small, NULL), ENOMEM, "of some size");
	action.sa_mask = only(SIGUSR2);
	MUST(sigaction(SIGUSR1, &action, NULL));
	raise(SIGUSR1);
	OK((char *)handler_stack > stack && (char *)handler_stack < stack + sizeof stack, "and run on it");
	OK(last_signal == 1, "with their own signal and the given ones blocked");
	sigset_t mask;
	pthread_sigmask(SIG_BLOCK, NULL, &mask);
	OK(!sigismember(&mask, SIGUSR1) && !sigismember(&mask, SIGUSR2), "which ends with them");
	own.ss_flags = SS_DISABLE;
	MUST(sigaltstack(&own, NULL));
}

static void *signal_later(void *thread)
{
	sleep_ms(100);
	pthread_kill(*(pthread_t *)thread, SIGUSR1);
	return NULL;
}

static int pair[2];

static void *signal_then_write(void *thread)
{
	signal_later(thread);
	sleep_ms(100);
	MUST(write(pair[1], "x", 1));
	return NULL;
}

static void interruptions(void)
{
	struct timespec long_time = { 20, 0 }, left = { 0 };
	pthread_t self = pthread_self(), thread;
	char byte;

	MUST(pipe(pair));
	handle(SIGUSR1, count, 0);
	MUST(-pthread_create(&thread, NULL, signal_later, &self));
	FAILS(read(pair[0], &byte, 1), EINTR, "a handled signal interrupts a read");
	pthread_join(thread, NULL);
	MUST(-pthread_create(&thread, NULL, signal_later, &self));
	FAILS(nanosleep(&long_time, &left), EINTR, "and a sleep");
	OK(left.tv_sec >= 15 && left.tv_sec < 20, "which tells what was left of it");
	pthread_join(thread, NULL);
	OK(handler_thread == (pid_t)syscall(SYS_gettid) && calls == 2, "the handler runs on the thread it was sent to");
	handle(SIGUSR1, count, SA_RESTART);
	MUST(-pthread_create(&thread, NULL, signal_then_write, &self));
	OK(read(pair[0], &byte, 1) == 1 && calls == 1, "with SA_RESTART the read goes on");
	pthread_join(thread, NULL);
	MUST(-pthread_create(&thread, NULL, signal_later, &self));
	calls = 0;
	while (!calls)
		;
	OK(calls == 1, "a loop without system calls is interrupted too");
	pthread_join(thread, NULL);
	close(pair[0]);
	close(pair[1]);
}

static volatile double sum;

static void spoil_registers(int signal)
{
	/* Every vector register that a compiler would use here is overwritten. */
	for (int i = 1; i < 100; i++)
		sum = sum + 1.0 / i;
	count(signal);
}

static void *bombard(void *thread)
{
	for (int i = 0; i < 50; i++) {
		pthread_kill(*(pthread_t *)thread, SIGUSR1);
		sleep_ms(2);
	}
	return NULL;
}

static void registers(void)
{
	pthread_t self = pthread_self(), thread;
	double product = 1, other = 0;
	int wrong = 0;

	handle(SIGUSR1, spoil_registers, SA_RESTART);
	MUST(-pthread_create(&thread, NULL, bombard, &self));
	while (calls < 20) {
		product = 1, other = 0;
		for (int i = 0; i < 1000; i++) {
			product *= 1.0009765625;
			other += 0.5;
		}
		wrong |= other != 500 || product < 2.65 || product > 2.66;
	}
	pthread_join(thread, NULL);
	OK(!wrong, "handlers leave registers as they were");
}

static void broken_pipes(void)
{
	int ends[2];

	handle(SIGPIPE, count, 0);
	MUST(pipe(ends));
	close(ends[0]);
	FAILS(write(ends[1], "x", 1), EPIPE, "a pipe without readers cannot be written");
	OK(calls == 1 && last_signal == SIGPIPE, "which is signalled");
	handle(SIGPIPE, SIG_IGN, 0);
	FAILS(write(ends[1], "x", 1), EPIPE, "unless that is ignored");
	close(ends[1]);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	close(ends[0]);
	handle(SIGPIPE, count, 0);
	FAILS(send(ends[1], "x", 1, MSG_NOSIGNAL), EPIPE, "or not wanted");
	OK(calls == 0, "then it is not");
	FAILS(write(ends[1], "x", 1), EPIPE, "a stream of a socket");
	OK(calls == 1, "is like a pipe");
	close(ends[1]);
	for (int kind = 0; kind < 2; kind++) {
		handle(SIGPIPE, count, 0);
		MUST(socketpair(AF_UNIX, kind ? SOCK_DGRAM : SOCK_SEQPACKET, 0, ends));
		MUST(shutdown(ends[1], SHUT_WR));
		FAILS(write(ends[1], "x", 1), EPIPE, "messages that cannot be sent");
		OK(calls == 0, "are only an error");
		close(ends[0]);
		close(ends[1]);
	}
}

static sigjmp_buf back;

static void leave(int signal, siginfo_t *info, void *context)
{
	inform(signal, info, context);
	siglongjmp(back, 1);
}

static void faults(void)
{
	struct sigaction action = { .sa_sigaction = leave, .sa_flags = SA_SIGINFO };
	char *page = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile int one = 1, zero = 0;

	MUST(sigaction(SIGSEGV, &action, NULL));
	MUST(sigaction(SIGFPE, &action, NULL));
	MUST(sigaction(SIGILL, &action, NULL));
	if (!sigsetjmp(back, 1)) {
		((volatile char *)page)[4100] = 1;
		last_info.si_signo = 0;
	}
	OK(last_info.si_signo == SIGSEGV && last_info.si_code == SEGV_ACCERR && last_info.si_addr == page + 4100,
	   "a forbidden write is a signal with its address");
	munmap(page, 8192);
	if (!sigsetjmp(back, 1)) {
		zero = ((volatile char *)page)[1];
		last_info.si_signo = 0;
	}
	OK(last_info.si_signo == SIGSEGV && last_info.si_code == SEGV_MAPERR && last_info.si_addr == page + 1,
	   "so is a read where nothing is");
	zero = 0;
	if (!sigsetjmp(back, 1)) {
		zero = one / zero;
		last_info.si_signo = 0;
	}
	OK(last_info.si_signo == SIGFPE && last_info.si_code == FPE_INTDIV, "a division by zero is one");
	if (!sigsetjmp(back, 1)) {
		__asm__ volatile("ud2");
		last_info.si_signo = 0;
	}
	OK(last_info.si_signo == SIGILL, "so is an instruction that is none");
}

/* O_ASYNC: a signal tells that a file has become ready. */
static void readiness(void)
{
	struct sigaction action = { .sa_sigaction = inform, .sa_flags = SA_SIGINFO };
	struct f_owner_ex owner = { F_OWNER_TID, gettid() }, found = { 0 };
	int pair[2], file = open("/dev/null", O_RDONLY), on = 1;

	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
	sigaction(SIGIO, &action, NULL);
	sigaction(SIGRTMIN, &action, NULL);
	FAILS(fcntl(pair[0], F_SETOWN, 0x7ffffff0), ESRCH, "only who is there is told of readiness");
	OK(fcntl(pair[0], F_SETOWN, getpid()) == 0 && fcntl(pair[0], F_GETOWN) == getpid(), "a file has an owner");
	calls = 0;
	MUST(write(pair[1], "a", 1));
	OK(calls == 0, "who is not told before it is asked for");
	OK(fcntl(pair[0], F_SETFL, O_NONBLOCK | O_ASYNC) == 0 && fcntl(pair[0], F_GETFL) & O_ASYNC, "it can be asked for");
	MUST(write(pair[1], "a", 1));
	OK(calls > 0 && last_signal == SIGIO, "then SIGIO tells of what there is to read");
	OK(fcntl(pair[0], F_SETSIG, SIGRTMIN) == 0 && fcntl(pair[0], F_GETSIG) == SIGRTMIN, "or another signal does");
	MUST(write(pair[1], "a", 1));
	OK(last_info.si_signo == SIGRTMIN && last_info.si_code == POLL_IN && last_info.si_fd == pair[0] && last_info.si_band & POLLIN,
	   "and says of what");
	OK(fcntl(pair[0], F_SETOWN_EX, &owner) == 0 && fcntl(pair[0], F_GETOWN_EX, &found) == 0 && found.type == F_OWNER_TID &&
		   found.pid == owner.pid,
	   "a thread can be the owner");
	FAILS(fcntl(pair[0], F_SETSIG, 65), EINVAL, "there is no signal 65");
	FAILS(ioctl(file, FIOASYNC, &on), ENOTTY, "what is always ready has nothing to tell");
	on = 0;
	OK(ioctl(pair[0], FIOASYNC, &on) == 0 && !(fcntl(pair[0], F_GETFL) & O_ASYNC), "it can be left again");
	calls = 0;
	MUST(write(pair[1], "a", 1));
	OK(calls == 0, "and is");
	close(pair[0]);
	close(pair[1]);
	close(file);
}

static int die(const char *name)
{
	if (!strcmp(name, "TERM"))
		raise(SIGTERM);
	else if (!strcmp(name, "ABRT"))
		abort();
	else if (!strcmp(name, "SEGV"))
		*(volatile char *)16 = 1;
	return 3;
}

int main(int arguments_count, char **arguments)
{
	if (arguments_count == 2)
		return die(arguments[1]);
	handlers();
	masks();
	stacks();
	interruptions();
	registers();
	broken_pipes();
	faults();
	readiness();
	return tap_done();
}
