/* Stream sockets on the loopback network, as the system calls show them: tcp(7), connect(2), accept(2), shutdown(2). */
#define _GNU_SOURCE
#include "loopback.h"
#include "tap.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static void connections(void)
{
	struct sockaddr_in peer, self;
	socklen_t size = sizeof peer;
	int listener = listening(16), one, two, option;
	char buffer[64];

	OK(events(listener, POLLIN, 0) == 0, "at first nobody is there");
	one = connected();
	OK(events(listener, POLLIN, LATE_MS) == POLLIN, "a connection makes a listener readable");
	two = accept4(listener, (void *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
	OK(two >= 0 && size == sizeof peer, "it can be accepted");
	OK((fcntl(two, F_GETFL) & O_NONBLOCK) && (fcntl(two, F_GETFD) & FD_CLOEXEC), "with flags");
	MUST(getsockname(one, (void *)&self, &size));
	OK(self.sin_port == peer.sin_port && self.sin_addr.s_addr == peer.sin_addr.s_addr, "both ends agree who is who");
	OK(getpeername(one, (void *)&peer, &size) == 0 && peer.sin_port == address.sin_port, "in both directions");
	FAILS(connect(one, (void *)&address, sizeof address), EISCONN, "a connection is made once");
	FAILS(recv(two, buffer, 64, 0), EAGAIN, "without bytes a receive does not wait if it may not");
	OK(send(one, "hello", 5, 0) == 5 && events(two, POLLIN, LATE_MS) == POLLIN, "bytes arrive");
	OK(ioctl(two, FIONREAD, &option) == 0 && option == 5, "their number can be asked");
	OK(recv(two, buffer, 2, MSG_PEEK) == 2 && recv(two, buffer, 64, 0) == 5 && !memcmp(buffer, "hello", 5),
	   "they can be peeked at and received");
	struct iovec parts[2] = { { "ab", 2 }, { "cde", 3 } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	OK(sendmsg(two, &message, 0) == 5 && recv(one, buffer, 5, MSG_WAITALL) == 5 && !memcmp(buffer, "abcde", 5),
	   "scattered bytes are sent in order");
	size = sizeof option;
	OK(setsockopt(one, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)) == 0 &&
		   getsockopt(one, IPPROTO_TCP, TCP_NODELAY, &option, &size) == 0 && option == 1,
	   "TCP_NODELAY is kept");
	OK(getsockopt(one, SOL_SOCKET, SO_ERROR, &option, &size) == 0 && option == 0, "there is no error");
	OK(getsockopt(listener, SOL_SOCKET, SO_ACCEPTCONN, &option, &size) == 0 && option == 1, "a listener says that it listens");
	close(one);
	OK(events(two, POLLIN | POLLRDHUP, LATE_MS) & POLLRDHUP, "a close is told to the other end");
	OK(recv(two, buffer, 64, 0) == 0, "as the end of the bytes");
	close(two);
	close(listener);
}

static void half_closed(void)
{
	int listener = listening(1), one = connected(), two = accept(listener, NULL, NULL);
	char buffer[64];

	OK(shutdown(one, SHUT_WR) == 0, "one direction can be ended");
	OK(recv(two, buffer, 64, 0) == 0, "the other end sees it");
	OK(send(two, "still", 5, 0) == 5 && recv(one, buffer, 64, 0) == 5, "the other direction goes on");
	FAILS(send(one, "x", 1, MSG_NOSIGNAL), EPIPE, "the ended one does not");
	OK(shutdown(one, SHUT_RD) == 0 && recv(one, buffer, 64, 0) == 0, "then both are ended");
	close(two);
	close(one);
	one = connected();
	two = accept(listener, NULL, NULL);
	MUST(send(two, "unread", 6, 0));
	events(one, POLLIN, LATE_MS);
	close(one);
	events(two, POLLHUP | POLLIN, LATE_MS);
	FAILS(recv(two, buffer, 64, 0), ECONNRESET, "a close with bytes unread is a reset");
	close(two);
	close(listener);
}

static void refused(void)
{
	int listener = listening(1), one = socket(AF_INET, SOCK_STREAM, 0), error = 0;
	socklen_t size = sizeof error;

	close(listener);
	FAILS(connect(one, (void *)&address, sizeof address), ECONNREFUSED, "where nobody listens nobody answers");
	close(one);
	MUST(one = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	if (connect(one, (void *)&address, sizeof address) == -1 && errno == EINPROGRESS) {
		OK(events(one, POLLOUT, LATE_MS) & (POLLERR | POLLHUP), "also when one does not wait");
		OK(getsockopt(one, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == ECONNREFUSED, "and asks later");
	} else {
		OK(errno == ECONNREFUSED, "also when one does not wait");
		OK(1, "and is told at once");
	}
	close(one);
}

static void not_waiting(void)
{
	int listener = listening(16), one = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), error = -1;
	socklen_t size = sizeof error;

	MUST(fcntl(listener, F_SETFL, O_NONBLOCK));
	FAILS(accept(listener, NULL, NULL), EAGAIN, "nobody is there to be accepted");
	int result = connect(one, (void *)&address, sizeof address);
	OK(result == 0 || errno == EINPROGRESS, "connecting need not wait");
	OK(events(one, POLLOUT, LATE_MS) == POLLOUT, "a connection makes a socket writable");
	OK(getsockopt(one, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0, "without error");
	events(listener, POLLIN, LATE_MS);
	int two = accept(listener, NULL, NULL);
	OK(two >= 0 && !(fcntl(two, F_GETFL) & O_NONBLOCK), "an accepted one waits unless told otherwise");
	struct timeval short_time = { 0, 50000 };
	char byte;
	MUST(setsockopt(two, SOL_SOCKET, SO_RCVTIMEO, &short_time, sizeof short_time));
	int64_t start = now_ms();
	FAILS(recv(two, &byte, 1, 0), EAGAIN, "or for a limited time");
	OK(now_ms() - start >= 49, "which it does");
	close(one);
	close(two);
	close(listener);
}

static void full(void)
{
	static char block[65536];
	int listener = listening(1), one = connected(), two = accept(listener, NULL, NULL);
	long sent = 0, received = 0, size;

	MUST(fcntl(one, F_SETFL, O_NONBLOCK));
	while ((size = send(one, block, sizeof block, 0)) > 0)
		sent += size;
	OK(errno == EAGAIN && sent > 0, "what nobody reads fills up");
	/* On the way there may still be room for a moment. */
	sleep_ms(50);
	while ((size = send(one, block, sizeof block, 0)) > 0)
		sent += size;
	OK(events(one, POLLOUT, 0) == 0, "then it is not writable");
	while (received < sent && (size = recv(two, block, sizeof block, 0)) > 0)
		received += size;
	OK(received == sent, "all of it arrives");
	OK(events(one, POLLOUT, LATE_MS) == POLLOUT, "and there is room again");
	close(one);
	close(two);
	close(listener);
}

static void edges(void)
{
	int listener = listening(1), one = connected(), two = accept4(listener, NULL, NULL, SOCK_NONBLOCK), set = epoll_create1(0);
	struct epoll_event event = { EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, { 0 } };
	char buffer[64];

	MUST(epoll_ctl(set, EPOLL_CTL_ADD, two, &event));
	OK(epoll_wait(set, &event, 1, LATE_MS) == 1 && event.events == EPOLLOUT, "a fresh connection is an edge");
	OK(epoll_wait(set, &event, 1, 0) == 0, "told once");
	MUST(send(one, "a", 1, 0));
	OK(epoll_wait(set, &event, 1, LATE_MS) == 1 && event.events & EPOLLIN, "arriving bytes are one");
	MUST(send(one, "b", 1, 0));
	OK(epoll_wait(set, &event, 1, LATE_MS) == 1 && event.events & EPOLLIN, "more bytes are another");
	OK(recv(two, buffer, 64, 0) == 2, "nothing is lost by it");
	close(one);
	OK(epoll_wait(set, &event, 1, LATE_MS) == 1 && event.events & EPOLLRDHUP, "a close is one");
	close(two);
	close(set);
	close(listener);
}

static void disconnected(void)
{
	struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
	struct sockaddr_in self;
	int listener = listening(4), one = connected(), two = accept(listener, NULL, NULL), error = 0;
	socklen_t size = sizeof error;
	char byte;

	OK(connect(one, &nowhere, sizeof nowhere) == 0, "a connection can be dissolved");
	OK(events(two, POLLIN, LATE_MS) & POLLERR, "the peer is told");
	FAILS(recv(two, &byte, 1, 0), ECONNRESET, "by a reset");
	OK(events(one, POLLIN | POLLOUT, 0) == (POLLOUT | POLLERR | POLLHUP), "the socket has ended");
	OK(getsockopt(one, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == ECONNRESET, "in the same way");
	OK(events(one, POLLIN | POLLOUT, 0) == (POLLOUT | POLLHUP), "and is as new");
	FAILS(recv(one, &byte, 1, 0), ENOTCONN, "without a connection");
	FAILS(getpeername(one, (void *)&self, &size), ENOTCONN, "or a peer");
	OK(connect(one, &nowhere, sizeof nowhere) == 0, "to dissolve nothing is no error");
	OK(connect(one, (void *)&address, sizeof address) == 0, "it connects anew");
	close(two);
	MUST(two = accept(listener, NULL, NULL));
	OK(send(one, "x", 1, 0) == 1 && recv(two, &byte, 1, 0) == 1, "and bytes flow");
	close(one);
	close(two);

	/* A port that is free, for a moment at least. */
	MUST(one = socket(AF_INET, SOCK_STREAM, 0));
	self = (struct sockaddr_in){ AF_INET, 0, { htonl(INADDR_LOOPBACK) }, { 0 } };
	size = sizeof self;
	MUST(bind(one, (void *)&self, sizeof self));
	MUST(getsockname(one, (void *)&self, &size));
	close(one);
	MUST(one = socket(AF_INET, SOCK_STREAM, 0));
	uint16_t port = self.sin_port;
	MUST(bind(one, (void *)&self, sizeof self));
	MUST(connect(one, (void *)&address, sizeof address));
	OK(connect(one, &nowhere, sizeof nowhere) == 0, "one that was bound is dissolved");
	OK(getsockname(one, (void *)&self, &size) == 0 && self.sin_port == port, "and keeps its port");
	OK(listen(one, 1) == 0, "where it can listen now");
	close(one);
	OK(connect(listener, &nowhere, sizeof nowhere) == 0, "a listener can be ended so, too");
	FAILS(accept(listener, NULL, NULL), EINVAL, "it does not accept any more");
	close(listener);
}

static void *shut(void *listener)
{
	sleep_ms(100);
	shutdown((int)(intptr_t)listener, SHUT_RDWR);
	return NULL;
}

static void shut_listener(void)
{
	int listener = listening(4);
	pthread_t thread;

	MUST(-(pthread_create(&thread, NULL, shut, (void *)(intptr_t)listener) != 0));
	FAILS(accept(listener, NULL, NULL), EINVAL, "who waits for connections is told that there will be none");
	pthread_join(thread, NULL);
	OK(events(listener, POLLIN | POLLRDHUP, 0) == POLLHUP, "a shut listener has hung up, with nothing to read");
	OK(listen(listener, 4) == 0 && events(listener, POLLIN, 0) == 0, "it can listen again");
	socklen_t size = sizeof address;
	MUST(getsockname(listener, (void *)&address, &size));
	int one = connected();
	OK(events(listener, POLLIN, LATE_MS) == POLLIN, "and is connected to");
	OK(shutdown(listener, SHUT_WR) == 0 && events(listener, POLLIN, 0) == POLLIN, "to shut what it never writes is nothing");
	close(one);
	close(listener);
}

/* Whether a new socket can be bound to `address`, and listen there. */
static int can_listen(int reuse)
{
	int one = socket(AF_INET, SOCK_STREAM, 0);

	MUST(one);
	MUST(setsockopt(one, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse));
	int result = bind(one, (void *)&address, sizeof address) == 0 && listen(one, 1) == 0;
	int error = errno;
	close(one);
	errno = error;
	return result;
}

static void kept_ports(void)
{
	for (int reuse = 0; reuse < 2; reuse++) {
		int listener = listening(4), one, two;

		MUST(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse));
		one = connected();
		two = accept(listener, NULL, NULL);
		close(listener);
		OK(!can_listen(0) && errno == EADDRINUSE, "a connection holds its port when nobody listens there any more");
		OK(can_listen(1) == reuse, "unless both sides share it");
		close(two);
		char byte;
		recv(one, &byte, 1, 0);
		close(one);
		sleep_ms(50);
		OK(!can_listen(0) && errno == EADDRINUSE, "so does one that waits for its last segments to die");
		OK(can_listen(1) == reuse, "unless both sides share it, too");
	}
	int listener = listening(4), one = connected(), two = accept(listener, NULL, NULL);
	struct sockaddr_in self;
	socklen_t size = sizeof self;
	MUST(getsockname(one, (void *)&self, &size));
	address = self;
	OK(!can_listen(0) && errno == EADDRINUSE, "the port of a connection that was made cannot be bound");
	self.sin_port = 0;
	MUST(setsockopt(two, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger)));
	close(two);
	close(one);
	sleep_ms(50);
	OK(can_listen(0), "after a reset nothing is kept");
	close(listener);
}

static void nothing(int number)
{
	(void)number;
}

static void *kick(void *thread)
{
	sleep_ms(100);
	pthread_kill(*(pthread_t *)thread, SIGUSR1);
	return NULL;
}

static void interrupted(void)
{
	struct sigaction action = { .sa_handler = nothing, .sa_flags = SA_RESTART };
	struct timeval limit = { 60, 0 };
	int listener = listening(1), one = connected(), two = accept(listener, NULL, NULL);
	pthread_t self = pthread_self(), thread;
	char byte;

	MUST(sigaction(SIGUSR1, &action, NULL));
	MUST(setsockopt(two, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
	MUST(setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit));
	MUST(-(pthread_create(&thread, NULL, kick, &self) != 0));
	FAILS(recv(two, &byte, 1, 0), EINTR, "a receive with a time-out is not begun again after a signal");
	pthread_join(thread, NULL);
	MUST(-(pthread_create(&thread, NULL, kick, &self) != 0));
	FAILS(accept(listener, NULL, NULL), EINTR, "nor is an accept");
	pthread_join(thread, NULL);
	close(one);
	close(two);
	close(listener);
}

static struct tcp_info info(int socket)
{
	struct tcp_info info;
	socklen_t size = sizeof info;

	memset(&info, 0x55, sizeof info);
	MUST(getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size));
	return info;
}

static void told(void)
{
	static char block[100000];
	int listener = listening(4), one = socket(AF_INET, SOCK_STREAM, 0), two;
	struct tcp_info some, other;
	socklen_t size = 10;
	long received = 0, count;

	OK(info(one).tcpi_state == TCP_CLOSE, "TCP_INFO knows a new socket");
	OK(info(listener).tcpi_state == TCP_LISTEN && info(listener).tcpi_sacked == 4, "a listener and its backlog");
	MUST(connect(one, (void *)&address, sizeof address));
	OK(info(listener).tcpi_unacked == 1, "and who waits to be accepted");
	MUST(two = accept(listener, NULL, NULL));
	MUST(send(one, block, sizeof block, 0));
	while (received < (long)sizeof block && (count = recv(two, block, sizeof block, 0)) > 0)
		received += count;
	sleep_ms(300);
	some = info(one);
	other = info(two);
	OK(some.tcpi_state == TCP_ESTABLISHED && other.tcpi_state == TCP_ESTABLISHED, "both ends of a connection");
	OK(some.tcpi_rtt > 0 && some.tcpi_rto >= some.tcpi_rtt, "how long the way to the peer and back is");
	OK(some.tcpi_snd_mss >= 536 && some.tcpi_snd_cwnd >= 2 && some.tcpi_pmtu > some.tcpi_snd_mss, "how much may go at once");
	OK(some.tcpi_unacked == 0 && some.tcpi_retransmits == 0 && some.tcpi_probes == 0, "that all has arrived");
	OK(other.tcpi_last_data_recv < 60000 && some.tcpi_last_data_sent < 60000, "and when");
	memset(&some, 0x55, sizeof some);
	OK(getsockopt(one, IPPROTO_TCP, TCP_INFO, &some, &size) == 0 && size == 10 && ((char *)&some)[10] == 0x55,
	   "as much of it as is wanted");
	shutdown(one, SHUT_WR);
	recv(two, block, 1, 0);
	sleep_ms(50);
	OK(info(one).tcpi_state == TCP_FIN_WAIT2 && info(two).tcpi_state == TCP_CLOSE_WAIT, "and who has ended");
	close(one);
	close(two);
	close(listener);
}

static void errors(void)
{
	int listener = listening(1), one = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in foreign = address;
	char byte;

	FAILS(send(one, "x", 1, MSG_NOSIGNAL), EPIPE, "what is not connected does not send");
	FAILS(recv(one, &byte, 1, 0), ENOTCONN, "nor receive");
	FAILS(shutdown(one, SHUT_RDWR), ENOTCONN, "nor end");
	FAILS(accept(one, NULL, NULL), EINVAL, "what does not listen does not accept");
	FAILS(bind(one, (void *)&address, sizeof address), EADDRINUSE, "a listener's port is taken");
	foreign.sin_family = 77;
	FAILS(connect(one, (void *)&foreign, sizeof foreign), EAFNOSUPPORT, "a foreign kind of address is refused");
	FAILS(connect(one, (void *)&address, 3), EINVAL, "so is a short one");
	FAILS(connect(one, (void *)8, sizeof address), EFAULT, "so is a bad pointer");
	FAILS(connect(0, (void *)&address, sizeof address), ENOTSOCK, "a file does not connect");
	FAILS(setsockopt(one, IPPROTO_TCP, 9999, &(int){ 1 }, sizeof(int)), ENOPROTOOPT, "there is no option 9999");
	close(one);
	close(listener);
	MUST(one = socket(AF_INET, SOCK_STREAM, 0));
	MUST(setsockopt(one, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)));
	OK(bind(one, (void *)&address, sizeof address) == 0 && listen(one, 5) == 0, "a closed listener's port is free");
	close(one);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	connections();
	half_closed();
	refused();
	not_waiting();
	full();
	edges();
	disconnected();
	shut_listener();
	kept_ports();
	interrupted();
	told();
	errors();
	return tap_done();
}
