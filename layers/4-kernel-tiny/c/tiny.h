/* What the parts of the kernel know of each other. */
#ifndef TINY_H
#define TINY_H

#include "rumpuser.h"

/* A thread of this kernel. */
struct lwp {
	int id;
	void *(*function)(void *);
	void *argument;
	void *cookie;
};

#define say(...) rumpuser_dprintf("tiny: " __VA_ARGS__)

/* cpu.c: the right to run in the kernel, of which there is one; and threads, which have it but for their waits. */
void cpu_init(void);
/* Starts a thread; its name must last. The result is given to thread_join once. Panics without memory. */
struct lwp *thread_start(const char *name, void *(*function)(void *), void *argument);
void thread_join(struct lwp *thread);
/* Ends the kernel with a message. */
_Noreturn void panic(const char *message);
void *allocate(size_t size);
/* Nanoseconds since the start. */
int64_t now(void);

/* locks.c: threads that share a queue, a table and a counter; 0 if all was as it must be. */
int locks_exercise(void);

/* timer.c: functions called at their time, on the timers' thread. */
struct timer {
	struct timer *next;
	int64_t at;
	void (*function)(void *);
	void *argument;
};
void timers_init(void);
/* At a time (now()); the structure is the timers' until then. */
void timer_arm(struct timer *timer, int64_t at, void (*function)(void *), void *argument);
/* 0 if timers expire in the order of their times, and not early. */
int timers_exercise(void);

/* disk.c: reads the first disk and says what the sum of its bytes is; 0, also if there is none. */
int disk_read(void);

/* echo.c: answers ARP, pings and datagrams to port 7 on the first link. */
void echo_start(void);

#endif
