/* Futexes: waiting, waking, time-outs, bit sets, requeuing, and the errors of futex(2). */
#define _GNU_SOURCE
#include "tap.h"
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

/* <linux/futex.h>, which musl does not come with. */
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define FUTEX_CMP_REQUEUE 4
#define FUTEX_WAIT_BITSET 9
#define FUTEX_WAKE_BITSET 10
#define FUTEX_PRIVATE_FLAG 128
#define FUTEX_CLOCK_REALTIME 256
#define FUTEX_WAIT_PRIVATE (FUTEX_WAIT | FUTEX_PRIVATE_FLAG)
#define FUTEX_WAKE_PRIVATE (FUTEX_WAKE | FUTEX_PRIVATE_FLAG)
#define FUTEX_BITSET_MATCH_ANY 0xffffffff

static long futex(void *word, int operation, uint32_t value, const void *time, void *second, uint32_t third)
{
	return syscall(SYS_futex, word, operation, value, time, second, third);
}

static uint32_t word, other;
static int woken;

static void *wait_once(void *operation)
{
	if (futex(&word, (int)(intptr_t)operation, 0, NULL, NULL, FUTEX_BITSET_MATCH_ANY) == 0)
		__atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *wait_for_bit(void *bits)
{
	if (futex(&word, FUTEX_WAIT_BITSET, 0, NULL, NULL, (uint32_t)(intptr_t)bits) == 0)
		__atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* Starts threads and lets them reach their wait. */
static void start(pthread_t *threads, int count, void *(*body)(void *), intptr_t argument)
{
	woken = 0;
	for (int i = 0; i < count; i++)
		MUST(-pthread_create(&threads[i], NULL, body, (void *)argument));
	sleep_ms(100);
}

static void join(pthread_t *threads, int count)
{
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

static void timeouts(void)
{
	struct timespec span = { 0, 50000000 }, until, bad = { 0, 1000000000 };
	int64_t start = now_ms();

	FAILS(futex(&word, FUTEX_WAIT, 0, &span, NULL, 0), ETIMEDOUT, "a wait ends at its time-out");
	OK(now_ms() - start >= 49 && now_ms() - start < LATE_MS, "the time-out is relative");
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += 1;
	start = now_ms();
	FAILS(futex(&word, FUTEX_WAIT_BITSET, 0, &until, NULL, 1), ETIMEDOUT, "a bit set's wait ends at its time-out");
	OK(now_ms() - start >= 990 && now_ms() - start < 1000 + LATE_MS, "that time-out is absolute");
	clock_gettime(CLOCK_REALTIME, &until);
	FAILS(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &until, NULL, 1), ETIMEDOUT,
	      "and can be told by the real-time clock");
	FAILS(futex(&word, FUTEX_WAIT, 0, &bad, NULL, 0), EINVAL, "a time-out of 10^9 ns is no time");
}

static void errors(void)
{
	struct timespec none = { 0, 0 };

	FAILS(futex(&word, FUTEX_WAIT, 1, NULL, NULL, 0), EAGAIN, "a wait for a value that has changed returns");
	FAILS(futex((char *)&word + 1, FUTEX_WAIT, 0, &none, NULL, 0), EINVAL, "an unaligned word is refused");
	FAILS(futex((void *)8, FUTEX_WAIT, 0, &none, NULL, 0), EFAULT, "an unmapped word is refused");
	FAILS(futex(&word, FUTEX_WAIT_BITSET, 0, &none, NULL, 0), EINVAL, "an empty bit set is refused");
	FAILS(futex(&word, 127, 0, NULL, NULL, 0), ENOSYS, "an unknown operation is refused");
	OK(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0) == 0, "waking nobody wakes nobody");
}

static void waking(int flag, const char *name)
{
	pthread_t threads[3];

	start(threads, 3, wait_once, FUTEX_WAIT | flag);
	OK(futex(&word, FUTEX_WAKE | flag, 1, NULL, NULL, 0) == 1, name);
	OK(futex(&word, FUTEX_WAKE | flag, INT32_MAX, NULL, NULL, 0) == 2, "the rest is woken at once");
	join(threads, 3);
	OK(woken == 3, "each waiter has returned 0");
}

static void bit_sets(void)
{
	pthread_t one[1], two[1];

	start(one, 1, wait_for_bit, 1);
	start(two, 1, wait_for_bit, 2);
	OK(futex(&word, FUTEX_WAKE_BITSET, INT32_MAX, NULL, NULL, 4) == 0, "a foreign bit wakes nobody");
	OK(futex(&word, FUTEX_WAKE_BITSET, INT32_MAX, NULL, NULL, 2) == 1, "a bit wakes its waiter only");
	OK(futex(&word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0) == 1, "a plain wake matches any bit");
	join(one, 1);
	join(two, 1);
}

static void requeuing(void)
{
	pthread_t threads[3];

	start(threads, 3, wait_once, FUTEX_WAIT);
	FAILS(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)2, &other, 7), EAGAIN, "requeuing compares the word");
	OK(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)1, &other, 0) == 2, "requeuing counts the woken and the moved");
	OK(futex(&other, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0) == 1, "the moved waits at the other word");
	OK(futex(&word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0) == 1, "the rest has stayed");
	join(threads, 3);
	OK(woken == 3, "moved or not, each returns 0");
}

/* Two threads hand a token to and fro; a lost wake-up would stop them. */
static uint32_t token;

static void *return_token(void *unused)
{
	for (int i = 0; i < 2000; i++) {
		while (__atomic_load_n(&token, __ATOMIC_SEQ_CST) != 1)
			futex(&token, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
		__atomic_store_n(&token, 0, __ATOMIC_SEQ_CST);
		futex(&token, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	}
	return unused;
}

static void handing_over(void)
{
	pthread_t thread;

	MUST(-pthread_create(&thread, NULL, return_token, NULL));
	for (int i = 0; i < 2000; i++) {
		while (__atomic_load_n(&token, __ATOMIC_SEQ_CST) != 0)
			futex(&token, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
		__atomic_store_n(&token, 1, __ATOMIC_SEQ_CST);
		futex(&token, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	}
	pthread_join(thread, NULL);
	OK(token == 0, "4000 hand-overs lose no wake-up");
}

static void *lock_and_count(void *pair)
{
	static int count;
	pthread_mutex_t *mutex = pair;

	for (int i = 0; i < 20000; i++) {
		pthread_mutex_lock(mutex);
		count++;
		pthread_mutex_unlock(mutex);
	}
	return &count;
}

static void mutexes(void)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_t threads[4];
	void *count;

	for (int i = 0; i < 4; i++)
		MUST(-pthread_create(&threads[i], NULL, lock_and_count, &mutex));
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], &count);
	OK(*(int *)count == 80000, "a contended mutex excludes");
}

int main(void)
{
	errors();
	timeouts();
	waking(0, "one of three waiters is woken");
	waking(FUTEX_PRIVATE_FLAG, "one of three private waiters is woken");
	bit_sets();
	requeuing();
	handing_over();
	mutexes();
	return tap_done();
}
