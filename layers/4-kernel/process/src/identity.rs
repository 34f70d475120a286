//! Who a process is: numbers of processes, users, groups, sessions; capabilities. There is one user, root, and one session.

use rumpkin_spine::{Call, Errno, Kernel, io, system_calls};

pub fn register(kernel: &mut Kernel) {
    kernel.add_calls(system_calls! {
        getpid => getpid;
        gettid => gettid;
        getppid => zero, "0: the parent is outside";
        getuid => zero;
        geteuid => zero;
        getgid => zero;
        getegid => zero;
        getresuid => get_three;
        getresgid => get_three;
        setuid => set_one, "0 only";
        setgid => set_one, "0 only";
        setreuid => set_two, "0 only";
        setregid => set_two, "0 only";
        setresuid => set_three, "0 only";
        setresgid => set_three, "0 only";
        setfsuid => zero, "changes nothing";
        setfsgid => zero, "changes nothing";
        getgroups => zero, "none";
        setgroups => setgroups, "none only";
        getpgrp => getpid;
        getpgid => group_of;
        getsid => group_of;
        setpgid => setpgid, "of the caller, to its own number";
        setsid => setsid, "EPERM: a program begins as the leader of its session";
        capget => capget;
        capset => capset, "EPERM unless it changes nothing";
    });
}

fn getpid(call: &mut Call<'_>) -> Result<usize, Errno> {
    Ok(call.process().id as usize)
}

fn gettid(call: &mut Call<'_>) -> Result<usize, Errno> {
    Ok(call.thread.id as usize)
}

fn zero(_: &mut Call<'_>) -> Result<usize, Errno> {
    Ok(0)
}

fn get_three(call: &mut Call<'_>) -> Result<usize, Errno> {
    for index in 0..3 {
        io::write_value(call.argument(index), &0u32)?;
    }
    Ok(0)
}

/// Changing to root, or to -1 (as it is), changes nothing; there is nobody else to become.
fn check_ids(ids: &[u32]) -> Result<usize, Errno> {
    if ids.iter().all(|id| *id == 0 || *id == u32::MAX) { Ok(0) } else { Err(Errno::EPERM) }
}

fn set_one(call: &mut Call<'_>) -> Result<usize, Errno> {
    if call.uint(0) == u32::MAX {
        return Err(Errno::EINVAL);
    }
    check_ids(&[call.uint(0)])
}

fn set_two(call: &mut Call<'_>) -> Result<usize, Errno> {
    check_ids(&[call.uint(0), call.uint(1)])
}

fn set_three(call: &mut Call<'_>) -> Result<usize, Errno> {
    check_ids(&[call.uint(0), call.uint(1), call.uint(2)])
}

fn setgroups(call: &mut Call<'_>) -> Result<usize, Errno> {
    if call.argument(0) == 0 { Ok(0) } else { Err(Errno::EPERM) }
}

/// Whether a number names the caller's own process (or thread), as 0 does.
fn is_self(call: &Call<'_>, id: i32) -> bool {
    u32::try_from(id).is_ok_and(|id| id == 0 || id == call.process().id || call.process().thread(id).is_some())
}

fn group_of(call: &mut Call<'_>) -> Result<usize, Errno> {
    if is_self(call, call.int(0)) { Ok(call.process().id as usize) } else { Err(Errno::ESRCH) }
}

fn setpgid(call: &mut Call<'_>) -> Result<usize, Errno> {
    if call.int(1) < 0 {
        return Err(Errno::EINVAL);
    }
    if !is_self(call, call.int(0)) {
        return Err(Errno::ESRCH);
    }
    // The leader of a session stays in its group.
    if is_self(call, call.int(1)) { Ok(0) } else { Err(Errno::EPERM) }
}

fn setsid(_: &mut Call<'_>) -> Result<usize, Errno> {
    Err(Errno::EPERM)
}

/// `_LINUX_CAPABILITY_VERSION_3` and its size: effective, permitted, inheritable, twice.
const CAPABILITY_VERSION: u32 = 0x2008_0522;
/// Capabilities that Linux 6.12 knows, 0 to 40: root has them all.
const ALL_CAPABILITIES: [u32; 2] = [u32::MAX, 0x1ff];

/// Checks the header; `None` if the caller only asked for the version.
fn capability_header(call: &Call<'_>) -> Result<Option<()>, Errno> {
    let [version, id]: [u32; 2] = io::read_value(call.argument(0))?;
    if version != CAPABILITY_VERSION {
        io::write_value(call.argument(0), &CAPABILITY_VERSION)?;
        return if call.argument(1) == 0 { Ok(None) } else { Err(Errno::EINVAL) };
    }
    if (id as i32) < 0 {
        return Err(Errno::EINVAL);
    }
    if !is_self(call, id as i32) {
        return Err(Errno::ESRCH);
    }
    Ok((call.argument(1) != 0).then_some(()))
}

fn capget(call: &mut Call<'_>) -> Result<usize, Errno> {
    if capability_header(call)?.is_some() {
        let [low, high] = ALL_CAPABILITIES;
        io::write_value(call.argument(1), &[low, low, 0, high, high, 0])?;
    }
    Ok(0)
}

fn capset(call: &mut Call<'_>) -> Result<usize, Errno> {
    if capability_header(call)?.is_none() {
        return Err(Errno::EFAULT);
    }
    let [low, high] = ALL_CAPABILITIES;
    let wanted: [u32; 6] = io::read_value(call.argument(1))?;
    if wanted == [low, low, 0, high, high, 0] { Ok(0) } else { Err(Errno::EPERM) }
}
