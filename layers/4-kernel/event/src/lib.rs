//! Layer 4: epoll, poll, eventfd, timerfd and pipes
#![no_std]
