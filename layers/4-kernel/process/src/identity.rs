//! Who a process is: numbers of processes, users, groups, sessions; capabilities. There is one user, root, and one session.

use rumpkin_spine::{Call, Errno, Kernel, UserPointer, system_calls};

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

fn get_three(
    _: &mut Call<'_>,
    real: UserPointer<u32>,
    effective: UserPointer<u32>,
    saved: UserPointer<u32>,
) -> Result<usize, Errno> {
    for place in [real, effective, saved] {
        place.write(&0)?;
    }
    Ok(0)
}

/// Changing to root, or to -1 (as it is), changes nothing; there is nobody else to become.
fn check_ids(ids: &[u32]) -> Result<usize, Errno> {
    if ids.iter().all(|id| *id == 0 || *id == u32::MAX) { Ok(0) } else { Err(Errno::EPERM) }
}

fn set_one(_: &mut Call<'_>, id: u32) -> Result<usize, Errno> {
    if id == u32::MAX {
        return Err(Errno::EINVAL);
    }
    check_ids(&[id])
}

fn set_two(_: &mut Call<'_>, real: u32, effective: u32) -> Result<usize, Errno> {
    check_ids(&[real, effective])
}

fn set_three(_: &mut Call<'_>, real: u32, effective: u32, saved: u32) -> Result<usize, Errno> {
    check_ids(&[real, effective, saved])
}

fn setgroups(_: &mut Call<'_>, count: usize) -> Result<usize, Errno> {
    if count == 0 { Ok(0) } else { Err(Errno::EPERM) }
}

/// Whether a number names the caller's own process (or thread), as 0 does.
fn is_self(call: &Call<'_>, id: i32) -> bool {
    u32::try_from(id).is_ok_and(|id| id == 0 || id == call.process().id || call.process().thread(id).is_some())
}

fn group_of(call: &mut Call<'_>, id: i32) -> Result<usize, Errno> {
    if is_self(call, id) { Ok(call.process().id as usize) } else { Err(Errno::ESRCH) }
}

fn setpgid(call: &mut Call<'_>, id: i32, group: i32) -> Result<usize, Errno> {
    if group < 0 {
        return Err(Errno::EINVAL);
    }
    if !is_self(call, id) {
        return Err(Errno::ESRCH);
    }
    // The leader of a session stays in its group.
    if is_self(call, group) { Ok(0) } else { Err(Errno::EPERM) }
}

fn setsid(_: &mut Call<'_>) -> Result<usize, Errno> {
    Err(Errno::EPERM)
}

/// `_LINUX_CAPABILITY_VERSION_3` and its size: effective, permitted, inheritable, twice.
const CAPABILITY_VERSION: u32 = 0x2008_0522;
/// Capabilities that Linux 6.12 knows, 0 to 40: root has them all.
const ALL_CAPABILITIES: [u32; 2] = [u32::MAX, 0x1ff];

/// Version and number of a process.
type Header = UserPointer<[u32; 2]>;
/// Effective, permitted, inheritable, twice.
type Capabilities = UserPointer<[u32; 6]>;

/// Checks the header; gives `capabilities` back, or `None` if the caller only asked for the version.
fn checked(call: &Call<'_>, header: Header, capabilities: Option<Capabilities>) -> Result<Option<Capabilities>, Errno> {
    let [version, id] = header.read()?;
    if version != CAPABILITY_VERSION {
        header.cast().write(&CAPABILITY_VERSION)?;
        return if capabilities.is_none() { Ok(None) } else { Err(Errno::EINVAL) };
    }
    if (id as i32) < 0 {
        return Err(Errno::EINVAL);
    }
    if !is_self(call, id as i32) {
        return Err(Errno::ESRCH);
    }
    Ok(capabilities)
}

fn capget(call: &mut Call<'_>, header: Header, capabilities: Option<Capabilities>) -> Result<usize, Errno> {
    if let Some(capabilities) = checked(call, header, capabilities)? {
        let [low, high] = ALL_CAPABILITIES;
        capabilities.write(&[low, low, 0, high, high, 0])?;
    }
    Ok(0)
}

fn capset(call: &mut Call<'_>, header: Header, capabilities: Option<Capabilities>) -> Result<usize, Errno> {
    let capabilities = checked(call, header, capabilities)?.ok_or(Errno::EFAULT)?;
    let [low, high] = ALL_CAPABILITIES;
    if capabilities.read()? == [low, low, 0, high, high, 0] { Ok(0) } else { Err(Errno::EPERM) }
}
