//! Bring-up: exercises core on a machine.
use alloc::{sync::Arc, vec::Vec, vec};
use core::sync::atomic::{AtomicU64, Ordering};
use rumpkin_core::{clock, interface::Ending, memory, power, thread};

pub fn run() {
    log::info!("main thread");
    let v: Vec<u64> = (0..100000).collect();
    log::info!("heap {} {:?}", v.iter().sum::<u64>(), memory::frames::counts());
    let count = Arc::new(AtomicU64::new(0));
    let mut ts = vec![];
    for i in 0..10u64 {
        let c = count.clone();
        ts.push(thread::spawn("t", move || {
            for _ in 0..100 { thread::yield_now(); }
            thread::sleep(1_000_000 * (10 - i));
            c.fetch_add(1, Ordering::Relaxed);
        }).unwrap());
    }
    let t = clock::monotonic();
    thread::sleep(20_000_000);
    log::info!("slept {} us, {} done", (clock::monotonic() - t) / 1000, count.load(Ordering::Relaxed));
    let me = thread::current();
    let other = thread::spawn("pong", move || loop { thread::park(None); me.unpark(); }).unwrap();
    let t = clock::monotonic();
    for _ in 0..10000 { other.unpark(); thread::park(None); }
    log::info!("ping-pong {} ns", (clock::monotonic() - t) / 10000);
    user::run();
    let v = rumpuser::memory::vdso();
    log::info!("vdso {} pages, random {:x}", v.code.len(), rumpuser::random::next_u64());
    power::end(Ending::Exit(3));
}

pub mod user {
    use super::*;
    use rumpuser::{context::{Registers, Event}, memory::{AddressSpace, Frame, Mapping, Pager, Access, Fault, Protection}, user as um};
    use spin::Once;
    struct P(Once<AddressSpace>, AtomicU64);
    impl Pager for P {
        fn page_fault(&self, address: usize, access: Access) -> Result<(), Fault> {
            self.1.fetch_add(1, Ordering::Relaxed);
            if (0x500000..0x600000).contains(&address) {
                self.0.get().unwrap().map(address & !4095, Mapping { frame: Frame::allocate().unwrap(), protection: Protection::READ | Protection::WRITE, copy_on_write: false }).unwrap();
                return Ok(());
            }
            let _ = access;
            Err(Fault { address })
        }
    }
    pub fn run() {
        let p = Arc::new(P(Once::new(), AtomicU64::new(0)));
        p.0.call_once(|| AddressSpace::new(p.clone()).unwrap());
        let space = p.0.get().unwrap();
        space.activate();
        let code = Frame::allocate().unwrap();
        // 0: loop of syscalls
        code.write(0, &[0xb8, 110, 0, 0, 0, 0x0f, 0x05, 0xff, 0xcb, 0x75, 0xf5, 0xb8, 60, 0, 0, 0, 0x0f, 0x05]);
        code.write(0x100, &[0x48, 0x89, 0x07, 0x0f, 0x0b]); // mov [rdi],rax; ud2
        code.write(0x200, &[0xeb, 0xfe]);
        code.write(0x300, &[0x48, 0xb8, 0,0,0,0,0,0,0,0x80, 0xff, 0xe0]); // jmp noncanonical
        code.write(0x400, &[0xf0, 0xff, 0x07, 0xeb, 0xfb]); // lock inc [rdi]; loop
        space.map(0x400000, Mapping { frame: code, protection: Protection::READ | Protection::EXECUTE, copy_on_write: false }).unwrap();
        let mut r = Registers { rip: 0x400000, rbx: 1_000_000, rsp: 0xdead, rflags: 0x202, ..Default::default() };
        let t = clock::monotonic();
        let mut n = 0u64;
        loop { let e = r.enter(); assert_eq!(e, Event::SystemCall); n += 1; if r.rax == 60 { break; } }
        log::info!("{} syscalls, {} ns each, rsp {:#x}", n, (clock::monotonic() - t) / n, r.rsp);
        let mut r = Registers { rip: 0x400100, rdi: 0x500008, rax: 77, rflags: 0x7fffff, rsp: 1 << 63, ..Default::default() };
        let e = r.enter();
        log::info!("{e:x?} rip {:#x} flags {:#x}", r.rip, r.rflags);
        r.rflags = 0x202;
        let mut b = [0u8; 8];
        log::info!("read {:?}", um::read(0x500008, &mut b));
        assert_eq!(r.enter(), Event::Exception { vector: 6, code: 0 });
        um::read(0x500008, &mut b).unwrap();
        log::info!("read {b:?} pager {}", p.1.load(Ordering::Relaxed));
        log::info!("write {:?}", um::write(0x5ffff0, &[1; 100]));
        log::info!("write kernel {:?} {:?}", um::write(0xffff_8000_0010_0000, &[1; 100]), um::write(0x7fff_ffff_effa, &[1; 10]));
        log::info!("write text {:?}", um::write(0x400000, &[1; 100]));
        log::info!("u32 {:?} {:?} {:?}", um::load_u32(0x500008), um::compare_exchange_u32(0x500008, 77, 78), um::load_u32(0x500008));
        log::info!("u32 {:?} {:?}", um::load_u32(0x500009), um::load_u32(0x700000));
        let big = vec![7u8; 500_000];
        um::write(0x510001, &big).unwrap();
        let mut back = vec![0u8; 500_000];
        um::read(0x510001, &mut back).unwrap();
        assert!(back == big);
        let t = clock::monotonic();
        for _ in 0..20 { um::read(0x510001, &mut back).unwrap(); }
        log::info!("copy in {} MB/s", 20 * 500_000 * 1000 / (clock::monotonic() - t));
        let t = clock::monotonic();
        for _ in 0..20 { back.copy_from_slice(&big); core::hint::black_box(&back); }
        log::info!("memcpy {} MB/s", 20 * 500_000 * 1000 / (clock::monotonic() - t));
        let mut r = Registers { rip: 0x400300, rsp: 0x500800, rflags: 0x202, ..Default::default() };
        log::info!("{:x?} rip {:#x}", r.enter(), r.rip);
        let mut r = Registers { rip: 1 << 62, rsp: 0x500800, rflags: 0x202, ..Default::default() };
        log::info!("{:x?} rip {:#x}", r.enter(), r.rip);
        let mut r = Registers { rip: 0x400100, rdi: 0x500008, rsp: 0x500800, rflags: 0x302, ..Default::default() };
        log::info!("trap {:x?} rip {:#x}", r.enter(), r.rip);
        // two spinners and an interrupter
        let mut ts = vec![];
        for i in 0..2u64 {
            let p = p.clone();
            ts.push(rumpuser::thread::spawn("spin", move || {
                p.0.get().unwrap().activate();
                let mut r = Registers { rip: 0x400400, rdi: 0x500000 + 0x10 * (i + 1), rsp: 0x500800, rflags: 0x202, ..Default::default() };
                let e = r.enter();
                let mut b = [0; 8];
                um::read(r.rdi as usize, &mut b).unwrap();
                log::info!("spinner {i}: {e:?}, {} rounds", u64::from_le_bytes(b));
                rumpuser::memory::deactivate();
            }).unwrap());
        }
        thread::sleep(100_000_000);
        for t in ts { t.interrupt(); }
        thread::sleep(30_000_000);
        space.unmap(0, rumpuser::memory::USER_END);
        rumpuser::memory::deactivate();
        log::info!("frames {:?}", memory::frames::counts());
    }
}
