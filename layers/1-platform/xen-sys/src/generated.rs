//! Types and constants of Xen's public headers. The script 'generate' wrote this file; do not change it by hand.

pub const __HYPERVISOR_memory_op: u32 = 12;
pub const __HYPERVISOR_xen_version: u32 = 17;
pub const __HYPERVISOR_console_io: u32 = 18;
pub const __HYPERVISOR_grant_table_op: u32 = 20;
pub const __HYPERVISOR_vcpu_op: u32 = 24;
pub const __HYPERVISOR_sched_op: u32 = 29;
pub const __HYPERVISOR_event_channel_op: u32 = 32;
pub const __HYPERVISOR_hvm_op: u32 = 34;
pub const VIRQ_TIMER: u32 = 0;
pub const VIRQ_DEBUG: u32 = 1;
pub const CONSOLEIO_write: u32 = 0;
pub const XEN_CPUID_FIRST_LEAF: u32 = 1073741824;
pub const XEN_CPUID_SIGNATURE_EBX: u32 = 1450075480;
pub const XEN_CPUID_SIGNATURE_ECX: u32 = 1700285773;
pub const XEN_CPUID_SIGNATURE_EDX: u32 = 1296914030;
pub const EVTCHNOP_bind_interdomain: u32 = 0;
pub const EVTCHNOP_bind_virq: u32 = 1;
pub const EVTCHNOP_close: u32 = 3;
pub const EVTCHNOP_send: u32 = 4;
pub const EVTCHNOP_status: u32 = 5;
pub const EVTCHNOP_alloc_unbound: u32 = 6;
pub const EVTCHNOP_unmask: u32 = 9;
pub const EVTCHNOP_reset: u32 = 10;
pub const EVTCHNOP_init_control: u32 = 11;
pub const EVTCHNOP_expand_array: u32 = 12;
pub const EVTCHNSTAT_closed: u32 = 0;
pub const EVTCHNSTAT_unbound: u32 = 1;
pub const EVTCHNSTAT_interdomain: u32 = 2;
pub const EVTCHNSTAT_pirq: u32 = 3;
pub const EVTCHNSTAT_virq: u32 = 4;
pub const EVTCHNSTAT_ipi: u32 = 5;
pub const EVTCHN_FIFO_PRIORITY_MAX: u32 = 0;
pub const EVTCHN_FIFO_PRIORITY_DEFAULT: u32 = 7;
pub const EVTCHN_FIFO_PRIORITY_MIN: u32 = 15;
pub const EVTCHN_FIFO_MAX_QUEUES: u32 = 16;
pub const EVTCHN_FIFO_PENDING: u32 = 31;
pub const EVTCHN_FIFO_MASKED: u32 = 30;
pub const EVTCHN_FIFO_LINKED: u32 = 29;
pub const EVTCHN_FIFO_BUSY: u32 = 28;
pub const EVTCHN_FIFO_LINK_BITS: u32 = 17;
pub const EVTCHN_FIFO_LINK_MASK: u32 = 131071;
pub const EVTCHN_FIFO_NR_CHANNELS: u32 = 131072;
pub const XENFEAT_hvm_callback_vector: u32 = 8;
pub const XENFEAT_hvm_safe_pvclock: u32 = 9;
pub const XENFEAT_dom0: u32 = 11;
pub const GNTTAB_RESERVED_CONSOLE: u32 = 0;
pub const GNTTAB_RESERVED_XENSTORE: u32 = 1;
pub const GTF_invalid: u32 = 0;
pub const GTF_permit_access: u32 = 1;
pub const GTF_accept_transfer: u32 = 2;
pub const GTF_transitive: u32 = 3;
pub const GTF_type_mask: u32 = 3;
pub const GTF_readonly: u32 = 4;
pub const GTF_reading: u32 = 8;
pub const GTF_writing: u32 = 16;
pub const GTF_PWT: u32 = 32;
pub const GTF_PCD: u32 = 64;
pub const GTF_PAT: u32 = 128;
pub const GTF_sub_page: u32 = 256;
pub const GTF_transfer_committed: u32 = 4;
pub const GTF_transfer_completed: u32 = 8;
pub const GNTTABOP_setup_table: u32 = 2;
pub const GNTTABOP_copy: u32 = 5;
pub const GNTTABOP_query_size: u32 = 6;
pub const GNTTABOP_set_version: u32 = 8;
pub const GNTTABOP_get_status_frames: u32 = 9;
pub const GNTTABOP_get_version: u32 = 10;
pub const GNTST_okay: u32 = 0;
pub const GNTST_general_error: i32 = -1;
pub const GNTST_bad_domain: i32 = -2;
pub const GNTST_bad_gntref: i32 = -3;
pub const GNTST_bad_handle: i32 = -4;
pub const GNTST_bad_virt_addr: i32 = -5;
pub const GNTST_bad_dev_addr: i32 = -6;
pub const GNTST_no_device_space: i32 = -7;
pub const GNTST_permission_denied: i32 = -8;
pub const GNTST_bad_page: i32 = -9;
pub const GNTST_bad_copy_arg: i32 = -10;
pub const GNTST_address_too_big: i32 = -11;
pub const GNTST_eagain: i32 = -12;
pub const GNTST_no_space: i32 = -13;
pub const HVMOP_set_param: u32 = 0;
pub const HVMOP_get_param: u32 = 1;
pub const HVMOP_set_evtchn_upcall_vector: u32 = 23;
pub const HVM_PARAM_CALLBACK_IRQ: u32 = 0;
pub const HVM_PARAM_CALLBACK_TYPE_GSI: u32 = 0;
pub const HVM_PARAM_CALLBACK_TYPE_PCI_INTX: u32 = 1;
pub const HVM_PARAM_CALLBACK_TYPE_VECTOR: u32 = 2;
pub const HVM_PARAM_STORE_PFN: u32 = 1;
pub const HVM_PARAM_STORE_EVTCHN: u32 = 2;
pub const HVM_PARAM_CONSOLE_PFN: u32 = 17;
pub const HVM_PARAM_CONSOLE_EVTCHN: u32 = 18;
pub const XENMEM_decrease_reservation: u32 = 1;
pub const XENMEM_populate_physmap: u32 = 6;
pub const XENMAPSPACE_shared_info: u32 = 0;
pub const XENMAPSPACE_grant_table: u32 = 1;
pub const XENMEM_add_to_physmap: u32 = 7;
pub const XENMAPIDX_grant_table_status: u32 = 2147483648;
pub const XENMEM_memory_map: u32 = 9;
pub const SCHEDOP_yield: u32 = 0;
pub const SCHEDOP_block: u32 = 1;
pub const SCHEDOP_shutdown: u32 = 2;
pub const SCHEDOP_poll: u32 = 3;
pub const SHUTDOWN_poweroff: u32 = 0;
pub const SHUTDOWN_reboot: u32 = 1;
pub const SHUTDOWN_suspend: u32 = 2;
pub const SHUTDOWN_crash: u32 = 3;
pub const SHUTDOWN_watchdog: u32 = 4;
pub const SHUTDOWN_soft_reset: u32 = 5;
pub const VCPUOP_stop_periodic_timer: u32 = 7;
pub const VCPUOP_set_singleshot_timer: u32 = 8;
pub const VCPU_SSHOTTMR_future: u32 = 1;
pub const VCPUOP_register_vcpu_info: u32 = 10;
pub const XENVER_version: u32 = 0;
pub const XENVER_get_features: u32 = 6;
pub const BLKIF_OP_READ: u32 = 0;
pub const BLKIF_OP_WRITE: u32 = 1;
pub const BLKIF_OP_WRITE_BARRIER: u32 = 2;
pub const BLKIF_OP_FLUSH_DISKCACHE: u32 = 3;
pub const BLKIF_OP_RESERVED_1: u32 = 4;
pub const BLKIF_OP_DISCARD: u32 = 5;
pub const BLKIF_OP_INDIRECT: u32 = 6;
pub const BLKIF_MAX_SEGMENTS_PER_REQUEST: u32 = 11;
pub const BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST: u32 = 8;
pub const BLKIF_DISCARD_SECURE: u32 = 1;
pub const BLKIF_RSP_EOPNOTSUPP: i32 = -2;
pub const BLKIF_RSP_ERROR: i32 = -1;
pub const BLKIF_RSP_OKAY: u32 = 0;
pub const XEN_NETIF_NR_SLOTS_MIN: u32 = 18;
pub const NETTXF_csum_blank: u32 = 1;
pub const NETTXF_data_validated: u32 = 2;
pub const NETTXF_more_data: u32 = 4;
pub const NETTXF_extra_info: u32 = 8;
pub const XEN_NETIF_MAX_TX_SIZE: u32 = 65535;
pub const XEN_NETIF_EXTRA_TYPE_NONE: u32 = 0;
pub const XEN_NETIF_EXTRA_TYPE_GSO: u32 = 1;
pub const XEN_NETIF_EXTRA_TYPE_MCAST_ADD: u32 = 2;
pub const XEN_NETIF_EXTRA_TYPE_MCAST_DEL: u32 = 3;
pub const XEN_NETIF_EXTRA_TYPE_HASH: u32 = 4;
pub const XEN_NETIF_EXTRA_TYPE_MAX: u32 = 5;
pub const XEN_NETIF_EXTRA_FLAG_MORE: u32 = 1;
pub const XEN_NETIF_GSO_TYPE_NONE: u32 = 0;
pub const XEN_NETIF_GSO_TYPE_TCPV4: u32 = 1;
pub const XEN_NETIF_GSO_TYPE_TCPV6: u32 = 2;
pub const NETRXF_data_validated: u32 = 1;
pub const NETRXF_csum_blank: u32 = 2;
pub const NETRXF_more_data: u32 = 4;
pub const NETRXF_extra_info: u32 = 8;
pub const NETRXF_gso_prefix: u32 = 16;
pub const NETIF_RSP_DROPPED: i32 = -2;
pub const NETIF_RSP_ERROR: i32 = -1;
pub const NETIF_RSP_OKAY: u32 = 0;
pub const NETIF_RSP_NULL: u32 = 1;
pub const XENSTORE_RING_SIZE: u32 = 1024;
pub const XENSTORE_PAYLOAD_MAX: u32 = 4096;
pub const XENSTORE_ABS_PATH_MAX: u32 = 3072;
pub const XENSTORE_REL_PATH_MAX: u32 = 2048;
pub const XENSTORE_SERVER_FEATURE_RECONNECTION: u32 = 1;
pub const XENSTORE_SERVER_FEATURE_ERROR: u32 = 2;
pub const XENSTORE_CONNECTED: u32 = 0;
pub const XENSTORE_RECONNECT: u32 = 1;
pub const XENSTORE_ERROR_NONE: u32 = 0;
pub const XENSTORE_ERROR_COMM: u32 = 1;
pub const XENSTORE_ERROR_RINGIDX: u32 = 2;
pub const XENSTORE_ERROR_PROTO: u32 = 3;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct arch_vcpu_info {
    pub cr2: core::ffi::c_ulong,
    pub pad: core::ffi::c_ulong,
}
pub type xen_pfn_t = core::ffi::c_ulong;
pub type xen_ulong_t = core::ffi::c_ulong;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct arch_shared_info {
    pub max_pfn: core::ffi::c_ulong,
    pub pfn_to_mfn_frame_list_list: xen_pfn_t,
    pub nmi_reason: core::ffi::c_ulong,
    pub p2m_cr3: core::ffi::c_ulong,
    pub p2m_vaddr: core::ffi::c_ulong,
    pub p2m_generation: core::ffi::c_ulong,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct __guest_handle_void {
    pub p: *mut core::ffi::c_void,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct __guest_handle_uint64_t {
    pub p: *mut u64,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct __guest_handle_xen_pfn_t {
    pub p: *mut xen_pfn_t,
}
pub type domid_t = u16;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct vcpu_time_info {
    pub version: u32,
    pub pad0: u32,
    pub tsc_timestamp: u64,
    pub system_time: u64,
    pub tsc_to_system_mul: u32,
    pub tsc_shift: i8,
    pub flags: u8,
    pub pad1: [u8; 2usize],
}
pub type vcpu_time_info_t = vcpu_time_info;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct vcpu_info {
    pub evtchn_upcall_pending: u8,
    pub evtchn_upcall_mask: u8,
    pub evtchn_pending_sel: xen_ulong_t,
    pub arch: arch_vcpu_info,
    pub time: vcpu_time_info_t,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct shared_info {
    pub vcpu_info: [vcpu_info; 32usize],
    pub evtchn_pending: [xen_ulong_t; 64usize],
    pub evtchn_mask: [xen_ulong_t; 64usize],
    pub wc_version: u32,
    pub wc_sec: u32,
    pub wc_nsec: u32,
    pub wc_sec_hi: u32,
    pub arch: arch_shared_info,
}
pub const XEN_EPERM: xen_errno = 1;
pub const XEN_ENOENT: xen_errno = 2;
pub const XEN_ESRCH: xen_errno = 3;
pub const XEN_EIO: xen_errno = 5;
pub const XEN_ENXIO: xen_errno = 6;
pub const XEN_E2BIG: xen_errno = 7;
pub const XEN_ENOEXEC: xen_errno = 8;
pub const XEN_EBADF: xen_errno = 9;
pub const XEN_ECHILD: xen_errno = 10;
pub const XEN_EAGAIN: xen_errno = 11;
pub const XEN_EWOULDBLOCK: xen_errno = 11;
pub const XEN_ENOMEM: xen_errno = 12;
pub const XEN_EACCES: xen_errno = 13;
pub const XEN_EFAULT: xen_errno = 14;
pub const XEN_EBUSY: xen_errno = 16;
pub const XEN_EEXIST: xen_errno = 17;
pub const XEN_EXDEV: xen_errno = 18;
pub const XEN_ENODEV: xen_errno = 19;
pub const XEN_ENOTDIR: xen_errno = 20;
pub const XEN_EISDIR: xen_errno = 21;
pub const XEN_EINVAL: xen_errno = 22;
pub const XEN_ENFILE: xen_errno = 23;
pub const XEN_EMFILE: xen_errno = 24;
pub const XEN_ENOSPC: xen_errno = 28;
pub const XEN_EROFS: xen_errno = 30;
pub const XEN_EMLINK: xen_errno = 31;
pub const XEN_EDOM: xen_errno = 33;
pub const XEN_ERANGE: xen_errno = 34;
pub const XEN_EDEADLK: xen_errno = 35;
pub const XEN_EDEADLOCK: xen_errno = 35;
pub const XEN_ENAMETOOLONG: xen_errno = 36;
pub const XEN_ENOLCK: xen_errno = 37;
pub const XEN_ENOSYS: xen_errno = 38;
pub const XEN_ENOTEMPTY: xen_errno = 39;
pub const XEN_ENODATA: xen_errno = 61;
pub const XEN_ETIME: xen_errno = 62;
pub const XEN_EBADMSG: xen_errno = 74;
pub const XEN_EOVERFLOW: xen_errno = 75;
pub const XEN_EILSEQ: xen_errno = 84;
pub const XEN_ENOTSOCK: xen_errno = 88;
pub const XEN_EMSGSIZE: xen_errno = 90;
pub const XEN_EOPNOTSUPP: xen_errno = 95;
pub const XEN_EADDRINUSE: xen_errno = 98;
pub const XEN_EADDRNOTAVAIL: xen_errno = 99;
pub const XEN_ENOBUFS: xen_errno = 105;
pub const XEN_EISCONN: xen_errno = 106;
pub const XEN_ENOTCONN: xen_errno = 107;
pub const XEN_ETIMEDOUT: xen_errno = 110;
pub const XEN_ECONNREFUSED: xen_errno = 111;
pub type xen_errno = core::ffi::c_uint;
pub type evtchn_port_t = u32;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct __guest_handle_evtchn_port_t {
    pub p: *mut evtchn_port_t,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct evtchn_alloc_unbound {
    pub dom: domid_t,
    pub remote_dom: domid_t,
    pub port: evtchn_port_t,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct evtchn_bind_interdomain {
    pub remote_dom: domid_t,
    pub remote_port: evtchn_port_t,
    pub local_port: evtchn_port_t,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct evtchn_bind_virq {
    pub virq: u32,
    pub vcpu: u32,
    pub port: evtchn_port_t,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct evtchn_close {
    pub port: evtchn_port_t,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct evtchn_send {
    pub port: evtchn_port_t,
}
#[repr(C)]
#[derive(Copy, Clone)]
pub struct evtchn_status {
    pub dom: domid_t,
    pub port: evtchn_port_t,
    pub status: u32,
    pub vcpu: u32,
    pub u: evtchn_status__bindgen_ty_1,
}
#[repr(C)]
#[derive(Copy, Clone)]
pub union evtchn_status__bindgen_ty_1 {
    pub unbound: evtchn_status__bindgen_ty_1__bindgen_ty_1,
    pub interdomain: evtchn_status__bindgen_ty_1__bindgen_ty_2,
    pub pirq: u32,
    pub virq: u32,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct evtchn_status__bindgen_ty_1__bindgen_ty_1 {
    pub dom: domid_t,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct evtchn_status__bindgen_ty_1__bindgen_ty_2 {
    pub dom: domid_t,
    pub port: evtchn_port_t,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct evtchn_unmask {
    pub port: evtchn_port_t,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct evtchn_init_control {
    pub control_gfn: u64,
    pub offset: u32,
    pub vcpu: u32,
    pub link_bits: u8,
    pub _pad: [u8; 7usize],
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct evtchn_expand_array {
    pub array_gfn: u64,
}
pub type event_word_t = u32;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct evtchn_fifo_control_block {
    pub ready: u32,
    pub _rsvd: u32,
    pub head: [u32; 16usize],
}
pub type grant_ref_t = u32;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct grant_entry_v1 {
    pub flags: u16,
    pub domid: domid_t,
    pub frame: u32,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct grant_entry_header {
    pub flags: u16,
    pub domid: domid_t,
}
pub type grant_entry_header_t = grant_entry_header;
#[repr(C)]
#[derive(Copy, Clone)]
pub union grant_entry_v2 {
    pub hdr: grant_entry_header_t,
    pub full_page: grant_entry_v2__bindgen_ty_1,
    pub sub_page: grant_entry_v2__bindgen_ty_2,
    pub transitive: grant_entry_v2__bindgen_ty_3,
    pub __spacer: [u32; 4usize],
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct grant_entry_v2__bindgen_ty_1 {
    pub hdr: grant_entry_header_t,
    pub pad0: u32,
    pub frame: u64,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct grant_entry_v2__bindgen_ty_2 {
    pub hdr: grant_entry_header_t,
    pub page_off: u16,
    pub length: u16,
    pub frame: u64,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct grant_entry_v2__bindgen_ty_3 {
    pub hdr: grant_entry_header_t,
    pub trans_domid: domid_t,
    pub pad0: u16,
    pub gref: grant_ref_t,
}
pub type grant_status_t = u16;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct gnttab_setup_table {
    pub dom: domid_t,
    pub nr_frames: u32,
    pub status: i16,
    pub frame_list: __guest_handle_xen_pfn_t,
}
#[repr(C)]
#[derive(Copy, Clone)]
pub struct gnttab_copy {
    pub source: gnttab_copy_gnttab_copy_ptr,
    pub dest: gnttab_copy_gnttab_copy_ptr,
    pub len: u16,
    pub flags: u16,
    pub status: i16,
}
#[repr(C)]
#[derive(Copy, Clone)]
pub struct gnttab_copy_gnttab_copy_ptr {
    pub u: gnttab_copy_gnttab_copy_ptr__bindgen_ty_1,
    pub domid: domid_t,
    pub offset: u16,
}
#[repr(C)]
#[derive(Copy, Clone)]
pub union gnttab_copy_gnttab_copy_ptr__bindgen_ty_1 {
    pub ref_: grant_ref_t,
    pub gmfn: xen_pfn_t,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct gnttab_query_size {
    pub dom: domid_t,
    pub nr_frames: u32,
    pub max_nr_frames: u32,
    pub status: i16,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct gnttab_set_version {
    pub version: u32,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct gnttab_get_status_frames {
    pub nr_frames: u32,
    pub dom: domid_t,
    pub status: i16,
    pub frame_list: __guest_handle_uint64_t,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct gnttab_get_version {
    pub dom: domid_t,
    pub pad: u16,
    pub version: u32,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct xen_hvm_param {
    pub domid: domid_t,
    pub pad: u16,
    pub index: u32,
    pub value: u64,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct xen_hvm_evtchn_upcall_vector {
    pub vcpu: u32,
    pub vector: u8,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct xen_memory_reservation {
    pub extent_start: __guest_handle_xen_pfn_t,
    pub nr_extents: xen_ulong_t,
    pub extent_order: core::ffi::c_uint,
    pub mem_flags: core::ffi::c_uint,
    pub domid: domid_t,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct xen_add_to_physmap {
    pub domid: domid_t,
    pub size: u16,
    pub space: core::ffi::c_uint,
    pub idx: xen_ulong_t,
    pub gpfn: xen_pfn_t,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct xen_memory_map {
    pub nr_entries: core::ffi::c_uint,
    pub buffer: __guest_handle_void,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sched_shutdown {
    pub reason: core::ffi::c_uint,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct sched_poll {
    pub ports: __guest_handle_evtchn_port_t,
    pub nr_ports: core::ffi::c_uint,
    pub timeout: u64,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct vcpu_set_singleshot_timer {
    pub timeout_abs_ns: u64,
    pub flags: u32,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct blkif_request_segment {
    pub gref: grant_ref_t,
    pub first_sect: u8,
    pub last_sect: u8,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct blkif_request {
    pub operation: u8,
    pub nr_segments: u8,
    pub handle: u16,
    pub id: u64,
    pub sector_number: u64,
    pub seg: [blkif_request_segment; 11usize],
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct blkif_request_discard {
    pub operation: u8,
    pub flag: u8,
    pub handle: u16,
    pub id: u64,
    pub sector_number: u64,
    pub nr_sectors: u64,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct blkif_request_indirect {
    pub operation: u8,
    pub indirect_op: u8,
    pub nr_segments: u16,
    pub id: u64,
    pub sector_number: u64,
    pub handle: u16,
    pub indirect_grefs: [grant_ref_t; 8usize],
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct blkif_response {
    pub id: u64,
    pub operation: u8,
    pub status: i16,
}
pub type XENCONS_RING_IDX = u32;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct xencons_interface {
    pub in_: [core::ffi::c_char; 1024usize],
    pub out: [core::ffi::c_char; 2048usize],
    pub in_cons: XENCONS_RING_IDX,
    pub in_prod: XENCONS_RING_IDX,
    pub out_cons: XENCONS_RING_IDX,
    pub out_prod: XENCONS_RING_IDX,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct netif_tx_request {
    pub gref: grant_ref_t,
    pub offset: u16,
    pub flags: u16,
    pub id: u16,
    pub size: u16,
}
#[repr(C)]
#[derive(Copy, Clone)]
pub struct netif_extra_info {
    pub type_: u8,
    pub flags: u8,
    pub u: netif_extra_info__bindgen_ty_1,
}
#[repr(C)]
#[derive(Copy, Clone)]
pub union netif_extra_info__bindgen_ty_1 {
    pub gso: netif_extra_info__bindgen_ty_1__bindgen_ty_1,
    pub mcast: netif_extra_info__bindgen_ty_1__bindgen_ty_2,
    pub hash: netif_extra_info__bindgen_ty_1__bindgen_ty_3,
    pub pad: [u16; 3usize],
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct netif_extra_info__bindgen_ty_1__bindgen_ty_1 {
    pub size: u16,
    pub type_: u8,
    pub pad: u8,
    pub features: u16,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct netif_extra_info__bindgen_ty_1__bindgen_ty_2 {
    pub addr: [u8; 6usize],
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct netif_extra_info__bindgen_ty_1__bindgen_ty_3 {
    pub type_: u8,
    pub algorithm: u8,
    pub value: [u8; 4usize],
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct netif_tx_response {
    pub id: u16,
    pub status: i16,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct netif_rx_request {
    pub id: u16,
    pub pad: u16,
    pub gref: grant_ref_t,
}
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct netif_rx_response {
    pub id: u16,
    pub offset: u16,
    pub flags: u16,
    pub status: i16,
}
pub const XenbusStateUnknown: xenbus_state = 0;
pub const XenbusStateInitialising: xenbus_state = 1;
pub const XenbusStateInitWait: xenbus_state = 2;
pub const XenbusStateInitialised: xenbus_state = 3;
pub const XenbusStateConnected: xenbus_state = 4;
pub const XenbusStateClosing: xenbus_state = 5;
pub const XenbusStateClosed: xenbus_state = 6;
pub const XenbusStateReconfiguring: xenbus_state = 7;
pub const XenbusStateReconfigured: xenbus_state = 8;
pub type xenbus_state = core::ffi::c_uint;
pub const XS_CONTROL: xsd_sockmsg_type = 0;
pub const XS_DIRECTORY: xsd_sockmsg_type = 1;
pub const XS_READ: xsd_sockmsg_type = 2;
pub const XS_GET_PERMS: xsd_sockmsg_type = 3;
pub const XS_WATCH: xsd_sockmsg_type = 4;
pub const XS_UNWATCH: xsd_sockmsg_type = 5;
pub const XS_TRANSACTION_START: xsd_sockmsg_type = 6;
pub const XS_TRANSACTION_END: xsd_sockmsg_type = 7;
pub const XS_INTRODUCE: xsd_sockmsg_type = 8;
pub const XS_RELEASE: xsd_sockmsg_type = 9;
pub const XS_GET_DOMAIN_PATH: xsd_sockmsg_type = 10;
pub const XS_WRITE: xsd_sockmsg_type = 11;
pub const XS_MKDIR: xsd_sockmsg_type = 12;
pub const XS_RM: xsd_sockmsg_type = 13;
pub const XS_SET_PERMS: xsd_sockmsg_type = 14;
pub const XS_WATCH_EVENT: xsd_sockmsg_type = 15;
pub const XS_ERROR: xsd_sockmsg_type = 16;
pub const XS_IS_DOMAIN_INTRODUCED: xsd_sockmsg_type = 17;
pub const XS_RESUME: xsd_sockmsg_type = 18;
pub const XS_SET_TARGET: xsd_sockmsg_type = 19;
pub const XS_RESET_WATCHES: xsd_sockmsg_type = 21;
pub const XS_DIRECTORY_PART: xsd_sockmsg_type = 22;
pub const XS_TYPE_COUNT: xsd_sockmsg_type = 23;
pub const XS_INVALID: xsd_sockmsg_type = 65535;
pub type xsd_sockmsg_type = core::ffi::c_uint;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct xsd_sockmsg {
    pub type_: u32,
    pub req_id: u32,
    pub tx_id: u32,
    pub len: u32,
}
pub type XENSTORE_RING_IDX = u32;
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct xenstore_domain_interface {
    pub req: [core::ffi::c_char; 1024usize],
    pub rsp: [core::ffi::c_char; 1024usize],
    pub req_cons: XENSTORE_RING_IDX,
    pub req_prod: XENSTORE_RING_IDX,
    pub rsp_cons: XENSTORE_RING_IDX,
    pub rsp_prod: XENSTORE_RING_IDX,
    pub server_features: u32,
    pub connection: u32,
    pub error: u32,
}
