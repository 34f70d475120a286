/* Local sockets: unix(7), socketpair(2). */
#define _GNU_SOURCE
#include "tap.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
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

int main(void)
{
	datagrams_without_a_peer();
	packets_without_a_peer();
	return tap_done();
}
