/* Datagrams on the loopback network: udp(7), sendto(2), recvmsg(2) and their errors. */
#define _GNU_SOURCE
#include "tap.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static struct sockaddr_in local(uint16_t port)
{
	return (struct sockaddr_in){ AF_INET, htons(port), { htonl(INADDR_LOOPBACK) }, { 0 } };
}

/* A bound socket; its address goes to `address`. */
static int bound(struct sockaddr_in *address, int flags)
{
	socklen_t size = sizeof *address;
	int socket_ = socket(AF_INET, SOCK_DGRAM | flags, 0);

	*address = local(0);
	MUST(socket_);
	MUST(bind(socket_, (void *)address, sizeof *address));
	MUST(getsockname(socket_, (void *)address, &size));
	return socket_;
}

static void one_to_another(void)
{
	struct sockaddr_in one_address, two_address, from = { 0 };
	int one = bound(&one_address, 0), two = bound(&two_address, 0);
	socklen_t size = sizeof from;
	char buffer[64];

	OK(one_address.sin_port && two_address.sin_port && one_address.sin_port != two_address.sin_port, "free ports are found");
	OK(sendto(one, "hello", 5, 0, (void *)&two_address, sizeof two_address) == 5, "a datagram can be sent");
	OK(recvfrom(two, buffer, 64, 0, (void *)&from, &size) == 5 && !memcmp(buffer, "hello", 5), "and received");
	OK(size == sizeof from && from.sin_port == one_address.sin_port && from.sin_addr.s_addr == one_address.sin_addr.s_addr,
	   "with its sender");
	MUST(sendto(one, "0123456789", 10, 0, (void *)&two_address, sizeof two_address));
	OK(recv(two, buffer, 4, MSG_PEEK) == 4 && recv(two, buffer, 4, MSG_PEEK | MSG_TRUNC) == 10, "it can be peeked at");
	struct iovec part = { buffer, 4 };
	struct msghdr message = { .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &part, .msg_iovlen = 1 };
	OK(recvmsg(two, &message, 0) == 4 && message.msg_flags & MSG_TRUNC && message.msg_namelen == sizeof from,
	   "what does not fit is cut and lost");
	OK(sendto(one, NULL, 0, 0, (void *)&two_address, sizeof two_address) == 0 && recv(two, buffer, 64, 0) == 0,
	   "a datagram may be empty");
	struct iovec parts[2] = { { "ab", 2 }, { "cd", 2 } };
	struct msghdr gathered = { .msg_name = &two_address, .msg_namelen = sizeof two_address, .msg_iov = parts, .msg_iovlen = 2 };
	OK(sendmsg(one, &gathered, 0) == 4 && recv(two, buffer, 64, 0) == 4 && !memcmp(buffer, "abcd", 4), "or gathered");
	FAILS(recv(two, buffer, 64, MSG_DONTWAIT), EAGAIN, "nothing more has come");
	close(one);
	close(two);
}

static void connected(void)
{
	struct sockaddr_in one_address, two_address, other_address, peer;
	int one = bound(&one_address, SOCK_NONBLOCK), two = bound(&two_address, SOCK_NONBLOCK), other = bound(&other_address, 0);
	socklen_t size = sizeof peer;
	char buffer[64];

	FAILS(send(one, "x", 1, 0), EDESTADDRREQ, "without an address nothing can be sent");
	FAILS(getpeername(one, (void *)&peer, &size), ENOTCONN, "there is no peer");
	OK(connect(one, (void *)&two_address, sizeof two_address) == 0, "a socket can be given one");
	OK(getpeername(one, (void *)&peer, &size) == 0 && peer.sin_port == two_address.sin_port, "then there is");
	OK(send(one, "x", 1, 0) == 1 && recv(two, buffer, 64, 0) == 1, "and it gets what is sent");
	MUST(sendto(other, "no", 2, 0, (void *)&one_address, sizeof one_address));
	MUST(sendto(two, "yes", 3, 0, (void *)&one_address, sizeof one_address));
	OK(recv(one, buffer, 64, 0) == 3, "only the peer is heard");
	FAILS(recv(one, buffer, 64, 0), EAGAIN, "nobody else");
	struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
	OK(connect(one, &nowhere, sizeof nowhere) == 0, "the peer can be forgotten");
	OK(getsockname(one, (void *)&peer, &size) == 0 && peer.sin_port == 0 &&
		   peer.sin_addr.s_addr == one_address.sin_addr.s_addr,
	   "a port that was chosen for it has gone with the peer, an address of its own has not");
	OK(bind(one, (void *)&one_address, sizeof one_address) == 0, "it can be bound anew");
	FAILS(send(one, "x", 1, 0), EDESTADDRREQ, "nothing can be sent without an address again");
	MUST(connect(one, (void *)&two_address, sizeof two_address));
	MUST(connect(one, &nowhere, sizeof nowhere));
	OK(sendto(other, "now", 3, 0, (void *)&one_address, sizeof one_address) == 3 && recv(one, buffer, 64, 0) == 3,
	   "a port of its own stays, and there everyone is heard");
	close(one);
	MUST(one = socket(AF_INET, SOCK_DGRAM, 0));
	MUST(connect(one, (void *)&two_address, sizeof two_address));
	MUST(connect(one, &nowhere, sizeof nowhere));
	OK(getsockname(one, (void *)&peer, &size) == 0 && peer.sin_port == 0 && peer.sin_addr.s_addr == 0,
	   "one that was chosen by connecting goes with the peer");
	peer = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = one_address.sin_port };
	MUST(bind(one, (void *)&peer, sizeof peer));
	MUST(connect(one, (void *)&two_address, sizeof two_address));
	OK(getsockname(one, (void *)&peer, &size) == 0 && peer.sin_addr.s_addr == htonl(INADDR_LOOPBACK),
	   "connecting chooses among all addresses");
	MUST(connect(one, &nowhere, sizeof nowhere));
	OK(getsockname(one, (void *)&peer, &size) == 0 && peer.sin_port != 0 && peer.sin_addr.s_addr == 0,
	   "afterwards it is all of them again");
	close(one);
	close(two);
	close(other);
}

/* Receives into `message`, whose control data is `control`, and gives the part of this level and type. */
static struct cmsghdr *received(int socket, struct msghdr *message, int level, int type)
{
	static char buffer[64];
	static struct iovec part = { buffer, sizeof buffer };

	message->msg_iov = &part;
	message->msg_iovlen = 1;
	MUST(recvmsg(socket, message, 0));
	for (struct cmsghdr *one = CMSG_FIRSTHDR(message); one; one = CMSG_NXTHDR(message, one))
		if (one->cmsg_level == level && one->cmsg_type == type)
			return one;
	return NULL;
}

static void ancillary(void)
{
	struct sockaddr_in address, self = { .sin_family = AF_INET };
	int one = bound(&address, 0), two = socket(AF_INET, SOCK_DGRAM, 0), on = 1, ttl = 33, tos = 0x28;
	_Alignas(8) char control[256];
	struct msghdr message = { .msg_control = control, .msg_controllen = sizeof control };
	struct cmsghdr *part;
	struct in_pktinfo *info;
	struct timeval time;
	struct timespec now, arrived;

	MUST(sendto(one, "x", 1, 0, (void *)&address, sizeof address));
	OK(received(one, &message, IPPROTO_IP, IP_PKTINFO) == NULL && message.msg_controllen == 0, "nothing comes along unasked");
	OK(setsockopt(one, IPPROTO_IP, IP_PKTINFO, &on, sizeof on) == 0 && setsockopt(one, IPPROTO_IP, IP_RECVTTL, &on, sizeof on) == 0 &&
		   setsockopt(one, IPPROTO_IP, IP_RECVTOS, &on, sizeof on) == 0,
	   "where a datagram went can be asked for");
	MUST(setsockopt(two, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl));
	MUST(setsockopt(two, IPPROTO_IP, IP_TOS, &tos, sizeof tos));
	for (int i = 0; i < 3; i++)
		MUST(sendto(two, "x", 1, 0, (void *)&address, sizeof address));
	message.msg_controllen = sizeof control;
	part = received(one, &message, IPPROTO_IP, IP_PKTINFO);
	info = part ? (void *)CMSG_DATA(part) : NULL;
	OK(info && part->cmsg_len == CMSG_LEN(sizeof *info) && info->ipi_addr.s_addr == htonl(INADDR_LOOPBACK) &&
		   info->ipi_spec_dst.s_addr == htonl(INADDR_LOOPBACK) && info->ipi_ifindex == 1,
	   "its destination and its interface");
	message.msg_controllen = sizeof control;
	part = received(one, &message, IPPROTO_IP, IP_TTL);
	OK(part && *(int *)CMSG_DATA(part) == 33, "how long it had to live");
	message.msg_controllen = sizeof control;
	part = received(one, &message, IPPROTO_IP, IP_TOS);
	OK(part && part->cmsg_len == CMSG_LEN(1) && *(unsigned char *)CMSG_DATA(part) == 0x28, "its type of service");

	MUST(sendto(two, "x", 1, 0, (void *)&address, sizeof address));
	message.msg_controllen = CMSG_LEN(4);
	received(one, &message, IPPROTO_IP, IP_TTL);
	OK(message.msg_flags & MSG_CTRUNC, "what has no room is cut, which is told");

	MUST(setsockopt(one, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof on));
	MUST(sendto(two, "x", 1, 0, (void *)&address, sizeof address));
	MUST(clock_gettime(CLOCK_REALTIME, &now));
	message.msg_controllen = sizeof control;
	part = received(one, &message, SOL_SOCKET, SCM_TIMESTAMP);
	memset(&time, 0, sizeof time);
	if (part)
		memcpy(&time, CMSG_DATA(part), sizeof time);
	OK(part && time.tv_sec <= now.tv_sec + 1 && time.tv_sec >= now.tv_sec - 5, "when it came");
	MUST(setsockopt(one, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on));
	MUST(sendto(two, "x", 1, 0, (void *)&address, sizeof address));
	message.msg_controllen = sizeof control;
	part = received(one, &message, SOL_SOCKET, SCM_TIMESTAMPNS);
	memset(&arrived, 0, sizeof arrived);
	if (part)
		memcpy(&arrived, CMSG_DATA(part), sizeof arrived);
	OK(part && arrived.tv_sec <= now.tv_sec + 5 && arrived.tv_sec >= now.tv_sec - 5 && arrived.tv_nsec < 1000000000, "or more exactly");
	int stamps = 1;
	socklen_t size = sizeof stamps;
	OK(getsockopt(one, SOL_SOCKET, SO_TIMESTAMP, &stamps, &size) == 0 && stamps == 0, "but not both");

	/* From an address of the sender's choice, and with a life of its own. */
	struct iovec bytes = { "y", 1 };
	struct msghdr sent = { .msg_name = &address, .msg_namelen = sizeof address, .msg_iov = &bytes, .msg_iovlen = 1 };
	memset(control, 0, sizeof control);
	sent.msg_control = control;
	sent.msg_controllen = CMSG_SPACE(sizeof *info) + CMSG_SPACE(sizeof ttl);
	part = CMSG_FIRSTHDR(&sent);
	*part = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof *info), .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO };
	info = (void *)CMSG_DATA(part);
	*info = (struct in_pktinfo){ .ipi_spec_dst.s_addr = htonl(INADDR_LOOPBACK + 1) };
	part = CMSG_NXTHDR(&sent, part);
	*part = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof ttl), .cmsg_level = IPPROTO_IP, .cmsg_type = IP_TTL };
	ttl = 7;
	memcpy(CMSG_DATA(part), &ttl, sizeof ttl);
	OK(sendmsg(two, &sent, 0) == 1, "what goes along is taken");
	message.msg_name = &self;
	message.msg_namelen = sizeof self;
	message.msg_control = control;
	message.msg_controllen = sizeof control;
	part = received(one, &message, IPPROTO_IP, IP_TTL);
	OK(part && *(int *)CMSG_DATA(part) == 7 && self.sin_addr.s_addr == htonl(INADDR_LOOPBACK + 1), "and done");
	part = (void *)control;
	*part = (struct cmsghdr){ .cmsg_len = CMSG_LEN(4), .cmsg_level = IPPROTO_IP, .cmsg_type = 99 };
	sent.msg_controllen = CMSG_SPACE(4);
	FAILS(sendmsg(two, &sent, 0), EINVAL, "what is not known is refused");
	part->cmsg_len = 3;
	FAILS(sendmsg(two, &sent, 0), EINVAL, "so is what has no length");
	close(one);
	close(two);
}

static void waiting(void)
{
	struct sockaddr_in address;
	int one = bound(&address, 0), set = epoll_create1(0), available = 0;
	struct timeval short_time = { 0, 50000 };
	struct epoll_event event = { EPOLLIN | EPOLLOUT, { 0 } };
	struct pollfd wait = { one, POLLIN | POLLOUT, 0 };
	int64_t start = now_ms();
	char buffer[64];

	MUST(setsockopt(one, SOL_SOCKET, SO_RCVTIMEO, &short_time, sizeof short_time));
	FAILS(recv(one, buffer, 64, 0), EAGAIN, "a receive ends at its time-out");
	OK(now_ms() - start >= 49, "and not before");
	MUST(epoll_ctl(set, EPOLL_CTL_ADD, one, &event));
	OK(epoll_wait(set, &event, 1, 0) == 1 && event.events == EPOLLOUT, "an idle socket is writable");
	MUST(sendto(one, "abc", 3, 0, (void *)&address, sizeof address));
	OK(epoll_wait(set, &event, 1, LATE_MS) == 1 && event.events == (EPOLLIN | EPOLLOUT), "one with a datagram is readable");
	OK(poll(&wait, 1, 0) == 1 && wait.revents == (POLLIN | POLLOUT), "poll agrees");
	OK(ioctl(one, FIONREAD, &available) == 0 && available == 3, "its size can be asked");
	close(one);
	close(set);
}

static void order(void)
{
	struct sockaddr_in address;
	int one = bound(&address, SOCK_NONBLOCK), number, right = 1;

	for (int i = 0; i < 50; i++)
		MUST(sendto(one, &i, sizeof i, 0, (void *)&address, sizeof address));
	for (int i = 0; i < 50; i++)
		right &= recv(one, &number, sizeof number, 0) == sizeof number && number == i;
	OK(right, "50 datagrams come in their order");
	static char large[16000], back[16000];
	memset(large, 'l', sizeof large);
	OK(sendto(one, large, 1400, 0, (void *)&address, sizeof address) == 1400 && recv(one, back, sizeof back, 0) == 1400 &&
		   back[1399] == 'l',
	   "1400 bytes come whole");
	close(one);
}

static void errors(void)
{
	static char huge[70000];
	struct sockaddr_in address, wrong = local(1);
	int one = bound(&address, SOCK_NONBLOCK), two = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP), kind;
	socklen_t size = sizeof kind;

	FAILS(bind(two, (void *)&address, sizeof address), EADDRINUSE, "a port belongs to one socket");
	FAILS(bind(one, (void *)&address, sizeof address), EINVAL, "a socket has one address");
	FAILS(bind(two, (void *)&address, 4), EINVAL, "an address has its size");
	wrong.sin_addr.s_addr = htonl(0xc0000201);
	FAILS(bind(two, (void *)&wrong, sizeof wrong), EADDRNOTAVAIL, "a foreign address cannot be had");
	FAILS(sendto(one, huge, sizeof huge, 0, (void *)&address, sizeof address), EMSGSIZE, "a datagram has less than 64 KiB");
	FAILS(sendto(one, (void *)8, 10, 0, (void *)&address, sizeof address), EFAULT, "a bad buffer is refused");
	wrong.sin_family = 77;
	FAILS(sendto(one, "x", 1, 0, (void *)&wrong, sizeof wrong), EAFNOSUPPORT, "so is a foreign kind of address");
	FAILS(listen(one, 1), EOPNOTSUPP, "nobody listens for datagrams");
	FAILS(accept(one, NULL, NULL), EOPNOTSUPP, "nor accepts them");
	OK(getsockopt(one, SOL_SOCKET, SO_TYPE, &kind, &size) == 0 && kind == SOCK_DGRAM, "a socket knows its kind");
	FAILS(getsockopt(one, SOL_SOCKET, 9999, &kind, &size), ENOPROTOOPT, "but no option 9999");
	FAILS(socket(77, SOCK_DGRAM, 0), EAFNOSUPPORT, "there is no family 77");
	FAILS(socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP), EPROTONOSUPPORT, "TCP has no datagrams");
	FAILS(send(0, "x", 1, 0), ENOTSOCK, "a file is no socket");
	close(one);
	FAILS(recv(one, huge, 1, 0), EBADF, "a closed socket is none either");
	OK(bind(two, (void *)&address, sizeof address) == 0, "its port is free again");
	close(two);
}

int main(void)
{
	one_to_another();
	connected();
	ancillary();
	waiting();
	order();
	errors();
	return tap_done();
}
