/* Local sockets: unix(7), socketpair(2). */
#define _GNU_SOURCE
#include "tap.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int events(int descriptor, int wanted, int wait)
{
	struct pollfd polled = { descriptor, wanted, 0 };

	return poll(&polled, 1, wait) == 1 ? polled.revents : 0;
}

static void datagrams_without_a_peer(void)
{
	int pair[2], set = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = { EPOLLIN, { 0 } };
	struct sockaddr_un peer;
	socklen_t size = sizeof peer;
	char buffer[8];

	MUST(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair));
	MUST(send(pair[0], "last", 4, 0));
	MUST(epoll_ctl(set, EPOLL_CTL_ADD, pair[1], &event));
	close(pair[0]);
	OK(events(pair[1], POLLIN | POLLOUT | POLLRDHUP, 0) == (POLLIN | POLLOUT), "what a peer sent last outlives it");
	OK(recv(pair[1], buffer, 8, 0) == 4, "and can be read");
	OK(events(pair[1], POLLIN | POLLOUT | POLLRDHUP, 0) == POLLOUT, "then there is nothing to read");
	FAILS(recv(pair[1], buffer, 8, 0), EAGAIN, "not even an end");
	OK(epoll_wait(set, &event, 1, 50) == 0, "a set that waits agrees");
	OK(getpeername(pair[1], (void *)&peer, &size) == 0, "the peer is not known to be gone");
	FAILS(send(pair[1], "x", 1, MSG_NOSIGNAL), ECONNREFUSED, "until something is sent to it");
	FAILS(send(pair[1], "x", 1, MSG_NOSIGNAL), ENOTCONN, "from then on there is none");
	FAILS(getpeername(pair[1], (void *)&peer, &size), ENOTCONN, "to be asked for, either");
	close(pair[1]);

	MUST(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair));
	MUST(shutdown(pair[0], SHUT_RDWR));
	OK(events(pair[1], POLLIN | POLLOUT | POLLRDHUP, 0) == POLLOUT, "a peer that is shut is not told of");
	FAILS(send(pair[1], "x", 1, MSG_NOSIGNAL), EPIPE, "but does not take anything");
	OK(events(pair[0], POLLIN | POLLRDHUP, 0) == (POLLIN | POLLRDHUP | POLLHUP), "the shut one has hung up");
	close(pair[0]);
	close(pair[1]);
	close(set);
}

static void packets_without_a_peer(void)
{
	int pair[2];
	char buffer[8];

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair));
	MUST(send(pair[0], "last", 4, 0));
	close(pair[0]);
	OK(events(pair[1], POLLIN | POLLRDHUP, 0) == (POLLIN | POLLRDHUP | POLLHUP), "packets in a row have an end");
	OK(recv(pair[1], buffer, 8, 0) == 4 && recv(pair[1], buffer, 8, 0) == 0, "behind the last one");
	FAILS(send(pair[1], "x", 1, MSG_NOSIGNAL), EPIPE, "and nobody takes more");
	close(pair[1]);
}

static struct sockaddr_un named(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(address.sun_path, name);
	return address;
}

/* An abstract name, and its size. */
static socklen_t abstract(struct sockaddr_un *address, const char *name)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	strcpy(address->sun_path + 1, name);
	return offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name);
}

static void named_streams(int kind)
{
	struct sockaddr_un address = named("/tmp/local-test"), peer, unbound = named("/tmp/local-test-2");
	int listener = socket(AF_UNIX, kind, 0), one = socket(AF_UNIX, kind, 0), two;
	struct ucred owner = { 0 };
	socklen_t size = sizeof peer;
	struct stat status;
	char buffer[64];

	printf("# kind %d\n", kind);
	unlink(address.sun_path);
	FAILS(listen(listener, 1), EINVAL, "without a name nobody listens");
	FAILS(connect(one, (void *)&address, sizeof address), ENOENT, "a name that is not there leads nowhere");
	OK(bind(listener, (void *)&address, sizeof address) == 0, "a socket can have a path");
	OK(stat(address.sun_path, &status) == 0 && S_ISSOCK(status.st_mode), "which is there");
	FAILS(open(address.sun_path, O_RDWR), ENXIO, "but cannot be opened");
	FAILS(bind(listener, (void *)&unbound, sizeof unbound), EINVAL, "one path is enough");
	FAILS(bind(one, (void *)&address, sizeof address), EADDRINUSE, "and nobody else's");
	FAILS(connect(one, (void *)&address, sizeof address), ECONNREFUSED, "nobody listens there yet");
	OK(getsockname(listener, (void *)&peer, &size) == 0 && !strcmp(peer.sun_path, address.sun_path) &&
		   size == offsetof(struct sockaddr_un, sun_path) + strlen(address.sun_path) + 1,
	   "it is told");
	OK(listen(listener, 1) == 0 && events(listener, POLLIN, 0) == 0, "it can be listened at");
	OK(connect(one, (void *)&address, sizeof address) == 0, "and connected to");
	OK(events(listener, POLLIN, LATE_MS) == POLLIN, "the listener sees it");
	OK(send(one, "early", 5, 0) == 5, "bytes can be sent before anyone accepts");
	size = sizeof peer;
	two = accept4(listener, (void *)&peer, &size, SOCK_CLOEXEC);
	OK(two >= 0 && size == sizeof(sa_family_t) && peer.sun_family == AF_UNIX, "who has no name connects without one");
	OK(recv(two, buffer, 64, 0) == 5 && !memcmp(buffer, "early", 5), "the bytes are there");
	size = sizeof peer;
	OK(getpeername(one, (void *)&peer, &size) == 0 && !strcmp(peer.sun_path, address.sun_path), "the peer has the listener's name");
	size = sizeof peer;
	OK(getsockname(two, (void *)&peer, &size) == 0 && !strcmp(peer.sun_path, address.sun_path), "so has the accepted one");
	size = sizeof owner;
	OK(getsockopt(one, SOL_SOCKET, SO_PEERCRED, &owner, &size) == 0 && owner.pid == getpid() && owner.uid == getuid(),
	   "both know who the other is");
	FAILS(connect(one, (void *)&address, sizeof address), EISCONN, "a connection is made once");
	int other = socket(AF_UNIX, SOCK_DGRAM, 0);
	FAILS(connect(other, (void *)&address, sizeof address), EPROTOTYPE, "by sockets of one kind");
	close(other);
	OK(send(two, "back", 4, 0) == 4 && recv(one, buffer, 64, 0) == 4, "bytes go both ways");
	close(two);
	OK(recv(one, buffer, 64, 0) == 0, "a close is an end");
	close(one);

	MUST(one = socket(AF_UNIX, kind, 0));
	MUST(connect(one, (void *)&address, sizeof address));
	MUST(two = accept(listener, NULL, NULL));
	MUST(send(one, "unread", 6, 0));
	close(two);
	FAILS(recv(one, buffer, 64, 0), ECONNRESET, "a close with bytes unread is a reset");
	close(one);

	int waiting[2];
	for (int i = 0; i < 2; i++) {
		MUST(waiting[i] = socket(AF_UNIX, kind, 0));
		MUST(connect(waiting[i], (void *)&address, sizeof address));
	}
	MUST(one = socket(AF_UNIX, kind | SOCK_NONBLOCK, 0));
	FAILS(connect(one, (void *)&address, sizeof address), EAGAIN, "only so many may wait");
	close(accept(listener, NULL, NULL));
	OK(connect(one, (void *)&address, sizeof address) == 0, "then others may");
	close(listener);
	FAILS(recv(one, buffer, 64, 0), ECONNRESET, "who waits for a listener that ends is told");
	close(waiting[0]);
	close(waiting[1]);
	close(one);
	MUST(one = socket(AF_UNIX, kind, 0));
	FAILS(connect(one, (void *)&address, sizeof address), ECONNREFUSED, "a name outlives its socket");
	FAILS(bind(one, (void *)&address, sizeof address), EADDRINUSE, "so it is taken");
	OK(unlink(address.sun_path) == 0 && bind(one, (void *)&address, sizeof address) == 0, "until it is removed");
	close(one);
	unlink(address.sun_path);
	MUST(one = socket(AF_UNIX, kind, 0));
	FAILS(connect(one, (void *)&(struct sockaddr_un){ AF_UNIX, "/tmp" }, sizeof address), ECONNREFUSED, "a folder is no socket");
	close(one);
}

static void *knock(void *address)
{
	int one = socket(AF_UNIX, SOCK_STREAM, 0);
	int result = connect(one, address, sizeof(struct sockaddr_un));

	close(one);
	return (void *)(intptr_t)result;
}

static void waiting_to_connect(void)
{
	struct sockaddr_un address = named("/tmp/local-test");
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), first = socket(AF_UNIX, SOCK_STREAM, 0);
	pthread_t thread;
	void *result = (void *)-2;

	MUST(bind(listener, (void *)&address, sizeof address));
	MUST(listen(listener, 0));
	MUST(connect(first, (void *)&address, sizeof address));
	MUST(-(pthread_create(&thread, NULL, knock, &address) != 0));
	sleep_ms(100);
	close(accept(listener, NULL, NULL));
	pthread_join(thread, &result);
	OK(result == NULL, "who finds a queue full waits for room");
	close(first);
	close(listener);
	unlink(address.sun_path);
}

static void abstract_datagrams(void)
{
	struct sockaddr_un one_address, two_address, from;
	socklen_t one_size = abstract(&one_address, "local-test-one"), two_size = abstract(&two_address, "local-test-two");
	int one = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), two = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	int third = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), stream = socket(AF_UNIX, SOCK_STREAM, 0);
	socklen_t size = sizeof from;
	char buffer[64];

	FAILS(sendto(one, "x", 1, 0, (void *)&two_address, two_size), ECONNREFUSED, "nobody has an abstract name");
	OK(bind(one, (void *)&one_address, one_size) == 0 && bind(two, (void *)&two_address, two_size) == 0, "until it is taken");
	FAILS(bind(third, (void *)&one_address, one_size), EADDRINUSE, "once");
	OK(sendto(one, "hello", 5, 0, (void *)&two_address, two_size) == 5, "datagrams can be sent there");
	memset(&from, 0, sizeof from);
	OK(recvfrom(two, buffer, 64, 0, (void *)&from, &size) == 5 && size == one_size && !memcmp(&from, &one_address, one_size),
	   "and come with their sender");
	FAILS(send(one, "x", 1, 0), ENOTCONN, "without an address they go nowhere");
	OK(connect(one, (void *)&two_address, two_size) == 0 && send(one, "peer", 4, 0) == 4 && recv(two, buffer, 64, 0) == 4,
	   "to a peer they do");
	FAILS(sendto(third, "x", 1, 0, (void *)&one_address, one_size), EPERM, "who has a peer hears nobody else");
	FAILS(connect(stream, (void *)&one_address, one_size), ECONNREFUSED, "streams have names of their own");
	OK(connect(one, &(struct sockaddr){ .sa_family = AF_UNSPEC }, sizeof(struct sockaddr)) == 0, "a peer can be forgotten");
	OK(sendto(third, "now", 3, 0, (void *)&one_address, one_size) == 3 && recv(one, buffer, 64, 0) == 3, "then all are heard");
	size = sizeof from;
	OK(bind(third, (void *)&(struct sockaddr_un){ .sun_family = AF_UNIX }, sizeof(sa_family_t)) == 0 &&
		   getsockname(third, (void *)&from, &size) == 0 && size == sizeof(sa_family_t) + 6 && from.sun_path[0] == 0,
	   "a name can be chosen for one");
	static char large[4000];
	int sent = 0;
	while (sendto(one, large, sizeof large, 0, (void *)&two_address, two_size) > 0)
		sent++;
	OK(errno == EAGAIN && sent > 0, "what nobody reads fills up");
	close(two);
	FAILS(sendto(one, "x", 1, 0, (void *)&two_address, two_size), ECONNREFUSED, "the name goes with its socket");
	close(one);
	close(third);
	close(stream);
}

/* Sends descriptors along with a byte; their number. */
static ssize_t send_files(int socket, const int *files, int count)
{
	_Alignas(8) char control[CMSG_SPACE(4 * sizeof(int))] = { 0 };
	struct iovec byte = { "f", 1 };
	struct msghdr message = { .msg_iov = &byte, .msg_iovlen = 1, .msg_control = control };
	struct cmsghdr *part = (void *)control;

	message.msg_controllen = CMSG_SPACE(count * sizeof(int));
	*part = (struct cmsghdr){ .cmsg_len = CMSG_LEN(count * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(part), files, count * sizeof(int));
	return sendmsg(socket, &message, 0);
}

/* Receives a message with room for `room` descriptors; how many came, and the flags. */
static int receive_files(int socket, int *files, int room, int flags, int *told)
{
	_Alignas(8) char control[CMSG_SPACE(4 * sizeof(int))];
	char buffer[64];
	struct iovec bytes = { buffer, sizeof buffer };
	struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control };

	message.msg_controllen = room ? CMSG_LEN(room * sizeof(int)) : 0;
	if (recvmsg(socket, &message, flags) == -1)
		return -1;
	*told = message.msg_flags;
	struct cmsghdr *part = CMSG_FIRSTHDR(&message);
	if (!part || part->cmsg_type != SCM_RIGHTS)
		return 0;
	memcpy(files, CMSG_DATA(part), part->cmsg_len - CMSG_LEN(0));
	return (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
}

static void open_files(int kind)
{
	int pair[2], pipes[2], files[4], told = 0;
	char buffer[64];

	printf("# kind %d\n", kind);
	MUST(socketpair(AF_UNIX, kind, 0, pair));
	MUST(pipe(pipes));
	OK(send_files(pair[0], pipes, 2) == 1, "open files go along with a message");
	OK(receive_files(pair[1], files, 4, MSG_CMSG_CLOEXEC, &told) == 2 && files[0] != pipes[0] && !(told & MSG_CTRUNC),
	   "and come as descriptors");
	OK((told & MSG_CMSG_CLOEXEC) && (fcntl(files[0], F_GETFD) & FD_CLOEXEC), "closed on exec, if that is asked for");
	close(pipes[1]);
	OK(write(files[1], "through", 7) == 7 && read(pipes[0], buffer, 64) == 7, "of the same files");
	close(files[1]);
	OK(read(pipes[0], buffer, 64) == 0, "which end with the last descriptor");
	close(files[0]);
	MUST(pipe(files));
	MUST(send_files(pair[0], files, 2));
	close(files[1]);
	int start = files[0];
	OK(receive_files(pair[1], files + 2, 1, 0, &told) == 1 && (told & MSG_CTRUNC), "what has no room is closed, which is told");
	close(files[2]);
	OK(read(start, buffer, 64) == 0, "indeed");
	close(start);
	MUST(pipe(files));
	MUST(send_files(pair[0], files + 1, 1));
	close(files[1]);
	OK(recv(pair[1], buffer, 64, 0) == 1, "who asks for bytes gets bytes");
	OK(read(files[0], buffer, 64) == 0, "and the files are closed");
	MUST(send_files(pair[0], pair, 1));
	OK(send(pair[0], "after", 5, 0) == 5, "bytes that follow");
	OK(receive_files(pair[1], files + 1, 4, 0, &told) == 1, "a socket can go along, too");
	OK(recv(pair[1], buffer, 64, 0) == 5, "are another message, or come after it");
	close(files[1]);
	close(files[0]);
	FAILS(send_files(pair[0], (int[]){ 999 }, 1), EBADF, "what is not open cannot be sent");
	MUST(pipe(files));
	MUST(send_files(pair[0], files + 1, 1));
	close(files[1]);
	close(pair[1]);
	OK(read(files[0], buffer, 64) == 0, "what nobody receives is closed with the socket");
	close(files[0]);
	close(pair[0]);
	close(pipes[0]);
	MUST(socketpair(AF_UNIX, kind, 0, pair));
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, files));
	MUST(send_files(pair[0], files + 1, 1));
	close(files[1]);
	OK(send(files[0], "kept", 4, 0) == 4, "a socket on its way is open");
	close(pair[1]);
	OK(recv(files[0], buffer, 64, 0) == -1 && errno == ECONNRESET, "until nobody can receive it any more");
	close(files[0]);
	close(pair[0]);
}

static void credentials(void)
{
	int pair[2], on = 1;
	_Alignas(8) char control[256];
	char buffer[8];
	struct iovec bytes = { buffer, sizeof buffer };
	struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	struct ucred sender = { 0 };

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	MUST(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
	MUST(send(pair[0], "x", 1, 0));
	MUST(recvmsg(pair[1], &message, 0));
	struct cmsghdr *part = CMSG_FIRSTHDR(&message);
	OK(part && part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_CREDENTIALS && part->cmsg_len == CMSG_LEN(sizeof sender),
	   "who sent something can be asked for");
	if (part)
		memcpy(&sender, CMSG_DATA(part), sizeof sender);
	OK(sender.pid == getpid() && sender.uid == getuid() && sender.gid == getgid(), "it was this program");
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	datagrams_without_a_peer();
	packets_without_a_peer();
	named_streams(SOCK_STREAM);
	named_streams(SOCK_SEQPACKET);
	waiting_to_connect();
	abstract_datagrams();
	open_files(SOCK_STREAM);
	open_files(SOCK_DGRAM);
	credentials();
	return tap_done();
}
