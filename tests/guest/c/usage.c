/* What a program may take and what it has taken: getrlimit(2), getrusage(2), the clocks of CPU time. */
#define _GNU_SOURCE
#include "tap.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/times.h>
#include <unistd.h>

/* Descriptors 0 to 2 are open, and no others. */
static void descriptors(void)
{
	enum { LIMIT = 8 };
	struct rlimit limit = { LIMIT, 64 }, old;
	struct pollfd polled[LIMIT + 1];
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t size = sizeof address;
	int ends[2], listener, client, server, opened = 0;

	for (int i = 0; i <= LIMIT; i++)
		polled[i] = (struct pollfd){ -1, 0, 0 };
	MUST(listener = socket(AF_INET, SOCK_STREAM, 0));
	MUST(bind(listener, (void *)&address, sizeof address));
	MUST(listen(listener, 4));
	MUST(getsockname(listener, (void *)&address, &size));
	MUST(client = socket(AF_INET, SOCK_STREAM, 0));
	MUST(connect(client, (void *)&address, sizeof address));
	OK(prlimit(0, RLIMIT_NOFILE, &limit, &old) == 0 && old.rlim_cur >= 64, "the number of descriptors can be limited");
	while (open("/dev/null", O_RDONLY) >= 0)
		opened++;
	OK(errno == EMFILE && opened == LIMIT - 5, "up to the limit they can be had");
	FAILS(open("/tmp/usage-test", O_RDWR | O_CREAT, 0600), EMFILE, "not beyond");
	FAILS(access("/tmp/usage-test", F_OK), ENOENT, "nor is a file made for it");
	FAILS(socket(AF_INET, SOCK_STREAM, 0), EMFILE, "nor is there a socket");
	FAILS(pipe(ends), EMFILE, "nor a pipe");
	FAILS(eventfd(0, 0), EMFILE, "nor a counter");
	FAILS(epoll_create1(0), EMFILE, "nor a set");
	FAILS(dup(0), EMFILE, "nor a duplicate");
	FAILS(fcntl(0, F_DUPFD, 5), EMFILE, "wherever it begins to look");
	FAILS(fcntl(0, F_DUPFD, LIMIT), EINVAL, "which cannot be beyond");
	FAILS(dup2(0, LIMIT), EBADF, "a number beyond is none");
	FAILS(dup3(0, LIMIT, 0), EBADF, "whoever asks");
	OK(dup2(0, LIMIT - 1) == LIMIT - 1, "the last one can be replaced");
	FAILS(accept(listener, NULL, NULL), EMFILE, "nor is a connection accepted");
	close(LIMIT - 1);
	OK((server = accept(listener, NULL, NULL)) == LIMIT - 1, "it waits until there is room");
	OK(write(client, "a", 1) == 1 && read(server, &address, 1) == 1, "and is whole");
	FAILS(poll(polled, LIMIT + 1, 0), EINVAL, "a list of more than the limit cannot be polled");
	OK(poll(polled, LIMIT, 0) == 0, "one of as many can");
	limit.rlim_cur = 4;
	OK(setrlimit(RLIMIT_NOFILE, &limit) == 0 && write(client, "b", 1) == 1 && write(server, "c", 1) == 1,
	   "what is open beyond a new limit stays");
	close(server);
	limit.rlim_cur = 65;
	FAILS(setrlimit(RLIMIT_NOFILE, &limit), EINVAL, "a limit is not above its maximum");
	limit.rlim_cur = 64;
	OK(setrlimit(RLIMIT_NOFILE, &limit) == 0 && dup(0) == LIMIT - 1, "and can be raised to it");
	for (int i = 3; i < 64; i++)
		close(i);
}

static long long cpu_ms(clockid_t clock)
{
	struct timespec used;

	MUST(clock_gettime(clock, &used));
	return used.tv_sec * 1000LL + used.tv_nsec / 1000000;
}

/* Computes for so many milliseconds of the process's CPU time. */
static void compute(int ms)
{
	long long end = cpu_ms(CLOCK_PROCESS_CPUTIME_ID) + ms;

	while (cpu_ms(CLOCK_PROCESS_CPUTIME_ID) < end)
		;
}

static long long usage_ms(int whose)
{
	struct rusage usage;

	MUST(getrusage(whose, &usage));
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000LL + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

enum { SLEEP_MS = 1000, LITTLE_MS = 500, WORK_MS = 200 };

static void *sleeper(void *told)
{
	sleep_ms(SLEEP_MS);
	*(int *)told = cpu_ms(CLOCK_THREAD_CPUTIME_ID) < LITTLE_MS && usage_ms(RUSAGE_THREAD) < LITTLE_MS;
	return NULL;
}

static void *worker(void *told)
{
	compute(WORK_MS);
	*(int *)told = cpu_ms(CLOCK_THREAD_CPUTIME_ID) >= WORK_MS / 2;
	return NULL;
}

static void cpu_time(void)
{
	long long process = cpu_ms(CLOCK_PROCESS_CPUTIME_ID), thread = cpu_ms(CLOCK_THREAD_CPUTIME_ID), usage = usage_ms(RUSAGE_SELF);
	clock_t ticks, before;
	struct tms times_used;
	clockid_t clock;
	pthread_t other;
	int told = 0;

	before = times(&times_used);
	ticks = times_used.tms_utime + times_used.tms_stime;
	MUST(-pthread_create(&other, NULL, sleeper, &told));
	OK(clock_getcpuclockid(0, &clock) == 0 && pthread_getcpuclockid(other, &clock) == 0 && cpu_ms(clock) < LITTLE_MS,
	   "other threads have CPU clocks");
	pthread_join(other, NULL);
	OK(told, "a thread that slept has used little");
	OK(cpu_ms(CLOCK_PROCESS_CPUTIME_ID) - process < LITTLE_MS, "nor has its process");
	OK(cpu_ms(CLOCK_THREAD_CPUTIME_ID) - thread < LITTLE_MS, "nor whoever waited for it");
	OK(usage_ms(RUSAGE_SELF) - usage < LITTLE_MS, "getrusage agrees");
	OK((times(&times_used) - before) * 1000 / sysconf(_SC_CLK_TCK) >= SLEEP_MS - 50 &&
		   (times_used.tms_utime + times_used.tms_stime - ticks) * 1000 / sysconf(_SC_CLK_TCK) < LITTLE_MS,
	   "so does times");
	process = cpu_ms(CLOCK_PROCESS_CPUTIME_ID);
	usage = usage_ms(RUSAGE_SELF);
	MUST(-pthread_create(&other, NULL, worker, &told));
	pthread_join(other, NULL);
	OK(told, "a thread that computed has used that");
	OK(cpu_ms(CLOCK_PROCESS_CPUTIME_ID) - process >= WORK_MS && usage_ms(RUSAGE_SELF) - usage >= WORK_MS - 20,
	   "what it used stays its process's");
	OK(usage_ms(RUSAGE_CHILDREN) == 0, "and nobody's else");
}

static volatile int expired;

static void count(int signal)
{
	(void)signal;
	expired++;
}

static void cpu_timers(void)
{
	struct timespec span = { 0, 50000000 };
	struct itimerspec setting = { { 0, 0 }, { 0, 50000000 } };
	struct itimerval interval = { { 0, 50000 }, { 0, 50000 } };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	int64_t start;
	timer_t timer;
	pthread_t other;
	int told;

	signal(SIGUSR1, count);
	signal(SIGPROF, count);
	MUST(timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer));
	MUST(timer_settime(timer, 0, &setting, NULL));
	sleep_ms(200);
	OK(!expired, "a timer of CPU time waits while the process does");
	start = now_ms();
	while (!expired && now_ms() - start < LATE_MS)
		;
	OK(expired == 1, "and expires when it has computed");
	MUST(timer_delete(timer));
	expired = 0;
	MUST(setitimer(ITIMER_PROF, &interval, NULL));
	for (start = now_ms(); expired < 3 && now_ms() - start < LATE_MS;)
		;
	OK(expired >= 3, "a profiling timer again and again");
	interval.it_value.tv_usec = interval.it_interval.tv_usec = 0;
	MUST(setitimer(ITIMER_PROF, &interval, NULL));
	MUST(-pthread_create(&other, NULL, worker, &told));
	OK(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &span, NULL) == 0, "a sleep for CPU time ends when another thread computes");
	pthread_join(other, NULL);
	OK(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &span, NULL) != 0, "nobody sleeps for CPU time of his own");
	OK(clock_nanosleep(CLOCK_MONOTONIC_RAW, 0, &span, NULL) == ENOTSUP, "nor by a clock that is only read");
	FAILS(timer_create(CLOCK_MONOTONIC_RAW, &event, &timer), ENOTSUP, "nor is there such a timer");
	FAILS(timer_create(77, &event, &timer), EINVAL, "or one by no clock");
}

int main(void)
{
	for (int i = 3; i < 64; i++)
		close(i);
	descriptors();
	cpu_time();
	cpu_timers();
	return tap_done();
}
