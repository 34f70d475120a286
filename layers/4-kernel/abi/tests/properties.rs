//! Times, names and numbers as they cross the user boundary.

use proptest::prelude::*;
use rumpkin_abi::{Errno, NANOSECONDS_PER_SECOND, Timespec, Timeval, system_call_name, system_call_number};
use rumpuser_hosted as _;

/// Parts of a second, of which there are so many, and what is none.
fn near(second: i64) -> impl Strategy<Value = i64> {
    prop_oneof![any::<i64>(), 0..second, -2..2i64, second - 2..second + 2]
}

proptest! {
    #[test]
    fn times_come_back(nanoseconds: u64) {
        let time = Timespec::from_nanoseconds(nanoseconds);
        prop_assert_eq!(time.to_nanoseconds(), Ok(nanoseconds));
        let time = Timeval::from_nanoseconds(nanoseconds);
        prop_assert_eq!(time.to_nanoseconds(), Ok(nanoseconds / 1000 * 1000));
    }

    /// What is no time is refused, and what is too long is for ever.
    #[test]
    fn any_time_is_one_or_refused(seconds: i64, nanoseconds in near(1_000_000_000)) {
        let valid = seconds >= 0 && (0..NANOSECONDS_PER_SECOND as i64).contains(&nanoseconds);
        let exact = i128::from(seconds) * i128::from(NANOSECONDS_PER_SECOND) + i128::from(nanoseconds);
        let expected = if valid { Ok(u64::try_from(exact).unwrap_or(u64::MAX)) } else { Err(Errno::EINVAL) };
        prop_assert_eq!(Timespec { seconds, nanoseconds }.to_nanoseconds(), expected);
    }

    #[test]
    fn any_timeval_is_one_or_refused(seconds: i64, microseconds in near(1_000_000)) {
        let valid = seconds >= 0 && (0..1_000_000).contains(&microseconds);
        prop_assert_eq!(Timeval { seconds, microseconds }.to_nanoseconds().is_ok(), valid);
    }

    #[test]
    fn names_and_numbers_belong_together(number in prop_oneof![0..600u64, any::<u64>()]) {
        if let Some(name) = system_call_name(number) {
            prop_assert_eq!(u64::from(system_call_number(name)), number);
        }
    }
}

#[test]
fn errors_lie_in_the_last_page_of_a_register() {
    for error in [Errno::EPERM, Errno::ENOTRECOVERABLE, Errno::ERESTARTNOHAND] {
        let rax = error.to_rax() as i64;
        assert!((-4095..0).contains(&rax));
        assert_eq!(-rax, i64::from(error.number()));
    }
}
