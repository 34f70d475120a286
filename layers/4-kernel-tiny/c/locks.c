/* Threads with every kind of lock: a bounded queue, a table that is read more than written, a counter. */
#include "tiny.h"

#define PRODUCERS 3
#define ITEMS 200
#define ROOM 8
#define ENTRIES 16

static struct rumpuser_mtx *queue_lock, *counter_lock;
static struct rumpuser_cv *not_empty, *not_full;
static struct rumpuser_rw *table_lock;
static int queue[ROOM], queued, first;
static long counter;
/* Every entry is the same but while it is written. */
static int table[ENTRIES];
static int torn;

static void *produce(void *argument)
{
	int number = *(int *)argument;

	for (int i = 1; i <= ITEMS; i++) {
		rumpuser_mutex_enter(queue_lock);
		while (queued == ROOM)
			rumpuser_cv_wait(not_full, queue_lock);
		queue[(first + queued++) % ROOM] = number * ITEMS + i;
		rumpuser_cv_signal(not_empty);
		rumpuser_mutex_exit(queue_lock);
	}
	return NULL;
}

static void *consume(void *argument)
{
	long *sum = argument;

	for (int i = 0; i < PRODUCERS * ITEMS; i++) {
		rumpuser_mutex_enter(queue_lock);
		while (queued == 0)
			rumpuser_cv_wait(not_empty, queue_lock);
		*sum += queue[first];
		first = (first + 1) % ROOM;
		queued--;
		rumpuser_cv_broadcast(not_full);
		rumpuser_mutex_exit(queue_lock);
	}
	return NULL;
}

static void pause(void)
{
	rumpuser_clock_sleep(RUMPUSER_CLOCK_RELWALL, 0, 100000);
}

static void *write_table(void *argument)
{
	(void)argument;
	for (int round = 1; round <= 20; round++) {
		rumpuser_rw_enter(RUMPUSER_RW_WRITER, table_lock);
		for (int i = 0; i < ENTRIES; i++) {
			table[i]++;
			/* Others may run here, and must not see it. */
			if (i == ENTRIES / 2)
				pause();
		}
		rumpuser_rw_downgrade(table_lock);
		if (table[0] != table[ENTRIES - 1])
			torn++;
		rumpuser_rw_exit(table_lock);
	}
	return NULL;
}

static void *read_table(void *argument)
{
	(void)argument;
	for (int round = 0; round < 50; round++) {
		rumpuser_rw_enter(RUMPUSER_RW_READER, table_lock);
		for (int i = 1; i < ENTRIES; i++) {
			if (table[i] != table[0])
				torn++;
			if (i == ENTRIES / 2 && round % 10 == 0)
				pause();
		}
		rumpuser_rw_exit(table_lock);
	}
	return NULL;
}

static void *count(void *argument)
{
	(void)argument;
	for (int i = 0; i < 1000; i++) {
		long value;

		rumpuser_mutex_enter(counter_lock);
		value = counter;
		if (i % 250 == 0)
			pause();
		counter = value + 1;
		rumpuser_mutex_exit(counter_lock);
	}
	return NULL;
}

int locks_exercise(void)
{
	int numbers[PRODUCERS];
	struct lwp *threads[PRODUCERS + 6];
	int started = 0;
	long sum = 0, expected = (long)PRODUCERS * ITEMS * (PRODUCERS * ITEMS + 1) / 2;

	rumpuser_mutex_init(&queue_lock, RUMPUSER_MTX_KMUTEX);
	rumpuser_mutex_init(&counter_lock, 0);
	rumpuser_cv_init(&not_empty);
	rumpuser_cv_init(&not_full);
	rumpuser_rw_init(&table_lock);

	for (int i = 0; i < PRODUCERS; i++) {
		numbers[i] = i;
		threads[started++] = thread_start("producer", produce, &numbers[i]);
	}
	threads[started++] = thread_start("consumer", consume, &sum);
	threads[started++] = thread_start("writer", write_table, NULL);
	for (int i = 0; i < 2; i++)
		threads[started++] = thread_start("reader", read_table, NULL);
	for (int i = 0; i < 2; i++)
		threads[started++] = thread_start("counter", count, NULL);
	for (int i = 0; i < started; i++)
		thread_join(threads[i]);

	say("%d threads: queue %ld of %ld, table %d of 20 and %d torn, counter %ld of 2000\n", started, sum, expected,
	    table[0], torn, counter);
	rumpuser_mutex_destroy(queue_lock);
	rumpuser_mutex_destroy(counter_lock);
	rumpuser_cv_destroy(not_empty);
	rumpuser_cv_destroy(not_full);
	rumpuser_rw_destroy(table_lock);
	return sum == expected && table[0] == 20 && torn == 0 && counter == 2000 ? 0 : 1;
}
