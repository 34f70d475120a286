/*
 * The kernel's components that an image is made without, named as arguments, answer ENOSYS; the others work. So do sockets, as in a Linux
 * that has none of any kind; where there are some, a family that is not there is EAFNOSUPPORT.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tap.h"

static int absent_count;
static char **absent;

static int is_absent(const char *component)
{
	for (int i = 0; i < absent_count; i++)
		if (strcmp(absent[i], component) == 0)
			return 1;
	return 0;
}

/* One call of a component, made so that it succeeds where there is one. */
static void call(const char *component, const char *name, long result)
{
	char text[128];
	int error = errno;

	if (is_absent(component)) {
		snprintf(text, sizeof text, "%s is ENOSYS without %s", name, component);
		OK(result == -1 && error == ENOSYS, text);
	} else {
		snprintf(text, sizeof text, "%s works with %s", name, component);
		OK(result != -1, text);
	}
	errno = 0;
}

int main(int argc, char **argv)
{
	struct timespec span = { 0, 1000000 };
	static const int families[] = { AF_UNSPEC, 200 };
	int pair[2];
	long file;

	absent_count = argc - 1;
	absent = argv + 1;

	call("net", "socket AF_INET", syscall(SYS_socket, AF_INET, SOCK_STREAM, 0));
	call("net", "socket AF_UNIX", syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0));
	call("net", "socketpair", syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair));
	for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
		long made = syscall(SYS_socket, families[i], SOCK_STREAM, 0);

		OK(made == -1 && errno == (is_absent("net") ? ENOSYS : EAFNOSUPPORT), "a family that nobody has");
	}
	call("event", "epoll_create1", syscall(SYS_epoll_create1, 0));
	call("event", "eventfd2", syscall(SYS_eventfd2, 0, 0));
	call("event", "pipe2", syscall(SYS_pipe2, pair, O_CLOEXEC));
	call("event", "poll", syscall(SYS_poll, NULL, 0, 0));
	call("event", "timerfd_create", syscall(SYS_timerfd_create, CLOCK_MONOTONIC, 0));
	call("time", "clock_gettime", syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &span));
	span = (struct timespec){ 0, 1000000 };
	call("time", "nanosleep", syscall(SYS_nanosleep, &span, NULL));
	call("time", "alarm", syscall(SYS_alarm, 0));

	call("tmpfs", "memfd_create", syscall(SYS_memfd_create, "components", 0));

	/* Without a file system, what it shows is not there; the console is, as this is read on it. */
	file = syscall(SYS_openat, AT_FDCWD, "/proc/self/status", O_RDONLY);
	OK((file == -1) == is_absent("proc"), "/proc is there with proc alone");
	file = syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR);
	OK((file == -1) == (is_absent("dev") || is_absent("tmpfs")), "/dev is there with dev and tmpfs alone");
	if (is_absent("tmpfs")) {
		file = syscall(SYS_openat, AT_FDCWD, "/tmp/components", O_CREAT | O_RDWR, 0600);
		OK(file == -1 && (errno == EROFS || errno == ENOENT), "nothing is made without tmpfs");
		return tap_done();
	}

	/* Files and memory do not depend on the others. */
	file = syscall(SYS_openat, AT_FDCWD, "/tmp/components", O_CREAT | O_RDWR | O_TRUNC, 0600);
	OK(file >= 0, "a file is made");
	OK(write(file, "abc", 3) == 3 && lseek(file, 0, SEEK_SET) == 0, "it is written");
	OK(read(file, pair, 3) == 3 && memcmp(pair, "abc", 3) == 0, "and read");
	OK(unlink("/tmp/components") == 0, "and removed");
	if (is_absent("net"))
		OK(access("/etc/resolv.conf", F_OK) == -1, "no /etc/resolv.conf without net");
	return tap_done();
}
