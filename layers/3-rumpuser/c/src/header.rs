//! The declarations of rumpuser.h. The script 'generate' wrote this file; do not change it by hand.

pub const RUMPUSER_VERSION: i32 = 17;
pub const RUMPUSER_ENOENT: i32 = 2;
pub const RUMPUSER_ESRCH: i32 = 3;
pub const RUMPUSER_EIO: i32 = 5;
pub const RUMPUSER_ENXIO: i32 = 6;
pub const RUMPUSER_EBADF: i32 = 9;
pub const RUMPUSER_ENOMEM: i32 = 12;
pub const RUMPUSER_EBUSY: i32 = 16;
pub const RUMPUSER_EINVAL: i32 = 22;
pub const RUMPUSER_EMFILE: i32 = 24;
pub const RUMPUSER_EROFS: i32 = 30;
pub const RUMPUSER_ERANGE: i32 = 34;
pub const RUMPUSER_EAGAIN: i32 = 35;
pub const RUMPUSER_EMSGSIZE: i32 = 40;
pub const RUMPUSER_ETIMEDOUT: i32 = 60;
pub const RUMPUSER_ENOTSUP: i32 = 86;
pub const RUMPUSER_OPEN_RDONLY: i32 = 0;
pub const RUMPUSER_OPEN_WRONLY: i32 = 1;
pub const RUMPUSER_OPEN_RDWR: i32 = 2;
pub const RUMPUSER_OPEN_ACCMODE: i32 = 3;
pub const RUMPUSER_OPEN_CREATE: i32 = 4;
pub const RUMPUSER_OPEN_EXCL: i32 = 8;
pub const RUMPUSER_OPEN_BIO: i32 = 16;
pub const RUMPUSER_FT_OTHER: i32 = 0;
pub const RUMPUSER_FT_DIR: i32 = 1;
pub const RUMPUSER_FT_REG: i32 = 2;
pub const RUMPUSER_FT_BLK: i32 = 3;
pub const RUMPUSER_FT_CHR: i32 = 4;
pub const RUMPUSER_BIO_READ: i32 = 1;
pub const RUMPUSER_BIO_WRITE: i32 = 2;
pub const RUMPUSER_BIO_SYNC: i32 = 4;
pub const RUMPUSER_SYNCFD_READ: i32 = 1;
pub const RUMPUSER_SYNCFD_WRITE: i32 = 2;
pub const RUMPUSER_SYNCFD_BARRIER: i32 = 4;
pub const RUMPUSER_SYNCFD_SYNC: i32 = 8;
pub const RUMPUSER_IOV_NOSEEK: i32 = -1;
pub const RUMPUSER_PARAM_NCPU: &[u8; 15usize] = b"_RUMPUSER_NCPU\0";
pub const RUMPUSER_PARAM_HOSTNAME: &[u8; 19usize] = b"_RUMPUSER_HOSTNAME\0";
pub const RUMPUSER_PID_SELF: i32 = -1;
pub const RUMPUSER_PANIC: i32 = -1;
pub const RUMPUSER_RANDOM_HARD: i32 = 1;
pub const RUMPUSER_RANDOM_NOWAIT: i32 = 2;
pub const RUMPUSER_MTX_SPIN: i32 = 1;
pub const RUMPUSER_MTX_KMUTEX: i32 = 2;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct lwp {
    _unused: [u8; 0],
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct rumpuser_hyperup {
    pub hyp_schedule: ::core::option::Option<unsafe extern "C" fn()>,
    pub hyp_unschedule: ::core::option::Option<unsafe extern "C" fn()>,
    pub hyp_backend_unschedule: ::core::option::Option<
        unsafe extern "C" fn(
            nlocks: core::ffi::c_int,
            countp: *mut core::ffi::c_int,
            interlock: *mut core::ffi::c_void,
        ),
    >,
    pub hyp_backend_schedule:
        ::core::option::Option<unsafe extern "C" fn(nlocks: core::ffi::c_int, interlock: *mut core::ffi::c_void)>,
    pub hyp_lwproc_switch: ::core::option::Option<unsafe extern "C" fn(arg1: *mut lwp)>,
    pub hyp_lwproc_release: ::core::option::Option<unsafe extern "C" fn()>,
    pub hyp_lwproc_rfork: ::core::option::Option<
        unsafe extern "C" fn(
            arg1: *mut core::ffi::c_void,
            arg2: core::ffi::c_int,
            arg3: *const core::ffi::c_char,
        ) -> core::ffi::c_int,
    >,
    pub hyp_lwproc_newlwp: ::core::option::Option<unsafe extern "C" fn(arg1: i32) -> core::ffi::c_int>,
    pub hyp_lwproc_curlwp: ::core::option::Option<unsafe extern "C" fn() -> *mut lwp>,
    pub hyp_syscall: ::core::option::Option<
        unsafe extern "C" fn(
            arg1: core::ffi::c_int,
            arg2: *mut core::ffi::c_void,
            arg3: *mut core::ffi::c_long,
        ) -> core::ffi::c_int,
    >,
    pub hyp_lwpexit: ::core::option::Option<unsafe extern "C" fn()>,
    pub hyp_execnotify: ::core::option::Option<unsafe extern "C" fn(arg1: *const core::ffi::c_char)>,
    pub hyp_getpid: ::core::option::Option<unsafe extern "C" fn() -> i32>,
    pub hyp__extra: [*mut core::ffi::c_void; 8usize],
}
unsafe extern "C" {
    pub fn rumpuser_init(version: core::ffi::c_int, arg1: *const rumpuser_hyperup) -> core::ffi::c_int;
}
unsafe extern "C" {
    pub fn rumpuser_malloc(
        size: usize,
        alignment: core::ffi::c_int,
        memory: *mut *mut core::ffi::c_void,
    ) -> core::ffi::c_int;
}
unsafe extern "C" {
    pub fn rumpuser_free(memory: *mut core::ffi::c_void, size: usize);
}
unsafe extern "C" {
    pub fn rumpuser_anonmmap(
        preferred: *mut core::ffi::c_void,
        size: usize,
        alignbit: core::ffi::c_int,
        executable: core::ffi::c_int,
        memory: *mut *mut core::ffi::c_void,
    ) -> core::ffi::c_int;
}
unsafe extern "C" {
    pub fn rumpuser_unmap(memory: *mut core::ffi::c_void, size: usize);
}
unsafe extern "C" {
    pub fn rumpuser_open(
        path: *const core::ffi::c_char,
        mode: core::ffi::c_int,
        fd: *mut core::ffi::c_int,
    ) -> core::ffi::c_int;
}
unsafe extern "C" {
    pub fn rumpuser_close(fd: core::ffi::c_int) -> core::ffi::c_int;
}
unsafe extern "C" {
    pub fn rumpuser_getfileinfo(
        path: *const core::ffi::c_char,
        size: *mut u64,
        type_: *mut core::ffi::c_int,
    ) -> core::ffi::c_int;
}
pub type rump_biodone_fn = ::core::option::Option<
    unsafe extern "C" fn(argument: *mut core::ffi::c_void, done: usize, error: core::ffi::c_int),
>;
unsafe extern "C" {
    pub fn rumpuser_bio(
        fd: core::ffi::c_int,
        operation: core::ffi::c_int,
        data: *mut core::ffi::c_void,
        length: usize,
        offset: i64,
        done: rump_biodone_fn,
        argument: *mut core::ffi::c_void,
    );
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct rumpuser_iov {
    pub iov_base: *mut core::ffi::c_void,
    pub iov_len: usize,
}
unsafe extern "C" {
    pub fn rumpuser_iovread(
        fd: core::ffi::c_int,
        arg1: *mut rumpuser_iov,
        count: usize,
        offset: i64,
        done: *mut usize,
    ) -> core::ffi::c_int;
}
unsafe extern "C" {
    pub fn rumpuser_iovwrite(
        fd: core::ffi::c_int,
        arg1: *const rumpuser_iov,
        count: usize,
        offset: i64,
        done: *mut usize,
    ) -> core::ffi::c_int;
}
unsafe extern "C" {
    pub fn rumpuser_syncfd(fd: core::ffi::c_int, flags: core::ffi::c_int, start: u64, length: u64) -> core::ffi::c_int;
}
pub const RUMPUSER_CLOCK_RELWALL: rumpclock = 0;
pub const RUMPUSER_CLOCK_ABSMONO: rumpclock = 1;
pub type rumpclock = core::ffi::c_uint;
unsafe extern "C" {
    pub fn rumpuser_clock_gettime(
        clock: core::ffi::c_int,
        seconds: *mut i64,
        nanoseconds: *mut core::ffi::c_long,
    ) -> core::ffi::c_int;
}
unsafe extern "C" {
    pub fn rumpuser_clock_sleep(
        clock: core::ffi::c_int,
        seconds: i64,
        nanoseconds: core::ffi::c_long,
    ) -> core::ffi::c_int;
}
unsafe extern "C" {
    pub fn rumpuser_getparam(
        name: *const core::ffi::c_char,
        buffer: *mut core::ffi::c_void,
        size: usize,
    ) -> core::ffi::c_int;
}
unsafe extern "C" {
    pub fn rumpuser_putchar(character: core::ffi::c_int);
}
unsafe extern "C" {
    pub fn rumpuser_dprintf(format: *const core::ffi::c_char, ...);
}
unsafe extern "C" {
    pub fn rumpuser_kill(pid: i64, signal: core::ffi::c_int) -> core::ffi::c_int;
}
unsafe extern "C" {
    pub fn rumpuser_exit(status: core::ffi::c_int);
}
unsafe extern "C" {
    pub fn rumpuser_wait_stop(timeout: i64) -> core::ffi::c_int;
}
unsafe extern "C" {
    pub fn rumpuser_getrandom(
        buffer: *mut core::ffi::c_void,
        size: usize,
        flags: core::ffi::c_int,
        done: *mut usize,
    ) -> core::ffi::c_int;
}
unsafe extern "C" {
    pub fn rumpuser_thread_create(
        function: ::core::option::Option<unsafe extern "C" fn(arg1: *mut core::ffi::c_void) -> *mut core::ffi::c_void>,
        argument: *mut core::ffi::c_void,
        name: *const core::ffi::c_char,
        joinable: core::ffi::c_int,
        priority: core::ffi::c_int,
        cpu: core::ffi::c_int,
        cookie: *mut *mut core::ffi::c_void,
    ) -> core::ffi::c_int;
}
unsafe extern "C" {
    pub fn rumpuser_thread_exit();
}
unsafe extern "C" {
    pub fn rumpuser_thread_join(cookie: *mut core::ffi::c_void) -> core::ffi::c_int;
}
pub const RUMPUSER_LWP_CREATE: rumplwpop = 0;
pub const RUMPUSER_LWP_DESTROY: rumplwpop = 1;
pub const RUMPUSER_LWP_SET: rumplwpop = 2;
pub const RUMPUSER_LWP_CLEAR: rumplwpop = 3;
pub type rumplwpop = core::ffi::c_uint;
unsafe extern "C" {
    pub fn rumpuser_curlwpop(operation: core::ffi::c_int, arg1: *mut lwp);
}
unsafe extern "C" {
    pub fn rumpuser_curlwp() -> *mut lwp;
}
unsafe extern "C" {
    pub fn rumpuser_seterrno(arg1: core::ffi::c_int);
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct rumpuser_mtx {
    _unused: [u8; 0],
}
unsafe extern "C" {
    pub fn rumpuser_mutex_init(arg1: *mut *mut rumpuser_mtx, flags: core::ffi::c_int);
}
unsafe extern "C" {
    pub fn rumpuser_mutex_enter(arg1: *mut rumpuser_mtx);
}
unsafe extern "C" {
    pub fn rumpuser_mutex_enter_nowrap(arg1: *mut rumpuser_mtx);
}
unsafe extern "C" {
    pub fn rumpuser_mutex_tryenter(arg1: *mut rumpuser_mtx) -> core::ffi::c_int;
}
unsafe extern "C" {
    pub fn rumpuser_mutex_exit(arg1: *mut rumpuser_mtx);
}
unsafe extern "C" {
    pub fn rumpuser_mutex_destroy(arg1: *mut rumpuser_mtx);
}
unsafe extern "C" {
    pub fn rumpuser_mutex_owner(arg1: *mut rumpuser_mtx, arg2: *mut *mut lwp);
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct rumpuser_rw {
    _unused: [u8; 0],
}
pub const RUMPUSER_RW_READER: rumprwlock = 0;
pub const RUMPUSER_RW_WRITER: rumprwlock = 1;
pub type rumprwlock = core::ffi::c_uint;
unsafe extern "C" {
    pub fn rumpuser_rw_init(arg1: *mut *mut rumpuser_rw);
}
unsafe extern "C" {
    pub fn rumpuser_rw_enter(kind: core::ffi::c_int, arg1: *mut rumpuser_rw);
}
unsafe extern "C" {
    pub fn rumpuser_rw_tryenter(kind: core::ffi::c_int, arg1: *mut rumpuser_rw) -> core::ffi::c_int;
}
unsafe extern "C" {
    pub fn rumpuser_rw_tryupgrade(arg1: *mut rumpuser_rw) -> core::ffi::c_int;
}
unsafe extern "C" {
    pub fn rumpuser_rw_downgrade(arg1: *mut rumpuser_rw);
}
unsafe extern "C" {
    pub fn rumpuser_rw_exit(arg1: *mut rumpuser_rw);
}
unsafe extern "C" {
    pub fn rumpuser_rw_destroy(arg1: *mut rumpuser_rw);
}
unsafe extern "C" {
    pub fn rumpuser_rw_held(kind: core::ffi::c_int, arg1: *mut rumpuser_rw, held: *mut core::ffi::c_int);
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct rumpuser_cv {
    _unused: [u8; 0],
}
unsafe extern "C" {
    pub fn rumpuser_cv_init(arg1: *mut *mut rumpuser_cv);
}
unsafe extern "C" {
    pub fn rumpuser_cv_destroy(arg1: *mut rumpuser_cv);
}
unsafe extern "C" {
    pub fn rumpuser_cv_wait(arg1: *mut rumpuser_cv, arg2: *mut rumpuser_mtx);
}
unsafe extern "C" {
    pub fn rumpuser_cv_wait_nowrap(arg1: *mut rumpuser_cv, arg2: *mut rumpuser_mtx);
}
unsafe extern "C" {
    pub fn rumpuser_cv_timedwait(
        arg1: *mut rumpuser_cv,
        arg2: *mut rumpuser_mtx,
        seconds: i64,
        nanoseconds: i64,
    ) -> core::ffi::c_int;
}
unsafe extern "C" {
    pub fn rumpuser_cv_signal(arg1: *mut rumpuser_cv);
}
unsafe extern "C" {
    pub fn rumpuser_cv_broadcast(arg1: *mut rumpuser_cv);
}
unsafe extern "C" {
    pub fn rumpuser_cv_has_waiters(arg1: *mut rumpuser_cv, arg2: *mut core::ffi::c_int);
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct rumpuser_link {
    _unused: [u8; 0],
}
unsafe extern "C" {
    pub fn rumpuser_link_open(
        index: core::ffi::c_uint,
        arg1: *mut *mut rumpuser_link,
        address: *mut u8,
        mtu: *mut usize,
    ) -> core::ffi::c_int;
}
unsafe extern "C" {
    pub fn rumpuser_link_receive(
        arg1: *mut rumpuser_link,
        buffer: *mut core::ffi::c_void,
        size: usize,
        timeout: i64,
        length: *mut usize,
    ) -> core::ffi::c_int;
}
unsafe extern "C" {
    pub fn rumpuser_link_send(arg1: *mut rumpuser_link, arg2: *const rumpuser_iov, count: usize) -> core::ffi::c_int;
}
