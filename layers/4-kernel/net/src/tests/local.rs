//! Local sockets, as their table has them; what programs see is tried by guest programs.

use crate::local::{Along, Locals, Place};
use alloc::{sync::Arc, vec, vec::Vec};
use rumpkin_abi::linux::net;
use rumpkin_collections::Account;
use rumpkin_spine::{
    Errno,
    abi::Stat,
    file::{File, OpenFile},
    wait::Events,
};

const OWNER: [u32; 3] = [7, 0, 0];
const ALONE: Along<'static> = Along { rights: &[], credentials: None };

fn locals() -> (Locals, Arc<Account>) {
    let account = Arc::new(Account::new(1 << 20));
    (Locals::new(account.clone()), account)
}

fn place(kind: u32) -> Place {
    Place::Abstract(kind, b"\0name".to_vec())
}

#[test]
fn what_waits_is_charged_until_it_is_read_or_its_socket_closed() {
    for kind in [net::SOCK_STREAM, net::SOCK_DGRAM, net::SOCK_SEQPACKET] {
        let (mut locals, account) = locals();
        let [(one, shared), (other, _)] = locals.pair(kind, OWNER).unwrap();
        let data = vec![1; 1000];
        let mut sent = 0;
        while let Ok(count) = locals.send(one, &mut &data[..], None, &ALONE) {
            sent += count;
        }
        assert!(account.used() >= sent && sent > 100_000, "{sent}");
        assert!(!shared.ready().contains(Events::WRITE));
        let mut received = 0;
        while received < sent / 2 {
            let mut buffer = vec![0; 700];
            let taken = locals.receive(other, &mut &mut buffer[..], false).unwrap();
            assert_eq!(taken.sender, Some(OWNER));
            received += taken.length;
        }
        assert!(shared.ready().contains(Events::WRITE));
        assert!(locals.close(other).is_empty());
        drop(locals.leave());
        assert_eq!(account.used(), 0);
        let refused = if kind == net::SOCK_DGRAM { Errno::ECONNREFUSED } else { Errno::ECONNRESET };
        assert_eq!(locals.send(one, &mut &data[..], None, &ALONE), Err(refused));
    }
}

#[test]
fn a_listener_has_a_backlog_and_wakes_those_who_wait() {
    let (mut locals, _) = locals();
    let kind = net::SOCK_STREAM;
    let (listener, ready) = locals.open(kind, OWNER).unwrap();
    locals.bind(listener, b"\0name", None).unwrap();
    locals.listen(listener, 1).unwrap();
    let clients: Vec<_> = (0..3).map(|_| locals.open(kind, OWNER).unwrap()).collect();
    assert_eq!(locals.connect(clients[0].0, Some(&place(kind))), Ok(()));
    assert_eq!(locals.connect(clients[1].0, Some(&place(kind))), Ok(()));
    assert_eq!(locals.connect(clients[2].0, Some(&place(kind))), Err(Errno::EAGAIN));
    assert!(ready.ready().contains(Events::READ) && !clients[2].1.ready().contains(Events::WRITE));
    let (accepted, ..) = locals.accept(listener).unwrap();
    assert!(clients[2].1.ready().contains(Events::WRITE));
    assert_eq!(locals.connect(clients[2].0, Some(&place(kind))), Ok(()));
    let mut waiting = locals.close(listener);
    let mut count = 0;
    while let Some(key) = waiting.pop() {
        assert!(locals.close(key).is_empty());
        count += 1;
    }
    assert_eq!(count, 2);
    assert!(clients[1].1.ready().contains(Events::ERROR) && !clients[0].1.ready().contains(Events::ERROR));
    assert_eq!(locals.take_error(clients[1].0), Some(Errno::ECONNRESET));
    assert_eq!(locals.connect(clients[1].0, Some(&place(kind))), Err(Errno::EISCONN));
    assert!(locals.close(accepted).is_empty());
    let (late, _) = locals.open(kind, OWNER).unwrap();
    assert_eq!(locals.connect(late, Some(&place(kind))), Err(Errno::ECONNREFUSED));
}

/// A file that is nothing but open.
struct Nothing;

impl File for Nothing {
    fn stat(&self) -> Result<Stat, Errno> {
        Ok(Stat::default())
    }
}

#[test]
fn open_files_come_once_with_their_bytes_and_before_those_that_follow() {
    let (mut locals, _) = locals();
    let [(one, _), (other, _)] = locals.pair(net::SOCK_STREAM, OWNER).unwrap();
    let file = OpenFile::new(Arc::new(Nothing), 0).unwrap();
    let rights = [file.clone()];
    let along = Along { rights: &rights, credentials: None };
    locals.send(one, &mut &b"before"[..], None, &ALONE).unwrap();
    locals.send(one, &mut &b"with"[..], None, &along).unwrap();
    locals.send(one, &mut &b"after"[..], None, &ALONE).unwrap();
    assert_eq!(Arc::strong_count(&file), 3);
    let mut receive = |room: usize, peek| {
        let mut buffer = vec![0; room];
        let taken = locals.receive(other, &mut &mut buffer[..], peek).unwrap();
        buffer.truncate(taken.stored);
        (buffer, taken.rights.len())
    };
    assert_eq!(receive(100, false), (b"before".to_vec(), 0));
    assert_eq!(receive(100, true), (b"with".to_vec(), 1));
    assert_eq!(receive(2, false), (b"wi".to_vec(), 1));
    assert_eq!(receive(2, false), (b"th".to_vec(), 0));
    assert_eq!(receive(100, false), (b"after".to_vec(), 0));
    drop(rights);
    assert_eq!(Arc::strong_count(&file), 1);
}
