/* Locks between open files: flock(2), and fcntl(2)'s of a process and of an open file description. */
#define _GNU_SOURCE
#include "tap.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

static const char path[] = "/tmp/locks-test";

static int control(int file, int command, int kind, off_t start, off_t length)
{
	struct flock lock = { .l_type = kind, .l_start = start, .l_len = length };

	return fcntl(file, command, &lock);
}

static void descriptions(void)
{
	struct flock lock = { .l_type = F_RDLCK, .l_start = 3, .l_len = 2 };
	int one = open(path, O_RDWR | O_CREAT, 0600), other = open(path, O_RDWR), copy, reader = open(path, O_RDONLY);

	MUST(one);
	MUST(other);
	OK(control(one, F_OFD_SETLK, F_WRLCK, 0, 0) == 0, "a description locks a file");
	FAILS(control(other, F_OFD_SETLK, F_RDLCK, 7, 1), EAGAIN, "then no other one does");
	OK(fcntl(other, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_WRLCK && lock.l_start == 0 && lock.l_len == 0 && lock.l_pid == -1,
	   "which is told what is in the way, but not whose it is");
	OK(control(one, F_OFD_SETLK, F_UNLCK, 4, 4) == 0 && control(other, F_OFD_SETLK, F_WRLCK, 5, 2) == 0,
	   "a part can be given back");
	FAILS(control(other, F_OFD_SETLK, F_WRLCK, 5, 4), EAGAIN, "and no more than that");
	OK(control(one, F_OFD_SETLK, F_RDLCK, 8, 0) == 0 && control(reader, F_OFD_SETLK, F_RDLCK, 10, 1) == 0, "what is read is shared");
	FAILS(control(reader, F_OFD_SETLK, F_WRLCK, 100, 1), EBADF, "only who may write locks for it");
	lock = (struct flock){ .l_type = F_WRLCK, .l_pid = 1 };
	FAILS(fcntl(one, F_OFD_SETLK, &lock), EINVAL, "a description is no process");
	MUST(copy = dup(one));
	close(one);
	FAILS(control(other, F_OFD_SETLK, F_WRLCK, 0, 1), EAGAIN, "a duplicate keeps the locks");
	close(copy);
	OK(control(other, F_OFD_SETLK, F_WRLCK, 0, 4) == 0, "the last one takes them along");
	close(reader);
	close(other);
}

static void processes(void)
{
	struct flock lock = { .l_type = F_RDLCK };
	int one = open(path, O_RDWR), other = open(path, O_RDWR);

	OK(control(one, F_SETLK, F_WRLCK, 0, 10) == 0 && control(other, F_SETLK, F_WRLCK, 5, 10) == 0,
	   "a process does not run into itself");
	FAILS(control(other, F_OFD_SETLK, F_WRLCK, 14, 1), EAGAIN, "a description runs into it");
	OK(fcntl(one, F_OFD_GETLK, &lock) == 0 && lock.l_type == F_WRLCK && lock.l_len == 15 && lock.l_pid == getpid(), "and is told of it");
	close(open(path, O_RDONLY));
	OK(control(other, F_OFD_SETLK, F_WRLCK, 14, 1) == 0, "with any of its descriptors a process loses its locks");
	FAILS(control(one, F_SETLK, F_WRLCK, 14, 1), EAGAIN, "it runs into a description's");
	FAILS(control(one, F_SETLK, 9, 0, 1), EINVAL, "there is no such lock");
	FAILS(control(one, F_SETLK, F_WRLCK, -1, 1), EINVAL, "or before the file");
	close(other);
	close(one);
}

static void *close_later(void *file)
{
	sleep_ms(50);
	close(*(int *)file);
	return NULL;
}

static void nothing(int signal)
{
	(void)signal;
}

static void waiting(void)
{
	int one = open(path, O_RDWR), other = open(path, O_RDWR);
	struct sigaction action = { .sa_handler = nothing };
	pthread_t thread;

	MUST(control(one, F_OFD_SETLK, F_WRLCK, 0, 1));
	sigaction(SIGALRM, &action, NULL);
	ualarm(50000, 0);
	FAILS(control(other, F_OFD_SETLKW, F_WRLCK, 0, 1), EINTR, "a signal ends the wait for a lock");
	MUST(-pthread_create(&thread, NULL, close_later, &one));
	OK(control(other, F_OFD_SETLKW, F_WRLCK, 0, 1) == 0, "so does the end of another's");
	pthread_join(thread, NULL);
	close(other);
}

static void whole_files(void)
{
	int one = open(path, O_RDWR), other = open(path, O_RDONLY);

	OK(flock(one, LOCK_EX | LOCK_NB) == 0, "flock locks a file for one");
	FAILS(flock(other, LOCK_SH | LOCK_NB), EWOULDBLOCK, "against others");
	OK(control(other, F_OFD_SETLK, F_RDLCK, 0, 0) == 0, "and has nothing to do with fcntl");
	OK(flock(one, LOCK_SH) == 0 && flock(other, LOCK_SH | LOCK_NB) == 0, "or for all");
	close(one);
	OK(flock(other, LOCK_EX | LOCK_NB) == 0, "until it is closed");
	close(other);
}

int main(void)
{
	descriptions();
	processes();
	waiting();
	whole_files();
	unlink(path);
	return tap_done();
}
